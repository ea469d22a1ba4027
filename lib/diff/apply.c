/* SPDX-License-Identifier: Apache-2.0 */
/* Changes made to a document: what an apply would leave. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

struct applier {
	struct arena *arena;
	const char *kind;
	struct doc *root;
};

/* The list's item that a path's last part names; NULL when it is not there. */
static struct doc **item_at(struct applier *p, struct doc *list, const struct diff_path *path)
{
	const struct list_rule *rule = field_list(p->kind, path->up);
	const char *want;

	if (!list || list->kind != DOC_LIST)
		return NULL;
	if (path->part == PART_INDEX)
		return path->index < list->list.n ? &list->list.items[path->index] : NULL;
	want = keys_text(p->arena, path->keys);
	for (size_t i = 0; i < list->list.n; i++) {
		const struct doc *keys = item_keys(p->arena, rule, list->list.items[i]);

		if (keys && strcmp(keys_text(p->arena, keys), want) == 0)
			return &list->list.items[i];
	}
	return NULL;
}

/* What stands at path, made as an empty node of that kind when nothing does. */
static struct doc *slot(struct applier *p, const struct diff_path *path, enum doc_kind kind)
{
	struct doc *up, **item;

	if (!path)
		return p->root;
	up = slot(p, path->up, path->part == PART_FIELD ? DOC_MAP : DOC_LIST);
	if (path->part == PART_FIELD)
		return kind == DOC_LIST ? doc_set_list(p->arena, up, path->field)
					: doc_set_map(p->arena, up, path->field);
	item = item_at(p, up, path);
	if (item)
		return *item;
	return doc_append(p->arena, up, kind == DOC_LIST ? doc_list(p->arena) : doc_map(p->arena));
}

static void put(struct applier *p, const struct diff_path *path, const struct doc *value)
{
	struct doc *up = slot(p, path->up, path->part == PART_FIELD ? DOC_MAP : DOC_LIST);
	struct doc *copy = doc_clone(p->arena, value), **item;

	if (path->part == PART_FIELD) {
		doc_set(p->arena, up, path->field, copy);
		return;
	}
	item = item_at(p, up, path);
	if (item)
		*item = copy;
	else
		doc_append(p->arena, up, copy);
}

static void drop(struct applier *p, const struct diff_path *path)
{
	struct doc *up = slot(p, path->up, path->part == PART_FIELD ? DOC_MAP : DOC_LIST), **item;

	if (path->part == PART_FIELD) {
		doc_del(up, path->field);
		return;
	}
	item = item_at(p, up, path);
	if (item)
		doc_remove_at(up, (size_t)(item - up->list.items));
}

/* The named items take the places that named items have, in the order given; others stay. */
static void reorder(struct applier *p, const struct diff_path *path, const struct doc *order)
{
	struct doc *list = slot(p, path, DOC_LIST), **sorted;
	struct map named = MAP_INIT;
	struct keyed k;
	size_t next = 0, n = 0;

	if (!keyed_read(p->arena, field_list(p->kind, path), list, &k))
		return;
	sorted = arena_array(p->arena, k.n + 1, struct doc *);
	doc_foreach_item (order, word) {
		struct doc *item = keyed_get(&k, doc_str(word));

		if (item && !map_set(&named, doc_str(word), item))
			sorted[n++] = item;
	}
	for (size_t i = 0; i < k.n; i++)
		if (map_has(&named, k.texts[i]))
			list->list.items[i] = sorted[next++];
	map_release(&named);
	keyed_release(&k);
}

static void make_change(struct applier *p, const struct diff_change *c)
{
	switch (c->op) {
	case DIFF_ADD:
	case DIFF_REPLACE:
		put(p, c->path, c->desired);
		return;
	case DIFF_REMOVE:
		drop(p, c->path);
		return;
	case DIFF_ORDER:
		reorder(p, c->path, c->desired);
		return;
	case DIFF_KEEP:
		return;
	}
}

struct doc *diff_apply(struct arena *a, const struct diff_object *o)
{
	struct applier p = {.arena = a, .kind = o->kind};

	if (!o->live && !o->desired)
		return NULL;
	p.root = diff_view(a, o->live ? o->live : o->desired);
	for (size_t i = 0; i < o->n; i++) {
		if (o->changes[i].path)
			make_change(&p, &o->changes[i]);
		else if (o->changes[i].op == DIFF_REMOVE)
			return NULL;
	}
	return p.root;
}

/* What stands at path in d; NULL when nothing does. */
static struct doc *find(struct applier *p, struct doc *d, const struct diff_path *path)
{
	struct doc *up = path ? find(p, d, path->up) : NULL, **item;

	if (!path)
		return d;
	if (!up)
		return NULL;
	if (path->part == PART_FIELD)
		return doc_get(up, path->field);
	item = item_at(p, up, path);
	return item ? *item : NULL;
}

struct doc *diff_apply_to(struct arena *a, const struct diff_object *o, const struct doc *live,
			  const struct doc *desired)
{
	struct applier p = {.arena = a, .kind = o->kind, .root = diff_view(a, live)};
	struct doc *wanted = diff_view(a, desired);

	for (size_t i = 0; i < o->n; i++) {
		struct diff_change c = o->changes[i];

		if (!c.path || !diff_class_pending(c.class))
			continue;
		if (c.op == DIFF_ADD || c.op == DIFF_REPLACE)
			c.desired = find(&p, wanted, c.path);
		if ((c.op == DIFF_ADD || c.op == DIFF_REPLACE) && !c.desired)
			return NULL;
		make_change(&p, &c);
	}
	return p.root;
}

/* What was made on the way to a place that was not there, and holds nothing any more. */
static void drop_emptied(struct applier *p, const struct diff_path *path, struct doc *before)
{
	for (; path; path = path->up) {
		struct doc *now = find(p, p->root, path);

		if (!now || (now->kind != DOC_MAP && now->kind != DOC_LIST) || doc_len(now) ||
		    find(p, before, path))
			return;
		drop(p, path);
	}
}

/* The items of every list on the way that were there before, as they followed each other. */
static void order_as(struct applier *p, const struct diff_path *path, struct doc *before)
{
	for (; path; path = path->up) {
		const struct list_rule *rule = field_list(p->kind, path);
		struct doc *was = find(p, before, path), *order;
		struct keyed k = {0};

		if (!was || was->kind != DOC_LIST || rule->list == LIST_ATOMIC ||
		    !find(p, p->root, path) || !keyed_read(p->arena, rule, was, &k))
			continue;
		order = doc_list(p->arena);
		for (size_t i = 0; i < k.n; i++)
			doc_append(p->arena, order, doc_string(p->arena, k.texts[i]));
		reorder(p, path, order);
		keyed_release(&k);
	}
}

static bool take_back(struct applier *p, const struct diff_change *c, struct doc *before)
{
	struct doc *was;

	if (c->op == DIFF_ADD && find(p, p->root, c->path)) {
		drop(p, c->path);
		drop_emptied(p, c->path->up, before);
	} else if (c->op == DIFF_REMOVE || c->op == DIFF_REPLACE) {
		was = find(p, before, c->path);
		if (!was)
			return false;
		put(p, c->path, was);
	}
	return true;
}

struct doc *diff_undo(struct arena *a, const struct diff_object *o, const struct doc *live,
		      const struct doc *before)
{
	struct applier p = {.arena = a, .kind = o->kind, .root = diff_view(a, live)};
	struct doc *was = diff_view(a, before);

	for (size_t i = o->n; i-- > 0;)
		if (o->changes[i].path && diff_class_pending(o->changes[i].class) &&
		    !take_back(&p, &o->changes[i], was))
			return NULL;
	for (size_t i = 0; i < o->n; i++)
		if (diff_class_pending(o->changes[i].class))
			order_as(&p, o->changes[i].path, was);
	return p.root;
}

struct doc *diff_merge_patch(struct arena *a, const struct doc *from, const struct doc *to)
{
	struct doc *patch = doc_map(a);

	doc_foreach_entry (to, e) {
		const struct doc *was = doc_get(from, e->key);

		if (was && was->kind == DOC_MAP && e->value->kind == DOC_MAP) {
			struct doc *inner = diff_merge_patch(a, was, e->value);

			if (doc_len(inner))
				doc_set(a, patch, e->key, inner);
		} else if (!was || !doc_equal(was, e->value)) {
			doc_set(a, patch, e->key, doc_clone(a, e->value));
		}
	}
	doc_foreach_entry (from, e)
		if (!doc_get(to, e->key))
			doc_set(a, patch, e->key, doc_null(a));
	return patch;
}
