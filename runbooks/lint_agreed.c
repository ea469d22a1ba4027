/* SPDX-License-Identifier: Apache-2.0 */
/* What is done is known when it is agreed to. */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/lint_internal.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

/* Of the list that s stands in, from `from` on: s is come to without an approval. */
static bool unasked(struct lint *l, const struct site *s, size_t from, bool is_source)
{
	bool *blocked = arena_array(l->arena, s->n_list + 1, bool);
	bool *mark = arena_array(l->arena, s->n_list + 1, bool);

	if (s->parent && s->parent->step->kind == STEP_PARALLEL)
		return true;
	for (size_t i = 0; i < s->n_list; i++)
		blocked[i] = lint_binds(&s->list[i], 1);
	blocked[from] &= !is_source;
	lint_reach(s->list, s->n_list, from, blocked, mark);
	return mark[s->index];
}

/* A way leads from the step that registers it to s, and nobody is asked on it. */
static bool behind_approval(struct lint *l, const struct site *source, const struct site *s)
{
	for (; s; s = s->parent) {
		const struct site *at = source;

		while (at && at->list != s->list)
			at = at->parent;
		if (at)
			return unasked(l, s, at->index, at == source);
		if (!unasked(l, s, 0, false))
			return false;
	}
	return false;
}

struct looking {
	struct lint *l;
	const struct text *text;
	const struct site *change;
	const char *path;
};

static void look_at_name(void *ctx, const struct expr *name)
{
	const struct looking *k = ctx;
	const struct site *source = lint_registered(k->l, k->text, name->text);

	if (source && behind_approval(k->l, source, k->change))
		lint_fail(k->l, k->path,
			  "what step %s does hangs on %s, which nobody knows yet when it is agreed "
			  "to: register it before the approval",
			  k->change->step->id, name->text);
}

static void look_at_expr(struct lint *l, const struct text *t, const struct expr *e)
{
	struct looking k = {l, t, t->site, t->path};

	expr_walk_names(e, look_at_name, &k);
}

static void look_at_deed(struct lint *l, const struct text *t)
{
	const char *own = t->site ? t->path + strlen(t->site->path) : "";

	if (t->site && lint_changes(t->site) &&
	    (str_starts(own, ".op") || str_starts(own, ".command")))
		lint_each_expr(l, t, look_at_expr);
}

RULE(rule_foreseen)
{
	struct lint *l = env;

	lint_each_text(l, look_at_deed);
	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		for (const struct site *p = s->parent; lint_changes(s) && p; p = p->parent) {
			const struct text t = {.text = p->step->items, .site = p};
			struct looking k = {l, &t, s, lint_path(l, p, "items")};
			const struct expr *e = NULL;

			if (t.text && expr_parse(l->arena, t.text, &e, NULL) == 0)
				expr_walk_names(e, look_at_name, &k);
		}
	}
	return 0;
}
