/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs with entries that only tests and benchmarks need.
 *
 * A test run cannot give a packet a tunnel key, so for `arrives` mark is the sender's identity and
 * cb[0] the sending node. A repeated test run keeps what the program did to the packet, so `repeat`
 * puts its first bytes back before each round and goes on in the program under test.
 */
#include "datapath/bpf/pod.bpf.c"

SEC("tc")
int arrives(struct __sk_buff *skb)
{
	__u32 identity = skb->mark, tunnel = skb->cb[0];
	int ret;

	skb->mark = 0;
	ret = fast_path(skb, HOOK_FROM_OVERLAY, identity, tunnel);
	return ret == FAST_MISS ? slow_path(skb, HOOK_FROM_OVERLAY, identity, tunnel) : ret;
}

struct repeat_config {
	__u8 header[64];
	__u32 vary;        /* so many source ports, a power of two; 0: the one in header */
	__u32 vary_target; /* destination ports, likewise */
	__u32 round;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct repeat_config);
} repeat_v1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} repeat_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct conntrack_key);
	__type(value, __u64);
} unit_v1 SEC(".maps");

#define SPORT_OFF (ETHERNET_SIZE + 20)

SEC("tc")
int repeat(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct repeat_config *c = bpf_map_lookup_elem(&repeat_v1, &zero);
	__u64 *to = (void *)(long)skb->data, *from = (void *)c;

	if (!c || (void *)(to + 8) > (void *)(long)skb->data_end)
		return TC_ACT_UNSPEC;
	for (int i = 0; i < 8; i++)
		to[i] = from[i];
	if (c->vary) {
		__u16 *ports = (void *)to + SPORT_OFF;

		ports[0] = net16(1024 + (c->round & (c->vary - 1)));
		if (c->vary_target)
			ports[1] = net16(1024 + ((c->round / c->vary) & (c->vary_target - 1)));
		c->round++;
	}
	skb->mark = 0;
	bpf_tail_call_static(skb, &repeat_target, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

/* The unit of all figures: a hit in a hash map with a 16-byte key, cb[0] times. */
SEC("tc")
int unit(struct __sk_buff *skb)
{
	struct conntrack_key key = {.saddr = 1, .proto = 6};
	__u32 found = 0, n = skb->cb[0];

	for (__u32 i = 0; i < 1000; i++) {
		if (i >= n)
			break;
		key.sport = (__be16)i;
		if (bpf_map_lookup_elem(&unit_v1, &key))
			found++;
	}
	return (int)found;
}

SEC("cgroup/connect4")
int connect_nothing(struct bpf_sock_addr *ctx)
{
	return 1;
}
