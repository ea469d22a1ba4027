/* SPDX-License-Identifier: Apache-2.0 */
/* Creating. */
#include "deploy/lab/apiserver/write.h"

#include "deploy/lab/apiserver/admission.h"
#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/services.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write_impl.h"
#include "lib/base/str.h"

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
		write_refused(r);
		return;
	}
	if (shelf_get(r->res->shelf, r->target.ns, name)) {
		refuse_exists(&r->refusal, request_subject(r));
		write_refused(r);
		return;
	}
	if (resource_is(r->res, "", "services") &&
	    services_allocate(r->server, a, r->object, NULL, &r->refusal)) {
		write_refused(r);
		return;
	}
	if (r->dry_run) {
		request_reply_object(r, 201, r->object);
	} else if (write_store(r->server, r->res, a, r->object, &now, &r->refusal)) {
		write_refused(r);
		return;
	} else {
		request_reply_revision(r, 201, now);
	}
	request_unref(r);
}

static void create_mutated(struct request *r, int failed)
{
	if (!failed) {
		write_set_defaults(r);
		fill_metadata(r);
		write_set_defaults(r); /* some depend on the name */
		if (r->res->prepare)
			r->res->prepare(&r->arena, r->object);
		failed = write_check_object(r);
	}
	if (failed)
		write_refused(r);
	else
		admission_validate(r, "CREATE", create_commit);
}

void write_create(struct request *r)
{
	struct doc *meta;

	request_ref(r);
	if (write_take_object(r)) {
		write_refused(r);
		return;
	}
	meta = doc_get(r->object, "metadata");
	if (!str_empty(doc_str(doc_get(meta, "resourceVersion")))) {
		refuse_bad_request(&r->refusal,
				   "resourceVersion should not be set on objects to be created");
		write_refused(r);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(server_fields); i++)
		doc_del(meta, server_fields[i]);
	if (write_check_namespace(r->server, r->res, r->target.ns, doc_str(doc_get(meta, "name")),
				  &r->refusal))
		write_refused(r);
	else
		admission_mutate(r, "CREATE", create_mutated);
}
