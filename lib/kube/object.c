/* SPDX-License-Identifier: Apache-2.0 */
/* What every object has: names, labels, owners, conditions. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/kube/client.h"

struct doc *kube_object_new(struct arena *a, const struct object_kind *kind, const char *namespace_,
			    const char *name)
{
	struct doc *object = doc_map(a), *meta;

	doc_set_string(a, object, "apiVersion", object_kind_api_version(a, kind));
	doc_set_string(a, object, "kind", kind->kind);
	meta = doc_set_map(a, object, "metadata");
	doc_set_string(a, meta, "name", name);
	if (kind->namespaced)
		doc_set_string(a, meta, "namespace", namespace_);
	return object;
}

static const char *meta_text(const struct doc *object, const char *field)
{
	return str_or_empty(doc_str(doc_get(doc_get(object, "metadata"), field)));
}

const char *kube_name(const struct doc *object)
{
	return meta_text(object, "name");
}

const char *kube_namespace(const struct doc *object)
{
	return meta_text(object, "namespace");
}

const char *kube_uid(const struct doc *object)
{
	return meta_text(object, "uid");
}

const char *kube_resource_version(const struct doc *object)
{
	return meta_text(object, "resourceVersion");
}

const char *kube_label(const struct doc *object, const char *key)
{
	return doc_str(doc_get(doc_get(doc_get(object, "metadata"), "labels"), key));
}

const char *kube_annotation(const struct doc *object, const char *key)
{
	return doc_str(doc_get(doc_get(doc_get(object, "metadata"), "annotations"), key));
}

bool kube_deleting(const struct doc *object)
{
	return meta_text(object, "deletionTimestamp")[0] != '\0';
}

const struct doc *kube_controller(const struct doc *object)
{
	const struct doc *owners = doc_get(doc_get(object, "metadata"), "ownerReferences");

	for (size_t i = 0; i < doc_len(owners); i++)
		if (doc_bool_or(doc_get(doc_at(owners, i), "controller"), false))
			return doc_at(owners, i);
	return NULL;
}

void kube_set_controller(struct arena *a, struct doc *object, const struct object_kind *owner_kind,
			 const struct doc *owner)
{
	struct doc *meta = doc_set_map(a, object, "metadata");
	struct doc *ref = doc_append(a, doc_set_list(a, meta, "ownerReferences"), doc_map(a));

	doc_set_string(a, ref, "apiVersion", object_kind_api_version(a, owner_kind));
	doc_set_string(a, ref, "kind", owner_kind->kind);
	doc_set_string(a, ref, "name", kube_name(owner));
	doc_set_string(a, ref, "uid", kube_uid(owner));
	doc_set_bool(a, ref, "controller", true);
	doc_set_bool(a, ref, "blockOwnerDeletion", true);
}

static struct doc *find_condition(const struct doc *object, const char *type)
{
	const struct doc *list = doc_get(doc_get(object, "status"), "conditions");

	for (size_t i = 0; i < doc_len(list); i++)
		if (str_eq(doc_str(doc_get(doc_at(list, i), "type")), type))
			return doc_at(list, i);
	return NULL;
}

bool kube_condition_true(const struct doc *object, const char *type)
{
	return str_eq(doc_str(doc_get(find_condition(object, type), "status")), "True");
}

bool kube_set_condition(struct arena *a, struct doc *object, const char *type, const char *status,
			const char *reason, const char *message, int64_t now_wall_ns)
{
	struct doc *c = find_condition(object, type);
	char now[CLOCK_RFC3339_SIZE];
	bool moved, changed;

	if (!c) {
		c = doc_append(a, doc_set_list(a, doc_set_map(a, object, "status"), "conditions"),
			       doc_map(a));
		doc_set_string(a, c, "type", type);
	}
	moved = !str_eq(doc_str(doc_get(c, "status")), status);
	changed = moved || !str_eq(doc_str(doc_get(c, "reason")), reason) ||
		  !str_eq(str_or_empty(doc_str(doc_get(c, "message"))), str_or_empty(message));
	doc_set_string(a, c, "status", status);
	doc_set_string(a, c, "reason", reason);
	doc_set_string(a, c, "message", message);
	if (moved)
		doc_set_string(a, c, "lastTransitionTime", clock_rfc3339(now_wall_ns, 0, now));
	return changed;
}
