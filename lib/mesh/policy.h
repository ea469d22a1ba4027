/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/mesh/policy.h - rules plus everybody there is, compiled to the rows of one endpoint.
 *
 * The universe is everybody policy can speak of: reserved and cluster identities, and one identity
 * for each address block that a rule names. A subject is one endpoint: its complete labels and its
 * named ports. For a subject and a direction the compiler yields a set of rows in the form of
 * datapath/abi/policy.h. Sets are pure values: same rules, same subject, same rows in the same
 * order, so endpoints that are treated alike share a set, found by its digest.
 *
 * mesh_set_decide() is the kernel's lookup in twenty lines; mesh_rules_decide() answers the same
 * question from the rules without compiling anything. Tests hold them against each other, and tools
 * use the first to say what would happen and the second to say why.
 */
#pragma once

#include "datapath/abi/policy.h"
#include "lib/mesh/identity.h"
#include "lib/mesh/rule.h"

struct mesh_port_name {
	const char *name;
	uint8_t proto;
	uint16_t port;
};

/* An identity and a port that some pod of it names. */
struct mesh_peer_port {
	uint32_t identity;
	struct mesh_port_name port;
};

/* An address block and the number it has on this node. */
struct mesh_block {
	struct net_cidr cidr;
	uint32_t identity;
};

struct mesh_universe {
	const struct mesh_identities *identities; /* borrowed */
	struct mesh_block *blocks;                /* IPv4 only, sorted by net_cidr_cmp */
	size_t n_blocks;
	struct mesh_peer_port *ports; /* borrowed; for named ports of egress rules */
	size_t n_ports;
};

/*
 * Collects the blocks (also the excepted ones) of all rules. A block's number is a hash of it: the
 * same in every run, so that a restart changes nothing.
 */
void mesh_universe_build(struct arena *a, const struct mesh_identities *identities,
			 const struct mesh_policy *policies, size_t n, struct mesh_universe *ret);
/* Whom an address outside the cluster belongs to: the narrowest block, else IDENTITY_WORLD. */
uint32_t mesh_universe_address(const struct mesh_universe *u, const struct net_addr *addr);

struct mesh_subject {
	struct strmap labels; /* mesh_pod_all_labels() */
	const struct mesh_port_name *ports;
	size_t n_ports;
};

/* One row. In key, set is 0: whoever writes the set into a map numbers it. */
struct mesh_row {
	struct policy_key key;
	struct policy_entry entry;
};

struct mesh_set {
	uint64_t digest; /* of the rows; 0 for "not enforced" only */
	bool enforced;   /* false: every packet passes and there are no rows */
	struct mesh_row *rows;
	size_t n;
};

/* More rows in one set is an error of the policy, not of the machine: see mesh_fit(). */
enum { MESH_MAX_SET_ROWS = 65536 };

/* Policies must have been numbered. */
void mesh_policy_compile(struct arena *a, const struct mesh_universe *u,
			 const struct mesh_policy *policies, size_t n,
			 const struct mesh_subject *subject, enum mesh_direction d,
			 struct mesh_set *ret);
/* A set with no rows but the node's own probes: what an endpoint has before its policy is known. */
void mesh_set_default_deny(struct arena *a, enum mesh_direction d, struct mesh_set *ret);
/* The digest of rows in the given order, as the compiler computes it. */
uint64_t mesh_set_digest(const struct mesh_row *rows, size_t n);
/* The order of rows in a set (by key, set number aside). */
int mesh_row_cmp(const void *a, const void *b);

struct mesh_decision {
	bool allowed;
	uint32_t rule; /* the deciding rule's number, POLICY_RULE_*; POLICY_RULE_NONE: nothing
			  matched */
};

/* What the kernel decides from a set about a peer identity, protocol and destination port. */
struct mesh_decision mesh_set_decide(const struct mesh_set *set, uint32_t identity, uint8_t proto,
				     uint16_t port);

/* The other side of a connection. */
struct mesh_other {
	uint32_t identity;                  /* reserved, cluster, or a block's */
	const struct net_addr *addr;        /* of one outside the cluster; else NULL */
	const struct mesh_port_name *ports; /* its named ports, for egress rules */
	size_t n_ports;
};
/* The same from the rules themselves. */
struct mesh_decision mesh_rules_decide(const struct mesh_universe *u,
				       const struct mesh_policy *policies, size_t n,
				       const struct mesh_subject *subject, enum mesh_direction d,
				       const struct mesh_other *other, uint8_t proto,
				       uint16_t port);
/* Whether one rule speaks of the connection (its direction and subject aside). */
bool mesh_rule_matches(const struct mesh_universe *u, const struct mesh_rule *r,
		       const struct mesh_subject *subject, const struct mesh_other *other,
		       uint8_t proto, uint16_t port);
