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

struct maps {
	int fd[MAP_COUNT]; /* -1: not open */
	uint64_t *refused; /* writes and deletions the kernel refused; NULL: nobody counts */
};

/* Nothing is open. */
void maps_init(struct maps *m);
/*
 * Opens every map below root, making and pinning those that are not there. A pin whose type or
 * sizes are not the table's is refused: its layout changed without a new version.
 */
int maps_open(struct maps *m, const char *root, struct error *err);
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
