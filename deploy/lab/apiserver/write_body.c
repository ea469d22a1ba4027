/* SPDX-License-Identifier: Apache-2.0 */
/* From what a client sent to an object that may be stored, and into the store. */
#include "deploy/lab/apiserver/check.h"
#include "deploy/lab/apiserver/schema.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/write_impl.h"
#include "lib/base/str.h"

void write_refused(struct request *r)
{
	request_reply_refusal(r);
	request_unref(r);
}

/* ---- the body ---- */

int write_check_type(struct request *r, struct doc *d)
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
int write_check_place(struct request *r, struct doc *meta)
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
int write_prune(struct request *r)
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

void write_set_defaults(struct request *r)
{
	if (r->res->schema)
		schema_default(&r->arena, r->res->schema, r->object);
	if (r->res->defaults)
		r->res->defaults(&r->arena, r->object);
}

/* Reads and shapes what the client sent into r->object. */
int write_take_object(struct request *r)
{
	struct doc *d = NULL;

	if (request_body(r, &d) || write_check_type(r, d) ||
	    write_check_place(r, doc_set_map(&r->arena, d, "metadata")))
		return REFUSED;
	r->object = d;
	doc_del(doc_get(d, "metadata"), "managedFields");
	if (write_prune(r))
		return REFUSED;
	write_set_defaults(r);
	return 0;
}

/* ---- checks ---- */

int write_check_object(struct request *r)
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

/* ---- the store ---- */

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
