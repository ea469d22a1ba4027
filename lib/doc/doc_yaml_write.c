/* SPDX-License-Identifier: Apache-2.0 */
/* YAML out: block style, strings plain where every YAML reader agrees that they are strings. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

bool doc_yaml_printable(uint32_t c)
{
	return c == '\t' || (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c < 0x2028) ||
	       (c > 0x2029 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) ||
	       (c >= 0x10000 && c <= 0x10ffff);
}

static bool all_printable(const char *s, bool newlines)
{
	while (*s) {
		uint32_t rune;
		const size_t n = doc_utf8_next(s, &rune);

		/* 0xfffd may stand for a broken byte, which only the escaper repairs. */
		if (rune == 0xfffd || (!doc_yaml_printable(rune) && !(newlines && rune == '\n')))
			return false;
		s += n;
	}
	return true;
}

/* Dates, times and versions: readers differ about them, so they are quoted. */
static bool number_like(const char *s)
{
	return strchr("+-.0123456789", *s) &&
	       s[strspn(s, "0123456789abcdefxABCDEFTZ+-_.: ")] == '\0';
}

static bool is_plain(const char *s)
{
	struct doc d = {0};
	const size_t n = strlen(s);

	if (n == 0 || strchr("-?:,[]{}#&*!|>'\"%@` \t=<~", *s) || isspace((unsigned char)s[n - 1]))
		return false;
	if (doc_scalar_resolve(&d, s) < 0 || d.kind != DOC_STRING || number_like(s))
		return false;
	if (strstr(s, ": ") || strstr(s, " #") || strchr(s, '\t') || s[n - 1] == ':')
		return false;
	return strncmp(s, "...", 3) != 0 && all_printable(s, false);
}

/* A literal block keeps it exactly: no odd characters, no leading blank, at most one last newline.
 */
static bool is_block(const char *s)
{
	const size_t n = strlen(s);

	if (!strchr(s, '\n') || strchr(" \t\n", *s) ||
	    (n > 1 && s[n - 1] == '\n' && s[n - 2] == '\n'))
		return false;
	return all_printable(s, true);
}

static void indent(size_t level, struct strbuf *out)
{
	for (size_t i = 0; i < level; i++)
		strbuf_adds(out, "  ");
}

static void write_block(const char *s, size_t level, struct strbuf *out)
{
	strbuf_adds(out, str_ends(s, "\n") ? "|\n" : "|-\n");
	while (*s) {
		const size_t n = strcspn(s, "\n");

		if (n)
			indent(MAX(level, 1u), out);
		strbuf_add(out, s, n);
		s += n;
		if (*s) {
			s++;
			if (*s)
				strbuf_addc(out, '\n');
		}
	}
}

/* Without a newline at the end. */
static void write_scalar(const struct doc *d, size_t level, struct strbuf *out)
{
	if (!d || d->kind != DOC_STRING)
		doc_write_json(d, DOC_COMPACT, out);
	else if (is_plain(d->string))
		strbuf_adds(out, d->string);
	else if (is_block(d->string))
		write_block(d->string, level, out);
	else
		doc_write_quoted(d->string, true, out);
}

static void write_key(const char *key, size_t level, struct strbuf *out)
{
	/* A simple key ends at 1024 bytes in libyaml's reader; a longer one needs the ? form. */
	const bool complex = strlen(key) > 120;

	if (complex)
		strbuf_adds(out, "? ");
	if (is_plain(key))
		strbuf_adds(out, key);
	else
		doc_write_quoted(key, true, out);
	if (complex) {
		strbuf_addc(out, '\n');
		indent(level, out);
	}
	strbuf_addc(out, ':');
}

static void write_node(const struct doc *d, size_t level, bool after_dash, struct strbuf *out);

/* What follows "key:": on the same line or below. Lists stand at their key's column, as kubectl's.
 */
static void write_value(const struct doc *v, size_t level, struct strbuf *out)
{
	if (doc_len(v) == 0) {
		strbuf_addc(out, ' ');
		write_scalar(v, level + 1, out);
		strbuf_addc(out, '\n');
	} else {
		strbuf_addc(out, '\n');
		write_node(v, v->kind == DOC_LIST ? level : level + 1, false, out);
	}
}

static void write_map(const struct doc *d, size_t level, bool after_dash, struct strbuf *out)
{
	for (size_t i = 0; i < d->map.n; i++) {
		const struct doc_entry *e = &d->map.entries[i];

		if (i || !after_dash)
			indent(level, out);
		write_key(e->key, level, out);
		write_value(e->value, level, out);
	}
}

static void write_list(const struct doc *d, size_t level, bool after_dash, struct strbuf *out)
{
	for (size_t i = 0; i < d->list.n; i++) {
		const struct doc *v = d->list.items[i];

		if (i || !after_dash)
			indent(level, out);
		strbuf_adds(out, "- ");
		if (doc_len(v) == 0) {
			write_scalar(v, level + 1, out);
			strbuf_addc(out, '\n');
		} else {
			write_node(v, level + 1, true, out);
		}
	}
}

static void write_node(const struct doc *d, size_t level, bool after_dash, struct strbuf *out)
{
	if (d->kind == DOC_MAP)
		write_map(d, level, after_dash, out);
	else
		write_list(d, level, after_dash, out);
}

void doc_write_yaml(const struct doc *d, struct strbuf *out)
{
	if (doc_len(d)) {
		write_node(d, 0, false, out);
	} else {
		write_scalar(d, 0, out);
		strbuf_addc(out, '\n');
	}
}
