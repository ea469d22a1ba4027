/* SPDX-License-Identifier: Apache-2.0 */
/* CiliumNetworkPolicy tables: four rule kinds that share one struct. */
#include "lib/object/cnp.h"

#include "lib/base/macros.h"

static const struct bind_field port_fields[] = {
	BIND(struct cnp_port, port, "port", BIND_INT_OR_STRING, 0),
	BIND_RANGE(struct cnp_port, end_port, "endPort", BIND_OPT_INT, 0, 0, 65535),
	BIND(struct cnp_port, protocol, "protocol", BIND_STRING, 0),
};
static BIND_TABLE(port_table, struct cnp_port, port_fields);

static const struct bind_field port_rule_fields[] = {
	BIND_ITEMS(struct cnp_port_rule, ports, "ports", 0, &port_table),
	BIND(struct cnp_port_rule, server_names, "serverNames", BIND_STRINGS, 0),
	BIND(struct cnp_port_rule, rules, "rules", BIND_DOC, 0),
	BIND(struct cnp_port_rule, listener, "listener", BIND_DOC, 0),
	BIND(struct cnp_port_rule, terminating_tls, "terminatingTLS", BIND_DOC, 0),
	BIND(struct cnp_port_rule, originating_tls, "originatingTLS", BIND_DOC, 0),
};
static BIND_TABLE(port_rule_table, struct cnp_port_rule, port_rule_fields);

static const struct bind_field icmp_field_fields[] = {
	BIND(struct cnp_icmp_field, family, "family", BIND_STRING, 0),
	BIND(struct cnp_icmp_field, type, "type", BIND_INT_OR_STRING, BIND_REQUIRED),
};
static BIND_TABLE(icmp_field_table, struct cnp_icmp_field, icmp_field_fields);

static const struct bind_field icmp_fields[] = {
	BIND_ITEMS(struct cnp_icmp_rule, fields, "fields", 0, &icmp_field_table),
};
static BIND_TABLE(icmp_table, struct cnp_icmp_rule, icmp_fields);

static const struct bind_field cidr_fields[] = {
	BIND(struct cnp_cidr_rule, cidr, "cidr", BIND_STRING, 0),
	BIND(struct cnp_cidr_rule, cidr_group_ref, "cidrGroupRef", BIND_STRING, 0),
	BIND(struct cnp_cidr_rule, cidr_group_selector, "cidrGroupSelector", BIND_DOC, 0),
	BIND(struct cnp_cidr_rule, except, "except", BIND_STRINGS, 0),
};
static BIND_TABLE(cidr_table, struct cnp_cidr_rule, cidr_fields);

/* The peers of a rule; where is "from" or "to". */
#define PEER_ROWS(where)                                                                           \
	BIND_ITEMS(struct cnp_rule, endpoints, where "Endpoints", 0, &label_selector_table),       \
		BIND_ITEMS(struct cnp_rule, requires, where "Requires", 0, &label_selector_table), \
		BIND(struct cnp_rule, cidr, where "CIDR", BIND_STRINGS, 0),                        \
		BIND_ITEMS(struct cnp_rule, cidr_set, where "CIDRSet", 0, &cidr_table),            \
		BIND(struct cnp_rule, entities, where "Entities", BIND_STRINGS, 0),                \
		BIND(struct cnp_rule, endpoints_doc, where "Endpoints", BIND_DOC, 0),              \
		BIND(struct cnp_rule, requires_doc, where "Requires", BIND_DOC, 0),                \
		BIND(struct cnp_rule, cidr_doc, where "CIDR", BIND_DOC, 0),                        \
		BIND(struct cnp_rule, cidr_set_doc, where "CIDRSet", BIND_DOC, 0),                 \
		BIND(struct cnp_rule, entities_doc, where "Entities", BIND_DOC, 0),                \
		BIND(struct cnp_rule, groups, where "Groups", BIND_DOC, 0),                        \
		BIND(struct cnp_rule, nodes, where "Nodes", BIND_DOC, 0)
#define PORT_ROWS                                                                                  \
	BIND_ITEMS(struct cnp_rule, ports, "toPorts", 0, &port_rule_table),                        \
		BIND_ITEMS(struct cnp_rule, icmps, "icmps", 0, &icmp_table),                       \
		BIND(struct cnp_rule, ports_doc, "toPorts", BIND_DOC, 0),                          \
		BIND(struct cnp_rule, icmps_doc, "icmps", BIND_DOC, 0),                            \
		BIND(struct cnp_rule, authentication, "authentication", BIND_DOC, 0)

static const struct bind_field ingress_fields[] = {PEER_ROWS("from"), PORT_ROWS};
static BIND_TABLE(ingress_table, struct cnp_rule, ingress_fields);

static const struct bind_field egress_fields[] = {
	PEER_ROWS("to"),
	PORT_ROWS,
	BIND(struct cnp_rule, services, "toServices", BIND_DOC, 0),
	BIND(struct cnp_rule, fqdns, "toFQDNs", BIND_DOC, 0),
};
static BIND_TABLE(egress_table, struct cnp_rule, egress_fields);

static const struct bind_field spec_fields[] = {
	BIND_NESTED(struct cnp_spec, endpoint_selector, "endpointSelector", BIND_PTR, 0,
		    &label_selector_table),
	BIND_NESTED(struct cnp_spec, node_selector, "nodeSelector", BIND_PTR, 0,
		    &label_selector_table),
	BIND_ITEMS(struct cnp_spec, ingress, "ingress", 0, &ingress_table),
	BIND_ITEMS(struct cnp_spec, ingress_deny, "ingressDeny", 0, &ingress_table),
	BIND_ITEMS(struct cnp_spec, egress, "egress", 0, &egress_table),
	BIND_ITEMS(struct cnp_spec, egress_deny, "egressDeny", 0, &egress_table),
	BIND(struct cnp_spec, ingress_doc, "ingress", BIND_DOC, 0),
	BIND(struct cnp_spec, ingress_deny_doc, "ingressDeny", BIND_DOC, 0),
	BIND(struct cnp_spec, egress_doc, "egress", BIND_DOC, 0),
	BIND(struct cnp_spec, egress_deny_doc, "egressDeny", BIND_DOC, 0),
	BIND(struct cnp_spec, default_deny_ingress, "enableDefaultDeny.ingress", BIND_OPT_BOOL, 0),
	BIND(struct cnp_spec, default_deny_egress, "enableDefaultDeny.egress", BIND_OPT_BOOL, 0),
	BIND(struct cnp_spec, labels, "labels", BIND_DOC, 0),
	BIND(struct cnp_spec, log, "log", BIND_DOC, 0),
	BIND(struct cnp_spec, description, "description", BIND_STRING, 0),
};
BIND_TABLE(cnp_spec_table, struct cnp_spec, spec_fields);

static const struct bind_field policy_fields[] = {
	OBJECT_META_ROWS(struct cilium_policy),
	BIND_NESTED(struct cilium_policy, spec, "spec", BIND_PTR, 0, &cnp_spec_table),
	BIND_ITEMS(struct cilium_policy, specs, "specs", 0, &cnp_spec_table),
	BIND_ITEMS(struct cilium_policy, conditions, "status.conditions", 0, &condition_table),
};
BIND_TABLE(cilium_policy_table, struct cilium_policy, policy_fields);

int cilium_policy_decode(struct arena *a, const struct doc *d, struct cilium_policy *out,
			 struct bind_unknown *unknown, struct error *err)
{
	return object_decode_strict(a, &cilium_policy_table, d, out, unknown, err);
}
