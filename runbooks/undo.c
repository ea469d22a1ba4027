/* SPDX-License-Identifier: Apache-2.0 */
/* The way back: what a run changed, from the last to the first. */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/run_internal.h"
#include "runbooks/transcript.h"

static const struct runbook_step *find_step(const struct runbook_step *steps, size_t n,
					    const char *id)
{
	for (size_t i = 0; i < n; i++) {
		const struct runbook_step *in;

		if (str_eq(steps[i].id, id))
			return &steps[i];
		in = find_step(steps[i].steps, steps[i].n_steps, id);
		if (!in && steps[i].rollback)
			in = find_step(steps[i].rollback->steps, steps[i].rollback->n_steps, id);
		if (in)
			return in;
	}
	return NULL;
}

const struct runbook_step *change_step_of(const struct runner *r, const char *key)
{
	const char *dot = strrchr(key, '.');

	/* Of a runbook that was called; a step of ours may have the same id. */
	if (strchr(key, '/'))
		return NULL;
	return find_step(r->rb.steps, r->rb.n_steps, dot ? dot + 1 : key);
}

static struct doc *known_at_the_end(struct runner *r)
{
	struct run_end end;
	struct walk w;

	runner_status(r, &w, &end);
	return w.data;
}

static int undo_by_steps(struct runner *r, const char *key, const struct rollback *back,
			 const char **ret_why, struct error *err)
{
	const struct scope whole = {.r = r,
				    .rb = &r->rb,
				    .steps = r->rb.steps,
				    .n_steps = r->rb.n_steps,
				    .prefix = "",
				    .mode = r->mode};
	struct scope s = whole;
	struct done last;
	struct walk w;
	int rc;

	s.steps = back->steps;
	s.n_steps = back->n_steps;
	s.prefix = arena_printf(&r->arena, "%s.rollback.", key);
	s.data = known_at_the_end(r);
	s.outer = &whole;
	s.undoes = true;
	rc = scope_go(&s, &w, &last, err);
	if (!rc && (w.pending || w.exit))
		*ret_why = w.pending ? last.why : w.why;
	return rc;
}

static int undo_changes(struct runner *r, const char *key, const struct doc *record,
			const char **ret_why, struct error *err)
{
	const struct step *step = change_step(&r->arena, key, key, record, NULL);
	struct step_run run = {.env = NULL,
			       .host = change_host(r),
			       .steps = step,
			       .n_steps = 1,
			       .journal = r->journal};
	enum run_state state = RUN_ROLLED_BACK;
	int rc;

	rc = step_rollback(&run, &state, err);
	if (!rc && state == RUN_PAUSED)
		return error_set(err, -EINTR, "%s", str_or_empty(change_reason(r)));
	if (!rc && state != RUN_ROLLED_BACK)
		*ret_why = str_or_empty(change_reason(r));
	return rc;
}

static bool undone(const struct runner *r, const char *key)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "undone") && str_eq(doc_find_str(rec->body, "step"), key))
			return true;
	}
	return false;
}

static int note_undone(struct runner *r, const char *key, const char *left, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a);

	doc_set_string(a, body, "step", key);
	doc_set_string(a, body, "left", left);
	return run_record(r, "undone", body, err);
}

/* Whether the deed left anything: a tool that was refused has begun no run, and what it would take
 * back is somebody else's. */
static int anything_done(struct runner *r, const char *key, const struct doc *deed, bool *ret_done,
			 const char **ret_why, struct error *err)
{
	struct change_own own;
	int rc;

	*ret_done = true;
	if (!deed)
		return 0;
	rc = change_own_run(r, key, deed, &own, err);
	if (rc == -EAGAIN) {
		*ret_why = arena_strdup(&r->arena, err->msg);
		return 0;
	}
	*ret_done = !own.name || *own.name;
	if (!rc && *ret_done && own.name && own.newest && !str_eq(own.name, own.newest))
		*ret_why = arena_printf(&r->arena,
					"run %s is newer than %s, which step %s began: take that "
					"one back first",
					own.newest, own.name, key);
	return rc;
}

static int undo_one(struct runner *r, const struct doc *record, const char **ret_why,
		    struct error *err)
{
	const char *key = doc_find_str(record, "step"), *left = NULL;
	const struct runbook_step *step = change_step_of(r, key);
	const struct rollback *back = step ? step->rollback : NULL;
	bool done = true;
	int rc;

	if (undone(r, key))
		return 0;
	rc = anything_done(r, key, doc_get(record, "deed"), &done, ret_why, err);
	if (rc || *ret_why)
		return rc;
	if (!done) {
		say(r, "  %-18s %-12s %s\n", key, "nothing", "it had begun nothing");
		return note_undone(r, key, NULL, err);
	}
	if (back && back->inverse == INVERSE_NONE)
		left = back->reason;
	else if (!back && str_eq(doc_find_str(record, "back"), BACK_NONE))
		left = str_or_empty(doc_find_str(record, "reason"));
	if (back && back->n_steps)
		rc = undo_by_steps(r, key, back, ret_why, err);
	else if (!back && !left && !doc_len(doc_get(record, "changes")))
		*ret_why = arena_printf(&r->arena,
					"step %s has a way back of its own, which only the runbook "
					"that was called knows: take it back by hand",
					key);
	else
		rc = undo_changes(r, key, record, ret_why, err);
	if (rc || *ret_why)
		return rc;
	say(r, "  %-18s %-12s %s\n", key, left ? "left" : step_status_names[STATUS_ROLLED_BACK],
	    shown(&r->arena, left   ? left
			     : step ? step->title
				    : ""));
	return note_undone(r, key, left, err);
}

static int note_end(struct runner *r, const struct run_end *end, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a);
	const enum run_state state =
		end->exit == CLI_ROLLED_BACK ? RUN_ROLLED_BACK : RUN_ROLLBACK_STOPPED;
	int rc;

	if (end->exit == CLI_ROLLED_BACK) {
		doc_set_int(a, body, "exit", end->exit);
		doc_set_string(a, body, "why", end->why);
		rc = run_record(r, "conclusion", body, err);
		if (rc)
			return rc;
	}
	body = doc_map(a);
	doc_set_string(a, body, "state", run_state_name(state));
	doc_set_string(a, body, "reason", end->why);
	rc = run_record(r, "state", body, err);
	return !rc && r->host.run ? run_copy_state(&r->host, run_state_name(state), err) : rc;
}

/* A change that took another one back: it stays. Older journals say so by the step's key alone. */
static bool took_back(const struct doc *record)
{
	const char *back = doc_find_str(record, "back");

	return back ? str_eq(back, BACK_UNDOES)
		    : strstr(doc_find_str(record, "step"), ".rollback.") != NULL;
}

static bool led_to(const struct walk *w, const char *key)
{
	const size_t n = strcspn(key, "[./");

	for (size_t i = 0; i < w->n_met; i++) {
		const char *id = w->met[i].step->id;

		if (strlen(id) == n && strncmp(id, key, n) == 0)
			return true;
	}
	return false;
}

/* A copy may tell of changes that nobody agreed to: to take those back is to make them. */
static int changes_were_agreed_to(struct runner *r, struct error *err)
{
	struct run_end end;
	struct walk w;

	if (!r->copied)
		return 0;
	runner_status(r, &w, &end);
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);
		const char *key = doc_find_str(rec->body, "step");

		if (str_eq(rec->type, "change") && !(key && led_to(&w, key)))
			return error_set(
				err, -EPERM,
				"the copy of run %s in the cluster tells of a change in "
				"%s, and nothing that was approved leads there: take it back "
				"on the machine where it was done (%s)",
				r->run, str_or_empty(key), r->dir);
	}
	return 0;
}

/* What an accepted change made void has led to what is there nonetheless. */
static void know_voided(struct runner *r)
{
	doc_foreach_entry (r->voided, e) {
		if (!doc_get(r->answers, e->key))
			doc_set(&r->arena, r->answers, e->key, e->value);
	}
}

int runner_rollback(struct runner *r, const char *to, struct run_end *end, struct error *err)
{
	const char *why = NULL;
	int rc;

	know_voided(r);
	rc = changes_were_agreed_to(r, err);
	if (rc)
		return rc;

	if (to && !change_planned(r, to))
		return error_set(err, -ENOENT, "run %s has changed nothing in a step %s", r->run,
				 to);
	for (size_t i = journal_count(r->journal); i-- && !rc && !why;) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (!str_eq(rec->type, "change") || took_back(rec->body))
			continue;
		if (to && str_eq(doc_find_str(rec->body, "step"), to))
			break;
		rc = undo_one(r, rec->body, &why, err);
	}
	if (rc == -EINTR) {
		*end = (struct run_end){.exit = CLI_INTERRUPTED,
					.why = arena_strdup(&r->arena, err->msg)};
		r->cluster.pause = NULL;
		return 0;
	}
	if (rc)
		return rc;
	*end = (struct run_end){
		.exit = why ? CLI_ROLLBACK_FAILED : CLI_ROLLED_BACK, .why = why, .ended = !why};
	return note_end(r, end, err);
}
