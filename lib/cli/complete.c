/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion: the shell asks the program, the program asks its tables. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/cli/help.h"
#include "lib/cli/parse.h"

static const char bash_script[] =
	"_%1$s() {\n"
	"\tlocal words=(\"${COMP_WORDS[@]:1:COMP_CWORD}\")\n"
	"\tmapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" __complete \"${words[@]}\" 2>/dev/null)\n"
	"}\n"
	"complete -o default -F _%1$s %2$s\n";
static const char zsh_script[] =
	"#compdef %2$s\n"
	"_%1$s() {\n"
	"\tlocal -a found\n"
	"\tfound=(${(f)\"$(%2$s __complete ${words[2,CURRENT]} 2>/dev/null)\"})\n"
	"\tcompadd -- $found || _files\n"
	"}\n"
	"compdef _%1$s %2$s\n";
static const char fish_script[] =
	"complete -c %2$s -a '(%2$s __complete (commandline -opc)[2..] (commandline -ct))'\n";

int cli_completion_script(const struct cli_program *program, const char *shell, FILE *out)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
	auto_free char *symbol = xstrdup(program->name);

	for (char *c = symbol; *c; c++)
		if (*c == '-')
			*c = '_';
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (!str_eq(shell, scripts[i].shell))
			continue;
		for (const char *s = scripts[i].script; *s;) {
			const char *mark = strchr(s, '%');

			if (!mark) {
				fputs(s, out);
				break;
			}
			fwrite(s, 1, (size_t)(mark - s), out);
			if (str_starts(mark, "%1$s") || str_starts(mark, "%2$s")) {
				fputs(mark[1] == '1' ? symbol : program->name, out);
				s = mark + 4;
			} else {
				fputc('%', out);
				s = mark + 1;
			}
		}
		return 0;
	}
	return -EINVAL;
}

static void offer(const char *prefix, const char *before, const char *word, FILE *out)
{
	auto_free char *whole = xasprintf("%s%s", before, word);

	if (str_starts(whole, prefix))
		fprintf(out, "%s\n", whole);
}

static void offer_options(const struct cli_option *options, size_t n, const char *prefix, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		if (options[i].kind == CLI_GROUP)
			offer_options(options[i].group, options[i].n_group, prefix, out);
		else
			offer(prefix, "--", options[i].name, out);
	}
}

/* After "--output" or "-o": the values of an enumeration; nothing for other options. */
static bool offer_values(const struct cli_command *c, const char *before, const char *prefix,
			 FILE *out)
{
	struct cli_found f;
	bool found;

	if (str_starts(before, "--"))
		found = cli_find_option(c->options, c->n_options, before + 2, strlen(before + 2), 0,
					&f);
	else
		found = before[0] == '-' && before[1] &&
			cli_find_option(c->options, c->n_options, NULL, 0, before[1], &f);
	if (!found || f.option->kind == CLI_FLAG)
		return false;
	for (size_t i = 0; f.option->kind == CLI_ENUM && f.option->names[i]; i++)
		offer(prefix, "", f.option->names[i], out);
	return true;
}

static void offer_commands(const struct cli_program *p, const struct cli_command *rows, size_t n,
			   const char *prefix, FILE *out)
{
	for (size_t i = 0; i < n; i++)
		if (!rows[i].hidden && rows[i].name)
			offer(prefix, "", rows[i].name, out);
	if (rows != p->commands)
		return;
	for (size_t i = 0; p->more_names && p->more_names[i]; i++)
		offer(prefix, "", p->more_names[i], out);
	offer(prefix, "", "help", out);
	offer(prefix, "", "completion", out);
}

void cli_complete(const struct cli_program *p, int n_words, char **words, FILE *out)
{
	const struct cli_command *rows = p->commands, *c = NULL;
	size_t n = p->n_commands;
	const char *prefix = n_words ? words[n_words - 1] : "";
	int i = 0;

	if (n == 1 && !rows[0].name) {
		c = &rows[0];
		n = 0;
	}
	for (; i < n_words - 1 && n; i++) {
		const struct cli_command *next = cli_find_command(rows, n, words[i]);

		if (!next)
			return;
		c = next;
		rows = c->verbs;
		n = c->n_verbs;
	}
	if (n) {
		offer_commands(p, rows, n, prefix, out);
		return;
	}
	if (!c)
		return;
	if (n_words > 1 && offer_values(c, words[n_words - 2], prefix, out))
		return;
	if (prefix[0] == '-') {
		offer_options(c->options, c->n_options, prefix, out);
		offer(prefix, "--", "help", out);
	}
}
