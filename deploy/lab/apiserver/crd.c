/* SPDX-License-Identifier: Apache-2.0 */
/* From a CustomResourceDefinition to rows of the registry. */
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/table.h"
#include "deploy/lab/apiserver/watch.h"
#include "lib/base/str.h"

enum { COLUMNS_MAX = 64 };

static void copy_column(struct arena *a, const struct doc *d, struct column *c)
{
	*c = (struct column){
		.name = arena_strdup(a, str_or_empty(doc_str(doc_get(d, "name")))),
		.type = arena_strdup(a, str_or_empty(doc_str(doc_get(d, "type")))),
		.format = arena_strdup(a, str_or_empty(doc_str(doc_get(d, "format")))),
		.description = arena_strdup(a, str_or_empty(doc_str(doc_get(d, "description")))),
		.priority = (int)MIN(MAX(doc_int_or(doc_get(d, "priority"), 0), 0), 100),
		.cell = cell_json_path,
		.path = arena_strdup(a, str_or_empty(doc_str(doc_get(d, "jsonPath")))),
	};
}

/* The name, then the CRD's own columns; the age when it has none. */
static const struct column_list *columns(struct arena *a, const struct doc *version)
{
	const struct doc *list = doc_get(version, "additionalPrinterColumns");
	size_t n = MIN(doc_len(list), (size_t)COLUMNS_MAX);
	struct column *items = arena_array(a, n + 1, struct column);
	struct column_list *out = arena_new(a, struct column_list);

	if (!n)
		return NULL;
	items[0] = (struct column){"Name", "string", "name", "", 0, cell_name, NULL};
	for (size_t i = 0; i < n; i++)
		copy_column(a, doc_at(list, i), &items[i + 1]);
	*out = (struct column_list){items, n + 1};
	return out;
}

static void set_names(struct arena *a, const struct doc *names, struct resource *row)
{
	const struct doc *shorts = doc_get(names, "shortNames");

	row->kind = arena_strdup(a, str_or_empty(doc_str(doc_get(names, "kind"))));
	row->list_kind = arena_strdup(a, doc_str(doc_get(names, "listKind")));
	row->plural = arena_strdup(a, str_or_empty(doc_str(doc_get(names, "plural"))));
	row->singular = arena_strdup(a, str_or_empty(doc_str(doc_get(names, "singular"))));
	for (size_t i = 0; i < MIN(doc_len(shorts), ARRAY_SIZE(row->short_names) - 1); i++)
		row->short_names[i] = arena_strdup(a, doc_str(doc_at(shorts, i)));
	doc_foreach_item (doc_get(names, "categories"), c)
		row->category_all = row->category_all || str_eq(doc_str(c), "all");
}

static void set_subresources(struct arena *a, const struct doc *version, struct resource *row)
{
	const struct doc *subs = doc_get(version, "subresources"), *scale = doc_get(subs, "scale");

	if (doc_get(subs, "status"))
		row->flags |= RES_STATUS;
	if (!scale)
		return;
	row->flags |= RES_SCALE;
	row->scale_spec_path = arena_strdup(a, doc_str(doc_get(scale, "specReplicasPath")));
	row->scale_status_path = arena_strdup(a, doc_str(doc_get(scale, "statusReplicasPath")));
	row->scale_selector_path = arena_strdup(a, doc_str(doc_get(scale, "labelSelectorPath")));
}

static void set_fields(struct arena *a, const struct doc *version, struct resource *row)
{
	const struct doc *list = doc_get(version, "selectableFields");

	for (size_t i = 0; i < MIN(doc_len(list), ARRAY_SIZE(row->fields) - 1); i++) {
		const char *path = str_or_empty(doc_str(doc_get(doc_at(list, i), "jsonPath")));

		row->fields[i] = arena_strdup(a, *path == '.' ? path + 1 : path);
	}
}

static void add_version(struct apiserver *s, const struct doc *crd, const struct doc *version)
{
	struct arena *a = registry_arena(s->registry);
	struct resource row = {.flags = RES_CUSTOM};

	row.group = arena_strdup(a, str_or_empty(doc_find_str(crd, "spec.group")));
	row.version = arena_strdup(a, str_or_empty(doc_str(doc_get(version, "name"))));
	set_names(a, doc_find(crd, "spec.names"), &row);
	if (str_eq(doc_find_str(crd, "spec.scope"), "Namespaced"))
		row.flags |= RES_NAMESPACED;
	set_subresources(a, version, &row);
	set_fields(a, version, &row);
	row.columns = columns(a, version);
	if (doc_find(version, "schema.openAPIV3Schema"))
		row.schema = doc_clone(a, doc_find(version, "schema.openAPIV3Schema"));
	row.preferred = doc_bool_or(doc_get(version, "storage"), false);
	row.crd = arena_strdup(a, doc_find_str(crd, "metadata.name"));
	row.crd_generation = doc_find_int(crd, "metadata.generation", 0);
	registry_add(s->registry, &row);
}

static bool is_current(const struct apiserver *s, const char *name, int64_t generation)
{
	for (size_t i = 0; i < registry_count(s->registry); i++) {
		const struct resource *row = registry_at(s->registry, i);

		if (!row->retired && str_eq(row->crd, name))
			return row->crd_generation == generation;
	}
	return false;
}

void crd_apply(struct apiserver *s, const struct doc *crd)
{
	const char *name = doc_find_str(crd, "metadata.name");

	if (is_current(s, name, doc_find_int(crd, "metadata.generation", 0)))
		return;
	registry_retire(s->registry, name);
	doc_foreach_item (doc_find(crd, "spec.versions"), v)
		if (doc_bool_or(doc_get(v, "served"), false))
			add_version(s, crd, v);
	watch_end_retired(s);
}

void crd_remove(struct apiserver *s, const char *name)
{
	registry_retire(s->registry, name);
	watch_end_retired(s);
}
