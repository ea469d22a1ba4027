/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/carry.c - rows copied from one conntrack layout to the other, or counted, in
 * batches between which the event loop does other things.
 *
 * A row that is there is newer than the copy and stays. The kernel walks by buckets, so a walk sees
 * every row that does not move, however the map changes meanwhile; rows that come are written to
 * both maps by the programs. A batch that cannot be read is read again; rows that the kernel
 * refuses make another round, so a copy that has ended has left none behind.
 *
 * A row may be forgotten by the programs between its being read and written, and stands there again
 * then: it would hide the next connection with the same ports. Up, the older map is asked again
 * after a row was written: programs forget there first, so either they find what was written, or
 * it is seen here that the row has gone; if a newer one is taken away so, the programs bring it
 * back from there. What both sides have closed is not copied up at all: until the older maps go,
 * the programs look there for the last packets of one. It is copied down, for an older program has
 * its own map alone, would refuse those packets as a stranger's, and overwrites what it finds there
 * with a connection that is answered.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "agent/datapath/state.h"
#include "datapath/abi/conntrack_convert.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"

#define BATCH  512
#define CLOSED (CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED)

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
		c->total = c->converted = c->refused = c->left = 0;
	first_map(c);
}

static int put(int fd, const struct conntrack_key *key, const void *value)
{
	return !bpf_map_update_elem(fd, key, value, BPF_NOEXIST) || errno == EEXIST ? 0 : -errno;
}

/* Into a map of ours what was read in one of theirs, unless it has gone there meanwhile. */
static int put_up(int ours, int theirs, const struct conntrack_key *key,
		  const struct conntrack_entry *to)
{
	struct conntrack_entry_v1 still;

	if (bpf_map_update_elem(ours, key, to, BPF_NOEXIST))
		return errno == EEXIST ? 0 : -errno;
	if (bpf_map_lookup_elem(theirs, key, &still) ? errno == ENOENT
						     : (uint32_t)still.created != to->created)
		bpf_map_delete_elem(ours, key);
	return 0;
}

static int carry_row(struct datapath *dp, enum carry_task task, uint32_t row)
{
	struct carry *c = &dp->carry;
	const struct conntrack_key *key = (const struct conntrack_key *)c->keys + row;
	const struct conntrack_entry_v1 *from = (const struct conntrack_entry_v1 *)c->values + row;
	struct conntrack_entry_v1 old;
	struct conntrack_entry new;

	if (task == CARRY_UP) {
		if ((from->flags & CLOSED) == CLOSED)
			return 0;
		conntrack_up(from, &new);
		return put_up(dp->maps.fd[older_present[c->map]], dp->maps.older[c->map], key,
			      &new);
	}
	conntrack_down((const struct conntrack_entry *)c->values + row, &old);
	return put(dp->maps.older[c->map], key, &old);
}

/* One row that is refused keeps the others from nothing. */
static void carry_rows(struct datapath *dp, enum carry_task task, uint32_t n)
{
	struct carry *c = &dp->carry;

	for (uint32_t i = 0; i < n; i++) {
		int code = carry_row(dp, task, i);

		if (!code) {
			c->converted++;
			continue;
		}
		c->why = code;
		c->left++;
		c->refused++;
		if (dp->maps.refused)
			++*dp->maps.refused;
	}
}

/* Reads the rows at hand; *ret_last when there are no more behind them. */
static int read_batch(struct datapath *dp, enum carry_task task, uint32_t *ret_n, bool *ret_last,
		      struct error *err)
{
	struct carry *c = &dp->carry;
	int fd = task == CARRY_UP ? dp->maps.older[c->map] : dp->maps.fd[older_present[c->map]];
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n = BATCH;
	int code = bpf_map_lookup_batch(fd, c->inside ? &c->place : NULL, &c->next, c->keys,
					c->values, &n, &opts)
			   ? -errno
			   : 0;

	if (code && code != -ENOENT)
		return error_errno(err, code, "reading map %s",
				   task == CARRY_UP ? older_specs[c->map].pin
						    : map_specs[older_present[c->map]].pin);
	*ret_n = n;
	*ret_last = code == -ENOENT;
	return 0;
}

/* From the first map on again, for the rows that were refused; the others are there by now. */
static int another_round(struct carry *c, enum carry_task task, struct error *err)
{
	unsigned long long left = c->left;

	c->converted = c->left = 0;
	return error_errno(err, c->why, "copying %llu rows of connections to layout %u", left,
			   task == CARRY_UP ? CONNTRACK_VERSION : CONNTRACK_V1_VERSION);
}

/* The next map, or the end of this round: what was counted is carried, then the task is done. */
static int next_map(struct carry *c, enum carry_task task, struct error *err)
{
	if (++c->map < OLDER_COUNT) {
		c->inside = false;
		return 0;
	}
	first_map(c);
	if (task == CARRY_COUNT) {
		c->entries = c->found;
		c->entries_known = true;
	} else if (!c->counted) {
		c->counted = true;
		c->total = c->found;
		return 0;
	} else if (c->left) {
		return another_round(c, task, err);
	}
	done(c, task);
	return 0;
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
	if (code)
		return code;
	c->inside = true;
	c->place = c->next;
	if (c->counted)
		carry_rows(dp, task, n);
	else
		c->found += n;
	code = last ? next_map(c, task, err) : 0;
	*ret_more = c->todo != 0;
	return code;
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
					   .refused = c->refused,
					   .copying = copying};
	if (copying)
		ret->remaining = c->total > c->converted ? c->total - c->converted : 1;
}

bool datapath_keeps(const struct datapath_conntrack *c, unsigned layout)
{
	return layout == c->layout || (c->older && (!layout || layout == c->older));
}
