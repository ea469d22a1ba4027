/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/verify_space_internal.h - what the partition's files share: the values that objects of
 * either side name (verify_names.c), the addresses that stand for the blocks among them
 * (verify_places.c), and the classes made of both (verify_space.c).
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/istio/redirect.h"
#include "migrate/verify_internal.h"

typedef VEC(const char *) name_list;
typedef VEC(struct net_addr) addr_list;

/* A label's values that somebody names. */
struct label_values {
	const char *key; /* without its source */
	name_list values;
};

/* What is gathered before the classes are made. */
struct naming {
	struct verify_space *v;
	struct arena *arena;
	name_list namespaces, accounts;
	VEC(struct label_values) from, to; /* labels of callers and of servers */
	VEC(struct net_cidr) blocks;
	addr_list of_pods, of_nodes; /* one for each way to lie in blocks */
	VEC(uint32_t) cuts;          /* where a port class begins */
	VEC(uint32_t) icmp_cuts;     /* where a class of ICMP types begins */
};

/* --- what objects name (verify_names.c) --- */

/* Once; an empty name is none. */
void naming_add(name_list *list, const char *name);
/* Istio's objects that concern the namespace. */
void naming_istio(struct naming *n);
/* The mesh's policies that may select a pod of it: v->after. */
void naming_mesh(struct naming *n);
/* The ports that a proxy with these redirect rules leaves alone. */
void naming_redirect(struct naming *n, const struct istio_redirect *r);

/* --- addresses (verify_places.c); after everything was named --- */

/* An address of the block that lies in no narrower one; false: there is none. */
bool naming_representative(const struct naming *n, const struct net_cidr *block,
			   struct net_addr *ret);
/* Where callers of the cluster have their addresses, of_pods and of_nodes; not known: where no
 * object looks. */
void naming_places(struct naming *n);
