/* SPDX-License-Identifier: Apache-2.0 */
/* store_impl.h - what store.c (memory) and store_disk.c (files) share. */
#pragma once

#include "deploy/lab/apiserver/store.h"
#include "deploy/lab/apiserver/storelog.h"
#include "lib/base/map.h"
#include "lib/base/vec.h"

struct shelf {
	char *name;
	VEC(struct revision *) items; /* sorted by (ns, name) */
	struct shelf *next;
};

struct store {
	struct store_options o;
	char *dir;
	uint64_t version;
	struct shelf *shelves;
	struct map shelf_by_name;
	struct map by_uid; /* uid -> struct holder */
	size_t objects;

	struct event *ring; /* o.history slots */
	size_t ring_first, ring_n;
	uint64_t forgotten; /* history holds every change after this version */

	unsigned generation; /* of the log being written */
	int log_fd;
	size_t log_len;

	store_event_fn observer;
	void *observer_arg;
	bool loading;
};

/* Takes a change that is on disk into memory. */
void store_apply(struct store *s, const struct storelog_entry *e);
/* Forgets history and counts on from version: memory is what a snapshot of that version said. */
void store_begin_at(struct store *s, uint64_t version);

/* store_disk.c: reads what there is, and leaves the log open for more. */
int store_load(struct store *s, struct error *err);
/* On disk when it returns; nothing without a folder. */
int store_append(struct store *s, const struct storelog_entry *e, struct error *err);
