/* SPDX-License-Identifier: Apache-2.0 */
/* A plan read back: does it still fit, and its steps as lib/step wants them. */
#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/object/canonical.h"
#include "migrate/machine.h"
#include "migrate/plan.h"

struct doc *plan_stale(struct arena *a, const struct doc *plan, const struct snapshot *now)
{
	struct doc *list = doc_list(a);

	if (!doc_len(doc_get(plan, "inputs")))
		doc_append(a, list, doc_string(a, "it does not say what it was made from"));
	doc_foreach_item (doc_get(plan, "inputs"), input) {
		const struct doc *ref = doc_get(input, "ref");
		const char *kind = doc_find_str(ref, "kind"), *name = doc_find_str(ref, "name"),
			   *ns = doc_find_str(ref, "namespace");
		const struct object_kind *k =
			object_kind_find(doc_find_str(ref, "apiVersion"), kind);
		const struct doc *live = k ? snapshot_find(now, k, ns, name) : NULL;
		char digest[OBJECT_DIGEST_SIZE];

		if (!live)
			doc_append(
				a, list,
				doc_stringf(a, "%s %s/%s is gone", kind, str_or_empty(ns), name));
		else if (!str_eq(object_digest(live, digest), doc_find_str(input, "digest")))
			doc_append(a, list,
				   doc_stringf(a, "%s %s/%s was changed", kind, str_or_empty(ns),
					       name));
	}
	return list;
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

const char *plan_digest(struct arena *a, const struct doc *plan)
{
	char digest[OBJECT_DIGEST_SIZE];

	return arena_strdup(a, object_digest_exact(plan, digest));
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
