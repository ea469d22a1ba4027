/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/cluster.h - Namespace and Node. */
#pragma once

#include "lib/object/meta.h"

struct namespace_object {
	struct object_meta meta;
	const char *phase;
};

struct node_address {
	const char *type, *address;
};

struct node {
	struct object_meta meta;
	const char *pod_cidr;
	struct strings pod_cidrs;
	bool unschedulable;
	struct node_address *addresses;
	size_t n_addresses;
	struct condition *conditions;
	size_t n_conditions;
};

extern const struct bind_table namespace_table;
extern const struct bind_table node_table;

int namespace_decode(struct arena *a, const struct doc *d, struct namespace_object *out,
		     struct error *err);
int node_decode(struct arena *a, const struct doc *d, struct node *out, struct error *err);
/* The first address of the type ("InternalIP"), or NULL. */
const char *node_address_of(const struct node *n, const char *type);
