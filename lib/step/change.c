/* SPDX-License-Identifier: Apache-2.0 */
/* One change, its inverse, and the comparison that says whether it happened. */
#include "lib/step/change.h"

#include <string.h>

#include "lib/base/str.h"

static const char *const kind_names[] = {
	[CHANGE_PATCH] = "patch",
	[CHANGE_CREATE] = "create",
	[CHANGE_DELETE] = "delete",
};

const char *change_kind_name(enum change_kind kind)
{
	return kind_names[kind];
}

int change_kind_parse(const char *name, enum change_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
		if (str_eq(name, kind_names[i])) {
			*ret_kind = (enum change_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct doc *change_inverse_patch(struct arena *a, const struct doc *live, const struct doc *patch)
{
	struct doc *inverse;

	if (!live)
		return doc_null(a);
	if (patch->kind != DOC_MAP || live->kind != DOC_MAP)
		return doc_clone(a, live);
	inverse = doc_map(a);
	doc_foreach_entry (patch, e)
		doc_set(a, inverse, e->key,
			change_inverse_patch(a, doc_get(live, e->key), e->value));
	return inverse;
}

bool change_patch_holds(const struct doc *live, const struct doc *patch)
{
	if (patch->kind == DOC_NULL)
		return !live || live->kind == DOC_NULL;
	if (patch->kind != DOC_MAP)
		return live && doc_equal(live, patch);
	if (live && live->kind != DOC_MAP)
		return false;
	/* An absent map holds a patch that only removes. */
	doc_foreach_entry (patch, e) {
		if (!change_patch_holds(doc_get(live, e->key), e->value))
			return false;
	}
	return live || doc_len(patch) > 0;
}

int change_prepare(struct arena *a, struct change *c, const struct doc *live, struct error *err)
{
	switch (c->kind) {
	case CHANGE_PATCH:
		if (!live)
			return error_set(err, -ENOENT, "the object to change is not there");
		c->backward = change_inverse_patch(a, live, c->forward);
		return change_patch_holds(live, c->forward) ? 1 : 0;
	case CHANGE_CREATE:
		c->backward = NULL;
		if (live && !change_patch_holds(live, c->forward))
			return error_set(err, -EEXIST,
					 "the object to create is already there, and different");
		return live ? 1 : 0;
	case CHANGE_DELETE:
		c->backward = live ? doc_clone(a, live) : NULL;
		return live ? 0 : 1;
	}
	return error_set(err, -EINVAL, "unknown kind of change");
}

static enum change_state created_state(const struct change *c, const struct doc *live,
				       const char *live_digest)
{
	if (!live)
		return CHANGE_BEFORE;
	if (c->digest && *c->digest)
		return str_eq(c->digest, live_digest) ? CHANGE_AFTER : CHANGE_FOREIGN;
	return change_patch_holds(live, c->forward) ? CHANGE_AFTER : CHANGE_FOREIGN;
}

/* Only what was read may go: an edit made since, in any field, is somebody's work. */
static bool deletable(const struct change *c, const struct doc *live, const char *live_digest)
{
	if (!str_empty(c->digest))
		return str_eq(c->digest, live_digest);
	return c->backward && change_patch_holds(live, c->backward);
}

enum change_state change_state(const struct change *c, const struct doc *live,
			       const char *live_digest)
{
	switch (c->kind) {
	case CHANGE_CREATE:
		return created_state(c, live, live_digest);
	case CHANGE_DELETE:
		if (!live)
			return CHANGE_AFTER;
		return deletable(c, live, live_digest) ? CHANGE_BEFORE : CHANGE_FOREIGN;
	case CHANGE_PATCH:
		break;
	}
	if (live && change_patch_holds(live, c->forward))
		return CHANGE_AFTER;
	if (live && c->backward && change_patch_holds(live, c->backward))
		return CHANGE_BEFORE;
	return CHANGE_FOREIGN;
}

/* Depth first: the leaf that holds neither value. */
static const char *foreign_leaf(struct arena *a, const char *path, const struct doc *live,
				const struct doc *before, const struct doc *after)
{
	auto_release(strbuf) struct strbuf value = STRBUF_INIT;

	if ((after && change_patch_holds(live, after)) ||
	    (before && change_patch_holds(live, before)))
		return NULL;
	if (after && after->kind == DOC_MAP && (!live || live->kind == DOC_MAP)) {
		doc_foreach_entry (after, e) {
			const char *found = foreign_leaf(
				a, arena_printf(a, "%s%s%s", path, *path ? "." : "", e->key),
				doc_get(live, e->key), doc_get(before, e->key), e->value);
			if (found)
				return found;
		}
	}
	if (live)
		doc_write_json(live, DOC_COMPACT, &value);
	return arena_printf(a, "%s is now %.200s", *path ? path : "the object",
			    live ? strbuf_cstr(&value) : "absent");
}

const char *change_object(struct arena *a, const struct doc *ref)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *kind = doc_find_str(ref, "kind"), *name = doc_find_str(ref, "name"),
		   *ns = doc_find_str(ref, "namespace");

	if (kind && name)
		return arena_printf(a, "%s/%s%s%s", kind, str_or_empty(ns),
				    str_empty(ns) ? "" : "/", name);
	doc_write_json(ref, DOC_COMPACT, &text);
	return arena_strdup(a, strbuf_cstr(&text));
}

const char *change_conflict(struct arena *a, const struct change *c, const struct doc *live)
{
	const char *leaf;

	if (!live)
		return "the object is gone";
	if (c->kind == CHANGE_DELETE)
		return "the object was changed after it was read";
	leaf = foreign_leaf(a, "", live, c->kind == CHANGE_PATCH ? c->backward : NULL, c->forward);
	return leaf ? leaf : "the object was changed by somebody else after it was made";
}
