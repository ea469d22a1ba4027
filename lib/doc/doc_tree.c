/* SPDX-License-Identifier: Apache-2.0 */
/* Whole trees: copies, equality, canonical order. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

static void clone_list(struct arena *a, struct doc *c, const struct doc *d)
{
	c->list.n = c->list.cap = d->list.n;
	c->list.items = d->list.n ? arena_array(a, d->list.n, struct doc *) : NULL;
	for (size_t i = 0; i < d->list.n; i++)
		c->list.items[i] = doc_clone(a, d->list.items[i]);
}

static void clone_map(struct arena *a, struct doc *c, const struct doc *d)
{
	c->map.n = c->map.cap = d->map.n;
	c->map.entries = d->map.n ? arena_array(a, d->map.n, struct doc_entry) : NULL;
	for (size_t i = 0; i < d->map.n; i++) {
		c->map.entries[i].key = arena_strdup(a, d->map.entries[i].key);
		c->map.entries[i].value = doc_clone(a, d->map.entries[i].value);
	}
}

struct doc *doc_clone(struct arena *a, const struct doc *d)
{
	struct doc *c;

	if (!d)
		return NULL;
	c = arena_memdup(a, d, sizeof(*d));
	c->file = arena_strdup(a, d->file);
	if (d->kind == DOC_STRING)
		c->string = arena_strdup(a, d->string);
	else if (d->kind == DOC_LIST)
		clone_list(a, c, d);
	else if (d->kind == DOC_MAP)
		clone_map(a, c, d);
	return c;
}

static int cmp_entry(const void *a, const void *b)
{
	const struct doc_entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* A malloc'ed copy of the entries, sorted by key. */
static struct doc_entry *sorted_entries(const struct doc *map)
{
	struct doc_entry *e = xreallocarray(NULL, map->map.n + 1, sizeof(*e));

	if (map->map.n) {
		memcpy(e, map->map.entries, map->map.n * sizeof(*e));
		qsort(e, map->map.n, sizeof(*e), cmp_entry);
	}
	return e;
}

const struct doc_entry *doc_first_duplicate(const struct doc *map)
{
	auto_free struct doc_entry *e = sorted_entries(map);

	for (size_t i = 1; i < map->map.n; i++) {
		if (strcmp(e[i - 1].key, e[i].key) != 0)
			continue;
		/* Point into the map, at the later of the two. */
		for (size_t j = map->map.n; j-- > 0;)
			if (strcmp(map->map.entries[j].key, e[i].key) == 0)
				return &map->map.entries[j];
	}
	return NULL;
}

static bool equal_lists(const struct doc *a, const struct doc *b)
{
	if (a->list.n != b->list.n)
		return false;
	for (size_t i = 0; i < a->list.n; i++)
		if (!doc_equal(a->list.items[i], b->list.items[i]))
			return false;
	return true;
}

static bool equal_maps(const struct doc *a, const struct doc *b)
{
	auto_free struct doc_entry *x = NULL;
	auto_free struct doc_entry *y = NULL;

	if (a->map.n != b->map.n)
		return false;
	x = sorted_entries(a);
	y = sorted_entries(b);
	for (size_t i = 0; i < a->map.n; i++)
		if (strcmp(x[i].key, y[i].key) != 0 || !doc_equal(x[i].value, y[i].value))
			return false;
	return true;
}

static bool equal_numbers(const struct doc *a, const struct doc *b)
{
	if (a->kind == DOC_INT && b->kind == DOC_INT)
		return a->integer == b->integer;
	if (a->kind == DOC_REAL && b->kind == DOC_REAL)
		return !(a->real < b->real) && !(a->real > b->real);
	if (a->kind == DOC_REAL)
		return equal_numbers(b, a);
	/* Exact: 2^63 as a double is one past INT64_MAX. */
	return b->real >= -0x1p63 && b->real < 0x1p63 && a->integer == (int64_t)b->real &&
	       !((double)(int64_t)b->real < b->real) && !((double)(int64_t)b->real > b->real);
}

static bool is_number(const struct doc *d)
{
	return d->kind == DOC_INT || d->kind == DOC_REAL;
}

bool doc_equal(const struct doc *a, const struct doc *b)
{
	if (!a || !b)
		return a == b;
	if (is_number(a) && is_number(b))
		return equal_numbers(a, b);
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case DOC_BOOL:
		return a->boolean == b->boolean;
	case DOC_STRING:
		return strcmp(a->string, b->string) == 0;
	case DOC_LIST:
		return equal_lists(a, b);
	case DOC_MAP:
		return equal_maps(a, b);
	case DOC_NULL:
	case DOC_INT:
	case DOC_REAL:
		break;
	}
	return true;
}

void doc_sort_keys(struct doc *d)
{
	if (!d)
		return;
	doc_foreach_item (d, item)
		doc_sort_keys(item);
	doc_foreach_entry (d, e)
		doc_sort_keys(e->value);
	if (d->kind == DOC_MAP && d->map.n > 1)
		qsort(d->map.entries, d->map.n, sizeof(*d->map.entries), cmp_entry);
}

const char *doc_kind_name(enum doc_kind kind)
{
	static const char *const names[] = {
		[DOC_NULL] = "null",   [DOC_BOOL] = "boolean",  [DOC_INT] = "integer",
		[DOC_REAL] = "number", [DOC_STRING] = "string", [DOC_LIST] = "list",
		[DOC_MAP] = "map",
	};

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

const char *doc_where(struct arena *a, const struct doc *d)
{
	if (!d || !d->file)
		return "";
	if (!d->line)
		return arena_strdup(a, d->file);
	return arena_printf(a, "%s:%u:%u", d->file, d->line, d->col);
}
