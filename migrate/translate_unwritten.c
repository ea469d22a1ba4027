/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What concerns the namespace and stands in no field: whether anybody enforces its objects, what
 * labels cannot tell apart, what every sidecar does unasked.
 */
#include "lib/base/str.h"
#include "migrate/translate_fields_internal.h"

/* Accounts that are used with and without a sidecar: their certificate tells them apart, labels
 * cannot. */
static void mixed_accounts(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first &= !str_eq(m->templates[k].namespace, w->namespace) ||
				 !str_eq(m->templates[k].service_account, w->service_account);
		if (first && istio_member(m, w->namespace, w->service_account) == MEMBER_MIXED)
			field_add(t,
				  arena_printf(t->arena, "ServiceAccount/%s/%s", w->namespace,
					       w->service_account),
				  "", FIELD_BLOCKED, NULL, NULL,
				  "pods with and without a sidecar share this account, so labels "
				  "cannot say who has a certificate");
	}
}

/* Selectors overlap, and the proxy makes a difference that labels do not. */
static void rival_workloads(struct translator *t)
{
	for (size_t i = 0; i < t->mesh->n_templates; i++) {
		const struct istio_workload *w = &t->mesh->templates[i], *other;

		other = str_eq(w->namespace, t->namespace)
				? istio_workload_rival(t->mesh, t->arena, w)
				: NULL;
		if (other)
			field_add(
				t,
				arena_printf(t->arena, "%s/%s/%s", w->kind, w->namespace, w->name),
				"spec.selector", FIELD_BLOCKED, NULL, NULL,
				"the selector of %s/%s takes these pods as well, but its sidecars "
				"see other ports or are not there: labels cannot say which",
				other->kind, other->name);
	}
}

static bool assumed(const struct translator *t)
{
	const struct istio_namespace *ns = istio_mesh_namespace(t->mesh, t->namespace);

	return ns && strmap_get(&ns->labels, SNAPSHOT_ASSUMED);
}

/* No sidecar, no questions: then everything below is history, and no policy is needed. */
void unwritten_enforcement(struct translator *t)
{
	bool any = istio_namespace_member(t->mesh, t->namespace);

	for (size_t i = 0; i < t->mesh->n_templates && !any; i++)
		any = str_eq(t->mesh->templates[i].namespace, t->namespace) &&
		      istio_workload_member(t->mesh, &t->mesh->templates[i]);
	if (assumed(t))
		field_add(t, arena_printf(t->arena, "Namespace/%s", t->namespace), "injection",
			  FIELD_IMPLICIT, NULL, NULL,
			  "not in the snapshot: taken as istio-injection=enabled, so that there is "
			  "something to enforce Istio's objects");
	else if (!any)
		field_add(t, arena_printf(t->arena, "Namespace/%s", t->namespace), "injection",
			  FIELD_IMPLICIT, NULL, NULL,
			  "no pod here gets a sidecar, so nothing enforces Istio's objects and no "
			  "policy is made from them");
}

/* What nobody wrote and everybody gets. */
static void defaults(struct translator *t)
{
	static const struct {
		const char *path, *reason;
	} rows[] = {
		{"retries", "sidecars repeat a failed request twice; nothing will"},
		{"uncaptured traffic",
		 "UDP, SCTP, ICMP (the types that a standard assigns) and the ports that the "
		 "sidecar never saw stay open, as they were"},
		{"kubelet",
		 "the node itself may always reach its own pods, as probes without a sidecar must"},
		{"headers and traces",
		 "x-request-id, trace spans and client certificates in headers "
		 "were the sidecar's"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		field_add(t, "Istio/defaults", rows[i].path, FIELD_IMPLICIT, NULL, NULL, "%s",
			  rows[i].reason);
	if (t->mesh->config.outbound_policy == OUTBOUND_REGISTRY_ONLY)
		field_add(t, "ConfigMap/istio-system/istio", "outboundTrafficPolicy.mode",
			  FIELD_BLOCKED, NULL, t->mesh->config.doc,
			  "what leaves the namespace needs egress policy, which is not built yet");
}

void unwritten_rest(struct translator *t)
{
	mixed_accounts(t);
	rival_workloads(t);
	defaults(t);
}
