/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/config_kind.h"

#include <string.h>

#include "lib/base/str.h"

static const struct object_kind *kind_of_row(struct arena *a, const struct doc *row)
{
	struct object_kind *k = arena_new(a, struct object_kind);

	k->group = str_or_empty(doc_str(doc_get(row, "group")));
	k->version = str_or_empty(doc_str(doc_get(row, "version")));
	k->kind = str_or_empty(doc_str(doc_get(row, "kind")));
	k->plural = str_or_empty(doc_str(doc_get(row, "name")));
	k->namespaced = doc_bool_or(doc_get(row, "namespaced"), false);
	return k;
}

static bool is_row(const struct doc *row, const char *group, size_t n, const char *version,
		   const char *kind)
{
	const char *of = str_or_empty(doc_str(doc_get(row, "group")));

	return str_eq(doc_str(doc_get(row, "kind")), kind) && strlen(of) == n &&
	       strncmp(of, group, n) == 0 &&
	       (!version || str_eq(doc_str(doc_get(row, "version")), version)) &&
	       !strchr(str_or_empty(doc_str(doc_get(row, "name"))), '/');
}

/* Of that version, else of any: an object is the same in all that are served. */
static const struct object_kind *among(struct config_kinds *k, const char *api, const char *kind)
{
	const char *slash = strchr(api, '/'), *version = slash ? slash + 1 : api;
	const size_t n = slash ? (size_t)(slash - api) : 0;

	for (int pass = 0; pass < 2; pass++)
		doc_foreach_item (k->known, row)
			if (is_row(row, api, n, pass ? NULL : version, kind))
				return kind_of_row(k->arena, row);
	return NULL;
}

/* A definition among the manifests themselves. */
static const struct object_kind *defined(struct config_kinds *k, const char *api, const char *kind)
{
	snapshot_foreach (k->coming, object_kind(KIND_CUSTOM_RESOURCE_DEFINITION), d) {
		const struct doc *spec = doc_get(d, "spec");
		const char *group = str_or_empty(doc_find_str(spec, "group"));
		const char *slash = strchr(api, '/'), *plural = doc_find_str(spec, "names.plural");
		struct object_kind *row;

		if (!slash || strncmp(group, api, (size_t)(slash - api)) != 0 ||
		    group[slash - api] || !str_eq(doc_find_str(spec, "names.kind"), kind) ||
		    !plural)
			continue;
		row = arena_new(k->arena, struct object_kind);
		*row = (struct object_kind){
			.group = group,
			.version = slash + 1,
			.kind = kind,
			.plural = plural,
			.namespaced = str_eq(doc_find_str(spec, "scope"), "Namespaced")};
		return row;
	}
	return NULL;
}

int config_kind_find(struct config_kinds *k, const struct doc *object,
		     const struct object_kind **ret_kind, struct error *err)
{
	const char *api = str_or_empty(doc_find_str(object, "apiVersion"));
	const char *kind = str_or_empty(doc_find_str(object, "kind"));
	int r = 0;

	*ret_kind = object_kind_find(api, kind);
	if (*ret_kind)
		return 0;
	if (!k->known)
		r = kube_discover(k->cluster->client, k->arena, &k->known, err);
	if (!r)
		*ret_kind = among(k, api, kind);
	if (!r && !*ret_kind && k->coming)
		*ret_kind = defined(k, api, kind);
	return r;
}

void config_kinds_forget(struct config_kinds *k)
{
	k->known = NULL;
}
