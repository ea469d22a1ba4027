/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/rows.h - rows of one map in memory, sorted by key, and what differs between two.
 */
#pragma once

#include "agent/datapath/maps.h"
#include "lib/base/arena.h"

struct rows {
	enum map_id map;
	size_t key_size, value_size;
	uint8_t *data; /* n times key and value */
	size_t n, cap;
};

void rows_init(struct rows *r, enum map_id map);
void rows_release(struct rows *r);
/* Copies a row; the set is unsorted until rows_sort(). */
void rows_add(struct rows *r, const void *key, const void *value);
void rows_sort(struct rows *r);
/* Everything the kernel has, sorted; an array in the order of its slots. */
int rows_read(struct rows *r, const struct maps *m, struct error *err);
const void *rows_key(const struct rows *r, size_t i);
const void *rows_value(const struct rows *r, size_t i);
/* Value of a key, NULL when absent. Needs a sorted set. */
const void *rows_find(const struct rows *r, const void *key);

/* Calls fn for each row that is not the same in both (sorted) sets: key, what stands in have and in
 * want (NULL: nothing). Stops at the first non-zero return and hands it back. */
int rows_compare(const struct rows *have, const struct rows *want,
		 int (*fn)(void *arg, const void *key, const void *have_value,
			   const void *want_value),
		 void *arg);

/*
 * A difference as one line for people: "service: 10.96.0.1:80/TCP was 01000000..., is absent".
 * Keys as their map has them, values in hexadecimal as `bpftool map dump` prints them.
 */
const char *row_text(struct arena *a, enum map_id map, const void *key, const void *have_value,
		     const void *want_value);
