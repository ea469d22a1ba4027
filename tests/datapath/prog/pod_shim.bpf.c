/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs with one more entry: a test run cannot give a packet a tunnel key, so here
 * mark is the sender's identity and cb[0] the sending node.
 */
#include "datapath/bpf/pod.bpf.c"

SEC("tc")
int arrives(struct __sk_buff *skb)
{
	__u32 identity = skb->mark, tunnel = skb->cb[0];
	int ret;

	skb->mark = 0;
	ret = fast_path(skb, HOOK_FROM_OVERLAY, identity);
	return ret == FAST_MISS ? slow_path(skb, HOOK_FROM_OVERLAY, identity, tunnel) : ret;
}
