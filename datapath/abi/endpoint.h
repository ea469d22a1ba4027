/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/endpoint.h - one row per pod on this node. Adding a pod writes rows, loads nothing.
 *
 * Three maps: `ep_ifindex` (array slot ifindex & 0xffff) and `ep_addr` (hash by IPv4) lead to a
 * slot of the array `endpoint`. Slot 0 is never used. Write order: policy set, endpoint row,
 * generation bump, then the two indexes; removal in reverse. A program attached to a device
 * without a row, or whose row lacks ENDPOINT_READY, drops everything (reason EP_NOT_READY): there
 * is no fail-open moment at attach.
 */
#pragma once

#include <linux/types.h>

#define ENDPOINT_MAX         4096
#define ENDPOINT_IFINDEX_MAX 65536
#define ENDPOINT_NONE        0

enum endpoint_flag {
	ENDPOINT_READY = 1 << 0,
	/* Default deny in the direction: what no policy entry allows is dropped. Clear: no policy
	 * selects the endpoint in that direction and everything passes, the set is not read. */
	ENDPOINT_ENFORCE_INGRESS = 1 << 1,
	ENDPOINT_ENFORCE_EGRESS = 1 << 2,
	/* A refusal is let through, counted and reported as VERDICT_AUDIT. */
	ENDPOINT_AUDIT_INGRESS = 1 << 3,
	ENDPOINT_AUDIT_EGRESS = 1 << 4,
	/* Refused TCP is answered with RST, refused UDP with ICMP port unreachable, for what this
	 * endpoint refuses to receive or is refused to send. */
	ENDPOINT_REFUSE = 1 << 5,
	/* Runs an Istio sidecar: no socket load balancing (see sock_optout), never to the node
	 * proxy. L4 policy and per-packet services apply as to any other. */
	ENDPOINT_SIDECAR = 1 << 6,
};

struct endpoint {
	__u32 ifindex; /* host side of the pod's veth; 0: slot is free */
	__u32 flags;   /* enum endpoint_flag */
	__be32 addr;   /* the only IPv4 source it may use */
	__u32 identity;
	__u32 policy_set[2]; /* by enum direction: set read in `policy`; sets may be shared */
	__u8 mac[6];         /* pod side */
	__u8 host_mac[6];    /* host side, the pod's next hop */
	__u64 netns_cookie;  /* of the pod's network namespace, for tools; 0 unknown */
	__u32 tag;           /* agent's endpoint id as shown to people */
	__u32 reserved[3];
};
_Static_assert(sizeof(struct endpoint) == 64, "pinned layout");

/* Map `ep_ifindex`: array slot endpoint_ifindex_slot(ifindex). The row names the whole index, so
 * two devices that share a slot are never confused; the second one cannot be added. */
struct endpoint_ifindex {
	__u32 ifindex;
	__u32 endpoint; /* slot of `endpoint`, ENDPOINT_NONE: no row */
};
_Static_assert(sizeof(struct endpoint_ifindex) == 8, "pinned layout");

static inline __attribute__((always_inline)) __u32 endpoint_ifindex_slot(__u32 ifindex)
{
	return ifindex & (ENDPOINT_IFINDEX_MAX - 1);
}

/* Map `ep_addr`: hash __be32 -> __u32 slot of `endpoint`. */
