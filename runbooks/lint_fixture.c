/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the recorded cases: each is a way through the runbook, together they take every branch.
 */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/lint_internal.h"

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

/* "end" for the last one. */
static const char *after(const struct fixture *f, size_t i)
{
	return i + 1 < f->path.n ? f->path.items[i + 1] : "end";
}

static bool goes(const struct lint *l, const char *from, const char *to)
{
	for (size_t i = 0; i < l->n_fixtures; i++) {
		const struct fixture *f = &l->fixtures[i];

		for (size_t k = 0; ours(l, f) && k < f->path.n; k++) {
			if (str_eq(f->path.items[k], from) && str_eq(after(f, k), to))
				return true;
		}
	}
	return false;
}

static bool concludes(const struct lint *l, const char *outcome)
{
	for (size_t i = 0; i < l->n_fixtures; i++) {
		if (ours(l, &l->fixtures[i]) && str_eq(l->fixtures[i].outcome, outcome))
			return true;
	}
	return false;
}

RULE(rule_coverage)
{
	struct lint *l = env;
	const struct runbook *rb = &l->rb;
	size_t all = 0, taken = 0;

	if (!l->n_fixtures) {
		report_add(report, check, FINDING_SKIP, l->name, "no fixtures were given");
		return 0;
	}
	for (size_t i = 0; i < rb->n_steps; i++) {
		for (size_t k = 0; k < rb->steps[i].n_next; k++) {
			const bool hit = goes(l, rb->steps[i].id, rb->steps[i].next[k].to);

			all++;
			taken += hit;
			if (!hit)
				lint_fail(l, arena_printf(l->arena, "steps[%zu].next[%zu]", i, k),
					  "no fixture goes from %s to %s", rb->steps[i].id,
					  rb->steps[i].next[k].to);
		}
	}
	for (size_t i = 0; i < rb->n_outcomes; i++) {
		const bool hit = concludes(l, rb->outcomes[i].id);

		all++;
		taken += hit;
		if (!hit)
			lint_fail(l, arena_printf(l->arena, "outcomes[%zu]", i),
				  "no fixture concludes %s", rb->outcomes[i].id);
	}
	if (taken == all)
		report_add(report, check, FINDING_PASS, l->name,
			   "all %zu branches and outcomes are covered", all);
	return 0;
}

struct looked {
	size_t to;
	bool found;
};

static void look(void *ctx, size_t to)
{
	struct looked *k = ctx;

	k->found |= to == k->to;
}

static bool is_edge(const struct lint *l, size_t from, size_t to)
{
	struct looked k = {to, false};

	lint_each_edge(l->rb.steps, l->rb.n_steps, from, look, &k);
	return k.found;
}

static void walk(struct lint *l, const struct fixture *f)
{
	const size_t n = l->rb.n_steps;
	bool outcome = false;

	for (size_t k = 0; k < f->path.n; k++) {
		const ssize_t from = lint_target(l->rb.steps, n, f->path.items[k]);
		const ssize_t to = lint_target(l->rb.steps, n, after(f, k));

		if (from < 0 || from == (ssize_t)n || (k == 0 && from != 0))
			lint_fail(l, "steps", "fixture %s: the way cannot %s %s", f->name,
				  k ? "pass" : "begin at", f->path.items[k]);
		else if (to >= 0 && !is_edge(l, (size_t)from, (size_t)to))
			lint_fail(l, "steps", "fixture %s: no way leads from %s to %s", f->name,
				  f->path.items[k], after(f, k));
	}
	for (size_t i = 0; i < l->rb.n_outcomes; i++)
		outcome |= str_eq(l->rb.outcomes[i].id, f->outcome);
	if (!outcome)
		lint_fail(l, "outcomes", "fixture %s: there is no outcome %s", f->name, f->outcome);
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
			walk(l, &l->fixtures[i]);
	}
	return 0;
}
