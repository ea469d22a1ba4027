/* SPDX-License-Identifier: Apache-2.0 */
/* One change, its inverse, and the comparison that says whether it happened. */
#include "lib/step/change.h"

#include <math.h>
#include <stdlib.h>
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

/* "1024Mi", "0.5", 500m as one number; NAN for what is no quantity. */
static double quantity(const struct doc *d)
{
	static const struct {
		const char *suffix;
		double factor;
	} rows[] = {{"", 1},        {"m", 1e-3},    {"u", 1e-6},    {"n", 1e-9},
		    {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
		    {"P", 1e15},    {"E", 1e18},    {"Ki", 1024},   {"Mi", 0x1p20},
		    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
	const char *s = doc_str(d);
	char *end;
	double n;

	if (d->kind == DOC_INT)
		return (double)d->integer;
	if (str_empty(s) || !strchr("+-.0123456789", s[0]) || strpbrk(s, "xX"))
		return (double)NAN;
	n = strtod(s, &end);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && end > s; i++)
		if (str_eq(end, rows[i].suffix))
			return n * rows[i].factor;
	return (double)NAN;
}

static bool same_scalar(const struct doc *x, const struct doc *y)
{
	const double a = quantity(x), b = quantity(y);

	return doc_equal(x, y) || fabs(a - b) <= 1e-9 * fabs(a);
}

/* As change_patch_holds(), but for what a server adds to the items of lists, and for quantities. */
static bool holds_more(const struct doc *live, const struct doc *patch)
{
	if (patch->kind == DOC_NULL)
		return !live || live->kind == DOC_NULL;
	if (patch->kind == DOC_LIST) {
		if (!live || live->kind != DOC_LIST || doc_len(live) != doc_len(patch))
			return false;
		doc_foreach_item (patch, it)
			if (!holds_more(doc_at(live, it_i), it))
				return false;
		return true;
	}
	if (patch->kind != DOC_MAP)
		return live && same_scalar(live, patch);
	if (live && live->kind != DOC_MAP)
		return false;
	doc_foreach_entry (patch, e)
		if (!holds_more(doc_get(live, e->key), e->value))
			return false;
	return live || doc_len(patch) > 0;
}

bool change_landed(const struct change *c, const struct doc *live)
{
	if (!live || !c->forward || !holds_more(live, c->forward))
		return false;
	if (c->kind == CHANGE_CREATE)
		return str_empty(c->digest);
	if (c->kind != CHANGE_PATCH || !c->backward)
		return false;
	/* What was there is there as well: only a change that takes nothing away is like that. */
	return !holds_more(live, c->backward) ||
	       (holds_more(c->forward, c->backward) && !holds_more(c->backward, c->forward));
}

#define ANSWER_MAX_BYTES (64u << 10)
struct doc *change_answer(struct arena *a, const struct change *c, const struct doc *now)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *answer;

	if (c->kind != CHANGE_PATCH || !now || change_patch_holds(now, c->forward))
		return NULL;
	answer = change_inverse_patch(a, now, c->forward);
	doc_write_json(answer, DOC_COMPACT, &text);
	return text.len <= ANSWER_MAX_BYTES ? answer : NULL;
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
