/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs for a run that is there: status, pause, resume, abort. */
#include "upgrade/config_again.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/run/print.h"
#include "lib/run/runs.h"
#include "upgrade/config.h"
#include "upgrade/config_kept.h"
#include "upgrade/config_run.h"

/* Once everything is put back, nothing of it need be kept. */
int config_go_back(struct session *s, FILE *out, bool asked, struct error *err)
{
	struct config_run *run = s->env;
	enum run_state state;
	int r = session_rollback(s, &state, err);

	if (r)
		return r;
	if (state == RUN_ROLLED_BACK)
		config_kept_sweep(&run->place, clock_wall_ns(s->cluster.clock) / (int64_t)NS_PER_S,
				  doc_get(s->plan, "kept"));
	return run_tell(s, out, state, asked);
}

int config_go_on(struct session *s, FILE *out, struct error *err)
{
	struct config_run *run;
	enum run_state state;
	int r;

	if (session_rolling_back(s))
		return config_go_back(s, out, true, err);
	r = session_run(s, &state, err);
	if (r)
		return r;
	if (state == RUN_STOPPED || state == RUN_FAILED) {
		run_say(s, out, state);
		fprintf(out, "putting everything back\n");
		return config_go_back(s, out, false, err);
	}
	run = s->env;
	if (state == RUN_DONE)
		fprintf(out, "revision %lld\n",
			(long long)doc_find_int(run->revision, "number", 0));
	return run_tell(s, out, state, false);
}

int config_refuse_unfinished(struct session *s, const char *name, struct error *err)
{
	struct error why = ERROR_INIT;
	const char *subject;
	int r = session_subject(s, name, false, &subject, &why);

	if (r == -ENOENT)
		return 0;
	if (r)
		return error_set(err, r, "%s", why.msg);
	why = (struct error)ERROR_INIT;
	error_set(&why, -EBUSY,
		  "the last apply of configuration %s has not ended: 'sidestep config resume %s' "
		  "goes on with it, 'sidestep config abort %s' takes it back, 'sidestep config "
		  "status %s' tells how it stands",
		  name, name, name, name);
	return error_set(err, -EBUSY, "%s", cluster_retype(&s->arena, why.msg, s->cluster.typed));
}

const char *config_typed(struct arena *a, const char *typed,
			 const struct config_where_options *where)
{
	typed = cluster_typed(a, typed, "name", where->place.name);
	return cluster_typed(a, typed, "digest-key", where->place.digest_key);
}

static const char *what(const struct cli_call *call)
{
	const struct config_again_opts *o = call->opts;

	if (call->n_args)
		return call->args[0];
	return o->where.place.name ? o->where.place.name : CONFIG_NAME_DEFAULT;
}

/* --- resume, abort --- */

static int resume(const void *arg, struct session *s, struct error *err)
{
	const struct cli_call *call = arg;
	const struct config_again_opts *o = call->opts;

	s->cluster.typed = config_typed(&s->arena, s->cluster.typed, &o->where);
	return config_go_on(s, call->out, err);
}

static int take_back(const void *arg, struct session *s, struct error *err)
{
	const struct cli_call *call = arg;
	const struct config_again_opts *o = call->opts;

	s->cluster.typed = config_typed(&s->arena, s->cluster.typed, &o->where);
	return config_go_back(s, call->out, true, err);
}

static int again(const struct cli_call *call,
		 int (*fn)(const void *, struct session *, struct error *), struct error *err)
{
	const struct config_again_opts *o = call->opts;
	struct config_tool tool;
	struct run_again again;

	config_tool_init(&tool, o->where.place.digest_key);
	again = (struct run_again){
		.tool = &tool.tool,
		.options = {o->where.kubeconfig, o->where.context, o->where.place.state},
		.what = what(call),
		.out = call->out,
		.fn = fn,
		.arg = call};
	return run_again(&again, err);
}

int verb_resume(const struct cli_call *call, struct error *err)
{
	return again(call, resume, err);
}

int verb_abort(const struct cli_call *call, struct error *err)
{
	return again(call, take_back, err);
}

/* --- telling --- */

static int with_cluster(const struct cli_call *call,
			int (*fn)(const struct cli_call *, const struct run_tool *,
				  struct cluster *, struct arena *, struct error *),
			struct error *err)
{
	const struct config_again_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct config_tool tool;
	struct cluster c;
	int r = cluster_open(&c, &a, o->where.kubeconfig, o->where.context, CONFIG_MANAGER, err);

	if (r)
		return r;
	c.typed = cluster_typed(&a, c.typed, "state", o->where.place.state);
	c.typed = config_typed(&a, c.typed, &o->where);
	config_tool_init(&tool, NULL);
	r = fn(call, &tool.tool, &c, &a, err);
	cluster_release(&c);
	return r;
}

static int print_status(const struct cli_call *call, const struct run_tool *tool, struct cluster *c,
			struct arena *a, struct error *err)
{
	const struct config_again_opts *o = call->opts;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const bool one = call->n_args || o->where.place.name;
	struct page page;
	struct doc *list;
	int r = runs_list(tool, c, a, one ? what(call) : NULL, &list, err);

	if (r)
		return r;
	runs_page(tool, a, "Applies of configurations", list, &page);
	print_format((enum print_format)o->output, list, &page, &text);
	page_release(&page);
	return print_text(call->out, NULL, &text, err);
}

int verb_status(const struct cli_call *call, struct error *err)
{
	return with_cluster(call, print_status, err);
}

static int ask_for_pause(const struct cli_call *call, const struct run_tool *tool,
			 struct cluster *c, struct arena *a, struct error *err)
{
	return runs_pause(tool, c, a, what(call), call->out, err);
}

int verb_pause(const struct cli_call *call, struct error *err)
{
	return with_cluster(call, ask_for_pause, err);
}

/* Where it stands, in front of the question whether to touch it. */
int verb_again_preview(const struct cli_call *call, struct error *err)
{
	return with_cluster(call, print_status, err);
}
