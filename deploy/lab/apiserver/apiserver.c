/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/apiserver.h"

#include <stdlib.h>

#include "deploy/lab/apiserver/faults.h"
#include "deploy/lab/apiserver/list.h"
#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/remove.h"
#include "deploy/lab/apiserver/review.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/services.h"
#include "deploy/lab/apiserver/subresource.h"
#include "deploy/lab/apiserver/sweeper.h"
#include "deploy/lab/apiserver/watch.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"

#define SECOND_NS      UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)
#define FAULTS_PATH    "/sidestep/faults"

enum { DEFAULT_BOOKMARK_S = 30 };

int64_t server_now_s(const struct apiserver *s)
{
	return clock_wall_ns(s->clock) / (int64_t)SECOND_NS;
}

/* ---- one request ---- */

static bool is_health(const char *path)
{
	return str_starts(path, "/healthz") || str_starts(path, "/readyz") ||
	       str_starts(path, "/livez");
}

static void no_such_path(struct request *r)
{
	refuse(&r->refusal, 404, "NotFound", "the server could not find the requested resource");
	request_reply_refusal(r);
}

static int choose_verb(struct request *r)
{
	const char *m = r->view->method;
	bool named = *r->target.name;
	bool watch = http_query_bool(r->view->query, "watch");

	if (str_eq(m, "GET") || str_eq(m, "HEAD"))
		r->verb = watch && !*r->target.subresource ? VERB_WATCH
			  : named                          ? VERB_GET
							   : VERB_LIST;
	else if (str_eq(m, "POST") && (!named || *r->target.subresource))
		r->verb = VERB_CREATE;
	else if (str_eq(m, "PUT") && named)
		r->verb = VERB_UPDATE;
	else if (str_eq(m, "PATCH") && named)
		r->verb = VERB_PATCH;
	else if (str_eq(m, "DELETE"))
		r->verb = named ? VERB_DELETE : VERB_DELETE_COLLECTION;
	else
		return refuse(&r->refusal, 405, "MethodNotAllowed",
			      "the server does not allow this method on the requested resource");
	return 0;
}

static void serve_verb(struct request *r, const struct watch_fault *fault)
{
	if (*r->target.subresource) {
		subresource_serve(r);
		return;
	}
	switch (r->verb) {
	case VERB_GET:
		list_get(r);
		break;
	case VERB_LIST:
		list_list(r);
		break;
	case VERB_WATCH:
		watch_start(r, fault);
		break;
	case VERB_CREATE:
		write_create(r);
		break;
	case VERB_UPDATE:
		write_update(r);
		break;
	case VERB_PATCH:
		write_patch(r);
		break;
	case VERB_DELETE:
		remove_one(r);
		break;
	case VERB_DELETE_COLLECTION:
		remove_collection(r);
		break;
	}
}

/* Namespaced objects are written and read by name inside a namespace only. */
static int check_scope(struct request *r)
{
	bool namespaced = r->res->flags & RES_NAMESPACED;

	if (!namespaced && *r->target.ns)
		return refuse(&r->refusal, 404, "NotFound",
			      "the server could not find the requested resource");
	if (namespaced && !*r->target.ns && (*r->target.name || r->verb == VERB_CREATE))
		return refuse_bad_request(
			&r->refusal, "an empty namespace may not be set when a resource name is "
				     "provided or an object is created");
	return 0;
}

/* ---- scripted faults ---- */

struct delayed {
	struct request *r;
	struct fault fault;
	struct loop_timer *timer;
};

static void serve_faulty(struct request *r, const struct fault *f)
{
	r->cut = f->cut == CUT_AFTER;
	if (f->cut == CUT_BEFORE) {
		http_exchange_abort(TAKE(r->x));
	} else if (f->status) {
		refuse(&r->refusal, f->status, f->reason ? f->reason : http_status_text(f->status),
		       "%s", f->message ? f->message : "scripted fault");
		r->refusal.retry_after_s = f->retry_after_s;
		request_reply_refusal(r);
	} else {
		serve_verb(r, &f->watch);
	}
}

static void delayed_end(struct apiserver *s, size_t i)
{
	struct delayed *d = s->delayed.items[i];

	vec_remove(&s->delayed, i);
	loop_timer_free(d->timer);
	request_unref(d->r);
}

static void on_delay(void *arg)
{
	struct delayed *d = arg;
	struct apiserver *s = d->r->server;

	if (d->r->x)
		serve_faulty(d->r, &d->fault);
	for (size_t i = s->delayed.n; i--;)
		if (s->delayed.items[i] == d) {
			delayed_end(s, i);
			return;
		}
}

static void serve_with_faults(struct request *r)
{
	struct apiserver *s = r->server;
	struct fault f;
	struct delayed *d;

	if (!faults_match(r->server->faults, r, &f)) {
		serve_verb(r, NULL);
	} else if (!f.delay_ms) {
		serve_faulty(r, &f);
	} else {
		d = arena_new(&r->arena, struct delayed);
		d->r = r;
		d->fault = f;
		d->fault.reason = arena_strdup(&r->arena, f.reason);
		d->fault.message = arena_strdup(&r->arena, f.message);
		d->timer = loop_timer_new(r->server->loop, on_delay, d);
		vec_push(&s->delayed, d);
		request_ref(r);
		loop_timer_set(d->timer, f.delay_ms * MILLISECOND_NS);
	}
}

int apiserver_set_faults(struct apiserver *s, const struct doc *faults, struct error *err)
{
	int e = faults_set(s->faults, faults, err);

	if (!e && faults_forget_history(s->faults))
		store_forget_history(s->store);
	return e;
}

static void serve_faults(struct request *r)
{
	struct error err = ERROR_INIT;
	struct doc *d;

	if (!r->server->allow_faults) {
		refuse_not_served(&r->refusal,
				  "scripted faults are off; start the server with them allowed");
		request_reply_refusal(r);
	} else if (str_eq(r->view->method, "GET")) {
		request_reply_doc(r, 200, faults_show(r->server->faults, &r->arena));
	} else if (request_body(r, &d)) {
		request_reply_refusal(r);
	} else if (apiserver_set_faults(r->server, d, &err)) {
		refuse_bad_request(&r->refusal, "%s", err.msg);
		request_reply_refusal(r);
	} else {
		request_reply_doc(r, 200, faults_show(r->server->faults, &r->arena));
	}
}

/* ---- routing ---- */

static void serve_resource(struct request *r)
{
	struct target *t = &r->target;

	if (target_parse(&r->arena, r->view->path, t)) {
		no_such_path(r);
		return;
	}
	r->res = registry_find(r->server->registry, t->group, t->version, t->plural);
	if (!r->res) {
		no_such_path(r);
		return;
	}
	if (choose_verb(r) || check_scope(r))
		request_reply_refusal(r);
	else if (r->res->flags & RES_VIRTUAL)
		review_create(r);
	else
		serve_with_faults(r);
}

static void serve(struct request *r)
{
	const char *path = r->view->path;

	if (is_health(path)) {
		http_reply(TAKE(r->x), 200, "text/plain; charset=utf-8", "ok", 2);
		return;
	}
	if (auth_request(r))
		request_reply_refusal(r);
	else if (str_eq(path, FAULTS_PATH))
		serve_faults(r);
	else if (discovery_serve(r))
		return;
	else if (request_options(r))
		request_reply_refusal(r);
	else
		serve_resource(r);
}

static void handle(void *arg, struct http_exchange *x)
{
	struct request *r = request_new(arg, x);

	request_ref(r);
	serve(r);
	request_unref(r);
}

/* ---- the store's changes ---- */

static void on_event(void *arg, const struct event *e)
{
	struct apiserver *s = arg;
	const struct resource *crds = registry_find(s->registry, "apiextensions.k8s.io", "v1",
						    "customresourcedefinitions");

	if (e->shelf == crds->shelf) {
		if (e->type == EVENT_DELETED)
			crd_remove(s, e->now->name);
		else
			crd_apply(s, revision_doc(e->now));
	}
	watch_dispatch(s, e);
	sweeper_note(s->sweeper, e);
}

static void apply_stored_crds(struct apiserver *s)
{
	struct shelf *sh = registry_find(s->registry, "apiextensions.k8s.io", "v1",
					 "customresourcedefinitions")
				   ->shelf;

	for (size_t i = 0; i < shelf_count(sh); i++)
		crd_apply(s, revision_doc(shelf_at(sh, i)));
}

/* The namespaces that every cluster has. */
static int make_namespaces(struct apiserver *s, struct error *err)
{
	static const char *const names[] = {"default", "kube-node-lease", "kube-public",
					    "kube-system"};
	const struct resource *res = registry_find(s->registry, "", "v1", "namespaces");
	int e = 0;

	for (size_t i = 0; !e && i < ARRAY_SIZE(names); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct doc *d = doc_map(&a), *meta;
		struct revision *now;

		if (shelf_get(res->shelf, "", names[i]))
			continue;
		doc_set_string(&a, d, "kind", "Namespace");
		doc_set_string(&a, d, "apiVersion", "v1");
		meta = doc_set_map(&a, d, "metadata");
		doc_set_string(&a, meta, "name", names[i]);
		doc_set_string(&a, meta, "uid", name_uuid(&a));
		doc_set_string(&a, meta, "creationTimestamp", when_format(&a, server_now_s(s)));
		res->defaults(&a, d);
		res->prepare(&a, d);
		e = store_put(s->store, res->shelf, &a, d, &now, err);
	}
	return e;
}

/* ---- life ---- */

static int open_store(struct apiserver *s, const struct apiserver_options *o, struct error *err)
{
	auto_free char *dir = o->dir ? xasprintf("%s/store", o->dir) : NULL;
	struct store_options so = {.dir = dir,
				   .log_bytes = o->log_bytes,
				   .history = o->history,
				   .max_objects = o->max_objects,
				   .log = o->log};

	return store_open(&so, &s->store, err);
}

static void copy_options(struct apiserver *s, struct loop *loop, const struct apiserver_options *o)
{
	s->loop = loop;
	s->clock = loop_clock(loop);
	s->log = o->log;
	s->dir = xstrdup(o->dir);
	s->pod_log_dir = xstrdup(o->pod_log_dir);
	s->no_garbage_collection = o->no_garbage_collection;
	s->no_watch_list = o->no_watch_list;
	s->allow_faults = o->allow_faults;
	s->bookmark_s = o->bookmark_s ? o->bookmark_s : DEFAULT_BOOKMARK_S;
}

static void start_parts(struct apiserver *s)
{
	struct http_server_options http = {
		.limits = {.max_headers = REQUEST_MAX_HEADERS, .max_body = REQUEST_MAX_BODY},
		.handle = handle,
		.arg = s,
	};

	s->registry = registry_new(s->store);
	s->faults = faults_new();
	apply_stored_crds(s);
	s->sweeper = sweeper_new(s);
	store_on_event(s->store, on_event, s);
	s->client = http_client_new(s->loop, NULL);
	s->http = http_server_new(s->loop, &http);
}

int apiserver_new(struct loop *loop, const struct apiserver_options *options,
		  struct apiserver **ret_server, struct error *err)
{
	struct apiserver *s = xcalloc(1, sizeof(*s));
	int e;

	copy_options(s, loop, options);
	e = services_set_range(s, options->service_cidr ? options->service_cidr : "10.96.0.0/16",
			       err);
	if (!e)
		e = open_store(s, options, err);
	if (!e)
		e = auth_load(s, options, err);
	if (!e) {
		start_parts(s);
		e = make_namespaces(s, err);
	}
	if (e) {
		apiserver_free(s);
		return e;
	}
	*ret_server = s;
	return 0;
}

void apiserver_free(struct apiserver *s)
{
	if (!s)
		return;
	watch_end_all(s);
	http_client_free(s->client);
	http_server_free(s->http);
	while (s->delayed.n)
		delayed_end(s, s->delayed.n - 1);
	vec_release(&s->delayed);
	vec_release(&s->watchers);
	sweeper_free(s->sweeper);
	faults_free(s->faults);
	registry_free(s->registry);
	store_free(s->store);
	auth_release(s);
	free(s->dir);
	free(s->pod_log_dir);
	free(s);
}

int apiserver_listen(struct apiserver *s, const char *address, uint16_t port, uint16_t *ret_port,
		     struct error *err)
{
	struct http_server_tls tls = {.cert_pem = s->cert.cert_pem,
				      .key_pem = s->cert.key_pem,
				      .client_ca_pem = s->ca.cert_pem};

	return http_server_listen(s->http, address, port, &tls, ret_port, err);
}

struct listening {
	struct apiserver *server;
	const char *address;
	uint16_t port, *ret_port;
};

static int listen_there(void *arg, struct error *err)
{
	struct listening *l = arg;

	return apiserver_listen(l->server, l->address, l->port, l->ret_port, err);
}

/* A socket stays in the namespace it was made in, wherever its thread goes afterwards. */
int apiserver_listen_in(struct apiserver *s, const char *netns, const char *address, uint16_t port,
			uint16_t *ret_port, struct error *err)
{
	struct listening l = {s, address, port, ret_port};
	auto_close int fd = -1;
	int e = netns_open(netns, &fd, err);

	return e ? e : netns_run(fd, listen_there, &l, err);
}

const char *apiserver_ca(const struct apiserver *s)
{
	return s->ca.cert_pem;
}

uint64_t apiserver_version(const struct apiserver *s)
{
	return store_version(s->store);
}

size_t apiserver_count(const struct apiserver *s, const char *group, const char *plural)
{
	for (size_t i = 0; i < registry_count(s->registry); i++) {
		const struct resource *res = registry_at(s->registry, i);

		if (!res->retired && res->shelf && resource_is(res, group, plural))
			return shelf_count(res->shelf);
	}
	return 0;
}
