/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector.h - label selectors (the query's text and the API's object) and field selectors.
 *
 * Everything lives in the arena given; an empty selector matches everything.
 */
#pragma once

#include <stdbool.h>

#include "lib/doc/doc.h"

#define SELECTOR_MAX_BYTES        16384
#define SELECTOR_MAX_REQUIREMENTS 256

enum selector_op {
	SELECTOR_IN,
	SELECTOR_NOT_IN,
	SELECTOR_EXISTS,
	SELECTOR_ABSENT,
	SELECTOR_GREATER,
	SELECTOR_LESS,
};

struct requirement {
	const char *key;
	enum selector_op op;
	const char **values;
	size_t n_values;
};

struct selector {
	struct requirement *items;
	size_t n;
};

/* "a=b,c!=d,e in (f,g),h,!i,j>3". NULL and "" match everything. -EINVAL, -E2BIG. */
int selector_parse(struct arena *a, const char *text, struct selector *ret, struct error *err);
/* A LabelSelector: matchLabels and matchExpressions. {} matches everything; so does NULL here. */
int selector_from_doc(struct arena *a, const struct doc *d, struct selector *ret,
		      struct error *err);
/* labels is a map of strings, or NULL. */
bool selector_matches(const struct selector *s, const struct doc *labels);

/* "metadata.name=a,status.phase!=Running": requirements are IN or NOT_IN with one value. */
int field_selector_parse(struct arena *a, const char *text, struct selector *ret,
			 struct error *err);
bool field_selector_matches(const struct selector *s, const struct doc *object);
/* The value the selector pins key to, or NULL. */
const char *field_selector_exact(const struct selector *s, const char *key);
