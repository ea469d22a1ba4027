/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that change: run, resume, rollback. */
#include "lib/base/str.h"
#include "lib/run/runs.h"
#include "upgrade/verbs.h"

static void session_options_of(const struct upgrade_opts *o, struct session_options *so)
{
	*so = (struct session_options){
		.kubeconfig = o->kubeconfig, .context = o->context, .state = o->state};
}

/* --- run --- */

static int fits(const struct cli_call *call, struct arena *a, const struct doc *plan,
		const struct snapshot *now, struct error *err)
{
	struct doc *stale = plan_stale(a, plan, now);
	const char *why;
	int r;

	if (doc_len(stale))
		return error_set(
			err, -ESTALE,
			"the plan no longer fits: %s%s; make a new one (a node that is new has no "
			"turn in it)",
			doc_str(doc_at(stale, 0)), doc_len(stale) > 1 ? " (and more)" : "");
	r = plan_verdict(a, plan, clock_wall_ns(clock_system()), &why, err);
	if (r > 0)
		fprintf(call->out, "the plan cannot be carried out: %s\n", why);
	return r;
}

static int saved_plan(const struct cli_call *call, const struct snapshot *s, struct doc **ret_plan,
		      struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	struct doc_stream stream;
	int r = doc_read_file(call->arena, o->plan, &stream, err);

	if (r)
		return r;
	if (stream.n != 1 || !str_eq(doc_find_str(stream.docs[0], "schema"), PLAN_SCHEMA))
		return error_set(err, -EINVAL, "%s is no plan of an upgrade", o->plan);
	*ret_plan = stream.docs[0];
	if (o->to && !str_eq(doc_find_str(*ret_plan, "to.version"), o->to))
		return error_set(err, -EINVAL, "%s is a plan to %s", o->plan,
				 str_or_empty(doc_find_str(*ret_plan, "to.version")));
	return fits(call, call->arena, *ret_plan, s, err);
}

static int fresh_plan(const struct cli_call *call, const struct snapshot *s, bool show,
		      struct doc **ret_plan, struct error *err)
{
	struct plan p;
	int r = plan_for(call, call->arena, s, &p, err);

	if (r)
		return r;
	*ret_plan = p.doc;
	r = (int)report_verdict(&p.report, SEVERITY_ERROR);
	if (show || r)
		print_plan(call, &p, NULL);
	plan_release(&p);
	return r;
}

/* The plan to carry out, which lives as long as the call; positive: an exit code to end with. */
static int plan_to_run(const struct cli_call *call, bool show, struct doc **ret_plan,
		       struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	struct snapshot s;
	struct cluster c;
	int r;

	if (!o->to && !o->plan)
		return cli_usage(call, "which version? --to VERSION, or --plan FILE");
	r = cluster_open(&c, call->arena, o->kubeconfig, o->context, "sidestep-upgrade", err);
	if (r)
		return r;
	snapshot_init(&s, call->arena);
	r = objects_load(&s, &c, err);
	cluster_release(&c);
	if (!r)
		r = o->plan ? saved_plan(call, &s, ret_plan, err)
			    : fresh_plan(call, &s, show, ret_plan, err);
	snapshot_release(&s);
	return r ? r : run_copy_fits(*ret_plan, "the mesh", err);
}

int verb_run_preview(const struct cli_call *call, struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	struct doc *plan;
	int r = plan_to_run(call, true, &plan, err);

	if (!r && o->plan)
		fprintf(call->out, "%s, made at %s, still fits: %s to %s, %zu nodes\n", o->plan,
			str_or_empty(doc_find_str(plan, "made")),
			str_or_empty(doc_find_str(plan, "from.version")),
			str_or_empty(doc_find_str(plan, "to.version")),
			doc_len(doc_get(plan, "nodes")));
	if (!r)
		*call->shown = plan;
	return r;
}

/* With the lock, right before the first change: people read plans for hours. */
static int still_fits(const struct cli_call *call, struct session *s, const struct doc *plan,
		      struct error *err)
{
	struct snapshot now;
	int r;

	snapshot_init(&now, &s->arena);
	r = objects_load(&now, &s->cluster, err);
	if (!r)
		r = fits(call, &s->arena, plan, &now, err);
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
	session_options_of(call->opts, &so);
	r = session_open(&session, &upgrade_tool, &so, err);
	if (r)
		return r;
	r = session_lock(&session, upgrade_tool.only, err);
	if (!r)
		r = still_fits(call, &session, plan, err);
	if (!r)
		r = session_start(&session, doc_clone(&session.arena, plan), err);
	if (!r)
		r = upgrade_carry_out(&session, ((const struct upgrade_opts *)call->opts)->finalize,
				      call->out, err);
	session_close(&session);
	return r;
}

/* --- resume, rollback --- */

static int go_back(const void *arg, struct session *s, struct error *err)
{
	const struct cli_call *call = arg;
	int r = upgrade_may_go_back(s, call->out, err);

	return r ? r : upgrade_go_back(s, call->out, err);
}

static int go_on(const void *arg, struct session *s, struct error *err)
{
	const struct cli_call *call = arg;
	const struct upgrade_opts *o = call->opts;

	if (session_rolling_back(s))
		return upgrade_go_back(s, call->out, err);
	return upgrade_carry_out(s, o->finalize, call->out, err);
}

static const char *what(const struct cli_call *call)
{
	return call->n_args ? call->args[0] : upgrade_tool.only;
}

static int again(const struct cli_call *call, bool done,
		 int (*fn)(const void *, struct session *, struct error *), struct error *err)
{
	struct run_again again = {.tool = &upgrade_tool,
				  .what = what(call),
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
