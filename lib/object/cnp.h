/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/cnp.h - CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2).
 *
 * Every field of the upstream schema is named, also those that nothing enforces yet, so that the
 * compiler can say which path of which policy it cannot honour instead of ignoring it. Fields that
 * belong to a part not built yet are kept as documents (`const struct doc *`, NULL when absent).
 */
#pragma once

#include "lib/object/meta.h"

struct cnp_port {
	struct int_or_string port; /* "80", 80 or a port name; "0" is every port */
	struct opt_int end_port;
	const char *protocol; /* TCP, UDP, SCTP, ICMP, ICMPV6, ANY; NULL means ANY */
};

struct cnp_port_rule {
	struct cnp_port *ports; /* none: every port */
	size_t n_ports;
	struct strings server_names;
	const struct doc *rules; /* http, kafka, dns, l7, l7proto */
	const struct doc *listener, *terminating_tls, *originating_tls;
};

struct cnp_icmp_field {
	const char *family;        /* IPv4 (default) or IPv6 */
	struct int_or_string type; /* number, or a name such as EchoRequest */
};
struct cnp_icmp_rule {
	struct cnp_icmp_field *fields;
	size_t n_fields;
};

struct cnp_cidr_rule {
	const char *cidr, *cidr_group_ref;
	const struct doc *cidr_group_selector;
	struct strings except;
};

/*
 * One rule of ingress, ingressDeny, egress or egressDeny. Within a rule, peers and ports must both
 * match; the peer lists (endpoints, entities, cidr ...) are alternatives. A peer list that is
 * written but empty selects nobody, which differs from one that is absent: hence the *_doc members.
 */
struct cnp_rule {
	struct label_selector *endpoints; /* fromEndpoints / toEndpoints */
	size_t n_endpoints;
	struct label_selector *requires; /* fromRequires / toRequires: narrows every other peer */
	size_t n_requires;
	struct strings cidr; /* fromCIDR / toCIDR */
	struct cnp_cidr_rule *cidr_set;
	size_t n_cidr_set;
	struct strings entities;
	struct cnp_port_rule *ports; /* toPorts */
	size_t n_ports;
	struct cnp_icmp_rule *icmps;
	size_t n_icmps;
	const struct doc *endpoints_doc, *requires_doc, *cidr_doc, *cidr_set_doc, *entities_doc;
	const struct doc *ports_doc, *icmps_doc;
	const struct doc *authentication;   /* {mode: required|disabled|test-always-fail} */
	const struct doc *groups, *nodes;   /* fromGroups/toGroups, fromNodes/toNodes */
	const struct doc *services, *fqdns; /* egress only: toServices, toFQDNs */
};

struct cnp_spec {
	struct label_selector *endpoint_selector; /* exactly one of the two is set */
	struct label_selector *node_selector;     /* host policy; CCNP only */
	struct cnp_rule *ingress, *ingress_deny, *egress, *egress_deny;
	size_t n_ingress, n_ingress_deny, n_egress, n_egress_deny;
	/* A direction with at least one rule makes the endpoint default-deny in it; an omitted or
	 * empty list does not apply to the direction (upstream's API comment). */
	const struct doc *ingress_doc, *ingress_deny_doc, *egress_doc, *egress_deny_doc;
	struct opt_bool default_deny_ingress, default_deny_egress; /* enableDefaultDeny */
	const struct doc *labels; /* the rule's own labels, informative */
	const struct doc *log;    /* log.value, informative */
	const char *description;
};

/* CNP and CCNP: the latter has no namespace. Either spec, specs or both. */
struct cilium_policy {
	struct object_meta meta;
	struct cnp_spec *spec;
	struct cnp_spec *specs;
	size_t n_specs;
	struct condition *conditions; /* status.conditions */
	size_t n_conditions;
};

extern const struct bind_table cilium_policy_table;
extern const struct bind_table cnp_spec_table;

/* Strict: *unknown collects the fields nobody knows (may be NULL to ignore them). */
int cilium_policy_decode(struct arena *a, const struct doc *d, struct cilium_policy *out,
			 struct bind_unknown *unknown, struct error *err);
