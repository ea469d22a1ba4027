/* SPDX-License-Identifier: Apache-2.0 */
/* Service and EndpointSlice tables. */
#include "lib/object/service.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const struct bind_field service_port_fields[] = {
	BIND(struct service_port, name, "name", BIND_STRING, 0),
	BIND(struct service_port, protocol, "protocol", BIND_STRING, 0),
	BIND(struct service_port, app_protocol, "appProtocol", BIND_STRING, 0),
	BIND_RANGE(struct service_port, port, "port", BIND_INT32, BIND_REQUIRED, 1, 65535),
	BIND(struct service_port, target_port, "targetPort", BIND_INT_OR_STRING, 0),
	BIND_RANGE(struct service_port, node_port, "nodePort", BIND_INT32, 0, 0, 65535),
};
static BIND_TABLE(service_port_table, struct service_port, service_port_fields);

static const struct bind_field service_fields[] = {
	OBJECT_META_ROWS(struct service),
	BIND(struct service, type, "spec.type", BIND_STRING, 0),
	BIND(struct service, cluster_ip, "spec.clusterIP", BIND_STRING, 0),
	BIND(struct service, cluster_ips, "spec.clusterIPs", BIND_STRINGS, 0),
	BIND(struct service, external_ips, "spec.externalIPs", BIND_STRINGS, 0),
	BIND(struct service, external_name, "spec.externalName", BIND_STRING, 0),
	BIND(struct service, selector, "spec.selector", BIND_STRMAP, 0),
	BIND_ITEMS(struct service, ports, "spec.ports", 0, &service_port_table),
	BIND(struct service, session_affinity, "spec.sessionAffinity", BIND_STRING, 0),
	BIND(struct service, affinity_timeout, "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
	     BIND_OPT_INT, 0),
	BIND(struct service, internal_traffic_policy, "spec.internalTrafficPolicy", BIND_STRING, 0),
	BIND(struct service, external_traffic_policy, "spec.externalTrafficPolicy", BIND_STRING, 0),
	BIND(struct service, publish_not_ready_addresses, "spec.publishNotReadyAddresses",
	     BIND_BOOL, 0),
	BIND(struct service, load_balancer, "status.loadBalancer", BIND_DOC, 0),
};
BIND_TABLE(service_table, struct service, service_fields);

static const struct bind_field slice_port_fields[] = {
	BIND(struct slice_port, name, "name", BIND_STRING, 0),
	BIND(struct slice_port, protocol, "protocol", BIND_STRING, 0),
	BIND(struct slice_port, app_protocol, "appProtocol", BIND_STRING, 0),
	BIND_RANGE(struct slice_port, port, "port", BIND_OPT_INT, 0, 0, 65535),
};
static BIND_TABLE(slice_port_table, struct slice_port, slice_port_fields);

static const struct bind_field slice_endpoint_fields[] = {
	BIND(struct slice_endpoint, addresses, "addresses", BIND_STRINGS, 0),
	BIND(struct slice_endpoint, ready, "conditions.ready", BIND_OPT_BOOL, 0),
	BIND(struct slice_endpoint, serving, "conditions.serving", BIND_OPT_BOOL, 0),
	BIND(struct slice_endpoint, terminating, "conditions.terminating", BIND_OPT_BOOL, 0),
	BIND(struct slice_endpoint, hostname, "hostname", BIND_STRING, 0),
	BIND(struct slice_endpoint, node_name, "nodeName", BIND_STRING, 0),
	BIND(struct slice_endpoint, zone, "zone", BIND_STRING, 0),
	BIND(struct slice_endpoint, target_kind, "targetRef.kind", BIND_STRING, 0),
	BIND(struct slice_endpoint, target_name, "targetRef.name", BIND_STRING, 0),
	BIND(struct slice_endpoint, target_namespace, "targetRef.namespace", BIND_STRING, 0),
	BIND(struct slice_endpoint, target_uid, "targetRef.uid", BIND_STRING, 0),
};
static BIND_TABLE(slice_endpoint_table, struct slice_endpoint, slice_endpoint_fields);

static const struct bind_field endpoint_slice_fields[] = {
	OBJECT_META_ROWS(struct endpoint_slice),
	BIND(struct endpoint_slice, address_type, "addressType", BIND_STRING, 0),
	BIND_ITEMS(struct endpoint_slice, ports, "ports", 0, &slice_port_table),
	BIND_ITEMS(struct endpoint_slice, endpoints, "endpoints", 0, &slice_endpoint_table),
};
BIND_TABLE(endpoint_slice_table, struct endpoint_slice, endpoint_slice_fields);

int service_decode(struct arena *a, const struct doc *d, struct service *out, struct error *err)
{
	return object_decode(a, &service_table, d, out, err);
}

int endpoint_slice_decode(struct arena *a, const struct doc *d, struct endpoint_slice *out,
			  struct error *err)
{
	return object_decode(a, &endpoint_slice_table, d, out, err);
}

bool service_is_headless(const struct service *s)
{
	return str_eq(s->cluster_ip, "None");
}

const char *endpoint_slice_service(const struct endpoint_slice *s)
{
	return strmap_get(&s->meta.labels, "kubernetes.io/service-name");
}
