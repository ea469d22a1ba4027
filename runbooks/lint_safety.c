/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of safety: what changes something is said, proved, undone and agreed to. */
#include <ctype.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"
#include "runbooks/template.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

bool lint_changes(const struct site *s)
{
	return s->step->kind == STEP_MUTATE || s->step->mutates.value;
}

static const struct known_operation *operation_of(const struct site *s)
{
	const struct doc *op = s->step->op;

	return op && op->kind == DOC_MAP && op->map.n == 1
		       ? known_operation_find(op->map.entries[0].key)
		       : NULL;
}

/* Less than this nobody may call it. */
static int least_risk(const struct site *s)
{
	const struct known_operation *op = operation_of(s);

	return op ? op->risk : s->step->kind == STEP_COMMAND ? RISK_MEDIUM : RISK_LOW;
}

RULE(rule_mutates)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const unsigned flags = step_kinds[s->step->kind].flags;
		const char *kind = step_kinds[s->step->kind].name;

		if (!s->step->mutates.set)
			lint_fail(l, s->path, "step %s does not say whether it mutates",
				  s->step->id);
		else if (s->step->mutates.value && !(flags & (STEP_MAY_MUTATE | STEP_MUST_MUTATE)))
			lint_fail(l, lint_path(l, s, "mutates"), "a step of kind %s only reads",
				  kind);
		else if (!s->step->mutates.value && (flags & STEP_MUST_MUTATE))
			lint_fail(l, lint_path(l, s, "mutates"),
				  "a step of kind %s changes something: mutates is true", kind);
		if (lint_changes(s) && s->step->risk == RISK_UNSAID)
			lint_fail(l, s->path, "step %s changes something and names no risk",
				  s->step->id);
		else if (lint_changes(s) && s->step->risk < least_risk(s))
			lint_fail(l, lint_path(l, s, "risk"), "what it does has risk %s at least",
				  risk_names[least_risk(s)]);
	}
	return 0;
}

static bool holds(const struct runbook_step *s, bool (*is)(const struct runbook_step *s))
{
	bool found = is(s);

	for (size_t i = 0; i < s->n_steps && !found; i++)
		found = holds(&s->steps[i], is);
	return found;
}

static bool is_change(const struct runbook_step *s)
{
	return s->kind == STEP_MUTATE || s->mutates.value;
}

/* --- verify ------------------------------------------------------------------------------------
 */

struct asked {
	struct lint *l;
	const struct text *text;
	struct map results;
};

/* These alone are asked anew at a poll; no Prometheus is known, and no gate is asked here. */
static bool asked_anew(const struct runbook_step *s)
{
	return s->kind == STEP_QUERY || s->kind == STEP_FLOWS || s->kind == STEP_K8S ||
	       s->kind == STEP_HTTP || s->kind == STEP_CHECK || s->kind == STEP_COMMAND;
}

static void ask_result(void *ctx, const struct expr *name)
{
	struct asked *q = ctx;
	const struct site *from = lint_registered(q->l, q->text, name->text);

	if (!from || holds(from->step, is_change))
		return;
	if (asked_anew(from->step))
		map_set(&q->results, name->text, q->l);
	else
		lint_fail(q->l, q->text->path,
			  "%s is of a step of kind %s, which is not asked anew: it would be "
			  "unknown at every poll",
			  name->text, step_kinds[from->step->kind].name);
}

/* How many results of steps that only read an expression asks: each is asked anew at every poll. */
static size_t sources_of(struct lint *l, const struct site *s, const char *expr)
{
	const struct text t = {expr, lint_path(l, s, "verify.expr"), TEXT_EXPR, s, true};
	struct asked q = {.l = l, .text = &t};
	const struct expr *e = NULL;
	size_t n;

	map_init(&q.results);
	if (expr_parse(l->arena, expr, &e, NULL) == 0)
		expr_walk_names(e, ask_result, &q);
	n = map_count(&q.results);
	map_release(&q.results);
	return n;
}

static void check_verify(struct lint *l, const struct site *s)
{
	const struct verify *v = s->step->verify;
	const int64_t want = v->sources.set ? v->sources.value : 2;
	const size_t n = sources_of(l, s, v->expr);
	uint64_t poll, within;

	if (want < 2)
		lint_fail(l, lint_path(l, s, "verify.sources"),
			  "one source may be wrong alone: want at least two");
	if ((int64_t)n < want)
		lint_fail(l, lint_path(l, s, "verify.expr"),
			  "it asks %zu results of steps that only read, want %lld", n,
			  (long long)MAX(want, 2));
	if (!v->stable.set || v->stable.value < 2)
		lint_fail(l, lint_path(l, s, "verify.stable"),
			  "once may be chance: want at least two samples in a row (stable)");
	else if (str_to_duration_ns(str_or_empty(v->poll), &poll, NULL) == 0 &&
		 str_to_duration_ns(str_or_empty(v->within), &within, NULL) == 0 && poll &&
		 (uint64_t)(v->stable.value - 1) > within / poll)
		lint_fail(l, lint_path(l, s, "verify.within"),
			  "%lld samples every %s are not had within %s", (long long)v->stable.value,
			  v->poll, v->within);
}

RULE(rule_verify)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (!lint_changes(s)) {
			if (s->step->verify)
				lint_fail(l, lint_path(l, s, "verify"),
					  "step %s changes nothing to be verified", s->step->id);
		} else if (!s->step->verify) {
			lint_fail(l, s->path, "step %s changes something and has no verify",
				  s->step->id);
		} else {
			check_verify(l, s);
		}
	}
	return 0;
}

/* --- rollback ----------------------------------------------------------------------------------
 */

static void check_rollback(struct lint *l, const struct site *s)
{
	const struct rollback *back = s->step->rollback;
	const struct known_operation *op = operation_of(s);
	const char *path = lint_path(l, s, "rollback");
	bool changes = false;

	if ((back->inverse != INVERSE_UNSAID) == (back->n_steps > 0))
		lint_fail(l, path, "want either inverse or steps");
	if (back->inverse == INVERSE_AUTO && (!op || !op->invertible))
		lint_fail(l, path, "%s leaves no pre-image that could be put back",
			  op ? op->name : "this step");
	if (back->inverse == INVERSE_NONE && str_empty(back->reason))
		lint_fail(l, path, "there is no way back, and no reason is given");
	if (back->reason && back->inverse != INVERSE_NONE)
		lint_fail(l, path, "a reason is for inverse: none");
	for (size_t i = 0; i < back->n_steps && !changes; i++)
		changes = holds(&back->steps[i], is_change);
	if (back->n_steps && !changes)
		lint_fail(l, path,
			  "its steps change nothing, and so take nothing back: say inverse none, "
			  "and why");
}

RULE(rule_rollback)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct rollback *back = s->step->rollback;

		if (!lint_changes(s) || s->undoes) {
			if (back)
				lint_fail(l, lint_path(l, s, "rollback"),
					  "step %s has nothing to roll back", s->step->id);
		} else if (!back) {
			lint_fail(l, s->path, "step %s changes something and has no rollback",
				  s->step->id);
		} else {
			check_rollback(l, s);
		}
	}
	return 0;
}

RULE(rule_idempotent)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (lint_changes(s) && !s->undoes && !s->step->n_precheck &&
		    !s->step->idempotency_key)
			lint_fail(l, s->path,
				  "step %s would be done twice by whoever resumes: it has neither "
				  "precheck nor idempotency_key",
				  s->step->id);
		if (lint_changes(s) && s->step->retry)
			lint_fail(l, lint_path(l, s, "retry"),
				  "what changes something is not tried again blindly");
	}
	return 0;
}

/* --- approvals ---------------------------------------------------------------------------------
 */

bool lint_binds(const struct runbook_step *s, int64_t min)
{
	return s->kind == STEP_APPROVE && !s->when && !s->on_error && s->approvers &&
	       s->approvers->min.value >= min && (!s->on_timeout || str_eq(s->on_timeout, "abort"));
}

static bool approved(struct lint *l, const struct site *s, int64_t min)
{
	for (; s; s = s->parent) {
		bool *blocked = arena_array(l->arena, s->n_list + 1, bool);
		bool *mark = arena_array(l->arena, s->n_list + 1, bool);

		if (s->parent && s->parent->step->kind == STEP_PARALLEL)
			continue;
		for (size_t i = 0; i < s->n_list; i++)
			blocked[i] = lint_binds(&s->list[i], min);
		lint_reach(s->list, s->n_list, 0, blocked, mark);
		if (!mark[s->index])
			return true;
	}
	return false;
}

/* What leaves no pre-image is not put back by the steps that an author calls its way back. */
static bool gone_for_good(const struct site *s)
{
	const struct known_operation *op = operation_of(s);

	if (s->step->rollback && s->step->rollback->inverse == INVERSE_NONE)
		return true;
	return op ? !op->invertible : s->step->kind == STEP_COMMAND;
}

RULE(rule_approved)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const bool no_way_back = gone_for_good(s);
		const int64_t want = s->step->risk == RISK_HIGH                    ? 2
				     : s->step->risk == RISK_MEDIUM || no_way_back ? 1
										   : 0;

		/* What undoes is done by the run alone, too: whoever approved its step saw it. */
		if (lint_changes(s) && want && !approved(l, s, want))
			lint_fail(l, s->path,
				  "a way leads to step %s (%s) without an approval by %lld",
				  s->step->id,
				  s->step->risk >= RISK_MEDIUM
					  ? arena_printf(l->arena, "risk %s",
							 risk_names[s->step->risk])
					  : "no way back",
				  (long long)want);
	}
	return 0;
}

static bool is_approval(const struct runbook_step *s)
{
	return s->kind == STEP_APPROVE;
}

bool lint_skips_approval(const struct runbook *rb, const char *from, const char *until)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const size_t n = rb->n_steps;
	const ssize_t first = from ? lint_target(rb->steps, n, from) : 0;
	const ssize_t last = until ? lint_target(rb->steps, n, until) : -1;
	bool *blocked = arena_array(&a, n + 1, bool), *ahead = arena_array(&a, n + 1, bool);
	bool *mark = arena_array(&a, n + 1, bool);
	bool changes = false, skips = false;

	if (first <= 0)
		return first < 0;
	if (last >= 0)
		blocked[last] = true;
	lint_reach(rb->steps, n, (size_t)first, blocked, ahead);
	for (size_t i = 0; i < n; i++) {
		changes |= ahead[i] && holds(&rb->steps[i], is_change);
		if ((ssize_t)i == first || !holds(&rb->steps[i], is_approval))
			continue;
		lint_reach(rb->steps, n, i, NULL, mark);
		skips |= mark[first];
	}
	return changes && skips;
}

/* Names of groups as a cluster has them; whatever a caller could fill in is refused. */
static bool group_name(const char *g)
{
	return !str_empty(g) && isalpha((unsigned char)*g) && strlen(g) <= 253 &&
	       g[strspn(g, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "-_.:@/")] == 0;
}

static void check_approvers(struct lint *l, const struct site *s)
{
	const struct approvers *a = s->step->approvers;

	if (!a->min.set)
		lint_fail(l, lint_path(l, s, "approvers"), "how many must approve is not said");
	if (!a->groups.n)
		lint_fail(l, lint_path(l, s, "approvers"), "nobody is named who may approve");
	for (size_t i = 0; i < a->groups.n; i++) {
		if (!group_name(a->groups.items[i]))
			lint_fail(l, lint_path(l, s, "approvers.groups"),
				  "\"%s\" is no group's name: who approves is what the API server "
				  "says, never a flag or a variable",
				  a->groups.items[i]);
		else if (str_starts(a->groups.items[i], "system:"))
			lint_fail(l, lint_path(l, s, "approvers.groups"),
				  "%s is nobody's group in particular", a->groups.items[i]);
	}
	if (a->not_requester.set && !a->not_requester.value)
		lint_fail(l, lint_path(l, s, "approvers.not_requester"),
			  "who asks does not approve");
	if (!a->expires)
		lint_fail(l, lint_path(l, s, "approvers"), "an approval expires, but when?");
	if (s->step->on_timeout && !str_eq(s->step->on_timeout, "abort"))
		lint_fail(l, lint_path(l, s, "on_timeout"),
			  "silence is no approval: on_timeout is abort");
}

RULE(rule_approvers)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		if (l->sites[i].step->approvers)
			check_approvers(l, &l->sites[i]);
	}
	return 0;
}
