/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/diff/path.h - where in an object something is, in words that survive a list's reordering.
 *
 * spec.template.spec.containers[name=app].ports[containerPort=80,protocol=TCP].hostPort: an item of
 * a list is named by its merge keys where the list has some, by itself in a set of words
 * (finalizers[=example.org/keep]), and by its number where a list is replaced as one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/doc/doc.h"

enum diff_part {
	PART_FIELD, /* .field */
	PART_KEYS,  /* [name=app]: the item whose keys have these values */
	PART_VALUE, /* [=value]: the item that is this value */
	PART_INDEX, /* [3] */
};

/* One part, with the way to it; NULL is the object itself. In an arena, shared by siblings. */
struct diff_path {
	const struct diff_path *up;
	enum diff_part part;
	const char *field;
	const struct doc *keys; /* PART_KEYS: a map of the merge keys; PART_VALUE: the value */
	size_t index;
};

struct diff_path *diff_path_field(struct arena *a, const struct diff_path *up, const char *field);
struct diff_path *diff_path_index(struct arena *a, const struct diff_path *up, size_t index);
/* keys is borrowed: a map for PART_KEYS, any scalar for PART_VALUE. */
struct diff_path *diff_path_item(struct arena *a, const struct diff_path *up,
				 const struct doc *keys);
/* As above; "" for the object itself. In the arena. */
const char *diff_path_text(struct arena *a, const struct diff_path *path);
/*
 * Whether the fields of path end with pattern's: "containers.ports" fits
 * spec.template.spec.containers[name=app].ports. Items of lists do not count; '*' is any one field;
 * a leading '^' means from the top: "^spec.replicas"; "**" at the end is everything below.
 */
bool diff_path_fits(const struct diff_path *path, const char *pattern);
