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
	int ret = fast_path(skb, HOOK_FROM_POD, 0);

	return ret == FAST_MISS ? slow_path(skb, HOOK_FROM_POD, 0, 0) : ret;
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	int ret = fast_path(skb, HOOK_TO_POD, 0);

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
	ret = fast_path(skb, HOOK_FROM_OVERLAY, key.tunnel_id);
	if (ret != FAST_MISS)
		return ret;
	return slow_path(skb, HOOK_FROM_OVERLAY, key.tunnel_id, net32(key.remote_ipv4));
}

/* Packets redirected by from_pod carry their tunnel key already; those of the stack get one. */
SEC("tc")
int to_overlay(struct __sk_buff *skb)
{
	struct iphdr *ip = (void *)(long)skb->data + ETHERNET_SIZE;
	struct bpf_tunnel_key key = {};
	struct ipcache_entry remote;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0)
		return TC_ACT_OK;
	if (skb->protocol != net16(ETH_P_IP) || (void *)(ip + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	decide_ipcache(ip->daddr, &remote);
	if (!remote.tunnel_endpoint) {
		metrics_count(REASON_NO_TUNNEL_ENDPOINT, DIRECTION_EGRESS, skb->len);
		return TC_ACT_SHOT;
	}
	key.tunnel_id = IDENTITY_REMOTE_NODE;
	key.remote_ipv4 = net32(remote.tunnel_endpoint);
	key.tunnel_ttl = 64;
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX) ? TC_ACT_SHOT
										  : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
