/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/track.h - connections in the two maps: find, renew, promote, decide again, forget.
 */
#pragma once

#include "datapath/bpf/decide.h"
#include "datapath/bpf/older.h"
#include "datapath/bpf/refuse.h"

static __always_inline struct conntrack_entry *track_lookup(const struct conntrack_key *key,
							    int answered)
{
	return answered ? bpf_map_lookup_elem(&conntrack_v2, key)
			: bpf_map_lookup_elem(&ct_new_v2, key);
}

/* The entry in whichever map has it. */
static __always_inline struct conntrack_entry *track_find_here(const struct conntrack_key *key,
							       int *ret_answered)
{
	struct conntrack_entry *v = track_lookup(key, 1);

	*ret_answered = v != NULL;
	return v ? v : track_lookup(key, 0);
}

static __always_inline struct conntrack_entry *track_find(struct work *w,
							  const struct conntrack_key *key,
							  int *ret_answered)
{
	struct conntrack_entry *v = track_find_here(key, ret_answered);

	if (option_older && !v && older_take(w, key))
		v = track_find_here(key, ret_answered);
	return v;
}

/* Writes both directions of w into the map they belong to. Returns 0 or the reason. */
static __always_inline int track_store(struct work *w, int answered)
{
	struct conntrack_entry *e = &w->entry, *r = &w->reply;
	long bad;

	e->refresh = (__u32)(w->now + seconds(FLOW_REPORT_SECONDS));
	e->expires = w->now + seconds(flow_lifetime(e->flags, w->opener.key.proto));
	r->refresh = e->refresh;
	r->expires = e->expires;
	if (!e->created)
		e->created = (__u32)w->now;
	r->created = e->created;
	if (answered)
		bad = bpf_map_update_elem(&conntrack_v2, &w->opener.key, e, BPF_ANY) ||
		      bpf_map_update_elem(&conntrack_v2, &w->reply_key, r, BPF_ANY);
	else if (conntrack_refuses(e))
		bad = bpf_map_update_elem(&ct_new_v2, &w->opener.key, e, BPF_ANY);
	else
		bad = bpf_map_update_elem(&ct_new_v2, &w->opener.key, e, BPF_ANY) ||
		      bpf_map_update_elem(&ct_new_v2, &w->reply_key, r, BPF_ANY);
	if (option_older && !bad) {
		older_write(w, &w->opener.key, e, (__u32)answered);
		if (answered || !conntrack_refuses(e))
			older_write(w, &w->reply_key, r, (__u32)answered);
	}
	return bad ? REASON_CT_CREATE_FAILED : 0;
}

static __always_inline void track_forget_here(const struct conntrack_key *key,
					      const struct conntrack_key *twin, int answered)
{
	if (answered) {
		bpf_map_delete_elem(&conntrack_v2, key);
		bpf_map_delete_elem(&conntrack_v2, twin);
	} else {
		bpf_map_delete_elem(&ct_new_v2, key);
		bpf_map_delete_elem(&ct_new_v2, twin);
	}
}

static __always_inline void track_forget(const struct conntrack_key *key,
					 const struct conntrack_entry *v, int answered)
{
	struct conntrack_key twin;

	flow_twin_key(key, v, &twin);
	older_forget(key, &twin, 1); /* either: programs of its own release may have moved it */
	older_forget(key, &twin, 0);
	track_forget_here(key, &twin, answered);
}

/* Instead of v the one that programs of the other release have made meanwhile with its ports. Asked
 * only where one may begin or end: when v may be over, and for packets that say so. */
static __always_inline struct conntrack_entry *track_replace(struct work *w,
							     const struct conntrack_key *key,
							     struct conntrack_entry *v,
							     int *ret_answered)
{
	struct conntrack_key twin;

	if (w->now < v->expires && !(v->flags & CONNTRACK_CLOSING) && !entry_is_due(v, w->now) &&
	    !(w->pkt.tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return v;
	if (!older_replaced(w, key, v))
		return v;
	flow_twin_key(key, v, &twin);
	track_forget_here(key, &twin, *ret_answered);
	return track_find(w, key, ret_answered);
}

/* Sends the packet as entry v says, rewritten by helpers. */
static __always_inline int track_forward(struct __sk_buff *skb, struct work *w,
					 struct conntrack_entry *v)
{
	int reason = 0, ret;

	if (v->flags & CONNTRACK_NAT) {
		if (w->pkt.flags & PACKET_ICMP_ERROR)
			reason = rewrite_quoted(skb, w, v);
		else
			reason = rewrite_by_helper(skb, v, w->pkt.l4_off, w->pkt.tuple.proto,
						   !(w->pkt.flags & PACKET_LATER));
	}
	if (reason)
		return refuse(skb, w, NULL, (__u8)reason);
	ret = forward_packet(skb, v, w->hook);
	if (ret < 0)
		return refuse(skb, w, NULL, (__u8)-ret);
	metrics_count(REASON_FORWARDED, w->hook == HOOK_FROM_POD, skb->len);
	return ret;
}

/* The opener is whoever sent this packet. */
static __always_inline void track_opener_here(struct work *w)
{
	struct opener *o = &w->opener;

	o->key = w->pkt.tuple;
	o->hook = w->hook;
	o->endpoint = w->endpoint;
	o->identity = w->identity;
	o->tunnel = w->tunnel;
	o->keep_addr = 0;
	o->keep_port = 0;
	o->icmp_type = w->pkt.icmp_type;
}

/* The opener is the other side: everything about it comes from the entry for this direction. */
static __always_inline void track_opener_there(struct work *w, const struct conntrack_entry *v)
{
	struct opener *o = &w->opener;

	flow_twin_key(&w->pkt.tuple, v, &o->key);
	o->hook = v->dst_endpoint                    ? HOOK_FROM_POD
		  : v->flags & CONNTRACK_FROM_TUNNEL ? HOOK_FROM_OVERLAY
						     : HOOK_TO_POD;
	o->endpoint = v->dst_endpoint;
	o->identity = v->dst_identity;
	o->tunnel = v->tunnel;
	o->keep_addr = 0;
	o->keep_port = 0;
	o->icmp_type = o->key.icmp ? o->key.icmp : ICMP_ECHO;
	if (v->flags & CONNTRACK_SERVICE) {
		o->keep_addr = w->pkt.tuple.saddr;
		o->keep_port = w->pkt.tuple.sport;
	}
}

/* The sender of this packet was looked at: others that come the same way need not be. */
static __always_inline void track_came(const struct work *w, struct conntrack_entry *mine)
{
	if (w->hook != HOOK_FROM_POD && w->stamp == address_stamp(w->pkt.tuple.saddr))
		mine->in_by = w->came_by;
}

static __always_inline void track_events(struct __sk_buff *skb, struct work *w,
					 struct conntrack_entry *v)
{
	if (!option_events)
		return;
	if (v->audited)
		event_emit(skb, w, v, EVENT_VERDICT, VERDICT_AUDIT, v->audited);
	else
		event_emit(skb, w, v, EVENT_VERDICT, VERDICT_FORWARDED, 0);
}

/* First packet of a connection. */
static __always_inline int track_new(struct __sk_buff *skb, struct work *w)
{
	struct conntrack_entry *e = &w->entry;
	int reason;

	track_opener_here(w);
	decide(w);
	e->flags |= flow_next_flags(0, 0, w->pkt.tuple.proto, w->pkt.tcp_flags);
	w->reply.flags |= e->flags & CONNTRACK_SHARED;
	w->event |= EVENT_NEW;
	track_came(w, e);
	if (!w->l3) {
		reason = track_store(w, 0);
		if (reason && !conntrack_refuses(e))
			return refuse(skb, w, NULL, (__u8)reason);
	}
	if (conntrack_refuses(e))
		return refuse(skb, w, e, e->verdict);
	track_events(skb, w, e);
	return track_forward(skb, w, e);
}

/* A known connection whose decision is out of date, or whose twin is gone. */
static __always_inline int track_again(struct __sk_buff *skb, struct work *w,
				       struct conntrack_entry *v, int answered)
{
	int reply = v->flags & CONNTRACK_REPLY;
	__u16 keep = v->flags & CONNTRACK_SHARED;
	__u32 created = v->created;
	struct conntrack_entry *mine = &w->entry;

	if (reply) {
		track_opener_there(w, v);
		mine = &w->reply;
	} else {
		track_opener_here(w);
		if (v->flags & CONNTRACK_SERVICE &&
		    !flow_is_opening(w->pkt.tuple.proto, w->pkt.tcp_flags)) {
			w->opener.keep_addr = v->nat_daddr;
			w->opener.keep_port = v->nat_dport;
		}
	}
	decide(w);
	keep = flow_next_flags(keep, reply, w->pkt.tuple.proto, w->pkt.tcp_flags);
	w->entry.flags |= keep;
	w->reply.flags |= keep;
	w->entry.created = created;
	w->event |= EVENT_REDECIDED;
	track_came(w, mine);
	track_store(w, answered || flow_is_answered(keep, w->pkt.tuple.proto));
	if (conntrack_refuses(mine))
		return refuse(skb, w, mine, mine->verdict);
	if (mine->audited)
		track_events(skb, w, mine);
	return track_forward(skb, w, mine);
}

/* Both sides have taken part: from ct_new to conntrack, forwarding by a copy. */
static __always_inline struct conntrack_entry *track_promote(struct work *w,
							     struct conntrack_entry *v,
							     struct conntrack_entry *twin,
							     const struct conntrack_key *twin_key)
{
	bpf_map_update_elem(&conntrack_v2, &w->pkt.tuple, v, BPF_ANY);
	bpf_map_update_elem(&conntrack_v2, twin_key, twin, BPF_ANY);
	older_store(w, &w->pkt.tuple, v, twin_key, twin, 1);
	older_forget(&w->pkt.tuple, twin_key, 0);
	w->entry = *v; /* its slot may be reused at once */
	bpf_map_delete_elem(&ct_new_v2, &w->pkt.tuple);
	bpf_map_delete_elem(&ct_new_v2, twin_key);
	return &w->entry;
}

/* A remembered refusal: counted as the decision it repeats. */
static __always_inline int track_refused(struct __sk_buff *skb, struct work *w,
					 struct conntrack_entry *v)
{
	struct conntrack_key after;
	int reply = v->flags & CONNTRACK_REPLY;

	flow_rewritten(&w->pkt.tuple, v, &after);
	struct traffic_key count = {
		.src_identity = reply ? v->dst_identity : v->src_identity,
		.dst_identity = reply ? v->src_identity : v->dst_identity,
		.port = after.proto == IPPROTO_ICMP ? net16(w->pkt.icmp_type)
			: reply                     ? after.sport
						    : after.dport,
		.proto = after.proto,
		.direction = v->direction & 1,
		.verdict = VERDICT_DROPPED,
	};
	if (v->verdict == REASON_POLICY || v->verdict == REASON_POLICY_DENY)
		traffic_count(&count, v->rule_id[v->direction & 1], w->now);
	return refuse(skb, w, v, v->verdict);
}

/* A connection with a decision that still holds. */
static __always_inline int track_known(struct __sk_buff *skb, struct work *w,
				       struct conntrack_entry *v, int answered)
{
	__u8 proto = w->pkt.tuple.proto;
	__u16 old = v->flags, flags;
	struct conntrack_entry *twin;
	struct conntrack_key twin_key;

	if (conntrack_refuses(v))
		return track_refused(skb, w, v);
	track_came(w, v);
	flags = flow_next_flags(old, old & CONNTRACK_REPLY, proto, w->pkt.tcp_flags);
	if (flags == old && !entry_is_due(v, w->now))
		return track_forward(skb, w, v);
	flow_twin_key(&w->pkt.tuple, v, &twin_key);
	twin = track_lookup(&twin_key, answered);
	/* The agent's copy may have come as far as one direction only. */
	if (option_older && !twin && older_take(w, &twin_key))
		twin = track_lookup(&twin_key, answered);
	if (!twin)
		return track_again(skb, w, v, answered);
	flags |= older_seen(&w->pkt.tuple, v);
	v->flags = flags;
	twin->flags = (__u16)((twin->flags & ~CONNTRACK_SHARED) | (flags & CONNTRACK_SHARED));
	if ((old & CONNTRACK_CLOSING) != CONNTRACK_CLOSING) {
		v->expires = w->now + seconds(flow_lifetime(flags, proto));
		twin->expires = v->expires;
	}
	v->refresh = (__u32)(w->now + seconds(FLOW_REPORT_SECONDS));
	twin->refresh = v->refresh;
	if (!answered && flow_is_answered(flags, proto))
		v = track_promote(w, v, twin, &twin_key);
	else
		older_store(w, &w->pkt.tuple, v, &twin_key, twin, answered);
	if (option_events && option_trace)
		event_emit(skb, w, v, EVENT_TRACE, VERDICT_FORWARDED, 0);
	return track_forward(skb, w, v);
}

/* Finds the packet's connection and does what is due. */
static __always_inline int track(struct __sk_buff *skb, struct work *w)
{
	const struct conntrack_key *key = &w->pkt.tuple;
	struct conntrack_entry *v;
	int answered, opening = flow_is_opening(key->proto, w->pkt.tcp_flags);

	v = track_find(w, key, &answered);
	if (option_older && v)
		v = track_replace(w, key, v, &answered);
	if (v && w->now >= v->expires)
		older_renew(key, v);
	if (v && (w->now >= v->expires || (opening && v->flags & CONNTRACK_CLOSING))) {
		track_forget(key, v, answered);
		v = NULL;
	}
	if (!v)
		return track_new(skb, w);
	if (!entry_is_fresh(v) ||
	    (w->hook == HOOK_FROM_POD && v->in_ifindex != skb->ifindex && !conntrack_refuses(v)) ||
	    (w->hook == HOOK_FROM_OVERLAY && !(v->flags & CONNTRACK_REPLY) &&
	     v->src_identity != w->identity))
		return track_again(skb, w, v, answered);
	return track_known(skb, w, v, answered);
}
