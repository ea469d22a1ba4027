/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/forward.h - does what an entry says: TTL, frame, next hop. */
#pragma once

#include <linux/pkt_cls.h>

#include "datapath/bpf/rewrite.h"

/* A packet the node's own programs made (an answer to a refused packet): let it pass. Marks never
 * cross a namespace boundary, so no pod can set it. */
#define MARK_ANSWER 0x51de0001

/* The receiver knows this node by one address, whatever others it has. */
static __always_inline int forward_tunnel_key(struct __sk_buff *skb, __be32 node, __u32 identity)
{
	struct node_config *own = node_get();
	struct bpf_tunnel_key key = {
		.tunnel_id = identity,
		.remote_ipv4 = net32(node), /* these two are host order */
		.local_ipv4 = own ? net32(own->addr) : 0,
		.tunnel_ttl = 64,
	};

	return (int)bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX);
}

static __always_inline int forward_encapsulate(struct __sk_buff *skb, __be32 node, __u32 identity,
					       __u32 ifindex)
{
	if (forward_tunnel_key(skb, node, identity))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(ifindex, 0);
}

static __always_inline void forward_ttl(struct iphdr *ip)
{
	/* The 16-bit word {ttl, protocol} loses 1 in its first byte. */
	ip->check = csum_update(ip->check, (__u16)~net16(0x0100));
	ip->ttl--;
}

/*
 * Sends the packet on its way; it was rewritten already. Returns a TC_ACT code, or minus the reason
 * to drop it. The caller has counted it.
 */
static __always_inline int forward_packet(struct __sk_buff *skb, const struct conntrack_entry *v,
					  __u32 hook)
{
	void *data = (void *)(long)skb->data;
	struct iphdr *ip = data + ETHERNET_SIZE;
	struct ethhdr *eth = data;

	if (hook == HOOK_TO_POD)
		return TC_ACT_OK;
	if (v->verdict == CONNTRACK_STACK) {
		if (hook == HOOK_FROM_OVERLAY)
			bpf_skb_change_type(
				skb, 0); /* PACKET_HOST: the inner frame had another address */
		return TC_ACT_OK;
	}
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -REASON_INVALID;
	if (ip->ttl <= 1)
		return -REASON_TTL_EXCEEDED;
	forward_ttl(ip);
	if (v->verdict == CONNTRACK_OVERLAY)
		return forward_encapsulate(skb, v->tunnel, v->src_identity, v->ifindex);
	__builtin_memcpy(eth->h_dest, v->dmac, 6);
	__builtin_memcpy(eth->h_source, v->smac, 6);
	return (int)bpf_redirect_peer(v->ifindex, 0);
}

/* Whether somebody should look closer at this entry than the fast path does. */
static __always_inline int entry_is_due(const struct conntrack_entry *v, __u64 now)
{
	return (__s32)((__u32)now - v->refresh) >= 0;
}

static __always_inline int entry_is_fresh(const struct conntrack_entry *v)
{
	if (v->version != CONNTRACK_VERSION || v->global != generation_read(GENERATION_GLOBAL))
		return 0;
	for (int i = 0; i < CONNTRACK_REF_COUNT; i++)
		if (generation_read(v->ref[i].index) != v->ref[i].value)
			return 0;
	return 1;
}
