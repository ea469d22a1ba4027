/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/controllers/revision.h"

#include "lib/base/str.h"
#include "lib/base/vec.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct revision {
	const struct doc *doc;
	int64_t number;
};
typedef VEC(struct revision) revisions;

static int by_number(const void *a, const void *b)
{
	const struct revision *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return str_cmp(kube_name(x->doc), kube_name(y->doc));
}

/* Oldest first. */
static revisions collect(const struct reconcile *r, const struct doc *owner)
{
	revisions list = VEC_INIT;

	watched_foreach(r->c, WATCHED_CONTROLLER_REVISION, o)
	{
		if (is_controlled_by(o->doc, kube_uid(owner)) && !kube_deleting(o->doc))
			vec_push(&list,
				 ((struct revision){o->doc, doc_find_int(o->doc, "revision", 0)}));
	}
	vec_sort(&list, by_number);
	return list;
}

static bool has_hash(const struct doc *object, const char *hash)
{
	return str_eq(kube_label(object, REVISION_HASH_LABEL), hash);
}

static void made(struct reconcile *r, struct kube_result *result, UNUSED void *arg)
{
	/* It is there already when the copy lags: then the next round finds it. */
	if (result->code == -EEXIST)
		r->failed = true;
}

static void copy_annotations(struct arena *a, struct doc *meta, const struct doc *owner)
{
	doc_foreach_entry (doc_find(owner, "metadata.annotations"), e)
		if (!str_eq(e->key, LAST_APPLIED))
			doc_set(a, doc_set_map(a, meta, "annotations"), e->key,
				doc_clone(a, e->value));
}

static void make(struct reconcile *r, const struct doc *owner, const struct doc *template,
		 const char *hash, int64_t number)
{
	struct arena *a = &r->arena;
	const char *name = arena_printf(a, "%s-%s", kube_name(owner), hash);
	const struct object_kind *kind = object_kind(KIND_CONTROLLER_REVISION);
	struct doc *object = kube_object_new(a, kind, r->namespace_, name);
	struct doc *meta = doc_set_map(a, object, "metadata"), *copy = doc_clone(a, template);
	const struct doc *labels = doc_find(template, "metadata.labels");
	struct kube_request q = {
		.verb = KUBE_CREATE, .kind = kind, .namespace_ = r->namespace_, .body = object};

	if (labels)
		doc_set(a, meta, "labels", doc_clone(a, labels));
	doc_set_string(a, doc_set_map(a, meta, "labels"), REVISION_HASH_LABEL, hash);
	copy_annotations(a, meta, owner);
	kube_set_controller(a, object, object_kind(KIND_DAEMON_SET), owner);
	doc_set_string(a, copy, "$patch", "replace");
	doc_set(a, doc_set_map(a, doc_set_map(a, object, "data"), "spec"), "template", copy);
	doc_set_int(a, object, "revision", number);
	reconcile_send(r, &q, made, NULL);
}

bool revision_settled(struct reconcile *r, const struct doc *owner, const struct doc *template,
		      const char **ret_hash)
{
	const char *hash = template_hash(&r->arena, template);
	revisions list = collect(r, owner);
	int64_t newest = list.n ? list.items[list.n - 1].number : 0;
	const struct revision *fresh = NULL;
	bool settled;

	vec_foreach (&list, it)
		if (has_hash(it->doc, hash))
			fresh = it;
	settled = fresh && fresh->number == newest && newest > 0;
	if (!fresh) {
		make(r, owner, template, hash, newest + 1);
	} else if (!settled) {
		struct doc *patch = doc_map(&r->arena);

		doc_set_int(&r->arena, patch, "revision", newest + 1);
		reconcile_patch(r, KIND_CONTROLLER_REVISION, fresh->doc, patch);
	}
	*ret_hash = hash;
	vec_release(&list);
	return settled;
}

static bool is_lived(const struct reconcile *r, const struct doc *owner, const struct doc *revision)
{
	const char *hash = kube_label(revision, REVISION_HASH_LABEL);

	watched_foreach(r->c, WATCHED_POD, o) if (is_controlled_by(o->doc, kube_uid(owner)) &&
						  has_hash(o->doc, hash)) return true;
	return false;
}

void revision_trim(struct reconcile *r, const struct doc *owner, const char *hash)
{
	int64_t keep = doc_find_int(owner, "spec.revisionHistoryLimit", 10);
	revisions list = collect(r, owner);
	int64_t old = 0;

	/* As Kubernetes counts: what a pod still has is no history yet. */
	vec_foreach (&list, it)
		old += !has_hash(it->doc, hash) && !is_lived(r, owner, it->doc);
	vec_foreach (&list, it) {
		struct kube_request q = {.verb = KUBE_DELETE,
					 .kind = object_kind(KIND_CONTROLLER_REVISION),
					 .namespace_ = r->namespace_,
					 .name = kube_name(it->doc),
					 .uid = kube_uid(it->doc)};

		if (old <= keep)
			break;
		if (has_hash(it->doc, hash) || is_lived(r, owner, it->doc))
			continue;
		reconcile_send(r, &q, NULL, NULL);
		old--;
	}
	vec_release(&list);
}
