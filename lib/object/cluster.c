/* SPDX-License-Identifier: Apache-2.0 */
/* Namespace and Node tables. */
#include "lib/object/cluster.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const struct bind_field namespace_fields[] = {
	OBJECT_META_ROWS(struct namespace_object),
	BIND(struct namespace_object, phase, "status.phase", BIND_STRING, 0),
};
BIND_TABLE(namespace_table, struct namespace_object, namespace_fields);

static const struct bind_field address_fields[] = {
	BIND(struct node_address, type, "type", BIND_STRING, 0),
	BIND(struct node_address, address, "address", BIND_STRING, 0),
};
static BIND_TABLE(address_table, struct node_address, address_fields);

static const struct bind_field node_fields[] = {
	OBJECT_META_ROWS(struct node),
	BIND(struct node, pod_cidr, "spec.podCIDR", BIND_STRING, 0),
	BIND(struct node, pod_cidrs, "spec.podCIDRs", BIND_STRINGS, 0),
	BIND(struct node, unschedulable, "spec.unschedulable", BIND_BOOL, 0),
	BIND_ITEMS(struct node, addresses, "status.addresses", 0, &address_table),
	BIND_ITEMS(struct node, conditions, "status.conditions", 0, &condition_table),
};
BIND_TABLE(node_table, struct node, node_fields);

int namespace_decode(struct arena *a, const struct doc *d, struct namespace_object *out,
		     struct error *err)
{
	return object_decode(a, &namespace_table, d, out, err);
}

int node_decode(struct arena *a, const struct doc *d, struct node *out, struct error *err)
{
	return object_decode(a, &node_table, d, out, err);
}

const char *node_address_of(const struct node *n, const char *type)
{
	for (size_t i = 0; i < n->n_addresses; i++) {
		if (str_eq(n->addresses[i].type, type))
			return n->addresses[i].address;
	}
	return NULL;
}
