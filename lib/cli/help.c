/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/help.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

#define HELP_COLUMN 26
#define HELP_WIDTH  96

/* Words of text from column to HELP_WIDTH; continuation lines are indented to column. */
static void put_wrapped(FILE *out, const char *text, int column)
{
	int at = column;

	while (*text) {
		int n = (int)strcspn(text, " ");

		if (at > column && at + 1 + n > HELP_WIDTH) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		} else if (at > column) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", n, text);
		at += n;
		text += n;
		while (*text == ' ')
			text++;
	}
	fputc('\n', out);
}

static void put_entry(FILE *out, const char *left, const char *right)
{
	int n = fprintf(out, "  %s", left);

	if (n >= HELP_COLUMN)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(out, "%*s", HELP_COLUMN - n, "");
	put_wrapped(out, right, HELP_COLUMN);
}

void cli_duration_text(uint64_t ns, struct strbuf *sb)
{
	uint64_t ms = ns / 1000000, s = ms / 1000;

	if (ms % 1000)
		strbuf_addf(sb, "%llums", (unsigned long long)ms);
	else if (s && s % 3600 == 0)
		strbuf_addf(sb, "%lluh", (unsigned long long)(s / 3600));
	else if (s && s % 60 == 0)
		strbuf_addf(sb, "%llum", (unsigned long long)(s / 60));
	else
		strbuf_addf(sb, "%llus", (unsigned long long)s);
}

/*
 * What it is when not given, "" when the defaults say nothing: a number that is 0 or below stands
 * for "none", which the option's own line explains.
 */
static void default_text(const struct cli_option *o, const char *member, struct strbuf *sb)
{
	const struct cli_list *list;

	switch (o->kind) {
	case CLI_STRING:
		strbuf_adds(sb, str_or_empty(*(const char *const *)(const void *)member));
		break;
	case CLI_INT:
		if (*(const int64_t *)(const void *)member > 0)
			strbuf_addf(sb, "%lld", (long long)*(const int64_t *)(const void *)member);
		break;
	case CLI_DURATION:
		if (*(const uint64_t *)(const void *)member)
			cli_duration_text(*(const uint64_t *)(const void *)member, sb);
		break;
	case CLI_ENUM:
		strbuf_adds(sb, o->names[*(const int *)(const void *)member]);
		break;
	case CLI_LIST:
		list = (const void *)member;
		for (size_t i = 0; i < list->n; i++)
			strbuf_addf(sb, "%s%s", i ? "," : "", list->items[i]);
		break;
	case CLI_FLAG:
	case CLI_GROUP:
		break;
	}
}

/* " (like 5s, 2m or 1h; default 90s)" behind an option's line. */
static void put_notes(const struct cli_option *o, const char *member, struct strbuf *right)
{
	auto_release(strbuf) struct strbuf value = STRBUF_INIT;
	bool duration = o->kind == CLI_DURATION;

	if (member)
		default_text(o, member, &value);
	if (duration || value.len)
		strbuf_addf(right, " (%s%s%s%s)", duration ? "like 5s, 2m or 1h" : "",
			    duration && value.len ? "; " : "", value.len ? "default " : "",
			    strbuf_cstr(&value));
}

static void put_option(FILE *out, const struct cli_option *o, const char *defaults, size_t base)
{
	auto_release(strbuf) struct strbuf left = STRBUF_INIT;
	auto_release(strbuf) struct strbuf right = STRBUF_INIT;

	if (o->letter)
		strbuf_addf(&left, "-%c, --%s", o->letter, o->name);
	else
		strbuf_addf(&left, "    --%s", o->name);
	if (o->kind == CLI_ENUM) {
		for (size_t i = 0; o->names[i]; i++)
			strbuf_addf(&left, "%s%s", i ? "|" : " ", o->names[i]);
	} else if (o->kind != CLI_FLAG) {
		strbuf_addf(&left, " %s", o->value ? o->value : "VALUE");
	}
	strbuf_adds(&right, o->help);
	if (o->kind == CLI_LIST)
		strbuf_adds(&right, "; repeat it or separate with commas");
	put_notes(o, defaults ? defaults + base + o->offset : NULL, &right);
	put_entry(out, strbuf_cstr(&left), strbuf_cstr(&right));
}

static void put_options(FILE *out, const struct cli_option *options, size_t n, const char *defaults,
			size_t base, const char *heading)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (options[i].kind == CLI_GROUP)
			continue;
		if (!any)
			fprintf(out, "\n%s:\n", heading);
		any = true;
		put_option(out, &options[i], defaults, base);
	}
	for (size_t i = 0; i < n; i++)
		if (options[i].kind == CLI_GROUP)
			put_options(out, options[i].group, options[i].n_group, defaults,
				    base + options[i].offset, options[i].name);
}

static void put_commands(FILE *out, const struct cli_command *rows, size_t n)
{
	fputs("\nCommands:\n", out);
	for (size_t i = 0; i < n; i++)
		if (!rows[i].hidden)
			put_entry(out, rows[i].name, rows[i].summary);
}

static void put_needs(FILE *out, unsigned needs)
{
	if (!needs)
		return;
	fputs("\nNeeds:\n", out);
	if (needs & NEEDS_ROOT)
		fputs("  root\n", out);
	if (needs & NEEDS_BPF)
		fputs("  a kernel that loads BPF programs\n", out);
	if (needs & NEEDS_CLUSTER)
		fputs("  a Kubernetes API (--kubeconfig, KUBECONFIG, ~/.kube/config, or a pod's "
		      "own)\n",
		      out);
	if (needs & MUTATES)
		fputs("  approval: it shows what it will change and asks; --yes answers, --dry-run "
		      "only shows\n",
		      out);
}

/* Every exit code of a command, or of a table of them, as CLI_EXIT bits. */
static unsigned exits_of(const struct cli_command *c)
{
	unsigned exits = CLI_EXIT(CLI_OK) | CLI_EXIT(CLI_FAILED) | c->exits;

	if (c->needs & (NEEDS_ROOT | NEEDS_BPF))
		exits |= CLI_EXIT(CLI_BLOCKED);
	if (c->needs & MUTATES)
		exits |= CLI_EXIT(CLI_WAITING);
	for (size_t i = 0; i < c->n_verbs; i++)
		exits |= exits_of(&c->verbs[i]);
	return exits;
}

static void put_exit_codes(FILE *out, unsigned exits)
{
#define EXIT_CODE_LINE(symbol, number, meaning)                                                    \
	if ((symbol) == CLI_USAGE || (exits & CLI_EXIT((symbol) % CLI_USAGE)))                     \
		fprintf(out, "  %-3d %s\n", number, meaning);
	EXIT_CODES(EXIT_CODE_LINE)
#undef EXIT_CODE_LINE
}

void cli_help(const struct cli_program *program, const struct cli_command *const *path,
	      size_t depth, FILE *out)
{
	const struct cli_command *c = depth ? path[depth - 1] : NULL;

	if (!c) {
		cli_program_help(program, out);
		return;
	}
	fprintf(out, "Usage: %s", program->name);
	for (size_t i = 0; i < depth; i++)
		if (path[i]->name)
			fprintf(out, " %s", path[i]->name);
	if (c->n_verbs)
		fputs(" COMMAND", out);
	else if (c->n_options)
		fputs(" [OPTIONS]", out);
	fprintf(out, "%s%s\n\n", c->args ? " " : "", str_or_empty(c->args));
	if (c->summary && c->summary[0]) {
		auto_free char *sentence = xstrdup(c->summary);

		if (sentence[0] >= 'a' && sentence[0] <= 'z')
			sentence[0] = (char)(sentence[0] - 'a' + 'A');
		put_wrapped(out, sentence, 0);
	}
	if (!c->name && program->details)
		fprintf(out, "\n%s%s", program->details,
			str_ends(program->details, "\n") ? "" : "\n");
	if (c->details)
		fprintf(out, "\n%s%s", c->details, str_ends(c->details, "\n") ? "" : "\n");
	if (c->n_verbs)
		put_commands(out, c->verbs, c->n_verbs);
	put_options(out, c->options, c->n_options, c->defaults, 0, "Options");
	put_needs(out, c->needs);
	if (c->n_verbs)
		return;
	fputs("\nExit codes:\n", out);
	put_exit_codes(out, exits_of(c));
}

void cli_program_help(const struct cli_program *p, FILE *out)
{
	unsigned exits = 0;

	if (p->n_commands == 1 && !p->commands[0].name) {
		const struct cli_command *only = &p->commands[0];

		cli_help(p, &only, 1, out);
		return;
	}
	fprintf(out, "%s - %s\n\nUsage: %s COMMAND [OPTIONS] [ARGUMENTS]\n", p->name, p->summary,
		p->name);
	put_commands(out, p->commands, p->n_commands);
	put_entry(out, "help [COMMAND]", "explain a command (also: COMMAND --help)");
	for (size_t i = 0; i < p->n_topics; i++) {
		auto_free char *left = xasprintf("help %s", p->topics[i].name);

		put_entry(out, left, p->topics[i].summary);
	}
	put_entry(out, "completion SHELL", "print completion code for bash, zsh or fish");
	if (p->details)
		fprintf(out, "\n%s%s", p->details, str_ends(p->details, "\n") ? "" : "\n");
	for (size_t i = 0; i < p->n_commands; i++)
		exits |= p->commands[i].hidden ? 0 : exits_of(&p->commands[i]);
	fputs("\nExit codes (COMMAND --help says which of them it can end with):\n", out);
	put_exit_codes(out, exits);
}

/* A bar inside a cell would end it. */
static void markdown_row(const char *name, const char *args, const char *summary, FILE *out)
{
	fprintf(out, "| `%s%s", name, args ? " " : "");
	for (const char *c = str_or_empty(args); *c; c++)
		fprintf(out, "%s%c", *c == '|' ? "\\" : "", *c);
	fprintf(out, "` | %s |\n", summary);
}

static void markdown_rows(const struct cli_command *rows, size_t n, const char *prefix, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		auto_release(strbuf) struct strbuf name = STRBUF_INIT;

		if (rows[i].hidden)
			continue;
		strbuf_addf(&name, "%s%s%s", prefix, rows[i].name ? " " : "",
			    str_or_empty(rows[i].name));
		if (rows[i].n_verbs)
			markdown_rows(rows[i].verbs, rows[i].n_verbs, strbuf_cstr(&name), out);
		else
			markdown_row(strbuf_cstr(&name), rows[i].args, rows[i].summary, out);
	}
}

void cli_markdown(const struct cli_program *program, FILE *out)
{
	fputs("| command | what it does |\n|---|---|\n", out);
	markdown_rows(program->commands, program->n_commands, program->name, out);
}
