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
	return r;
}

void config_kinds_forget(struct config_kinds *k)
{
	k->known = NULL;
}
