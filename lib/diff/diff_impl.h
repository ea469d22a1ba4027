/* SPDX-License-Identifier: Apache-2.0 */
/* lib/diff/diff_impl.h - what the files of this folder share and nobody else needs. */
#pragma once

#include "lib/base/map.h"
#include "lib/diff/diff.h"
#include "lib/diff/fields.h"

/* Where kubectl apply notes what it applied. */
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* A list by its items' merge keys. */
struct keyed {
	size_t n;
	struct doc **items;
	const struct doc **keys; /* a map of the keys, or the item itself in a set */
	const char **texts;      /* the keys as one word, unique in the list */
	struct map index;        /* text -> &items[i] */
};
/*
 * False (and *ret untouched) when list is no list, an item lacks its keys or two have the same: it
 * is then one value. NULL is an empty list.
 */
bool keyed_read(struct arena *a, const struct list_rule *rule, const struct doc *list,
		struct keyed *ret);
void keyed_release(struct keyed *k);
/* NULL when there is none. */
struct doc *keyed_get(const struct keyed *k, const char *text);
/* The keys of one item and their word; NULL without. */
const struct doc *item_keys(struct arena *a, const struct list_rule *rule, struct doc *item);
const char *keys_text(struct arena *a, const struct doc *keys);

/* What is known of the object at hand. */
struct sameness {
	struct arena *arena;
	const char *kind;
	bool drops_zeroes;
};
/* d says nothing at that place: absent, or the zero of its type where the server drops it. */
bool says_nothing(const struct sameness *s, const struct diff_path *path, const struct doc *d);
/*
 * Whether y holds all that x says; what y says beyond it counts only with exact. Both may be NULL.
 */
bool holds(const struct sameness *s, const struct diff_path *path, const struct doc *x,
	   const struct doc *y, bool exact);
