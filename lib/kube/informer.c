/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The informer's cycle: list -> watch -> (cut: watch again | 410: list again), with one timer for
 * every wait.
 */
#include "lib/kube/informer.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/kube/frames.h"
#include "lib/kube/kube_internal.h"
#include "lib/kube/store.h"
#include "lib/object/meta.h"

#define PAGE               500
#define MIN_BACKOFF_NS     (200 * NS_PER_MS)
#define WATCH_LIST_WAIT_NS (10 * NS_PER_S)
#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

enum phase { PHASE_LIST, PHASE_WATCH_LIST, PHASE_WATCH };

struct kube_informer {
	struct kube_client *client;
	struct loop *loop;
	struct arena arena; /* options' strings */
	struct kube_informer_options options;
	struct kube_store store;
	char *version; /* to watch from; "" before the first list */

	enum phase phase;
	struct kube_call *listing;
	struct http_call *watching;
	struct kube_frames frames;
	struct kube_waiter waiter; /* while the server cannot be reached */
	struct loop_timer *timer;  /* the next attempt, or the end of patience with a watch-list */
	char *continue_;
	bool synced, watch_list_refused, stream_open;
	int stream_status;
	uint64_t retry_after_ns, stream_began_ns;
	unsigned backoff_steps;
	uint32_t jitter;

	unsigned lists, watches, failures;
	uint64_t last_event_ns;
	struct error last_error;
};

/* The cycle. */

static void next_attempt(void *arg);
static void start_list(struct kube_informer *inf);
static void start_watch(struct kube_informer *inf);

static void set_version(struct kube_informer *inf, const char *version)
{
	if (str_empty(version) || str_eq(version, inf->version))
		return;
	free(inf->version);
	inf->version = xstrdup(version);
}

static uint64_t backoff(struct kube_informer *inf)
{
	uint64_t ns = MIN_BACKOFF_NS, max = inf->options.max_backoff_ns;

	for (unsigned i = 0; i < inf->backoff_steps && ns < max; i++)
		ns *= 2;
	if (ns > max)
		ns = max;
	inf->backoff_steps++;
	inf->jitter = inf->jitter * 1664525u + 1013904223u;
	ns = ns - ns / 4 + (uint64_t)(inf->jitter >> 8) % (ns / 2 + 1);
	if (inf->retry_after_ns > ns)
		ns = inf->retry_after_ns;
	inf->retry_after_ns = 0;
	return ns;
}

static void failed(struct kube_informer *inf, enum phase next)
{
	inf->failures++;
	inf->phase = next;
	loop_timer_set(inf->timer, backoff(inf));
	if (inf->options.log)
		log_debug(inf->options.log, "watch %s: %s, continuing", inf->options.kind->plural,
			  inf->last_error.msg);
}

/* Nobody answered: the next attempt comes sooner when anybody else is answered. */
static void unreachable(struct kube_informer *inf, enum phase next)
{
	failed(inf, next);
	kube_client_wait(inf->client, &inf->waiter);
}

static void server_is_back(void *arg)
{
	struct kube_informer *inf = arg;

	loop_timer_set(inf->timer, 0);
}

static void now_synced(struct kube_informer *inf)
{
	inf->last_error.msg[0] = '\0';
	if (inf->synced)
		return;
	inf->synced = true;
	if (inf->store.handlers.on_synced)
		inf->store.handlers.on_synced(inf->store.arg);
}

/* Listing by pages. */

static void take_page(struct kube_informer *inf, const struct doc *list)
{
	const struct doc *items = doc_get(list, "items");

	for (size_t i = 0; i < doc_len(items); i++) {
		struct arena a = ARENA_INIT;
		struct kube_object *o =
			kube_store_object(&inf->store, &a, doc_clone(&a, doc_at(items, i)));

		if (o)
			kube_store_put(&inf->store, o);
	}
	inf->last_event_ns = loop_now_ns(inf->loop);
}

static void request_page(struct kube_informer *inf);

static void list_refused(struct kube_informer *inf, const struct kube_result *r)
{
	free(inf->continue_);
	inf->continue_ = NULL;
	kube_result_error(r, &inf->last_error);
	inf->retry_after_ns = r->retry_after_ns;
	if (r->status == 404 && inf->options.optional) {
		inf->store.round++;
		kube_store_drop_older(&inf->store);
		now_synced(inf);
	}
	if (r->status)
		failed(inf, PHASE_LIST);
	else
		unreachable(inf, PHASE_LIST);
}

static void list_done(void *arg, struct kube_result *r)
{
	struct kube_informer *inf = arg;
	const char *more = doc_find_str(r->object, "metadata.continue");

	inf->listing = NULL;
	if (r->code) {
		list_refused(inf, r);
		return;
	}
	take_page(inf, r->object);
	free(inf->continue_);
	inf->continue_ = NULL;
	if (!str_empty(more)) {
		inf->continue_ = xstrdup(more);
		request_page(inf);
		return;
	}
	set_version(inf, doc_find_str(r->object, "metadata.resourceVersion"));
	inf->backoff_steps = 0;
	kube_store_drop_older(&inf->store);
	now_synced(inf);
	start_watch(inf);
}

static void request_page(struct kube_informer *inf)
{
	struct kube_request q = {
		.verb = KUBE_LIST,
		.kind = inf->options.kind,
		.namespace_ = inf->options.namespace_,
		.label_selector = inf->options.label_selector,
		.field_selector = inf->options.field_selector,
		.limit = PAGE,
		.continue_ = inf->continue_,
	};

	inf->listing = kube_start(inf->client, &q, list_done, inf);
}

static void start_list(struct kube_informer *inf)
{
	inf->phase = PHASE_LIST;
	inf->lists++;
	inf->store.round++;
	request_page(inf);
}

/* Watching. */

static void watch_ended(struct kube_informer *inf)
{
	http_cancel(inf->watching);
	inf->watching = NULL;
	inf->stream_open = false;
	loop_timer_stop(inf->timer);
	kube_client_unwait(&inf->waiter);
	kube_frames_release(&inf->frames);
}

static void relist(struct kube_informer *inf, const char *why)
{
	watch_ended(inf);
	error_set(&inf->last_error, -EXDEV, "%s", why);
	failed(inf, inf->watch_list_refused || inf->options.no_watch_list ? PHASE_LIST
									  : PHASE_WATCH_LIST);
}

static void refuse_watch_list(struct kube_informer *inf)
{
	watch_ended(inf);
	inf->watch_list_refused = true;
	start_list(inf);
}

/* An ERROR event: its object is a Status. */
static void stream_error(struct kube_informer *inf, const struct doc *status)
{
	int64_t code = doc_int_or(doc_get(status, "code"), 500);
	int64_t after = doc_find_int(status, "details.retryAfterSeconds", 0);

	if (inf->phase == PHASE_WATCH_LIST && code != 410 && code != 429) {
		refuse_watch_list(inf);
		return;
	}
	if (code == 410) {
		relist(inf, "the server forgot the version we had");
		return;
	}
	watch_ended(inf);
	error_set(&inf->last_error, kube_errno((int)code, ""), "%s",
		  str_or_empty(doc_str(doc_get(status, "message"))));
	inf->retry_after_ns = after > 0 && after < 3600 ? (uint64_t)after * NS_PER_S : 0;
	failed(inf, inf->phase);
}

static void bookmark(struct kube_informer *inf, const struct doc *object)
{
	set_version(inf, kube_resource_version(object));
	if (inf->phase != PHASE_WATCH_LIST ||
	    !str_eq(kube_annotation(object, INITIAL_EVENTS_END), "true"))
		return;
	inf->phase = PHASE_WATCH;
	loop_timer_stop(inf->timer);
	kube_store_drop_older(&inf->store);
	now_synced(inf);
}

static void take_event(struct kube_informer *inf, enum kube_frame_type type, struct arena *a,
		       struct doc *object)
{
	struct kube_object *o;

	if (type == KUBE_FRAME_ERROR) {
		stream_error(inf, object);
		return;
	}
	inf->backoff_steps = 0;
	if (type == KUBE_FRAME_BOOKMARK) {
		bookmark(inf, object);
		return;
	}
	o = kube_store_object(&inf->store, a, object);
	if (!o)
		return;
	/* During a watch-list versions come in any order: only the final bookmark counts. */
	if (inf->phase == PHASE_WATCH)
		set_version(inf, o->resource_version);
	if (type == KUBE_FRAME_DELETED) {
		kube_store_delete(&inf->store, o->key, o);
		kube_object_drop(o);
	} else {
		kube_store_put(&inf->store, o);
	}
}

static void on_headers(void *arg, int status, const struct http_headers *headers)
{
	struct kube_informer *inf = arg;

	inf->stream_status = status;
	inf->retry_after_ns = kube_retry_after(headers);
	inf->stream_open = status == 200;
	kube_client_heard(inf->client);
}

static void on_data(void *arg, const char *data, size_t n)
{
	struct kube_informer *inf = arg;
	enum kube_frame_type type;
	struct doc *object;
	int r;

	if (inf->stream_status != 200)
		return; /* the body of a refusal; its status says enough */
	inf->last_event_ns = loop_now_ns(inf->loop);
	r = kube_frames_feed(&inf->frames, data, n, &inf->last_error);
	while (r == 0 && inf->watching) {
		struct arena a = ARENA_INIT;

		r = kube_frames_next(&inf->frames, &a, &type, &object, &inf->last_error);
		if (r == 1)
			take_event(inf, type, &a, object);
		arena_release(&a);
		if (r == 0)
			return;
		r = MIN(r, 0);
	}
	if (r < 0 && inf->watching) {
		struct error why = inf->last_error;

		relist(inf, why.msg);
	}
}

static void watch_refused(struct kube_informer *inf)
{
	int status = inf->stream_status;

	if (status == 401)
		kube_client_forget_token(inf->client);
	error_set(&inf->last_error, kube_errno(status, ""), "watch %s: %d %s",
		  inf->options.kind->plural, status, http_status_text(status));
	if (inf->phase == PHASE_WATCH_LIST && status != 429 && status < 500)
		refuse_watch_list(inf);
	else if (status == 410 || status == 404 || inf->backoff_steps >= 5)
		/* Gone is the version, or the kind; and what is refused again and again may be a
		 * version that this server never had (restored from a backup). A list tells. */
		failed(inf, PHASE_LIST);
	else
		failed(inf, inf->phase);
}

static void on_done(void *arg, struct http_response *response)
{
	struct kube_informer *inf = arg;
	bool brief = loop_now_ns(inf->loop) - inf->stream_began_ns < NS_PER_S;

	inf->watching = NULL;
	watch_ended(inf);
	/* A watch that was served ends a row of failures, though nothing happened in it. */
	if (inf->stream_status == 200 && inf->phase == PHASE_WATCH && !brief)
		inf->backoff_steps = 0;
	if (response->code) {
		error_set(&inf->last_error, response->code, "%s", response->error);
		if (inf->stream_status)
			failed(inf, inf->phase);
		else
			unreachable(inf, inf->phase);
	} else if (inf->stream_status != 200) {
		watch_refused(inf);
	} else if (inf->phase == PHASE_WATCH && !brief) {
		start_watch(inf); /* the server's own time limit */
	} else {
		error_set(&inf->last_error, -ECONNRESET, "the watch ended at once");
		failed(inf, inf->phase);
	}
}

static void watch_target(struct kube_informer *inf, struct strbuf *out)
{
	struct kube_request q = {
		.verb = KUBE_LIST,
		.kind = inf->options.kind,
		.namespace_ = inf->options.namespace_,
		.label_selector = inf->options.label_selector,
		.field_selector = inf->options.field_selector,
	};
	uint64_t seconds = inf->options.watch_timeout_ns / NS_PER_S;
	char text[24];

	kube_request_target(&q, out);
	http_query_add(out, "watch", "true");
	http_query_add(out, "allowWatchBookmarks", "true");
	inf->jitter = inf->jitter * 1664525u + 1013904223u;
	seconds = seconds - seconds / 4 + (inf->jitter >> 8) % (seconds / 2 + 1);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seconds);
	http_query_add(out, "timeoutSeconds", text);
	if (inf->phase == PHASE_WATCH_LIST) {
		http_query_add(out, "sendInitialEvents", "true");
		http_query_add(out, "resourceVersionMatch", "NotOlderThan");
	} else {
		http_query_add(out, "resourceVersion", inf->version);
	}
}

static void open_stream(struct kube_informer *inf)
{
	static const struct http_handlers handlers = {on_headers, on_data, on_done};
	auto_release(strbuf) struct strbuf target = STRBUF_INIT;

	inf->watches++;
	inf->stream_status = 0;
	inf->stream_began_ns = loop_now_ns(inf->loop);
	kube_frames_release(&inf->frames);
	watch_target(inf, &target);
	if (kube_stream_start(inf->client, strbuf_cstr(&target), inf->options.silence_ns, &handlers,
			      inf, &inf->watching, &inf->last_error))
		failed(inf, inf->phase);
}

static void start_watch(struct kube_informer *inf)
{
	inf->phase = PHASE_WATCH;
	open_stream(inf);
}

static void start_watch_list(struct kube_informer *inf)
{
	inf->phase = PHASE_WATCH_LIST;
	inf->lists++;
	inf->store.round++;
	loop_timer_set(inf->timer, WATCH_LIST_WAIT_NS);
	open_stream(inf);
}

static void next_attempt(void *arg)
{
	struct kube_informer *inf = arg;

	kube_client_unwait(&inf->waiter);
	if (inf->phase == PHASE_WATCH_LIST && inf->watching) {
		/* A server that knows nothing of it just watches and never says "end". */
		refuse_watch_list(inf);
	} else if (inf->phase == PHASE_WATCH) {
		start_watch(inf);
	} else if (inf->phase == PHASE_WATCH_LIST) {
		start_watch_list(inf);
	} else {
		start_list(inf);
	}
}

/* The public face. */

struct kube_informer *kube_informer_new(struct kube_client *client,
					const struct kube_informer_options *options,
					const struct kube_informer_handlers *handlers, void *arg)
{
	struct kube_informer *inf = xcalloc(1, sizeof(*inf));
	struct kube_informer_options *o = &inf->options;

	inf->client = client;
	inf->loop = kube_client_loop(client);
	*o = *options;
	inf->store.options = o;
	o->namespace_ = arena_strdup(&inf->arena, options->namespace_);
	o->label_selector = arena_strdup(&inf->arena, options->label_selector);
	o->field_selector = arena_strdup(&inf->arena, options->field_selector);
	if (!o->silence_ns)
		o->silence_ns = 90 * NS_PER_S;
	if (!o->watch_timeout_ns)
		o->watch_timeout_ns = 300 * NS_PER_S;
	if (!o->max_backoff_ns)
		o->max_backoff_ns = 30 * NS_PER_S;
	inf->jitter = o->seed ? o->seed : (uint32_t)loop_now_ns(inf->loop) | 1;
	if (handlers)
		inf->store.handlers = *handlers;
	inf->store.arg = arg;
	inf->waiter = (struct kube_waiter){.back = server_is_back, .arg = inf};
	inf->version = xstrdup("");
	inf->timer = loop_timer_new(inf->loop, next_attempt, inf);
	inf->phase = o->no_watch_list ? PHASE_LIST : PHASE_WATCH_LIST;
	loop_timer_set(inf->timer, 0);
	return inf;
}

void kube_informer_free(struct kube_informer *inf)
{
	if (!inf)
		return;
	kube_cancel(inf->listing);
	watch_ended(inf);
	loop_timer_free(inf->timer);
	kube_store_release(&inf->store);
	free(inf->version);
	free(inf->continue_);
	arena_release(&inf->arena);
	free(inf);
}

bool kube_informer_synced(const struct kube_informer *inf)
{
	return inf->synced;
}

struct kube_object *kube_informer_get_key(const struct kube_informer *inf, const char *key)
{
	return map_get(&inf->store.objects, key);
}

struct kube_object *kube_informer_get(const struct kube_informer *inf, const char *namespace_,
				      const char *name)
{
	auto_free char *key = NULL;

	if (str_empty(namespace_))
		return kube_informer_get_key(inf, name);
	key = xasprintf("%s/%s", namespace_, name);
	return kube_informer_get_key(inf, key);
}

size_t kube_informer_count(const struct kube_informer *inf)
{
	return map_count(&inf->store.objects);
}

struct kube_object *kube_informer_first(const struct kube_informer *inf)
{
	const struct map_entry *e = map_first(&inf->store.objects);

	return e ? map_value(e) : NULL;
}

struct kube_object *kube_informer_next(const struct kube_informer *inf, const struct kube_object *o)
{
	const struct map_entry *e = map_find(&inf->store.objects, o->key);

	e = e ? map_next(e) : NULL;
	return e ? map_value(e) : NULL;
}

void kube_informer_status(const struct kube_informer *inf, struct kube_informer_status *ret)
{
	*ret = (struct kube_informer_status){
		.synced = inf->synced,
		.watching = inf->stream_open && inf->phase == PHASE_WATCH,
		.lists = inf->lists,
		.watches = inf->watches,
		.failures = inf->failures,
		.last_event_ns = inf->last_event_ns,
		.last_error = inf->last_error.msg,
		.resource_version = inf->version,
	};
}
