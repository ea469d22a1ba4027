/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/maps.h - the one table of maps. The programs declare their maps from it, the agent
 * creates and pins them from it, tools print from it.
 *
 * X(name, layout version, type, key, value, entries, flags, class, what), R(...) for a ring
 *   name     at most 12 characters: pinned as <root>/<name>_v<version>, the kernel keeps 15
 *   type     BPF_MAP_TYPE_<type>
 *   key      a C type, like value; R has neither
 *   entries  default size (bytes of a ring); the agent may choose another for KEPT and SCRATCH
 *   flags    MAP_FLAG_*
 *   class    DERIVED: rebuilt from the cluster before programs are swapped
 *            KEPT:    lives only in the kernel, must be carried over a layout change, both ways
 *            SCRATCH: may be lost
 */
#pragma once

#include "datapath/abi/conntrack.h"
#include "datapath/abi/conntrack_v1.h"
#include "datapath/abi/endpoint.h"
#include "datapath/abi/event.h"
#include "datapath/abi/generation.h"
#include "datapath/abi/identity.h"
#include "datapath/abi/node.h"
#include "datapath/abi/policy.h"
#include "datapath/abi/service.h"
#include "datapath/abi/verdict.h"

enum map_class { MAP_CLASS_DERIVED, MAP_CLASS_KEPT, MAP_CLASS_SCRATCH };

#define MAP_FLAG_NO_PREALLOC (1U << 0)  /* BPF_F_NO_PREALLOC */
#define MAP_FLAG_MMAPABLE    (1U << 10) /* BPF_F_MMAPABLE */

/* clang-format off */
/* Used by the packet programs only. */
#define FOREACH_MAP_PACKET(X, R)                                                                             \
	X(endpoint,     1, ARRAY,        __u32, struct endpoint, ENDPOINT_MAX, 0, DERIVED, "pods of this node")  \
	X(ep_ifindex,   1, ARRAY,        __u32, struct endpoint_ifindex, ENDPOINT_IFINDEX_MAX, 0, DERIVED,       \
	  "device to endpoint")                                                                              \
	X(ep_addr,      1, HASH,         __be32, __u32, ENDPOINT_MAX, 0, DERIVED, "address to endpoint")         \
	X(policy,       1, LPM_TRIE,     struct policy_key, struct policy_entry, 131072, MAP_FLAG_NO_PREALLOC,   \
	  DERIVED, "who may talk to whom")                                                                   \
	X(ipcache,      1, LPM_TRIE,     struct ipcache_key, struct ipcache_entry, 131072, MAP_FLAG_NO_PREALLOC, \
	  DERIVED, "address to identity and node")                                                           \
	X(generation,   1, ARRAY,        __u32, __u32, GENERATION_MAX, MAP_FLAG_MMAPABLE, KEPT,                  \
	  "counters that outdate remembered decisions")                                                      \
	X(conntrack,    2, LRU_HASH,     struct conntrack_key, struct conntrack_entry, 131072, 0, KEPT,          \
	  "answered connections")                                                                            \
	X(ct_new,       2, LRU_HASH,     struct conntrack_key, struct conntrack_entry, 32768, 0, KEPT,           \
	  "unanswered connections and refusals")                                                             \
	X(fragment,     1, LRU_HASH,     struct fragment_key, struct fragment_ports, 8192, 0, SCRATCH,           \
	  "ports of fragmented datagrams")                                                                   \
	R(events,       1, 1 << 20, SCRATCH, "records for people")                                               \
	X(event_bucket, 1, PERCPU_ARRAY, __u32, struct event_bucket, 1, 0, SCRATCH, "rate limit of events")      \
	X(metrics,      1, PERCPU_ARRAY, __u32, struct metrics, METRICS_MAX, 0, KEPT,                            \
	  "packets by reason and direction")                                                                 \
	X(traffic,      1, LRU_HASH,     struct traffic_key, struct traffic, 16384, 0, KEPT,                     \
	  "policy decisions, exact")

/* Layouts of the release before, while the node may go back to it: see conntrack_convert.h. The same
 * names and keys as above; both maps are there or none. */
#define FOREACH_MAP_OLDER(X)                                                                                 \
	X(conntrack,    1, LRU_HASH,     struct conntrack_key, struct conntrack_entry_v1, 131072, 0, KEPT,       \
	  "answered connections")                                                                            \
	X(ct_new,       1, LRU_HASH,     struct conntrack_key, struct conntrack_entry_v1, 32768, 0, KEPT,        \
	  "unanswered connections and refusals")

/* Used by both objects. */
#define FOREACH_MAP_SHARED(X, R)                                                                             \
	X(node_config,  1, ARRAY,        __u32, struct node_config, 1, 0, DERIVED, "what programs know of the node") \
	X(service,      1, HASH,         struct service_key, struct service_entry, 16384, MAP_FLAG_NO_PREALLOC,        \
	  DERIVED, "frontends")                                                                              \
	X(svc_slot,     1, HASH,         struct service_slot_key, struct service_backend, 65536,                 \
	  MAP_FLAG_NO_PREALLOC, DERIVED, "backends for new connections")                                     \
	X(svc_backend,  1, HASH,         struct service_backend_key, struct service_backend_state, 65536,        \
	  MAP_FLAG_NO_PREALLOC, DERIVED, "which backends a live connection may keep")

/* Used by the socket programs only. */
#define FOREACH_MAP_SOCKET(X, R)                                                                             \
	X(sock_rev,     1, LRU_HASH,     struct sock_rev_key, struct service_backend, 32768, 0, KEPT,            \
	  "frontends that datagram sockets talk to")                                                         \
	X(sock_optout,  1, HASH,         __u64, __u32, ENDPOINT_MAX, MAP_FLAG_NO_PREALLOC, DERIVED,              \
	  "namespaces without socket load balancing")

/* Used by no program. */
#define FOREACH_MAP_TOOL(X, R)                                                                               \
	X(meta,         1, ARRAY,        __u32, struct meta, 1, 0, KEPT, "schema, writer, boot")

#define FOREACH_MAP(X, R)                                                                                    \
	FOREACH_MAP_TOOL(X, R)                                                                               \
	FOREACH_MAP_SHARED(X, R)                                                                             \
	FOREACH_MAP_PACKET(X, R)                                                                             \
	FOREACH_MAP_SOCKET(X, R)
/* clang-format on */
