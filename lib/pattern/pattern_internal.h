/* SPDX-License-Identifier: Apache-2.0 */
/* lib/pattern/pattern_internal.h - from an expression's tree to an automaton. Used by lib/pattern.
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/pattern/pattern.h"

#define RUNE_MIN       1u /* no string has a NUL */
#define RUNE_MAX       0x10ffffu
#define SURROGATE_LOW  0xd800u /* to SURROGATE_HIGH: no code points (RFC 3629) */
#define SURROGATE_HIGH 0xdfffu

struct range {
	uint32_t low, high; /* both in it */
};
/* Sorted, apart, not touching, once set_tidy() has seen it. */
struct set {
	VEC(struct range) ranges;
};
void set_add(struct set *s, uint32_t low, uint32_t high);
void set_add_all(struct set *s, const struct set *from);
void set_tidy(struct set *s);
void set_negate(struct set *s); /* of a tidy one; it stays tidy */
void set_release(struct set *s);

enum tree_kind {
	TREE_EMPTY,
	TREE_SET,
	TREE_CAT,
	TREE_ALT,
	TREE_REPEAT,
	TREE_BEGIN, /* only where the text begins */
	TREE_END,   /* only where it ends */
};

struct tree {
	enum tree_kind kind;
	const struct range *ranges; /* TREE_SET: tidy */
	size_t n_ranges;
	struct tree *left, *right; /* REPEAT: left alone */
	uint32_t min, max;         /* REPEAT; max UINT32_MAX: without end */
};

int tree_parse(struct arena *a, const char *expression, struct tree **ret, struct error *err);
/* Thompson's construction, then subsets of it. */
int tree_compile(struct arena *a, const struct tree *t, struct pattern **ret, struct error *err);

/* An automaton as it comes; ret is its one minimal form. Arrays are copied. */
struct pattern *pattern_canonical(struct arena *a, const struct pattern *raw);
/* The range that has this code point. */
uint32_t pattern_range_of(const struct pattern *p, uint32_t rune);

/* The code point at *s, which is moved behind it; UINT32_MAX for NUL and what is no UTF-8 (RFC
 * 3629). */
uint32_t rune_read(const char **s, const char *end);
/* At most 4 bytes; how many. */
size_t rune_write(char *to, uint32_t rune);
/* One that people can read, if the range has one. */
uint32_t rune_of(uint32_t low, uint32_t high);
/* How well one can read it; 0 is best. */
unsigned rune_rank(uint32_t low, uint32_t high);
