/* SPDX-License-Identifier: Apache-2.0 */
/* The way back: applied steps by rank, then from the last to the first. */
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/step/recover.h"
#include "lib/step/run.h"

struct applied {
	const struct step *step;
	size_t position;
};

static int by_rank_then_backwards(const void *x, const void *y)
{
	const struct applied *a = x, *b = y;

	if (a->step->kind->undo_rank != b->step->kind->undo_rank)
		return a->step->kind->undo_rank < b->step->kind->undo_rank ? -1 : 1;
	return a->position > b->position ? -1 : a->position < b->position;
}

/* The inverse of a change that was made (or may have been), as a change of its own. */
static bool inverse_of(struct arena *a, const struct journaled_change *jc, struct change *out)
{
	const struct change *c = &jc->change;

	*out = (struct change){.ref = c->ref, .op = arena_printf(a, "undo %s", c->op)};
	switch (c->kind) {
	case CHANGE_PATCH:
		out->kind = CHANGE_PATCH;
		out->forward = c->backward;
		out->backward = c->answer ? c->answer : c->forward;
		return true;
	case CHANGE_CREATE:
		out->kind = CHANGE_DELETE;
		out->backward = c->forward;
		out->digest = c->digest;
		return true;
	case CHANGE_DELETE:
		out->kind = CHANGE_CREATE;
		out->forward = c->backward;
		return c->backward != NULL;
	}
	return false;
}

/*
 * An unfinished intent whose object still stands as before needs no undoing; negative errno. Of one
 * that landed and was not noted, what the server made of it is filled in.
 */
static int was_made(struct step_run *run, struct journaled_change *jc, struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	const struct step_host *host = run->host;
	struct doc *live = NULL;
	char digest[128] = "";
	int r;

	r = host->read(host->ctx, jc->change.ref, a, &live, err);
	if (r < 0)
		return r;
	if (live)
		host->digest(host->ctx, live, digest, sizeof(digest));
	if (jc->done && jc->change.kind == CHANGE_CREATE && !live)
		return 0;
	if (jc->done)
		return 1;
	switch (change_state(&jc->change, live, digest)) {
	case CHANGE_BEFORE:
		return 0;
	case CHANGE_AFTER:
		return 1;
	case CHANGE_FOREIGN:
		break;
	}
	if (change_landed(&jc->change, live)) {
		jc->change.answer = change_answer(a, &jc->change, live);
		if (jc->change.kind == CHANGE_CREATE)
			jc->change.digest = arena_strdup(a, digest);
	}
	return 1;
}

static int undo_change(struct step_run *run, const struct step *step, struct journaled_change *jc,
		       enum run_state *ret_state, struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct journaled_change known;
	struct change inverse;
	int r;

	if (jc->change.keep || !inverse_of(a, jc, &inverse))
		return 0;
	if (!recover_change(run->journal, step->id, inverse.op, true, &known)) {
		r = was_made(run, jc, err);
		if (r <= 0)
			return r;
		inverse_of(a, jc, &inverse);
	}
	return run_change(run, step, &inverse, true, ret_state, err);
}

static int undo_made_changes(struct step_run *run, const struct step *step,
			     enum run_state *ret_state, struct error *err)
{
	struct journaled_change *made;
	size_t n =
		recover_changes(journal_arena(run->journal), run->journal, step->id, false, &made);

	while (n--) {
		int r = undo_change(run, step, &made[n], ret_state, err);

		if (r)
			return r;
	}
	return 0;
}

static int undo_by_table(struct step_run *run, const struct step *step, enum run_state *ret_state,
			 struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct step_changes *changes = arena_new(a, struct step_changes);
	struct error why = ERROR_INIT;
	int r;

	changes->arena = a;
	r = step->kind->undo_changes(run->env, step, changes, &why);
	if (r < 0)
		return run_failed(run, step, NULL, &why, ret_state, err);
	for (size_t i = 0; !r && i < changes->n; i++)
		r = run_change(run, step, &changes->items[i], true, ret_state, err);
	return r;
}

static int undo_step(struct step_run *run, const struct step *step, enum run_state *ret_state,
		     struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	const char *gone = step->kind->skip ? step->kind->skip(run->env, step, a) : NULL;
	struct doc *end = run_body(run, step->id);
	int r = 0;

	doc_set_string(a, end, "reason", gone);
	if (recover_step(run->journal, step->id) != STEP_UNDOING)
		r = run_note(run, "undo-begin", run_body(run, step->id), err);
	if (!r && !gone)
		r = run_gates(run, step, step->kind->undo_before, "undo-before", ret_state, err);
	if (!r && step->kind->undo_changes)
		r = undo_by_table(run, step, ret_state, err);
	else if (!r)
		r = undo_made_changes(run, step, ret_state, err);
	if (!r && !gone)
		r = run_gates(run, step, step->kind->undo_after, "undo", ret_state, err);
	if (!r)
		r = run_note(run, "undo-end", end, err);
	return r;
}

/* A rollback that cannot go on is another state than a run that cannot. */
static int stopped(struct step_run *run, enum run_state *ret_state, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct run_status status;
	int r = 0;

	if (*ret_state != RUN_PAUSED && *ret_state != RUN_ROLLBACK_STOPPED) {
		run_status(&a, run->journal, run->steps, run->n_steps, &status);
		r = run_note_state(run, RUN_ROLLBACK_STOPPED, status.reason, err);
		*ret_state = RUN_ROLLBACK_STOPPED;
	}
	arena_release(&a);
	return r;
}

static const struct step *find_step(const struct step_run *run, const char *id)
{
	for (size_t i = 0; i < run->n_steps; i++)
		if (str_eq(run->steps[i].id, id))
			return &run->steps[i];
	return NULL;
}

static int announce_take_back(struct step_run *run, const struct step *step, struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct doc *body = run_body(run, step->id);
	struct run_status status;

	run_status(a, run->journal, run->steps, run->n_steps, &status);
	if (status.taking_back)
		return 0;
	doc_set_string(a, body, "reason", status.reason);
	return run_note(run, "take-back", body, err);
}

/* Why it was begun. */
static const char *reason_of(const struct journal *j, const char *step)
{
	const char *reason = NULL;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct doc *body = journal_at(j, i)->body;

		if (str_eq(journal_at(j, i)->type, "take-back") &&
		    str_eq(doc_str(doc_get(body, "step")), step))
			reason = doc_str(doc_get(body, "reason"));
	}
	return str_or_empty(reason);
}

int step_take_back(struct step_run *run, const char *id, enum run_state *ret_state,
		   struct error *err)
{
	const struct step *step = find_step(run, id);
	enum step_state state;
	int r;

	if (!step)
		return error_set(err, -ENOENT, "the plan has no step %s", id);
	r = announce_take_back(run, step, err);
	if (r < 0)
		return r;
	state = recover_step(run->journal, id);
	if (state == STEP_BEGUN || state == STEP_DONE || state == STEP_UNDOING)
		r = undo_step(run, step, ret_state, err);
	if (r > 0)
		return stopped(run, ret_state, err);
	if (!r)
		r = run_note(run, "taken-back", run_body(run, id), err);
	if (r < 0)
		return r;
	*ret_state = RUN_STOPPED;
	return run_note_state(run, RUN_STOPPED,
			      arena_printf(journal_arena(run->journal), "%s was taken back: %s", id,
					   reason_of(run->journal, id)),
			      err);
}

/* What held up the way back of steps that go back alone. */
struct held_up {
	struct strbuf why;
	unsigned n;
};

/* A gate's no to one of many: it is told, and the others go back meanwhile. */
static bool goes_on_without(struct step_run *run, const struct step *step, enum run_state state,
			    struct held_up *held)
{
	struct arena a = ARENA_INIT;
	struct run_status status;

	if (!step->kind->undo_alone || (state != RUN_STOPPED && state != RUN_INCONCLUSIVE))
		return false;
	run_status(&a, run->journal, run->steps, run->n_steps, &status);
	strbuf_addf(&held->why, "%s%s", held->n++ ? "; " : "", str_or_empty(status.reason));
	arena_release(&a);
	return true;
}

static int undo_all(struct step_run *run, const struct applied *applied, size_t n,
		    struct held_up *held, enum run_state *ret_state, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++) {
		/* What goes back with others waits for all that could not. */
		if (held->n && !applied[i].step->kind->undo_alone)
			return 1;
		r = undo_step(run, applied[i].step, ret_state, err);
		if (r > 0 && goes_on_without(run, applied[i].step, *ret_state, held))
			r = 0;
	}
	return r ? r : held->n > 0;
}

int step_rollback(struct step_run *run, enum run_state *ret_state, struct error *err)
{
	/* The journal's: who is killed in a test jumps out of this function. */
	struct applied *applied =
		arena_array(journal_arena(run->journal), run->n_steps, struct applied);
	int r = run_note_state(run, RUN_ROLLING_BACK, NULL, err);
	struct held_up held = {STRBUF_INIT, 0};
	size_t n = 0;

	for (size_t i = 0; i < run->n_steps; i++) {
		enum step_state s = recover_step(run->journal, run->steps[i].id);

		if (s == STEP_BEGUN || s == STEP_DONE || s == STEP_UNDOING)
			applied[n++] = (struct applied){
				&run->steps[i], recover_position(run->journal, run->steps[i].id)};
	}
	qsort(applied, n, sizeof(*applied), by_rank_then_backwards);
	if (!r)
		r = undo_all(run, applied, n, &held, ret_state, err);
	if (r > 0 && held.n && *ret_state != RUN_PAUSED) {
		r = run_note_state(run, RUN_ROLLBACK_STOPPED, strbuf_cstr(&held.why), err);
		*ret_state = RUN_ROLLBACK_STOPPED;
		strbuf_release(&held.why);
		return r;
	}
	strbuf_release(&held.why);
	if (r > 0)
		return stopped(run, ret_state, err);
	if (r < 0)
		return r;
	*ret_state = RUN_ROLLED_BACK;
	return run_note_state(run, RUN_ROLLED_BACK, NULL, err);
}
