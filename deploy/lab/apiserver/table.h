/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - meta.k8s.io/v1 Table: what kubectl get shows. The columns of the built-in kinds are in
 * columns.c, those of custom resources come from their CRD.
 */
#pragma once

#include "deploy/lab/apiserver/resource.h"

struct cell {
	struct arena *arena;
	const struct doc *object;
	int64_t now_s;
	const struct column *column;
};

struct column {
	const char *name, *type, *format, *description;
	int priority; /* above 0: only with -o wide */
	struct doc *(*cell)(const struct cell *c);
	const char *path; /* for cells that read a path */
};

struct column_list {
	const struct column *items;
	size_t n;
};

enum table_include { TABLE_METADATA, TABLE_OBJECT, TABLE_NONE };

/* A Table without rows. */
struct doc *table_new(struct arena *a, const struct resource *res, bool with_columns);
void table_add_row(struct arena *a, struct doc *table, const struct resource *res,
		   const struct doc *object, enum table_include include, int64_t now_s);
/* The object as PartialObjectMetadata: type, metadata. */
struct doc *partial_metadata(struct arena *a, const struct doc *object);

/* Cells that columns.c and crd.c share. */
struct doc *cell_name(const struct cell *c);
struct doc *cell_age(const struct cell *c);
/* The first value at .path (JSONPath of printer columns); null when absent. */
struct doc *cell_json_path(const struct cell *c);
