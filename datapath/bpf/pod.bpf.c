/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/pod.bpf.c - the packet programs, loaded once per node.
 *
 * from_pod      ingress of the host side of every pod's veth: what pods send
 * to_pod        egress of the same: what the node's stack delivers to them
 * from_overlay  ingress of the VXLAN device: what other nodes' pods send to ours
 * to_overlay    egress of the VXLAN device: what this node's stack sends to other nodes' pods
 */
#include "datapath/bpf/fast.h"
#include "datapath/bpf/slow.h"

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	int ret = fast_path(skb, HOOK_FROM_POD, 0, skb->ifindex);

	return ret == FAST_MISS ? slow_path(skb, HOOK_FROM_POD, 0, 0) : ret;
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	int ret = fast_path(skb, HOOK_TO_POD, 0, conntrack_by_stack(skb->ingress_ifindex));

	return ret == FAST_MISS ? slow_path(skb, HOOK_TO_POD, 0, 0) : ret;
}

SEC("tc")
int from_overlay(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {};
	int ret;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
		metrics_count(REASON_NO_TUNNEL_KEY, DIRECTION_INGRESS, skb->len);
		return TC_ACT_SHOT;
	}
	ret = fast_path(skb, HOOK_FROM_OVERLAY, key.tunnel_id, net32(key.remote_ipv4));
	if (ret != FAST_MISS)
		return ret;
	return slow_path(skb, HOOK_FROM_OVERLAY, key.tunnel_id, net32(key.remote_ipv4));
}

static __always_inline int overlay_refuse(struct __sk_buff *skb, __u32 reason)
{
	metrics_count(reason, DIRECTION_EGRESS, skb->len);
	return TC_ACT_SHOT;
}

/* Who sends a packet that the stack put on the overlay; IDENTITY_UNKNOWN for one that only passes
 * through this node. */
static __always_inline __u32 overlay_sender(__be32 addr, __u32 ifindex)
{
	struct endpoint *ep = endpoint_get(endpoint_of_address(addr));
	struct ipcache_entry ignored;

	if (ep && ep->ifindex && ep->addr == addr)
		return !ifindex || ifindex == ep->ifindex ? ep->identity : IDENTITY_UNKNOWN;
	if (!ifindex || decide_ipcache(addr, &ignored) == IDENTITY_HOST)
		return IDENTITY_REMOTE_NODE; /* what this node is to the others */
	return IDENTITY_UNKNOWN;
}

/* Packets redirected by from_pod carry their tunnel key already; those of the stack get one. */
SEC("tc")
int to_overlay(struct __sk_buff *skb)
{
	struct iphdr *ip = (void *)(long)skb->data + ETHERNET_SIZE;
	struct bpf_tunnel_key key = {};
	struct ipcache_entry remote;
	__u32 sender;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0)
		return TC_ACT_OK;
	if (skb->protocol != net16(ETH_P_IP))
		return overlay_refuse(skb, REASON_UNKNOWN_L3);
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return overlay_refuse(skb, REASON_INVALID);
	sender = overlay_sender(ip->saddr, skb->ingress_ifindex);
	if (sender == IDENTITY_UNKNOWN)
		return overlay_refuse(skb, REASON_INVALID_SIP);
	decide_ipcache(ip->daddr, &remote);
	if (!remote.tunnel_endpoint)
		return overlay_refuse(skb, REASON_NO_TUNNEL_ENDPOINT);
	if (forward_tunnel_key(skb, remote.tunnel_endpoint, sender))
		return overlay_refuse(skb, REASON_WRITE_ERROR);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
