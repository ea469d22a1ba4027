/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/netpol.h - Kubernetes NetworkPolicy (networking.k8s.io/v1), complete. */
#pragma once

#include "lib/object/meta.h"

struct netpol_ip_block {
	const char *cidr;
	struct strings except;
};

struct netpol_peer {
	struct label_selector *pod_selector;       /* NULL when absent */
	struct label_selector *namespace_selector; /* NULL: the policy's own namespace */
	struct netpol_ip_block *ip_block;
};

struct netpol_port {
	const char *protocol;      /* NULL means TCP */
	struct int_or_string port; /* absent: every port */
	struct opt_int end_port;
};

/* One ingress (from) or egress (to) rule. No peers: everybody. No ports: every port. */
struct netpol_rule {
	struct netpol_peer *peers;
	size_t n_peers;
	struct netpol_port *ports;
	size_t n_ports;
};

struct network_policy {
	struct object_meta meta;
	struct label_selector pod_selector;
	struct strings policy_types; /* empty: Ingress, and Egress when egress is written */
	struct netpol_rule *ingress;
	size_t n_ingress;
	struct netpol_rule *egress;
	size_t n_egress;
	const struct doc *ingress_doc, *egress_doc; /* NULL when absent */
};

extern const struct bind_table network_policy_table;

int network_policy_decode(struct arena *a, const struct doc *d, struct network_policy *out,
			  struct error *err);
