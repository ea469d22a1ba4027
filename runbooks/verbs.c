/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/run/print.h"
#include "runbooks/account.h"
#include "runbooks/approve.h"
#include "runbooks/files.h"
#include "runbooks/fit.h"
#include "runbooks/lint.h"
#include "runbooks/params.h"
#include "runbooks/transcript.h"

const char *const run_mode_names[] = {"default", "diagnose", "propose", "execute", NULL};
const char *const account_formats[] = {PRINT_FORMATS(PRINT_FORMAT_NAME) "junit", NULL};
enum { FORMAT_JUNIT = PRINT_FORMAT_COUNT };

static struct run_options options_of(const struct cli_call *call, const struct where_opts *w,
				     const struct cli_list *answers, bool lines)
{
	return (struct run_options){.kubeconfig = w->kubeconfig,
				    .context = w->context,
				    .state = w->state,
				    .evidence = w->evidence,
				    .no_cluster = w->no_cluster,
				    .answers = answers ? answers->items : NULL,
				    .n_answers = answers ? answers->n : 0,
				    .out = lines ? call->out : NULL};
}

/* --- a runbook is fit to run, or it is not begun -----------------------------------------------
 */

static int fit(const struct cli_call *call, const struct runbook *rb)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct report r;
	int code;

	report_init(&r, "sidestep-runbook", "Runbooks", clock_system());
	lint_runbook(&r, rb->root, NULL, 0);
	report_finish(&r);
	code = (int)report_verdict(&r, SEVERITY_ERROR);
	if (code) {
		report_render(&r, REPORT_SHORT, &out);
		put_plain(call->err, &out);
		fprintf(call->err, "%s: runbook %s is not fit to run; nothing was done\n",
			call->program->name, rb->name);
		code = CLI_BLOCKED;
	}
	report_release(&r);
	return code;
}

/* --- saying how it ended -----------------------------------------------------------------------
 */

static void print_doc(const struct cli_call *call, const struct doc *d, int format)
{
	put_doc(call->out, d, format == PRINT_JSON ? FORMAT_JSON : FORMAT_YAML);
}

static const char *ending(const struct runner *r, const struct run_end *end)
{
	const int code = end->exit;
	const bool ended = end->ended;

	if (code == CLI_WAITING && !run_waits_for_approval(r, end))
		return "waiting for an answer";
	if (code == CLI_OK)
		return "it has come to a conclusion";
	if (code == CLI_INTERRUPTED && ended)
		return "aborted, and not to be gone on with: 'run' begins a new one";
	return code == CLI_BLOCKED ? "a step failed, and the runbook goes on behind it no further"
				   : exit_code_meaning(code);
}

static void say_advice(struct runner *r, const struct run_end *end, struct strbuf *out)
{
	doc_foreach_item (run_advice(r, end), d)
		strbuf_addf(out, "the runbook advises: %s\n", shown(&r->arena, doc_str(d)));
}

/* What somebody must know before typing what comes next. */
static void say_state(struct runner *r, struct strbuf *out)
{
	const char *out_of_force = suspended_words(&r->arena, r->run, run_suspended(r),
						   clock_wall_ns(r->cluster.clock));

	if (r->copied)
		strbuf_addf(out, "careful: %s\n", run_copied_words(r));
	if (out_of_force)
		strbuf_addf(out, "%s\n", out_of_force);
}

static int tell(const struct cli_call *call, struct runner *r, const struct run_end *end,
		int format)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	if (format) {
		print_doc(call, run_account(r), format);
		return end->exit;
	}
	if (end->outcome)
		strbuf_addf(&out, "%s: %s\n", end->outcome, shown(&r->arena, end->cause));
	/* What it waits for was said with its step. */
	if (end->why && end->exit && !end->waiting)
		strbuf_addf(&out, "%s%s\n",
			    end->exit == CLI_BLOCKED ? "ended at "
			    : end->outcome           ? "in doubt: "
						     : "",
			    shown(&r->arena, end->why));
	strbuf_addf(&out, "run %s, exit %d: %s\n", r->run, end->exit, ending(r, end));
	if (doc_len(doc_get(r->evidence.index, "files")))
		strbuf_addf(&out, "evidence: %s\n", r->evidence.dir);
	say_advice(r, end, &out);
	say_state(r, &out);
	strbuf_addf(&out, "next: %s\n", run_next_words(r, end));
	put_plain(call->out, &out);
	return end->exit;
}

/* --- run ---------------------------------------------------------------------------------------
 */

/* What is found now is part of the plan: a resume does not look again. */
static void discover(struct runner *r, struct param_values *v)
{
	for (size_t i = 0; i < v->n_discover; i++) {
		const struct param *p = v->discover[i];
		const char *found = NULL;
		struct error why = ERROR_INIT;
		struct doc *value = NULL;

		if (source_discover(&r->sources, doc_find_str(p->fallback, "discover"), &r->arena,
				    &found, &why) < 0 ||
		    param_check(&r->arena, p, found, &value, &why) < 0) {
			if (r->options.out)
				fprintf(r->options.out, "  %s is not known: %s\n", p->name,
					why.msg);
			continue;
		}
		doc_set(&r->arena, v->values, p->name, value);
	}
}

static void list_changes(const struct cli_call *call, const struct runbook_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].kind == STEP_MUTATE || steps[i].mutates.value)
			fprintf(call->err, "  %-18s risk %-7s %s\n", steps[i].id,
				steps[i].risk ? risk_names[steps[i].risk] : "unsaid",
				shown(call->arena, steps[i].title));
		list_changes(call, steps[i].steps, steps[i].n_steps);
		if (steps[i].rollback)
			list_changes(call, steps[i].rollback->steps, steps[i].rollback->n_steps);
	}
}

/* To execute is to change what others depend on: asked on a terminal, or said with --yes. */
static int agreed(const struct cli_call *call, const struct runbook *rb)
{
	char line[16];

	fprintf(call->err, "runbook %s may change, each after its own checks and approvals:\n",
		rb->name);
	list_changes(call, rb->steps, rb->n_steps);
	list_changes(call, rb->finally, rb->n_finally);
	if (!isatty(fileno(call->in))) {
		fprintf(call->err,
			"%s: this changes what others depend on: approve it with --yes\n",
			call->program->name);
		return CLI_WAITING;
	}
	fputs("Go on? [y/N] ", call->err);
	fflush(call->err);
	return fgets(line, sizeof(line), call->in) && (str_eq(line, "y\n") || str_eq(line, "yes\n"))
		       ? CLI_OK
		       : CLI_WAITING;
}

static int begin(const struct cli_call *call, struct runner *r, struct runbook *rb,
		 enum runbook_mode mode, struct error *err)
{
	const struct run_opts *o = call->opts;
	struct param_values values;
	struct run_request q = {.rb = rb,
				.mode = mode,
				.from = o->only ? o->only : o->from,
				.until = o->only ? o->only : o->until,
				.dry_run = o->dry_run,
				.from_file = strpbrk(call->args[0], "/.") ? call->args[0] : NULL};
	int rc = params_read(&r->arena, rb, o->params.items, o->params.n, &values, err);

	if (rc)
		return cli_usage(call, "%s", err->msg);
	discover(r, &values);
	q.params = values.values;
	q.secrets = values.secrets;
	rc = runner_start(r, &q, err);
	if (!rc && !o->output)
		fprintf(call->out, "run %s: %s, %s\n", r->run, rb->name, runbook_mode_names[mode]);
	return rc;
}

static int check_ids(const struct cli_call *call, const struct runbook *rb)
{
	const struct run_opts *o = call->opts;
	const char *const ids[] = {o->from, o->until, o->only};

	if (o->only && (o->from || o->until))
		return cli_usage(call, "--only stands alone");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		size_t k = 0;

		while (ids[i] && k < rb->n_steps && !str_eq(rb->steps[k].id, ids[i]))
			k++;
		if (ids[i] && k == rb->n_steps)
			return cli_usage(call,
					 "runbook %s has no step %s: 'sidestep runbook show %s' "
					 "lists them",
					 rb->name, ids[i], call->args[0]);
	}
	return 0;
}

static const char *modes_of(struct arena *a, const struct runbook *rb)
{
	static const enum runbook_mode all[] = {MODE_DIAGNOSE, MODE_PROPOSE, MODE_EXECUTE};
	const char *text = "";

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (runbook_allows(rb, all[i]))
			text = arena_printf(a, "%s%s%s", text, *text ? ", " : "",
					    runbook_mode_names[all[i]]);
	return text;
}

static int carry_out(const struct cli_call *call, struct runbook *rb, enum runbook_mode mode,
		     struct error *err)
{
	const struct run_opts *o = call->opts;
	const struct run_options options = options_of(call, &o->where, &o->answers, !o->output);
	struct runner r;
	struct run_end end;
	int rc = runner_open(&r, &options, err);

	if (rc)
		return rc;
	rc = runbook_fits(&r, rb, err);
	if (!rc)
		rc = begin(call, &r, rb, mode, err);
	if (rc == -EPERM) {
		fprintf(call->err, "%s: %s; nothing was done\n", call->program->name, err->msg);
		rc = CLI_BLOCKED;
	}
	if (!rc)
		rc = runner_go(&r, &end, err);
	if (!rc)
		rc = tell(call, &r, &end, o->output);
	runner_close(&r);
	return rc;
}

int cmd_run(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	struct runbook rb;
	enum runbook_mode mode;
	int rc = source_find(call->arena, call->args[0], &rb, err);

	if (rc == -EINVAL || rc == -E2BIG || rc == -ERANGE) {
		fprintf(call->err, "%s: %s%s%s: it is not fit to run; nothing was done\n",
			call->program->name, rc == -E2BIG ? call->args[0] : "",
			rc == -E2BIG ? ": " : "", err->msg);
		return CLI_BLOCKED;
	}
	if (rc)
		return rc;
	rc = fit(call, &rb);
	if (!rc)
		rc = check_ids(call, &rb);
	if (rc)
		return rc;
	mode = o->mode ? (enum runbook_mode)o->mode : (enum runbook_mode)rb.default_mode;
	if (!runbook_allows(&rb, mode))
		return cli_usage(call, "runbook %s has no mode %s, only %s", rb.name,
				 runbook_mode_names[mode], modes_of(call->arena, &rb));
	/* A dry run is what propose is, of whatever would be done. */
	if (o->dry_run && mode == MODE_EXECUTE)
		mode = MODE_PROPOSE;
	if (mode == MODE_EXECUTE && !o->yes) {
		rc = agreed(call, &rb);
		if (rc)
			return rc;
	}
	return carry_out(call, &rb, mode, err);
}

/* --- going on, back, or ending -----------------------------------------------------------------
 */

/* A plan that comes from a cluster, or an older release, may hold anything. */
static int still_fit(const struct cli_call *call, struct runner *r, struct error *err)
{
	int rc = fit(call, &r->rb);

	if (!rc)
		rc = runner_passes_approvals(r, err);
	if (!rc)
		rc = copied_fits(r, err);
	if (rc == -EPERM) {
		fprintf(call->err, "%s: %s; nothing was done\n", call->program->name, err->msg);
		rc = CLI_BLOCKED;
	}
	return rc;
}

/*
 * The file it was begun from, the one that is named, or what is shipped; a file that is not there:
 * what was kept is gone on with. In any case that is fit to run, wherever it was kept.
 */
static int compare_file(const struct cli_call *call, struct runner *r, struct error *err)
{
	const struct again_opts *o = call->opts;
	const char *file = o->runbook ? o->runbook : doc_find_str(r->plan, "file");
	struct runbook now;
	int rc = still_fit(call, r, err);

	if (rc || (!o->runbook && file && access(file, R_OK) < 0))
		return rc;
	rc = source_find(&r->arena, file ? file : r->rb.name, &now, err);
	if (rc)
		return rc;
	rc = fit(call, &now);
	return rc ? rc : runner_compare_file(r, &now, o->accept_changed, err);
}

typedef int (*again_fn)(const struct cli_call *call, struct runner *r, struct run_end *end,
			struct error *err);

static int again(const struct cli_call *call, again_fn fn, struct error *err)
{
	const struct again_opts *o = call->opts;
	struct run_options options = options_of(call, &o->where, &o->answers, !o->output);
	struct run_end end = {0};
	struct runner r;
	int rc;

	options.unvouched = o->accept_unvouched;
	rc = runner_open(&r, &options, err);
	if (rc)
		return rc;
	rc = runner_find(&r, call->args[0], true, err);
	if (!rc)
		rc = fn(call, &r, &end, err);
	if (!rc)
		rc = tell(call, &r, &end, o->output);
	runner_close(&r);
	return rc;
}

static int secrets_again(struct runner *r, struct error *err)
{
	struct param_values values;
	const char **given = arena_array(&r->arena, r->rb.n_params + 1, const char *);
	size_t n = 0;

	/* What is kept is taken from the plan; secrets are asked for anew. */
	for (size_t i = 0; i < r->rb.n_params; i++) {
		const struct param *p = &r->rb.params[i];
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		const struct doc *v = doc_get(doc_get(r->plan, "params"), p->name);

		if (p->secret || !v)
			continue;
		if (doc_str(v))
			strbuf_adds(&text, doc_str(v));
		else
			doc_write_json(v, DOC_COMPACT, &text);
		given[n++] = arena_printf(&r->arena, "%s=%s", p->name, strbuf_cstr(&text));
	}
	if (params_read(&r->arena, &r->rb, given, n, &values, err) < 0)
		return -EINVAL;
	r->secrets = values.secrets;
	return 0;
}

static int do_resume(const struct cli_call *call, struct runner *r, struct run_end *end,
		     struct error *err)
{
	int rc = compare_file(call, r, err);

	if (!rc)
		rc = secrets_again(r, err);
	return rc ? rc : runner_go(r, end, err);
}

int cmd_resume(const struct cli_call *call, struct error *err)
{
	return again(call, do_resume, err);
}

static int do_abort(const struct cli_call *call, struct runner *r, struct run_end *end,
		    struct error *err)
{
	(void)call;
	return runner_abort(r, "aborted by a person", end, err);
}

int cmd_abort(const struct cli_call *call, struct error *err)
{
	return again(call, do_abort, err);
}

static int do_rollback(const struct cli_call *call, struct runner *r, struct run_end *end,
		       struct error *err)
{
	const struct again_opts *o = call->opts;
	int rc = still_fit(call, r, err);

	if (!rc)
		rc = runner_rollback(r, o->to, end, err);
	if (rc == -EPERM) {
		fprintf(call->err, "%s: %s; nothing was done\n", call->program->name, err->msg);
		rc = CLI_BLOCKED;
	}
	return rc;
}

int cmd_rollback(const struct cli_call *call, struct error *err)
{
	return again(call, do_rollback, err);
}

static int with_run(const struct cli_call *call, const struct where_opts *where, const char *run,
		    int (*fn)(const struct cli_call *call, struct runner *r, struct error *err),
		    struct error *err)
{
	const struct run_options options = options_of(call, where, NULL, false);
	struct runner r;
	int rc = runner_open(&r, &options, err);

	if (rc)
		return rc;
	rc = runner_find(&r, run, false, err);
	if (!rc)
		rc = fn(call, &r, err);
	runner_close(&r);
	return rc;
}

static int show_rollback(const struct cli_call *call, struct runner *r, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	size_t n = 0;

	(void)err;
	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);
		const struct doc *deed = doc_get(rec->body, "deed");

		if (!str_eq(rec->type, "change"))
			continue;
		strbuf_addf(&out, "  %s would be taken back\n", doc_find_str(rec->body, "step"));
		doc_foreach_item (doc_get(rec->body, "changes"), c)
			strbuf_addf(&out, "    %s of %s\n", doc_find_str(c, "op"),
				    change_object(&r->arena, doc_get(c, "ref")));
		doc_foreach_item (doc_get(deed, "argv"), word)
			strbuf_addf(&out, "%s%s", word_i ? " " : "    ", doc_str(word));
		if (doc_len(doc_get(deed, "argv")))
			strbuf_addc(&out, '\n');
		n++;
	}
	say_state(r, &out);
	put_plain(call->out, &out);
	if (!n)
		fprintf(call->out, "run %s changed nothing\n", r->run);
	return CLI_OK;
}

int cmd_rollback_preview(const struct cli_call *call, struct error *err)
{
	const struct again_opts *o = call->opts;

	return with_run(call, &o->where, call->args[0], show_rollback, err);
}

/* --- approve -----------------------------------------------------------------------------------
 */

static int find_wanted(const struct cli_call *call, struct runner *r, struct approval_wanted *w,
		       struct error *err)
{
	int rc;

	if (!r->cluster.client)
		return approval_of_file(&r->arena, r->state, call->args[0], call->args[1], w, err);
	rc = runner_find(r, call->args[0], false, err);
	if (!rc)
		rc = still_fit(call, r, err);
	return rc ? rc : approval_of_run(r, call->args[1], w, err);
}

static const char *json_of(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(d, DOC_COMPACT, &text);
	return shown(a, strbuf_cstr(&text));
}

/* What somebody reads before agreeing: who, with which parameters, what may change, what cannot be
 * taken back. */
static void show_wanted(const struct cli_call *call, const struct approval_wanted *w)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct arena *a = call->arena;

	strbuf_addf(&out, "run %s, step %s: %s\nof %s\nasked for by %s, with %s", shown(a, w->run),
		    shown(a, w->step), shown(a, w->title), shown(a, w->book),
		    shown(a, w->requester), json_of(a, w->params));
	strbuf_addf(&out, "\nthe run may change, each after its own checks and approvals:\n");
	doc_foreach_item (w->changes, c) {
		strbuf_addf(&out, "  %-18s risk %-7s way back %s\n  %-18s %s\n",
			    shown(a, doc_find_str(c, "step")), shown(a, doc_find_str(c, "risk")),
			    shown(a, doc_find_str(c, "back")), "",
			    shown(a, doc_find_str(c, "title")));
		doc_foreach_item (doc_get(c, "each"), e)
			strbuf_addf(&out, "  %-18s for each %s of %s\n", "",
				    shown(a, doc_find_str(e, "as")),
				    json_of(a, doc_get(e, "items")));
		if (doc_get(c, "does"))
			strbuf_addf(&out, "  %-18s %s\n", "", json_of(a, doc_get(c, "does")));
	}
	strbuf_addf(&out, "an approval is for plan %s, and counts for %s\n", shown(a, w->digest),
		    shown(a, w->expires));
	put_plain(call->out, &out);
}

static int with_wanted(const struct cli_call *call, bool agree, struct error *err)
{
	const struct again_opts *o = call->opts;
	const struct run_options options = options_of(call, &o->where, NULL, false);
	struct approval_wanted w;
	struct runner r;
	int rc = runner_open(&r, &options, err);

	if (rc)
		return rc;
	rc = find_wanted(call, &r, &w, err);
	if (!rc && !agree)
		show_wanted(call, &w);
	if (!rc && !agree && r.copied)
		fprintf(call->out, "careful: %s\n", run_copied_words(&r));
	if (!rc && agree)
		rc = approve(&r, &w, err);
	if (rc == -EPERM || rc == -EALREADY) {
		fprintf(call->err, "%s: %s\n", call->program->name, err->msg);
		rc = rc == -EPERM ? CLI_BLOCKED : CLI_OK;
	} else if (!rc && agree) {
		fprintf(call->out,
			"agreed; whoever is at it goes on with: sidestep runbook resume %s\n",
			w.run);
	}
	runner_close(&r);
	return rc;
}

int cmd_approve(const struct cli_call *call, struct error *err)
{
	return with_wanted(call, true, err);
}

int cmd_approve_preview(const struct cli_call *call, struct error *err)
{
	return with_wanted(call, false, err);
}

/* --- status, report ----------------------------------------------------------------------------
 */

static int show_one(const struct cli_call *call, struct runner *r, struct error *err)
{
	const struct look_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *d = run_account(r);
	struct run_end end;
	struct walk w;

	(void)err;
	if (o->output) {
		print_doc(call, d, o->output);
		return CLI_OK;
	}
	runner_status(r, &w, &end);
	strbuf_addf(&out, "run %s: %s, %s, since %s\n", r->run, r->rb.name,
		    runbook_mode_names[r->mode], str_or_empty(doc_find_str(d, "began")));
	transcript_steps(&w, &out);
	if (end.outcome)
		strbuf_addf(&out, "%s: %s\n", end.outcome, shown(&r->arena, end.cause));
	if (end.why)
		strbuf_addf(&out, "%s\n", shown(&r->arena, end.why));
	say_advice(r, &end, &out);
	say_state(r, &out);
	strbuf_addf(&out, "%s\nnext: %s\n", end.ended ? "it has ended" : "it has not ended",
		    run_next_words(r, &end));
	put_plain(call->out, &out);
	return CLI_OK;
}

static void list_one(const struct cli_call *call, const struct run_options *options,
		     const char *name, struct arena *a, struct doc *list)
{
	struct error err = ERROR_INIT;
	struct run_end end;
	struct runner r;
	struct walk w;
	struct doc *d = doc_append(a, list, doc_map(a));

	doc_set_string(a, d, "run", name);
	if (runner_open(&r, options, &err) < 0)
		return;
	if (runner_find(&r, name, false, &err) < 0) {
		doc_set_string(a, d, "why", err.msg);
	} else {
		runner_status(&r, &w, &end);
		doc_set_string(a, d, "runbook", r.rb.name);
		doc_set_string(a, d, "mode", runbook_mode_names[r.mode]);
		doc_set_bool(a, d, "ended", end.ended);
		doc_set_int(a, d, "exit", end.exit);
		doc_set_string(a, d, "outcome", end.outcome);
		doc_set_string(a, d, "waiting", end.ended ? NULL : end.waiting);
		doc_set(a, d, "suspended", doc_clone(a, run_suspended(&r)));
	}
	runner_close(&r);
	(void)call;
}

/* Lines that are no JSON say nothing. */
static struct doc *suspended_in(struct arena *a, const struct doc *lines)
{
	struct doc *records = doc_list(a), *d;

	doc_foreach_item (lines, line) {
		const char *text = str_or_empty(doc_str(line));

		if (!doc_read_json(a, text, strlen(text), NULL, &d, NULL))
			doc_append(a, records, d);
	}
	return records_suspended(a, records);
}

static bool listed(const struct doc *list, const char *run)
{
	doc_foreach_item (list, d) {
		if (str_eq(doc_find_str(d, "run"), run))
			return true;
	}
	return false;
}

/* Those that others have begun; a cluster that does not answer has none to show. */
static void list_copies(const struct cli_call *call, const struct run_options *options,
			struct doc *list)
{
	struct arena *a = call->arena;
	struct doc *copies = NULL;
	struct runner r;

	if (runner_open(&r, options, NULL) < 0)
		return;
	r.cluster.patience_ns = NS_PER_S;
	if (r.cluster.client)
		cluster_list(&r.cluster, a, object_kind(KIND_SIDESTEP_RUN), NULL, &copies, NULL);
	doc_foreach_item (copies, c) {
		struct doc *d;

		if (!str_eq(doc_find_str(c, "spec.tool"), "runbook") ||
		    listed(list, doc_find_str(c, "metadata.name")))
			continue;
		d = doc_append(a, list, doc_map(a));
		doc_set_string(a, d, "run", doc_find_str(c, "metadata.name"));
		doc_set_string(a, d, "runbook", doc_find_str(c, "spec.subject"));
		doc_set_string(a, d, "mode", runbook_mode_names[MODE_EXECUTE]);
		doc_set_string(a, d, "state", doc_find_str(c, "spec.state"));
		doc_set_bool(a, d, "elsewhere", true);
		doc_set(a, d, "suspended", suspended_in(a, doc_find(c, "spec.journal")));
	}
	runner_close(&r);
}

static void list_line(const struct cli_call *call, const struct doc *d, struct strbuf *out)
{
	const char *waiting = doc_find_str(d, "waiting"), *state = doc_find_str(d, "state");
	const char *run = doc_find_str(d, "run");
	const bool ended = doc_bool_or(doc_get(d, "ended"), false);
	const char *out_of_force = suspended_words(call->arena, run, doc_get(d, "suspended"),
						   clock_wall_ns(clock_system()));

	strbuf_addf(out, "%-44s %-9s %-10s %s%s\n", run, str_or_empty(doc_find_str(d, "mode")),
		    doc_find_str(d, "why") ? "unreadable"
		    : state                ? state
		    : ended                ? "ended"
					   : "open",
		    state ? "begun elsewhere"
			  : shown(call->arena, doc_find_str(d, ended ? "outcome" : "why")),
		    waiting ? arena_printf(call->arena, "at %s", waiting) : "");
	if (out_of_force)
		strbuf_addf(out, "  %s\n", out_of_force);
}

static int list_runs(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;
	const struct run_options given = options_of(call, &o->where, NULL, false);
	struct run_options options = given;
	const char *state = o->where.state ? o->where.state : session_state_dir(call->arena);
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *list = doc_list(call->arena);
	struct strings runs;
	int rc = runs_in_state(call->arena, state, &runs, err);

	options.no_cluster = true;
	options.kubeconfig = options.context = NULL;
	for (size_t i = 0; i < runs.n && !rc; i++)
		list_one(call, &options, runs.items[i], call->arena, list);
	if (rc)
		return rc;
	list_copies(call, &given, list);
	if (o->output) {
		print_doc(call, list, o->output);
		return CLI_OK;
	}
	doc_foreach_item (list, d)
		list_line(call, d, &out);
	put_plain(call->out, &out);
	if (!doc_len(list))
		fprintf(call->out, "no run of a runbook is kept in %s\n", state);
	return CLI_OK;
}

int cmd_status(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;

	if (!call->n_args)
		return list_runs(call, err);
	return with_run(call, &o->where, call->args[0], show_one, err);
}

static int report_run_of(const struct cli_call *call, struct runner *r, struct error *err)
{
	const struct look_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *d = run_account(r);
	struct report report;
	struct page page;

	if (o->output == FORMAT_JUNIT) {
		report_init(&report, "sidestep-runbook", r->run, clock_system());
		run_account_report(d, &report);
		report_finish(&report);
		report_render(&report, REPORT_JUNIT, &out);
		report_release(&report);
	} else {
		run_account_page(d, &page);
		print_format((enum print_format)o->output, d, &page, &out);
		page_release(&page);
	}
	if (doc_len(doc_find(d, "evidence.problems")))
		fprintf(call->err, "%s: the evidence is not what was written: see the report\n",
			call->program->name);
	return print_text(call->out, o->file, &out, err) < 0 ? -EIO
	       : doc_len(doc_find(d, "evidence.problems"))   ? CLI_BLOCKED
							     : CLI_OK;
}

int cmd_report(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;

	return with_run(call, &o->where, call->args[0], report_run_of, err);
}

static int record_run(const struct cli_call *call, struct runner *r, struct error *err)
{
	const struct look_opts *o = call->opts;
	struct doc *d;
	int rc = run_fixture(r, &d, err);

	if (!rc)
		print_doc(call, d, o->output);
	return rc;
}

int cmd_record(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;

	return with_run(call, &o->where, call->args[0], record_run, err);
}
