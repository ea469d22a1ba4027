/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in, through jansson; JSON out, by hand, so that order and numbers are ours. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

struct convert {
	struct arena *arena;
	const char *file;
	size_t nodes;
	struct error *err;
};

static int convert(struct convert *c, json_t *j, size_t depth, struct doc **ret);

static int convert_list(struct convert *c, json_t *j, size_t depth, struct doc *d)
{
	const size_t n = json_array_size(j);

	d->list.items = n ? arena_array(c->arena, n, struct doc *) : NULL;
	d->list.cap = n;
	for (size_t i = 0; i < n; i++) {
		int r = convert(c, json_array_get(j, i), depth + 1, &d->list.items[i]);

		if (r < 0)
			return r;
		d->list.n = i + 1;
	}
	return 0;
}

static int convert_map(struct convert *c, json_t *j, size_t depth, struct doc *d)
{
	const size_t n = json_object_size(j);

	d->map.entries = n ? arena_array(c->arena, n, struct doc_entry) : NULL;
	d->map.cap = n;
	for (void *it = json_object_iter(j); it; it = json_object_iter_next(j, it)) {
		struct doc_entry *e = &d->map.entries[d->map.n];
		int r = convert(c, json_object_iter_value(it), depth + 1, &e->value);

		if (r < 0)
			return r;
		e->key = arena_strdup(c->arena, json_object_iter_key(it));
		d->map.n++;
	}
	return 0;
}

static int convert(struct convert *c, json_t *j, size_t depth, struct doc **ret)
{
	static const enum doc_kind kinds[] = {
		[JSON_OBJECT] = DOC_MAP,  [JSON_ARRAY] = DOC_LIST, [JSON_STRING] = DOC_STRING,
		[JSON_INTEGER] = DOC_INT, [JSON_REAL] = DOC_REAL,  [JSON_TRUE] = DOC_BOOL,
		[JSON_FALSE] = DOC_BOOL,  [JSON_NULL] = DOC_NULL,
	};
	struct doc *d;

	if (depth > DOC_MAX_DEPTH)
		return error_set(c->err, -E2BIG, "%s: nested deeper than %d", c->file,
				 DOC_MAX_DEPTH);
	if (++c->nodes > DOC_MAX_NODES)
		return error_set(c->err, -E2BIG, "%s: more than %u values", c->file, DOC_MAX_NODES);
	*ret = d = doc_node(c->arena, kinds[json_typeof(j)]);
	if (json_is_string(j))
		d->string = arena_strdup(c->arena, json_string_value(j));
	else if (json_is_integer(j))
		d->integer = json_integer_value(j);
	else if (json_is_real(j))
		d->real = json_real_value(j);
	else if (json_is_boolean(j))
		d->boolean = json_is_true(j);
	else if (json_is_array(j))
		return convert_list(c, j, depth, d);
	else if (json_is_object(j))
		return convert_map(c, j, depth, d);
	return 0;
}

int doc_read_json(struct arena *a, const char *data, size_t n, const char *file,
		  struct doc **ret_doc, struct error *err)
{
	struct convert c = {.arena = a, .file = file ? file : "json", .err = err};
	json_error_t jerr;
	struct doc *d = NULL;
	json_t *j;
	int r;

	j = json_loadb(n ? data : "", n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &jerr);
	if (!j)
		return error_set(err, -EINVAL, "%s:%d:%d: %s", c.file, jerr.line, jerr.column,
				 jerr.text);
	r = convert(&c, j, 1, &d);
	json_decref(j);
	if (r == 0)
		*ret_doc = d;
	return r;
}

size_t doc_utf8_next(const char *s, uint32_t *ret_rune)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
	uint32_t rune = n == 1 ? c : n ? c & (0xffu >> (n + 1)) : 0;

	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80) {
			n = 0;
			break;
		}
		rune = rune << 6 | ((unsigned char)s[i] & 0x3fu);
	}
	if (n == 0 || rune < least[n] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)) {
		*ret_rune = 0xfffd;
		return 1;
	}
	*ret_rune = rune;
	return n;
}

static void add_escape(uint32_t rune, bool yaml, struct strbuf *out)
{
	static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
	const char *at = rune && rune < 0x80 ? strchr(short_from, (int)rune) : NULL;

	if (at)
		strbuf_addf(out, "\\%c", short_to[at - short_from]);
	else if (rune > 0xffff && yaml)
		strbuf_addf(out, "\\U%08" PRIx32, rune);
	else
		strbuf_addf(out, "\\u%04" PRIx32, rune);
}

void doc_write_quoted(const char *s, bool yaml, struct strbuf *out)
{
	strbuf_addc(out, '"');
	while (*s) {
		uint32_t rune;
		const size_t n = doc_utf8_next(s, &rune);

		if (rune < 0x20 || rune == '"' || rune == '\\' ||
		    (yaml && !doc_yaml_printable(rune)))
			add_escape(rune, yaml, out);
		else if (rune == 0xfffd)
			strbuf_adds(out, "\xef\xbf\xbd");
		else
			strbuf_add(out, s, n);
		s += n;
	}
	strbuf_addc(out, '"');
}

void doc_write_real(double v, struct strbuf *out)
{
	char buf[40];

	if (!isfinite(v)) {
		strbuf_adds(out, "null");
		return;
	}
	if (fabs(v) < 1e15 && !(v < trunc(v)) && !(v > trunc(v))) {
		strbuf_addf(out, "%.0f", v);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		const double back =
			(snprintf(buf, sizeof(buf), "%.*g", digits, v), strtod(buf, NULL));

		if (!(back < v) && !(back > v))
			break;
	}
	strbuf_adds(out, buf);
}

static void newline(enum doc_style style, size_t depth, struct strbuf *out)
{
	if (style == DOC_COMPACT)
		return;
	strbuf_addc(out, '\n');
	for (size_t i = 0; i < depth; i++)
		strbuf_adds(out, "  ");
}

static void write_json(const struct doc *d, enum doc_style style, size_t depth, struct strbuf *out);

static void write_list(const struct doc *d, enum doc_style style, size_t depth, struct strbuf *out)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < d->list.n; i++) {
		if (i)
			strbuf_addc(out, ',');
		newline(style, depth + 1, out);
		write_json(d->list.items[i], style, depth + 1, out);
	}
	if (d->list.n)
		newline(style, depth, out);
	strbuf_addc(out, ']');
}

static void write_map(const struct doc *d, enum doc_style style, size_t depth, struct strbuf *out)
{
	strbuf_addc(out, '{');
	for (size_t i = 0; i < d->map.n; i++) {
		if (i)
			strbuf_addc(out, ',');
		newline(style, depth + 1, out);
		doc_write_quoted(d->map.entries[i].key, false, out);
		strbuf_adds(out, style == DOC_PRETTY ? ": " : ":");
		write_json(d->map.entries[i].value, style, depth + 1, out);
	}
	if (d->map.n)
		newline(style, depth, out);
	strbuf_addc(out, '}');
}

static void write_json(const struct doc *d, enum doc_style style, size_t depth, struct strbuf *out)
{
	switch (d ? d->kind : DOC_NULL) {
	case DOC_NULL:
		strbuf_adds(out, "null");
		break;
	case DOC_BOOL:
		strbuf_adds(out, d->boolean ? "true" : "false");
		break;
	case DOC_INT:
		strbuf_addf(out, "%" PRId64, d->integer);
		break;
	case DOC_REAL:
		doc_write_real(d->real, out);
		break;
	case DOC_STRING:
		doc_write_quoted(d->string, false, out);
		break;
	case DOC_LIST:
		write_list(d, style, depth, out);
		break;
	case DOC_MAP:
		write_map(d, style, depth, out);
		break;
	}
}

void doc_write_json(const struct doc *d, enum doc_style style, struct strbuf *out)
{
	write_json(d, style, 0, out);
}
