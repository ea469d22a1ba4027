/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/sources.h - a set of callers, as the translator reckons with them.
 *
 * Callers are pods, told apart by namespace and ServiceAccount, and everybody else: addresses
 * outside the cluster, and nodes and other reserved identities that have no block. The pods of a
 * set are a union of terms, each "namespace (not) among these and account (not) among those"; such
 * sets are closed under and, or and not, so a policy's words are followed exactly.
 */
#pragma once

#include "lib/istio/member.h"
#include "lib/net/cidr.h"

/* Values, or everything but these values. Sorted, without repeats. */
struct names {
	struct strings values;
	bool except;
};
struct source_term {
	struct names namespaces, accounts;
};
struct sources {
	struct source_term *terms;
	size_t n_terms;
	struct net_cidr_set outside; /* IPv4 */
	bool reserved;               /* nodes and the other identities without an address block */
};

void sources_release(struct sources *s);
/* Results are new sets; terms are in the arena, blocks are released with sources_release(). */
void sources_all(struct arena *a, struct sources *ret);
void sources_none(struct sources *ret);
/* Pods with a certificate of the mesh, at the granularity of accounts (mixed ones included). */
void sources_mesh(struct arena *a, const struct istio_mesh *m, struct sources *ret);
/* ns or account NULL: any. */
void sources_account(struct arena *a, const char *ns, const char *account, struct sources *ret);
void sources_blocks(const struct net_cidr *blocks, size_t n, struct sources *ret);
void sources_and(struct arena *a, struct sources *s, const struct sources *with);
void sources_or(struct arena *a, struct sources *s, const struct sources *with);
void sources_not(struct arena *a, struct sources *s);
bool sources_is_all(const struct sources *s);
bool sources_is_empty(const struct sources *s);
bool sources_equal(const struct sources *a, const struct sources *b);
bool sources_has_pod(const struct sources *s, const char *ns, const char *account);

/*
 * The peers of CiliumNetworkPolicy rules that mean this set: a list of maps, each with one of
 * fromEndpoints, fromEntities, fromCIDR (one kind a rule, as Cilium wants it), or one empty map for
 * everybody. An empty list for nobody. To refuse: never the node itself, whose probes must reach
 * its pods once no sidecar takes them.
 */
struct doc *sources_peers(struct arena *a, const struct sources *s, bool refuse);

/* More terms than this in one set: the policy is refused as too intricate. */
#define SOURCES_MAX_TERMS 4096u
