/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/mesh/desired.h - everything one node's kernel should hold, computed from what the cluster
 * says.
 *
 * This is the middle of the river from intent to packets: objects go in, rows in the form of
 * datapath/abi come out, and nothing here knows a file descriptor, a clock or what was there
 * before. agent/datapath compares the result with the maps and writes the difference; migrate asks
 * the same function what a policy would allow, preflight whether it would fit.
 *
 * Everything in the result is sorted, so equal clusters give equal results whatever the order of
 * their objects. Numbers that only the kernel needs (policy set numbers, endpoint slots) are not
 * chosen here: a set is named by the digest of its rows.
 */
#pragma once

#include "datapath/abi/endpoint.h"
#include "datapath/abi/identity.h"
#include "datapath/abi/node.h"
#include "datapath/abi/service.h"
#include "lib/mesh/policy.h"
#include "lib/object/service.h"
#include "lib/object/sidestep.h"

/* A pod of this node as the agent knows it: its interface exists, or did before a restart. */
struct mesh_local {
	uint32_t id;           /* the agent's number, shown to people */
	const struct pod *pod; /* NULL while the object is not known: everything is denied */
	const struct namespace_object *namespace; /* may be NULL */
	uint32_t identity; /* 0 while it is not allocated: everything is denied */
	uint32_t ifindex;  /* host side */
	struct net_addr addr;
	struct net_mac mac, host_mac; /* pod side, host side */
	uint64_t netns_cookie;
};

struct mesh_options {
	bool tunnel; /* remote pods through VXLAN; else by the node's routes */
	bool refuse; /* answer refusals with RST everywhere, not only in migrated namespaces */
};

/* All arrays are borrowed and may be in any order. */
struct mesh_input {
	const char *node_name;
	struct mesh_options options;
	const struct mesh_identities *identities;
	const struct mesh_local *locals;
	size_t n_locals;
	const struct pod *pods; /* of the whole cluster */
	size_t n_pods;
	const struct namespace_object *namespaces;
	size_t n_namespaces;
	const struct node *nodes;
	size_t n_nodes;
	const struct service *services;
	size_t n_services;
	const struct endpoint_slice *slices;
	size_t n_slices;
	struct mesh_policy *policies; /* are sorted and numbered by mesh_compile */
	size_t n_policies;
	const struct sidestep_request *requests;
	size_t n_requests;
};

/* The row of map `endpoint`; policy_set is 0 there and named by digest here. */
struct mesh_endpoint {
	uint32_t id;
	struct endpoint row;
	uint64_t set[MESH_DIRECTIONS]; /* 0: that direction is not enforced */
	bool sock_optout;              /* its sockets keep the ClusterIP */
};

struct mesh_backend {
	struct service_backend address;
	uint8_t state; /* enum backend_state */
};
struct mesh_service {
	struct service_key key;
	const char *namespace, *name, *port_name; /* for people; port_name may be NULL */
	struct mesh_backend *backends;            /* sorted; slots are the active ones, in order */
	size_t n_backends, n_active;              /* active ones come first */
};

struct mesh_address {
	struct ipcache_key key;
	struct ipcache_entry entry;
};

struct mesh_remote_node {
	const char *name;
	struct net_addr addr;
	struct net_cidr pod_cidr;
};

struct mesh_desired {
	struct mesh_set *sets; /* distinct, sorted by digest */
	size_t n_sets;
	struct mesh_endpoint *endpoints; /* sorted by id */
	size_t n_endpoints;
	struct mesh_service *services; /* sorted by key */
	size_t n_services;
	struct mesh_address *addresses; /* sorted by key */
	size_t n_addresses;
	struct mesh_remote_node *nodes; /* all but this one, sorted by name */
	size_t n_nodes;
	struct mesh_universe universe; /* for enriching flows and explaining verdicts */
};

void mesh_compile(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret);

/* The parts, for tests and tools. */
void mesh_compile_services(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret);
void mesh_compile_addresses(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret);
/* Of everything that becomes rows: equal digests, nothing to write. */
uint64_t mesh_desired_digest(const struct mesh_desired *d);
const struct mesh_set *mesh_desired_set(const struct mesh_desired *d, uint64_t digest);
const struct mesh_endpoint *mesh_desired_endpoint(const struct mesh_desired *d, uint32_t id);

/*
 * Would it fit? One line for each map that the result fills beyond percent of its size; 0 when all
 * is well. Sizes are those of datapath/abi/maps.h.
 */
struct mesh_overflow {
	const char *map;
	size_t want, room;
};
size_t mesh_fit(const struct mesh_desired *d, unsigned percent, struct mesh_overflow out[8]);
