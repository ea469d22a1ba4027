/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/cilium.h - CiliumIdentity, CiliumEndpoint, CiliumNode (cilium.io/v2), what we write of
 * them. */
#pragma once

#include "lib/object/meta.h"

/* The name is the number. Labels carry their source: "k8s:app". */
struct cilium_identity {
	struct object_meta meta;
	struct strmap security_labels;
};

struct cilium_endpoint_address {
	const char *ipv4, *ipv6;
};

/* Named like its pod. */
struct cilium_endpoint {
	struct object_meta meta;
	int64_t id;                     /* status.id: the endpoint's number on its node */
	int64_t identity;               /* status.identity.id; 0 when not known yet */
	struct strings identity_labels; /* "k8s:app=web" */
	const char *node_ip;            /* status.networking.node */
	struct cilium_endpoint_address *addresses;
	size_t n_addresses;
	const char *state;
};

struct cilium_node {
	struct object_meta meta;
	struct node_ip {
		const char *type, *ip;
	} * addresses;
	size_t n_addresses;
	struct strings pod_cidrs; /* spec.ipam.podCIDRs */
};

extern const struct bind_table cilium_identity_table;
extern const struct bind_table cilium_endpoint_table;
extern const struct bind_table cilium_node_table;

int cilium_identity_decode(struct arena *a, const struct doc *d, struct cilium_identity *out,
			   struct error *err);
int cilium_endpoint_decode(struct arena *a, const struct doc *d, struct cilium_endpoint *out,
			   struct error *err);
int cilium_node_decode(struct arena *a, const struct doc *d, struct cilium_node *out,
		       struct error *err);
