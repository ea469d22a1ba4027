/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/strbuf.h - a string that grows.
 *
 * buf is always NUL-terminated once it is there and may hold NUL bytes before len; an empty
 * strbuf has buf == NULL, so print it with strbuf_cstr(). Out of memory aborts.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/macros.h"

struct strbuf {
	char *buf;
	size_t len, cap;
};
#define STRBUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void strbuf_release(struct strbuf *sb);
/* Empties it, keeping the room. */
void strbuf_clear(struct strbuf *sb);
void strbuf_grow(struct strbuf *sb, size_t extra);
void strbuf_add(struct strbuf *sb, const void *data, size_t n);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drops n bytes from the front (what a reader has consumed). */
void strbuf_consume(struct strbuf *sb, size_t n);
/* "" for an empty one. Borrowed until the next change. */
const char *strbuf_cstr(const struct strbuf *sb);
/* Hands the malloc'ed string ("" if empty) to the caller and leaves sb empty. */
char *strbuf_take(struct strbuf *sb);
