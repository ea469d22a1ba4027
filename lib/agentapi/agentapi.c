/* SPDX-License-Identifier: Apache-2.0 */
/* Bind tables of the agent's records. */
#include "lib/agentapi/agentapi.h"

#include "lib/base/macros.h"

static const struct bind_field agent_informer_fields[] = {
	BIND(struct agent_informer, kind, "kind", BIND_STRING, 0),
	BIND(struct agent_informer, synced, "synced", BIND_BOOL, 0),
	BIND(struct agent_informer, objects, "objects", BIND_INT64, 0),
	BIND(struct agent_informer, error, "error", BIND_STRING, 0),
};
static BIND_TABLE(agent_informer_table, struct agent_informer, agent_informer_fields);

static const struct bind_field agent_status_fields[] = {
	BIND(struct agent_status, version, "version", BIND_STRING, 0),
	BIND(struct agent_status, node, "node", BIND_STRING, 0),
	BIND(struct agent_status, boot_id, "bootID", BIND_STRING, 0),
	BIND(struct agent_status, ready, "ready", BIND_BOOL, 0),
	BIND(struct agent_status, message, "message", BIND_STRING, 0),
	BIND(struct agent_status, attach_mode, "attachMode", BIND_STRING, 0),
	BIND(struct agent_status, pin_root, "pinRoot", BIND_STRING, 0),
	BIND(struct agent_status, revision, "revision", BIND_INT64, 0),
	BIND(struct agent_status, uptime_s, "uptimeS", BIND_INT64, 0),
	BIND(struct agent_status, pod_cidr, "podCidr", BIND_STRING, 0),
	BIND(struct agent_status, addresses_used, "addressesUsed", BIND_INT64, 0),
	BIND(struct agent_status, addresses_total, "addressesTotal", BIND_INT64, 0),
	BIND(struct agent_status, endpoints, "endpoints", BIND_INT64, 0),
	BIND(struct agent_status, endpoints_ready, "endpointsReady", BIND_INT64, 0),
	BIND(struct agent_status, policies, "policies", BIND_INT64, 0),
	BIND(struct agent_status, policies_unsupported, "policiesUnsupported", BIND_INT64, 0),
	BIND(struct agent_status, services, "services", BIND_INT64, 0),
	BIND(struct agent_status, identities, "identities", BIND_INT64, 0),
	BIND(struct agent_status, events_lost, "eventsLost", BIND_INT64, 0),
	BIND_ITEMS(struct agent_status, informers, "informers", 0, &agent_informer_table),
	BIND_NESTED(struct agent_status, health, "health", BIND_PTR, 0, &sidestep_health_table),
};
BIND_TABLE(agent_status_table, struct agent_status, agent_status_fields);

static const struct bind_field agent_endpoint_fields[] = {
	BIND(struct agent_endpoint, id, "id", BIND_INT64, 0),
	BIND(struct agent_endpoint, container, "container", BIND_STRING, 0),
	BIND(struct agent_endpoint, namespace, "namespace", BIND_STRING, 0),
	BIND(struct agent_endpoint, pod, "pod", BIND_STRING, 0),
	BIND(struct agent_endpoint, uid, "uid", BIND_STRING, 0),
	BIND(struct agent_endpoint, ifname, "ifname", BIND_STRING, 0),
	BIND(struct agent_endpoint, ifindex, "ifindex", BIND_INT64, 0),
	BIND(struct agent_endpoint, address, "address", BIND_STRING, 0),
	BIND(struct agent_endpoint, mac, "mac", BIND_STRING, 0),
	BIND(struct agent_endpoint, host_mac, "hostMac", BIND_STRING, 0),
	BIND(struct agent_endpoint, identity, "identity", BIND_INT64, 0),
	BIND(struct agent_endpoint, labels, "labels", BIND_STRINGS, 0),
	BIND(struct agent_endpoint, state, "state", BIND_STRING, 0),
	BIND(struct agent_endpoint, error, "error", BIND_STRING, 0),
	BIND(struct agent_endpoint, generation, "generation", BIND_INT64, 0),
	BIND(struct agent_endpoint, revision, "revision", BIND_INT64, 0),
	BIND(struct agent_endpoint, ingress_enforced, "ingressEnforced", BIND_BOOL, 0),
	BIND(struct agent_endpoint, egress_enforced, "egressEnforced", BIND_BOOL, 0),
	BIND(struct agent_endpoint, audit, "audit", BIND_BOOL, 0),
	BIND(struct agent_endpoint, refuse, "refuse", BIND_BOOL, 0),
	BIND(struct agent_endpoint, sidecar, "sidecar", BIND_BOOL, 0),
	BIND(struct agent_endpoint, sock_optout, "sockOptout", BIND_BOOL, 0),
	BIND(struct agent_endpoint, ingress_digest, "ingressDigest", BIND_STRING, 0),
	BIND(struct agent_endpoint, egress_digest, "egressDigest", BIND_STRING, 0),
	BIND(struct agent_endpoint, ingress_rows, "ingressRows", BIND_INT64, 0),
	BIND(struct agent_endpoint, egress_rows, "egressRows", BIND_INT64, 0),
	BIND(struct agent_endpoint, slot, "slot", BIND_INT64, 0),
};
BIND_TABLE(agent_endpoint_table, struct agent_endpoint, agent_endpoint_fields);

static const struct bind_field agent_identity_fields[] = {
	BIND(struct agent_identity, id, "id", BIND_INT64, 0),
	BIND(struct agent_identity, labels, "labels", BIND_STRINGS, 0),
	BIND(struct agent_identity, endpoints, "endpoints", BIND_INT64, 0),
};
BIND_TABLE(agent_identity_table, struct agent_identity, agent_identity_fields);

static const struct bind_field agent_unsupported_fields[] = {
	BIND(struct agent_unsupported, path, "path", BIND_STRING, 0),
	BIND(struct agent_unsupported, reason, "reason", BIND_STRING, 0),
};
static BIND_TABLE(agent_unsupported_table, struct agent_unsupported, agent_unsupported_fields);

static const struct bind_field agent_policy_fields[] = {
	BIND(struct agent_policy, kind, "kind", BIND_STRING, 0),
	BIND(struct agent_policy, namespace, "namespace", BIND_STRING, 0),
	BIND(struct agent_policy, name, "name", BIND_STRING, 0),
	BIND(struct agent_policy, generation, "generation", BIND_INT64, 0),
	BIND(struct agent_policy, enforced, "enforced", BIND_BOOL, 0),
	BIND_ITEMS(struct agent_policy, unsupported, "unsupported", 0, &agent_unsupported_table),
	BIND(struct agent_policy, endpoints, "endpoints", BIND_STRINGS, 0),
};
BIND_TABLE(agent_policy_table, struct agent_policy, agent_policy_fields);

static const struct bind_field agent_config_fields[] = {
	BIND(struct agent_config, key, "key", BIND_STRING, 0),
	BIND(struct agent_config, value, "value", BIND_STRING, 0),
	BIND(struct agent_config, source, "source", BIND_STRING, 0),
};
BIND_TABLE(agent_config_table, struct agent_config, agent_config_fields);

static const struct bind_field agent_backend_fields[] = {
	BIND(struct agent_backend, address, "address", BIND_STRING, 0),
	BIND(struct agent_backend, state, "state", BIND_STRING, 0),
};
static BIND_TABLE(agent_backend_table, struct agent_backend, agent_backend_fields);

static const struct bind_field agent_service_fields[] = {
	BIND(struct agent_service, namespace, "namespace", BIND_STRING, 0),
	BIND(struct agent_service, name, "name", BIND_STRING, 0),
	BIND(struct agent_service, port_name, "portName", BIND_STRING, 0),
	BIND(struct agent_service, frontend, "frontend", BIND_STRING, 0),
	BIND_ITEMS(struct agent_service, backends, "backends", 0, &agent_backend_table),
};
BIND_TABLE(agent_service_table, struct agent_service, agent_service_fields);

static const struct bind_field agent_regenerated_fields[] = {
	BIND(struct agent_regenerated, id, "id", BIND_INT64, 0),
	BIND(struct agent_regenerated, namespace, "namespace", BIND_STRING, 0),
	BIND(struct agent_regenerated, pod, "pod", BIND_STRING, 0),
	BIND(struct agent_regenerated, generation_before, "generationBefore", BIND_INT64, 0),
	BIND(struct agent_regenerated, generation_after, "generationAfter", BIND_INT64, 0),
	BIND(struct agent_regenerated, corrupted, "corrupted", BIND_STRINGS, 0),
	BIND(struct agent_regenerated, error, "error", BIND_STRING, 0),
};
BIND_TABLE(agent_regenerated_table, struct agent_regenerated, agent_regenerated_fields);

static const struct bind_field agent_trace_fields[] = {
	BIND(struct agent_trace, verdict, "verdict", BIND_STRING, 0),
	BIND(struct agent_trace, egress, "egress", BIND_STRING, 0),
	BIND(struct agent_trace, ingress, "ingress", BIND_STRING, 0),
	BIND(struct agent_trace, egress_allowed, "egressAllowed", BIND_BOOL, 0),
	BIND(struct agent_trace, ingress_allowed, "ingressAllowed", BIND_BOOL, 0),
};
BIND_TABLE(agent_trace_table, struct agent_trace, agent_trace_fields);

struct doc *agent_items(struct arena *a, const struct bind_table *table, const void *items,
			size_t n)
{
	struct doc *d = doc_map(a), *list = doc_set_list(a, d, "items");

	for (size_t i = 0; i < n; i++)
		doc_append(a, list, bind_encode(a, table, (const char *)items + i * table->size));
	return d;
}

int agent_items_decode(struct arena *a, const struct bind_table *table, const struct doc *d,
		       void **ret_items, size_t *ret_n, struct error *err)
{
	const struct doc *list = doc_get(d, "items");
	size_t n = doc_len(list);
	char *items = arena_alloc_array(a, n + 1, table->size);

	if (!list || list->kind != DOC_LIST)
		return error_set(err, -EINVAL, "the agent's answer has no items");
	for (size_t i = 0; i < n; i++) {
		int r = bind_decode(a, table, doc_at(list, i), "", items + i * table->size, NULL,
				    err);

		if (r < 0)
			return r;
	}
	*ret_items = items;
	*ret_n = n;
	return 0;
}
