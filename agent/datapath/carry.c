/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/carry.c - rows copied from one conntrack layout to the other, or counted, in
 * batches between which the event loop does other things.
 *
 * A row that is there is newer than the copy and stays. The kernel walks by buckets, so a walk sees
 * every row that does not move, however the map changes meanwhile; rows that come are written to
 * both maps by the programs. A batch that cannot be read is read again; rows that the kernel
 * refuses make another round.
 *
 * A full map of this kind refuses nothing: it forgets, silently, and not what has expired first.
 * So rows that have expired are not copied (the latest moment that any row was renewed at is what
 * time it is at least), and when all are copied it is looked whether they are there, again and
 * again until none had to be written: only that is the end. When a round finds no fewer missing
 * than the one before, they do not fit, which is an error as long as it is so. A copy that has
 * ended has left none behind. Of what was not answered yet, of refusals and of what both sides have
 * closed that is not asked: a flood or many short connections fill a map with those at any time,
 * who lacks one decides again, and nobody should have to wait for the end of that.
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
/* `refresh` of a row lies some seconds behind the moment it was renewed at, in no release as many.
 */
#define SLACK_SECONDS 60

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
	c->counted = c->checking = false;
	c->found = c->latest = 0;
	if (task != CARRY_COUNT)
		c->total = c->converted = c->refused = c->left = c->missing = c->evicted = 0;
	first_map(c);
}

/* A row at hand, in the layout that it is to have. */
struct row {
	const struct conntrack_key *key;
	uint16_t flags;
	uint32_t refresh, created;
	uint64_t expires;
	int from, to;
	union {
		struct conntrack_entry ours;
		struct conntrack_entry_v1 theirs;
	} as;
};

static void row_at(const struct datapath *dp, enum carry_task task, uint32_t i, struct row *ret)
{
	const struct carry *c = &dp->carry;
	const struct conntrack_entry_v1 *old = (const struct conntrack_entry_v1 *)c->values + i;
	const struct conntrack_entry *new = (const struct conntrack_entry *)c->values + i;
	int ours = dp->maps.fd[older_present[c->map]], theirs = dp->maps.older[c->map];

	ret->key = (const struct conntrack_key *)c->keys + i;
	if (task == CARRY_UP) {
		ret->flags = old->flags;
		ret->refresh = old->refresh;
		ret->created = (uint32_t)old->created;
		ret->expires = old->expires;
		ret->from = theirs;
		ret->to = ours;
		conntrack_up(old, &ret->as.ours);
	} else {
		ret->flags = new->flags;
		ret->refresh = new->refresh;
		ret->created = new->created;
		ret->expires = new->expires;
		ret->from = ours;
		ret->to = theirs;
		conntrack_down(new, &ret->as.theirs);
	}
}

/* What time it is at least, by when this row was renewed; 0: it does not tell. */
static uint64_t time_by(const struct datapath *dp, const struct row *r)
{
	uint64_t slack = (uint64_t)dp->hz * SLACK_SECONDS,
		 at = (r->expires & ~(uint64_t)UINT32_MAX) | r->refresh;

	if (at > r->expires)
		at -= 1ULL << 32;
	return dp->hz && at <= r->expires && at > slack ? at - slack : 0;
}

/* What nobody would miss; what both sides have closed is not worth another's place, either. */
static bool is_over(const struct carry *c, enum carry_task task, const struct row *r)
{
	bool closed = (r->flags & CLOSED) == CLOSED;

	return r->expires < c->latest || (closed && (task == CARRY_UP || c->checking));
}

/* Written where it is missing; 1 when it was and still is where it was read, or another one is. Up,
 * what has gone there meanwhile does not stay here. */
static int put(const struct carry *c, enum carry_task task, const struct row *r)
{
	union {
		struct conntrack_entry ours;
		struct conntrack_entry_v1 theirs;
	} still;
	bool gone, other;
	int code;

	if (c->checking && !bpf_map_lookup_elem(r->to, r->key, &still))
		return 0;
	if (bpf_map_update_elem(r->to, r->key, &r->as, BPF_NOEXIST))
		return errno == EEXIST ? 0 : -errno;
	if (task == CARRY_DOWN && !c->checking)
		return 0;
	code = bpf_map_lookup_elem(r->from, r->key, &still) ? -errno : 0;
	gone = code == -ENOENT;
	other = task == CARRY_UP && !code && (uint32_t)still.theirs.created != r->created;
	if (task == CARRY_UP && (gone || other))
		bpf_map_delete_elem(r->to, r->key);
	return !gone;
}

/* One row that is refused keeps the others from nothing. */
static void carry_rows(struct datapath *dp, enum carry_task task, uint32_t n)
{
	struct carry *c = &dp->carry;
	struct row r;

	for (uint32_t i = 0; i < n; i++) {
		int code = 0;

		row_at(dp, task, i, &r);
		if (!is_over(c, task, &r))
			code = put(c, task, &r);
		if (code >= 0) {
			c->converted += !c->checking;
			c->missing += code > 0 && c->map == OLDER_conntrack;
			continue;
		}
		c->why = code;
		c->left++;
		c->refused++;
		if (dp->maps.refused)
			++*dp->maps.refused;
	}
}

static void count_rows(struct datapath *dp, enum carry_task task, uint32_t n)
{
	struct carry *c = &dp->carry;
	struct row r;

	c->found += n;
	for (uint32_t i = 0; task != CARRY_COUNT && i < n; i++) {
		row_at(dp, task, i, &r);
		c->latest = MAX(c->latest, time_by(dp, &r));
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

static unsigned layout_of(enum carry_task task)
{
	return task == CARRY_UP ? CONNTRACK_VERSION : CONNTRACK_V1_VERSION;
}

/* From the first map on again, for the rows that were refused; the others are there by now. */
static int another_round(struct carry *c, enum carry_task task, struct error *err)
{
	unsigned long long left = c->left;

	c->converted = c->left = c->missing = 0;
	c->checking = false;
	return error_errno(err, c->why, "copying %llu rows of connections to layout %u", left,
			   layout_of(task));
}

/* All rows were seen to, and of those some were missing, which are written by now. */
static int another_look(struct carry *c, enum carry_task task, struct error *err)
{
	bool first = !c->checking, fewer = !c->evicted || c->missing < c->evicted;

	c->evicted = first ? 0 : c->missing;
	c->missing = 0;
	c->checking = true;
	return first || fewer ? 0
			      : error_set(err, -ENOSPC,
					  "%llu rows of connections do not stay in the map of "
					  "layout %u: it is full of live ones",
					  (unsigned long long)c->evicted, layout_of(task));
}

/* The next map, or the end of this round: what was counted is carried, what was carried is looked
 * for, then the task is done. */
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
	} else if (!c->checking || c->missing) {
		return another_look(c, task, err);
	}
	c->evicted = 0;
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
		count_rows(dp, task, n);
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
					   .evicted = copying ? c->evicted : 0,
					   .copying = copying};
	if (copying)
		ret->remaining = c->total > c->converted ? c->total - c->converted
							 : MAX(c->evicted, (uint64_t)1);
}

bool datapath_keeps(const struct datapath_conntrack *c, unsigned layout)
{
	return layout == c->layout || (c->older && (!layout || layout == c->older));
}
