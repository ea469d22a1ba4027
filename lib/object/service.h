/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/service.h - Service, and EndpointSlice which says who stands behind it. */
#pragma once

#include "lib/object/meta.h"

struct service_port {
	const char *name;     /* NULL when the service has one unnamed port */
	const char *protocol; /* NULL means TCP */
	const char *app_protocol;
	int32_t port;
	struct int_or_string target_port; /* absent: the same number as port */
	int32_t node_port;
};

struct service {
	struct object_meta meta;
	const char *type;       /* NULL means ClusterIP */
	const char *cluster_ip; /* "None": headless; NULL: not allocated yet or ExternalName */
	struct strings cluster_ips;
	struct strings external_ips;
	const char *external_name;
	struct strmap selector;
	struct service_port *ports;
	size_t n_ports;
	const char *session_affinity;
	struct opt_int affinity_timeout;
	const char *internal_traffic_policy, *external_traffic_policy;
	bool publish_not_ready_addresses;
	const struct doc *load_balancer; /* status.loadBalancer */
};

struct slice_port {
	const char *name, *protocol, *app_protocol;
	struct opt_int port; /* absent: any port */
};

struct slice_endpoint {
	struct strings addresses;
	struct opt_bool ready, serving, terminating; /* absent ready means ready */
	const char *hostname, *node_name, *zone;
	const char *target_kind, *target_name, *target_namespace, *target_uid;
};

struct endpoint_slice {
	struct object_meta meta;
	const char *address_type; /* "IPv4", "IPv6", "FQDN" */
	struct slice_port *ports;
	size_t n_ports;
	struct slice_endpoint *endpoints;
	size_t n_endpoints;
};

extern const struct bind_table service_table;
extern const struct bind_table endpoint_slice_table;

int service_decode(struct arena *a, const struct doc *d, struct service *out, struct error *err);
int endpoint_slice_decode(struct arena *a, const struct doc *d, struct endpoint_slice *out,
			  struct error *err);
bool service_is_headless(const struct service *s);
/* The label kubernetes.io/service-name, or NULL. */
const char *endpoint_slice_service(const struct endpoint_slice *s);
