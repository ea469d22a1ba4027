/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/work.h - what the slow path knows about the packet at hand, in a per-CPU slot
 * because 512 bytes of stack are not enough. Programs of one CPU never interrupt each other.
 */
#pragma once

#include "datapath/bpf/flow.h"
#include "datapath/bpf/maps_pod.h"
#include "datapath/bpf/options.h"

enum hook {
	HOOK_FROM_POD,     /* leaves a pod */
	HOOK_TO_POD,       /* the stack sends to a pod */
	HOOK_FROM_OVERLAY, /* arrives encapsulated */
};

/* Who opened the connection and where: all that a decision needs, packet or not. */
struct opener {
	struct conntrack_key key; /* its packets as seen, scope included */
	__u32 hook;               /* enum hook where they are seen */
	__u32 endpoint;           /* from a pod: its slot */
	__u32 identity;           /* otherwise: who it is */
	__be32 tunnel;            /* from the overlay: the node it comes from */
	__be32 keep_addr;         /* backend the connection has, stays if it may; 0 none */
	__be16 keep_port;
	__u8 icmp_type;
	__u8 zero;
};

struct work {
	struct packet pkt;
	struct opener opener;
	__u64 now;
	__u32 hook;
	__u32 endpoint; /* slot of the local pod this hook is about */
	__u32 identity; /* arriving packets: the sender's */
	__be32 tunnel;  /* from the overlay: the sending node */
	__u32 came_by;  /* arriving packets: see conntrack_by_stack() */
	__u64 stamp;    /* generations under which their sender was looked at */
	__u32 l3;       /* packet is unrelated to any entry: decide, but remember nothing */
	__u32 event;    /* extra enum event_flag for records */
	struct conntrack_key reply_key;
	struct conntrack_entry entry;    /* the opener's direction */
	struct conntrack_entry reply;    /* and the other */
	struct conntrack_entry_v1 older; /* one of them for the release before */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} scratch SEC(".maps");

static __always_inline struct work *work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline __u64 seconds(__u32 s)
{
	return (__u64)s * option_hz;
}

static __always_inline __u32 generation_read(__u32 index)
{
	__u32 *g = bpf_map_lookup_elem(&generation_v1, &index);

	return g ? *(volatile __u32 *)g : 0;
}

/* Moves when what is known of an address, or of blocks of them, does. */
static __always_inline __u64 address_stamp(__be32 addr)
{
	return (__u64)generation_read(GENERATION_GLOBAL) + generation_read(generation_remote(addr));
}

static __always_inline struct endpoint *endpoint_get(__u32 slot)
{
	return bpf_map_lookup_elem(&endpoint_v1, &slot);
}

/* Slot of the endpoint behind a device of this node, ENDPOINT_NONE for a stranger. */
static __always_inline __u32 endpoint_of_device(__u32 ifindex)
{
	__u32 slot = endpoint_ifindex_slot(ifindex);
	struct endpoint_ifindex *e = bpf_map_lookup_elem(&ep_ifindex_v1, &slot);

	return e && e->ifindex == ifindex ? e->endpoint : ENDPOINT_NONE;
}

static __always_inline __u32 endpoint_of_address(__be32 addr)
{
	__u32 *slot = bpf_map_lookup_elem(&ep_addr_v1, &addr);

	return slot ? *slot : ENDPOINT_NONE;
}

static __always_inline struct node_config *node_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&node_config_v1, &zero);
}
