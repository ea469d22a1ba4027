/* SPDX-License-Identifier: Apache-2.0 */
/* A plan read back: does it still fit, and its steps as lib/step wants them. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/run/inputs.h"
#include "migrate/machine.h"
#include "migrate/plan.h"

bool plan_reads(const char *ns, const char *root, const struct doc *d)
{
	static const enum object_kind_id kinds[] = {
		KIND_CILIUM_NETWORK_POLICY,
		KIND_NETWORK_POLICY,
		KIND_DEPLOYMENT,
		KIND_STATEFUL_SET,
		KIND_DAEMON_SET,
		KIND_CRON_JOB,
		KIND_SERVICE,
	};
	const char *own = doc_find_str(d, "metadata.namespace");
	const char *name = doc_find_str(d, "metadata.name");

	if (object_is(d, object_kind(KIND_NAMESPACE)))
		return str_eq(name, ns);
	if (object_is(d, object_kind(KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY)))
		return true;
	if (object_is(d, object_kind(KIND_CONFIG_MAP)))
		return str_eq(own, "istio-system") && doc_find(d, "data.mesh");
	if (!own || (!str_eq(own, ns) && !str_eq(own, root)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (object_is(d, object_kind(kinds[i])))
			return true;
	return strstr(str_or_empty(doc_find_str(d, "apiVersion")), ".istio.io/");
}

static bool reads(const void *arg, const struct doc *object)
{
	const struct doc *plan = arg;

	return plan_reads(doc_find_str(plan, "namespace"), doc_find_str(plan, "rootNamespace"),
			  object);
}

struct doc *plan_stale(struct arena *a, const struct doc *plan, const struct snapshot *now,
		       const char *group)
{
	return run_inputs_stale(a, plan, now, group, reads, plan);
}

int plan_verdict(struct arena *a, const struct doc *plan, int64_t now_wall_ns, const char **ret_why,
		 struct error *err)
{
	int made_with = (int)doc_find_int(plan, "findings.summary.exit_code", CLI_FAILED);
	struct profile profile;
	int r = profile_decode(a, doc_get(plan, "profile"), &profile, err);

	if (r)
		return r;
	if (made_with)
		*ret_why = arena_printf(a, "%s, said its findings when it was made",
					exit_code_meaning(made_with));
	if (made_with)
		return made_with;
	doc_foreach_item (doc_get(plan, "waivers"), d) {
		const char *id = str_or_empty(doc_find_str(d, "id"));
		const struct waiver *w = waivers_find(
			&profile.waivers, id, str_or_empty(doc_find_str(d, "where")), now_wall_ns);

		if (w && !waiver_expired(w, now_wall_ns))
			continue;
		*ret_why = arena_printf(a, "waiver %s by %s expired on %s", id,
					w ? w->owner : "nobody", w ? w->expires : "no day");
		return CLI_WAIVER_EXPIRED;
	}
	return 0;
}

int plan_steps(struct arena *a, const struct doc *plan, const struct machine *m,
	       struct step **ret_steps, size_t *ret_n, struct error *err)
{
	const struct doc *list = doc_get(plan, "steps");
	struct step *steps = arena_array(a, doc_len(list) + 1, struct step);
	size_t n = 0;

	if (!str_eq(doc_find_str(plan, "schema"), PLAN_SCHEMA))
		return error_set(err, -EINVAL, "not a plan (its schema is not " PLAN_SCHEMA ")");
	doc_foreach_item (list, d) {
		const char *state = doc_find_str(d, "state");
		const struct step_kind *kind = state ? machine_kind(m, state) : NULL;

		if (!kind || !doc_find_str(d, "id"))
			return error_set(err, -EINVAL,
					 "the plan names a step '%s' of no kind known",
					 str_or_empty(doc_find_str(d, "id")));
		steps[n++] = (struct step){.id = doc_find_str(d, "id"),
					   .title = str_or_empty(doc_find_str(d, "title")),
					   .kind = kind,
					   .args = doc_get(d, "args")};
	}
	if (!n)
		return error_set(err, -EINVAL, "the plan has no step");
	*ret_steps = steps;
	*ret_n = n;
	return 0;
}
