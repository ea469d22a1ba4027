/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/fast.h - an established connection: one lookup, compare, rewrite, on its way.
 * Whatever is not plain (flags, fragments, age, a moved generation, a refusal) is left to slow.h.
 */
#pragma once

#include "datapath/bpf/forward.h"

#define FAST_MISS (-1000)

/* came_by: how the packet came in, which for a pod's is its device. Returns FAST_MISS with the
 * packet untouched, else the program's verdict. */
static __always_inline int fast_path(struct __sk_buff *skb, __u32 hook, __u32 identity,
				     __u32 came_by)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct conntrack_entry *v;
	struct conntrack_key key;
	int ret;

	if (!packet_fast(data, end, &key))
		return FAST_MISS;
	key.scope = hook == HOOK_FROM_POD ? CONNTRACK_SCOPE_POD : CONNTRACK_SCOPE_NET;
	v = bpf_map_lookup_elem(&conntrack_v2, &key);
	if (!v || conntrack_refuses(v) || entry_is_due(v, bpf_jiffies64()) || !entry_is_fresh(v))
		return FAST_MISS;
	if (v->in_by != came_by)
		return FAST_MISS;
	if (hook == HOOK_FROM_OVERLAY && !(v->flags & CONNTRACK_REPLY) &&
	    v->src_identity != identity)
		return FAST_MISS;
	if (v->flags & CONNTRACK_NAT) {
		int state = rewrite_csum_state(skb);

		if (state == CSUM_COMPLETE || state == CSUM_UNREADABLE) {
			if (rewrite_by_helper(skb, v, ETHERNET_SIZE + sizeof(struct iphdr),
					      key.proto, 1))
				return TC_ACT_SHOT;
		} else {
			rewrite_by_hand(data, end, v, state == CSUM_PARTIAL);
		}
	}
	metrics_count(REASON_FORWARDED, hook == HOOK_FROM_POD, skb->len);
	ret = forward_packet(skb, v, hook);
	return ret < 0 ? TC_ACT_SHOT : ret; /* packet_fast has checked the TTL */
}
