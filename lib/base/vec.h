/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/vec.h - a typed growing array: VEC(int) v = VEC_INIT; vec_push(&v, 7); v.items[0].
 *
 * Items move when the vector grows, so do not keep pointers into one that still grows.
 * vec_release frees the array, not what its items point to.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t n, cap;                                                                     \
	}
#define VEC_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

#define vec_reserve(v, want)                                                                       \
	do {                                                                                       \
		size_t vec_want = (want);                                                          \
		if (vec_want > (v)->cap) {                                                         \
			(v)->cap = MAX(vec_want, (v)->cap ? (v)->cap * 2 : 8);                     \
			(v)->items = xreallocarray((v)->items, (v)->cap, sizeof(*(v)->items));     \
		}                                                                                  \
	} while (0)
#define vec_push(v, item)                                                                          \
	do {                                                                                       \
		vec_reserve(v, (v)->n + 1);                                                        \
		(v)->items[(v)->n++] = (item);                                                     \
	} while (0)
/* Appends a zeroed item and yields its address. */
#define vec_add(v)                                                                                 \
	({                                                                                         \
		vec_reserve(v, (v)->n + 1);                                                        \
		memset(&(v)->items[(v)->n], 0, sizeof(*(v)->items));                               \
		&(v)->items[(v)->n++];                                                             \
	})
/* Removes item i, keeping the order. */
#define vec_remove(v, i)                                                                           \
	do {                                                                                       \
		size_t vec_i = (i);                                                                \
		memmove(&(v)->items[vec_i], &(v)->items[vec_i + 1],                                \
			((v)->n - vec_i - 1) * sizeof(*(v)->items));                               \
		(v)->n--;                                                                          \
	} while (0)
#define vec_clear(v) ((v)->n = 0)
#define vec_release(v)                                                                             \
	do {                                                                                       \
		free((v)->items);                                                                  \
		(v)->items = NULL;                                                                 \
		(v)->n = (v)->cap = 0;                                                             \
	} while (0)
#define vec_foreach(v, it)                                                                         \
	for (__typeof__(*(v)->items) *it = (v)->items; it && it < (v)->items + (v)->n; it++)
#define vec_sort(v, cmp)                                                                           \
	do {                                                                                       \
		if ((v)->n > 1)                                                                    \
			qsort((v)->items, (v)->n, sizeof(*(v)->items), (cmp));                     \
	} while (0)
