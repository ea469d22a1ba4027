/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small duties: a default ServiceAccount in every namespace and its end, an address range for
 * every node, and the end of what lost its owner (servers that do this themselves find it done).
 */
#include <stdio.h>
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

/* Namespaces. */

void namespace_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now)
{
	const struct doc *object = now ? now : old;

	if (kind == WATCHED_NAMESPACE)
		queue_object(c, row, object);
	if (kind == WATCHED_SERVICE_ACCOUNT && !now)
		queue_key(c, row, "", kube_namespace(object));
}

static void made(struct reconcile *r, struct kube_result *result, UNUSED void *arg)
{
	if (result->code == -EEXIST)
		r->failed = false; /* the copy lagged */
}

static void make_service_account(struct reconcile *r)
{
	struct doc *object =
		kube_object_new(&r->arena, object_kind(KIND_SERVICE_ACCOUNT), r->name, "default");
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_SERVICE_ACCOUNT),
				 .namespace_ = r->name,
				 .body = object};

	reconcile_send(r, &q, made, NULL);
}

/* What a list of one kind in an ending namespace found. */
static void delete_listed(struct reconcile *r, struct kube_result *result, void *arg)
{
	const struct object_kind *kind = arg;
	const struct doc *items = doc_get(result->object, "items");

	if (result->code == -ENOENT || result->code == -ENOSYS) {
		r->failed = false; /* no such kind here */
		return;
	}
	for (size_t i = 0; i < doc_len(items); i++) {
		struct kube_request q = {
			.verb = KUBE_DELETE,
			.kind = kind,
			.namespace_ = r->name,
			.name = arena_strdup(&r->arena, kube_name(doc_at(items, i)))};

		r->failed = true; /* come back until nothing is there */
		if (!kube_deleting(doc_at(items, i)))
			reconcile_send(r, &q, NULL, NULL);
	}
}

static void empty_namespace(struct reconcile *r)
{
	for (int i = 0; i < OBJECT_KIND_COUNT; i++) {
		struct kube_request q = {.verb = KUBE_LIST,
					 .kind = object_kind((enum object_kind_id)i),
					 .namespace_ = r->name};

		if (q.kind->namespaced && !str_eq(q.kind->kind, "Event"))
			reconcile_send(r, &q, delete_listed,
				       (void *)(uintptr_t)object_kind((enum object_kind_id)i));
	}
}

static bool anything_in(const struct controllers *c, const char *ns)
{
	for (int i = 0; i < WATCHED_COUNT; i++)
		watched_foreach(c, i, o) if (str_eq(o->namespace_, ns)) return true;
	return false;
}

static void finalize(struct reconcile *r, const struct doc *ns)
{
	struct doc *object = doc_clone(&r->arena, ns);
	struct kube_request q = {.verb = KUBE_UPDATE,
				 .kind = object_kind(KIND_NAMESPACE),
				 .name = r->name,
				 .subresource = "finalize",
				 .body = object};

	doc_set(&r->arena, doc_set_map(&r->arena, object, "spec"), "finalizers",
		doc_list(&r->arena));
	reconcile_send(r, &q, NULL, NULL);
}

int namespace_work(struct reconcile *r)
{
	const struct doc *ns = watched_get(r->c, WATCHED_NAMESPACE, "", r->name);

	if (!ns)
		return 0;
	if (!kube_deleting(ns)) {
		if (!watched_get(r->c, WATCHED_SERVICE_ACCOUNT, r->name, "default"))
			make_service_account(r);
		return 0;
	}
	if (!doc_len(doc_find(ns, "spec.finalizers")))
		return 0;
	/* The server may be at it, too; both deletes and the last step may be done twice. */
	if (anything_in(r->c, r->name)) {
		empty_namespace(r);
		reconcile_again(r, 200 * NS_PER_MS);
		return 0;
	}
	finalize(r, ns);
	return 0;
}

/* Nodes. */

#define NOT_READY_TAINT "node.kubernetes.io/not-ready"

/* A real API server taints a new node; who takes it off is the node controller. */
static bool is_wrongly_tainted(const struct doc *node)
{
	doc_foreach_item (doc_find(node, "spec.taints"), taint)
		if (str_eq(doc_str(doc_get(taint, "key")), NOT_READY_TAINT))
			return kube_condition_true(node, "Ready");
	return false;
}

static void untaint(struct arena *a, const struct doc *node, struct doc *spec)
{
	struct doc *left = doc_list(a);

	doc_foreach_item (doc_find(node, "spec.taints"), taint)
		if (!str_eq(doc_str(doc_get(taint, "key")), NOT_READY_TAINT))
			doc_append(a, left, doc_clone(a, taint));
	doc_set(a, spec, "taints", left);
}

void node_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		  const struct doc *now)
{
	if (kind == WATCHED_NODE && now &&
	    (str_empty(doc_find_str(now, "spec.podCIDR")) || is_wrongly_tainted(now)))
		queue_object(c, row, now);
	(void)old;
}

static bool is_taken(const struct controllers *c, const char *cidr, const char *but)
{
	watched_foreach(c, WATCHED_NODE,
			o) if (!str_eq(o->name, but) &&
			       str_eq(doc_find_str(o->doc, "spec.podCIDR"), cidr)) return true;
	return false;
}

/* The first /24 of the range that no node has; NULL when all are taken. */
static const char *free_cidr(struct reconcile *r)
{
	unsigned a, b;

	if (sscanf(r->c->options.pod_cidr, "%u.%u.", &a, &b) != 2 || a > 255 || b > 255)
		return NULL;
	for (unsigned i = 1; i < 255; i++) {
		const char *cidr = arena_printf(&r->arena, "%u.%u.%u.0/24", a, b, i);

		if (!is_taken(r->c, cidr, r->name))
			return cidr;
	}
	return NULL;
}

int node_work(struct reconcile *r)
{
	const struct doc *node = watched_get(r->c, WATCHED_NODE, "", r->name);
	struct arena *a = &r->arena;
	struct doc *patch = doc_map(a), *spec = doc_set_map(a, patch, "spec");
	struct kube_request q = {.verb = KUBE_PATCH,
				 .kind = object_kind(KIND_NODE),
				 .name = r->name,
				 .patch = KUBE_PATCH_MERGE,
				 .body = patch};
	const char *cidr;

	if (!node)
		return 0;
	if (str_empty(doc_find_str(node, "spec.podCIDR"))) {
		cidr = free_cidr(r);
		if (!cidr)
			return -ENOSPC;
		doc_set_string(a, spec, "podCIDR", cidr);
		doc_append(a, doc_set_list(a, spec, "podCIDRs"), doc_string(a, cidr));
	} else if (is_wrongly_tainted(node)) {
		untaint(a, node, spec);
	} else {
		return 0;
	}
	doc_set_string(a, doc_set_map(a, patch, "metadata"), "resourceVersion",
		       kube_resource_version(node));
	reconcile_send(r, &q, NULL, NULL);
	return 0;
}

/* Orphans: what the ReplicaSet, Deployment or DaemonSet that is gone has made. */

static const struct {
	enum watched kind, owner;
	enum object_kind_id object, owner_object;
	const char *owner_kind;
} owned[] = {
	{WATCHED_POD, WATCHED_REPLICA_SET, KIND_POD, KIND_REPLICA_SET, "ReplicaSet"},
	{WATCHED_REPLICA_SET, WATCHED_DEPLOYMENT, KIND_REPLICA_SET, KIND_DEPLOYMENT, "Deployment"},
	{WATCHED_POD, WATCHED_DAEMON_SET, KIND_POD, KIND_DAEMON_SET, "DaemonSet"},
	{WATCHED_CONTROLLER_REVISION, WATCHED_DAEMON_SET, KIND_CONTROLLER_REVISION, KIND_DAEMON_SET,
	 "DaemonSet"},
};

/* Keys are "pods:namespace/name" so that one queue serves both. */
void orphan_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		    const struct doc *now)
{
	const struct doc *object = now ? now : old;

	for (size_t i = 0; i < ARRAY_SIZE(owned); i++) {
		auto_free char *key = NULL;

		if (kind == owned[i].kind && now && kube_controller(now)) {
			key = xasprintf("%zu:%s", i, kube_namespace(now));
			queue_key(c, row, key, kube_name(now));
		}
		if (kind != owned[i].owner || now)
			continue;
		watched_foreach(c, owned[i].kind, o) if (is_controlled_by(o->doc, kube_uid(object)))
			orphan_changed(c, row, owned[i].kind, NULL, o->doc);
	}
}

/* The copy says the owner is gone; the server has the last word. */
static void owner_asked(struct reconcile *r, struct kube_result *result, void *arg)
{
	const struct doc *object = arg;
	size_t i = (size_t)(r->namespace_[0] - '0');
	struct kube_request q = {.verb = KUBE_DELETE,
				 .kind = object_kind(owned[i].object),
				 .namespace_ = r->namespace_ + 2,
				 .name = r->name,
				 .uid = kube_uid(object)};

	if (result->code == -ENOENT)
		r->failed = false;
	else if (result->code ||
		 str_eq(kube_uid(result->object), doc_str(doc_get(kube_controller(object), "uid"))))
		return;
	reconcile_send(r, &q, NULL, NULL);
}

int orphan_work(struct reconcile *r)
{
	size_t i = (size_t)(r->namespace_[0] - '0');
	const char *ns = r->namespace_ + 2;
	const struct doc *object = watched_get(r->c, owned[i].kind, ns, r->name), *owner, *there;
	struct kube_request q = {
		.verb = KUBE_GET, .kind = object_kind(owned[i].owner_object), .namespace_ = ns};

	if (!object || kube_deleting(object))
		return 0;
	owner = kube_controller(object);
	if (!str_eq(doc_str(doc_get(owner, "kind")), owned[i].owner_kind))
		return 0;
	q.name = doc_str(doc_get(owner, "name"));
	there = watched_get(r->c, owned[i].owner, ns, q.name);
	if (there && str_eq(kube_uid(there), doc_str(doc_get(owner, "uid"))))
		return 0;
	q.name = arena_strdup(&r->arena, q.name);
	reconcile_send(r, &q, owner_asked, doc_clone(&r->arena, object));
	return 0;
}
