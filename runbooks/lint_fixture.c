/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the recorded cases: each leads where it says, together they take every branch. */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/lint_internal.h"
#include "runbooks/walk.h"

#define RULE(name_)                                                                                \
	int name_(const struct check *check, void *env, struct report *report,                     \
		  UNUSED struct error *err)

static bool ours(const struct lint *l, const struct fixture *f)
{
	return str_eq(f->runbook, l->rb.name);
}

static bool any_ours(const struct lint *l)
{
	for (size_t i = 0; i < l->n_fixtures; i++) {
		if (ours(l, &l->fixtures[i]))
			return true;
	}
	return false;
}

static struct walk walk_of(struct lint *l, const struct fixture *f)
{
	struct walk w;

	runbook_walk(l->arena, &l->rb, (enum runbook_mode)f->mode, f->params, f->answers, &w);
	return w;
}

/* --- coverage ----------------------------------------------------------------------------------
 */

static bool takes(const struct walk *w, size_t step, size_t branch)
{
	for (size_t i = 0; i < w->n_taken; i++) {
		if (w->taken[i].step == step && w->taken[i].branch == branch)
			return true;
	}
	return false;
}

struct covered {
	struct walk *walks;
	size_t n, all, hit;
};

static void cover_branch(struct lint *l, struct covered *c, size_t step, size_t branch)
{
	c->all++;
	for (size_t i = 0; i < c->n; i++) {
		if (takes(&c->walks[i], step, branch)) {
			c->hit++;
			return;
		}
	}
	lint_fail(l,
		  branch < l->rb.steps[step].n_next
			  ? arena_printf(l->arena, "steps[%zu].next[%zu]", step, branch)
			  : arena_printf(l->arena, "steps[%zu].on_error", step),
		  "no fixture goes from %s to %s", l->rb.steps[step].id,
		  walk_branch_to(&l->rb.steps[step], branch));
}

static void cover_outcome(struct lint *l, struct covered *c, size_t outcome)
{
	c->all++;
	for (size_t i = 0; i < c->n; i++) {
		if (c->walks[i].outcome == &l->rb.outcomes[outcome]) {
			c->hit++;
			return;
		}
	}
	lint_fail(l, arena_printf(l->arena, "outcomes[%zu]", outcome), "no fixture concludes %s",
		  l->rb.outcomes[outcome].id);
}

RULE(rule_coverage)
{
	struct lint *l = env;
	struct covered c = {arena_array(l->arena, l->n_fixtures + 1, struct walk), 0, 0, 0};

	if (!l->n_fixtures) {
		report_add(report, check, FINDING_SKIP, l->name, "no fixtures were given");
		return 0;
	}
	for (size_t i = 0; i < l->n_fixtures; i++) {
		if (ours(l, &l->fixtures[i]))
			c.walks[c.n++] = walk_of(l, &l->fixtures[i]);
	}
	for (size_t i = 0; i < l->rb.n_steps; i++) {
		for (size_t k = 0; k < walk_branches(&l->rb.steps[i]); k++)
			cover_branch(l, &c, i, k);
	}
	for (size_t i = 0; i < l->rb.n_outcomes; i++)
		cover_outcome(l, &c, i);
	if (c.hit == c.all)
		report_add(report, check, FINDING_PASS, l->name,
			   "%zu fixtures take all %zu branches and outcomes", c.n, c.all);
	return 0;
}

/* --- each leads where it says ------------------------------------------------------------------
 */

static const char *ran_at(const struct walk *w, size_t i)
{
	return i < w->n_ran ? w->ran[i]->id : "the end";
}

static void compare_path(struct lint *l, const struct fixture *f, const struct walk *w)
{
	for (size_t i = 0; i < MAX(f->path.n, w->n_ran); i++) {
		const char *said = i < f->path.n ? f->path.items[i] : "the end";

		if (str_eq(said, ran_at(w, i)))
			continue;
		lint_fail(l, "steps", "fixture %s: behind %s comes %s, not %s", f->name,
			  i ? ran_at(w, i - 1) : "the beginning", ran_at(w, i), said);
		return;
	}
}

static void compare(struct lint *l, const struct fixture *f)
{
	const struct walk w = walk_of(l, f);
	const char *outcome = w.outcome ? w.outcome->id : "none";

	compare_path(l, f, &w);
	if (!str_eq(outcome, f->outcome))
		lint_fail(l, "outcomes", "fixture %s concludes %s, not %s%s%s", f->name, outcome,
			  f->outcome, w.why ? ": " : "", str_or_empty(w.why));
	if (f->exit.set && f->exit.value != w.exit)
		lint_fail(l, "outcomes", "fixture %s ends with %d, not %lld", f->name, w.exit,
			  (long long)f->exit.value);
	if (!runbook_allows(&l->rb, (enum runbook_mode)f->mode))
		lint_fail(l, "modes", "fixture %s: its mode is not allowed", f->name);
}

RULE(rule_walks)
{
	struct lint *l = env;

	if (!any_ours(l)) {
		report_add(report, check, FINDING_SKIP, l->name, "no fixture of this runbook");
		return 0;
	}
	for (size_t i = 0; i < l->n_fixtures; i++) {
		if (ours(l, &l->fixtures[i]))
			compare(l, &l->fixtures[i]);
	}
	return 0;
}
