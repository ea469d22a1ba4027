/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that make changes from a plan: plan, apply, rollback. */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/run/runs.h"
#include "upgrade/config_again.h"
#include "upgrade/config_history.h"
#include "upgrade/config_propose.h"

/* What a preview showed, for the run behind it: its plan, and the values that no plan holds. */
struct shown {
	const struct doc *plan;
	const struct doc *known;
};

/* A session, the place in its cluster, and what would be done there. */
struct errand {
	const struct cli_call *call;
	const struct config_apply_opts *o;
	struct config_tool tool;
	struct session session;
	struct config_place place;
	struct config_proposal proposal;
	bool proposed;
	struct store_revision back; /* number 0: not going back */
	const struct doc *plan;     /* that is to be carried out, or NULL */
	const struct doc *known;
};

static int errand_open(struct errand *e, const struct cli_call *call, struct error *err)
{
	const struct config_apply_opts *o = call->opts;
	const struct config_where_options *where = &o->diff.where;
	const struct session_options so = {where->kubeconfig, where->context, where->place.state};
	int r;

	*e = (struct errand){.call = call, .o = o};
	config_tool_init(&e->tool, where->place.digest_key);
	r = session_open(&e->session, &e->tool.tool, &so, err);
	if (r)
		return r;
	e->session.cluster.typed = config_typed(&e->session.arena, e->session.cluster.typed, where);
	r = config_place_open(&e->place, &e->session.arena, &e->session.cluster, &where->place,
			      err);
	if (r)
		session_close(&e->session);
	return r;
}

static void errand_close(struct errand *e)
{
	if (e->proposed)
		config_proposal_release(&e->proposal);
	config_place_release(&e->place);
	session_close(&e->session);
}

static int propose(struct errand *e, bool unasked, struct error *err)
{
	const struct config_apply_opts *o = e->o;
	const struct config_request q = {.diff = &o->diff,
					 .plan = e->plan,
					 .back = e->back.number ? &e->back : NULL,
					 .known = e->known,
					 .why = o->why,
					 .as = o->as,
					 .overwrite = o->overwrite,
					 .valid_s = (int64_t)(o->valid / NS_PER_S),
					 .within_s = (int64_t)(o->within / NS_PER_S),
					 .unasked = unasked || o->unasked};

	e->proposed = true;
	return config_propose(&e->proposal, &e->place, &q, err);
}

/* --- telling --- */

static void tell_list(FILE *out, const char *head, const struct doc *list)
{
	doc_foreach_item (list, d)
		fprintf(out, "# %s: %s\n", head, doc_str(d));
}

static void tell_operations(const struct errand *e, FILE *out)
{
	const struct doc *list = doc_get(e->proposal.plan, "operations");

	fprintf(out, "# in this order:\n");
	doc_foreach_item (list, op)
		fprintf(out, "#   %lld %s %s/%s%s%s (effect: %s, risk: %s)\n",
			(long long)doc_find_int(op, "id", 0), doc_find_str(op, "op"),
			doc_find_str(op, "object.kind"),
			str_or_empty(doc_find_str(op, "object.namespace")),
			doc_find_str(op, "object.namespace") ? "/" : "",
			doc_find_str(op, "object.name"), doc_find_str(op, "effect"),
			doc_find_str(op, "risk"));
}

/* The comparison on standard output; what stands in the way beside it. */
static void tell(const struct errand *e, enum config_format format)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const struct cli_call *call = e->call;
	const struct config_proposal *p = &e->proposal;
	FILE *beside = format == CONFIG_DIFF || format == CONFIG_TABLE ? call->out : call->err;

	config_print(&p->scene, format, (size_t)e->o->diff.context_lines, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, call->out);
	if (format == CONFIG_DIFF && p->n_operations)
		tell_operations(e, call->out);
	tell_list(beside, "left out", p->scene.left_out);
	tell_list(beside, "a default of the server's", p->given);
	tell_list(beside, "the server was not asked about", p->notes);
	tell_list(beside, "blocked", p->blocked);
}

static bool nothing_to_do(const struct errand *e)
{
	return !doc_len(e->proposal.blocked) && !e->proposal.n_operations && !e->proposal.records;
}

/* --- plan --- */

static int write_plan(const struct errand *e, const char *path, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(e->proposal.plan, DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(path, text.buf, text.len, 0600, err);
}

static int finish_plan(const struct errand *e, struct error *err)
{
	const struct config_apply_opts *o = e->o;
	const bool pending = e->proposal.n_operations || e->proposal.records;
	int r = 0;

	tell(e, (enum config_format)o->diff.output);
	if (doc_len(e->proposal.blocked) && o->out)
		fprintf(e->call->err, "# no plan was written to %s\n", o->out);
	if (doc_len(e->proposal.blocked))
		return CLI_BLOCKED;
	if (o->out)
		r = write_plan(e, o->out, err);
	if (!r && o->out)
		fprintf(e->call->err,
			"plan written to %s; 'sidestep config apply %s' carries it out\n", o->out,
			o->out);
	if (r)
		return r;
	return pending && o->diff.detailed_exit ? CLI_CHANGES : CLI_OK;
}

int verb_plan(const struct cli_call *call, struct error *err)
{
	const struct config_apply_opts *o = call->opts;
	struct errand e;
	int r;

	if (!o->diff.files.n)
		return cli_usage(call,
				 "say with -f which manifests are wanted (- is standard input)");
	r = errand_open(&e, call, err);
	if (r)
		return r;
	r = propose(&e, false, err);
	if (!r)
		r = finish_plan(&e, err);
	errand_close(&e);
	return r;
}

/* --- carrying out --- */

static int read_plan(struct errand *e, const char *path, struct error *err)
{
	struct doc_stream stream;
	struct error why = ERROR_INIT;
	int r = doc_read_file(e->call->arena, path, &stream, err);

	if (r)
		return r;
	if (stream.n != 1)
		return error_set(err, -EINVAL, "%s is no plan; manifests are given with -f", path);
	e->plan = stream.docs[0];
	r = config_plan_read(e->plan, &why);
	return r ? error_set(err, r, "%s: %s; manifests are given with -f", path, why.msg) : 0;
}

/* What was shown, else the plan or revision that the command line names. */
static int source(struct errand *e, bool back, struct error *err)
{
	const struct shown *shown = *e->call->shown;

	if (shown) {
		e->plan = shown->plan;
		e->known = shown->known;
		return 0;
	}
	if (back)
		return store_find(e->place.store, &e->session.arena, e->call->args[0], &e->back,
				  err);
	return e->call->n_args ? read_plan(e, e->call->args[0], err) : 0;
}

static int usage(const struct cli_call *call)
{
	const struct config_apply_opts *o = call->opts;

	if (!call->n_args && !o->diff.files.n)
		return cli_usage(call, "give a plan, or say with -f which manifests are wanted (- "
				       "is standard input)");
	if (call->n_args && o->diff.prune)
		return cli_usage(call, "a plan says itself whether it prunes");
	return 0;
}

/* So that what was read from standard input need not be read again, nor be the same again. */
static void remember(struct errand *e)
{
	struct arena *a = e->call->arena;
	struct shown *shown = arena_new(a, struct shown);
	struct doc *known = doc_list(a);

	doc_foreach_item (doc_get(e->proposal.kept, "operations"), op)
		if (doc_get(op, "after"))
			doc_append(a, known, doc_clone(a, doc_get(op, "after")));
	*shown = (struct shown){doc_clone(a, e->proposal.plan), known};
	*e->call->shown = shown;
}

static int preview(const struct cli_call *call, bool back, struct error *err)
{
	struct errand e;
	int r = errand_open(&e, call, err);

	if (r)
		return r;
	r = source(&e, back, err);
	if (!r)
		r = propose(&e, false, err);
	if (!r && nothing_to_do(&e)) {
		tell_list(call->err, "left out", e.proposal.scene.left_out);
		fprintf(call->out, "nothing to do: everything is as wanted\n");
		*call->nothing = true;
	} else if (!r) {
		tell(&e, CONFIG_DIFF);
		r = doc_len(e.proposal.blocked) ? CLI_BLOCKED : CLI_OK;
	}
	if (!r && !*call->nothing)
		remember(&e);
	errand_close(&e);
	return r;
}

static int carry_out(struct errand *e, struct error *err)
{
	const struct cli_call *call = e->call;
	int r = propose(e, e->o->unasked || *call->shown != NULL, err);

	if (r)
		return r;
	if (!*call->shown)
		tell_list(call->err, "left out", e->proposal.scene.left_out);
	if (doc_len(e->proposal.blocked)) {
		tell_list(call->err, "blocked", e->proposal.blocked);
		fprintf(call->err, "# nothing was changed\n");
		return CLI_BLOCKED;
	}
	if (nothing_to_do(e)) {
		fprintf(call->out, "nothing to do: everything is as wanted\n");
		return CLI_OK;
	}
	r = config_run_begin(&e->session, &e->proposal, (int64_t)(e->o->keep / NS_PER_S), err);
	return r ? r : config_go_on(&e->session, call->out, err);
}

static int run(const struct cli_call *call, bool back, struct error *err)
{
	struct errand e;
	int r = errand_open(&e, call, err);

	if (r)
		return r;
	r = source(&e, back, err);
	if (!r)
		r = config_refuse_unfinished(&e.session, e.place.name, err);
	if (!r)
		r = session_lock(&e.session, e.place.name, err);
	/* What others have recorded until now counts: with the lock nobody adds to it. */
	if (!r)
		r = config_history_pull(&e.place, err);
	if (!r)
		r = carry_out(&e, err);
	errand_close(&e);
	return r;
}

int verb_apply_preview(const struct cli_call *call, struct error *err)
{
	int r = usage(call);

	return r ? r : preview(call, false, err);
}

int verb_apply(const struct cli_call *call, struct error *err)
{
	int r = usage(call);

	return r ? r : run(call, false, err);
}

int verb_rollback_preview(const struct cli_call *call, struct error *err)
{
	return preview(call, true, err);
}

int verb_rollback(const struct cli_call *call, struct error *err)
{
	return run(call, true, err);
}
