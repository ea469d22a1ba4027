/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out a plan: changes and gates, forward. The way back is in undo.c. */
#include "lib/step/run.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/step/recover.h"

struct change *step_add_change(struct step_changes *c, enum change_kind kind, const char *op,
			       const struct doc *ref, const struct doc *forward)
{
	struct change *item;

	if (c->n == STEP_MAX_CHANGES)
		return NULL;
	item = &c->items[c->n++];
	*item = (struct change){.op = op, .kind = kind, .ref = ref, .forward = forward};
	return item;
}

static void boundary(struct step_run *run, const char *where)
{
	if (run->host->boundary)
		run->host->boundary(run->host->ctx, where);
}

struct doc *run_body(struct step_run *run, const char *step)
{
	struct doc *body = doc_map(journal_arena(run->journal));

	doc_set_string(journal_arena(run->journal), body, "step", step);
	return body;
}

/* Disk first, then the copy: what the copy knows, the disk knew before. */
int run_note(struct step_run *run, const char *type, const struct doc *body, struct error *err)
{
	const struct step_host *host = run->host;
	const struct journal_record *record;
	int r;

	boundary(run, type);
	r = journal_append(run->journal, type, body, err);
	if (r < 0)
		return r;
	boundary(run, type);
	record = journal_at(run->journal, journal_count(run->journal) - 1);
	if (host->copy) {
		r = host->copy(host->ctx, record, err);
		if (r < 0)
			return error_wrap(err, r, "copy of the journal");
	}
	if (host->tell)
		host->tell(host->ctx, record);
	return 0;
}

int run_note_state(struct step_run *run, enum run_state state, const char *reason,
		   struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct doc *body = doc_map(a);

	doc_set_string(a, body, "state", run_state_name(state));
	doc_set_string(a, body, "reason", reason);
	return run_note(run, "state", body, err);
}

/* The run ends here for now: journals state and reason. Returns 1, or negative errno. */
static int end_in(struct step_run *run, enum run_state state, const char *reason,
		  enum run_state *ret_state, struct error *err)
{
	int r = run_note_state(run, state, reason, err);

	if (r < 0)
		return r;
	*ret_state = state;
	return 1;
}

int run_may_go_on(struct step_run *run, enum run_state *ret_state, struct error *err)
{
	struct error why = ERROR_INIT;

	if (!run->host->check || run->host->check(run->host->ctx, &why) == 0)
		return 0;
	return end_in(run, RUN_PAUSED, why.msg, ret_state, err);
}

static struct doc *change_body(struct step_run *run, const char *step, const struct change *c,
			       bool undo)
{
	struct arena *a = journal_arena(run->journal);
	struct doc *body = run_body(run, step);

	doc_set_string(a, body, "op", c->op);
	if (undo)
		doc_set_bool(a, body, "undo", true);
	return body;
}

static int note_intent(struct step_run *run, const char *step, const struct change *c, bool undo,
		       struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct doc *body = change_body(run, step, c, undo);

	doc_set_string(a, body, "kind", change_kind_name(c->kind));
	doc_set(a, body, "ref", doc_clone(a, c->ref));
	if (c->forward)
		doc_set(a, body, "forward", doc_clone(a, c->forward));
	if (c->backward)
		doc_set(a, body, "backward", doc_clone(a, c->backward));
	if (c->keep)
		doc_set_bool(a, body, "keep", true);
	if (c->kind == CHANGE_DELETE)
		doc_set_string(a, body, "digest", c->digest);
	return run_note(run, "intent", body, err);
}

static int note_done(struct step_run *run, const char *step, const struct change *c, bool undo,
		     const struct doc *now, bool written, struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	struct doc *body = change_body(run, step, c, undo);
	char digest[128] = "";

	if (now && c->kind == CHANGE_CREATE) {
		run->host->digest(run->host->ctx, now, digest, sizeof(digest));
		doc_set_string(a, body, "digest", digest);
	}
	/* Of what takes back nothing is taken back. */
	if (!undo && change_answer(a, c, now))
		doc_set(a, body, "answer", change_answer(a, c, now));
	doc_set_bool(a, body, "written", written);
	return run_note(run, "done", body, err);
}

static int conflict(struct step_run *run, const struct step *step, const struct change *c,
		    const struct doc *live, enum run_state *ret_state, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *reason;
	int r;

	reason = arena_printf(&a, "%s: %s: %s", step->id, change_object(&a, c->ref),
			      live && run->host->foreign ? run->host->foreign(run->host->ctx, live)
							 : change_conflict(&a, c, live));
	r = end_in(run, RUN_CONFLICT, reason, ret_state, err);
	arena_release(&a);
	return r;
}

int run_failed(struct step_run *run, const struct step *step, const struct change *c,
	       const struct error *why, enum run_state *ret_state, struct error *err)
{
	auto_free char *reason = NULL;

	if (c)
		reason = xasprintf("%s: %s: %s", step->id, c->op, why->msg);
	else
		reason = xasprintf("%s: %s", step->id, why->msg);
	return end_in(run, why->code == -EINTR ? RUN_PAUSED : RUN_FAILED, reason, ret_state, err);
}

/* Fixes the inverse and journals the intent. 0, 1 when the run ended, negative errno: no journal.
 */
static int announce(struct step_run *run, const struct step *step, struct change *c, bool undo,
		    const struct doc *live, const char *digest, enum run_state *ret_state,
		    struct error *err)
{
	struct arena *a = journal_arena(run->journal);
	const bool planned = c->backward != NULL;
	struct error why = ERROR_INIT;
	int r = 0;

	/* The inverse of a change we made knows both its sides already; so may a table's row. */
	if (!planned)
		r = change_prepare(a, c, live, &why);
	else if (!undo && change_state(c, live, digest) == CHANGE_FOREIGN)
		return conflict(run, step, c, live, ret_state, err);
	if (r == -EEXIST)
		return conflict(run, step, c, live, ret_state, err);
	if (r < 0)
		return run_failed(run, step, c, &why, ret_state, err);
	/* It was so before we came: not ours to take back. */
	c->keep = c->keep || r == 1;
	if (c->kind == CHANGE_DELETE && c->backward && !undo && !planned && run->host->wanted)
		c->backward = run->host->wanted(run->host->ctx, a, c->backward);
	if (c->kind == CHANGE_DELETE && live && !c->digest)
		c->digest = arena_strdup(a, digest);
	/* Nobody takes back what takes back; the digest alone says what may go. */
	if (c->kind == CHANGE_DELETE && (undo || c->renewed) && !str_empty(c->digest)) {
		c->keep = true;
		c->backward = NULL;
	}
	return note_intent(run, step->id, c, undo, err);
}

/* Reads, decides and writes once. 0 done, 1 ended, -ESTALE to be tried again, else negative. */
static int attempt(struct step_run *run, const struct step *step, struct change *c, bool undo,
		   bool announced, enum run_state *ret_state, struct error *err)
{
	const struct step_host *host = run->host;
	struct arena *a = journal_arena(run->journal);
	struct doc *live = NULL, *now = NULL;
	struct error why = ERROR_INIT;
	char digest[128] = "";
	enum change_state state;
	int r;

	r = host->read(host->ctx, c->ref, a, &live, &why);
	if (r < 0)
		return run_failed(run, step, c, &why, ret_state, err);
	if (live)
		host->digest(host->ctx, live, digest, sizeof(digest));
	if (!announced) {
		r = announce(run, step, c, undo, live, digest, ret_state, err);
		if (r)
			return r;
	}
	state = change_state(c, live, digest);
	if (state == CHANGE_FOREIGN && announced && !undo && change_landed(c, live))
		state = CHANGE_AFTER;
	if (state == CHANGE_FOREIGN)
		return conflict(run, step, c, live, ret_state, err);
	now = live;
	if (state == CHANGE_BEFORE) {
		boundary(run, "write");
		r = host->write(host->ctx, c->kind, c->ref, c->forward, live, a, &now, &why);
		if (r == -ESTALE)
			return r;
		if (r < 0)
			return run_failed(run, step, c, &why, ret_state, err);
		boundary(run, "written");
	}
	return note_done(run, step->id, c, undo, now, state == CHANGE_BEFORE, err);
}

enum { STALE_RETRIES = 20 };

int run_change(struct step_run *run, const struct step *step, struct change *c, bool undo,
	       enum run_state *ret_state, struct error *err)
{
	struct journaled_change known;
	bool announced = recover_change(run->journal, step->id, c->op, undo, &known);
	struct error why = ERROR_INIT;
	int r = run_may_go_on(run, ret_state, err);

	if (r)
		return r;
	if (announced && known.done)
		return 0;
	if (announced)
		*c = known.change;
	for (int i = 0; i < STALE_RETRIES; i++) {
		r = attempt(run, step, c, undo, announced, ret_state, err);
		if (r != -ESTALE)
			return r;
		announced = true;
	}
	error_set(&why, -ESTALE, "the object keeps changing while it is written");
	return run_failed(run, step, c, &why, ret_state, err);
}

static uint64_t host_now(void *ctx)
{
	const struct step_host *host = ctx;

	return clock_now_ns(host->clock);
}

static int host_wait(void *ctx, uint64_t ns, struct error *err)
{
	const struct step_host *host = ctx;

	return host->wait(host->ctx, ns, err);
}

static void host_sampled(void *ctx, const struct gate *g, const struct gate_sample *s,
			 enum finding_result judged)
{
	const struct step_host *host = ctx;

	if (host->sampled)
		host->sampled(host->ctx, g, s, judged);
}

/* What a gate's answer means for the run: 0 go on, 1 ended. */
static int weigh(struct step_run *run, const struct step *step, const struct gate *g,
		 enum finding_result result, const struct doc *record, enum run_state *ret_state,
		 struct error *err)
{
	auto_release(strbuf) struct strbuf why = STRBUF_INIT;

	if (result == FINDING_PASS)
		return 0;
	strbuf_addf(&why, "%s: gate %s (%s)", step->id, g->id, g->title);
	doc_foreach_item (doc_get(record, "sources"), s) {
		const char *said = doc_str(doc_get(s, "result"));

		/* What was looked for and is not there is nobody's fault. */
		if (!str_eq(said, "pass") && !str_eq(said, "skip"))
			strbuf_addf(&why, "; %s: %s", doc_str(doc_get(s, "source")),
				    doc_str(doc_get(s, "saw")));
	}
	return end_in(run, result == FINDING_FAIL ? RUN_STOPPED : RUN_INCONCLUSIVE,
		      strbuf_cstr(&why), ret_state, err);
}

static int run_gate(struct step_run *run, const struct step *step, const struct gate *g,
		    const char *when, enum run_state *ret_state, struct error *err)
{
	struct step_host host = *run->host;
	const struct gate_host gate_host = {host_now, host_wait, host_sampled, &host};
	struct arena *a = journal_arena(run->journal);
	struct doc *record, *body = run_body(run, step->id);
	struct error why = ERROR_INIT;
	enum finding_result result;
	int r = gate_run(g, run->env, step->args, &gate_host, a, &result, &record, &why);

	if (r < 0)
		return run_failed(run, step, NULL, &why, ret_state, err);
	doc_set_string(a, body, "when", when);
	doc_foreach_entry (record, e)
		doc_set(a, body, e->key, e->value);
	r = run_note(run, "gate", body, err);
	return r < 0 ? r : weigh(run, step, g, result, record, ret_state, err);
}

int run_gates(struct step_run *run, const struct step *step, const struct gate *const *gates,
	      const char *when, enum run_state *ret_state, struct error *err)
{
	int r = 0;

	for (; gates && *gates && !r; gates++) {
		r = run_may_go_on(run, ret_state, err);
		if (!r && !recover_gate_passed(run->journal, step->id, when, (*gates)->id,
					       (*gates)->again))
			r = run_gate(run, step, *gates, when, ret_state, err);
	}
	return r;
}

static int make_changes(struct step_run *run, const struct step *step, enum run_state *ret_state,
			struct error *err)
{
	struct step_changes *changes;
	struct error why = ERROR_INIT;
	int r;

	if (!step->kind->changes)
		return 0;
	changes = arena_new(journal_arena(run->journal), struct step_changes);
	changes->arena = journal_arena(run->journal);
	r = step->kind->changes(run->env, step, changes, &why);
	if (r < 0)
		return run_failed(run, step, NULL, &why, ret_state, err);
	for (size_t i = 0; i < changes->n; i++) {
		r = run_change(run, step, &changes->items[i], false, ret_state, err);
		if (r)
			return r;
	}
	return 0;
}

static int carry_out(struct step_run *run, const struct step *step, enum run_state *ret_state,
		     struct error *err)
{
	enum step_state state = recover_step(run->journal, step->id);
	const char *skip = NULL;
	struct doc *body;
	int r;

	if (step->kind->skip)
		skip = step->kind->skip(run->env, step, journal_arena(run->journal));
	body = run_body(run, step->id);
	doc_set_string(journal_arena(run->journal), body, "reason", skip);
	if (state == STEP_PENDING || state == STEP_UNDONE) {
		doc_set_string(journal_arena(run->journal), body, "title", step->title);
		r = run_note(run, skip ? "skipped" : "begin", body, err);
		if (r < 0 || skip)
			return r;
	} else if (skip) {
		return run_note(run, "end", body, err);
	}
	r = run_gates(run, step, step->kind->before, "before", ret_state, err);
	if (!r)
		r = make_changes(run, step, ret_state, err);
	if (!r)
		r = run_gates(run, step, step->kind->after, "after", ret_state, err);
	if (!r)
		r = run_note(run, "end", run_body(run, step->id), err);
	return r;
}

/*
 * Whoever goes on says so first: a copy of this journal in other hands is behind from here on, so
 * that nobody else can write to it.
 */
static int begin(struct step_run *run, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct run_status status;

	run_status(&a, run->journal, run->steps, run->n_steps, &status);
	arena_release(&a);
	if (status.rollback)
		return error_set(err, -EALREADY, "this run was rolled back; start a new one");
	if (status.state == RUN_DONE || journal_count(run->journal) == 1)
		return 0;
	return run_note_state(
		run, RUN_RUNNING,
		status.state == RUN_RUNNING ? "resumed after it was cut short" : "resumed", err);
}

/* In a of the journal. */
static const char *taking_back(struct step_run *run)
{
	struct run_status status;

	run_status(journal_arena(run->journal), run->journal, run->steps, run->n_steps, &status);
	return status.rollback ? NULL : status.taking_back;
}

int step_run(struct step_run *run, enum run_state *ret_state, struct error *err)
{
	const char *back = taking_back(run);
	int r = back ? 0 : begin(run, err);

	if (back)
		return step_take_back(run, back, ret_state, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < run->n_steps; i++) {
		enum step_state state = recover_step(run->journal, run->steps[i].id);

		if (state == STEP_DONE || state == STEP_SKIPPED)
			continue;
		r = run_may_go_on(run, ret_state, err);
		if (!r)
			r = carry_out(run, &run->steps[i], ret_state, err);
		if (r)
			return r < 0 ? r : 0;
	}
	r = end_in(run, RUN_DONE, NULL, ret_state, err);
	return r < 0 ? r : 0;
}
