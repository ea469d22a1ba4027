/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - every object the server holds: versions, history, and the log that survives kill -9.
 *
 * One counter numbers all changes (resourceVersion). A change is on disk before store_put or
 * store_delete returns, so what a client was told is never lost. Objects sit on shelves, one per
 * resource ("apps/deployments"), sorted by namespace and name; a revision never changes once made
 * and is counted, so a watcher may hold on to one.
 *
 * History is what watches start from. It outlives a restart as far as the log on disk goes back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/doc/doc.h"

struct store;
struct shelf;

struct revision {
	unsigned refs;
	uint64_t rv;
	const char *ns, *name, *uid; /* ns is "" for cluster-scoped objects */
	const char *json;            /* compact, with metadata.resourceVersion */
	size_t json_len;
	struct arena arena;
	struct doc *doc; /* parsed when first asked for; use revision_doc() */
};

/* Never NULL; borrowed from the revision. Do not change it. */
const struct doc *revision_doc(const struct revision *r);
struct revision *revision_ref(struct revision *r);
/* NULL is fine. */
void revision_unref(struct revision *r);

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };

struct event {
	uint64_t rv;
	enum event_type type;
	struct shelf *shelf;
	struct revision
		*now; /* for EVENT_DELETED the last state, with the version of the deletion */
	struct revision
		*before; /* NULL for EVENT_ADDED, and for the first change after a restart */
};

typedef void (*store_event_fn)(void *arg, const struct event *e);

struct store_options {
	const char *dir;       /* NULL keeps everything in memory */
	size_t log_bytes;      /* a log longer than this starts a new snapshot; 0 = 8 MiB */
	size_t history;        /* events kept for watches; 0 = 10000 */
	size_t max_objects;    /* 0 = 100000 */
	const struct log *log; /* may be NULL */
};

/* Opens or makes the store. A torn tail of the last log is cut off and logged. */
int store_open(const struct store_options *o, struct store **ret_store, struct error *err);
void store_free(struct store *s);

/* One observer, called after each change, before the change returns. */
void store_on_event(struct store *s, store_event_fn fn, void *arg);

/* The version of the newest change; 1 for a new store. */
uint64_t store_version(const struct store *s);
/* Made when absent. Lives as long as the store. */
struct shelf *store_shelf(struct store *s, const char *name);
const char *shelf_name(const struct shelf *sh);
/* Iteration over all shelves, in no particular order; NULL at the end. */
struct shelf *store_first_shelf(const struct store *s);
struct shelf *store_next_shelf(const struct shelf *sh);

size_t shelf_count(const struct shelf *sh);
struct revision *shelf_at(const struct shelf *sh, size_t i);
/* First position whose (ns, name) is not below the one given. */
size_t shelf_lower_bound(const struct shelf *sh, const char *ns, const char *name);
/* NULL when absent; borrowed until the next change. */
struct revision *shelf_get(const struct shelf *sh, const char *ns, const char *name);
/* The live object with this uid, or NULL; ret_shelf may be NULL. */
struct revision *store_by_uid(const struct store *s, const char *uid, struct shelf **ret_shelf);

#define STORE_MAX_OBJECT_BYTES (3u << 20)

/*
 * Stores a copy of object under its metadata's namespace and name; sets metadata.resourceVersion in
 * it (a is its arena). -ENOSPC or -E2BIG at a limit, else what the disk said. *ret_now is borrowed.
 */
int store_put(struct store *s, struct shelf *sh, struct arena *a, struct doc *object,
	      struct revision **ret_now, struct error *err);
/* Removes it; last is its final state, which watchers see. -ENOENT when absent. */
int store_delete(struct store *s, struct shelf *sh, struct arena *a, struct doc *last,
		 struct error *err);

/* Events newer than rv start at *ret_index; -ESTALE when history does not reach back to rv. */
int store_history_after(const struct store *s, uint64_t rv, size_t *ret_index);
size_t store_history_count(const struct store *s);
const struct event *store_history_at(const struct store *s, size_t i);
/* Forgets all history, so that older versions answer 410 (scripted fault). */
void store_forget_history(struct store *s);
