/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/meta.h - what every object has, and how a document becomes a struct.
 *
 * Every top-level object of this library begins with `struct object_meta meta`. Strings point into
 * the arena (or the document's arena, which must live as long). meta.raw keeps the document, so
 * what the struct does not name is never lost.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/doc/bind.h"
#include "lib/object/selector.h"

struct owner_reference {
	const char *api_version, *kind, *name, *uid;
	bool controller;
};

struct object_meta {
	const char *api_version, *kind;
	const char *name;
	const char *generate_name;
	const char *namespace; /* NULL for cluster-scoped objects */
	const char *uid;
	const char *resource_version;
	int64_t generation;
	const char *creation_timestamp;
	const char *deletion_timestamp; /* set: the object is going away */
	struct opt_int deletion_grace_seconds;
	struct strmap labels;
	struct strmap annotations;
	struct strings finalizers;
	struct owner_reference *owners;
	size_t n_owners;
	const struct doc *raw; /* the whole document; set by object_decode */
};

struct condition {
	const char *type, *status, *reason, *message, *last_transition_time;
	int64_t observed_generation;
};

extern const struct bind_table owner_reference_table;
extern const struct bind_table condition_table;

/* The rows of the member `meta`, for the table of a top-level object. */
#define OBJECT_META_ROWS(type)                                                                     \
	BIND(type, meta.api_version, "apiVersion", BIND_STRING, 0),                                \
		BIND(type, meta.kind, "kind", BIND_STRING, 0),                                     \
		BIND(type, meta.name, "metadata.name", BIND_STRING, 0),                            \
		BIND(type, meta.generate_name, "metadata.generateName", BIND_STRING, 0),           \
		BIND(type, meta.namespace, "metadata.namespace", BIND_STRING, 0),                  \
		BIND(type, meta.uid, "metadata.uid", BIND_STRING, 0),                              \
		BIND(type, meta.resource_version, "metadata.resourceVersion", BIND_STRING, 0),     \
		BIND(type, meta.generation, "metadata.generation", BIND_INT64, 0),                 \
		BIND(type, meta.creation_timestamp, "metadata.creationTimestamp", BIND_STRING, 0), \
		BIND(type, meta.deletion_timestamp, "metadata.deletionTimestamp", BIND_STRING, 0), \
		BIND(type, meta.deletion_grace_seconds, "metadata.deletionGracePeriodSeconds",     \
		     BIND_OPT_INT, 0),                                                             \
		BIND(type, meta.labels, "metadata.labels", BIND_STRMAP, 0),                        \
		BIND(type, meta.annotations, "metadata.annotations", BIND_STRMAP, 0),              \
		BIND(type, meta.finalizers, "metadata.finalizers", BIND_STRINGS, 0),               \
	{                                                                                          \
		.path = "metadata.ownerReferences", .kind = BIND_LIST,                             \
		.offset = offsetof(type, meta.owners),                                             \
		.count_offset = offsetof(type, meta.n_owners), .table = &owner_reference_table     \
	}

/* An object of which only the metadata is of interest. */
struct plain_object {
	struct object_meta meta;
};
extern const struct bind_table plain_object_table;

/*
 * Decodes a top-level object whose struct begins with struct object_meta, and sets meta.raw.
 * Unknown fields are allowed (servers know more than we do). Errors as bind_decode, prefixed with
 * kind and name.
 */
int object_decode(struct arena *a, const struct bind_table *table, const struct doc *d, void *out,
		  struct error *err);
/* The same, collecting the unknown fields (metadata and status aside) into *unknown. */
int object_decode_strict(struct arena *a, const struct bind_table *table, const struct doc *d,
			 void *out, struct bind_unknown *unknown, struct error *err);

/* NULL when the object has no such condition. */
const struct condition *condition_find(const struct condition *items, size_t n, const char *type);
/* True when the condition exists with status "True". */
bool condition_true(const struct condition *items, size_t n, const char *type);

/* "namespace/name", or "name" for a cluster-scoped object; in the arena. */
const char *object_key(struct arena *a, const struct object_meta *m);
/* The owner with controller: true, or NULL. */
const struct owner_reference *object_controller(const struct object_meta *m);
