/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/slow.h - every packet the fast path did not want: read it, place it, track it. */
#pragma once

#include "datapath/bpf/track.h"

#define PACKET_MULTICAST_BIT 0x01
#define ARP_REQUEST          1
#define ARP_REPLY            2

/* Parses the packet, making its headers linear if they are not. Returns 0 or the reason. */
static __always_inline int slow_parse(struct __sk_buff *skb, struct work *w)
{
	__u32 want = skb->len < PACKET_HEADERS ? skb->len : PACKET_HEADERS;

	if ((__u32)(skb->data_end - skb->data) < want && bpf_skb_pull_data(skb, want))
		return REASON_INVALID;
	__builtin_memset(&w->pkt, 0, sizeof(w->pkt));
	return packet_parse((void *)(long)skb->data, (void *)(long)skb->data_end, &w->pkt);
}

static __always_inline __be32 slow_address(const __be16 *halves)
{
	return halves[0] | (__u32)halves[1] << 16;
}

/* Answers ARP for every address but the pod's own: the node is its only neighbour. */
static __always_inline int slow_arp(struct __sk_buff *skb, const struct endpoint *ep)
{
	struct {
		struct ethhdr eth;
		__be16 hrd, pro;
		__u8 hln, pln;
		__be16 op;
		__u8 smac[6];
		__be16 sip[2];
		__u8 tmac[6];
		__be16 tip[2];
	} __attribute__((packed)) *arp = (void *)(long)skb->data;

	if ((void *)(arp + 1) > (void *)(long)skb->data_end || arp->hrd != net16(1) ||
	    arp->pro != net16(ETH_P_IP))
		return TC_ACT_SHOT;
	__be16 tip[2] = {arp->tip[0], arp->tip[1]};
	if (arp->op == net16(ARP_REPLY)) /* to the node, which asked for the pod */
		return slow_address(arp->sip) == ep->addr ? TC_ACT_OK : TC_ACT_SHOT;
	if (arp->op != net16(ARP_REQUEST) || slow_address(tip) == ep->addr)
		return TC_ACT_SHOT;
	arp->op = net16(ARP_REPLY);
	__builtin_memcpy(arp->tmac, arp->smac, 6);
	__builtin_memcpy(arp->smac, ep->host_mac, 6);
	arp->tip[0] = arp->sip[0];
	arp->tip[1] = arp->sip[1];
	arp->sip[0] = tip[0];
	arp->sip[1] = tip[1];
	__builtin_memcpy(arp->eth.h_dest, arp->eth.h_source, 6);
	__builtin_memcpy(arp->eth.h_source, ep->host_mac, 6);
	return (int)bpf_redirect_peer(skb->ifindex, 0);
}

/* What is not IPv4. */
static __always_inline int slow_other(struct __sk_buff *skb, struct work *w)
{
	__be16 type = packet_ethertype((void *)(long)skb->data, (void *)(long)skb->data_end);
	struct endpoint *ep = endpoint_get(w->endpoint);
	__u8 *first = (void *)(long)skb->data;

	if (type == net16(ETH_P_ARP) && w->hook == HOOK_TO_POD)
		return TC_ACT_OK;
	if (type == net16(ETH_P_ARP) && w->hook == HOOK_FROM_POD && w->endpoint && ep)
		return slow_arp(skb, ep);
	__builtin_memset(&w->pkt, 0, sizeof(w->pkt));
	if (type != net16(ETH_P_IPV6))
		return refuse(skb, w, NULL, REASON_UNKNOWN_L3);
	w->event |= EVENT_IPV6;
	if (first + 1 <= (__u8 *)(long)skb->data_end && *first & PACKET_MULTICAST_BIT) {
		metrics_count(REASON_UNKNOWN_L3, w->hook == HOOK_FROM_POD, skb->len);
		return TC_ACT_SHOT; /* neighbour chatter: counted, not reported */
	}
	return refuse(skb, w, NULL, REASON_UNKNOWN_L3);
}

/* Ports of a fragment: the first part leaves them for the others. Returns 0 or the reason. */
static __always_inline int slow_fragment(struct work *w)
{
	struct fragment_key key = {w->pkt.tuple.saddr, w->pkt.tuple.daddr, w->pkt.id,
				   w->pkt.tuple.proto, w->pkt.tuple.scope};
	struct fragment_ports ports = {w->pkt.tuple.sport, w->pkt.tuple.dport}, *known;

	if (!(w->pkt.flags & PACKET_FRAGMENT))
		return 0;
	if (!(w->pkt.flags & PACKET_LATER)) {
		bpf_map_update_elem(&fragment_v1, &key, &ports, BPF_ANY);
		return 0;
	}
	known = bpf_map_lookup_elem(&fragment_v1, &key);
	if (!known)
		return REASON_FRAG_NOT_FOUND;
	w->pkt.tuple.sport = known->sport;
	w->pkt.tuple.dport = known->dport;
	return 0;
}

/*
 * An ICMP error belongs to the connection it quotes, travelling as that connection's other
 * direction: it goes where the quoted packet came from, and a pod speaks of its own connections
 * only. One that belongs to none is a packet like any other, and "fragmentation needed" always
 * passes. Returns 1 when *ret is the verdict.
 */
static __always_inline int slow_icmp_error(struct __sk_buff *skb, struct work *w, int *ret)
{
	int egress = w->hook == HOOK_FROM_POD;
	int too_big = w->pkt.icmp_type == ICMP_DEST_UNREACH && w->pkt.icmp_code == ICMP_FRAG_NEEDED;
	struct conntrack_entry *v;
	struct conntrack_key key;
	int answered;

	w->l3 = 1;
	if (too_big)
		metrics_count(REASON_MTU_ERROR_MSG, egress, skb->len);
	flow_reverse(&w->pkt.inner, w->pkt.tuple.scope, &key);
	v = track_find(w, &key, &answered);
	if (w->pkt.tuple.daddr != w->pkt.inner.saddr ||
	    (egress && v && v->in_ifindex != skb->ifindex))
		v = NULL;
	if (v && w->now >= v->expires)
		older_renew(&key, v);
	if (v && w->now < v->expires && !conntrack_refuses(v) && entry_is_fresh(v))
		*ret = track_forward(skb, w, v);
	else if (too_big && w->hook == HOOK_TO_POD)
		*ret = TC_ACT_OK;
	else
		return 0;
	return 1;
}

GLOBAL_FUNCTION int slow_options(struct __sk_buff *skb)
{
	return packet_check_options((void *)(long)skb->data, (void *)(long)skb->data_end);
}

/* All that travels in a tunnel for a pod: its number, or what it has before it gets one. */
static __always_inline int slow_is_pods(__u32 identity)
{
	return identity == IDENTITY_INIT ||
	       (identity >= IDENTITY_FIRST_POD && identity <= IDENTITY_LAST_POD);
}

/* What the address table says of a pod, or of a block of them. */
static __always_inline int slow_is_pods_address(const struct ipcache_entry *e)
{
	return e->tunnel_endpoint || e->identity == IDENTITY_UNMANAGED || slow_is_pods(e->identity);
}

/*
 * A node vouches for its own pods, the latest news of them included: their numbers are taken from
 * it, not from the address table, which learns of a new pod or a change later. But the sender must
 * be a node that is known, and the address inside not known to be anybody else's. A new pod is in
 * its node's block from the start; a block nobody told us of is the word of a known node.
 */
static __always_inline int slow_sender_remote(const struct work *w, const struct ipcache_entry *src)
{
	struct ipcache_entry node;
	int as_node = w->identity == IDENTITY_REMOTE_NODE;

	if (!as_node && !slow_is_pods(w->identity))
		return REASON_INVALID_IDENTITY;
	if (src->identity == IDENTITY_HOST)
		return REASON_INVALID_SIP;
	if (slow_is_pods_address(src)) {
		if (src->tunnel_endpoint != w->tunnel)
			return REASON_INVALID_SIP;
		return as_node ? REASON_INVALID_IDENTITY : 0;
	}
	if (decide_ipcache(w->tunnel, &node) != IDENTITY_REMOTE_NODE)
		return REASON_UNKNOWN_SENDER;
	return src->identity == IDENTITY_REMOTE_NODE && !as_node ? REASON_INVALID_IDENTITY : 0;
}

/* By way of the stack: ifindex is the device that it had the packet from, 0 for one of its own. A
 * pod's address comes from its device only, and from other nodes in a tunnel only. */
static __always_inline int slow_sender_plain(const struct work *w, const struct endpoint *local,
					     const struct ipcache_entry *src, __u32 ifindex)
{
	struct node_config *node = node_get();

	if (!ifindex)
		return 0;
	if (local && local->ifindex && local->addr == w->pkt.tuple.saddr)
		return local->ifindex == ifindex ? 0 : REASON_INVALID_SIP;
	if (!node || !node->overlay_ifindex || src->flags & IPCACHE_SKIP_TUNNEL)
		return 0;
	if (src->tunnel_endpoint)
		return REASON_INVALID_SIP;
	return ifindex == node->underlay_ifindex && slow_is_pods_address(src) ? REASON_INVALID_SIP
									      : 0;
}

/* Whether what arrives may come from the address it claims, this way. Returns 0 or the reason. */
GLOBAL_FUNCTION int slow_sender(struct work *w, __u32 ifindex)
{
	struct ipcache_entry src;
	__u32 slot;

	if (!w)
		return REASON_INVALID;
	w->stamp = address_stamp(w->pkt.tuple.saddr);
	slot = endpoint_of_address(w->pkt.tuple.saddr);
	decide_ipcache(w->pkt.tuple.saddr, &src);
	if (w->hook == HOOK_TO_POD)
		return slow_sender_plain(w, endpoint_get(slot), &src, ifindex);
	return slot ? REASON_INVALID_SIP : slow_sender_remote(w, &src);
}

/* The pod this hook is about, and whether the packet may claim to be from or for it. */
static __always_inline int slow_place(struct work *w, __u32 ifindex)
{
	struct endpoint *ep = endpoint_get(w->endpoint);
	struct node_config *node = node_get();
	__be32 addr = w->hook == HOOK_FROM_POD ? w->pkt.tuple.saddr : w->pkt.tuple.daddr;

	if (!node || !(node->flags & NODE_READY))
		return REASON_HOST_NOT_READY;
	if (w->hook == HOOK_FROM_OVERLAY)
		return slow_sender(w, 0);
	if (!w->endpoint || !ep || !(ep->flags & ENDPOINT_READY))
		return REASON_EP_NOT_READY;
	if (ep->addr != addr)
		return w->hook == HOOK_FROM_POD ? REASON_INVALID_SIP : REASON_UNKNOWN_TARGET;
	return w->hook == HOOK_TO_POD ? slow_sender(w, ifindex) : 0;
}

/* Encapsulated packets that are not for a pod: the node's own, or lost ones. 1: *ret is final. */
static __always_inline int slow_for_node(struct __sk_buff *skb, struct work *w, int *ret)
{
	struct ipcache_entry ignored;

	if (w->hook != HOOK_FROM_OVERLAY || endpoint_of_address(w->pkt.tuple.daddr))
		return 0;
	if (decide_ipcache(w->pkt.tuple.daddr, &ignored) == IDENTITY_HOST) {
		bpf_skb_change_type(skb, 0);
		metrics_count(REASON_FORWARDED, DIRECTION_INGRESS, skb->len);
		*ret = TC_ACT_OK;
	} else {
		*ret = refuse(skb, w, NULL, REASON_UNROUTABLE);
	}
	return 1;
}

static __always_inline int slow_ipv4(struct __sk_buff *skb, struct work *w)
{
	int ret = 0, reason = slow_parse(skb, w);

	w->pkt.tuple.scope = w->hook == HOOK_FROM_POD ? CONNTRACK_SCOPE_POD : CONNTRACK_SCOPE_NET;
	if (!reason)
		reason = slow_place(w, skb->ingress_ifindex);
	if (!reason && w->pkt.flags & PACKET_OPTIONS)
		reason = slow_options(skb);
	if (!reason)
		reason = slow_fragment(w);
	if (reason)
		return refuse(skb, w, NULL, (__u8)reason);
	if (slow_for_node(skb, w, &ret))
		return ret;
	if (w->pkt.flags & PACKET_ICMP_ERROR && slow_icmp_error(skb, w, &ret))
		return ret;
	return track(skb, w);
}

/* identity and tunnel: of what arrives encapsulated, else 0. Returns the program's verdict. */
GLOBAL_FUNCTION int slow_path(struct __sk_buff *skb, __u32 hook, __u32 identity, __be32 tunnel)
{
	struct work *w = work_get();

	if (!w)
		return TC_ACT_SHOT;
	if (hook == HOOK_FROM_POD && skb->mark == MARK_ANSWER) {
		skb->mark = 0;
		return TC_ACT_OK;
	}
	w->hook = hook;
	w->now = bpf_jiffies64();
	w->endpoint = hook == HOOK_FROM_OVERLAY ? ENDPOINT_NONE : endpoint_of_device(skb->ifindex);
	w->identity = identity;
	w->tunnel = tunnel;
	w->came_by = hook == HOOK_FROM_OVERLAY ? tunnel : conntrack_by_stack(skb->ingress_ifindex);
	w->l3 = 0;
	w->event = 0;
	if (skb->protocol != net16(ETH_P_IP))
		return slow_other(skb, w);
	return slow_ipv4(skb, w);
}
