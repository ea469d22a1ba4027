/* SPDX-License-Identifier: Apache-2.0 */
/* A plan read back: does it still fit, what gates and steps need of it, its steps. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/run/inputs.h"
#include "upgrade/plan.h"

static bool reads(const void *arg, const struct doc *object)
{
	const char *mesh = arg, *ns = doc_find_str(object, "metadata.namespace");
	const char *name = str_or_empty(doc_find_str(object, "metadata.name"));
	size_t n = ns ? strlen(ns) : 0;

	if (object_is(object, object_kind(KIND_NODE)))
		return true;
	return object_is(object, object_kind(KIND_DAEMON_SET)) && ns && !strncmp(mesh, ns, n) &&
	       mesh[n] == '/' && str_eq(mesh + n + 1, name);
}

/* A node that has left had a turn that is skipped; only without the canary nothing proves it. */
static bool may_be_gone(const struct doc *plan, const struct doc *ref, const struct snapshot *now)
{
	const char *name = doc_find_str(ref, "name");

	return str_eq(doc_find_str(ref, "kind"), "Node") &&
	       !str_eq(name, doc_find_str(doc_at(doc_get(plan, "nodes"), 0), "name")) &&
	       !snapshot_find(now, object_kind(KIND_NODE), NULL, name);
}

struct doc *plan_stale(struct arena *a, const struct doc *plan, const struct snapshot *now)
{
	struct doc *asked = doc_map(a), *inputs = doc_set_list(a, asked, "inputs");

	doc_foreach_item (doc_get(plan, "inputs"), d)
		if (!may_be_gone(plan, doc_get(d, "ref"), now))
			doc_append(a, inputs, doc_clone(a, d));
	return run_inputs_stale(a, asked, now, NULL, reads,
				str_or_empty(doc_find_str(plan, "mesh")));
}

/*
 * What nothing forces is asked anew, whatever the findings in the plan say: a file can be edited.
 * Which patch is the latest only the releases knew; G-SOUND asks whether the mesh is what it says.
 */
static int hop_verdict(struct arena *a, const struct doc *plan, const char **ret_why,
		       struct error *err)
{
	static const struct releases unknown;
	struct release from = {0}, to = {0};
	const char *const texts[] = {doc_find_str(plan, "from.version"),
				     doc_find_str(plan, "to.version")};
	int r = version_parse(a, str_or_empty(texts[0]), &from.version, err);

	if (!r)
		r = version_parse(a, str_or_empty(texts[1]), &to.version, err);
	if (r)
		return r;
	if (hop_is_legal(hop_between(&unknown, &from, &to, true)))
		return 0;
	*ret_why = arena_printf(a, "%s to %s is no hop, and nothing forces it", texts[0], texts[1]);
	return CLI_BLOCKED;
}

/* What a template asks for is what its side says. */
static int image_verdict(struct arena *a, const struct doc *plan, const char *key,
			 const char **ret_why)
{
	const struct doc *side = doc_get(plan, key);

	doc_foreach_item (doc_find(side, "template.spec.template.spec.containers"), c)
		if (str_eq(doc_find_str(c, "name"), doc_find_str(plan, "container")) &&
		    str_eq(doc_find_str(c, "image"), doc_find_str(side, "image")))
			return 0;
	*ret_why = arena_printf(a, "its template of %s asks for another image than it says", key);
	return CLI_BLOCKED;
}

int plan_verdict(struct arena *a, const struct doc *plan, int64_t now_wall_ns, const char **ret_why,
		 struct error *err)
{
	int made_with = (int)doc_find_int(plan, "findings.summary.exit_code", CLI_FAILED);
	struct profile profile;
	int r = profile_decode(a, doc_get(plan, "profile"), &profile, err);

	if (r)
		return r;
	if (made_with) {
		*ret_why = arena_printf(a, "%s, said its findings when it was made",
					exit_code_meaning(made_with));
		return made_with;
	}
	r = hop_verdict(a, plan, ret_why, err);
	if (!r)
		r = image_verdict(a, plan, "from", ret_why);
	if (!r)
		r = image_verdict(a, plan, "to", ret_why);
	if (r)
		return r;
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

static int take_side(const struct doc *plan, const char *key, struct side *side, struct error *err)
{
	const struct doc *d = doc_get(plan, key);

	*side = (struct side){.version = doc_find_str(d, "version"),
			      .image = doc_find_str(d, "image"),
			      .layout = doc_find_int(d, "conntrackLayout", 0),
			      .tells_no_health = !doc_bool_or(doc_get(d, "health"), true),
			      .template = doc_get(d, "template")};
	if (!side->version || !side->image || !side->template)
		return error_set(err, -EINVAL, "the plan does not say %s which version it goes",
				 key);
	return 0;
}

int plan_take(struct upgrade *u, struct arena *a, const struct doc *plan, struct error *err)
{
	const char *mesh = str_or_empty(doc_find_str(plan, "mesh")), *slash = strchr(mesh, '/');
	int r;

	if (!str_eq(doc_find_str(plan, "schema"), PLAN_SCHEMA))
		return error_set(err, -EINVAL, "not a plan (its schema is not " PLAN_SCHEMA ")");
	if (!slash || !doc_find_str(plan, "container"))
		return error_set(err, -EINVAL, "the plan names no DaemonSet");
	u->plan = plan;
	u->namespace = arena_strndup(a, mesh, (size_t)(slash - mesh));
	u->daemonset = slash + 1;
	u->container = doc_find_str(plan, "container");
	r = take_side(plan, "from", &u->from, err);
	if (!r)
		r = take_side(plan, "to", &u->to, err);
	if (!r)
		r = profile_decode(a, doc_get(plan, "profile"), &u->profile, err);
	if (!r)
		machine_init(&u->machine, &u->profile);
	return r;
}

int plan_steps(struct arena *a, const struct doc *plan, const struct machine *m,
	       struct step **ret_steps, size_t *ret_n, struct error *err)
{
	const struct doc *list = doc_get(plan, "steps");
	struct step *steps = arena_array(a, doc_len(list) + 1, struct step);
	size_t n = 0;

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
