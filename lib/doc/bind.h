/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/doc/bind.h - documents to C structs and back, by table.
 *
 * A table reads like the schema: each row names a path, a kind and a member. Decoding allocates in
 * the arena, checks types, ranges and enumerations, reports the place and path of what is wrong,
 * and collects fields that no row names, so that a misspelt field is never silently ignored.
 *
 *   static const struct bind_field port_fields[] = {
 *           BIND(struct service_port, name, "name", BIND_STRING, 0),
 *           BIND_RANGE(struct service_port, port, "port", BIND_INT32, BIND_REQUIRED, 1, 65535),
 *   };
 *   BIND_TABLE(service_port_table, struct service_port, port_fields);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/doc/doc.h"

enum bind_kind {
	BIND_STRING,        /* const char *; NULL when absent */
	BIND_BOOL,          /* bool; false when absent */
	BIND_INT32,         /* int32_t; 0 when absent */
	BIND_INT64,         /* int64_t */
	BIND_REAL,          /* double */
	BIND_OPT_BOOL,      /* struct opt_bool */
	BIND_OPT_INT,       /* struct opt_int */
	BIND_INT_OR_STRING, /* struct int_or_string (Kubernetes IntOrString) */
	BIND_ENUM,          /* int; values from .names, 0 when absent */
	BIND_STRINGS,       /* struct strings */
	BIND_STRMAP,        /* struct strmap: string to string, e.g. labels */
	BIND_DOC,           /* const struct doc *: taken as it is; NULL when absent */
	BIND_STRUCT,        /* nested struct in place, by .table */
	BIND_PTR,           /* nested struct by pointer, NULL when absent, by .table */
	BIND_LIST,          /* T *items and size_t n_items, by .table */
};

struct opt_bool {
	bool set, value;
};
struct opt_int {
	bool set;
	int64_t value;
};
struct int_or_string {
	enum { IOS_ABSENT, IOS_INT, IOS_STRING } kind;
	int64_t number;
	const char *string;
};
struct strings {
	const char **items;
	size_t n;
};
struct strmap_pair {
	const char *key, *value;
};
/* Sorted by key after decoding. */
struct strmap {
	struct strmap_pair *items;
	size_t n;
};
/* NULL when absent. */
const char *strmap_get(const struct strmap *m, const char *key);

enum { BIND_REQUIRED = 1, BIND_NON_EMPTY = 2 /* "" or [] or {} is an error when present */ };

struct bind_table;

struct bind_field {
	const char *path; /* "name", or dotted: "metadata.name" */
	enum bind_kind kind;
	unsigned flags;
	size_t offset;
	size_t count_offset; /* BIND_LIST: of the size_t */
	int64_t min, max;    /* integers; both 0 = any */
	const char *const
		*names; /* BIND_ENUM: index is the value, ends with NULL; NULL row = unused value */
	const struct bind_table *table; /* BIND_STRUCT, BIND_PTR, BIND_LIST */
};

struct bind_table {
	const char *name;
	size_t size;
	const struct bind_field *fields;
	size_t n_fields;
};

#define BIND(type, member, path_, kind_, flags_)                                                   \
	{                                                                                          \
		.path = (path_), .kind = (kind_), .flags = (flags_),                               \
		.offset = offsetof(type, member)                                                   \
	}
#define BIND_RANGE(type, member, path_, kind_, flags_, min_, max_)                                 \
	{                                                                                          \
		.path = (path_), .kind = (kind_), .flags = (flags_),                               \
		.offset = offsetof(type, member), .min = (min_), .max = (max_)                     \
	}
#define BIND_NAMED(type, member, path_, flags_, names_)                                            \
	{                                                                                          \
		.path = (path_), .kind = BIND_ENUM, .flags = (flags_),                             \
		.offset = offsetof(type, member), .names = (names_)                                \
	}
#define BIND_NESTED(type, member, path_, kind_, flags_, table_)                                    \
	{                                                                                          \
		.path = (path_), .kind = (kind_), .flags = (flags_),                               \
		.offset = offsetof(type, member), .table = (table_)                                \
	}
/* The members are `T *member` and `size_t n_##member`. */
#define BIND_ITEMS(type, member, path_, flags_, table_)                                            \
	{                                                                                          \
		.path = (path_), .kind = BIND_LIST, .flags = (flags_),                             \
		.offset = offsetof(type, member), .count_offset = offsetof(type, n_##member),      \
		.table = (table_)                                                                  \
	}
#define BIND_TABLE(name_, type, fields_)                                                           \
	const struct bind_table name_ = {#type, sizeof(type), (fields_), ARRAY_SIZE(fields_)}

/* Fields of the document that no row names, as full paths with places; NULL to not collect. */
struct bind_unknown {
	struct arena *arena;
	struct {
		const char *path;
		const struct doc *node;
	} * items;
	size_t n, cap;
};

/*
 * Fills *out (zeroed first) from node. Strings point into the document's arena. -EINVAL or -ERANGE
 * with "file:line:col: path: what is wrong"; *out is then undefined. prefix ("" or "spec.rules[2]")
 * stands before every path in errors.
 */
int bind_decode(struct arena *a, const struct bind_table *table, const struct doc *node,
		const char *prefix, void *out, struct bind_unknown *unknown, struct error *err);
/* The inverse; absent members make no field. bind_decode(bind_encode(x)) equals x. */
struct doc *bind_encode(struct arena *a, const struct bind_table *table, const void *in);
