/* SPDX-License-Identifier: Apache-2.0 */
/* Updates and patches: from what is stored to what the client wants. */
#include "deploy/lab/apiserver/admission.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/services.h"
#include "deploy/lab/apiserver/strategic.h"
#include "deploy/lab/apiserver/write_impl.h"
#include "lib/base/str.h"

enum { PATCH_ATTEMPTS = 5 };

static bool of_status(const struct request *r)
{
	return str_eq(r->target.subresource, "status");
}

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

static void update_retry(struct request *r);

static void update_commit(struct request *r, int failed)
{
	struct revision *now = NULL, *current;
	struct arena *a = &r->arena;

	if (failed) {
		write_refused(r);
		return;
	}
	current = shelf_get(r->res->shelf, r->target.ns, r->target.name);
	if (current != r->old) { /* changed while a webhook was asked */
		update_retry(r);
		return;
	}
	if (resource_is(r->res, "", "services") && !of_status(r) &&
	    services_allocate(r->server, a, r->object, revision_doc(r->old), &r->refusal)) {
		write_refused(r);
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
		write_refused(r);
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
		write_set_defaults(r);
		restore_server_fields(r);
		keep_the_other_half(r);
		failed = write_check_object(r);
	}
	if (failed)
		write_refused(r);
	else
		admission_validate(r, "UPDATE", update_commit);
}

/* From r->object as the client wants it. */
static void update_go(struct request *r)
{
	if (check_preconditions(r)) {
		write_refused(r);
		return;
	}
	restore_server_fields(r);
	keep_the_other_half(r);
	admission_mutate(r, "UPDATE", update_mutated);
}

void write_update(struct request *r)
{
	request_ref(r);
	if (write_take_object(r) || load_old(r))
		write_refused(r);
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
	if (write_check_type(r, result) || write_check_place(r, doc_set_map(a, result, "metadata")))
		return REFUSED;
	r->object = result;
	if (write_prune(r))
		return REFUSED;
	write_set_defaults(r);
	return 0;
}

static void patch_go(struct request *r)
{
	const char *sent;

	if (load_old(r) || apply_patch(r)) {
		write_refused(r);
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
	write_refused(r);
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
		write_refused(r);
	else
		patch_go(r);
}
