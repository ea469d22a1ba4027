/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/table.h"

#include "deploy/lab/apiserver/jsonpath.h"
#include "deploy/lab/apiserver/when.h"
#include "lib/base/str.h"

struct doc *cell_name(const struct cell *c)
{
	return doc_string(c->arena, doc_find_str(c->object, "metadata.name"));
}

struct doc *cell_age(const struct cell *c)
{
	return doc_string(c->arena,
			  when_age(c->arena, doc_find_str(c->object, "metadata.creationTimestamp"),
				   c->now_s));
}

/* Structures in a cell are shown as JSON; a date as an age. */
struct doc *cell_json_path(const struct cell *c)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const struct doc *v = jsonpath_first(c->object, c->column->path);

	if (!v || v->kind == DOC_NULL)
		return doc_null(c->arena);
	if (str_eq(c->column->type, "date"))
		return doc_string(c->arena, when_age(c->arena, doc_str(v), c->now_s));
	if (v->kind != DOC_LIST && v->kind != DOC_MAP)
		return doc_clone(c->arena, v);
	doc_write_json(v, DOC_COMPACT, &sb);
	return doc_string(c->arena, strbuf_cstr(&sb));
}

static const struct column plain_items[] = {
	{"Name", "string", "name", "Name must be unique within a namespace.", 0, cell_name, NULL},
	{"Age", "string", "", "Time since the object was created.", 0, cell_age, NULL},
};

static const struct column_list plain_columns = {plain_items, ARRAY_SIZE(plain_items)};

static const struct column_list *columns_of(const struct resource *res)
{
	return res->columns ? res->columns : &plain_columns;
}

static void add_definitions(struct arena *a, struct doc *table, const struct resource *res)
{
	struct doc *list = doc_set_list(a, table, "columnDefinitions");
	const struct column_list *columns = columns_of(res);

	for (size_t i = 0; i < columns->n; i++) {
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_string(a, d, "name", columns->items[i].name);
		doc_set_string(a, d, "type",
			       str_eq(columns->items[i].type, "date") ? "string"
								      : columns->items[i].type);
		doc_set_string(a, d, "format", str_or_empty(columns->items[i].format));
		doc_set_string(a, d, "description", str_or_empty(columns->items[i].description));
		doc_set_int(a, d, "priority", columns->items[i].priority);
	}
}

struct doc *table_new(struct arena *a, const struct resource *res, bool with_columns)
{
	struct doc *table = doc_map(a);

	doc_set_string(a, table, "kind", "Table");
	doc_set_string(a, table, "apiVersion", "meta.k8s.io/v1");
	doc_set_map(a, table, "metadata");
	if (with_columns)
		add_definitions(a, table, res);
	else
		doc_set(a, table, "columnDefinitions", doc_null(a));
	doc_set_list(a, table, "rows");
	return table;
}

struct doc *partial_metadata(struct arena *a, const struct doc *object)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "kind", "PartialObjectMetadata");
	doc_set_string(a, d, "apiVersion", "meta.k8s.io/v1");
	doc_set(a, d, "metadata", doc_clone(a, doc_get(object, "metadata")));
	return d;
}

void table_add_row(struct arena *a, struct doc *table, const struct resource *res,
		   const struct doc *object, enum table_include include, int64_t now_s)
{
	struct doc *row = doc_append(a, doc_get(table, "rows"), doc_map(a));
	struct doc *cells = doc_set_list(a, row, "cells");
	const struct column_list *columns = columns_of(res);

	for (size_t i = 0; i < columns->n; i++) {
		struct cell c = {a, object, now_s, &columns->items[i]};

		doc_append(a, cells, columns->items[i].cell(&c));
	}
	if (include == TABLE_METADATA)
		doc_set(a, row, "object", partial_metadata(a, object));
	else if (include == TABLE_OBJECT)
		doc_set(a, row, "object", doc_clone(a, object));
}
