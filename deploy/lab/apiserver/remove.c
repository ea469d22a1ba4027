/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/remove.h"

#include "deploy/lab/apiserver/admission.h"
#include "deploy/lab/apiserver/list.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write.h"
#include "lib/base/str.h"

/* ---- one object ---- */

static int check_preconditions(const struct resource *res, const struct revision *rev,
			       const struct remove_options *o, struct refusal *f)
{
	const char *version = doc_find_str(revision_doc(rev), "metadata.resourceVersion");
	struct subject s = resource_subject(res, rev->name);

	if (o->uid && !str_eq(o->uid, rev->uid))
		return refuse_conflict(
			f, s,
			"Precondition failed: UID in precondition: %s, UID in object meta: %s",
			o->uid, rev->uid);
	if (o->version && !str_eq(o->version, version))
		return refuse_conflict(f, s,
				       "Precondition failed: ResourceVersion in precondition: %s, "
				       "ResourceVersion in object meta: %s",
				       o->version, version);
	return 0;
}

/* A pod that never ran, or has ended, has nobody to wait for. */
static int64_t grace_of(const struct resource *res, const struct doc *d,
			const struct remove_options *o)
{
	const char *phase = doc_find_str(d, "status.phase");

	if (!(res->flags & RES_GRACEFUL) || str_empty(doc_find_str(d, "spec.nodeName")) ||
	    str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
		return 0;
	if (o->grace_s >= 0)
		return o->grace_s;
	return MAX(doc_find_int(d, "spec.terminationGracePeriodSeconds", 30), 0);
}

static void add_finalizer(struct arena *a, struct doc *meta, const char *name)
{
	struct doc *list = doc_set_list(a, meta, "finalizers");

	doc_foreach_item (list, f)
		if (str_eq(doc_str(f), name))
			return;
	doc_append(a, list, doc_string(a, name));
}

/* Marks d as being deleted; false when it already was, with a grace no longer than this one. */
static bool mark(struct apiserver *s, struct arena *a, struct doc *d, int64_t grace,
		 const struct remove_options *o, bool is_namespace)
{
	struct doc *meta = doc_get(d, "metadata");
	bool dying = doc_get(meta, "deletionTimestamp") != NULL;
	int64_t had = doc_int_or(doc_get(meta, "deletionGracePeriodSeconds"), 0);

	if (dying && had <= grace)
		return false;
	if (o->propagation == PROPAGATE_FOREGROUND)
		add_finalizer(a, meta, FINALIZER_FOREGROUND);
	else if (o->propagation == PROPAGATE_ORPHAN)
		add_finalizer(a, meta, FINALIZER_ORPHAN);
	doc_set_string(a, meta, "deletionTimestamp", when_format(a, server_now_s(s) + grace));
	doc_set_int(a, meta, "deletionGracePeriodSeconds", grace);
	if (doc_get(meta, "generation"))
		doc_set_int(a, meta, "generation",
			    doc_int_or(doc_get(meta, "generation"), 0) + !dying);
	if (is_namespace)
		doc_set_string(a, doc_set_map(a, d, "status"), "phase", "Terminating");
	return true;
}

static int take_away(struct apiserver *s, const struct resource *res, struct arena *a,
		     struct doc *last, struct refusal *f)
{
	struct error err = ERROR_INIT;

	return store_delete(s->store, res->shelf, a, last, &err) ? write_refuse_store(f, &err) : 0;
}

int remove_object(struct apiserver *s, const struct resource *res, struct revision *rev,
		  const struct remove_options *o, struct arena *a, const struct doc **ret_left,
		  struct refusal *f)
{
	bool is_namespace = resource_is(res, "", "namespaces");
	const struct doc *was = revision_doc(rev);
	struct doc *d = doc_clone(a, was);
	int64_t grace = grace_of(res, was, o);
	bool waits = grace > 0 || is_namespace || doc_len(doc_find(was, "metadata.finalizers")) ||
		     o->propagation == PROPAGATE_FOREGROUND || o->propagation == PROPAGATE_ORPHAN;
	struct revision *now = NULL;

	if (check_preconditions(res, rev, o, f))
		return REFUSED;
	if (!waits) {
		*ret_left = NULL;
		return o->dry_run ? 0 : take_away(s, res, a, d, f);
	}
	*ret_left = d;
	if (!mark(s, a, d, grace, o, is_namespace) || o->dry_run)
		return 0;
	if (write_store(s, res, a, d, &now, f))
		return REFUSED;
	*ret_left = now ? revision_doc(now) : NULL;
	return 0;
}

/* ---- requests ---- */

static enum propagation propagation_of(const struct doc *options, const char *query)
{
	static const char *const names[] = {NULL, "Background", "Foreground", "Orphan"};
	const char *name = doc_str(doc_get(options, "propagationPolicy"));

	if (str_empty(name))
		name = query;
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		if (str_eq(name, names[i]))
			return (enum propagation)i;
	return doc_bool_or(doc_get(options, "orphanDependents"), false) ? PROPAGATE_ORPHAN
									: PROPAGATE_DEFAULT;
}

static bool is_propagation(const char *name)
{
	return str_empty(name) || str_eq(name, "Foreground") || str_eq(name, "Background") ||
	       str_eq(name, "Orphan");
}

/* A body that is no DeleteOptions must not delete: whoever sent it meant something else. */
static int check_options(struct request *r, const struct doc *d)
{
	const struct doc *kind = doc_get(d, "kind"), *grace = doc_get(d, "gracePeriodSeconds");
	const struct doc *policy = doc_get(d, "propagationPolicy"), *dry = doc_get(d, "dryRun");

	if (!d || d->kind == DOC_NULL)
		return 0;
	if (d->kind != DOC_MAP || (kind && !str_eq(doc_str(kind), "DeleteOptions")))
		return refuse_bad_request(&r->refusal,
					  "the body of a DELETE must be DeleteOptions");
	if (grace && grace->kind != DOC_INT && grace->kind != DOC_NULL)
		return refuse_bad_request(&r->refusal, "gracePeriodSeconds: want a number");
	if ((policy && policy->kind != DOC_STRING && policy->kind != DOC_NULL) ||
	    !is_propagation(doc_str(policy)) ||
	    !is_propagation(request_query(r, "propagationPolicy")))
		return refuse_bad_request(
			&r->refusal, "propagationPolicy: want Foreground, Background or Orphan");
	if (dry && dry->kind != DOC_LIST && dry->kind != DOC_NULL)
		return refuse_bad_request(&r->refusal, "dryRun: want a list");
	return 0;
}

/* Options come in the body, or some of them in the query. */
static int take_options(struct request *r, struct remove_options *o)
{
	const char *grace = request_query(r, "gracePeriodSeconds");
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	if ((r->view->body_size && request_body(r, &d)) || check_options(r, d))
		return REFUSED;
	o->grace_s = doc_int_or(doc_get(d, "gracePeriodSeconds"), -1);
	if (*grace && str_to_i64(grace, 0, INT32_MAX, &o->grace_s, "gracePeriodSeconds", &err))
		return refuse_bad_request(&r->refusal, "%s", err.msg);
	o->uid = doc_find_str(d, "preconditions.uid");
	o->version = doc_find_str(d, "preconditions.resourceVersion");
	o->propagation = propagation_of(d, request_query(r, "propagationPolicy"));
	o->dry_run = r->dry_run || doc_len(doc_get(d, "dryRun"));
	r->dry_run = o->dry_run;
	return 0;
}

static void refused(struct request *r)
{
	request_reply_refusal(r);
	request_unref(r);
}

static void remove_commit(struct request *r, int failed)
{
	const struct doc *left = NULL;
	struct revision *current;

	if (failed) {
		refused(r);
		return;
	}
	current = shelf_get(r->res->shelf, r->target.ns, r->target.name);
	if (!current || !str_eq(current->uid, r->old->uid)) {
		refuse_not_found(&r->refusal, request_subject(r));
		refused(r);
		return;
	}
	if (remove_object(r->server, r->res, current, r->removal, &r->arena, &left, &r->refusal)) {
		refused(r);
		return;
	}
	if (left)
		request_reply_object(r, 200, left);
	else
		request_reply_success(r, r->old->name, r->old->uid);
	request_unref(r);
}

void remove_one(struct request *r)
{
	struct remove_options *o = arena_new(&r->arena, struct remove_options);
	struct revision *found;

	request_ref(r);
	r->removal = o;
	if (take_options(r, o)) {
		refused(r);
		return;
	}
	found = shelf_get(r->res->shelf, r->target.ns, r->target.name);
	if (!found) {
		refuse_not_found(&r->refusal, request_subject(r));
		refused(r);
		return;
	}
	r->old = revision_ref(found);
	admission_validate(r, "DELETE", remove_commit);
}

/* Webhooks are not asked about the objects of a collection one by one. */
void remove_collection(struct request *r)
{
	struct remove_options o = {0};
	struct list_query q;
	struct list_page page;
	const struct doc *left;
	struct doc *answer;

	if (take_options(r, &o) || request_list_query(r, &q) || list_select(r, &q, &page)) {
		request_reply_refusal(r);
		return;
	}
	answer = list_document(r, &page);
	for (size_t i = 0; i < page.n; i++) {
		if (remove_object(r->server, r->res, page.items[i], &o, &r->arena, &left,
				  &r->refusal)) {
			list_page_release(&page);
			request_reply_refusal(r);
			return;
		}
	}
	list_page_release(&page);
	request_reply_doc(r, 200, answer);
}
