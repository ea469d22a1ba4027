/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/mesh/rule.h - policies of every dialect in one form.
 *
 * CiliumNetworkPolicy, its clusterwide form and Kubernetes NetworkPolicy become struct mesh_policy:
 * whom it selects, in which directions it makes them default-deny, and rules with peers and ports.
 * Namespaces are already written into the selectors, label keys carry their source, CIDR blocks are
 * parsed. What the policy says and we do not enforce is listed in `unsupported`; the directions
 * concerned then carry no allow rule of this policy at all (never enforced in part), stay
 * default-deny, and a deny that is not understood denies everybody everything.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/net/cidr.h"
#include "lib/object/cnp.h"
#include "lib/object/netpol.h"

enum mesh_direction { MESH_INGRESS, MESH_EGRESS, MESH_DIRECTIONS };

const char *mesh_direction_name(enum mesh_direction d); /* "ingress", "egress" */

/* IP protocol numbers; 0 is every protocol. */
enum {
	MESH_PROTO_ANY = 0,
	MESH_ICMP = 1,
	MESH_TCP = 6,
	MESH_UDP = 17,
	MESH_ICMPV6 = 58,
	MESH_SCTP = 132
};
/* "TCP", "ANY"; "?" for others. */
const char *mesh_proto_name(uint8_t proto);
/* The inverse, in any case; -1 when unknown. */
int mesh_proto_number(const char *name);

enum mesh_peer_kind {
	MESH_PEER_ANY,      /* everybody, inside and outside */
	MESH_PEER_SELECTOR, /* identities whose labels match */
	MESH_PEER_RESERVED, /* one reserved identity */
	MESH_PEER_WORLD,    /* everything outside the cluster, CIDR identities included */
	MESH_PEER_CIDR,     /* addresses outside the cluster within cidr, less the exceptions */
};

struct mesh_peer {
	enum mesh_peer_kind kind;
	struct label_selector selector;
	uint32_t reserved;
	struct net_cidr cidr;
	struct net_cidr *except;
	size_t n_except;
};

/* One protocol and a port range; ICMP carries its type as the port. */
struct mesh_port_match {
	uint8_t proto;        /* 0: every protocol (then the range is everything) */
	uint16_t first, last; /* host order, inclusive; 0..65535 is every port */
	const char *name;     /* a named port to resolve; then first and last mean nothing */
};

struct mesh_rule {
	uint32_t id;      /* names the deciding rule in events and policy rows; never 0 */
	const char *path; /* "spec.ingress[0]" */
	enum mesh_direction direction;
	bool deny;
	struct mesh_peer *peers; /* alternatives; none: nobody */
	size_t n_peers;
	struct mesh_port_match *ports; /* alternatives; none: every port */
	size_t n_ports;
};

/* One spec: whom it selects and what for. */
struct mesh_spec {
	struct label_selector subject;
	bool default_deny[MESH_DIRECTIONS];
	struct mesh_rule *rules;
	size_t n_rules;
};

struct mesh_unsupported {
	const char *path;   /* "spec.ingress[0].toPorts[0].rules.http" */
	const char *reason; /* one sentence start, no full stop */
};

struct mesh_policy {
	const char *kind, *namespace, *name, *uid; /* namespace NULL for clusterwide ones */
	int64_t generation;
	struct mesh_spec *specs;
	size_t n_specs;
	struct mesh_unsupported *unsupported;
	size_t n_unsupported;
};

/*
 * From a document of one of the three kinds. A policy that cannot even be decoded is returned as
 * one that is unsupported as a whole. -EINVAL only for another kind of document.
 */
int mesh_policy_from_doc(struct arena *a, const struct doc *d, struct mesh_policy *ret,
			 struct error *err);
void mesh_policy_from_cilium(struct arena *a, const struct cilium_policy *p,
			     const struct bind_unknown *unknown, struct mesh_policy *ret);
void mesh_policy_from_kubernetes(struct arena *a, const struct network_policy *p,
				 const struct bind_unknown *unknown, struct mesh_policy *ret);

/* Gives every rule of all policies its number: a hash of policy and path, the same in every run,
 * with collisions resolved in order. Policies are sorted by kind, namespace and name. */
void mesh_policies_number(struct mesh_policy *policies, size_t n);
/* "CiliumNetworkPolicy production/payments spec.ingress[0]"; the built-in rules of
 * datapath/abi/policy.h have names too; "" when unknown. In the arena. */
const char *mesh_rule_describe(struct arena *a, const struct mesh_policy *policies, size_t n,
			       uint32_t rule);

/* At most so many rules and peers of one policy are read; more makes it unsupported. */
enum { MESH_MAX_RULES = 4096, MESH_MAX_PEERS = 4096, MESH_MAX_PORTS = 4096 };
