/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/snapshot.h - the objects of a cluster in memory, on disk, and found again by key.
 *
 * Every tool that reads a cluster also reads a snapshot. On disk it is one document of kind
 * "SidestepSnapshot" (JSON) with an `items` list; a plain Kubernetes List, or a stream of manifests
 * (files or a folder of them), is accepted as well. Secrets are redacted when a snapshot is
 * written: names of keys stay, values go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/doc/doc.h"
#include "lib/object/kinds.h"

struct snapshot {
	struct arena *arena; /* borrowed; owns the documents */
	struct doc **items;  /* every object, in order of addition */
	size_t n, cap;
	const char *default_namespace; /* of manifests that name none; NULL = "default" */
};

/* More objects than this in one snapshot is an error. */
#define SNAPSHOT_MAX_OBJECTS 200000u

void snapshot_init(struct snapshot *s, struct arena *a);
void snapshot_release(struct snapshot *s);
/*
 * Adds an object, or its items when it is a List (of any kind). One of a namespaced kind that names
 * no namespace is put into the default one, as kubectl would.
 */
int snapshot_add(struct snapshot *s, struct doc *object, struct error *err);
/* A file, "-" or a folder (its *.yaml, *.yml and *.json, sorted by name, not recursive). */
int snapshot_read(struct snapshot *s, const char *path, struct error *err);
/*
 * For manifests that somebody wrote: a namespace that objects live in exists. What is made here
 * carries the label SNAPSHOT_ASSUMED, for nobody knows the labels of the real one.
 */
#define SNAPSHOT_ASSUMED "sidestep.dev/assumed"
void snapshot_complete(struct snapshot *s);
/* Atomically; objects sorted by group, kind, namespace and name. */
int snapshot_write(const struct snapshot *s, const char *path, struct error *err);

/* NULL when there is none. namespace is ignored for cluster-scoped kinds; NULL means "default". */
struct doc *snapshot_find(const struct snapshot *s, const struct object_kind *k,
			  const char *namespace, const char *name);

/* The row of d's apiVersion and kind; NULL when it is not in the table. */
const struct object_kind *object_kind_of(const struct doc *d);
/* Whether d is of kind k (group and kind; the version is not compared). */
bool object_is(const struct doc *d, const struct object_kind *k);
#define snapshot_foreach(s, k, d)                                                                  \
	for (size_t d##_i = 0; d##_i < (s)->n; d##_i++)                                            \
		for (struct doc *d = object_is((s)->items[d##_i], (k)) ? (s)->items[d##_i] : NULL; \
		     d; d = NULL)
