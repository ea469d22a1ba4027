/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/jsonpath.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

enum step_kind { STEP_END, STEP_FIELD, STEP_INDEX, STEP_ALL, STEP_FILTER, STEP_BAD };

struct step {
	enum step_kind kind;
	char field[JSONPATH_MAX_BYTES]; /* STEP_FIELD; the field a STEP_FILTER compares */
	char value[256];                /* STEP_FILTER */
	int64_t index;
};

static struct step bad_step(void)
{
	return (struct step){.kind = STEP_BAD};
}

static bool copy(char *to, size_t room, const char *from, size_t n)
{
	if (n >= room)
		return false;
	memcpy(to, from, n);
	to[n] = 0;
	return true;
}

/* "name" up to a dot or bracket; a backslash keeps a dot inside the name. */
static struct step plain_field(const char **p)
{
	struct step s = {.kind = STEP_FIELD};
	size_t n = 0;

	while (**p && **p != '.' && **p != '[') {
		if (**p == '\\' && (*p)[1])
			++*p;
		if (n + 1 >= sizeof(s.field))
			return bad_step();
		s.field[n++] = *(*p)++;
	}
	s.field[n] = 0;
	if (!strcmp(s.field, "*"))
		s.kind = STEP_ALL;
	return n ? s : bad_step();
}

/* "['key']" behind the bracket. */
static struct step quoted_field(const char **p)
{
	struct step s = {.kind = STEP_FIELD};
	char quote = **p;
	const char *end = strchr(*p + 1, quote);

	if (!end || end[1] != ']' ||
	    !copy(s.field, sizeof(s.field), *p + 1, (size_t)(end - *p - 1)))
		return bad_step();
	*p = end + 2;
	return s;
}

/* "?(@.type=="Ready")]" behind the bracket. */
static struct step filter(const char **p)
{
	struct step s = {.kind = STEP_FILTER};
	const char *end = strstr(*p, ")]"), *eq, *from, *to;

	if (!end || !str_starts(*p, "?(@."))
		return bad_step();
	from = *p + 4;
	eq = strstr(from, "==");
	if (!eq || eq > end)
		return bad_step();
	for (to = eq; to > from && to[-1] == ' '; to--)
		;
	if (!copy(s.field, sizeof(s.field), from, (size_t)(to - from)))
		return bad_step();
	for (from = eq + 2; *from == ' '; from++)
		;
	for (to = end; to > from && to[-1] == ' '; to--)
		;
	if (to - from >= 2 && (*from == '"' || *from == '\'') && to[-1] == *from) {
		from++;
		to--;
	}
	if (!copy(s.value, sizeof(s.value), from, (size_t)(to - from)))
		return bad_step();
	*p = end + 2;
	return s;
}

static struct step number_or_all(const char **p)
{
	struct step s = {.kind = STEP_INDEX};
	const char *end = strchr(*p, ']');
	char digits[16];

	if (!end || !copy(digits, sizeof(digits), *p, (size_t)(end - *p)))
		return bad_step();
	*p = end + 1;
	if (!strcmp(digits, "*")) {
		s.kind = STEP_ALL;
		return s;
	}
	return str_to_i64(digits, -1000000, 1000000, &s.index, "", NULL) ? bad_step() : s;
}

static struct step next_step(const char **p)
{
	if (!**p)
		return (struct step){.kind = STEP_END};
	if (**p == '.') {
		++*p;
		if (**p != '[')
			return plain_field(p);
	}
	if (**p != '[')
		return plain_field(p);
	++*p;
	if (**p == '\'' || **p == '"')
		return quoted_field(p);
	return **p == '?' ? filter(p) : number_or_all(p);
}

static bool passes(const struct doc *item, const struct step *s)
{
	const struct doc *d = doc_find(item, s->field);
	char number[32];

	if (!d)
		return false;
	if (d->kind == DOC_BOOL)
		return str_eq(s->value, d->boolean ? "true" : "false");
	if (d->kind == DOC_INT) {
		snprintf(number, sizeof(number), "%lld", (long long)d->integer);
		return str_eq(s->value, number);
	}
	return str_eq(doc_str(d), s->value);
}

static const struct doc *walk(const struct doc *d, const char *p);

/* The first child that passes and leads on to a value. */
static const struct doc *walk_children(const struct doc *d, const struct step *s, const char *rest)
{
	const struct doc *found;

	doc_foreach_item (d, item) {
		if (s->kind == STEP_FILTER && !passes(item, s))
			continue;
		found = walk(item, rest);
		if (found)
			return found;
	}
	if (s->kind == STEP_ALL)
		doc_foreach_entry (d, e) {
			found = walk(e->value, rest);
			if (found)
				return found;
		}
	return NULL;
}

static const struct doc *walk(const struct doc *d, const char *p)
{
	while (d) {
		struct step s = next_step(&p);

		switch (s.kind) {
		case STEP_END:
			return d;
		case STEP_FIELD:
			d = doc_get(d, s.field);
			break;
		case STEP_INDEX:
			if (s.index < 0)
				s.index += (int64_t)doc_len(d);
			d = s.index < 0 ? NULL : doc_at(d, (size_t)s.index);
			break;
		case STEP_ALL:
		case STEP_FILTER:
			return walk_children(d, &s, p);
		case STEP_BAD:
			return NULL;
		}
	}
	return NULL;
}

/* Printer columns may stand in braces: {.spec.x}. */
static const char *unwrap(const char *path, char *buf, size_t room)
{
	size_t n = strlen(path);

	if (n >= 2 && path[0] == '{' && path[n - 1] == '}' && copy(buf, room, path + 1, n - 2))
		return buf;
	return path;
}

const struct doc *jsonpath_first(const struct doc *root, const char *path)
{
	char buf[JSONPATH_MAX_BYTES];

	if (!path || strlen(path) >= JSONPATH_MAX_BYTES)
		return NULL;
	return walk(root, unwrap(path, buf, sizeof(buf)));
}

int jsonpath_check(const char *path, struct error *err)
{
	char buf[JSONPATH_MAX_BYTES];
	const char *p;
	struct step s;

	if (strlen(path) >= JSONPATH_MAX_BYTES)
		return error_set(err, -EINVAL, "a JSONPath is longer than %d bytes",
				 JSONPATH_MAX_BYTES);
	p = unwrap(path, buf, sizeof(buf));
	do {
		s = next_step(&p);
		if (s.kind == STEP_BAD)
			return error_set(err, -EINVAL,
					 "JSONPath \"%.200s\" cannot be read at \"%.40s\"", path,
					 p);
	} while (s.kind != STEP_END);
	return 0;
}
