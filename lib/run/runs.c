/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/runs.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/kube/lease.h"
#include "lib/run/report.h"

int run_exit_code(enum run_state state, bool rollback)
{
	switch (state) {
	case RUN_DONE:
		return CLI_OK;
	case RUN_ROLLED_BACK:
		return rollback ? CLI_OK : CLI_ROLLED_BACK;
	case RUN_PAUSED:
		return CLI_INTERRUPTED;
	case RUN_INCONCLUSIVE:
		return CLI_INCONCLUSIVE;
	case RUN_STOPPED:
	case RUN_CONFLICT:
		return CLI_BLOCKED;
	case RUN_ROLLBACK_STOPPED:
		return CLI_ROLLBACK_FAILED;
	case RUN_FAILED:
	case RUN_RUNNING:
	case RUN_ROLLING_BACK:
		break;
	}
	return CLI_FAILED;
}

/* "'sidestep migrate resume shop'" */
static const char *command(const struct run_tool *tool, struct arena *a, const char *verb,
			   const char *subject)
{
	return arena_printf(a, "'sidestep %s %s%s%s'", tool->name, verb, tool->only ? "" : " ",
			    tool->only ? "" : subject);
}

const char *run_next(const struct run_tool *tool, struct arena *a, const char *subject,
		     const struct journal *j, const struct run_status *s, bool alive)
{
	/* back: then comes the command that takes a run back. */
	static const struct {
		const char *before, *verb, *after;
		bool back;
	} words[] = {
		[RUN_RUNNING] = {"it was cut short: ", "resume", " goes on, ", true},
		[RUN_PAUSED] = {"nothing was taken back: ", "resume", " goes on, ", true},
		[RUN_INCONCLUSIVE] = {"make the source named answer, then ", "resume",
				      " goes on; or ", true},
		[RUN_STOPPED] = {"nothing was taken back: mend what the gate names, then ",
				 "resume", " goes on; or ", true},
		[RUN_CONFLICT] = {"somebody else's change was left alone: agree with them, then ",
				  "resume", " goes on; or ", true},
		[RUN_FAILED] = {"nothing was taken back: mend the cause, then ", "resume",
				" goes on; or ", true},
		[RUN_DONE] = {"nothing to do; ", "rollback", " ", false},
		[RUN_ROLLING_BACK] = {"its way back was cut short: ", "resume", " goes on with it",
				      false},
		[RUN_ROLLED_BACK] = {"nothing to do; ", "plan", " begins anew", false},
		[RUN_ROLLBACK_STOPPED] = {"the way back stopped half way: mend the cause, then ",
					  "resume", " goes on with it", false},
	};
	const char *back = tool->back ? tool->back : "rollback";
	const char *own = tool->next ? tool->next(a, j, s) : NULL;
	enum run_state state = s->state;

	if (alive && (state == RUN_RUNNING || state == RUN_ROLLING_BACK))
		return arena_printf(a, "it goes on; %s lets it stop",
				    command(tool, a, "pause", subject));
	if (own)
		return own;
	if (state == RUN_STOPPED && s->taken_back)
		return arena_printf(
			a,
			"%s alone was taken back: mend what the gate names, then %s tries "
			"it again; or %s takes all of it back",
			s->taken_back, command(tool, a, "resume", subject),
			command(tool, a, back, subject));
	if ((s->rollback || s->taking_back) && state == RUN_PAUSED)
		state = RUN_ROLLING_BACK;
	if (tool->once_over && (state == RUN_DONE || state == RUN_ROLLED_BACK))
		return arena_printf(a, "%s%s", words[state].before, tool->once_over);
	return arena_printf(a, "%s%s%s%s%s%s", words[state].before,
			    command(tool, a, words[state].verb, subject), words[state].after,
			    words[state].back ? command(tool, a, back, subject) : "",
			    words[state].back ? " goes back" : "",
			    state == RUN_DONE ? tool->undoes : "");
}

void run_say(struct session *s, FILE *out, enum run_state state)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(out, "%s: %s%s%s\n", s->run, run_state_name(state), status.reason ? ": " : "",
		str_or_empty(status.reason));
}

int run_tell(struct session *s, FILE *out, enum run_state state, bool rollback)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	run_say(s, out, state);
	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(out, "next: %s\n",
		cluster_retype(&a, run_next(s->tool, &a, s->subject, s->journal, &status, false),
			       s->cluster.typed));
	return run_exit_code(state, rollback);
}

/* --- resume, rollback --- */

static int tell_ended(FILE *out, const char *run, enum run_state state, bool back)
{
	fprintf(out, "%s: %s already, nothing is left to do\n", run, run_state_name(state));
	return run_exit_code(state, back);
}

/* What others have written is read when they can no longer write. */
static int take_up(const struct run_again *again, struct session *s, struct error *err)
{
	const char *subject;
	int r = session_subject(s, again->what, again->done, &subject, err);

	if (!r)
		r = session_lock(s, subject, err);
	if (!r)
		r = session_find(s, again->what, again->done, err);
	if (!r)
		r = session_clear_pause(s, err);
	return r ? r : again->fn(again->arg, s, err);
}

int run_again(const struct run_again *again, struct error *err)
{
	struct session s;
	const char *ended = NULL;
	enum run_state state;
	int r = session_open(&s, again->tool, &again->options, err);

	if (r)
		return r;
	r = session_ended(&s, again->what, again->done, &ended, &state, err);
	if (!r && ended)
		r = tell_ended(again->out, ended, state, again->done);
	else if (!r)
		r = take_up(again, &s, err);
	session_close(&s);
	return r;
}

/* --- telling --- */

/* Who is at the subject, by the Lease: taken for alive until it runs out. */
static int add_holder(const struct run_tool *tool, struct cluster *c, struct arena *a,
		      const char *subject, struct doc *d, bool *ret_alive, struct error *err)
{
	char until[CLOCK_RFC3339_SIZE];
	struct doc *lease = NULL;
	int r = session_lease(tool, c, a, subject, &lease, err);

	*ret_alive = !r && lease && kube_lease_until_ns(lease) > clock_wall_ns(c->clock);
	if (!*ret_alive)
		return r;
	doc_set_string(a, d, "holder", doc_find_str(lease, "spec.holderIdentity"));
	doc_set_string(a, d, "holderUntil", clock_rfc3339(kube_lease_until_ns(lease), 0, until));
	return 0;
}

static struct doc *status_doc(const struct run_tool *tool, struct cluster *c, struct arena *a,
			      const struct sidestep_run *run, struct error *err)
{
	struct doc *d = doc_map(a);
	struct run_status status;
	struct journal *j;
	bool alive;

	if (add_holder(tool, c, a, run->subject, d, &alive, err) ||
	    session_read_copy(a, run, c->clock, &j, err))
		return NULL;
	run_status(a, j, NULL, 0, &status);
	doc_set_string(a, d, "run", run->meta.name);
	doc_set_string(a, d, tool->subject, run->subject);
	doc_set_string(a, d, "state", run_state_name(status.state));
	doc_set_string(a, d, "step", status.step);
	if (!status.reason && status.state == RUN_ROLLED_BACK)
		status.reason = run_why_stopped(j);
	doc_set_string(a, d, "reason", status.reason);
	doc_set_string(
		a, d, "next",
		cluster_retype(a, run_next(tool, a, run->subject, j, &status, alive), c->typed));
	doc_set_int(a, d, "changesDone", status.changes_done);
	doc_set_int(a, d, "changesUndone", status.changes_undone);
	doc_set_string(a, d, "began", doc_find_str(journal_at(j, 0)->body, "time"));
	doc_set_string(a, d, "last",
		       doc_find_str(journal_at(j, journal_count(j) - 1)->body, "time"));
	d = doc_clone(a, d);
	journal_free(j);
	return d;
}

static bool finished(const char *state)
{
	return str_eq(state, run_state_name(RUN_DONE)) ||
	       str_eq(state, run_state_name(RUN_ROLLED_BACK));
}

static bool wanted(const struct run_tool *tool, const struct sidestep_run *run, const char *what)
{
	return str_eq(run->tool, tool->name) &&
	       (!what || str_eq(run->subject, what) || str_eq(run->meta.name, what));
}

int runs_list(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
	      struct doc **ret_list, struct error *err)
{
	struct doc *runs;
	int r = cluster_list(c, a, object_kind(KIND_SIDESTEP_RUN), NULL, &runs, err);

	*ret_list = doc_list(a);
	if (r)
		return r;
	doc_foreach_item (runs, d) {
		struct sidestep_run run;
		struct doc *status;

		r = sidestep_run_decode(a, d, &run, err);
		if (r)
			return r;
		if (!wanted(tool, &run, what))
			continue;
		status = status_doc(tool, c, a, &run, err);
		if (!status)
			return err->code ? err->code : -EINVAL;
		doc_append(a, *ret_list, status);
	}
	return 0;
}

/* It has ended, and a later one of its subject is there: nothing is to be typed for it. */
static bool is_of_the_past(const struct run_tool *tool, const struct doc *list, const struct doc *d)
{
	if (!finished(doc_find_str(d, "state")))
		return false;
	doc_foreach_item (list, other)
		if (str_eq(doc_find_str(other, tool->subject), doc_find_str(d, tool->subject)) &&
		    strcmp(doc_find_str(d, "run"), doc_find_str(other, "run")) < 0)
			return true;
	return false;
}

void runs_page(const struct run_tool *tool, struct arena *a, const char *title,
	       const struct doc *list, struct page *page)
{
	const char *const columns[] = {"run",      tool->subject, "state",   "step",
				       ">changes", ">undone",     "held by", NULL};

	page_init(page, title, NULL);
	if (!doc_len(list))
		page_text(page, "There is none.");
	else
		page_table(page, columns);
	doc_foreach_item (list, d)
		page_row(page, PAGE_PLAIN, doc_find_str(d, "run"),
			 str_or_empty(doc_find_str(d, tool->subject)), doc_find_str(d, "state"),
			 str_or_empty(doc_find_str(d, "step")),
			 arena_printf(a, "%lld", (long long)doc_find_int(d, "changesDone", 0)),
			 arena_printf(a, "%lld", (long long)doc_find_int(d, "changesUndone", 0)),
			 str_or_empty(doc_find_str(d, "holder")), NULL);
	doc_foreach_item (list, d) {
		const char *why = doc_find_str(d, "reason");

		if (is_of_the_past(tool, list, d))
			continue;
		page_text(page, "%s: %s%s%s", doc_find_str(d, "run"), str_or_empty(why),
			  why ? "; next: " : "", str_or_empty(doc_find_str(d, "next")));
	}
}

int runs_newest(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
		struct sidestep_run **ret_run, struct error *err)
{
	struct doc *runs;
	int r = cluster_list(c, a, object_kind(KIND_SIDESTEP_RUN), NULL, &runs, err);

	*ret_run = NULL;
	if (r)
		return r;
	doc_foreach_item (runs, d) {
		struct sidestep_run *run = arena_new(a, struct sidestep_run);

		r = sidestep_run_decode(a, d, run, err);
		if (r)
			return r;
		if (wanted(tool, run, what) &&
		    (!*ret_run || strcmp((*ret_run)->meta.name, run->meta.name) < 0))
			*ret_run = run;
	}
	if (*ret_run)
		return 0;
	return what && !str_eq(what, tool->only)
		       ? error_set(err, -ENOENT, "there is no run of %s", what)
		       : error_set(err, -ENOENT, "there is no run of sidestep %s", tool->name);
}

static int ask_for_pause(struct cluster *c, struct arena *a, const char *run, struct error *err)
{
	struct doc *patch = doc_map(a);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = object_kind(KIND_SIDESTEP_RUN),
				       .name = run,
				       .patch = KUBE_PATCH_MERGE,
				       .body = patch};

	doc_set_string(a, doc_set_map(a, doc_set_map(a, patch, "metadata"), "annotations"),
		       PAUSE_ANNOTATION, "true");
	return cluster_do(c, &request, a, NULL, err);
}

/* Nothing is asked of a run that nobody carries out: resume would only forget it again. */
static int pause_run(const struct run_tool *tool, struct cluster *c, struct arena *a,
		     const struct sidestep_run *run, FILE *out, struct error *err)
{
	struct doc *status = status_doc(tool, c, a, run, err);
	const char *state = doc_find_str(status, "state"), *holder = doc_find_str(status, "holder");
	int r;

	if (!status)
		return err->code ? err->code : -EINVAL;
	if (!holder || !(str_eq(state, run_state_name(RUN_RUNNING)) ||
			 str_eq(state, run_state_name(RUN_ROLLING_BACK)))) {
		fprintf(out, "%s: %s, and nobody is at it: there is nothing to pause\nnext: %s\n",
			run->meta.name, state, doc_find_str(status, "next"));
		return 0;
	}
	r = ask_for_pause(c, a, run->meta.name, err);
	if (!r)
		fprintf(out,
			"%s (%s) pauses at its next safe point; then %s goes on, %s goes back\n",
			run->meta.name, holder, command(tool, a, "resume", run->subject),
			command(tool, a, tool->back ? tool->back : "rollback", run->subject));
	return r;
}

int runs_pause(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
	       FILE *out, struct error *err)
{
	struct sidestep_run *run;
	int r = runs_newest(tool, c, a, what, &run, err);

	return r ? r : pause_run(tool, c, a, run, out, err);
}
