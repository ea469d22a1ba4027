/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/informer.h - a local copy of the objects of one kind that follows the server.
 *
 * It lists (watch-list where the server has it, else pages of 500), then watches from the version
 * listed; re-watches after a cut or a clean end, re-lists after 410; backs off with jitter and
 * obeys Retry-After; treats a watch that says nothing, not even a bookmark, for too long as dead.
 * After a re-list the differences come as add, update and delete, so handlers never see a gap, only
 * late news. While the server is away the copy stays as it was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct kube_informer;

/* One object of the copy. Valid until the informer replaces or drops it, unless held. */
struct kube_object {
	const char *key; /* "namespace/name", or "name" */
	const char *namespace_, *name, *uid, *resource_version;
	struct doc *doc;     /* read only; without metadata.managedFields */
	const void *decoded; /* by options.table; NULL without one, or when it cannot be */
	/* private */
	struct arena arena;
	uint64_t round;
	unsigned refs;
};
struct kube_object *kube_object_hold(struct kube_object *o);
void kube_object_drop(struct kube_object *o);

struct kube_informer_options {
	const struct object_kind *kind;
	const char *namespace_; /* NULL: all */
	const char *label_selector, *field_selector;
	const struct log *log; /* may be NULL */
	bool no_watch_list;    /* do not even try */
	/* The kind may be unknown to the server (a CRD not installed): an empty copy, synced, asked
	 * again with back-off. */
	bool optional;
	uint64_t silence_ns;       /* a watch without any byte for so long is cut; 0: 90 s */
	uint64_t watch_timeout_ns; /* asked of the server, ±25 %; 0: 5 min */
	uint64_t max_backoff_ns;   /* 0: 30 s (starts at 200 ms) */
	uint32_t seed;             /* of the jitter; 0: from the clock */
	/* Keep only what is needed: may change doc in place (its arena in a). NULL: keep all. */
	void (*trim)(struct arena *a, struct doc *doc);
	/* When set, every object is decoded by it once, as it arrives; what cannot be is logged. */
	const struct bind_table *table;
};

enum kube_change { KUBE_ADDED, KUBE_UPDATED, KUBE_DELETED };

struct kube_informer_handlers {
	/*
	 * old is NULL for ADDED, now is NULL for DELETED (old is then the last state seen).
	 * The informer must not be freed in here (loop_defer() that).
	 */
	void (*on_change)(void *arg, enum kube_change change, const struct kube_object *old,
			  const struct kube_object *now);
	/* Once, after the first complete list was delivered. */
	void (*on_synced)(void *arg);
};

/* Starts at once. handlers and strings are copied. */
struct kube_informer *kube_informer_new(struct kube_client *client,
					const struct kube_informer_options *options,
					const struct kube_informer_handlers *handlers, void *arg);
void kube_informer_free(struct kube_informer *informer);

bool kube_informer_synced(const struct kube_informer *informer);
/* NULL when absent. namespace_ NULL or "" for cluster-scoped kinds. */
struct kube_object *kube_informer_get(const struct kube_informer *informer, const char *namespace_,
				      const char *name);
struct kube_object *kube_informer_get_key(const struct kube_informer *informer, const char *key);
size_t kube_informer_count(const struct kube_informer *informer);
/* Iteration in order of first arrival; not across a return to the loop. */
struct kube_object *kube_informer_first(const struct kube_informer *informer);
struct kube_object *kube_informer_next(const struct kube_informer *informer,
				       const struct kube_object *o);
#define kube_informer_foreach(informer, o)                                                         \
	for (struct kube_object *o = kube_informer_first(informer); o;                             \
	     o = kube_informer_next((informer), o))

/* How it is doing, for status pages and tests. */
struct kube_informer_status {
	bool synced, watching;
	unsigned lists, watches, failures; /* begun, begun, failed, since the start */
	uint64_t last_event_ns;            /* loop time of the last byte; 0 never */
	const char *last_error;            /* "" when all is well; borrowed */
	const char *resource_version;
};
void kube_informer_status(const struct kube_informer *informer,
			  struct kube_informer_status *ret_status);
