/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/cli.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/cli/help.h"
#include "lib/cli/parse.h"

struct dispatch {
	const struct cli_program *program;
	const struct cli_command *path[CLI_MAX_DEPTH];
	size_t depth;
	FILE *in, *out, *err;
};

const struct cli_command *cli_find_command(const struct cli_command *rows, size_t n,
					   const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static void hint(const struct dispatch *d)
{
	fprintf(d->err, "Try '%s", d->program->name);
	for (size_t i = 0; i < d->depth; i++)
		if (d->path[i]->name)
			fprintf(d->err, " %s", d->path[i]->name);
	fputs(" --help'.\n", d->err);
}

static int usage(const struct dispatch *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int usage(const struct dispatch *d, const char *fmt, ...)
{
	va_list ap;

	fprintf(d->err, "%s: ", d->program->name);
	va_start(ap, fmt);
	vfprintf(d->err, fmt, ap);
	va_end(ap);
	fputc('\n', d->err);
	hint(d);
	return CLI_USAGE;
}

int cli_usage(const struct cli_call *call, const char *fmt, ...)
{
	struct dispatch d = {.program = call->program, .err = call->err, .depth = call->depth};
	va_list ap;

	memcpy(d.path, call->path, call->depth * sizeof(*d.path));
	fprintf(call->err, "%s: ", call->program->name);
	va_start(ap, fmt);
	vfprintf(call->err, fmt, ap);
	va_end(ap);
	fputc('\n', call->err);
	hint(&d);
	return CLI_USAGE;
}

/* The first unmet need, told; 0 when all are met. */
static int check_needs(const struct dispatch *d, const struct cli_call *call)
{
	static const struct {
		unsigned need;
		int code;
	} order[] = {
		{NEEDS_ROOT, CLI_BLOCKED},
		{NEEDS_BPF, CLI_BLOCKED},
		{NEEDS_CLUSTER, CLI_FAILED},
	};
	const char *config = cli_string_set(call->command, call->opts, "kubeconfig");
	int worst = 0;

	if (!config)
		config = cli_string_set(call->command, call->opts, "snapshot");
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		const char *missing = call->command->needs & order[i].need
					      ? cli_missing(order[i].need, config)
					      : NULL;

		if (!missing)
			continue;
		fprintf(d->err, "%s: %s\n", d->program->name, missing);
		worst = MAX(worst, order[i].code);
	}
	return worst;
}

static int answer(const struct dispatch *d, int r, const struct error *err)
{
	if (r >= 0)
		return r;
	fprintf(d->err, "%s: %s\n", d->program->name, err->msg[0] ? err->msg : strerror(-r));
	return CLI_FAILED;
}

static bool ask(const struct dispatch *d)
{
	char line[16];

	fputs("Go on? [y/N] ", d->err);
	fflush(d->err);
	return fgets(line, sizeof(line), d->in) && (str_eq(line, "y\n") || str_eq(line, "yes\n"));
}

/* Preview and approval of a command that changes something. Negative: go on; else the exit code. */
static int approve(const struct dispatch *d, const struct cli_call *call)
{
	struct error err = ERROR_INIT;
	int r = CLI_OK;

	if (cli_flag_set(call->command, call->opts, "yes"))
		return -1;
	if (call->command->preview) {
		r = call->command->preview(call, &err);
		if (r)
			return answer(d, r, &err);
		fflush(d->out);
	}
	if (*call->nothing || cli_flag_set(call->command, call->opts, "dry-run"))
		return r;
	if (!isatty(fileno(d->in))) {
		fprintf(d->err, "%s: this changes what others depend on: approve it with --yes\n",
			d->program->name);
		return CLI_WAITING;
	}
	return ask(d) ? -1 : CLI_WAITING;
}

static int run_command(const struct dispatch *d, const struct cli_command *c, int n_words,
		       char **words)
{
	auto_release(arena) struct arena arena = ARENA_INIT;
	struct cli_parsed parsed;
	struct error err = ERROR_INIT;
	struct cli_call call;
	void *shown = NULL;
	bool nothing = false;
	int r;

	r = cli_parse(&arena, c, n_words, words, &parsed, &err);
	if (r)
		return usage(d, "%s", err.msg);
	if (parsed.help) {
		cli_help(d->program, d->path, d->depth, d->out);
		return CLI_OK;
	}
	call = (struct cli_call){
		.program = d->program,
		.command = c,
		.path = d->path,
		.depth = d->depth,
		.opts = parsed.opts,
		.args = parsed.args,
		.n_args = parsed.n_args,
		.in = d->in,
		.out = d->out,
		.err = d->err,
		.arena = &arena,
		.shown = &shown,
		.nothing = &nothing,
	};
	r = check_needs(d, &call);
	if (r)
		return r;
	if (c->needs & MUTATES) {
		r = approve(d, &call);
		if (r >= 0)
			return r;
	}
	return answer(d, c->run(&call, &err), &err);
}

static bool is_word(const char *w, const char *a, const char *b)
{
	return str_eq(w, a) || str_eq(w, b);
}

/* Walks nested verbs from rows; words[0] is not consumed yet. */
static int walk(struct dispatch *d, const struct cli_command *rows, size_t n, int n_words,
		char **words)
{
	const struct cli_command *c;

	if (!n_words) {
		cli_help(d->program, d->path, d->depth, d->err);
		return CLI_USAGE;
	}
	if (is_word(words[0], "--help", "-h")) {
		cli_help(d->program, d->path, d->depth, d->out);
		return CLI_OK;
	}
	c = cli_find_command(rows, n, words[0]);
	/* A program of that name may know more of its verbs: words[-1] is what led here. */
	if (!c && d->depth == 1 && d->program->unknown) {
		int r = d->program->unknown(d->program, n_words + 1, words - 1);

		if (r != -ENOENT)
			return r;
	}
	if (!c)
		return usage(d, "unknown command '%s'", words[0]);
	if (d->depth == CLI_MAX_DEPTH)
		return usage(d, "commands nested too deeply at '%s'", words[0]);
	d->path[d->depth++] = c;
	if (c->n_verbs)
		return walk(d, c->verbs, c->n_verbs, n_words - 1, words + 1);
	return run_command(d, c, n_words - 1, words + 1);
}

/* `help VERB` and `help VERB WORD...` of another program: VERB --help, VERB help WORD... */
static int help_elsewhere(const struct dispatch *d, int n_words, char **words)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	char **again = arena_array(&a, (size_t)n_words + 2, char *);

	if (!d->program->unknown)
		return -ENOENT;
	memcpy(again + 1, words, (size_t)n_words * sizeof(*again));
	again[0] = words[0];
	again[1] = n_words > 1 ? (char[]){"help"} : (char[]){"--help"};
	return d->program->unknown(d->program, n_words + 1, again);
}

static int help_for(struct dispatch *d, int n_words, char **words)
{
	const struct cli_command *rows = d->program->commands;
	size_t n = d->program->n_commands;

	for (size_t i = 0; n_words == 1 && i < d->program->n_topics; i++) {
		if (!str_eq(d->program->topics[i].name, words[0]))
			continue;
		d->program->topics[i].print(d->out);
		return CLI_OK;
	}
	for (int i = 0; i < n_words && d->depth < CLI_MAX_DEPTH; i++) {
		const struct cli_command *c = cli_find_command(rows, n, words[i]);

		if (!c && i <= 1) {
			int r = help_elsewhere(d, n_words, words);

			if (r != -ENOENT)
				return r;
		}
		if (!c)
			return usage(d, "unknown command '%s'", words[i]);
		d->path[d->depth++] = c;
		rows = c->verbs;
		n = c->n_verbs;
	}
	cli_help(d->program, d->path, d->depth, d->out);
	return CLI_OK;
}

/* What every program understands before its own rows. -ENOENT: none of these. */
static int common_words(struct dispatch *d, int n_words, char **words)
{
	const struct cli_program *p = d->program;

	if (str_eq(words[0], "--version") || str_eq(words[0], "version")) {
		fprintf(d->out, "%s %s\n", p->name, SIDESTEP_VERSION);
		return CLI_OK;
	}
	if (str_eq(words[0], "help"))
		return help_for(d, n_words - 1, words + 1);
	if (str_eq(words[0], "__complete")) {
		cli_complete(p, n_words - 1, words + 1, d->out);
		return CLI_OK;
	}
	if (str_eq(words[0], "__markdown")) {
		cli_markdown(p, d->out);
		return CLI_OK;
	}
	if (str_eq(words[0], "completion")) {
		if (n_words != 2 || cli_completion_script(p, words[1], d->out))
			return usage(d, "completion wants one of bash, zsh, fish");
		return CLI_OK;
	}
	return -ENOENT;
}

int cli_run(const struct cli_program *program, int argc, char **argv, FILE *in, FILE *out,
	    FILE *err)
{
	struct dispatch d = {.program = program, .in = in, .out = out, .err = err};
	int n = argc - 1, r;
	char **words = argv + 1;

	if (n > 0 && !cli_find_command(program->commands, program->n_commands, words[0])) {
		r = common_words(&d, n, words);
		if (r != -ENOENT)
			return r;
	}
	if (program->n_commands == 1 && !program->commands[0].name) {
		d.path[d.depth++] = &program->commands[0];
		return run_command(&d, &program->commands[0], n, words);
	}
	if (n > 0 && words[0][0] != '-' && program->unknown &&
	    !cli_find_command(program->commands, program->n_commands, words[0])) {
		r = program->unknown(program, n, words);
		if (r != -ENOENT)
			return r;
	}
	return walk(&d, program->commands, program->n_commands, n, words);
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
	int r = cli_run(program, argc, argv, stdin, stdout, stderr);

	/* A full disk or a closed pipe behind stdout is an answer nobody got. */
	if (fflush(stdout) && r == CLI_OK)
		r = CLI_FAILED;
	return r;
}
