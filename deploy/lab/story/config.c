/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration of the namespace, changed while its traffic runs: planned and applied, planned
 * and applied anew; then somebody else touches it, which shows as drift and stands as a conflict in
 * the way back; and taken back all the same. All that is told of it is what the program said.
 */
#include <string.h>

#include "deploy/lab/story/steps.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

struct part {
	struct story *s;
	struct error *err;
	int64_t revisions, drifted, conflicts;
	bool rolled_back;
	const char *object;       /* where the conflict is: Kind/namespace/name */
	const struct doc *said;   /* by the newest verb, when it was JSON */
	enum step_outcome failed; /* STORY_OK: nothing yet, and wrong is NULL */
	const char *wrong;
};

static const char *file_of(struct part *p, const char *name)
{
	return arena_printf(&p->s->arena, "%s/deploy/lab/config/%s.yaml", p->s->lab.source_dir,
			    name);
}

static const char *plan_of(struct part *p, const char *name)
{
	return arena_printf(&p->s->arena, "%s/config-plan-%s.json", p->s->evidence, name);
}

static void set_wrong(struct part *p, enum step_outcome failed, const char *words)
{
	p->failed = failed;
	p->wrong = words;
}

/* --- the program --- */

#define MAX_MORE 14

/*
 * One verb, with `more` (ends with NULL) behind where it works. What ends otherwise than wanted
 * ends the part; nothing is run after that.
 */
static int verb(struct part *p, const char *title, const char *verb, bool changes, int want,
		const char *const *more)
{
	struct story *s = p->s;
	const char *args[MAX_MORE + 7] = {verb,      "--kubeconfig", s->lab.kubeconfig_here,
					  "--state", s->state,       "--yes"};
	size_t n = changes ? 6 : 5;
	enum step_outcome outcome = STORY_OK;
	const char *words = NULL;
	struct tool_run t = {0};
	unsigned rounds;
	int r;

	if (p->wrong)
		return 0;
	args[n] = NULL;
	for (size_t i = 0; more[i] && i < MAX_MORE; i++)
		args[n++] = more[i];
	title = arena_printf(&s->arena, "config-%s", title);
	r = changes ? step_persist(s, title, "config", args, 5, &t, &rounds, &outcome, &words,
				   p->err)
		    : step_ask(s, title, "config", args, &t, &outcome, &words, p->err);
	p->said = t.doc;
	if (!r && outcome == STORY_NOT_BUILT)
		set_wrong(p, STORY_NOT_BUILT, words);
	else if (!r && t.code != want)
		set_wrong(p, STORY_FAILED,
			  arena_printf(&s->arena, "%s: %s, not exit %d", title, words, want));
	tool_run_release(&t);
	return r;
}

static int plan(struct part *p, const char *name)
{
	const char *more[] = {"--filename",
			      file_of(p, name),
			      "--namespace",
			      p->s->namespace,
			      "--out",
			      plan_of(p, name),
			      "--as",
			      name,
			      "--message",
			      "the story's change",
			      "--detailed-exitcode",
			      NULL};

	return verb(p, arena_printf(&p->s->arena, "plan-%s", name), "plan", false, CLI_CHANGES,
		    more);
}

static int apply(struct part *p, const char *name)
{
	const char *more[] = {plan_of(p, name), NULL};

	return verb(p, arena_printf(&p->s->arena, "apply-%s", name), "apply", true, CLI_OK, more);
}

/* --- somebody else --- */

/* As from another terminal: nothing of it passes through our program. */
static int touch(struct part *p)
{
	struct story *s = p->s;
	const struct object_kind *kind;
	struct doc_stream docs;
	struct kube_request request;
	struct doc *patch;
	int r;

	if (p->wrong)
		return 0;
	r = doc_read_file(&s->arena, file_of(p, s->subject.touched), &docs, p->err);
	if (r)
		return r;
	patch = doc_map(&s->arena);
	kind = object_kind_find(str_or_empty(doc_find_str(docs.docs[0], "apiVersion")),
				str_or_empty(doc_find_str(docs.docs[0], "kind")));
	if (!kind)
		return error_set(p->err, -EINVAL, "%s: no such kind", s->subject.touched);
	doc_set(&s->arena, patch, "spec", doc_get(docs.docs[0], "spec"));
	request = (struct kube_request){.verb = KUBE_PATCH,
					.patch = KUBE_PATCH_MERGE,
					.kind = kind,
					.namespace_ = s->namespace,
					.name = kube_name(docs.docs[0]),
					.body = patch};
	return cluster_do(&s->cluster, &request, &s->arena, NULL, p->err);
}

/* How many fields drift names; so many are wanted: none, or some. */
static int drift(struct part *p, const char *when, bool some)
{
	static const char *const more[] = {"--once", "--detailed-exitcode", "--output", "json",
					   NULL};
	int r = verb(p, arena_printf(&p->s->arena, "drift-%s", when), "drift", false,
		     some ? CLI_CHANGES : CLI_OK, more);

	if (!r && !p->wrong && some)
		p->drifted = doc_find_int(p->said, "summary.fail", 0);
	if (!r && !p->wrong && some && p->drifted < 1)
		set_wrong(p, STORY_FAILED, "drift names nothing that has drifted");
	return r;
}

/* --- the way back --- */

static void note_conflicts(struct part *p)
{
	struct arena *a = &p->s->arena;

	p->conflicts = doc_find_int(p->said, "summary.conflict", 0);
	doc_foreach_item (doc_get(p->said, "objects"), o)
		doc_foreach_item (doc_get(o, "changes"), c)
			if (str_eq(doc_find_str(c, "class"), "conflict"))
				p->object = arena_printf(a, "%s/%s/%s",
							 str_or_empty(doc_find_str(o, "kind")),
							 str_or_empty(doc_find_str(o, "namespace")),
							 str_or_empty(doc_find_str(o, "name")));
	if (!p->object || p->conflicts < 1)
		set_wrong(p, STORY_FAILED, "plan names no conflict with what somebody else wrote");
}

/* What somebody else wrote is in the way, and is not overwritten. */
static int meet_conflict(struct part *p, const char *back)
{
	const char *look[] = {"--filename", file_of(p, back), "--namespace", p->s->namespace,
			      "--output",   "json",           NULL};
	const char *more[] = {back, NULL};
	int r = verb(p, "conflict", "plan", false, CLI_BLOCKED, look);

	if (!r && !p->wrong)
		note_conflicts(p);
	return r ? r : verb(p, "rollback-refused", "rollback", true, CLI_BLOCKED, more);
}

/* Whether what somebody else wrote is gone, as the API says. */
static int look_back(struct part *p, const char *back)
{
	struct story *s = p->s;
	struct doc_stream first, touched;
	const struct object_kind *kind;
	struct doc *now = NULL;
	int r = doc_read_file(&s->arena, file_of(p, back), &first, p->err);

	if (!r)
		r = doc_read_file(&s->arena, file_of(p, s->subject.touched), &touched, p->err);
	for (size_t i = 0; !r && i < first.n; i++) {
		kind = object_kind_find(doc_find_str(first.docs[i], "apiVersion"),
					doc_find_str(first.docs[i], "kind"));
		if (!str_eq(kube_name(first.docs[i]), kube_name(touched.docs[0])))
			continue;
		r = cluster_get(&s->cluster, &s->arena, kind, s->namespace,
				kube_name(first.docs[i]), &now, p->err);
		doc_foreach_entry (doc_get(touched.docs[0], "spec"), e)
			if (!r && !doc_equal(doc_get(doc_get(now, "spec"), e->key),
					     doc_get(doc_get(first.docs[i], "spec"), e->key)))
				set_wrong(p, STORY_FAILED,
					  arena_printf(&s->arena, "%s is not as it was", e->key));
	}
	return r;
}

static int go_back(struct part *p, const char *back)
{
	const char *more[] = {back,        "--overwrite",      p->object,
			      "--message", "as it was before", NULL};
	int r = verb(p, "rollback", "rollback", true, CLI_OK, more);

	if (!r)
		r = drift(p, "at-the-end", false);
	if (!r && !p->wrong)
		r = look_back(p, back);
	p->rolled_back = !r && !p->wrong;
	return r;
}

static int count_revisions(struct part *p)
{
	static const char *const more[] = {"--output", "json", NULL};
	int r = verb(p, "history", "history", false, CLI_OK, more);

	if (!r && !p->wrong)
		p->revisions = (int64_t)doc_len(p->said);
	return r;
}

/* --- the step --- */

static void note(struct part *p)
{
	struct arena *a = &p->s->arena;
	struct doc *d = p->s->config = doc_map(a);

	doc_set_int(a, d, "revisions", p->revisions);
	doc_set_int(a, d, "drifted", p->drifted);
	doc_set_int(a, d, "conflicts", p->conflicts);
	doc_set_bool(a, d, "rolled_back", p->rolled_back);
}

static int change(struct part *p)
{
	const struct strings *names = &p->s->subject.revisions;
	int r = 0;

	for (size_t i = 0; !r && i < names->n; i++) {
		r = plan(p, names->items[i]);
		if (!r)
			r = apply(p, names->items[i]);
	}
	if (!r)
		r = drift(p, "before", false);
	if (!r)
		r = touch(p);
	if (!r)
		r = drift(p, "after", true);
	if (!r)
		r = meet_conflict(p, names->items[0]);
	if (!r)
		r = go_back(p, names->items[0]);
	return r ? r : count_revisions(p);
}

int story_do_config(struct story *s, enum step_outcome *outcome, const char **words,
		    struct error *err)
{
	struct part p = {.s = s, .err = err};
	int r = change(&p);

	if (!r)
		r = story_rest(s, STEP_SETTLE_NS, err);
	if (r < 0)
		return r;
	if (p.failed != STORY_NOT_BUILT)
		note(&p);
	*outcome = p.failed;
	*words = p.wrong ? p.wrong
			 : arena_printf(&s->arena,
					"%lld revisions; drift named %lld fields that somebody "
					"else wrote, %lld conflicts stopped the way back until "
					"they were overwritten by name",
					(long long)p.revisions, (long long)p.drifted,
					(long long)p.conflicts);
	return 0;
}
