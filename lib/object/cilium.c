/* SPDX-License-Identifier: Apache-2.0 */
/* CiliumIdentity, CiliumEndpoint and CiliumNode tables. */
#include "lib/object/cilium.h"

#include "lib/base/macros.h"

static const struct bind_field identity_fields[] = {
	OBJECT_META_ROWS(struct cilium_identity),
	BIND(struct cilium_identity, security_labels, "security-labels", BIND_STRMAP, 0),
};
BIND_TABLE(cilium_identity_table, struct cilium_identity, identity_fields);

static const struct bind_field address_fields[] = {
	BIND(struct cilium_endpoint_address, ipv4, "ipv4", BIND_STRING, 0),
	BIND(struct cilium_endpoint_address, ipv6, "ipv6", BIND_STRING, 0),
};
static BIND_TABLE(address_table, struct cilium_endpoint_address, address_fields);

static const struct bind_field endpoint_fields[] = {
	OBJECT_META_ROWS(struct cilium_endpoint),
	BIND(struct cilium_endpoint, id, "status.id", BIND_INT64, 0),
	BIND(struct cilium_endpoint, identity, "status.identity.id", BIND_INT64, 0),
	BIND(struct cilium_endpoint, identity_labels, "status.identity.labels", BIND_STRINGS, 0),
	BIND(struct cilium_endpoint, node_ip, "status.networking.node", BIND_STRING, 0),
	BIND_ITEMS(struct cilium_endpoint, addresses, "status.networking.addressing", 0,
		   &address_table),
	BIND(struct cilium_endpoint, state, "status.state", BIND_STRING, 0),
};
BIND_TABLE(cilium_endpoint_table, struct cilium_endpoint, endpoint_fields);

static const struct bind_field node_ip_fields[] = {
	BIND(struct node_ip, type, "type", BIND_STRING, 0),
	BIND(struct node_ip, ip, "ip", BIND_STRING, 0),
};
static BIND_TABLE(node_ip_table, struct node_ip, node_ip_fields);

static const struct bind_field cilium_node_fields[] = {
	OBJECT_META_ROWS(struct cilium_node),
	BIND_ITEMS(struct cilium_node, addresses, "spec.addresses", 0, &node_ip_table),
	BIND(struct cilium_node, pod_cidrs, "spec.ipam.podCIDRs", BIND_STRINGS, 0),
};
BIND_TABLE(cilium_node_table, struct cilium_node, cilium_node_fields);

int cilium_identity_decode(struct arena *a, const struct doc *d, struct cilium_identity *out,
			   struct error *err)
{
	return object_decode(a, &cilium_identity_table, d, out, err);
}

int cilium_endpoint_decode(struct arena *a, const struct doc *d, struct cilium_endpoint *out,
			   struct error *err)
{
	return object_decode(a, &cilium_endpoint_table, d, out, err);
}

int cilium_node_decode(struct arena *a, const struct doc *d, struct cilium_node *out,
		       struct error *err)
{
	return object_decode(a, &cilium_node_table, d, out, err);
}
