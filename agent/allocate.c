/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/allocate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/object/sidestep.h"

/* One set on its way to a number. */
struct wish {
	struct allocator *al;
	struct arena arena;
	struct strmap labels;
	const char *key;
	unsigned attempt, failures;
	struct kube_call *call;
	struct loop_timer *timer;
};

struct allocator {
	struct kube_client *client;
	const struct log *log;
	struct map wishes; /* by mesh_labels_key */
};

static void try_create(void *arg);

static void wish_free(struct wish *w)
{
	if (w->call)
		kube_cancel(w->call);
	loop_timer_free(w->timer);
	arena_release(&w->arena);
	free(w);
}

static void granted(struct wish *w)
{
	map_del(&w->al->wishes, w->key);
	wish_free(w);
}

/* Comes back after 100 ms, doubling to 10 s. */
static void try_later(struct wish *w)
{
	uint64_t delay = NS_PER_S / 10 << MIN(w->failures, 7u);

	w->failures++;
	loop_timer_set(w->timer, MIN(delay, 10 * NS_PER_S));
}

static const char *number(struct wish *w)
{
	return arena_printf(&w->arena, "%" PRIu32, mesh_identity_candidate(&w->labels, w->attempt));
}

static void on_found(void *arg, struct kube_result *r)
{
	struct wish *w = arg;
	struct arena a = ARENA_INIT;
	struct cilium_identity id;

	w->call = NULL;
	if (r->code < 0) {
		/* Gone again: it is free after all. */
		if (r->code == -ENOENT)
			try_create(w);
		else
			try_later(w);
		return;
	}
	if (cilium_identity_decode(&a, r->object, &id, NULL) == 0 &&
	    mesh_labels_equal(&id.security_labels, &w->labels)) {
		granted(w);
	} else if (++w->attempt < MESH_ID_ATTEMPTS) {
		try_create(w);
	} else {
		log_error(w->al->log, "no identity number is free for %s", w->key);
		w->attempt = 0;
		try_later(w);
	}
	arena_release(&a);
}

static void look(struct wish *w)
{
	struct kube_request rq = {
		.verb = KUBE_GET, .kind = object_kind(KIND_CILIUM_IDENTITY), .name = number(w)};

	w->call = kube_start(w->al->client, &rq, on_found, w);
}

static void on_created(void *arg, struct kube_result *r)
{
	struct wish *w = arg;

	w->call = NULL;
	if (r->code == 0) {
		log_info(w->al->log, "identity made number=%s labels=%s", kube_name(r->object),
			 w->key);
		granted(w);
	} else if (r->code == -EEXIST) {
		look(w);
	} else {
		log_warn(w->al->log, "identity not made: %s", r->error);
		try_later(w);
	}
}

static void try_create(void *arg)
{
	struct wish *w = arg;
	struct arena a = ARENA_INIT;
	struct doc *d = kube_object_new(&a, object_kind(KIND_CILIUM_IDENTITY), NULL, number(w));
	struct doc *meta = doc_set_map(&a, d, "metadata"), *labels;
	struct kube_request rq = {
		.verb = KUBE_CREATE, .kind = object_kind(KIND_CILIUM_IDENTITY), .body = d};

	doc_set_string(&a, doc_set_map(&a, meta, "labels"), SIDESTEP_MANAGED_BY_LABEL,
		       SIDESTEP_MANAGED_BY);
	doc_set_string(&a, doc_set_map(&a, meta, "labels"), "io.kubernetes.pod.namespace",
		       strmap_get(&w->labels, MESH_LABEL_NAMESPACE));
	labels = doc_set_map(&a, d, "security-labels");
	for (size_t i = 0; i < w->labels.n; i++)
		doc_set(&a, labels, w->labels.items[i].key,
			doc_string(&a, str_or_empty(w->labels.items[i].value)));
	w->call = kube_start(w->al->client, &rq, on_created, w);
	arena_release(&a);
}

struct allocator *allocator_new(struct kube_client *client, const struct log *log)
{
	struct allocator *al = xcalloc(1, sizeof(*al));

	al->client = client;
	al->log = log;
	map_init(&al->wishes);
	return al;
}

void allocator_free(struct allocator *al)
{
	if (!al)
		return;
	map_foreach (&al->wishes, e)
		wish_free(map_value(e));
	map_release(&al->wishes);
	free(al);
}

void allocator_want(struct allocator *al, const struct strmap *labels)
{
	struct wish *w = xcalloc(1, sizeof(*w));

	w->key = mesh_labels_key(&w->arena, labels);
	if (map_has(&al->wishes, w->key)) {
		arena_release(&w->arena);
		free(w);
		return;
	}
	w->al = al;
	w->labels.items = arena_array(&w->arena, labels->n + 1, struct strmap_pair);
	for (size_t i = 0; i < labels->n; i++)
		w->labels.items[w->labels.n++] = (struct strmap_pair){
			arena_strdup(&w->arena, labels->items[i].key),
			arena_strdup(&w->arena, str_or_empty(labels->items[i].value))};
	w->timer = loop_timer_new(kube_client_loop(al->client), try_create, w);
	map_set(&al->wishes, w->key, w);
	try_create(w);
}

size_t allocator_pending(const struct allocator *al)
{
	return map_count(&al->wishes);
}
