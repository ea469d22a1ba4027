/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/older.h - the connection maps of the release before, kept up while the node may go
 * back to it (option_older; else the verifier removes all of this).
 *
 * Programs of both releases run at the same time while links are swapped one after the other, so
 * each finds what the other decided: who misses a connection here takes it from there, and
 * everything that is written here is written there. What the other has seen of a connection
 * meanwhile (answers, closing) counts here, too.
 */
#pragma once

#include "datapath/abi/conntrack_convert.h"
#include "datapath/bpf/work.h"

/* What programs of both releases may see of a live connection, each on its own hooks. */
#define OLDER_SEEN                                                                                 \
	(CONNTRACK_SEEN_REPLY | CONNTRACK_SEEN_NON_SYN | CONNTRACK_OPENER_CLOSED |                 \
	 CONNTRACK_REPLIER_CLOSED)

static __always_inline struct conntrack_entry_v1 *older_lookup(const struct conntrack_key *key,
							       int answered)
{
	return answered ? bpf_map_lookup_elem(&conntrack_v1, key)
			: bpf_map_lookup_elem(&ct_new_v1, key);
}

/* Both directions of a connection that the other layout has, as this one's. Returns whether there
 * was one. */
GLOBAL_FUNCTION int older_take(struct work *w, const struct conntrack_key *key)
{
	struct conntrack_entry_v1 *old, *twin;
	int answered = 1;

	if (!w || !key)
		return 0;
	old = older_lookup(key, 1);
	if (!old) {
		answered = 0;
		old = older_lookup(key, 0);
	}
	if (!old)
		return 0;
	conntrack_up(old, &w->entry);
	flow_twin_key(key, &w->entry, &w->reply_key);
	twin = older_lookup(&w->reply_key, answered);
	if (twin)
		conntrack_up(twin, &w->reply);
	if (answered) {
		bpf_map_update_elem(&conntrack_v2, key, &w->entry, BPF_NOEXIST);
		if (twin)
			bpf_map_update_elem(&conntrack_v2, &w->reply_key, &w->reply, BPF_NOEXIST);
	} else {
		bpf_map_update_elem(&ct_new_v2, key, &w->entry, BPF_NOEXIST);
		if (twin)
			bpf_map_update_elem(&ct_new_v2, &w->reply_key, &w->reply, BPF_NOEXIST);
	}
	return 1;
}

/* The other release's entry of connection v, in whichever map has it; NULL: none, or of another
 * connection with the same ports. */
static __always_inline struct conntrack_entry_v1 *older_of(const struct conntrack_key *key,
							   const struct conntrack_entry *v)
{
	struct conntrack_entry_v1 *old = older_lookup(key, 1);

	if (!old)
		old = older_lookup(key, 0);
	return old && (__u32)old->created == v->created ? old : NULL;
}

/* Of connection v, seen by programs of the other release. */
static __always_inline __u16 older_seen(const struct conntrack_key *key,
					const struct conntrack_entry *v)
{
	struct conntrack_entry_v1 *old = option_older ? older_of(key, v) : NULL;

	return old ? old->flags & OLDER_SEEN : 0;
}

/* A connection ends when it has for both: who has seen none of its packets for long may be on hooks
 * that get none, while programs of the other release see all of them. */
static __always_inline void older_renew(const struct conntrack_key *key, struct conntrack_entry *v)
{
	struct conntrack_entry_v1 *old = option_older ? older_of(key, v) : NULL;

	if (old && old->expires > v->expires)
		v->expires = old->expires;
}

/* Whether the other release has a live connection with these ports that was made after v: ours is
 * of one that has ended there, and theirs was decided by whoever met it first. */
static __always_inline int older_replaced(const struct work *w, const struct conntrack_key *key,
					  const struct conntrack_entry *v)
{
	struct conntrack_entry_v1 *old = older_lookup(key, 1);

	if (!old)
		old = older_lookup(key, 0);
	return old && (__s32)((__u32)old->created - v->created) > 0 && w->now < old->expires;
}

GLOBAL_FUNCTION int older_write(struct work *w, const struct conntrack_key *key,
				const struct conntrack_entry *v, __u32 answered)
{
	if (!w || !key || !v)
		return 0;
	conntrack_down(v, &w->older);
	return answered ? (int)bpf_map_update_elem(&conntrack_v1, key, &w->older, BPF_ANY)
			: (int)bpf_map_update_elem(&ct_new_v1, key, &w->older, BPF_ANY);
}

/* Both directions as they are here now. */
static __always_inline void older_store(struct work *w, const struct conntrack_key *key,
					const struct conntrack_entry *v,
					const struct conntrack_key *twin_key,
					const struct conntrack_entry *twin, int answered)
{
	if (!option_older)
		return;
	older_write(w, key, v, (__u32)answered);
	older_write(w, twin_key, twin, (__u32)answered);
}

static __always_inline void older_forget(const struct conntrack_key *key,
					 const struct conntrack_key *twin, int answered)
{
	if (!option_older)
		return;
	if (answered) {
		bpf_map_delete_elem(&conntrack_v1, key);
		bpf_map_delete_elem(&conntrack_v1, twin);
	} else {
		bpf_map_delete_elem(&ct_new_v1, key);
		bpf_map_delete_elem(&ct_new_v1, twin);
	}
}
