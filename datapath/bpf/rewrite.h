/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/rewrite.h - changes addresses and ports as an entry says, checksums included.
 *
 * Two ways. By hand, for the common packet, when its checksum state can be read (option_kern_ctx).
 * Through helpers, for everything else: fragments, IP options, devices that delivered a complete
 * checksum, old kernels.
 */
#pragma once

#include "datapath/bpf/report.h"

#include <bpf/bpf_core_read.h>

/* The part of the kernel's packet that tells its checksum state (CO-RE relocated). */
struct sk_buff___csum {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *skb) __ksym __weak;

enum csum_state { CSUM_NONE, CSUM_UNNECESSARY, CSUM_COMPLETE, CSUM_PARTIAL, CSUM_UNREADABLE };

#define L3_CSUM_OFF  (ETHERNET_SIZE + 10)
#define L3_SADDR_OFF (ETHERNET_SIZE + 12)
#define L3_DADDR_OFF (ETHERNET_SIZE + 16)

/* By hand: headers were checked by packet_fast; end is checked again for the verifier. */
static __always_inline void rewrite_by_hand(void *data, void *end, const struct conntrack_entry *v,
					    int partial)
{
	struct iphdr *ip = data + ETHERNET_SIZE;
	struct udphdr *l4 = data + ETHERNET_SIZE + sizeof(*ip);
	int tcp = ip->protocol == IPPROTO_TCP;
	__u16 *check = (void *)l4 + (tcp ? 16 : 6), sum;

	if ((void *)(check + 1) > end)
		return;
	sum = partial ? csum_update_partial(*check, v->nat_csum_addr)
		      : csum_update(*check, (__u32)v->nat_csum_addr + v->nat_csum_port);
	if (tcp || *check) /* UDP may go without */
		*check = !sum && !partial ? 0xffff : sum;
	ip->check = csum_update(ip->check, v->nat_csum_addr);
	ip->saddr = v->nat_saddr;
	ip->daddr = v->nat_daddr;
	l4->source = v->nat_sport;
	l4->dest = v->nat_dport;
}

static __always_inline int rewrite_l4_helper(struct __sk_buff *skb, const struct conntrack_entry *v,
					     __u32 off, __u8 proto)
{
	__u32 check = off + (proto == IPPROTO_TCP ? 16 : 6);
	__u64 mangled = proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__be16 ports[2] = {v->nat_sport, v->nat_dport};

	if (bpf_l4_csum_replace(skb, check, 0, v->nat_csum_addr, BPF_F_PSEUDO_HDR | mangled) ||
	    bpf_l4_csum_replace(skb, check, 0, v->nat_csum_port, mangled))
		return REASON_CSUM_L4;
	return bpf_skb_store_bytes(skb, off, ports, sizeof(ports), 0) ? REASON_WRITE_ERROR : 0;
}

/* Through helpers; packet pointers are invalid afterwards. Returns 0 or the reason. */
GLOBAL_FUNCTION int rewrite_by_helper(struct __sk_buff *skb, struct conntrack_entry *v,
				      __u32 l4_off, __u32 proto, __u32 has_l4)
{
	__be32 addrs[2];

	if (!v)
		return REASON_INVALID;
	addrs[0] = v->nat_saddr;
	addrs[1] = v->nat_daddr;
	if (has_l4 && (proto == IPPROTO_TCP || proto == IPPROTO_UDP)) {
		int reason = rewrite_l4_helper(skb, v, l4_off, (__u8)proto);

		if (reason)
			return reason;
	}
	if (bpf_l3_csum_replace(skb, L3_CSUM_OFF, 0, v->nat_csum_addr, 0))
		return REASON_CSUM_L3;
	return bpf_skb_store_bytes(skb, L3_SADDR_OFF, addrs, sizeof(addrs), 0) ? REASON_WRITE_ERROR
									       : 0;
}

/*
 * An ICMP error about a translated connection: the quoted header travelled the other way, so its
 * source is what the entry writes as destination and vice versa. The outer addresses are rewritten
 * where they are the connection's own ends (a router keeps its address). Returns 0 or the reason.
 */
GLOBAL_FUNCTION int rewrite_quoted(struct __sk_buff *skb, struct work *w, struct conntrack_entry *v)
{
	__be32 addrs[2];
	__be16 ports[2];
	__u32 inner, l4, check;

	if (!w || !v)
		return REASON_INVALID;
	inner = w->pkt.inner_off;
	l4 = w->pkt.inner_l4_off;
	check = (__u32)w->pkt.l4_off + 2;
	addrs[0] = v->nat_daddr;
	addrs[1] = v->nat_saddr;
	ports[0] = v->nat_dport;
	ports[1] = v->nat_sport;
	/* The quoted header's own checksum absorbs the addresses, so ICMP's sees only the ports. */
	if (bpf_l3_csum_replace(skb, inner + 10, 0, v->nat_csum_addr, 0) ||
	    bpf_skb_store_bytes(skb, inner + 12, addrs, sizeof(addrs), 0) ||
	    bpf_l4_csum_replace(skb, check, 0, v->nat_csum_port, 0) ||
	    bpf_skb_store_bytes(skb, l4, ports, sizeof(ports), 0))
		return REASON_WRITE_ERROR;
	addrs[0] = w->pkt.tuple.saddr == w->pkt.inner.daddr ? v->nat_saddr : w->pkt.tuple.saddr;
	addrs[1] = w->pkt.tuple.daddr == w->pkt.inner.saddr ? v->nat_daddr : w->pkt.tuple.daddr;
	__u32 delta = csum_delta32(w->pkt.tuple.saddr, addrs[0]) +
		      csum_delta32(w->pkt.tuple.daddr, addrs[1]);
	if (bpf_l3_csum_replace(skb, L3_CSUM_OFF, 0, csum_fold(delta), 0) ||
	    bpf_skb_store_bytes(skb, L3_SADDR_OFF, addrs, sizeof(addrs), 0))
		return REASON_WRITE_ERROR;
	return 0;
}

/* Whether the transport checksum is still the bare pseudo-header sum. */
static __always_inline int rewrite_csum_state(struct __sk_buff *skb)
{
	struct sk_buff___csum *k;

	if (!option_kern_ctx)
		return CSUM_UNREADABLE;
	k = bpf_cast_to_kern_ctx(skb);
	return BPF_CORE_READ_BITFIELD(k, ip_summed);
}
