/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-runbook: what to do when, as data that can be read, checked and shown. */

#include "lib/base/str.h"
#include "lib/cli/cli.h"
#include "runbooks/cases.h"
#include "runbooks/files.h"
#include "runbooks/known.h"
#include "runbooks/lint.h"
#include "runbooks/show.h"
#include "runbooks/verbs.h"

/* --- lint ---------------------------------------------------------------------------------------
 */

struct lint_opts {
	struct cli_list fixtures;
	int output, fail_on;
};
static const char *const fail_on_names[] = {"error", "warn", NULL};
static const struct lint_opts lint_defaults = {0};
static const struct cli_option lint_options[] = {
	CLI_OPT(struct lint_opts, fixtures, "fixtures", 0, CLI_LIST, "PATH",
		"recorded cases, a file or folder: branches covered are counted"),
	CLI_CHOICE(struct lint_opts, output, "output", 'o', report_format_names, "how to print"),
	CLI_CHOICE(struct lint_opts, fail_on, "fail-on", 0, fail_on_names,
		   "what makes the exit code differ from 0"),
};

struct fixtures {
	struct fixture *items;
	size_t n;
};

/* Every one must be a case without unknown fields. */
static int read_fixtures(struct arena *a, const struct cli_list *paths, struct fixtures *ret,
			 struct error *err)
{
	struct sources s = {.arena = a};
	int rc = 0;

	for (size_t i = 0; i < paths->n && !rc; i++)
		rc = sources_add_path(&s, paths->items[i], err);
	ret->items = arena_array(a, s.all.n + 1, struct fixture);
	for (size_t i = 0; i < s.all.n && !rc; i++)
		rc = source_fixture(a, &s.all.items[i], &ret->items[ret->n++], err);
	sources_release(&s);
	return rc;
}

static void lint_source(struct report *r, const struct source *s, const struct fixtures *f)
{
	size_t n;
	const struct check *rules = lint_rules(&n);

	if (s->root) {
		lint_runbook(r, s->root, f->items, f->n);
		return;
	}
	r->checks = rules;
	r->n_checks = n;
	report_add(r, &rules[0], FINDING_FAIL, s->from, "%s", s->why_not)->where =
		arena_strdup(&r->arena, s->from);
}

static int lint_all(const struct cli_call *call, struct report *r, struct error *err)
{
	const struct lint_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct sources s = {.arena = &r->arena};
	struct fixtures f = {0};
	int rc = sources_add_all(&s, call->args, call->n_args, err);

	if (!rc)
		rc = read_fixtures(&r->arena, &o->fixtures, &f, err);
	for (size_t i = 0; i < s.all.n && !rc; i++)
		lint_source(r, &s.all.items[i], &f);
	sources_release(&s);
	if (rc < 0)
		return rc;
	report_finish(r);
	report_render(r, (enum report_format)o->output, &out);
	put_plain(call->out, &out);
	return (int)report_verdict(r, o->fail_on ? SEVERITY_WARNING : SEVERITY_ERROR);
}

static int cmd_lint(const struct cli_call *call, struct error *err)
{
	struct report r;
	int rc;

	report_init(&r, "sidestep-runbook", "Runbooks", clock_system());
	rc = lint_all(call, &r, err);
	report_release(&r);
	return rc;
}

/* --- test ---------------------------------------------------------------------------------------
 */

struct test_opts {
	const char *golden;
	bool update;
	int output;
};
static const struct test_opts test_defaults = {0};
static const struct cli_option test_options[] = {
	CLI_OPT(struct test_opts, golden, "golden", 0, CLI_STRING, "DIR",
		"compare transcripts with DIR/RUNBOOK.txt"),
	CLI_OPT(struct test_opts, update, "update", 0, CLI_FLAG, NULL,
		"write these files instead of comparing"),
	CLI_CHOICE(struct test_opts, output, "output", 'o', report_format_names, "how to print"),
};

static int test_all(const struct cli_call *call, struct report *r, struct error *err)
{
	const struct test_opts *o = call->opts;
	const struct cases_options options = {o->golden, o->update};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct sources s = {.arena = &r->arena};
	int rc = sources_add_all(&s, call->args, call->n_args, err);

	if (!rc && !call->n_args)
		sources_add_shipped_cases(&s);
	if (!rc)
		rc = cases_run(r, &s, &options, err);
	sources_release(&s);
	if (rc < 0)
		return rc;
	report_finish(r);
	report_render(r, (enum report_format)o->output, &out);
	put_plain(call->out, &out);
	return (int)report_verdict(r, SEVERITY_ERROR);
}

static int cmd_test(const struct cli_call *call, struct error *err)
{
	const struct test_opts *o = call->opts;
	struct report r;
	int rc;

	if (o->update && !o->golden)
		return cli_usage(call, "--update needs --golden DIR");
	report_init(&r, "sidestep-runbook", "Recorded cases", clock_system());
	rc = test_all(call, &r, err);
	report_release(&r);
	return rc;
}

/* --- list, show ---------------------------------------------------------------------------------
 */

struct print_opts {
	int output;
};
static const struct print_opts print_defaults = {0};
static const struct cli_option print_options[] = {
	CLI_CHOICE(struct print_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
};

static int list_all(const struct cli_call *call, struct sources *s, struct error *err)
{
	const struct print_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *list = doc_list(s->arena);
	int rc = sources_add_all(s, call->args, call->n_args, err);

	for (size_t i = 0; i < s->all.n && !rc; i++) {
		struct runbook rb;

		rc = source_runbook(s->arena, &s->all.items[i], &rb, err);
		if (rc < 0)
			break;
		doc_append(s->arena, list, runbook_row(s->arena, &rb, s->all.items[i].from));
		strbuf_addf(&out, "%-6s %-26s %-5s %-8s %s\n", str_or_empty(rb.id), rb.name,
			    str_or_empty(rb.severity), runbook_mutates(&rb) ? "changes" : "reads",
			    str_or_empty(rb.summary));
	}
	if (rc < 0)
		return rc;
	if (o->output)
		put_doc(call->out, list, o->output);
	else
		put_plain(call->out, &out);
	return CLI_OK;
}

static int cmd_list(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sources s = {.arena = &a};
	int rc = list_all(call, &s, err);

	sources_release(&s);
	return rc;
}

static int cmd_show(const struct cli_call *call, struct error *err)
{
	const struct print_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct runbook rb;
	int rc = source_find(&a, call->args[0], &rb, err);

	if (rc < 0)
		return rc;
	if (o->output) {
		put_doc(call->out, rb.root, o->output);
		return CLI_OK;
	}
	runbook_show(&rb, &out);
	put_plain(call->out, &out);
	return CLI_OK;
}

/* --- rules, tables ------------------------------------------------------------------------------
 */

static int cmd_rules(const struct cli_call *call, UNUSED struct error *err)
{
	const struct print_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *list = doc_list(&a);
	size_t n;
	const struct check *rules = lint_rules(&n);

	for (size_t i = 0; i < n; i++) {
		struct doc *d = doc_append(&a, list, doc_map(&a));

		doc_set_string(&a, d, "id", rules[i].id);
		doc_set_string(&a, d, "title", rules[i].title);
		doc_set_string(&a, d, "category", rules[i].category);
		doc_set_string(&a, d, "severity", severity_name(rules[i].severity));
		doc_set_string(&a, d, "remedy", rules[i].remedy);
		doc_set_string(&a, d, "explain", rules[i].explain);
		if (!o->output)
			fprintf(call->out, "%-8s %-8s %-11s %s\n", rules[i].id,
				severity_name(rules[i].severity), rules[i].category,
				rules[i].title);
	}
	if (o->output)
		put_doc(call->out, list, o->output);
	return CLI_OK;
}

static int cmd_tables(const struct cli_call *call, UNUSED struct error *err)
{
	const struct print_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;

	put_doc(call->out, known_doc(&a), o->output ? o->output : FORMAT_YAML);
	return CLI_OK;
}

/* --- run and what comes after -------------------------------------------------------------------
 */

static const struct cli_option where_options[] = {
	CLI_OPT(struct where_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct where_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
	CLI_OPT(struct where_opts, no_cluster, "no-cluster", 0, CLI_FLAG, NULL,
		"look for no cluster: only what this node can tell"),
	CLI_OPT(struct where_opts, state, "state", 0, CLI_STRING, "DIR",
		"where runs are kept (else SIDESTEP_STATE, else ~/.local/state/sidestep)"),
	CLI_OPT(struct where_opts, evidence, "evidence", 0, CLI_STRING, "DIR",
		"where evidence is kept (else evidence in the state folder)"),
};
static const struct run_opts run_defaults = {0};
static const struct cli_option run_options[] = {
	CLI_CHOICE(struct run_opts, mode, "mode", 0, run_mode_names,
		   "diagnose only reads, propose shows changes, execute makes them"),
	CLI_OPT(struct run_opts, params, "param", 'p', CLI_LIST, "NAME=VALUE",
		"a parameter of the runbook (see show)"),
	CLI_OPT(struct run_opts, answers, "answer", 0, CLI_LIST, "STEP=VALUE",
		"what a step that asks is answered"),
	CLI_OPT(struct run_opts, from, "from", 0, CLI_STRING, "STEP",
		"begin at that step; to execute, not behind an approval"),
	CLI_OPT(struct run_opts, until, "until", 0, CLI_STRING, "STEP", "end behind that step"),
	CLI_OPT(struct run_opts, only, "only", 0, CLI_STRING, "STEP",
		"only that step; to execute, none behind an approval"),
	CLI_OPT(struct run_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"read for real, show what would be changed"),
	CLI_OPT(struct run_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_CHOICE(struct run_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
	CLI_USE(struct run_opts, where, "Where", where_options),
};
static const struct again_opts again_defaults = {0};
static const struct cli_option resume_options[] = {
	CLI_OPT(struct again_opts, answers, "answer", 0, CLI_LIST, "STEP=VALUE",
		"what a step that asks is answered"),
	CLI_OPT(struct again_opts, runbook, "runbook", 0, CLI_STRING, "FILE",
		"compare with this file (else the one it was begun from, if it is there)"),
	CLI_OPT(struct again_opts, accept_changed, "accept-changed", 0, CLI_FLAG, NULL,
		"go on with the file as it is now; what is finished must be unchanged"),
	CLI_OPT(struct again_opts, accept_unvouched, "accept-unvouched", 0, CLI_FLAG, NULL,
		"count approvals whose name the API server does not vouch for"),
	CLI_CHOICE(struct again_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
	CLI_USE(struct again_opts, where, "Where", where_options),
};
static const struct cli_option end_options[] = {
	CLI_CHOICE(struct again_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
	CLI_USE(struct again_opts, where, "Where", where_options),
};
static const struct cli_option rollback_options[] = {
	CLI_OPT(struct again_opts, to, "to", 0, CLI_STRING, "STEP",
		"leave that step and those before it as they are"),
	CLI_OPT(struct again_opts, accept_unvouched, "accept-unvouched", 0, CLI_FLAG, NULL,
		"count approvals whose name the API server does not vouch for"),
	CLI_OPT(struct again_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct again_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL, "only show what"),
	CLI_CHOICE(struct again_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
	CLI_USE(struct again_opts, where, "Where", where_options),
};
static const struct cli_option approve_options[] = {
	CLI_OPT(struct again_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct again_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL, "only show what"),
	CLI_USE(struct again_opts, where, "Where", where_options),
};
static const struct look_opts look_defaults = {0};
static const struct cli_option status_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', runbook_doc_formats, "how to print"),
	CLI_USE(struct look_opts, where, "Where", where_options),
};
static const struct cli_option report_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', account_formats, "how to print"),
	CLI_OPT(struct look_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output"),
	CLI_USE(struct look_opts, where, "Where", where_options),
};
#define RUN_EXITS                                                                                  \
	(CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_WAITING) |              \
	 CLI_EXIT(CLI_INTERRUPTED) | CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED))

/* --- the program --------------------------------------------------------------------------------
 */

static void print_expressions(FILE *out)
{
	fputs("Conditions (when, items, verify, wait, outcomes) are expressions; texts may hold\n"
	      "${expression}, and $$ is a dollar sign. There are no loops and no functions of your "
	      "own.\n\n"
	      "  a or b   a and b   not a          true, false or unknown (Kleene's logic)\n"
	      "  == != < <= > >=                   numbers, durations, strings; they do not chain\n"
	      "  x in [1, 2]   x not in list       is an equal item there?\n"
	      "  name matches \"web-*\"              a glob over the whole string: * ? and \\\n"
	      "  + - * /                           numbers and durations; / gives a real number\n"
	      "  length(x) min(list) max(list)     how many; the least, the greatest\n"
	      "  known(x)                          true or false, whatever x is\n"
	      "  drops.rows[0].src  pod[\"app\"]     what a step registered; params. vars. run. "
	      "step.\n"
	      "  5  0.25  12.5%  512Mi  1h30m  \"text\"  true  false\n\n"
	      "What is missing, null or of another type is unknown, never false: agents.oom == 0 "
	      "is\n"
	      "unknown when nobody could ask the agents. A branch is taken and an outcome "
	      "concluded\n"
	      "only by what is true.\n",
	      out);
}

static void print_schema(FILE *out)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	runbook_schema(&text);
	fputs(strbuf_cstr(&text), out);
}

static const struct cli_topic topics[] = {
	{"schema", "every field of a runbook, and how to begin one", print_schema},
	{"expressions", "the language of conditions and templates", print_expressions},
};

static const struct cli_command commands[] = {
	{
		.name = "list",
		.summary = "the runbooks that are shipped, or those of files and folders",
		.args = "[FILE|DIR...]",
		.max_args = -1,
		.details = "Examples:\n"
			   "  sidestep runbook list\n"
			   "  sidestep runbook list ./runbooks -o json\n",
		.run = cmd_list,
		CLI_OPTIONS(print_options),
		CLI_DEFAULTS(print_defaults),
	},
	{
		.name = "show",
		.summary = "one runbook: what it asks, what it would change, how that is undone",
		.args = "NAME|FILE",
		.min_args = 1,
		.max_args = 1,
		.details = "NAME is one that is shipped, or its id; a file's name has a . or a / "
			   "in it.\n\n"
			   "Examples:\n"
			   "  sidestep runbook show mtls-auth-failure\n"
			   "  sidestep runbook show RB-3\n"
			   "  sidestep runbook show ./mine.yaml -o json\n",
		.run = cmd_show,
		CLI_OPTIONS(print_options),
		CLI_DEFAULTS(print_defaults),
	},
	{
		.name = "lint",
		.summary = "is a runbook fit to run, whoever wrote it?",
		.args = "[FILE|DIR...]",
		.max_args = -1,
		.details =
			"Without a file: the runbooks that are shipped. It reads the files and "
			"nothing else.\n"
			"Exit 3 when a rule is broken; what is wrong is named with file, line and "
			"column.\n\n"
			"Examples:\n"
			"  sidestep runbook lint mine.yaml\n"
			"  sidestep runbook lint ./runbooks --fixtures ./runbooks/fixtures -o "
			"junit\n"
			"  sidestep runbook help schema  # every field there is\n"
			"  sidestep runbook rules        # what is asked\n",
		.exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_WARNED) | CLI_EXIT(CLI_INCONCLUSIVE),
		.run = cmd_lint,
		CLI_OPTIONS(lint_options),
		CLI_DEFAULTS(lint_defaults),
	},
	{
		.name = "test",
		.summary = "follow recorded cases through their runbooks, without a cluster",
		.args = "[FILE|DIR...]",
		.max_args = -1,
		.details = "Files of runbooks (kind Runbook) and of recorded cases (kind "
			   "RunbookFixture), in any order;\n"
			   "without a file: what is shipped. Each case must take the path and "
			   "reach the outcome and exit\n"
			   "it names, and together the cases must take every branch and outcome. "
			   "With --golden the\n"
			   "transcripts are compared, too. Exit 3 when one does not.\n"
			   "\n"
			   "Examples:\n"
			   "  sidestep runbook test\n"
			   "  sidestep runbook test mine.yaml mine-cases.yaml -o junit\n"
			   "  sidestep runbook test mine.yaml mine-cases.yaml --golden "
			   "./transcripts\n",
		.exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE),
		.run = cmd_test,
		CLI_OPTIONS(test_options),
		CLI_DEFAULTS(test_defaults),
	},
	{
		.name = "run",
		.summary = "carry out a runbook: diagnose, propose or execute",
		.args = "NAME|FILE",
		.min_args = 1,
		.max_args = 1,
		.details = "A runbook is linted first, and not begun when it is not fit to run. "
			   "Without --mode its own\n"
			   "default is taken; none executes by default. What was asked and "
			   "answered is kept in a run,\n"
			   "with evidence beside it; a run that may change something is also kept "
			   "in the cluster.\n"
			   "Without a cluster it tells what this node can. Exit 5 when it is not "
			   "determined, 7 when it\n"
			   "waits for an approval, 8 when interrupted: then resume it.\n"
			   "\n"
			   "Examples:\n"
			   "  sidestep runbook run RB-12 --param namespace=web\n"
			   "  sidestep runbook run ./mine.yaml --mode propose -p namespace=web\n"
			   "  sidestep runbook run RB-3 --mode execute -p since=2h\n",
		.exits = RUN_EXITS,
		.run = cmd_run,
		CLI_OPTIONS(run_options),
		CLI_DEFAULTS(run_defaults),
	},
	{
		.name = "status",
		.summary = "the runs there are, or where one stands and what can be done next",
		.args = "[RUN]",
		.max_args = 1,
		.details = "Examples:\n"
			   "  sidestep runbook status\n"
			   "  sidestep runbook status RUN -o json\n",
		.run = cmd_status,
		CLI_OPTIONS(status_options),
		CLI_DEFAULTS(look_defaults),
	},
	{
		.name = "approve",
		.summary = "agree to a step of somebody else's run, in your own name",
		.args = "RUN STEP",
		.min_args = 2,
		.max_args = 2,
		.needs = MUTATES,
		.details = "Who you are is what the API server says, or without a cluster your "
			   "uid. Whoever asked for\n"
			   "the run does not count, nor anybody outside of the groups that the "
			   "step names. An approval\n"
			   "is for this step of this run with these parameters, and runs out. Exit "
			   "3 when you may not.\n"
			   "\n"
			   "Examples:\n"
			   "  sidestep runbook approve RUN approve_restart\n",
		.exits = CLI_EXIT(CLI_BLOCKED),
		.run = cmd_approve,
		.preview = cmd_approve_preview,
		CLI_OPTIONS(approve_options),
		CLI_DEFAULTS(again_defaults),
	},
	{
		.name = "resume",
		.summary = "go on with a run that waits, or was interrupted or killed",
		.args = "RUN",
		.min_args = 1,
		.max_args = 1,
		.details = "What was answered is not asked again. When the file it was begun from "
			   "has changed since, it\n"
			   "is refused; with --accept-changed it goes on with the new one, if "
			   "every finished step stands\n"
			   "in it unchanged.\n"
			   "\n"
			   "Examples:\n"
			   "  sidestep runbook resume RUN\n"
			   "  sidestep runbook resume RUN --accept-changed\n",
		.exits = RUN_EXITS,
		.run = cmd_resume,
		CLI_OPTIONS(resume_options),
		CLI_DEFAULTS(again_defaults),
	},
	{
		.name = "abort",
		.summary = "end a run where it is; what it changed stays",
		.args = "RUN",
		.min_args = 1,
		.max_args = 1,
		.details = "The runbook's `finally` steps are done. Exit 8. Afterwards 'sidestep "
			   "runbook\n"
			   "rollback RUN' still takes back what it changed.\n\n"
			   "Example:\n"
			   "  sidestep runbook abort RUN\n",
		.exits = RUN_EXITS,
		.run = cmd_abort,
		CLI_OPTIONS(end_options),
		CLI_DEFAULTS(again_defaults),
	},
	{
		.name = "rollback",
		.summary = "take back what a run changed, from the last change to the first",
		.args = "RUN",
		.min_args = 1,
		.max_args = 1,
		.needs = MUTATES,
		.details = "From the pre-images in its journal, or by the steps that the runbook "
			   "gives for it. What\n"
			   "somebody else changed meanwhile is a conflict and stays. Exit 9 when "
			   "it is done, 10 when it\n"
			   "could not be.\n"
			   "\n"
			   "Examples:\n"
			   "  sidestep runbook rollback RUN --dry-run\n"
			   "  sidestep runbook rollback RUN --to raise_memory\n",
		.exits = RUN_EXITS,
		.run = cmd_rollback,
		.preview = cmd_rollback_preview,
		CLI_OPTIONS(rollback_options),
		CLI_DEFAULTS(again_defaults),
	},
	{
		.name = "report",
		.summary = "what a run did: steps, approvals, changes, evidence and whether it is "
			   "intact",
		.args = "RUN",
		.min_args = 1,
		.max_args = 1,
		.details = "Exit 3 when a file of the evidence is not what was written.\n\n"
			   "Examples:\n"
			   "  sidestep runbook report RUN -o markdown\n"
			   "  sidestep runbook report RUN -o html -f report.html\n"
			   "  sidestep runbook report RUN -o junit\n",
		.exits = CLI_EXIT(CLI_BLOCKED),
		.run = cmd_report,
		CLI_OPTIONS(report_options),
		CLI_DEFAULTS(look_defaults),
	},
	{
		.name = "record",
		.summary = "a run as a recorded case, for sidestep runbook test",
		.args = "RUN",
		.min_args = 1,
		.max_args = 1,
		.details =
			"What each step answered, with secrets as digests and long lists cut, and "
			"where that led:\nread it before you keep it.\n\n"
			"Example:\n"
			"  sidestep runbook record RUN\n",
		.run = cmd_record,
		CLI_OPTIONS(status_options),
		CLI_DEFAULTS(look_defaults),
	},
	{
		.name = "rules",
		.summary = "every rule of the lint, and why it is one",
		.details = "Example:\n  sidestep runbook rules -o yaml\n",
		.run = cmd_rules,
		CLI_OPTIONS(print_options),
		CLI_DEFAULTS(print_defaults),
	},
	{
		.name = "tables",
		.summary = "all that a runbook can ask, do and run: sources, operations, commands",
		.details = "Example:\n  sidestep runbook tables -o json\n",
		.run = cmd_tables,
		CLI_OPTIONS(print_options),
		CLI_DEFAULTS(print_defaults),
	},
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "sidestep-runbook",
		.summary = "what to do when something is wrong, as data that can be checked",
		.details =
			"The usual way:\n"
			"  sidestep runbook list                                   # which there "
			"are\n"
			"  sidestep runbook show RB-3                              # what it asks\n"
			"  sidestep runbook run RB-3 -p since=2h                   # only reads\n"
			"  sidestep runbook run RB-3 -p since=2h --mode propose    # shows "
			"changes\n"
			"  sidestep runbook run RB-3 -p since=2h --mode execute    # makes them\n"
			"  sidestep runbook status                                 # what waits\n"
			"  sidestep runbook rollback RUN                           # takes it "
			"back\n",
		.commands = commands,
		.n_commands = ARRAY_SIZE(commands),
		.topics = topics,
		.n_topics = ARRAY_SIZE(topics),
	};

	return cli_main(&program, argc, argv);
}
