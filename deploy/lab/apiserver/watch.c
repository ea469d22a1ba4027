/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/watch.h"

#include <stdlib.h>

#include "deploy/lab/apiserver/faults.h"
#include "deploy/lab/apiserver/list.h"
#include "deploy/lab/apiserver/server.h"
#include "lib/base/str.h"

#define SECOND_NS UINT64_C(1000000000)

enum { TIMEOUT_MIN_S = 1800 };

struct watcher {
	struct apiserver *server;
	struct request *r;
	struct list_query q;
	uint64_t version; /* the newest change the client knows of */
	bool first_row;   /* Tables: columns go with the first event only */
	struct watch_fault fault;
	uint64_t sent;
	struct loop_timer *timeout, *bookmark;
	bool over; /* its exchange is gone; freed when nobody iterates */
};

/* ---- lifetime ---- */

static void watcher_free(struct watcher *w)
{
	loop_timer_free(w->timeout);
	loop_timer_free(w->bookmark);
	request_unref(w->r);
	free(w);
}

static void sweep(struct apiserver *s)
{
	if (s->dispatching)
		return;
	for (size_t i = s->watchers.n; i-- > 0;) {
		struct watcher *w = s->watchers.items[i];

		if (w->over) {
			vec_remove(&s->watchers, i);
			watcher_free(w);
		}
	}
}

static void on_close(void *arg, bool complete)
{
	struct watcher *w = arg;
	struct apiserver *s = w->server;

	(void)complete;
	w->r->x = NULL;
	w->over = true;
	request_unref(w->r); /* the exchange's own */
	sweep(s);
}

static void end(struct watcher *w)
{
	struct http_exchange *x = TAKE(w->r->x);

	if (x)
		http_reply_end(x);
}

static void on_timeout(void *arg)
{
	end(arg);
}

/* ---- sending ---- */

/* Counts what goes out and plays the scripted fault when its turn has come. */
static bool fault_strikes(struct watcher *w)
{
	struct http_exchange *x = w->r->x;

	if (w->fault.kind == WATCH_FAULT_NONE || w->sent < w->fault.after)
		return false;
	if (w->fault.kind == WATCH_FAULT_CUT) {
		w->r->x = NULL;
		http_exchange_abort(x);
	}
	return true; /* cut or silent: nothing more is sent */
}

static void send_bytes(struct watcher *w, const char *data, size_t n)
{
	if (!w->r->x || fault_strikes(w))
		return;
	w->sent++;
	if (http_reply_pending(w->r->x) > WATCH_MAX_PENDING)
		http_exchange_abort(TAKE(w->r->x));
	else
		http_reply_write(w->r->x, data, n);
}

static void send_doc(struct watcher *w, const char *type, struct doc *object, struct arena *a)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct doc *frame = doc_map(a);

	doc_set_string(a, frame, "type", type);
	doc_set(a, frame, "object", object);
	doc_write_json(frame, DOC_COMPACT, &sb);
	strbuf_addc(&sb, '\n');
	send_bytes(w, sb.buf, sb.len);
}

static void send_error(struct watcher *w, struct refusal *f)
{
	send_doc(w, "ERROR", refusal_status(f), f->arena);
	end(w);
}

/* The stored JSON goes out as it is, between a head and a tail. */
static void send_plain(struct watcher *w, const char *type, const struct revision *rev)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "{\"type\":\"%s\",\"object\":", type);
	strbuf_add(&sb, rev->json, rev->json_len);
	strbuf_adds(&sb, "}\n");
	send_bytes(w, sb.buf, sb.len);
}

/* version is put into the object when it is not the one it was stored with. */
static void send_shaped(struct watcher *w, const char *type, const struct revision *rev,
			uint64_t version)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d = doc_clone(&a, revision_doc(rev)), *out = d;

	doc_set_string(&a, d, "apiVersion", resource_api_version(&a, w->r->res));
	doc_setf(&a, doc_get(d, "metadata"), "resourceVersion", "%llu",
		 (unsigned long long)version);
	if (w->r->output == AS_METADATA) {
		out = partial_metadata(&a, d);
	} else if (w->r->output == AS_TABLE) {
		out = table_new(&a, w->r->res, w->first_row);
		w->first_row = false;
		doc_setf(&a, doc_get(out, "metadata"), "resourceVersion", "%llu",
			 (unsigned long long)version);
		table_add_row(&a, out, w->r->res, d, w->r->include, server_now_s(w->server));
	}
	send_doc(w, type, out, &a);
}

static void send(struct watcher *w, const char *type, const struct revision *rev, uint64_t version)
{
	if (w->r->output == AS_OBJECT && !(w->r->res->flags & RES_CUSTOM) && rev->rv == version)
		send_plain(w, type, rev);
	else
		send_shaped(w, type, rev, version);
}

static void send_bookmark(struct watcher *w, bool initial_end)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d = doc_map(&a), *meta;

	doc_set_string(&a, d, "kind", w->r->res->kind);
	doc_set_string(&a, d, "apiVersion", resource_api_version(&a, w->r->res));
	meta = doc_set_map(&a, d, "metadata");
	doc_setf(&a, meta, "resourceVersion", "%llu",
		 (unsigned long long)store_version(w->server->store));
	if (initial_end)
		doc_set_string(&a, doc_set_map(&a, meta, "annotations"),
			       "k8s.io/initial-events-end", "true");
	if (w->r->output == AS_TABLE) {
		struct doc *table = table_new(&a, w->r->res, false);

		doc_set(&a, table, "metadata", meta);
		d = table;
	}
	send_doc(w, "BOOKMARK", d, &a);
}

static void on_bookmark(void *arg)
{
	struct watcher *w = arg;
	struct apiserver *s = w->server;

	s->dispatching++; /* a client that is cut off now must not free w yet */
	send_bookmark(w, false);
	loop_timer_set(w->bookmark, s->bookmark_s * SECOND_NS);
	s->dispatching--;
	sweep(s);
}

/* ---- one change ---- */

/* An object that comes into the selection is ADDED, one that leaves it DELETED (as it was). */
static void hand(struct watcher *w, const struct event *e)
{
	bool was, is;

	if (w->over || e->shelf != w->r->res->shelf || e->rv <= w->version)
		return;
	w->version = e->rv;
	if (w->fault.kind == WATCH_FAULT_EXPIRE && w->sent >= w->fault.after) {
		struct refusal f = {.arena = &w->r->arena};

		refuse_expired(&f, "too old resource version: %llu (scripted)",
			       (unsigned long long)w->version);
		w->fault.kind = WATCH_FAULT_NONE;
		send_error(w, &f);
		return;
	}
	was = e->before && list_wants(w->r, &w->q, e->before);
	is = e->type != EVENT_DELETED && list_wants(w->r, &w->q, e->now);
	if (is)
		send(w, was ? "MODIFIED" : "ADDED", e->now, e->rv);
	else if (was)
		send(w, "DELETED", e->type == EVENT_DELETED ? e->now : e->before, e->rv);
}

void watch_dispatch(struct apiserver *s, const struct event *e)
{
	s->dispatching++;
	for (size_t i = 0; i < s->watchers.n; i++)
		hand(s->watchers.items[i], e);
	s->dispatching--;
	sweep(s);
}

static void replay(struct watcher *w, size_t from)
{
	const struct store *s = w->server->store;

	for (size_t i = from; i < store_history_count(s); i++)
		hand(w, store_history_at(s, i));
}

static void send_initial(struct watcher *w)
{
	const struct shelf *sh = w->r->res->shelf;

	for (size_t i = 0; i < shelf_count(sh); i++) {
		struct revision *rev = shelf_at(sh, i);

		if (list_wants(w->r, &w->q, rev))
			send(w, "ADDED", rev, rev->rv);
	}
	w->version = store_version(w->server->store);
	if (w->q.send_initial && w->q.bookmarks)
		send_bookmark(w, true);
}

/* ---- start ---- */

static int check_query(struct request *r, const struct list_query *q, uint64_t *ret_version)
{
	struct causes c = {.arena = &r->arena};
	struct subject s = {"meta.k8s.io", NULL, "ListOptions", ""};

	*ret_version = 0;
	if (q->send_initial_given &&
	    (r->server->no_watch_list || faults_no_watch_list(r->server->faults)))
		cause_forbidden(&c, "sendInitialEvents",
				"sendInitialEvents is forbidden for watch unless the WatchList "
				"feature gate is "
				"enabled");
	else if (q->send_initial_given && !str_eq(q->version_match, "NotOlderThan"))
		cause_forbidden(
			&c, "resourceVersionMatch",
			"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
	else if (!q->send_initial_given && *q->version_match)
		cause_forbidden(
			&c, "resourceVersionMatch",
			"resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
			"provided");
	if (refuse_causes(&r->refusal, s, &c))
		return REFUSED;
	if (*q->version && str_to_u64(q->version, 0, UINT64_MAX - 1, ret_version, "", NULL))
		return refuse_bad_request(&r->refusal,
					  "Invalid value: \"%s\": resourceVersion is not a number",
					  q->version);
	return 0;
}

static void start_timers(struct watcher *w)
{
	struct loop *loop = w->server->loop;
	uint64_t timeout = w->q.timeout_s ? w->q.timeout_s
					  : (uint64_t)(TIMEOUT_MIN_S + random() % TIMEOUT_MIN_S);

	w->timeout = loop_timer_new(loop, on_timeout, w);
	loop_timer_set(w->timeout, timeout * SECOND_NS);
	w->bookmark = loop_timer_new(loop, on_bookmark, w);
	if (w->q.bookmarks)
		loop_timer_set(w->bookmark, w->server->bookmark_s * SECOND_NS);
}

static void begin(struct watcher *w, uint64_t version)
{
	bool from_state = w->q.send_initial || (!version && !w->q.send_initial_given);
	size_t from = 0;

	if (from_state) {
		send_initial(w);
	} else if (!version) {
		w->version = store_version(w->server->store);
	} else if (store_history_after(w->server->store, version, &from)) {
		struct refusal f = {.arena = &w->r->arena};

		refuse_expired(&f, "too old resource version: %llu (%llu)",
			       (unsigned long long)version,
			       (unsigned long long)store_version(w->server->store));
		send_error(w, &f);
	} else {
		w->version = version;
		replay(w, from);
	}
}

void watch_start(struct request *r, const struct watch_fault *fault)
{
	struct apiserver *s = r->server;
	struct watcher *w;
	struct list_query q;
	uint64_t version;

	if (request_list_query(r, &q) || check_query(r, &q, &version)) {
		request_reply_refusal(r);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->server = s;
	w->r = r;
	w->q = q;
	w->first_row = true;
	if (fault)
		w->fault = *fault;
	request_ref(r);
	r->yaml = false;
	http_exchange_on_close(r->x, on_close, w);
	http_reply_start(r->x, 200, "application/json");
	start_timers(w);
	vec_push(&s->watchers, w);
	s->dispatching++; /* whatever ends w meanwhile must not free it */
	begin(w, version);
	s->dispatching--;
	sweep(s);
}

void watch_end_retired(struct apiserver *s)
{
	s->dispatching++;
	for (size_t i = 0; i < s->watchers.n; i++)
		if (s->watchers.items[i]->r->res->retired)
			end(s->watchers.items[i]);
	s->dispatching--;
	sweep(s);
}

void watch_end_all(struct apiserver *s)
{
	s->dispatching++;
	for (size_t i = 0; i < s->watchers.n; i++)
		end(s->watchers.items[i]);
	s->dispatching--;
	sweep(s);
}
