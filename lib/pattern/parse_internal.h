/* SPDX-License-Identifier: Apache-2.0 */
/* lib/pattern/parse_internal.h - what the two halves of the parser share. Used by parse*.c. */
#pragma once

#include "lib/pattern/pattern_internal.h"

struct parser {
	struct arena *a;
	const char *text, *at, *end;
	struct error *err;
	unsigned depth;
	bool fold, dot_all; /* flags i and s, as they stand here */
	bool quoted;        /* within \Q...\E */
};

/* Why, with the place. Returns code. */
int parse_refuse(struct parser *p, int code, const char *why);
struct tree *parse_node(struct parser *p, enum tree_kind kind, struct tree *left,
			struct tree *right);
bool parse_next_is(const struct parser *p, const char *s);
/* Reads s when it is next. */
bool parse_skip(struct parser *p, const char *s);

/* Of a set, which is released. */
struct tree *parse_set_tree(struct parser *p, struct set *s);
int parse_one_rune(struct parser *p, uint32_t rune, struct tree **ret);
int parse_literal_rune(struct parser *p, uint32_t *ret);
/* A single character behind a backslash, which is read. */
int parse_escaped_rune(struct parser *p, uint32_t *ret);
/* \d and its kind: 1 when it was one. */
int parse_perl_class(struct parser *p, struct set *to);
/* Behind "[". */
int parse_class(struct parser *p, struct tree **ret);
