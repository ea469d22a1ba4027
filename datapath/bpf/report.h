/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/report.h - counters and records. Nothing here changes a verdict. */
#pragma once

#include "datapath/bpf/work.h"

static __always_inline void metrics_count(__u32 reason, __u32 direction, __u32 len)
{
	__u32 slot = metrics_slot(reason, direction);
	struct metrics *m = bpf_map_lookup_elem(&metrics_v1, &slot);

	if (m) {
		m->packets++;
		m->bytes += len;
	}
}

/* One policy decision of an endpoint in a direction. */
static __always_inline void traffic_count(const struct traffic_key *key, __u32 rule_id, __u64 now)
{
	struct traffic first = {.decisions = 1, .last = now, .rule_id = rule_id};
	struct traffic *t;

	if (!option_traffic)
		return;
	t = bpf_map_lookup_elem(&traffic_v1, key);
	if (!t && bpf_map_update_elem(&traffic_v1, key, &first, BPF_NOEXIST) == 0)
		return;
	if (!t)
		t = bpf_map_lookup_elem(&traffic_v1, key);
	if (!t)
		return;
	__sync_fetch_and_add(&t->decisions, 1);
	t->last = now;
	t->rule_id = rule_id;
}

/* A token for one record, before any work is done for it. */
static __always_inline struct event_bucket *event_token(__u64 now)
{
	struct node_config *node = node_get();
	__u32 zero = 0;
	struct event_bucket *b = bpf_map_lookup_elem(&event_bucket_v1, &zero);

	if (!node || !b || !node->event_rate)
		return NULL;
	if (now - b->last >= option_hz) {
		__u64 want = b->tokens + (now - b->last) / option_hz * node->event_rate;

		b->tokens = want > node->event_burst ? node->event_burst : want;
		b->last = now;
	}
	if (!b->tokens) {
		b->lost_rate++;
		return NULL;
	}
	b->tokens--;
	return b;
}

static __always_inline void event_tuple(struct event *e, const struct conntrack_key *t)
{
	*(__be32 *)e->saddr = t->saddr;
	*(__be32 *)e->daddr = t->daddr;
	e->sport = t->sport;
	e->dport = t->dport;
	e->proto = t->proto;
}

static __always_inline void event_packet(struct event *e, struct __sk_buff *skb,
					 const struct work *w)
{
	e->version = EVENT_VERSION;
	e->time_ns = bpf_ktime_get_ns();
	e->len = skb->len;
	e->ifindex = skb->ifindex;
	e->tcp_flags = w->pkt.tcp_flags;
	e->icmp_type = w->pkt.icmp_type;
	e->icmp_code = w->pkt.icmp_code;
	e->flags = w->event;
	if (w->hook == HOOK_FROM_OVERLAY)
		e->flags |= EVENT_FROM_OVERLAY;
	if (w->hook == HOOK_TO_POD)
		e->flags |= EVENT_FROM_STACK;
}

/* A record of what entry v says of the packet. Tuple and identities are those after translation. */
static __always_inline void event_entry(struct event *e, const struct conntrack_entry *v,
					const struct work *w)
{
	struct conntrack_key after;

	flow_rewritten(&w->pkt.tuple, v, &after);
	event_tuple(e, &after);
	e->src_identity = v->src_identity;
	e->dst_identity = v->dst_identity;
	e->src_endpoint = v->src_endpoint;
	e->dst_endpoint = v->dst_endpoint;
	e->direction = v->direction;
	e->rule_id = v->rule_id[v->direction & 1];
	if (v->flags & CONNTRACK_SERVICE) {
		e->svc_addr = v->svc_addr;
		e->svc_port = v->svc_port;
	}
	if (v->flags & CONNTRACK_REPLY)
		e->flags |= EVENT_REPLY;
	if (v->verdict == CONNTRACK_OVERLAY)
		e->flags |= EVENT_TO_OVERLAY;
	if (v->verdict == CONNTRACK_STACK)
		e->flags |= EVENT_TO_STACK;
}

static __always_inline void event_emit(struct __sk_buff *skb, const struct work *w,
				       const struct conntrack_entry *v, __u8 type, __u8 verdict,
				       __u8 reason)
{
	struct event_bucket *b = event_token(w->now);
	struct event *e;

	if (!b)
		return;
	e = bpf_ringbuf_reserve(&events_v1, sizeof(*e), 0);
	if (!e) {
		b->lost_full++;
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	event_packet(e, skb, w);
	e->type = type;
	e->verdict = verdict;
	e->reason = reason;
	if (v) {
		event_entry(e, v, w);
	} else {
		event_tuple(e, &w->pkt.tuple);
		e->direction = w->hook == HOOK_FROM_POD ? DIRECTION_EGRESS : DIRECTION_INGRESS;
		if (w->hook == HOOK_FROM_POD)
			e->src_endpoint = (__u16)w->endpoint;
		else
			e->dst_endpoint = (__u16)w->endpoint;
		e->src_identity = w->identity;
	}
	bpf_ringbuf_submit(e, 0);
}
