/* SPDX-License-Identifier: Apache-2.0 */
/* SidestepNode, SidestepRequest and SidestepRun tables. */
#include "lib/object/sidestep.h"

#include "lib/base/macros.h"

static const struct bind_field endpoint_fields[] = {
	BIND(struct sidestep_endpoint, id, "id", BIND_INT64, 0),
	BIND(struct sidestep_endpoint, namespace, "namespace", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, pod, "pod", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, uid, "uid", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, address, "address", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, identity, "identity", BIND_INT64, 0),
	BIND(struct sidestep_endpoint, state, "state", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, generation, "generation", BIND_INT64, 0),
	BIND(struct sidestep_endpoint, policy_revision, "policyRevision", BIND_INT64, 0),
	BIND(struct sidestep_endpoint, policy_digest, "policyDigest", BIND_STRING, 0),
	BIND(struct sidestep_endpoint, deny_ingress, "denyIngress", BIND_BOOL, 0),
	BIND(struct sidestep_endpoint, deny_egress, "denyEgress", BIND_BOOL, 0),
	BIND(struct sidestep_endpoint, audit, "audit", BIND_BOOL, 0),
	BIND(struct sidestep_endpoint, sidecar, "sidecar", BIND_BOOL, 0),
};
static BIND_TABLE(endpoint_table, struct sidestep_endpoint, endpoint_fields);

static const struct bind_field counter_fields[] = {
	BIND(struct sidestep_counter, source, "source", BIND_INT64, 0),
	BIND(struct sidestep_counter, destination, "destination", BIND_INT64, 0),
	BIND(struct sidestep_counter, port, "port", BIND_INT64, 0),
	BIND(struct sidestep_counter, protocol, "protocol", BIND_STRING, 0),
	BIND(struct sidestep_counter, verdict, "verdict", BIND_STRING, 0),
	BIND(struct sidestep_counter, reason, "reason", BIND_INT64, 0),
	BIND(struct sidestep_counter, count, "count", BIND_INT64, 0),
};
static BIND_TABLE(counter_table, struct sidestep_counter, counter_fields);

static const struct bind_field sent_fields[] = {
	BIND(struct sidestep_sent, rows, "rows", BIND_INT64, 0),
	BIND_ITEMS(struct sidestep_sent, items, "items", 0, &counter_table),
};
static BIND_TABLE(sent_table, struct sidestep_sent, sent_fields);

static const struct bind_field identity_fields[] = {
	BIND(struct sidestep_identity, id, "id", BIND_INT64, 0),
	BIND(struct sidestep_identity, labels, "labels", BIND_STRINGS, 0),
};
static BIND_TABLE(identity_table, struct sidestep_identity, identity_fields);

static const struct bind_field unsupported_fields[] = {
	BIND(struct sidestep_unsupported, object, "object", BIND_STRING, 0),
	BIND(struct sidestep_unsupported, path, "path", BIND_STRING, 0),
	BIND(struct sidestep_unsupported, reason, "reason", BIND_STRING, 0),
};
static BIND_TABLE(unsupported_table, struct sidestep_unsupported, unsupported_fields);

static const struct bind_field conntrack_fields[] = {
	BIND(struct sidestep_conntrack, layout, "layout", BIND_INT64, 0),
	BIND(struct sidestep_conntrack, older, "older", BIND_INT64, 0),
	BIND(struct sidestep_conntrack, entries, "entries", BIND_INT64, 0),
	BIND(struct sidestep_conntrack, converted, "converted", BIND_INT64, 0),
	BIND(struct sidestep_conntrack, remaining, "remaining", BIND_INT64, 0),
};
static BIND_TABLE(conntrack_table, struct sidestep_conntrack, conntrack_fields);

static const struct bind_field node_fields[] = {
	OBJECT_META_ROWS(struct sidestep_node),
	BIND(struct sidestep_node, version, "status.version", BIND_STRING, 0),
	BIND(struct sidestep_node, ready, "status.ready", BIND_BOOL, 0),
	BIND(struct sidestep_node, message, "status.message", BIND_STRING, 0),
	BIND(struct sidestep_node, boot_id, "status.bootID", BIND_STRING, 0),
	BIND(struct sidestep_node, updated, "status.updated", BIND_STRING, 0),
	BIND(struct sidestep_node, attach_mode, "status.attachMode", BIND_STRING, 0),
	BIND(struct sidestep_node, revision, "status.revision", BIND_INT64, 0),
	BIND_ITEMS(struct sidestep_node, endpoints, "status.endpoints", 0, &endpoint_table),
	BIND_ITEMS(struct sidestep_node, counters, "status.counters", 0, &counter_table),
	BIND(struct sidestep_node, counters_epoch, "status.countersEpoch", BIND_STRING, 0),
	BIND_NESTED(struct sidestep_node, sent, "status.sent", BIND_PTR, 0, &sent_table),
	BIND_ITEMS(struct sidestep_node, identities, "status.identities", 0, &identity_table),
	BIND(struct sidestep_node, lost_events, "status.lostEvents", BIND_INT64, 0),
	BIND_ITEMS(struct sidestep_node, unsupported, "status.unsupported", 0, &unsupported_table),
	BIND_NESTED(struct sidestep_node, conntrack, "status.conntrack", BIND_PTR, 0,
		    &conntrack_table),
	BIND_NESTED(struct sidestep_node, health, "status.health", BIND_PTR, 0,
		    &sidestep_health_table),
};
BIND_TABLE(sidestep_node_table, struct sidestep_node, node_fields);

static const struct bind_field request_endpoint_fields[] = {
	BIND(struct sidestep_request_endpoint, id, "id", BIND_INT64, 0),
	BIND(struct sidestep_request_endpoint, namespace, "namespace", BIND_STRING, 0),
	BIND(struct sidestep_request_endpoint, pod, "pod", BIND_STRING, 0),
	BIND(struct sidestep_request_endpoint, uid, "uid", BIND_STRING, 0),
	BIND(struct sidestep_request_endpoint, generation_before, "generationBefore", BIND_INT64,
	     0),
	BIND(struct sidestep_request_endpoint, generation_after, "generationAfter", BIND_INT64, 0),
	BIND(struct sidestep_request_endpoint, duration_ms, "durationMs", BIND_OPT_INT, 0),
	BIND(struct sidestep_request_endpoint, corrupted, "corrupted", BIND_INT64, 0),
	BIND(struct sidestep_request_endpoint, corrupted_rows, "corruptedRows", BIND_STRINGS, 0),
	BIND(struct sidestep_request_endpoint, error, "error", BIND_STRING, 0),
	BIND(struct sidestep_request_endpoint, log, "verifierLog", BIND_STRING, 0),
};
BIND_TABLE(sidestep_request_endpoint_table, struct sidestep_request_endpoint,
	   request_endpoint_fields);

static const struct bind_field request_node_fields[] = {
	BIND(struct sidestep_request_node, node, "node", BIND_STRING, 0),
	BIND(struct sidestep_request_node, state, "state", BIND_STRING, 0),
	BIND(struct sidestep_request_node, observed_generation, "observedGeneration", BIND_INT64,
	     0),
	BIND(struct sidestep_request_node, message, "message", BIND_STRING, 0),
	BIND(struct sidestep_request_node, updated, "updated", BIND_STRING, 0),
	BIND(struct sidestep_request_node, selected, "selected", BIND_OPT_INT, 0),
	BIND(struct sidestep_request_node, regenerated, "regenerated", BIND_OPT_INT, 0),
	BIND(struct sidestep_request_node, failed, "failed", BIND_OPT_INT, 0),
	BIND(struct sidestep_request_node, repaired, "repaired", BIND_OPT_INT, 0),
	BIND(struct sidestep_request_node, duration_ms, "durationMs", BIND_OPT_INT, 0),
	BIND_ITEMS(struct sidestep_request_node, endpoints, "endpoints", 0,
		   &sidestep_request_endpoint_table),
	BIND(struct sidestep_request_node, omitted, "omitted", BIND_INT64, 0),
	BIND(struct sidestep_request_node, entries, "entries", BIND_INT64, 0),
	BIND(struct sidestep_request_node, seconds, "seconds", BIND_REAL, 0),
};
BIND_TABLE(sidestep_request_node_table, struct sidestep_request_node, request_node_fields);

static const char *const request_kinds[] = {NULL,      "Regenerate", "Audit",
					    "Prepare", "Finalize",   NULL};
static const char *const levels[] = {"datapath", "policy", NULL};

static const struct bind_field request_fields[] = {
	OBJECT_META_ROWS(struct sidestep_request),
	BIND_NAMED(struct sidestep_request, kind, "spec.kind", BIND_REQUIRED, request_kinds),
	BIND(struct sidestep_request, namespace, "spec.namespace", BIND_STRING, 0),
	BIND_NESTED(struct sidestep_request, pod_selector, "spec.podSelector", BIND_PTR, 0,
		    &label_selector_table),
	BIND(struct sidestep_request, nodes, "spec.nodes", BIND_STRINGS, 0),
	BIND(struct sidestep_request, layout, "spec.layout", BIND_INT64, 0),
	BIND_RANGE(struct sidestep_request, max_failed, "spec.maxFailed", BIND_OPT_INT, 0, 0,
		   INT32_MAX),
	BIND_RANGE(struct sidestep_request, max_parallel, "spec.maxParallel", BIND_OPT_INT, 0, 1,
		   REQUEST_MAX_NODES),
	BIND_NAMED(struct sidestep_request, level, "spec.level", 0, levels),
	BIND(struct sidestep_request, requester, "spec.requester", BIND_STRING, 0),
	BIND_ITEMS(struct sidestep_request, status, "status.nodes", 0,
		   &sidestep_request_node_table),
};
BIND_TABLE(sidestep_request_table, struct sidestep_request, request_fields);

static const struct bind_field run_fields[] = {
	OBJECT_META_ROWS(struct sidestep_run),
	BIND(struct sidestep_run, tool, "spec.tool", BIND_STRING, 0),
	BIND(struct sidestep_run, subject, "spec.subject", BIND_STRING, 0),
	BIND(struct sidestep_run, plan_digest, "spec.planDigest", BIND_STRING, 0),
	BIND(struct sidestep_run, holder, "spec.holder", BIND_STRING, 0),
	BIND(struct sidestep_run, state, "spec.state", BIND_STRING, 0),
	BIND(struct sidestep_run, journal, "spec.journal", BIND_STRINGS, 0),
	BIND(struct sidestep_run, plan, "spec.plan", BIND_DOC, 0),
};
BIND_TABLE(sidestep_run_table, struct sidestep_run, run_fields);

int sidestep_node_decode(struct arena *a, const struct doc *d, struct sidestep_node *out,
			 struct error *err)
{
	return object_decode(a, &sidestep_node_table, d, out, err);
}

int sidestep_request_decode(struct arena *a, const struct doc *d, struct sidestep_request *out,
			    struct error *err)
{
	int r = object_decode(a, &sidestep_request_table, d, out, err);

	/* The CRD says so, too; it may be another release's, or none. */
	if (r == 0 && out->nodes.n > REQUEST_MAX_NODES)
		return error_set(err, -EINVAL, "spec.nodes: %zu are named, and at most %d may be",
				 out->nodes.n, REQUEST_MAX_NODES);
	return r;
}

int sidestep_run_decode(struct arena *a, const struct doc *d, struct sidestep_run *out,
			struct error *err)
{
	return object_decode(a, &sidestep_run_table, d, out, err);
}
