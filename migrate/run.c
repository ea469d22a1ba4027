/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that change: run, resume, rollback, pause; and those that tell of it: status, report.
 */
#include "lib/base/str.h"
#include "lib/run/report.h"
#include "lib/run/runs.h"
#include "migrate/machine.h"
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
		print_result(call, PRINT_TABLE, NULL, p.doc, &page, NULL);
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
	return r ? r
		 : run_copy_fits(*ret_plan,
				 arena_printf(call->arena, "namespace %s", call->args[0]), err);
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

static int carry_out(const struct cli_call *call, struct session *s, struct error *err)
{
	const struct run_opts *o = call->opts;
	enum run_state state;
	int r = session_run(s, &state, err);

	if (r)
		return r;
	if (o->roll_back && (state == RUN_STOPPED || state == RUN_FAILED)) {
		run_tell(s, call->out, state, false);
		fprintf(call->out, "going back, as --rollback-on-failure asks\n");
		r = session_rollback(s, &state, err);
		return r ? r : run_tell(s, call->out, state, false);
	}
	return run_tell(s, call->out, state, false);
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
	r = session_open(&session, &migrate_tool, &so, err);
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

static int go_back(const void *arg, struct session *s, struct error *err)
{
	const struct cli_call *call = arg;
	enum run_state state;
	int r = session_rollback(s, &state, err);

	return r ? r : run_tell(s, call->out, state, true);
}

static int go_on(const void *arg, struct session *s, struct error *err)
{
	return session_rolling_back(s) ? go_back(arg, s, err) : carry_out(arg, s, err);
}

static int again(const struct cli_call *call, bool done,
		 int (*fn)(const void *, struct session *, struct error *), struct error *err)
{
	struct run_again again = {.tool = &migrate_tool,
				  .what = call->args[0],
				  .done = done,
				  .out = call->out,
				  .fn = fn,
				  .arg = call};

	session_options_of(call->opts, &again.options);
	return run_again(&again, err);
}

int verb_resume(const struct cli_call *call, struct error *err)
{
	return again(call, false, go_on, err);
}

int verb_rollback(const struct cli_call *call, struct error *err)
{
	return again(call, true, go_back, err);
}

/* --- telling --- */

int verb_status(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *list;
	struct cluster c;
	struct page page;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, "sidestep-migrate",
			     err);

	if (r)
		return r;
	r = runs_list(&migrate_tool, &c, &a, call->n_args ? call->args[0] : NULL, &list, err);
	if (!r) {
		runs_page(&migrate_tool, &a, "Migrations", list, &page);
		r = print_result(call, o->output, o->file, list, &page, err);
		page_release(&page);
	}
	cluster_release(&c);
	return r;
}

static const char *const reported_of_plan[] = {"equivalence", "announced", "workloads",
					       "waivers",     "blocked",   NULL};

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
	*ret_report =
		doc_clone(a, run_report(a, &migrate_tool, run, j, steps, n, reported_of_plan));
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
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, "sidestep-migrate",
			     err);

	if (r)
		return r;
	r = runs_newest(&migrate_tool, &c, &a, call->args[0], &run, err);
	if (!r)
		r = report_of(&a, run, &report, err);
	if (!r) {
		run_report_page(report, arena_printf(&a, "Migration of namespace %s", run->subject),
				&page);
		r = print_result(call, o->output, o->file, report, &page, err);
		page_release(&page);
	}
	cluster_release(&c);
	return r;
}

int verb_pause(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct cluster c;
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, "sidestep-migrate",
			     err);

	if (r)
		return r;
	r = runs_pause(&migrate_tool, &c, &a, call->args[0], call->out, err);
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
	int r = cluster_open(&c, &a, o->cluster.kubeconfig, o->cluster.context, "sidestep-migrate",
			     err);

	if (r)
		return r;
	r = runs_newest(&migrate_tool, &c, &a, call->args[0], &run, err);
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
