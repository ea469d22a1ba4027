/* SPDX-License-Identifier: Apache-2.0 */
/* Files inside of strings: JSON by its structure, everything else (YAML, ini, env) line by line. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/secret_impl.h"

struct text {
	struct arena *arena;
	const struct secret_key *key;
	struct strbuf out;
};

static void put_digest(struct text *t, const char *s, size_t n)
{
	strbuf_adds(&t->out, secret_digest(t->arena, t->key, s, n));
}

/* The newline that ends what s begins, or the end. */
static const char *line_end(const char *s)
{
	return s + strcspn(s, "\n");
}

static size_t indent_of(const char *line)
{
	return strspn(line, " \t-");
}

/* The end of the last line that is deeper than this one: what a key without a value holds. */
static const char *block_end(const char *line)
{
	const size_t depth = indent_of(line);
	const char *end = line_end(line), *s = end;

	while (*s && (s[1] == '\n' || indent_of(s + 1) > depth)) {
		s = line_end(s + 1);
		if (s[-1] != '\n')
			end = s;
	}
	return end;
}

static const char *pem_end(const char *line)
{
	const char *end = strstr(line, "-----END ");

	return end ? line_end(end) : line + strlen(line);
}

/* What is in front of the first ':' or '=', without quotes and "export"; NULL when nothing is. */
static const char *name_of(struct arena *a, const char *line, const char **ret_value)
{
	const char *name = line + indent_of(line), *sep = line + strcspn(line, ":=\n"), *end = sep;

	if ((*sep != ':' && *sep != '=') || name >= sep)
		return NULL;
	*ret_value = sep + 1;
	if (str_starts(name, "export "))
		name += strlen("export ");
	while (name < end && strchr("\"' ", *name))
		name++;
	while (end > name && strchr("\"' \t", end[-1]))
		end--;
	return arena_strndup(a, name, (size_t)(end - name));
}

/* Everything of one kind that begins with this line; returns the newline or the end behind it. */
static const char *redact_line(struct text *t, const char *line)
{
	const char *end = line_end(line), *value = line;
	char *copy = arena_strndup(t->arena, line, (size_t)(end - line));
	const char *name = name_of(t->arena, line, &value);

	if (strstr(copy, "-----BEGIN ")) {
		end = pem_end(line);
		put_digest(t, line, (size_t)(end - line));
		return end;
	}
	value += strspn(value, " \t\"'");
	if (!secret_looks_like(copy) && !secret_looks_like(copy + (value - line)) &&
	    !(name && secret_pair(name, value, (size_t)(end - value)))) {
		secret_scan(t->arena, t->key, line, (size_t)(end - line), &t->out);
		return end;
	}
	if (value == end || strchr("|>", *value))
		end = block_end(line);
	strbuf_add(&t->out, line, (size_t)(value - line));
	if (end > value)
		put_digest(t, value, (size_t)(end - value));
	return end;
}

static void redact_lines(struct text *t, const char *s)
{
	while (*s) {
		s = redact_line(t, s);
		if (*s == '\n') {
			strbuf_addc(&t->out, '\n');
			s++;
		}
	}
}

/* True when it is JSON and something in it was hidden. */
static bool redact_json(struct text *t, const char *s)
{
	struct doc *d, *hidden;

	if ((*s != '{' && *s != '[') || doc_read_json(t->arena, s, strlen(s), NULL, &d, NULL) < 0)
		return false;
	hidden = secret_redact_names(t->arena, t->key, d);
	if (doc_equal(d, hidden))
		return false;
	doc_write_json(hidden, DOC_COMPACT, &t->out);
	return true;
}

const char *secret_text(struct arena *a, const struct secret_key *key, const char *s)
{
	struct text t = {a, key, STRBUF_INIT};
	bool hidden = true;

	if (secret_is_kubeconfig(s))
		return secret_digest(a, key, s, strlen(s));
	if (!redact_json(&t, s)) {
		if (strchr(s, '\n'))
			redact_lines(&t, s);
		else if (secret_looks_like(s))
			strbuf_adds(&t.out, secret_digest(a, key, s, strlen(s)));
		else
			hidden = secret_scan(a, key, s, strlen(s), &t.out);
	}
	if (hidden)
		s = arena_strdup(a, strbuf_cstr(&t.out));
	strbuf_release(&t.out);
	return s;
}
