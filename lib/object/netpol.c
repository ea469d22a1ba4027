/* SPDX-License-Identifier: Apache-2.0 */
/* NetworkPolicy table. */
#include "lib/object/netpol.h"

#include "lib/base/macros.h"

static const struct bind_field ip_block_fields[] = {
	BIND(struct netpol_ip_block, cidr, "cidr", BIND_STRING, BIND_REQUIRED),
	BIND(struct netpol_ip_block, except, "except", BIND_STRINGS, 0),
};
static BIND_TABLE(ip_block_table, struct netpol_ip_block, ip_block_fields);

static const struct bind_field peer_fields[] = {
	BIND_NESTED(struct netpol_peer, pod_selector, "podSelector", BIND_PTR, 0,
		    &label_selector_table),
	BIND_NESTED(struct netpol_peer, namespace_selector, "namespaceSelector", BIND_PTR, 0,
		    &label_selector_table),
	BIND_NESTED(struct netpol_peer, ip_block, "ipBlock", BIND_PTR, 0, &ip_block_table),
};
static BIND_TABLE(peer_table, struct netpol_peer, peer_fields);

static const struct bind_field port_fields[] = {
	BIND(struct netpol_port, protocol, "protocol", BIND_STRING, 0),
	BIND(struct netpol_port, port, "port", BIND_INT_OR_STRING, 0),
	BIND_RANGE(struct netpol_port, end_port, "endPort", BIND_OPT_INT, 0, 1, 65535),
};
static BIND_TABLE(port_table, struct netpol_port, port_fields);

static const struct bind_field ingress_fields[] = {
	BIND_ITEMS(struct netpol_rule, peers, "from", 0, &peer_table),
	BIND_ITEMS(struct netpol_rule, ports, "ports", 0, &port_table),
};
static BIND_TABLE(ingress_table, struct netpol_rule, ingress_fields);

static const struct bind_field egress_fields[] = {
	BIND_ITEMS(struct netpol_rule, peers, "to", 0, &peer_table),
	BIND_ITEMS(struct netpol_rule, ports, "ports", 0, &port_table),
};
static BIND_TABLE(egress_table, struct netpol_rule, egress_fields);

static const struct bind_field policy_fields[] = {
	OBJECT_META_ROWS(struct network_policy),
	BIND_NESTED(struct network_policy, pod_selector, "spec.podSelector", BIND_STRUCT, 0,
		    &label_selector_table),
	BIND(struct network_policy, policy_types, "spec.policyTypes", BIND_STRINGS, 0),
	BIND_ITEMS(struct network_policy, ingress, "spec.ingress", 0, &ingress_table),
	BIND_ITEMS(struct network_policy, egress, "spec.egress", 0, &egress_table),
	BIND(struct network_policy, ingress_doc, "spec.ingress", BIND_DOC, 0),
	BIND(struct network_policy, egress_doc, "spec.egress", BIND_DOC, 0),
};
BIND_TABLE(network_policy_table, struct network_policy, policy_fields);

int network_policy_decode(struct arena *a, const struct doc *d, struct network_policy *out,
			  struct error *err)
{
	return object_decode(a, &network_policy_table, d, out, err);
}
