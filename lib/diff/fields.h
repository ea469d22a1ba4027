/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/diff/fields.h - what must be known of the fields of Kubernetes objects to compare two.
 *
 * Tables, each row with a kind ("*" for any) and a pattern of diff_path_fits(): which lists have
 * merge keys, which strings are quantities or durations, which zero is not the same as nothing,
 * what a server fills in, and which fields belong to somebody else whatever a manifest says.
 * Sources: the patchMergeKey and listMapKey marks, defaults and `omitempty` of k8s.io/api.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/diff/path.h"

enum list_kind {
	LIST_ATOMIC, /* one value; its items are compared by number when there are as many */
	LIST_KEYED,  /* items are maps, known by their merge keys; others may add theirs */
	LIST_SET,    /* items are words; order is nothing */
};
#define LIST_MAX_KEYS 3
struct list_rule {
	const char *kind, *pattern;
	enum list_kind list;
	bool ordered; /* the order means something (init containers) */
	const char *keys[LIST_MAX_KEYS];
	const char *defaults[LIST_MAX_KEYS]; /* of an absent key; NULL = the key must be there */
};

enum value_kind {
	VALUE_PLAIN,
	VALUE_QUANTITY, /* 1000m is 1, 1024Mi is 1Gi */
	VALUE_DURATION, /* 60s is 1m */
	VALUE_TEXT,     /* a string on the server, whatever YAML made of it: true is "true" */
};

/* Why a difference is not ours to mend. */
enum theirs_when {
	THEIRS_SCALED,  /* somebody wrote it through /scale, or an autoscaler targets the object */
	THEIRS_MANAGED, /* it is not what was applied, and not ours or nobody can tell whose */
	THEIRS_AGGREGATED, /* a controller gathers it: the object has an aggregationRule */
	THEIRS_ALLOCATED,  /* the manifest leaves it empty: the server chooses */
};

struct field_rule {
	const char *kind, *pattern;
	int what;          /* of the table */
	const char *value; /* a default, as JSON */
};

/* The rows for a list there; LIST_ATOMIC when nothing else is said. Never NULL. */
const struct list_rule *field_list(const char *kind, const struct diff_path *path);
enum value_kind field_value(const char *kind, const struct diff_path *path);
/* A field that says the zero of its type says something else than an absent one; number: it is a
 * number or a boolean. */
bool field_zero_counts(const char *kind, const struct diff_path *path, bool number);
/* Kinds whose servers drop the zeroes of their types when they store (all but custom resources). */
bool field_drops_zeroes(const char *api_version);
/* A map that many write into (labels, data): of one that a manifest drops, others' entries stay. */
bool field_shared_map(const struct diff_path *path);
/* What the server fills in where nothing is said, as JSON; NULL when we do not know of it. */
const char *field_default(const char *kind, const struct diff_path *path);
/* The row that says a field may be somebody else's (what: enum theirs_when), or NULL. */
const struct field_rule *field_theirs(const char *kind, const struct diff_path *path);

/*
 * Whether two scalars mean the same to whoever reads a field of that kind. Nodes of other kinds are
 * compared by doc_equal().
 */
bool field_value_same(enum value_kind kind, const struct doc *a, const struct doc *b);
