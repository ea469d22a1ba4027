/* SPDX-License-Identifier: Apache-2.0 */
/* What a journal says happened: pure reading of its records. */
#include "lib/step/recover.h"

#include "lib/base/str.h"
#include "lib/base/vec.h"

static const char *const run_states[] = {
	[RUN_RUNNING] = "running",
	[RUN_PAUSED] = "paused",
	[RUN_INCONCLUSIVE] = "inconclusive",
	[RUN_STOPPED] = "stopped",
	[RUN_CONFLICT] = "conflict",
	[RUN_FAILED] = "failed",
	[RUN_DONE] = "done",
	[RUN_ROLLING_BACK] = "rolling-back",
	[RUN_ROLLED_BACK] = "rolled-back",
	[RUN_ROLLBACK_STOPPED] = "rollback-stopped",
};

static const char *const step_states[] = {
	[STEP_PENDING] = "pending", [STEP_BEGUN] = "begun",     [STEP_DONE] = "done",
	[STEP_SKIPPED] = "skipped", [STEP_UNDOING] = "undoing", [STEP_UNDONE] = "undone",
};

const char *run_state_name(enum run_state s)
{
	return run_states[s];
}

const char *step_state_name(enum step_state s)
{
	return step_states[s];
}

static const char *field(const struct journal_record *r, const char *name)
{
	return str_or_empty(doc_str(doc_get(r->body, name)));
}

static bool is_about(const struct journal_record *r, const char *type, const char *step)
{
	return str_eq(r->type, type) && str_eq(field(r, "step"), step);
}

static bool is_undo(const struct journal_record *r)
{
	return doc_bool_or(doc_get(r->body, "undo"), false);
}

static struct journaled_change from_intent(const struct journal_record *r)
{
	struct journaled_change jc = {0};

	jc.change.op = field(r, "op");
	if (change_kind_parse(field(r, "kind"), &jc.change.kind) < 0)
		jc.change.kind = CHANGE_PATCH;
	jc.change.ref = doc_get(r->body, "ref");
	jc.change.forward = doc_get(r->body, "forward");
	jc.change.backward = doc_get(r->body, "backward");
	jc.change.digest = doc_str(doc_get(r->body, "digest"));
	jc.change.keep = doc_bool_or(doc_get(r->body, "keep"), false);
	return jc;
}

static void note_done(struct journaled_change *jc, const struct journal_record *r)
{
	jc->done = true;
	if (jc->change.kind == CHANGE_CREATE)
		jc->change.digest = doc_str(doc_get(r->body, "digest"));
	jc->change.answer = doc_get(r->body, "answer");
}

/* Where the step was begun last: from there on records tell of it as it is now. */
static size_t last_begin(const struct journal *j, const char *step)
{
	size_t at = 0;

	for (size_t i = 0; i < journal_count(j); i++)
		if (is_about(journal_at(j, i), "begin", step))
			at = i;
	return at;
}

size_t recover_changes(struct arena *a, const struct journal *j, const char *step, bool undo,
		       struct journaled_change **ret_items)
{
	VEC(struct journaled_change) found = VEC_INIT;
	size_t n;

	for (size_t i = last_begin(j, step); i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (is_about(r, "intent", step) && is_undo(r) == undo)
			vec_push(&found, from_intent(r));
		if (!is_about(r, "done", step) || is_undo(r) != undo)
			continue;
		vec_foreach (&found, jc) {
			if (str_eq(jc->change.op, field(r, "op")))
				note_done(jc, r);
		}
	}
	n = found.n;
	*ret_items = n ? arena_memdup(a, found.items, n * sizeof(*found.items)) : NULL;
	vec_release(&found);
	return n;
}

bool recover_change(const struct journal *j, const char *step, const char *op, bool undo,
		    struct journaled_change *out)
{
	bool found = false;

	for (size_t i = last_begin(j, step); i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (is_undo(r) != undo || !str_eq(field(r, "op"), op))
			continue;
		if (is_about(r, "intent", step)) {
			*out = from_intent(r);
			found = true;
		} else if (found && is_about(r, "done", step)) {
			note_done(out, r);
		}
	}
	return found;
}

enum step_state recover_step(const struct journal *j, const char *step)
{
	static const struct {
		const char *type;
		enum step_state state;
	} transitions[] = {
		{"begin", STEP_BEGUN},        {"end", STEP_DONE},        {"skipped", STEP_SKIPPED},
		{"undo-begin", STEP_UNDOING}, {"undo-end", STEP_UNDONE},
	};
	enum step_state state = STEP_PENDING;

	for (size_t i = 0; i < journal_count(j); i++)
		for (size_t t = 0; t < ARRAY_SIZE(transitions); t++)
			if (is_about(journal_at(j, i), transitions[t].type, step))
				state = transitions[t].state;
	return state;
}

size_t recover_position(const struct journal *j, const char *step)
{
	size_t at = journal_count(j);

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (is_about(r, "begin", step) || is_about(r, "skipped", step))
			at = i;
	}
	return at;
}

bool recover_gate_passed(const struct journal *j, const char *step, const char *when,
			 const char *gate, bool again)
{
	bool passed = false, begun = !str_eq(when, "before");

	for (size_t i = last_begin(j, step); i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		begun |= !again && is_about(r, "intent", step);
		if (!begun && str_eq(r->type, "state"))
			passed = false;
		if (is_about(r, "gate", step) && str_eq(field(r, "when"), when) &&
		    str_eq(field(r, "gate"), gate) && str_eq(field(r, "result"), "pass"))
			passed = true;
	}
	return passed;
}

static enum run_state state_of(const struct journal *j, const char **ret_reason, bool *ret_rollback)
{
	enum run_state state = RUN_RUNNING;

	*ret_reason = NULL;
	*ret_rollback = false;
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (!str_eq(r->type, "state"))
			continue;
		for (size_t s = 0; s < ARRAY_SIZE(run_states); s++)
			if (str_eq(field(r, "state"), run_states[s]))
				state = (enum run_state)s;
		*ret_rollback = *ret_rollback || state == RUN_ROLLING_BACK;
		*ret_reason = doc_str(doc_get(r->body, "reason"));
	}
	return state;
}

static void count_changes(const struct journal *j, struct run_status *out)
{
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (!str_eq(r->type, "done"))
			continue;
		if (is_undo(r))
			out->changes_undone++;
		else
			out->changes_done++;
	}
}

/* What was begun last, there or back, and has not ended. */
static const char *at_hand(const struct journal *j)
{
	const char *step = NULL;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (str_eq(r->type, "begin") || str_eq(r->type, "undo-begin"))
			step = doc_str(doc_get(r->body, "step"));
		else if (step && (is_about(r, "end", step) || is_about(r, "undo-end", step)))
			step = NULL;
	}
	return step;
}

/* One step alone: on its way back, or back with the run stopped behind it. */
static void take_back_of(const struct journal *j, struct run_status *out)
{
	bool told = false;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const char *step = doc_str(doc_get(r->body, "step"));

		if (str_eq(r->type, "take-back")) {
			out->taking_back = step;
			told = false;
		} else if (str_eq(r->type, "taken-back")) {
			out->taking_back = NULL;
			out->taken_back = step;
		} else if (str_eq(r->type, "state")) {
			told = true;
			if (str_eq(field(r, "state"), run_states[RUN_ROLLING_BACK]))
				out->taking_back = NULL;
			if (!str_eq(field(r, "state"), run_states[RUN_STOPPED]))
				out->taken_back = NULL;
		} else if (str_eq(r->type, "begin")) {
			out->taken_back = NULL;
		}
	}
	if (out->taking_back && !told)
		out->state = RUN_ROLLING_BACK;
}

void run_status(struct arena *a, const struct journal *j, const struct step *steps, size_t n_steps,
		struct run_status *out)
{
	*out = (struct run_status){.n_steps = n_steps};
	out->state = state_of(j, &out->reason, &out->rollback);
	out->step = at_hand(j);
	take_back_of(j, out);
	out->steps = arena_array(a, n_steps, enum step_state);
	for (size_t i = 0; i < n_steps; i++) {
		out->steps[i] = recover_step(j, steps[i].id);
		out->n_done += out->steps[i] == STEP_DONE || out->steps[i] == STEP_SKIPPED;
	}
	count_changes(j, out);
}
