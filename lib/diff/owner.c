/* SPDX-License-Identifier: Apache-2.0 */
/* managedFields: a trie per manager, its edges "f:field", "k:{keys}", "v:value" and "i:number". */
#include "lib/diff/owner.h"

#include <string.h>

#include "lib/base/str.h"

/* The entry of keys whose JSON, behind the prefix, is the same document. */
static const struct doc *edge_json(struct arena *a, const struct doc *fields, const char *prefix,
				   const struct doc *want)
{
	doc_foreach_entry (fields, e) {
		struct doc *d;

		if (str_starts(e->key, prefix) &&
		    doc_read_json(a, e->key + 2, strlen(e->key + 2), NULL, &d, NULL) == 0 &&
		    doc_equal(d, want))
			return e->value;
	}
	return NULL;
}

static const struct doc *edge(struct arena *a, const struct doc *fields, const struct diff_path *p)
{
	switch (p->part) {
	case PART_FIELD:
		return doc_get(fields, arena_printf(a, "f:%s", p->field));
	case PART_INDEX:
		return doc_get(fields, arena_printf(a, "i:%zu", p->index));
	case PART_KEYS:
		return edge_json(a, fields, "k:", p->keys);
	case PART_VALUE:
		return edge_json(a, fields, "v:", p->keys);
	}
	return NULL;
}

/*
 * Where path leads in one manager's trie; NULL when it owns nothing there. Below a list that is one
 * value there are no edges: who owns the list owns what is in it.
 */
static const struct doc *walk(struct arena *a, const struct doc *fields,
			      const struct diff_path *path)
{
	const struct doc *up;

	if (!path)
		return fields;
	up = walk(a, fields, path->up);
	if (!up)
		return NULL;
	if (path->up && doc_len(up) == 0)
		return up;
	return edge(a, up, path);
}

bool field_owner_find(const struct doc *object, const struct diff_path *path,
		      struct field_owner *ret_owner)
{
	struct arena a = ARENA_INIT;
	struct field_owner best = {0};

	doc_foreach_item (doc_find(object, "metadata.managedFields"), it) {
		const char *time = doc_str(doc_get(it, "time"));
		const char *sub = doc_str(doc_get(it, "subresource"));

		if (str_eq(sub, "status") || !walk(&a, doc_get(it, "fieldsV1"), path))
			continue;
		if (best.manager && str_cmp(time, best.time) < 0)
			continue;
		best.manager = str_or_empty(doc_str(doc_get(it, "manager")));
		best.operation = str_or_empty(doc_str(doc_get(it, "operation")));
		best.subresource = str_empty(sub) ? NULL : sub;
		best.time = time;
	}
	arena_release(&a);
	if (best.manager)
		*ret_owner = best;
	return best.manager != NULL;
}
