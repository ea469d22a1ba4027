/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/doc/doc.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

struct doc *doc_node(struct arena *a, enum doc_kind kind)
{
	struct doc *d = arena_new(a, struct doc);

	d->kind = kind;
	return d;
}

struct doc *doc_null(struct arena *a)
{
	return doc_node(a, DOC_NULL);
}

struct doc *doc_bool(struct arena *a, bool v)
{
	struct doc *d = doc_node(a, DOC_BOOL);

	d->boolean = v;
	return d;
}

struct doc *doc_int(struct arena *a, int64_t v)
{
	struct doc *d = doc_node(a, DOC_INT);

	d->integer = v;
	return d;
}

struct doc *doc_real(struct arena *a, double v)
{
	struct doc *d = doc_node(a, DOC_REAL);

	d->real = v;
	return d;
}

struct doc *doc_string(struct arena *a, const char *s)
{
	struct doc *d = doc_node(a, s ? DOC_STRING : DOC_NULL);

	if (s)
		d->string = arena_strdup(a, s);
	return d;
}

struct doc *doc_stringf(struct arena *a, const char *fmt, ...)
{
	struct doc *d = doc_node(a, DOC_STRING);
	va_list ap;

	va_start(ap, fmt);
	d->string = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return d;
}

struct doc *doc_list(struct arena *a)
{
	return doc_node(a, DOC_LIST);
}

struct doc *doc_map(struct arena *a)
{
	return doc_node(a, DOC_MAP);
}

void doc_map_push(struct arena *a, struct doc *map, const char *key, struct doc *value)
{
	if (map->map.n == map->map.cap) {
		const size_t cap = map->map.cap ? map->map.cap * 2 : 4;
		struct doc_entry *grown = arena_array(a, cap, struct doc_entry);

		if (map->map.n)
			memcpy(grown, map->map.entries, map->map.n * sizeof(*grown));
		map->map.entries = grown;
		map->map.cap = cap;
	}
	map->map.entries[map->map.n++] = (struct doc_entry){key, value};
}

static struct doc_entry *find_entry(const struct doc *map, const char *key, size_t n)
{
	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (size_t i = 0; i < map->map.n; i++) {
		const char *k = map->map.entries[i].key;

		if (strncmp(k, key, n) == 0 && k[n] == '\0')
			return &map->map.entries[i];
	}
	return NULL;
}

struct doc *doc_set(struct arena *a, struct doc *map, const char *key, struct doc *value)
{
	struct doc_entry *e;

	if (!map || map->kind != DOC_MAP)
		return value;
	e = find_entry(map, key, strlen(key));
	if (e)
		e->value = value;
	else
		doc_map_push(a, map, arena_strdup(a, key), value);
	return value;
}

void doc_set_string(struct arena *a, struct doc *map, const char *key, const char *s)
{
	if (s)
		doc_set(a, map, key, doc_string(a, s));
}

void doc_set_int(struct arena *a, struct doc *map, const char *key, int64_t v)
{
	doc_set(a, map, key, doc_int(a, v));
}

void doc_set_bool(struct arena *a, struct doc *map, const char *key, bool v)
{
	doc_set(a, map, key, doc_bool(a, v));
}

void doc_setf(struct arena *a, struct doc *map, const char *key, const char *fmt, ...)
{
	struct doc *d = doc_node(a, DOC_STRING);
	va_list ap;

	va_start(ap, fmt);
	d->string = arena_vprintf(a, fmt, ap);
	va_end(ap);
	doc_set(a, map, key, d);
}

static struct doc *set_kind(struct arena *a, struct doc *map, const char *key, enum doc_kind kind)
{
	struct doc *have = doc_get(map, key);

	return have && have->kind == kind ? have : doc_set(a, map, key, doc_node(a, kind));
}

struct doc *doc_set_map(struct arena *a, struct doc *map, const char *key)
{
	return set_kind(a, map, key, DOC_MAP);
}

struct doc *doc_set_list(struct arena *a, struct doc *map, const char *key)
{
	return set_kind(a, map, key, DOC_LIST);
}

void doc_del(struct doc *map, const char *key)
{
	struct doc_entry *e = find_entry(map, key, strlen(key));

	if (!e)
		return;
	memmove(e, e + 1, (size_t)(map->map.entries + map->map.n - e - 1) * sizeof(*e));
	map->map.n--;
}

struct doc *doc_append(struct arena *a, struct doc *list, struct doc *value)
{
	if (!list || list->kind != DOC_LIST)
		return value;
	if (list->list.n == list->list.cap) {
		const size_t cap = list->list.cap ? list->list.cap * 2 : 4;
		struct doc **grown = arena_array(a, cap, struct doc *);

		if (list->list.n)
			memcpy(grown, list->list.items, list->list.n * sizeof(struct doc *));
		list->list.items = grown;
		list->list.cap = cap;
	}
	list->list.items[list->list.n++] = value;
	return value;
}

void doc_remove_at(struct doc *list, size_t i)
{
	if (!list || list->kind != DOC_LIST || i >= list->list.n)
		return;
	memmove(&list->list.items[i], &list->list.items[i + 1],
		(list->list.n - i - 1) * sizeof(struct doc *));
	list->list.n--;
}

struct doc *doc_get_n(const struct doc *map, const char *key, size_t n)
{
	const struct doc_entry *e = find_entry(map, key, n);

	return e ? e->value : NULL;
}

struct doc *doc_get(const struct doc *map, const char *key)
{
	return doc_get_n(map, key, strlen(key));
}

struct doc *doc_at(const struct doc *list, size_t i)
{
	return list && list->kind == DOC_LIST && i < list->list.n ? list->list.items[i] : NULL;
}

size_t doc_len(const struct doc *d)
{
	if (!d)
		return 0;
	if (d->kind == DOC_LIST)
		return d->list.n;
	return d->kind == DOC_MAP ? d->map.n : 0;
}

const char *doc_str(const struct doc *d)
{
	return d && d->kind == DOC_STRING ? d->string : NULL;
}

int64_t doc_int_or(const struct doc *d, int64_t fallback)
{
	return d && d->kind == DOC_INT ? d->integer : fallback;
}

bool doc_bool_or(const struct doc *d, bool fallback)
{
	return d && d->kind == DOC_BOOL ? d->boolean : fallback;
}
