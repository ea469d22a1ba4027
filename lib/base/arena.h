/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/arena.h - memory that is freed all at once.
 *
 * A parsed document, a decoded snapshot, a compiled policy each live in one arena; the strings in
 * them are `const char *` into it and one arena_release() ends them all. Nothing in an arena is
 * freed alone. Chunks never move, so pointers stay valid until release or clear.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/macros.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head; /* newest first */
	size_t used;              /* bytes handed out, for limits and statistics */
};
#define ARENA_INIT                                                                                 \
	{                                                                                          \
		NULL, 0                                                                            \
	}

void arena_init(struct arena *a);
/* Frees everything; a is empty and usable again. */
void arena_release(struct arena *a);

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, n, type) ((type *)arena_alloc_array((a), (n), sizeof(type)))
void *arena_alloc_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));

/* Copies; NULL in, NULL out. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
void *arena_memdup(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3)
	__attribute__((returns_nonnull));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF_LIKE(2, 0)
	__attribute__((returns_nonnull));
