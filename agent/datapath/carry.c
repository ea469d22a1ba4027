/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/carry.c - rows copied from one conntrack layout to the other, or counted, in
 * batches between which the event loop does other things.
 *
 * A row that is there is newer than the copy and stays. The kernel walks by buckets, so a walk sees
 * every row that does not move, however the map changes meanwhile; rows that come are written to
 * both maps by the programs.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "agent/datapath/state.h"
#include "datapath/abi/conntrack_convert.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"

#define BATCH 512

static enum carry_task current(const struct carry *c)
{
	for (enum carry_task t = 0; t < CARRY_TASKS; t++)
		if (c->todo & 1U << t)
			return t;
	return CARRY_TASKS;
}

void carry_begin(struct datapath *dp, enum carry_task task)
{
	if (task <= current(&dp->carry))
		dp->carry.begun = false; /* what was under way starts anew when it is its turn */
	dp->carry.todo |= 1U << task;
}

static void done(struct carry *c, enum carry_task task)
{
	c->todo &= ~(1U << task);
	c->begun = false;
}

void carry_cancel(struct datapath *dp, enum carry_task task)
{
	if (dp->carry.todo & 1U << task)
		done(&dp->carry, task);
}

void carry_release(struct datapath *dp)
{
	free(dp->carry.keys);
	free(dp->carry.values);
	dp->carry.keys = dp->carry.values = NULL;
}

static void first_map(struct carry *c)
{
	c->map = 0;
	c->inside = false;
}

static void begin(struct carry *c, enum carry_task task)
{
	if (!c->keys) {
		c->keys = xcalloc(BATCH, sizeof(struct conntrack_key));
		c->values = xcalloc(BATCH, sizeof(struct conntrack_entry_v1));
	}
	c->begun = true;
	c->counted = false;
	c->found = 0;
	if (task != CARRY_COUNT)
		c->total = c->converted = 0;
	first_map(c);
}

static int put(int fd, const struct conntrack_key *key, const void *value)
{
	return !bpf_map_update_elem(fd, key, value, BPF_NOEXIST) || errno == EEXIST ? 0 : -errno;
}

static int carry_row(struct datapath *dp, enum carry_task task, uint32_t row)
{
	struct carry *c = &dp->carry;
	const struct conntrack_key *key = (const struct conntrack_key *)c->keys + row;
	struct conntrack_entry_v1 old;
	struct conntrack_entry new;

	if (task == CARRY_UP) {
		conntrack_up((const struct conntrack_entry_v1 *)c->values + row, &new);
		return put(dp->maps.fd[older_present[c->map]], key, &new);
	}
	conntrack_down((const struct conntrack_entry *)c->values + row, &old);
	return put(dp->maps.older[c->map], key, &old);
}

/* Reads the next rows of the map; *ret_last when there are no more. */
static int read_batch(struct datapath *dp, enum carry_task task, uint32_t *ret_n, bool *ret_last,
		      struct error *err)
{
	struct carry *c = &dp->carry;
	int fd = task == CARRY_UP ? dp->maps.older[c->map] : dp->maps.fd[older_present[c->map]];
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n = BATCH, place = c->place;
	int code = bpf_map_lookup_batch(fd, c->inside ? &place : NULL, &c->place, c->keys,
					c->values, &n, &opts)
			   ? -errno
			   : 0;

	if (code && code != -ENOENT)
		return error_errno(err, code, "reading map %s",
				   map_specs[older_present[c->map]].pin);
	c->inside = true;
	*ret_n = n;
	*ret_last = code == -ENOENT;
	return 0;
}

/* The next map, or the end of this round: what was counted is carried, then the task is done. */
static void next_map(struct carry *c, enum carry_task task)
{
	if (++c->map < OLDER_COUNT) {
		c->inside = false;
		return;
	}
	first_map(c);
	if (task == CARRY_COUNT) {
		c->entries = c->found;
		c->entries_known = true;
	} else if (!c->counted) {
		c->counted = true;
		c->total = c->found;
		return;
	}
	done(c, task);
}

int datapath_conntrack_step(struct datapath *dp, bool *ret_more, struct error *err)
{
	struct carry *c = &dp->carry;
	enum carry_task task = current(c);
	uint32_t n = 0;
	bool last = false;
	int code;

	*ret_more = false;
	if (task == CARRY_TASKS)
		return 0;
	if (!c->begun)
		begin(c, task);
	code = read_batch(dp, task, &n, &last, err);
	for (uint32_t i = 0; !code && c->counted && i < n; i++) {
		code = carry_row(dp, task, i);
		if (code)
			error_errno(err, code, "copying a connection to layout %u",
				    task == CARRY_UP ? CONNTRACK_VERSION : CONNTRACK_V1_VERSION);
	}
	if (code)
		return code;
	if (c->counted)
		c->converted += n;
	else
		c->found += n;
	if (last)
		next_map(c, task);
	*ret_more = c->todo != 0;
	return 0;
}

void datapath_conntrack_count(struct datapath *dp)
{
	carry_begin(dp, CARRY_COUNT);
}

void datapath_conntrack(const struct datapath *dp, struct datapath_conntrack *ret)
{
	const struct carry *c = &dp->carry;
	bool copying = c->todo & ((1U << CARRY_UP) | (1U << CARRY_DOWN));

	*ret = (struct datapath_conntrack){.layout = CONNTRACK_VERSION,
					   .older = maps_has_older(&dp->maps) ? CONNTRACK_V1_VERSION
									      : 0,
					   .known = c->entries_known,
					   .entries = c->entries,
					   .converted = c->converted,
					   .copying = copying};
	if (copying)
		ret->remaining = c->total > c->converted ? c->total - c->converted : 1;
}
