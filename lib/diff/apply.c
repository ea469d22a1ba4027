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
