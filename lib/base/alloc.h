/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/alloc.h - allocation that cannot fail: out of memory aborts the process.
 *
 * The kernel keeps forwarding from pinned maps while an agent restarts and every tool resumes from
 * its journal, so a crash costs seconds of control plane, not packets. The other half of the
 * bargain: every foreign input has a named limit (lib/base/limits.h and each library's own).
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/macros.h"

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* Room for n items of size bytes; aborts on overflow of the product. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
/* NULL in, NULL out. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0) __attribute__((returns_nonnull));
