/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/maps.h - the pinned maps as file descriptors, by the table of datapath/abi/maps.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/abi/maps.h"
#include "lib/base/error.h"

enum map_id {
#define MAP_ID(name, ...) MAP_##name,
	FOREACH_MAP(MAP_ID, MAP_ID)
#undef MAP_ID
		MAP_COUNT
};

struct map_spec {
	const char *name; /* "policy" */
	const char *pin;  /* "policy_v1" */
	unsigned version;
	uint32_t type; /* BPF_MAP_TYPE_* */
	uint32_t key_size, value_size, entries, flags;
	enum map_class class;
	const char *what;
};
extern const struct map_spec map_specs[MAP_COUNT];
bool map_is_array(enum map_id id);

/* Maps in the layout of the release before: FOREACH_MAP_OLDER. */
enum older_id {
#define OLDER_ID(name, ...) OLDER_##name,
	FOREACH_MAP_OLDER(OLDER_ID)
#undef OLDER_ID
		OLDER_COUNT
};
extern const struct map_spec older_specs[OLDER_COUNT];
extern const enum map_id older_present[OLDER_COUNT]; /* the map of today for the same rows */

struct maps {
	int fd[MAP_COUNT];      /* -1: not open */
	int older[OLDER_COUNT]; /* all -1: not kept */
	uint64_t *refused;      /* writes and deletions the kernel refused; NULL: nobody counts */
};

/* Nothing is open. */
void maps_init(struct maps *m);
/*
 * Opens every map below root, making and pinning those that are not there. A pin whose type or
 * sizes are not the table's is refused: its layout changed without a new version. Maps of the
 * release before are opened when they are there; what is no complete set of them is unpinned. A map
 * and its older one are made as large as each other.
 */
int maps_open(struct maps *m, const char *root, struct error *err);
/* Makes and pins the maps of the release before; success when they are there. */
int maps_make_older(struct maps *m, const char *root, struct error *err);
/* Closes and unpins them. */
void maps_drop_older(struct maps *m, const char *root);
bool maps_has_older(const struct maps *m);
/* Another map, empty, in the place of a pinned one. */
int maps_renew(struct maps *m, const char *root, enum map_id id, struct error *err);
/* Opens what is there and leaves the rest at -1, for tools; -ENOENT when nothing is. */
int maps_open_existing(struct maps *m, const char *root, struct error *err);
void maps_close(struct maps *m);

/* Rows of one map; fn may not change the map. Returns the number of rows or negative errno. */
int maps_each(const struct maps *m, enum map_id id,
	      void (*fn)(void *arg, const void *key, const void *value), void *arg,
	      struct error *err);
int maps_put(const struct maps *m, enum map_id id, const void *key, const void *value,
	     struct error *err);
/* Absent is success. */
int maps_delete(const struct maps *m, enum map_id id, const void *key, struct error *err);
/* -ENOENT without touching err when there is no such row. */
int maps_get(const struct maps *m, enum map_id id, const void *key, void *ret_value);
/* Per-CPU arrays: the sum over all CPUs of a value made of 64-bit counters. */
int maps_get_sum(const struct maps *m, enum map_id id, uint32_t slot, uint64_t *ret_counters,
		 size_t n);
