/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that change: run, resume, rollback, pause; and those that tell of it: status, report.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/kube/lease.h"
#include "lib/object/sidestep.h"
#include "migrate/report.h"
#include "migrate/verbs.h"

static void session_options_of(const struct run_opts *o, struct session_options *so)
{
	*so = (struct session_options){.kubeconfig = o->cluster.kubeconfig,
				       .context = o->cluster.context,
				       .state = o->state};
}

/* --- run --- */

/* A plan that was read back, or read for a while: its exit code as of now, and of what there is. */
static int fits(const struct cli_call *call, struct arena *a, const struct doc *plan,
		const struct snapshot *now, struct error *err)
{
	struct doc *stale = plan_stale(a, plan, now, NULL);
	const char *why;
	int r;

	if (doc_len(stale))
		return error_set(err, -ESTALE, "the plan no longer fits: %s%s; make a new one",
				 doc_str(doc_at(stale, 0)),
				 doc_len(stale) > 1 ? " (and more)" : "");
	r = plan_verdict(a, plan, clock_wall_ns(clock_system()), &why, err);
	if (r > 0)
		fprintf(call->out, "the plan cannot be carried out: %s\n", why);
	return r;
}

static int saved_plan(const struct cli_call *call, struct scene *s, struct doc **ret_plan,
		      struct error *err)
{
	const char *path = ((const struct run_opts *)call->opts)->plan, *ns = call->args[0];
	struct doc_stream stream;
	int r = doc_read_file(call->arena, path, &stream, err);

	if (r)
		return r;
	if (stream.n != 1 || !str_eq(doc_find_str(stream.docs[0], "schema"), PLAN_SCHEMA))
		return error_set(err, -EINVAL, "%s is no plan", path);
	if (!str_eq(doc_find_str(stream.docs[0], "namespace"), ns))
		return error_set(err, -EINVAL, "%s is a plan for %s", path,
				 str_or_empty(doc_find_str(stream.docs[0], "namespace")));
	*ret_plan = stream.docs[0];
	return fits(call, &s->arena, *ret_plan, &s->snapshot, err);
}

static int fresh_plan(const struct cli_call *call, struct scene *s, bool show,
		      struct doc **ret_plan, struct error *err)
{
	const struct run_opts *o = call->opts;
	struct plan p;
	struct page page;
	int r = plan_for(s, call->args[0], o->profile, &p, err);

	if (r)
		return r;
	*ret_plan = doc_clone(call->arena, p.doc);
	r = (int)report_verdict(&p.report, SEVERITY_ERROR);
	if (show || r) {
		plan_page(&p, &page);
		print_result(call, LOOK_TABLE, NULL, p.doc, &page, NULL);
		page_release(&page);
	}
	plan_release(&p);
	return r;
}

/* The plan to carry out, which lives as long as the call; positive: an exit code to end with. */
static int plan_to_run(const struct cli_call *call, bool show, struct doc **ret_plan,
		       struct error *err)
{
	const struct run_opts *o = call->opts;
	struct scene s;
	int r = scene_load(&s, &o->cluster, call->args[0], err);

	if (r)
		return r;
	if (o->plan)
		r = saved_plan(call, &s, ret_plan, err);
	else
		r = fresh_plan(call, &s, show, ret_plan, err);
	scene_release(&s);
	return r ? r : run_copy_fits(*ret_plan, err);
}

int verb_run_preview(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	struct doc *plan;
	int r = plan_to_run(call, true, &plan, err);

	if (!r && o->plan)
		fprintf(call->out, "%s, made at %s, still fits: %zu steps, %zu workloads\n",
			o->plan, str_or_empty(doc_find_str(plan, "made")),
			doc_len(doc_get(plan, "steps")), doc_len(doc_get(plan, "workloads")));
	if (!r)
		*call->shown = plan;
	return r;
}

/* What its reader can do now. alive: somebody is at it. */
static const char *what_next(struct arena *a, const char *ns, const struct run_status *s,
			     bool alive)
{
	static const struct {
		const char *before, *verb, *after;
	} words[] = {
		[RUN_RUNNING] = {"it was cut short: ", "resume", " goes on, 'rollback' goes back"},
		[RUN_PAUSED] = {"nothing was taken back: ", "resume",
				" goes on, 'rollback' goes back"},
		[RUN_INCONCLUSIVE] = {"make the source named answer, then ", "resume",
				      "; or 'rollback'"},
		[RUN_STOPPED] = {"nothing was taken back: mend what the gate names, then ",
				 "resume", "; or 'rollback'"},
		[RUN_CONFLICT] = {"somebody else's change was left alone: agree with them, then ",
				  "resume", "; or 'rollback'"},
		[RUN_FAILED] = {"nothing was taken back: mend the cause, then ", "resume",
				"; or 'rollback'"},
		[RUN_DONE] = {"nothing to do; ", "rollback", " brings the sidecars back"},
		[RUN_ROLLING_BACK] = {"its way back was cut short: ", "resume", " goes on with it"},
		[RUN_ROLLED_BACK] = {"nothing to do; ", "plan", " begins anew"},
		[RUN_ROLLBACK_STOPPED] = {"the way back stopped half way: mend the cause, then ",
					  "resume", " goes on with it"},
	};
	enum run_state state = s->state;

	if (alive && (state == RUN_RUNNING || state == RUN_ROLLING_BACK))
		return arena_printf(a, "it goes on; 'sidestep migrate pause %s' lets it stop", ns);
	if (s->rollback && state == RUN_PAUSED)
		state = RUN_ROLLING_BACK;
	return arena_printf(a, "%s'sidestep migrate %s %s'%s", words[state].before,
			    words[state].verb, ns, words[state].after);
}

/* Ends a session's work: prints the outcome, answers the exit code. */
static int tell_outcome(const struct cli_call *call, struct session *s, enum run_state state,
			bool rollback)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(call->out, "%s: %s%s%s\n", s->run, run_state_name(state), status.reason ? ": " : "",
		str_or_empty(status.reason));
	fprintf(call->out, "next: %s\n", what_next(&a, s->migration.ns, &status, false));
	return session_exit_code(state, rollback);
}

static int carry_out(const struct cli_call *call, struct session *s, struct error *err)
{
	const struct run_opts *o = call->opts;
	enum run_state state;
	int r = session_run(s, &state, err);

	if (r)
		return r;
	if (o->roll_back && (state == RUN_STOPPED || state == RUN_FAILED)) {
		tell_outcome(call, s, state, false);
		fprintf(call->out, "going back, as --rollback-on-failure asks\n");
		r = session_rollback(s, &state, err);
		return r ? r : tell_outcome(call, s, state, false);
	}
	return tell_outcome(call, s, state, false);
}

/* With the lock, right before the first change: people read plans for hours. */
static int still_fits(const struct cli_call *call, struct session *s, const struct doc *plan,
		      struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct snapshot now;
	int r;

	snapshot_init(&now, &a);
	r = cluster_snapshot(&s->cluster, &now, err);
	if (!r)
		r = fits(call, &a, plan, &now, err);
	snapshot_release(&now);
	return r;
}

int verb_run(const struct cli_call *call, struct error *err)
{
	struct doc *plan = *call->shown;
	struct session_options so;
	struct session session;
	int r = plan ? 0 : plan_to_run(call, false, &plan, err);

	if (r)
		return r;
	if (!doc_len(doc_get(plan, "workloads"))) {
		fprintf(call->out, "nothing to do: no workload of %s has a sidecar\n",
			call->args[0]);
		return CLI_OK;
	}
	session_options_of(call->opts, &so);
	r = session_open(&session, &so, err);
	if (r)
		return r;
	r = session_lock(&session, call->args[0], err);
	if (!r)
		r = still_fits(call, &session, plan, err);
	if (!r)
		r = session_start(&session, doc_clone(&session.arena, plan), err);
	if (!r)
		r = carry_out(call, &session, err);
	session_close(&session);
	return r;
}

/* --- resume, rollback --- */

static bool rolling_back(const struct session *s)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	return status.rollback;
}

static int go_back(const struct cli_call *call, struct session *s, struct error *err)
{
	enum run_state state;
	int r = session_rollback(s, &state, err);

	return r ? r : tell_outcome(call, s, state, true);
}

/* Removes what `pause` left, so that the run does not stop again at once. */
static int clear_pause(struct session *s, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = object_kind(KIND_SIDESTEP_RUN),
				       .name = s->run,
				       .patch = KUBE_PATCH_MERGE,
				       .body = patch};

	doc_set(&a, doc_set_map(&a, doc_set_map(&a, patch, "metadata"), "annotations"),
		PAUSE_ANNOTATION, doc_null(&a));
	s->cluster.pause = NULL;
	return cluster_do(&s->cluster, &request, &a, NULL, err);
}

static int tell_ended(const struct cli_call *call, const char *run, enum run_state state, bool back)
{
	fprintf(call->out, "%s: %s already, nothing is left to do\n", run, run_state_name(state));
	return session_exit_code(state, back);
}

/* done: also a run that has ended well, to take it back. */
static int with_run(const struct cli_call *call, bool done,
		    int (*fn)(const struct cli_call *, struct session *, struct error *),
		    struct error *err)
{
	struct session_options so;
	struct session s;
	const char *ns, *ended = NULL;
	enum run_state state;
	int r;

	session_options_of(call->opts, &so);
	r = session_open(&s, &so, err);
	if (r)
		return r;
	r = session_ended(&s, call->args[0], done, &ended, &state, err);
	if (r || ended) {
		r = r ? r : tell_ended(call, ended, state, done);
		session_close(&s);
		return r;
	}
	/* What others have written is read when they can no longer write. */
	r = session_subject(&s, call->args[0], done, &ns, err);
	if (!r)
		r = session_lock(&s, ns, err);
	if (!r)
		r = session_find(&s, call->args[0], done, err);
	if (!r)
		r = clear_pause(&s, err);
	if (!r)
		r = fn(call, &s, err);
	session_close(&s);
	return r;
}

static int go_on(const struct cli_call *call, struct session *s, struct error *err)
{
	return rolling_back(s) ? go_back(call, s, err) : carry_out(call, s, err);
}

int verb_resume(const struct cli_call *call, struct error *err)
{
	return with_run(call, false, go_on, err);
}

int verb_rollback(const struct cli_call *call, struct error *err)
{
	return with_run(call, true, go_back, err);
}

/* --- telling --- */

/* Who is at the namespace, by the Lease: taken for alive until it runs out. */
static int add_holder(struct cluster *c, struct arena *a, const char *ns, struct doc *d,
		      bool *ret_alive, struct error *err)
{
	char until[CLOCK_RFC3339_SIZE];
	struct doc *lease = NULL;
	int r = session_lease(c, a, ns, &lease, err);

	*ret_alive = !r && lease && kube_lease_until_ns(lease) > clock_wall_ns(c->clock);
	if (!*ret_alive)
		return r;
	doc_set_string(a, d, "holder", doc_find_str(lease, "spec.holderIdentity"));
	doc_set_string(a, d, "holderUntil", clock_rfc3339(kube_lease_until_ns(lease), 0, until));
	return 0;
}

static struct doc *status_doc(struct cluster *c, struct arena *a, const struct sidestep_run *run,
			      struct error *err)
{
	struct doc *d = doc_map(a);
	struct run_status status;
	struct journal *j;
	bool alive;

	if (add_holder(c, a, run->subject, d, &alive, err) ||
	    session_read_copy(a, run, clock_system(), &j, err))
		return NULL;
	run_status(a, j, NULL, 0, &status);
	doc_set_string(a, d, "run", run->meta.name);
	doc_set_string(a, d, "namespace", run->subject);
	doc_set_string(a, d, "state", run_state_name(status.state));
	doc_set_string(a, d, "step", status.step);
	doc_set_string(a, d, "reason", status.reason);
	doc_set_string(a, d, "next", what_next(a, run->subject, &status, alive));
	doc_set_int(a, d, "changesDone", status.changes_done);
	doc_set_int(a, d, "changesUndone", status.changes_undone);
	doc_set_string(a, d, "began", doc_find_str(journal_at(j, 0)->body, "time"));
	doc_set_string(a, d, "last",
		       doc_find_str(journal_at(j, journal_count(j) - 1)->body, "time"));
	d = doc_clone(a, d);
	journal_free(j);
	return d;
}

static bool wanted(const struct cli_call *call, const struct sidestep_run *run)
{
	return !call->n_args || str_eq(run->subject, call->args[0]) ||
	       str_eq(run->meta.name, call->args[0]);
}

static int list_runs(const struct cli_call *call, struct cluster *c, struct arena *a,
		     struct doc *list, struct error *err)
{
	struct doc *runs;
	int r = cluster_list(c, a, object_kind(KIND_SIDESTEP_RUN), NULL, &runs, err);

	if (r)
		return r;
	doc_foreach_item (runs, d) {
		struct sidestep_run run;
		struct doc *status;

		r = sidestep_run_decode(a, d, &run, err);
		if (r)
			return r;
		if (!wanted(call, &run))
			continue;
		status = status_doc(c, a, &run, err);
		if (!status)
			return err->code ? err->code : -EINVAL;
		doc_append(a, list, status);
	}
	return 0;
}

/* A table of all, then of each why it stands where it does, and what to do. */
static void status_page(struct arena *a, const struct doc *list, struct page *page)
{
	static const char *const columns[] = {"run",      "namespace", "state",   "step",
					      ">changes", ">undone",   "held by", NULL};

	page_init(page, "Migrations", NULL);
	if (!doc_len(list))
		page_text(page, "There is none.");
	else
		page_table(page, columns);
	doc_foreach_item (list, d)
		page_row(page, PAGE_PLAIN, doc_find_str(d, "run"), doc_find_str(d, "namespace"),
			 doc_find_str(d, "state"), str_or_empty(doc_find_str(d, "step")),
			 arena_printf(a, "%lld", (long long)doc_find_int(d, "changesDone", 0)),
			 arena_printf(a, "%lld", (long long)doc_find_int(d, "changesUndone", 0)),
			 str_or_empty(doc_find_str(d, "holder")), NULL);
	doc_foreach_item (list, d) {
		const char *why = doc_find_str(d, "reason");

		page_text(page, "%s: %s%s%s", doc_find_str(d, "run"), str_or_empty(why),
			  why ? "; next: " : "", str_or_empty(doc_find_str(d, "next")));
	}
}

int verb_status(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *list = doc_list(&a);
	struct cluster c;
	struct page page;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, err);

	if (r)
		return r;
	r = list_runs(call, &c, &a, list, err);
	status_page(&a, list, &page);
	if (!r)
		r = print_result(call, o->output, o->file, list, &page, err);
	page_release(&page);
	cluster_release(&c);
	return r;
}

/* The newest run of what was named, whatever its state. */
static int newest_run(const struct cli_call *call, struct cluster *c, struct arena *a,
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
		if (wanted(call, run) &&
		    (!*ret_run || strcmp((*ret_run)->meta.name, run->meta.name) < 0))
			*ret_run = run;
	}
	return *ret_run ? 0 : error_set(err, -ENOENT, "there is no run of %s", call->args[0]);
}

static int report_of(struct arena *a, const struct sidestep_run *run, struct doc **ret_report,
		     struct error *err)
{
	struct profile profile;
	struct machine *m = arena_new(a, struct machine);
	struct journal *j;
	struct step *steps;
	size_t n;
	int r = profile_decode(a, doc_get(run->plan, "profile"), &profile, err);

	if (r)
		return r;
	machine_init(m, &profile);
	r = plan_steps(a, run->plan, m, &steps, &n, err);
	if (!r)
		r = session_read_copy(a, run, clock_system(), &j, err);
	if (r)
		return r;
	*ret_report = doc_clone(a, migration_report(a, run->plan, j, steps, n));
	journal_free(j);
	return 0;
}

int verb_report(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sidestep_run *run;
	struct doc *report;
	struct cluster c;
	struct page page;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, err);

	if (r)
		return r;
	r = newest_run(call, &c, &a, &run, err);
	if (!r)
		r = report_of(&a, run, &report, err);
	if (!r) {
		migration_report_page(report, &page);
		r = print_result(call, o->output, o->file, report, &page, err);
		page_release(&page);
	}
	cluster_release(&c);
	return r;
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
static int pause_run(const struct cli_call *call, struct cluster *c, struct arena *a,
		     const struct sidestep_run *run, struct error *err)
{
	struct doc *status = status_doc(c, a, run, err);
	const char *state = doc_find_str(status, "state"), *holder = doc_find_str(status, "holder");
	int r;

	if (!status)
		return err->code ? err->code : -EINVAL;
	if (!holder || !(str_eq(state, run_state_name(RUN_RUNNING)) ||
			 str_eq(state, run_state_name(RUN_ROLLING_BACK)))) {
		fprintf(call->out,
			"%s: %s, and nobody is at it: there is nothing to pause\nnext: %s\n",
			run->meta.name, state, doc_find_str(status, "next"));
		return 0;
	}
	r = ask_for_pause(c, a, run->meta.name, err);
	if (!r)
		fprintf(call->out,
			"%s (%s) pauses at its next safe point; 'sidestep migrate resume %s' goes "
			"on\n",
			run->meta.name, holder, run->subject);
	return r;
}

int verb_pause(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sidestep_run *run;
	struct cluster c;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, err);

	if (r)
		return r;
	r = newest_run(call, &c, &a, &run, err);
	if (!r)
		r = pause_run(call, &c, &a, run, err);
	cluster_release(&c);
	return r;
}

int verb_back_preview(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sidestep_run *run;
	struct doc *report;
	struct cluster c;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, err);

	if (r)
		return r;
	r = newest_run(call, &c, &a, &run, err);
	if (!r)
		r = report_of(&a, run, &report, err);
	if (!r) {
		fprintf(call->out, "Run %s (%s). To be taken back, or gone on with:\n",
			run->meta.name, str_or_empty(doc_find_str(report, "state")));
		doc_foreach_item (doc_get(report, "steps"), s)
			fprintf(call->out, "  %-28s %s\n", doc_find_str(s, "id"),
				doc_find_str(s, "status"));
	}
	cluster_release(&c);
	return r;
}
