/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/refuse.h - drops a packet, says so, and where an endpoint wants it tells the sender:
 * TCP gets the RST its peer would send, UDP an ICMP port unreachable.
 */
#pragma once

#include "datapath/bpf/forward.h"

#define ANSWER_TCP_SIZE  (ETHERNET_SIZE + 20 + 20)
#define ANSWER_ICMP_SIZE (ETHERNET_SIZE + 20 + 8 + 20 + 8)

static __always_inline void answer_swap(struct ethhdr *eth, struct iphdr *ip, __u16 size,
					__u8 proto)
{
	__u8 mac[6];
	__be32 addr = ip->saddr;

	__builtin_memcpy(mac, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, mac, 6);
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	ip->protocol = proto;
	ip->tos = 0;
	ip->id = 0;
	ip->tot_len = net16(size - ETHERNET_SIZE);
	ip->frag_off = net16(0x4000);
	ip->ttl = 64;
	ip->check = 0;
	ip->check = csum_words((const __u16 *)(void *)ip, 10, 0);
}

/* Without a readable state a field that equals the bare sum is taken for one (1 in 65 536 is not).
 */
static __always_inline int answer_is_partial(struct __sk_buff *skb, const struct iphdr *ip,
					     __u16 check)
{
	int state = rewrite_csum_state(skb);
	__u16 len = (__u16)(net16(ip->tot_len) - 20);

	if (state != CSUM_UNREADABLE)
		return state == CSUM_PARTIAL;
	return check == csum_pseudo(ip->saddr, ip->daddr, ip->protocol, len);
}

/* Turns a TCP segment into the RST that answers it. Returns 0, or -1 with the packet spoilt. */
static __always_inline int answer_rst(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETHERNET_SIZE;
	struct tcphdr *tcp = (void *)(ip + 1);
	__be32 seq, ack;
	int partial, had_ack;

	if ((void *)(tcp + 1) > end || tcp->rst)
		return -1;
	had_ack = tcp->ack;
	seq = had_ack ? tcp->ack_seq : 0;
	ack = net32(net32(tcp->seq) + tcp->syn + tcp->fin + net16(ip->tot_len) - 20 -
		    tcp->doff * 4);
	partial = answer_is_partial(skb, ip, tcp->check);
	if (bpf_skb_change_tail(skb, ANSWER_TCP_SIZE, 0))
		return -1;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + ETHERNET_SIZE;
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end)
		return -1;
	answer_swap(data, ip, ANSWER_TCP_SIZE, IPPROTO_TCP);
	__be16 port = tcp->source;
	tcp->source = tcp->dest;
	tcp->dest = port;
	tcp->seq = seq;
	tcp->ack_seq = had_ack ? 0 : ack;
	((__u16 *)(void *)tcp)[6] = net16(had_ack ? 0x5004 : 0x5014); /* 5 words; RST or RST, ACK */
	tcp->window = 0;
	tcp->urg_ptr = 0;
	tcp->check = csum_pseudo(ip->saddr, ip->daddr, IPPROTO_TCP, 20);
	if (!partial) {
		__u32 sum = tcp->check;

		tcp->check = 0;
		tcp->check = csum_words((const __u16 *)(void *)tcp, 10, sum);
	}
	return 0;
}

/*
 * Turns a UDP datagram into the ICMP port unreachable that quotes it. Where the datagram's checksum
 * was still to be finished (partial), the device that sends the answer finishes it at the same
 * offset, which in this message is an unused word that is zero: what sums up to nothing gets the
 * complement of nothing, and stays right.
 */
static __always_inline int answer_unreachable(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct {
		__u32 head[2];
		__u32 quote[7]; /* IP header and eight bytes of UDP */
	} icmp = {.head = {0x00000303}};
	struct iphdr *ip = data + ETHERNET_SIZE;

	if ((void *)ip + sizeof(icmp.quote) > end)
		return -1;
	__builtin_memcpy(icmp.quote, ip, sizeof(icmp.quote));
	if (bpf_skb_change_tail(skb, ANSWER_ICMP_SIZE, 0))
		return -1;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + ETHERNET_SIZE;
	if ((void *)(ip + 1) + sizeof(icmp) > end)
		return -1;
	answer_swap(data, ip, ANSWER_ICMP_SIZE, IPPROTO_ICMP);
	icmp.head[0] |= (__u32)csum_words((const __u16 *)(void *)&icmp, sizeof(icmp) / 2, 0) << 16;
	__builtin_memcpy(ip + 1, &icmp, sizeof(icmp));
	return 0;
}

/* Back to where the packet came from. */
static __always_inline int answer_send(struct __sk_buff *skb, const struct work *w, __u32 identity)
{
	if (w->hook == HOOK_FROM_POD)
		return (int)bpf_redirect_peer(skb->ifindex, 0);
	if (w->hook == HOOK_FROM_OVERLAY)
		return forward_encapsulate(skb, w->tunnel, identity, skb->ifindex);
	skb->mark = MARK_ANSWER;
	return (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

GLOBAL_FUNCTION int answer_sender(struct __sk_buff *skb, struct work *w, __u32 identity)
{
	if (!w || w->pkt.flags)
		return TC_ACT_SHOT; /* fragments, options, errors: silence */
	if (w->pkt.tuple.proto == IPPROTO_TCP) {
		if (w->pkt.tcp_flags & TCP_RST || answer_rst(skb))
			return TC_ACT_SHOT;
	} else if (w->pkt.tuple.proto == IPPROTO_UDP) {
		if (answer_unreachable(skb))
			return TC_ACT_SHOT;
	} else {
		return TC_ACT_SHOT;
	}
	return answer_send(skb, w, identity);
}

static __always_inline int refuse_wants_answer(const struct conntrack_entry *v)
{
	struct endpoint *src = endpoint_get(v->src_endpoint), *dst = endpoint_get(v->dst_endpoint);

	return (v->src_endpoint && src && src->flags & ENDPOINT_REFUSE) ||
	       (v->dst_endpoint && dst && dst->flags & ENDPOINT_REFUSE);
}

/* Drops the packet for what entry v says (or for a reason of its own, v NULL). */
static __always_inline int refuse(struct __sk_buff *skb, struct work *w, struct conntrack_entry *v,
				  __u8 reason)
{
	int answer = v && refuse_wants_answer(v);

	metrics_count(reason, w->hook == HOOK_FROM_POD, skb->len);
	if (answer)
		w->event |= EVENT_REFUSED;
	if (option_events)
		event_emit(skb, w, v, EVENT_DROP, VERDICT_DROPPED, reason);
	return answer ? answer_sender(skb, w, v->dst_identity) : TC_ACT_SHOT;
}
