/* SPDX-License-Identifier: Apache-2.0 */
/* What the schema has and nothing acts on: who wrote it would rely on it. */
#include "lib/base/str.h"
#include "runbooks/lint_internal.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

static bool reads(const struct runbook_step *s)
{
	return s->kind == STEP_QUERY || s->kind == STEP_FLOWS || s->kind == STEP_K8S ||
	       s->kind == STEP_HTTP || s->kind == STEP_PROM || s->kind == STEP_CHECK ||
	       s->kind == STEP_COMMAND;
}

static void check_retry(struct lint *l, const struct site *s)
{
	const struct retry *retry = s->step->retry;

	if (!reads(s->step) && !lint_changes(s))
		lint_fail(l, lint_path(l, s, "retry"), "a step of kind %s is not tried again",
			  step_kinds[s->step->kind].name);
	if (retry->on.n)
		lint_fail(l, lint_path(l, s, "retry.on"),
			  "not built yet: whatever the failure, it is tried again");
	if (retry->backoff && !str_eq(retry->backoff, "exponential") &&
	    !str_eq(retry->backoff, "constant"))
		lint_fail(l, lint_path(l, s, "retry.backoff"),
			  "%s is neither exponential nor constant", retry->backoff);
}

static void check_step(struct lint *l, const struct site *s)
{
	const struct runbook_step *step = s->step;
	const bool timed = (step_kinds[step->kind].flags & STEP_TIMED) || step->kind == STEP_MUTATE;

	if (step->retry)
		check_retry(l, s);
	if (step->kind == STEP_GATE)
		lint_fail(l, lint_path(l, s, "gate"),
			  "not built yet: gates are asked by the upgrade and the migration alone");
	if (step->on_error && str_eq(step->on_error->action, "ask"))
		lint_fail(l, lint_path(l, s, "on_error.action"),
			  "not built yet: lead to a step of kind ask with goto:ID");
	if (step->timeout && !timed)
		lint_fail(l, lint_path(l, s, "timeout"),
			  "a step of kind %s has no timeout of its own (a wait has within, an ask "
			  "and an approval expire)",
			  step_kinds[step->kind].name);
	if (step->on_timeout && step->kind != STEP_APPROVE)
		lint_fail(l, lint_path(l, s, "on_timeout"), "only approvals have one");
}

RULE(rule_built)
{
	struct lint *l = env;
	const struct runbook *rb = &l->rb;

	if (rb->checks.n)
		lint_fail(l, "requires.checks",
			  "not built yet: make it a step of kind check, and branch by its result");
	if (rb->capabilities.n)
		lint_fail(l, "requires.capabilities",
			  "not built yet: nobody looks whether they "
			  "are there");
	for (size_t i = 0; i < rb->applies_to.n; i++) {
		if (!str_eq(rb->applies_to.items[i].key, "mesh"))
			lint_fail(l, "metadata.applies_to",
				  "not built yet: nobody looks for the version of %s, only of mesh",
				  rb->applies_to.items[i].key);
	}
	for (size_t i = 0; i < l->n_sites; i++)
		check_step(l, &l->sites[i]);
	return 0;
}
