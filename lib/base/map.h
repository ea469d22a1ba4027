/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/map.h - strings to pointers, in the order of first insertion.
 *
 * Keys are copied; values are borrowed. Iteration order is insertion order, so output made from a
 * map is stable; sort where insertion order itself is not (hash or network order).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct map_entry;

struct map {
	struct map_entry *head; /* uthash inside map.c */
};
#define MAP_INIT                                                                                   \
	{                                                                                          \
		NULL                                                                               \
	}

void map_init(struct map *m);
/* Frees the map and its keys; values are the caller's. */
void map_release(struct map *m);
/* The value, or NULL when absent. */
void *map_get(const struct map *m, const char *key);
bool map_has(const struct map *m, const char *key);
/* Returns the value that key had before, or NULL. */
void *map_set(struct map *m, const char *key, void *value);
/* Removes key and returns its value, or NULL when it was absent. */
void *map_del(struct map *m, const char *key);
/* The entry of key, to go on from with map_next(); NULL when absent. */
struct map_entry *map_find(const struct map *m, const char *key);
size_t map_count(const struct map *m);

/* Iteration; deleting the entry at hand inside map_foreach is allowed, others not. */
struct map_entry *map_first(const struct map *m);
struct map_entry *map_next(const struct map_entry *e);
const char *map_key(const struct map_entry *e);
void *map_value(const struct map_entry *e);
#define map_foreach(m, e)                                                                          \
	for (struct map_entry *e = map_first(m), *e##_next = e ? map_next(e) : NULL; e;            \
	     e = e##_next, e##_next = e ? map_next(e) : NULL)
