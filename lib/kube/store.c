/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kube/store.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/object/meta.h"

struct kube_object *kube_object_hold(struct kube_object *o)
{
	o->refs++;
	return o;
}

void kube_object_drop(struct kube_object *o)
{
	struct arena a;

	if (!o || --o->refs)
		return;
	a = o->arena; /* the object lives in its own arena */
	arena_release(&a);
}

static const void *decode(const struct kube_store *store, struct arena *a, const struct doc *doc)
{
	const struct bind_table *t = store->options->table;
	void *out = t ? arena_alloc_array(a, 1, t->size) : NULL;
	struct error err = ERROR_INIT;

	if (!t || object_decode(a, t, doc, out, &err) == 0)
		return out;
	if (store->options->log)
		log_warn(store->options->log, "object left out: %s", err.msg);
	return NULL;
}

struct kube_object *kube_store_object(struct kube_store *store, struct arena *arena,
				      struct doc *doc)
{
	struct kube_object *o;
	const char *name = kube_name(doc), *ns = kube_namespace(doc);

	if (!name[0]) {
		arena_release(arena);
		return NULL;
	}
	doc_del(doc_get(doc, "metadata"), "managedFields");
	if (!doc_get(doc, "kind")) { /* items of a list come without */
		doc_set_string(arena, doc, "kind", store->options->kind->kind);
		doc_set_string(arena, doc, "apiVersion",
			       object_kind_api_version(arena, store->options->kind));
	}
	if (store->options->trim)
		store->options->trim(arena, doc);
	o = arena_new(arena, struct kube_object);
	o->round = store->round;
	o->key = ns[0] ? arena_printf(arena, "%s/%s", ns, name) : name;
	o->namespace_ = ns;
	o->name = name;
	o->uid = kube_uid(doc);
	o->resource_version = kube_resource_version(doc);
	o->doc = doc;
	o->decoded = decode(store, arena, doc);
	o->refs = 1;
	o->arena = *arena;
	arena_init(arena);
	return o;
}

static void tell(struct kube_store *store, enum kube_change change, const struct kube_object *old,
		 const struct kube_object *now)
{
	if (store->handlers.on_change)
		store->handlers.on_change(store->arg, change, old, now);
}

void kube_store_put(struct kube_store *store, struct kube_object *o)
{
	struct kube_object *old = map_get(&store->objects, o->key);

	if (old && str_eq(old->resource_version, o->resource_version) && str_eq(old->uid, o->uid)) {
		old->round = store->round;
		kube_object_drop(o);
		return;
	}
	/* Another object of the same name: the first one's end was missed. */
	if (old && !str_eq(old->uid, o->uid)) {
		map_del(&store->objects, old->key);
		tell(store, KUBE_DELETED, old, NULL);
		kube_object_drop(old);
		old = NULL;
	}
	map_set(&store->objects, o->key, o);
	tell(store, old ? KUBE_UPDATED : KUBE_ADDED, old, o);
	if (old)
		kube_object_drop(old);
}

void kube_store_delete(struct kube_store *store, const char *key, const struct kube_object *last)
{
	struct kube_object *old = map_del(&store->objects, key);

	if (!old)
		return;
	tell(store, KUBE_DELETED, last ? last : old, NULL);
	kube_object_drop(old);
}

void kube_store_drop_older(struct kube_store *store)
{
	map_foreach (&store->objects, e) {
		struct kube_object *o = map_value(e);

		if (o->round != store->round)
			kube_store_delete(store, map_key(e), NULL);
	}
}

void kube_store_release(struct kube_store *store)
{
	map_foreach (&store->objects, e)
		kube_object_drop(map_value(e));
	map_release(&store->objects);
}
