/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/write.h"

#include "deploy/lab/apiserver/admission.h"
#include "deploy/lab/apiserver/check.h"
#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/remove.h"
#include "deploy/lab/apiserver/schema.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/services.h"
#include "deploy/lab/apiserver/strategic.h"
#include "deploy/lab/apiserver/when.h"
#include "lib/base/str.h"

enum { PATCH_ATTEMPTS = 5 };

static bool of_status(const struct request *r)
{
	return str_eq(r->target.subresource, "status");
}

static void refused(struct request *r)
{
	request_reply_refusal(r);
	request_unref(r);
}

/* ---- the body ---- */

static int check_type(struct request *r, struct doc *d)
{
	const char *version = doc_str(doc_get(d, "apiVersion")),
		   *kind = doc_str(doc_get(d, "kind"));
	const char *want = resource_api_version(&r->arena, r->res);

	if (!d || d->kind != DOC_MAP)
		return refuse_bad_request(&r->refusal, "the body is not an object");
	if (str_empty(version))
		doc_set_string(&r->arena, d, "apiVersion", want);
	else if (!str_eq(version, want))
		return refuse_bad_request(&r->refusal,
					  "the API version in the data (%s) does not match the "
					  "expected API version (%s)",
					  version, want);
	if (str_empty(kind))
		doc_set_string(&r->arena, d, "kind", r->res->kind);
	else if (!str_eq(kind, r->res->kind))
		return refuse_bad_request(&r->refusal,
					  "%s in version \"%s\" cannot be handled as a %s", kind,
					  r->res->version, r->res->kind);
	if (doc_get(d, "metadata") && doc_get(d, "metadata")->kind != DOC_MAP &&
	    doc_get(d, "metadata")->kind != DOC_NULL)
		return refuse_bad_request(&r->refusal, "metadata is not an object");
	return 0;
}

/* The namespace and name in the body may be left out, not differ. */
static int check_place(struct request *r, struct doc *meta)
{
	const char *ns = doc_str(doc_get(meta, "namespace")),
		   *name = doc_str(doc_get(meta, "name"));

	if (!(r->res->flags & RES_NAMESPACED))
		doc_del(meta, "namespace");
	else if (str_empty(ns))
		doc_set_string(&r->arena, meta, "namespace", r->target.ns);
	else if (!str_eq(ns, r->target.ns))
		return refuse_bad_request(
			&r->refusal,
			"the namespace of the provided object does not match the namespace "
			"sent on the request");
	if (*r->target.name && str_empty(name))
		doc_set_string(&r->arena, meta, "name", r->target.name);
	else if (*r->target.name && !str_eq(name, r->target.name))
		return refuse_bad_request(
			&r->refusal,
			"the name of the object (%s) does not match the name on the URL (%s)", name,
			r->target.name);
	return 0;
}

/* Unknown fields of a custom resource: dropped, and said so in the way the client asked for. */
static int prune(struct request *r)
{
	struct doc *unknown = doc_list(&r->arena);
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!r->res->schema)
		return 0;
	schema_prune(&r->arena, r->res->schema, r->object, unknown);
	if (!doc_len(unknown) || r->field_validation == FIELDS_IGNORE)
		return 0;
	doc_foreach_item (unknown, path) {
		if (r->field_validation == FIELDS_WARN)
			request_warn(r, "unknown field \"%s\"", doc_str(path));
		strbuf_addf(&sb, "%sunknown field \"%s\"", sb.len ? ", " : "", doc_str(path));
	}
	if (r->field_validation == FIELDS_WARN)
		return 0;
	return refuse_bad_request(&r->refusal,
				  "%s in version \"%s\" cannot be handled as a %s: strict "
				  "decoding error: %s",
				  r->res->kind, r->res->version, r->res->kind, strbuf_cstr(&sb));
}

static void set_defaults(struct request *r)
{
	if (r->res->schema)
		schema_default(&r->arena, r->res->schema, r->object);
	if (r->res->defaults)
		r->res->defaults(&r->arena, r->object);
}

/* Reads and shapes what the client sent into r->object. */
static int take_object(struct request *r)
{
	struct doc *d = NULL;

	if (request_body(r, &d) || check_type(r, d) ||
	    check_place(r, doc_set_map(&r->arena, d, "metadata")))
		return REFUSED;
	r->object = d;
	doc_del(doc_get(d, "metadata"), "managedFields");
	if (prune(r))
		return REFUSED;
	set_defaults(r);
	return 0;
}

/* ---- checks ---- */

static int check_object(struct request *r)
{
	struct causes c = {.arena = &r->arena};
	const struct doc *old = r->old ? revision_doc(r->old) : NULL;
	struct subject s = resource_subject(r->res, doc_find_str(r->object, "metadata.name"));

	check_metadata(&c, r->res, r->object, old);
	if (r->res->schema)
		schema_validate(&c, r->res->schema, r->object);
	if (r->res->check)
		r->res->check(&c, r->object, old);
	return refuse_causes(&r->refusal, s, &c);
}

int write_check_namespace(struct apiserver *s, const struct resource *res, const char *ns,
			  const char *name, struct refusal *f)
{
	const struct resource *namespaces = registry_find(s->registry, "", "v1", "namespaces");
	const struct revision *found;
	struct doc *cause;

	if (!(res->flags & RES_NAMESPACED))
		return 0;
	found = shelf_get(namespaces->shelf, "", ns);
	if (!found)
		return refuse_not_found(f, resource_subject(namespaces, ns));
	if (!doc_find_str(revision_doc(found), "metadata.deletionTimestamp"))
		return 0;
	refuse_forbidden(
		f, resource_subject(res, name),
		"unable to create new content in namespace %s because it is being terminated", ns);
	f->causes = doc_list(f->arena);
	cause = doc_append(f->arena, f->causes, doc_map(f->arena));
	doc_set_string(f->arena, cause, "reason", "NamespaceTerminating");
	doc_setf(f->arena, cause, "message", "namespace %s is being terminated", ns);
	doc_set_string(f->arena, cause, "field", "metadata.namespace");
	return REFUSED;
}

int write_refuse_store(struct refusal *f, const struct error *err)
{
	if (err->code == -ENOSPC)
		return refuse(f, 507, "InsufficientStorage", "%s", err->msg);
	if (err->code == -E2BIG)
		return refuse(f, 413, "RequestEntityTooLarge", "%s", err->msg);
	return refuse(f, 500, "InternalError", "%s", err->msg);
}

/* ---- create ---- */

static const char *const server_fields[] = {"uid",
					    "creationTimestamp",
					    "selfLink",
					    "generation",
					    "deletionTimestamp",
					    "resourceVersion",
					    "deletionGracePeriodSeconds"};

static void fill_metadata(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *meta = doc_set_map(a, r->object, "metadata");
	const char *base = doc_str(doc_get(meta, "generateName"));

	if (str_empty(doc_str(doc_get(meta, "name"))) && !str_empty(base))
		doc_set_string(a, meta, "name", name_generate(a, base));
	doc_set_string(a, meta, "uid", name_uuid(a));
	doc_set_string(a, meta, "creationTimestamp", when_format(a, server_now_s(r->server)));
	if (r->res->flags & (RES_GENERATION | RES_CUSTOM))
		doc_set_int(a, meta, "generation", 1);
	if (r->res->flags & RES_STATUS && !(r->res->flags & RES_STATUS_ON_CREATE))
		doc_del(r->object, "status");
}

static void create_commit(struct request *r, int failed)
{
	struct arena *a = &r->arena;
	const char *name = doc_find_str(r->object, "metadata.name");
	struct revision *now;

	r->target.name = name;
	if (failed || write_check_namespace(r->server, r->res, r->target.ns, name, &r->refusal)) {
		refused(r);
		return;
	}
	if (shelf_get(r->res->shelf, r->target.ns, name)) {
		refuse_exists(&r->refusal, request_subject(r));
		refused(r);
		return;
	}
	if (resource_is(r->res, "", "services") &&
	    services_allocate(r->server, a, r->object, NULL, &r->refusal)) {
		refused(r);
		return;
	}
	if (r->dry_run) {
		request_reply_object(r, 201, r->object);
	} else if (write_store(r->server, r->res, a, r->object, &now, &r->refusal)) {
		refused(r);
		return;
	} else {
		request_reply_revision(r, 201, now);
	}
	request_unref(r);
}

static void create_mutated(struct request *r, int failed)
{
	if (!failed) {
		set_defaults(r);
		fill_metadata(r);
		set_defaults(r); /* some depend on the name */
		if (r->res->prepare)
			r->res->prepare(&r->arena, r->object);
		failed = check_object(r);
	}
	if (failed)
		refused(r);
	else
		admission_validate(r, "CREATE", create_commit);
}

void write_create(struct request *r)
{
	struct doc *meta;

	request_ref(r);
	if (take_object(r)) {
		refused(r);
		return;
	}
	meta = doc_get(r->object, "metadata");
	if (!str_empty(doc_str(doc_get(meta, "resourceVersion")))) {
		refuse_bad_request(&r->refusal,
				   "resourceVersion should not be set on objects to be created");
		refused(r);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(server_fields); i++)
		doc_del(meta, server_fields[i]);
	if (write_check_namespace(r->server, r->res, r->target.ns, doc_str(doc_get(meta, "name")),
				  &r->refusal))
		refused(r);
	else
		admission_mutate(r, "CREATE", create_mutated);
}

/* ---- update and patch: from r->old to r->object ---- */

static int load_old(struct request *r)
{
	struct revision *found = shelf_get(r->res->shelf, r->target.ns, r->target.name);

	revision_unref(r->old);
	r->old = NULL;
	if (!found)
		return refuse_not_found(&r->refusal, request_subject(r));
	r->old = revision_ref(found);
	return 0;
}

static int conflict(struct request *r)
{
	return refuse_conflict(
		&r->refusal, request_subject(r),
		"the object has been modified; please apply your changes to the latest "
		"version and try again");
}

/* resourceVersion and uid in what was sent must be those that are stored. */
static int check_preconditions(struct request *r)
{
	const struct doc *meta = doc_get(r->object, "metadata");
	const char *version = doc_str(doc_get(meta, "resourceVersion"));
	const char *uid = doc_str(doc_get(meta, "uid"));
	const char *have = doc_find_str(revision_doc(r->old), "metadata.resourceVersion");
	struct causes c = {.arena = &r->arena};

	if (!str_empty(uid) && !str_eq(uid, r->old->uid))
		return refuse_conflict(
			&r->refusal, request_subject(r),
			"Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
			r->old->uid);
	if (!str_empty(version))
		return str_eq(version, have) ? 0 : conflict(r);
	if (r->res->flags & (RES_CUSTOM | RES_NEEDS_VERSION)) {
		cause_invalid_str(&c, "metadata.resourceVersion", "0x0",
				  "must be specified for an update");
		return refuse_causes(&r->refusal, request_subject(r), &c);
	}
	return 0;
}

static void copy_field(struct arena *a, struct doc *to, const struct doc *from, const char *key)
{
	const struct doc *v = doc_get(from, key);

	if (v)
		doc_set(a, to, key, doc_clone(a, v));
	else
		doc_del(to, key);
}

/* A status write changes status alone; any other write leaves status as it is. */
static void keep_the_other_half(struct request *r)
{
	static const char *const kept[] = {"labels", "annotations", "finalizers",
					   "ownerReferences"};
	struct arena *a = &r->arena;
	const struct doc *old = revision_doc(r->old);
	struct doc *status;

	if (!(r->res->flags & RES_STATUS))
		return;
	if (!of_status(r)) {
		copy_field(a, r->object, old, "status");
		return;
	}
	status = doc_get(r->object, "status");
	/* Built-in kinds take labels and annotations along with status; custom ones do not. */
	if (r->res->flags & RES_CUSTOM) {
		r->object = doc_clone(a, old);
	} else {
		struct doc *meta = doc_get(r->object, "metadata"), *merged = doc_clone(a, old);

		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			copy_field(a, doc_get(merged, "metadata"), meta, kept[i]);
		r->object = merged;
	}
	if (status)
		doc_set(a, r->object, "status", status);
	else
		doc_del(r->object, "status");
}

static void restore_server_fields(struct request *r)
{
	static const char *const fields[] = {"uid",
					     "creationTimestamp",
					     "generation",
					     "deletionTimestamp",
					     "deletionGracePeriodSeconds",
					     "selfLink",
					     "resourceVersion",
					     "generateName",
					     "name",
					     "namespace"};
	struct doc *meta = doc_set_map(&r->arena, r->object, "metadata");
	const struct doc *old = doc_get(revision_doc(r->old), "metadata");

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		copy_field(&r->arena, meta, old, fields[i]);
	doc_del(meta, "managedFields");
}

static bool has_field(const char *const *list, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], key))
			return true;
	return false;
}

bool write_changes_generation(const struct resource *res, const struct doc *now,
			      const struct doc *was)
{
	static const char *const outside[] = {"metadata", "kind", "apiVersion", "status"};
	size_t n = res->flags & RES_CUSTOM && !(res->flags & RES_STATUS) ? 3 : 4;

	if (!(res->flags & (RES_GENERATION | RES_CUSTOM)))
		return false;
	doc_foreach_entry (now, e)
		if (!has_field(outside, n, e->key) && !doc_equal(e->value, doc_get(was, e->key)))
			return true;
	doc_foreach_entry (was, e)
		if (!has_field(outside, n, e->key) && !doc_get(now, e->key))
			return true;
	return false;
}

bool write_is_change(const struct doc *now, const struct doc *was)
{
	size_t fields = 0;

	doc_foreach_entry (now, e) {
		const struct doc *other = doc_get(was, e->key);

		if (str_eq(e->key,
			   "apiVersion")) /* versions of one object differ in nothing else */
			continue;
		if (!doc_equal(e->value, other))
			return true;
		fields++;
	}
	return fields + 1 != doc_len(was);
}

int write_store(struct apiserver *s, const struct resource *res, struct arena *a,
		struct doc *object, struct revision **ret, struct refusal *f)
{
	struct error err = ERROR_INIT;
	const struct doc *meta = doc_get(object, "metadata");
	bool dying = doc_get(meta, "deletionTimestamp") != NULL;

	if (dying && !doc_len(doc_get(meta, "finalizers")) &&
	    doc_int_or(doc_get(meta, "deletionGracePeriodSeconds"), 0) == 0 &&
	    !resource_is(res, "", "namespaces")) {
		*ret = NULL;
		return store_delete(s->store, res->shelf, a, object, &err)
			       ? write_refuse_store(f, &err)
			       : 0;
	}
	if (store_put(s->store, res->shelf, a, object, ret, &err))
		return write_refuse_store(f, &err);
	return 0;
}

static void update_retry(struct request *r);

static void update_commit(struct request *r, int failed)
{
	struct revision *now = NULL, *current;
	struct arena *a = &r->arena;

	if (failed) {
		refused(r);
		return;
	}
	current = shelf_get(r->res->shelf, r->target.ns, r->target.name);
	if (current != r->old) { /* changed while a webhook was asked */
		update_retry(r);
		return;
	}
	if (resource_is(r->res, "", "services") && !of_status(r) &&
	    services_allocate(r->server, a, r->object, revision_doc(r->old), &r->refusal)) {
		refused(r);
		return;
	}
	if (write_changes_generation(r->res, r->object, revision_doc(r->old)))
		doc_set_int(a, doc_get(r->object, "metadata"), "generation",
			    doc_find_int(revision_doc(r->old), "metadata.generation", 0) + 1);
	if (!write_is_change(r->object, revision_doc(r->old))) {
		request_reply_revision(r, 200, r->old);
	} else if (r->dry_run) {
		request_reply_object(r, 200, r->object);
	} else if (write_store(r->server, r->res, a, r->object, &now, &r->refusal)) {
		refused(r);
		return;
	} else if (now) {
		request_reply_revision(r, 200, now);
	} else {
		request_reply_object(r, 200, r->object);
	}
	request_unref(r);
}

static void update_mutated(struct request *r, int failed)
{
	if (!failed) {
		set_defaults(r);
		restore_server_fields(r);
		keep_the_other_half(r);
		failed = check_object(r);
	}
	if (failed)
		refused(r);
	else
		admission_validate(r, "UPDATE", update_commit);
}

/* From r->object as the client wants it. */
static void update_go(struct request *r)
{
	if (check_preconditions(r)) {
		refused(r);
		return;
	}
	restore_server_fields(r);
	keep_the_other_half(r);
	admission_mutate(r, "UPDATE", update_mutated);
}

void write_update(struct request *r)
{
	request_ref(r);
	if (take_object(r) || load_old(r))
		refused(r);
	else
		update_go(r);
}

/* ---- patches ---- */

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY, PATCH_UNKNOWN };

static enum patch_kind patch_kind(const char *type)
{
	static const char *const names[] = {
		"application/json-patch+json", "application/merge-patch+json",
		"application/strategic-merge-patch+json", "application/apply-patch+yaml"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_starts(type, names[i]))
			return (enum patch_kind)i;
	return PATCH_UNKNOWN;
}

static int refuse_patch(struct request *r, int code, const struct error *err)
{
	if (code == -ENOENT || code == -ECANCELED)
		return refuse(&r->refusal, 422, "Invalid",
			      "the server rejected our request due to an error in our request: %s",
			      err->msg);
	return refuse_bad_request(&r->refusal, "error decoding patch: %s", err->msg);
}

static int apply_patch(struct request *r)
{
	struct error err = ERROR_INIT;
	struct arena *a = &r->arena;
	const struct doc *target = request_versioned(r, r->old);
	struct doc *result = NULL;
	int e = 0;

	switch ((enum patch_kind)r->patch_kind) {
	case PATCH_JSON:
		e = doc_json_patch(a, target, r->patch, &result, &err);
		break;
	case PATCH_MERGE:
		result = doc_clone(a, doc_merge_patch(a, target, r->patch));
		break;
	case PATCH_STRATEGIC:
		e = strategic_merge(a, r->res->kind, target, r->patch, &result, &err);
		break;
	case PATCH_APPLY:
	case PATCH_UNKNOWN:
		e = -EINVAL;
		break;
	}
	if (e)
		return refuse_patch(r, e, &err);
	if (check_type(r, result) || check_place(r, doc_set_map(a, result, "metadata")))
		return REFUSED;
	r->object = result;
	if (prune(r))
		return REFUSED;
	set_defaults(r);
	return 0;
}

static void patch_go(struct request *r)
{
	const char *sent;

	if (load_old(r) || apply_patch(r)) {
		refused(r);
		return;
	}
	/* A patch that says nothing of a version applies to whatever there is. */
	sent = doc_find_str(r->object, "metadata.resourceVersion");
	if (str_empty(sent))
		copy_field(&r->arena, doc_get(r->object, "metadata"),
			   doc_get(revision_doc(r->old), "metadata"), "resourceVersion");
	update_go(r);
}

static void update_retry(struct request *r)
{
	if (r->patch && ++r->attempts < PATCH_ATTEMPTS) {
		patch_go(r);
		return;
	}
	conflict(r);
	refused(r);
}

static int take_patch(struct request *r)
{
	const char *type = str_or_empty(http_headers_get(r->view->headers, "content-type"));

	r->patch_kind = patch_kind(type);
	if (r->patch_kind == PATCH_APPLY)
		return refuse_not_served(
			&r->refusal, "server-side apply is not served by the lab's API server; use "
				     "client-side apply (kubectl apply without --server-side)");
	if (r->patch_kind == PATCH_UNKNOWN ||
	    (r->patch_kind == PATCH_STRATEGIC && r->res->flags & RES_CUSTOM))
		return refuse(
			&r->refusal, 415, "UnsupportedMediaType",
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json-patch+json, application/merge-patch+json%s",
			r->res->flags & RES_CUSTOM ? ""
						   : ", application/strategic-merge-patch+json");
	return request_body(r, &r->patch);
}

void write_patch(struct request *r)
{
	request_ref(r);
	if (take_patch(r))
		refused(r);
	else
		patch_go(r);
}
