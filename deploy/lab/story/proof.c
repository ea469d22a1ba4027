/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tools say, held against what the lab knows without them: an exit code of 0 is only what
 * a program thinks of itself.
 */
#include "deploy/lab/story/proof.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"
#include "lib/object/canonical.h"
#include "lib/object/kinds.h"

/* --- the inventory against the servers' own counts --- */

static bool knows_call(const struct doc *inventory, const struct count_served *s)
{
	doc_foreach_item (doc_get(inventory, "calls"), c)
		if (str_eq(doc_find_str(c, "from"), s->client) &&
		    str_eq(doc_find_str(c, "to"), s->server) &&
		    doc_find_int(c, "port", -1) == s->port)
			return doc_bool_or(doc_get(c, "allowed"), false);
	return false;
}

const char *proof_of_inventory(struct arena *a, const char *ns, const struct counts *seen,
			       const struct doc *inventory)
{
	const char *here = arena_printf(a, "%s/", ns);

	for (size_t i = 0; i < seen->served.n; i++) {
		const struct count_served *s = &seen->served.items[i];

		if (!s->requests || str_empty(s->client) ||
		    (!str_starts(s->server, here) && !str_starts(s->client, here)))
			continue;
		if (!knows_call(inventory, s))
			return arena_printf(a, "it does not know that %s calls %s:%lld", s->client,
					    s->server, (long long)s->port);
	}
	return NULL;
}

/* --- what verify compared --- */

const char *proof_of_equivalence(struct arena *a, const struct doc *verify)
{
	const struct doc *e = doc_get(verify, "equivalence");
	int64_t different = doc_find_int(e, "differences", -1);

	if (!doc_bool_or(doc_get(e, "exhaustive"), false) || doc_find_int(e, "compared", 0) <= 0)
		return "not every connection was compared";
	if (different || doc_find_int(e, "widening", -1))
		return arena_printf(a, "%lld connections differ", (long long)different);
	if (doc_find_int(e, "approximated", 0) <= 0)
		return "it does not name what is approximated: identity by address";
	return NULL;
}

/* --- the plan --- */

static bool has_waiver(const struct doc *plan, const char *id)
{
	doc_foreach_item (doc_get(plan, "waivers"), w)
		if (str_eq(doc_find_str(w, "id"), id))
			return true;
	return false;
}

static bool goes_through(const struct doc *plan, const char *state)
{
	doc_foreach_item (doc_get(plan, "steps"), step)
		if (str_eq(doc_find_str(step, "state"), state))
			return !doc_find(step, "args.skip");
	return false;
}

const char *proof_of_plan(struct arena *a, const struct story_subject *subject,
			  const struct doc *plan)
{
	doc_foreach_item (doc_find(plan, "profile.waivers"), w) {
		const char *id = str_or_empty(doc_find_str(w, "id"));

		if (!has_waiver(plan, id))
			return arena_printf(a, "it does not say what waiver %s is for", id);
	}
	for (size_t i = 0; i < subject->states.n; i++)
		if (!goes_through(plan, subject->states.items[i]))
			return arena_printf(a, "it leaves out %s", subject->states.items[i]);
	return NULL;
}

/* --- what is blocked --- */

static bool gives_path(const struct doc *blocked, const char *path)
{
	doc_foreach_item (blocked, b)
		if (str_eq(doc_find_str(b, "path"), path))
			return true;
	return false;
}

const char *proof_of_blocked(struct arena *a, const struct story_subject *subject,
			     const struct doc *blocked)
{
	doc_foreach_item (blocked, b)
		if (str_empty(doc_find_str(b, "object")) || str_empty(doc_find_str(b, "path")) ||
		    str_empty(doc_find_str(b, "reason")))
			return "a reason lacks its object, its path or its words";
	for (size_t i = 0; i < subject->reasons.n; i++)
		if (!gives_path(blocked, subject->reasons.items[i]))
			return arena_printf(a, "no reason names %s", subject->reasons.items[i]);
	return NULL;
}

/* --- the run's record against its plan --- */

static const struct doc *recorded(const struct doc *record, const char *id)
{
	doc_foreach_item (doc_get(record, "steps"), step)
		if (str_eq(doc_find_str(step, "id"), id))
			return step;
	return NULL;
}

/* How long the profile makes a state last at least, in seconds. */
static double least_seconds(const struct doc *plan, const char *state)
{
	static const char *const windows[][2] = {
		{"N3-policies", "profile.auditWindow"},
		{"N4", "profile.settle"},
		{"N9", "profile.settle"},
		{"N14", "profile.soak"},
	};
	uint64_t ns = 0;

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		if (str_eq(windows[i][0], state))
			str_to_duration_ns(str_or_empty(doc_find_str(plan, windows[i][1])), &ns,
					   NULL);
	return (double)ns / 1e9;
}

static const char *step_proof(struct arena *a, const struct doc *plan, const struct doc *record,
			      const struct doc *planned)
{
	const char *id = str_or_empty(doc_find_str(planned, "id"));
	const struct doc *step = recorded(record, id), *took = doc_get(step, "seconds");
	const char *want = doc_find(planned, "args.skip") ? "skipped" : "undone";
	double least = least_seconds(plan, doc_find_str(planned, "state"));

	if (!str_eq(doc_find_str(step, "status"), want))
		return arena_printf(a, "%s is not recorded as %s", id, want);
	if (str_eq(want, "skipped"))
		return NULL;
	if (!doc_len(doc_get(step, "gates")))
		return arena_printf(a, "%s passed no gate", id);
	/* Samples are a little less than their distance apart on a coarse clock. */
	if (!took || took->kind != DOC_REAL || took->real < least * 0.95)
		return arena_printf(a, "%s did not last the %.1f s of the profile", id, least);
	return NULL;
}

const char *proof_of_record(struct arena *a, const struct doc *plan, const struct doc *record)
{
	const char *wrong = NULL;

	if (!str_eq(doc_find_str(record, "state"), "rolled-back"))
		return "it does not say that the run was taken back";
	doc_foreach_item (doc_get(record, "evidence"), e)
		if (str_eq(doc_find_str(e, "result"), "pass") && doc_len(doc_get(e, "sources")) < 2)
			return arena_printf(a, "gate %s of %s passed on one source",
					    str_or_empty(doc_find_str(e, "gate")),
					    str_or_empty(doc_find_str(e, "step")));
	doc_foreach_item (doc_get(plan, "steps"), planned)
		if (!wrong)
			wrong = step_proof(a, plan, record, planned);
	return wrong;
}

/* --- the namespace before and after --- */

/* What users and migrations write. Pods and the rest follow from it. */
static const enum object_kind_id kept_kinds[] = {
	KIND_NAMESPACE,           KIND_SERVICE,
	KIND_DEPLOYMENT,          KIND_POD_DISRUPTION_BUDGET,
	KIND_NETWORK_POLICY,      KIND_CILIUM_NETWORK_POLICY,
	KIND_DESTINATION_RULE,    KIND_VIRTUAL_SERVICE,
	KIND_PEER_AUTHENTICATION, KIND_AUTHORIZATION_POLICY,
	KIND_SIDESTEP_REQUEST,    KIND_SERVICE_ACCOUNT,
};

/* Without the stamp of a restart, which stays: taking it away would restart the pods once more. */
static struct doc *comparable(struct arena *a, const struct doc *object)
{
	struct doc *d = object_canonical(a, object);
	struct doc *meta = doc_find(d, "spec.template.metadata");
	struct doc *notes = doc_get(meta, "annotations");

	doc_del(notes, "sidestep.dev/restarted");
	if (notes && !doc_len(notes))
		doc_del(meta, "annotations");
	doc_del(doc_find(d, "metadata.annotations"), "deployment.kubernetes.io/revision");
	if (doc_find(d, "metadata.annotations") && !doc_len(doc_find(d, "metadata.annotations")))
		doc_del(doc_get(d, "metadata"), "annotations");
	return d;
}

int proof_objects(struct story *s, struct doc **ret_objects, struct error *err)
{
	struct arena *a = &s->arena;
	struct doc *objects = doc_map(a);

	for (size_t i = 0; i < ARRAY_SIZE(kept_kinds); i++) {
		const struct object_kind *k = object_kind(kept_kinds[i]);
		struct doc *list;
		int r = cluster_list(&s->cluster, a, k, k->namespaced ? s->namespace : NULL, &list,
				     err);

		if (r)
			return r;
		doc_foreach_item (list, d) {
			const char *name = str_or_empty(doc_find_str(d, "metadata.name"));

			if (kept_kinds[i] == KIND_NAMESPACE && !str_eq(name, s->namespace))
				continue;
			doc_set(a, objects, arena_printf(a, "%s %s", k->kind, name),
				comparable(a, d));
		}
	}
	*ret_objects = objects;
	return 0;
}

const char *proof_of_return(struct arena *a, const struct doc *before, const struct doc *after)
{
	doc_foreach_entry (before, e)
		if (!doc_equal(e->value, doc_get(after, e->key)))
			return arena_printf(a, "%s is not as it was", e->key);
	doc_foreach_entry (after, e)
		if (!doc_get(before, e->key))
			return arena_printf(a, "%s was left behind", e->key);
	return NULL;
}
