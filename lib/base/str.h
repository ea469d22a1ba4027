/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/str.h - small questions about C strings. Arguments may be NULL only where it says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/* NULL equals only NULL. */
bool str_eq(const char *a, const char *b);
/* NULL and "" are empty. */
bool str_empty(const char *s);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* NULL sorts before everything; a comparator for qsort of `const char *` is str_cmp_ptr. */
int str_cmp(const char *a, const char *b);
int str_cmp_ptr(const void *a, const void *b);
/* s, or "" for NULL. */
const char *str_or_empty(const char *s);

/* Whole string, decimal, in [min, max]; what names the value in the error. -EINVAL or -ERANGE. */
int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n, const char *what,
	       struct error *err);
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret_n, const char *what,
	       struct error *err);

/* "1h30m", "500ms", "2s", "0" (Go's form, as Kubernetes and Istio write durations). Non-negative,
 * in nanoseconds. -EINVAL. */
int str_to_duration_ns(const char *s, uint64_t *ret_ns, struct error *err);

/* 64-bit FNV-1a; stable across versions, for digests that are compared, not for security. */
uint64_t str_hash(const void *data, size_t n, uint64_t seed);
#define STR_HASH_SEED 0xcbf29ce484222325ULL
