/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/map.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define uthash_fatal(msg) abort()
/* uthash's own default falls through switch labels in a way that clang warns about. */
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)str_hash((key), (len), STR_HASH_SEED))
#include <uthash.h>

struct map_entry {
	char *key;
	void *value;
	UT_hash_handle hh;
};

void map_init(struct map *m)
{
	m->head = NULL;
}

void map_release(struct map *m)
{
	struct map_entry *e, *next;

	HASH_ITER(hh, m->head, e, next)
	{
		HASH_DEL(m->head, e);
		free(e->key);
		free(e);
	}
}

struct map_entry *map_find(const struct map *m, const char *key)
{
	struct map_entry *e;

	HASH_FIND_STR(m->head, key, e);
	return e;
}

void *map_get(const struct map *m, const char *key)
{
	struct map_entry *e = map_find(m, key);

	return e ? e->value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	return map_find(m, key) != NULL;
}

void *map_set(struct map *m, const char *key, void *value)
{
	struct map_entry *e = map_find(m, key);
	void *old;

	if (e) {
		old = e->value;
		e->value = value;
		return old;
	}
	e = xcalloc(1, sizeof(*e));
	e->key = xstrdup(key);
	e->value = value;
	HASH_ADD_KEYPTR(hh, m->head, e->key, strlen(e->key), e);
	return NULL;
}

void *map_del(struct map *m, const char *key)
{
	struct map_entry *e = map_find(m, key);
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	HASH_DEL(m->head, e);
	free(e->key);
	free(e);
	return value;
}

size_t map_count(const struct map *m)
{
	return HASH_COUNT(m->head);
}

struct map_entry *map_first(const struct map *m)
{
	return m->head;
}

struct map_entry *map_next(const struct map_entry *e)
{
	return e->hh.next;
}

const char *map_key(const struct map_entry *e)
{
	return e->key;
}

void *map_value(const struct map_entry *e)
{
	return e->value;
}
