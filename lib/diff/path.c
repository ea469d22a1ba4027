/* SPDX-License-Identifier: Apache-2.0 */
/* Paths through objects: made, printed, and fitted to the patterns of the schema. */
#include "lib/diff/path.h"

#include <string.h>

#include "lib/base/str.h"

static struct diff_path *part(struct arena *a, const struct diff_path *up, enum diff_part kind)
{
	struct diff_path *p = arena_new(a, struct diff_path);

	p->up = up;
	p->part = kind;
	return p;
}

struct diff_path *diff_path_field(struct arena *a, const struct diff_path *up, const char *field)
{
	struct diff_path *p = part(a, up, PART_FIELD);

	p->field = field;
	return p;
}

struct diff_path *diff_path_index(struct arena *a, const struct diff_path *up, size_t index)
{
	struct diff_path *p = part(a, up, PART_INDEX);

	p->index = index;
	return p;
}

struct diff_path *diff_path_item(struct arena *a, const struct diff_path *up,
				 const struct doc *keys)
{
	struct diff_path *p = part(a, up, keys->kind == DOC_MAP ? PART_KEYS : PART_VALUE);

	p->keys = keys;
	return p;
}

static void scalar_text(const struct doc *d, struct strbuf *out)
{
	if (d && d->kind == DOC_STRING)
		strbuf_adds(out, d->string);
	else
		doc_write_json(d, DOC_COMPACT, out);
}

/* As lib/doc's paths quote a field that has dots, brackets or slashes. */
static void field_text(const char *field, bool first, struct strbuf *out)
{
	if (field[0] == '\0' || strpbrk(field, ".[]/' "))
		strbuf_addf(out, "['%s']", field);
	else
		strbuf_addf(out, "%s%s", first ? "" : ".", field);
}

static void path_text(const struct diff_path *p, struct strbuf *out)
{
	const char *between = "[";

	if (!p)
		return;
	path_text(p->up, out);
	switch (p->part) {
	case PART_FIELD:
		field_text(p->field, !p->up, out);
		return;
	case PART_INDEX:
		strbuf_addf(out, "[%zu]", p->index);
		return;
	case PART_VALUE:
		strbuf_adds(out, "[=");
		scalar_text(p->keys, out);
		break;
	case PART_KEYS:
		doc_foreach_entry (p->keys, e) {
			strbuf_addf(out, "%s%s=", between, e->key);
			scalar_text(e->value, out);
			between = ",";
		}
		break;
	}
	strbuf_addc(out, ']');
}

const char *diff_path_text(struct arena *a, const struct diff_path *path)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	path_text(path, &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* The nearest part that is a field, from p upwards. */
static const struct diff_path *field_at(const struct diff_path *p)
{
	while (p && p->part != PART_FIELD)
		p = p->up;
	return p;
}

/* Whether the fields of path end with the pattern in front of end. */
static bool ends_with(const struct diff_path *path, const char *pattern, const char *end)
{
	const bool from_top = pattern[0] == '^';
	const char *start = pattern + from_top;
	const struct diff_path *p = field_at(path);

	while (end > start) {
		const char *word = end;

		while (word > start && word[-1] != '.')
			word--;
		if (!p)
			return false;
		if (!(end - word == 1 && *word == '*') &&
		    (strncmp(p->field, word, (size_t)(end - word)) != 0 ||
		     p->field[end - word] != '\0'))
			return false;
		p = field_at(p->up);
		end = word > start ? word - 1 : start;
	}
	return !from_top || !p;
}

bool diff_path_fits(const struct diff_path *path, const char *pattern)
{
	const size_t n = strlen(pattern);

	if (!str_ends(pattern, ".**"))
		return ends_with(path, pattern, pattern + n);
	for (path = path ? path->up : NULL; path; path = path->up)
		if (path->part == PART_FIELD && ends_with(path, pattern, pattern + n - 3))
			return true;
	return false;
}
