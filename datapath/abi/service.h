/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/service.h - frontends and their backends. Everything is keyed by content: there are
 * no service or backend numbers to allocate, so compiling services is a pure function.
 *
 * `service`     frontend -> how many slots
 * `svc_slot`    frontend + slot (0 .. slots - 1) -> backend for a *new* connection
 * `svc_backend` frontend + backend -> state; says whether a live connection may stay where it is
 *
 * Growing: write svc_backend and svc_slot rows, then `service`. Shrinking: `service`, then remove
 * rows. Either way bump the frontend's generation (generation.h) last. A ready backend is in both
 * tables; a terminating one only in svc_backend, so its connections finish and no new one starts.
 */
#pragma once

#include <linux/types.h>

enum service_scope {
	SERVICE_SCOPE_EXTERNAL = 0, /* the only one used for a ClusterIP */
	SERVICE_SCOPE_INTERNAL =
		1, /* reserved: internalTrafficPolicy=Local beside an external one */
};

struct service_key {
	__be32 addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 scope; /* enum service_scope */
};
_Static_assert(sizeof(struct service_key) == 8, "pinned layout");

enum service_flag {
	SERVICE_AFFINITY = 1 << 0, /* reserved: session affinity by client address */
};

struct service_entry {
	__u32 slots; /* ready backends; 0: refuse (reason NO_SERVICE) */
	__u16 flags; /* enum service_flag */
	__u16 reserved;
	__u32 affinity_s; /* reserved: seconds */
	__u32 tag;        /* agent's number for lists and flows */
};
_Static_assert(sizeof(struct service_entry) == 16, "pinned layout");

struct service_slot_key {
	struct service_key service;
	__u32 slot;
};
_Static_assert(sizeof(struct service_slot_key) == 12, "pinned layout");

struct service_backend {
	__be32 addr;
	__be16 port;
	__u16 reserved;
};
_Static_assert(sizeof(struct service_backend) == 8, "pinned layout");

struct service_backend_key {
	struct service_key service;
	struct service_backend backend;
};
_Static_assert(sizeof(struct service_backend_key) == 16, "pinned layout");

enum backend_state {
	BACKEND_ACTIVE = 0,
	BACKEND_TERMINATING = 1,
};

struct service_backend_state {
	__u8 state; /* enum backend_state */
	__u8 reserved[3];
};
_Static_assert(sizeof(struct service_backend_state) == 4, "pinned layout");

/* Map `sock_rev`: where a UDP socket's datagrams seem to come from. cookie is the socket's. */
struct sock_rev_key {
	__u64 cookie;
	struct service_backend backend;
};
_Static_assert(sizeof(struct sock_rev_key) == 16, "pinned layout");
/* value: struct service_backend holding the frontend's address and port. */

/* Map `sock_optout`: hash __u64 netns cookie -> __u32 1. Sockets of these namespaces (pods with a
 * sidecar) keep their ClusterIP at connect(). Set NODE_SOCK_OPTOUT in node_config when not empty.
 */
