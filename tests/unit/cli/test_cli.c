/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/cli.h"

#include <string.h>

#include "tests/support/test.h"

struct cluster_opts {
	const char *kubeconfig, *context;
};
struct opts {
	bool quiet, yes, dry_run;
	const char *root;
	int64_t port, last;
	uint64_t wait;
	int output;
	struct cli_list only;
	struct cluster_opts cluster;
};
static const char *const outputs[] = {"table", "json", "yaml", NULL};
static const struct cli_option cluster_options[] = {
	CLI_OPT(struct cluster_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster"),
	CLI_OPT(struct cluster_opts, context, "context", 0, CLI_STRING, "NAME", "of the file"),
};
static const struct cli_option options[] = {
	CLI_OPT(struct opts, quiet, "quiet", 'q', CLI_FLAG, NULL, "say less"),
	CLI_OPT(struct opts, yes, "yes", 'y', CLI_FLAG, NULL, "approve"),
	CLI_OPT(struct opts, dry_run, "dry-run", 0, CLI_FLAG, NULL, "only show"),
	CLI_OPT(struct opts, root, "root", 0, CLI_STRING, "DIR", "look below DIR"),
	CLI_NUMBER(struct opts, port, "port", 'p', "N", 1, 65535, "listen there"),
	CLI_NUMBER(struct opts, last, "last", 0, "N", 0, 9, "stop after N"),
	CLI_OPT(struct opts, wait, "wait", 0, CLI_DURATION, "D", "wait so long"),
	CLI_CHOICE(struct opts, output, "output", 'o', outputs, "how to print"),
	CLI_OPT(struct opts, only, "only", 0, CLI_LIST, "ID", "only these"),
	CLI_USE(struct opts, cluster, "Cluster options", cluster_options),
};
static const char *default_only[] = {"all"};
static const struct opts defaults = {
	.root = "/", .port = 80, .last = -1, .wait = 90000000000ULL, .only = {default_only, 1}};

static int show(const struct cli_call *call, UNUSED struct error *err)
{
	const struct opts *o = call->opts;

	fprintf(call->out,
		"quiet=%d root=%s port=%lld wait=%llu output=%s kubeconfig=%s only=", o->quiet,
		o->root, (long long)o->port, (unsigned long long)o->wait, outputs[o->output],
		o->cluster.kubeconfig ? o->cluster.kubeconfig : "-");
	for (size_t i = 0; i < o->only.n; i++)
		fprintf(call->out, "%s;", o->only.items[i]);
	fprintf(call->out, " args=");
	for (int i = 0; i < call->n_args; i++)
		fprintf(call->out, "%s;", call->args[i]);
	return CLI_OK;
}
static int always_fails(UNUSED const struct cli_call *call, struct error *err)
{
	return error_set(err, -ENOENT, "no such thing");
}
static int picky(const struct cli_call *call, UNUSED struct error *err)
{
	return cli_usage(call, "--to needs --from");
}
static int preview(const struct cli_call *call, UNUSED struct error *err)
{
	fprintf(call->out, "would change 1 object\n");
	return CLI_OK;
}
static int change(const struct cli_call *call, UNUSED struct error *err)
{
	fprintf(call->out, "changed\n");
	return CLI_OK;
}

static const struct cli_command verbs[] = {
	{.name = "get",
	 .summary = "one thing",
	 .args = "ID",
	 .min_args = 1,
	 .max_args = 1,
	 .run = show,
	 CLI_OPTIONS(options),
	 CLI_DEFAULTS(defaults)},
	{.name = "picky", .summary = "hard to please", .run = picky},
};
static const struct cli_command commands[] = {
	{.name = "show",
	 .summary = "prints what it was given",
	 .args = "[WORD...]",
	 .max_args = -1,
	 .details = "Example:\n  t show --port 8080\n",
	 .exits = CLI_EXIT(CLI_BLOCKED),
	 .run = show,
	 CLI_OPTIONS(options),
	 CLI_DEFAULTS(defaults)},
	{.name = "fail", .summary = "always fails", .run = always_fails},
	{.name = "thing", .summary = "one of many", CLI_VERBS(verbs)},
	{.name = "change",
	 .summary = "changes something",
	 .needs = MUTATES,
	 .run = change,
	 .preview = preview,
	 CLI_OPTIONS(options),
	 CLI_DEFAULTS(defaults)},
	{.name = "exec",
	 .summary = "runs a command",
	 .raw = true,
	 .max_args = -1,
	 .run = show,
	 .defaults = &defaults,
	 .opts_size = sizeof(defaults)},
};
static void print_files(FILE *out)
{
	fputs("one file a line\n", out);
}
static const struct cli_topic topics[] = {{"files", "what they look like", print_files}};
static const struct cli_program program = {.name = "t",
					   .summary = "a test",
					   .commands = commands,
					   .n_commands = ARRAY_SIZE(commands),
					   .topics = topics,
					   .n_topics = ARRAY_SIZE(topics)};

struct outcome {
	int code;
	char *out, *err;
};

static struct outcome run(const struct cli_program *p, const char *line)
{
	char copy[512], *argv[32] = {0}, *save = NULL;
	int argc = 1;
	struct outcome o = {0};
	size_t n_out, n_err;
	FILE *in = fopen("/dev/null", "r"), *out = open_memstream(&o.out, &n_out),
	     *err = open_memstream(&o.err, &n_err);

	argv[0] = (char[]){"t"};
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	o.code = cli_run(p, argc, argv, in, out, err);
	fclose(in);
	fclose(out);
	fclose(err);
	return o;
}

static void release(struct outcome *o)
{
	free(o->out);
	free(o->err);
}

TEST(options_fill_the_struct)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{"show", "quiet=0 root=/ port=80 wait=90000000000 output=table kubeconfig=- "
			 "only=all; args="},
		{"show a -q --root=/host b --port 8080 -oyaml --wait 1m30s --only x,y --only z "
		 "--kubeconfig /k -- --c",
		 "quiet=1 root=/host port=8080 wait=90000000000 output=yaml kubeconfig=/k "
		 "only=x;y;z; args=a;b;--c;"},
		{"show -qp 7 -o json", "quiet=1 root=/ port=7 wait=90000000000 output=json "
				       "kubeconfig=- only=all; args="},
		{"thing get 12 --quiet", "quiet=1 root=/ port=80 wait=90000000000 output=table "
					 "kubeconfig=- only=all; args=12;"},
		{"show -", "quiet=0 root=/ port=80 wait=90000000000 output=table kubeconfig=- "
			   "only=all; args=-;"},
		{"exec ls -l -- x", "quiet=0 root=/ port=80 wait=90000000000 output=table "
				    "kubeconfig=- only=all; args=ls;-l;--;x;"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run(&program, rows[i].line);

		if (o.code || strcmp(o.out, rows[i].out))
			fail_msg("%s: code %d, %s%s", rows[i].line, o.code, o.out, o.err);
		release(&o);
	}
}

TEST(wrong_command_lines_are_usage_errors)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"", "Usage: t COMMAND"},
		{"sho", "unknown command 'sho'"},
		{"thing", "Usage: t thing COMMAND"},
		{"thing got", "unknown command 'got'"},
		{"show --por 1", "unknown option --por"},
		{"show -x", "unknown option -x"},
		{"show --quiet=yes", "--quiet takes no value"},
		{"show --port", "--port needs a value"},
		{"show --port 70000", "70000 is not between 1 and 65535"},
		{"show --wait soon", "--wait"},
		{"show -o xml", "--output: 'xml' is none of table, json, yaml"},
		{"thing get", "ID is missing"},
		{"thing get 1 2", "too many arguments"},
		{"fail x", "too many arguments (1, want none)"},
		{"thing picky", "--to needs --from\nTry 't thing picky --help'."},
		{"completion tcsh", "completion wants one of"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run(&program, rows[i].line);

		if (o.code != CLI_USAGE || !strstr(o.err, rows[i].says) || o.out[0])
			fail_msg("%s: code %d, out '%s', err '%s'", rows[i].line, o.code, o.out,
				 o.err);
		release(&o);
	}
}

TEST(an_error_is_one_line_and_exit_1)
{
	struct outcome o = run(&program, "fail");

	assert_int_equal(o.code, CLI_FAILED);
	assert_string_equal(o.err, "t: no such thing\n");
	release(&o);
}

TEST(help_is_made_from_the_tables)
{
	static const char *const lines[] = {"show --help", "help show", "show -h --nonsense"};
	struct outcome o;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		o = run(&program, lines[i]);
		assert_int_equal(o.code, 0);
		assert_non_null(strstr(o.out, "Usage: t show [OPTIONS] [WORD...]"));
		assert_non_null(strstr(o.out, "Prints what it was given"));
		assert_non_null(strstr(o.out, "-o, --output table|json|yaml"));
		assert_non_null(strstr(o.out, "(default table)"));
		assert_non_null(strstr(o.out, "so long (like 5s, 2m or 1h; default 90s)"));
		assert_non_null(strstr(o.out, "Cluster options:\n      --kubeconfig FILE"));
		assert_non_null(strstr(o.out, "  3   blocked by a required check"));
		assert_non_null(strstr(o.out, "  64  usage"));
		assert_null(strstr(o.out, "  7   waiting"));
		assert_non_null(strstr(o.out, "stop after N\n"));
		release(&o);
	}
	o = run(&program, "--help");
	assert_non_null(strstr(o.out, "  show                    prints what it was given"));
	assert_non_null(strstr(o.out, "  help files              what they look like"));
	assert_non_null(strstr(o.out, "  3   blocked"));
	assert_non_null(strstr(o.out, "  7   waiting"));
	assert_null(strstr(o.out, "  9   rolled"));
	release(&o);
	o = run(&program, "change --help");
	assert_non_null(strstr(o.out, "  7   waiting"));
	assert_null(strstr(o.out, "  3   blocked"));
	release(&o);
	o = run(&program, "help files");
	assert_int_equal(o.code, 0);
	assert_string_equal(o.out, "one file a line\n");
	release(&o);
	o = run(&program, "help nothing");
	assert_int_equal(o.code, CLI_USAGE);
	release(&o);
	o = run(&program, "thing --help");
	assert_non_null(strstr(o.out, "  get                     one thing"));
	release(&o);
	o = run(&program, "--version");
	assert_string_equal(o.out, "t " SIDESTEP_VERSION "\n");
	release(&o);
}

TEST(changes_want_approval)
{
	struct outcome o = run(&program, "change");

	assert_int_equal(o.code, CLI_WAITING);
	assert_string_equal(o.out, "would change 1 object\n");
	release(&o);
	o = run(&program, "change --dry-run");
	assert_int_equal(o.code, CLI_OK);
	assert_string_equal(o.out, "would change 1 object\n");
	release(&o);
	o = run(&program, "change --yes");
	assert_int_equal(o.code, CLI_OK);
	assert_string_equal(o.out, "changed\n");
	release(&o);
}

TEST(completion_answers_from_the_tables)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{"__complete th", "thing\n"},
		{"__complete thing g", "get\n"},
		{"__complete show --o", "--output\n--only\n"},
		{"__complete show --output j", "json\n"},
		{"__complete show -o y", "yaml\n"},
		{"__complete show --root /", ""},
		{"__complete nothing x", ""},
	};
	struct outcome o;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		o = run(&program, rows[i].line);
		if (o.code || strcmp(o.out, rows[i].out))
			fail_msg("%s: '%s'", rows[i].line, o.out);
		release(&o);
	}
	o = run(&program, "completion bash");
	assert_non_null(strstr(o.out, "complete -o default -F _t t\n"));
	release(&o);
}

static int elsewhere(UNUSED const struct cli_program *p, int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "lab") && !strcmp(argv[1], "help"))
		return 43;
	if (argc == 3 && !strcmp(argv[0], "thing") && !strcmp(argv[1], "move"))
		return 44;
	return argc == 2 && !strcmp(argv[0], "lab") ? 42 : -ENOENT;
}

TEST(the_front_door_looks_elsewhere)
{
	struct cli_program front = program;
	struct outcome o;

	front.unknown = elsewhere;
	o = run(&front, "lab up");
	assert_int_equal(o.code, 42);
	release(&o);
	o = run(&front, "help lab");
	assert_int_equal(o.code, 42);
	release(&o);
	o = run(&front, "help lab up");
	assert_int_equal(o.code, 43);
	release(&o);
	o = run(&front, "nowhere");
	assert_int_equal(o.code, CLI_USAGE);
	release(&o);
	/* A verb that our own command does not have, and one that nobody has. */
	o = run(&front, "thing move it");
	assert_int_equal(o.code, 44);
	release(&o);
	o = run(&front, "thing got");
	assert_int_equal(o.code, CLI_USAGE);
	release(&o);
}

TEST(one_program_without_commands)
{
	static const struct cli_command only = {.summary = "does one thing",
						.args = "FILE",
						.min_args = 1,
						.max_args = 1,
						.run = show,
						.defaults = &defaults,
						.opts_size = sizeof(defaults)};
	struct cli_program one = {
		.name = "one", .summary = "x", .commands = &only, .n_commands = 1};
	struct outcome o = run(&one, "file");

	assert_int_equal(o.code, 0);
	assert_non_null(strstr(o.out, "args=file;"));
	release(&o);
	o = run(&one, "--help");
	assert_non_null(strstr(o.out, "Usage: one FILE"));
	release(&o);
}

TEST(missing_needs_say_what_to_do)
{
	setenv("HOME", "/nonexistent", 1);
	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_non_null(strstr(cli_missing(NEEDS_CLUSTER, NULL), "--kubeconfig FILE"));
	assert_null(cli_missing(NEEDS_CLUSTER, "/some/file"));
	setenv("KUBECONFIG", "/some/file", 1);
	assert_null(cli_missing(NEEDS_CLUSTER, NULL));
}

TEST(exit_codes_are_the_house_s)
{
	assert_int_equal(CLI_BLOCKED, 3);
	assert_int_equal(CLI_ROLLBACK_FAILED, 10);
	assert_int_equal(CLI_USAGE, 64);
	assert_string_equal(exit_code_meaning(7), "waiting for approval");
	assert_string_equal(exit_code_meaning(99), "unknown exit code");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_fill_the_struct),
		cmocka_unit_test(wrong_command_lines_are_usage_errors),
		cmocka_unit_test(an_error_is_one_line_and_exit_1),
		cmocka_unit_test(help_is_made_from_the_tables),
		cmocka_unit_test(changes_want_approval),
		cmocka_unit_test(completion_answers_from_the_tables),
		cmocka_unit_test(the_front_door_looks_elsewhere),
		cmocka_unit_test(one_program_without_commands),
		cmocka_unit_test(missing_needs_say_what_to_do),
		cmocka_unit_test(exit_codes_are_the_house_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
