/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/parse.h"

#include <string.h>

#include "lib/base/str.h"

struct parser {
	struct arena *arena;
	const struct cli_command *command;
	char *opts;
	struct error *err;
};

static bool option_matches(const struct cli_option *o, const char *name, size_t n, char letter)
{
	if (!name)
		return letter && o->letter == letter;
	return strlen(o->name) == n && !strncmp(o->name, name, n);
}

bool cli_find_option(const struct cli_option *options, size_t n_options, const char *name, size_t n,
		     char letter, struct cli_found *ret_found)
{
	for (size_t i = 0; i < n_options; i++) {
		const struct cli_option *o = &options[i];

		if (o->kind == CLI_GROUP) {
			if (!cli_find_option(o->group, o->n_group, name, n, letter, ret_found))
				continue;
			ret_found->offset += o->offset;
			return true;
		}
		if (option_matches(o, name, n, letter)) {
			*ret_found = (struct cli_found){o, o->offset};
			return true;
		}
	}
	return false;
}

bool cli_flag_set(const struct cli_command *command, const void *opts, const char *name)
{
	struct cli_found f;

	return opts &&
	       cli_find_option(command->options, command->n_options, name, strlen(name), 0, &f) &&
	       f.option->kind == CLI_FLAG && *(const bool *)((const char *)opts + f.offset);
}

const char *cli_string_set(const struct cli_command *command, const void *opts, const char *name)
{
	struct cli_found f;

	if (!opts ||
	    !cli_find_option(command->options, command->n_options, name, strlen(name), 0, &f) ||
	    f.option->kind != CLI_STRING)
		return NULL;
	return *(const char *const *)(const void *)((const char *)opts + f.offset);
}

static const char *choices(struct arena *a, const char *const *names)
{
	char *s = arena_strdup(a, names[0] ? names[0] : "");

	for (size_t i = 1; names[0] && names[i]; i++)
		s = arena_printf(a, "%s, %s", s, names[i]);
	return s;
}

static int set_enum(struct parser *p, const struct cli_option *o, void *member, const char *value)
{
	for (int i = 0; o->names[i]; i++) {
		if (str_eq(o->names[i], value)) {
			*(int *)member = i;
			return 0;
		}
	}
	return error_set(p->err, -EINVAL, "--%s: '%s' is none of %s", o->name, value,
			 choices(p->arena, o->names));
}

/* Appends the comma-separated parts of value; the default list is left behind by the first one. */
static int add_to_list(struct parser *p, struct cli_list *list, bool first, const char *value)
{
	char *copy = arena_strdup(p->arena, value), *save = NULL;
	const char **items = arena_array(p->arena, strlen(value) + 2 + list->n, const char *);
	size_t n = 0;

	if (!first && list->n) {
		memcpy(items, list->items, list->n * sizeof(*items));
		n = list->n;
	}
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		items[n++] = w;
	if (n > CLI_MAX_ARGS)
		return error_set(p->err, -E2BIG, "more than %d values", CLI_MAX_ARGS);
	*list = (struct cli_list){items, n};
	return 0;
}

static bool list_is_default(const struct parser *p, size_t offset)
{
	static const struct cli_list none;
	const char *defaults = p->command->defaults;
	const struct cli_list *d = defaults ? (const void *)(defaults + offset) : &none;
	const struct cli_list *now = (const void *)(p->opts + offset);

	return now->items == d->items;
}

static int set_option(struct parser *p, const struct cli_found *f, const char *value)
{
	const struct cli_option *o = f->option;
	void *member = p->opts + f->offset;
	const char *what = arena_printf(p->arena, "--%s", o->name);
	int r;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)member = true;
		return 0;
	case CLI_STRING:
		*(const char **)member = value;
		return 0;
	case CLI_INT:
		return str_to_i64(value, o->min || o->max ? o->min : INT64_MIN,
				  o->min || o->max ? o->max : INT64_MAX, member, what, p->err);
	case CLI_DURATION:
		r = str_to_duration_ns(value, member, p->err);
		return r ? error_wrap(p->err, r, "%s", what) : 0;
	case CLI_ENUM:
		return set_enum(p, o, member, value);
	case CLI_LIST:
		return add_to_list(p, member, list_is_default(p, f->offset), value);
	case CLI_GROUP:
		break;
	}
	return error_set(p->err, -EINVAL, "%s cannot be set", what);
}

/* word starts with "--". *i is moved over a value that is a word of its own. */
static int long_option(struct parser *p, const char *word, int n_words, char **words, int *i)
{
	const char *name = word + 2, *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	struct cli_found f;

	if (!cli_find_option(p->command->options, p->command->n_options, name, n, 0, &f))
		return error_set(p->err, -EINVAL, "unknown option --%.*s", (int)n, name);
	if (f.option->kind == CLI_FLAG) {
		if (eq)
			return error_set(p->err, -EINVAL, "--%.*s takes no value", (int)n, name);
		return set_option(p, &f, NULL);
	}
	if (eq)
		return set_option(p, &f, eq + 1);
	if (*i + 1 >= n_words)
		return error_set(p->err, -EINVAL, "--%.*s needs a value", (int)n, name);
	return set_option(p, &f, words[++*i]);
}

/* word is "-x", "-xy" (flags) or "-xVALUE". */
static int short_options(struct parser *p, const char *word, int n_words, char **words, int *i)
{
	struct cli_found f;
	int r;

	for (const char *c = word + 1; *c; c++) {
		if (!cli_find_option(p->command->options, p->command->n_options, NULL, 0, *c, &f))
			return error_set(p->err, -EINVAL, "unknown option -%c", *c);
		if (f.option->kind != CLI_FLAG) {
			if (c[1])
				return set_option(p, &f, c + 1);
			if (*i + 1 >= n_words)
				return error_set(p->err, -EINVAL, "-%c needs a value", *c);
			return set_option(p, &f, words[++*i]);
		}
		r = set_option(p, &f, NULL);
		if (r)
			return r;
	}
	return 0;
}

static int check_args(const struct cli_command *c, int n, struct error *err)
{
	if (n < c->min_args)
		return error_set(err, -EINVAL, "%s is missing", c->args ? c->args : "an argument");
	if (c->max_args >= 0 && n > MAX(c->max_args, c->min_args))
		return error_set(err, -EINVAL, "too many arguments (%d, want %s)", n,
				 c->args ? c->args : "none");
	return 0;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int parse_words(struct parser *p, int n_words, char **words, struct cli_parsed *out)
{
	bool only_args = false;

	for (int i = 0; i < n_words; i++) {
		char *w = words[i];
		int r = 0;

		if (only_args || w[0] != '-' || !w[1]) {
			out->args[out->n_args++] = w;
		} else if (!strcmp(w, "--")) {
			only_args = true;
		} else if (is_help(w)) {
			out->help = true;
			return 0;
		} else if (w[1] == '-') {
			r = long_option(p, w, n_words, words, &i);
		} else {
			r = short_options(p, w, n_words, words, &i);
		}
		if (r)
			return r;
	}
	return check_args(p->command, out->n_args, p->err);
}

int cli_parse(struct arena *a, const struct cli_command *command, int n_words, char **words,
	      struct cli_parsed *ret_parsed, struct error *err)
{
	struct cli_parsed out = {0};
	struct parser p = {.arena = a, .command = command, .err = err};
	int r;

	if (n_words > CLI_MAX_ARGS)
		return error_set(err, -E2BIG, "more than %d words", CLI_MAX_ARGS);
	out.args = arena_array(a, (size_t)n_words + 1, char *);
	if (command->opts_size) {
		p.opts = arena_alloc(a, command->opts_size);
		if (command->defaults)
			memcpy(p.opts, command->defaults, command->opts_size);
	}
	out.opts = p.opts;
	if (command->raw) {
		memcpy(out.args, words, (size_t)n_words * sizeof(*words));
		out.n_args = n_words;
		out.help = n_words > 0 && is_help(words[0]);
		r = out.help ? 0 : check_args(command, n_words, err);
	} else {
		r = parse_words(&p, n_words, words, &out);
	}
	if (!r)
		*ret_parsed = out;
	return r;
}
