/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/conntrack.h - decide once: the key is the packet as seen, the value is the whole
 * decision with the generations under which it was made.
 *
 * A connection has two entries, one per direction of travel, each the other's twin: the twin's key
 * is the tuple after this entry's rewrite, turned around, in scope `twin_scope`. Two maps with the
 * same layout: `ct_new` takes what only one side has sent (and remembered refusals), `conntrack`
 * takes connections that were answered, so that a flood of openings evicts no live connection.
 * Both reclaim the least recently used in the kernel; nothing depends on an agent that cleans up.
 */
#pragma once

#include <linux/types.h>

#include "datapath/abi/generation.h"
#include "datapath/abi/verdict.h"

/* Who saw the packet: the same five-tuple from a pod and from the network are two entries. */
enum conntrack_scope {
	CONNTRACK_SCOPE_POD = 0, /* leaving a local pod (from_pod) */
	CONNTRACK_SCOPE_NET = 1, /* arriving: overlay or the node's stack (from_overlay, to_pod) */
	CONNTRACK_SCOPE_PROXY = 2, /* reserved: opened by the node proxy with a client's address */
};

/*
 * ICMP: of an echo and of the other questions with answers (timestamp, information, mask) the
 * identifier is the requester's port, the other port is 0. `icmp` keeps the kinds apart, so that a
 * type that policy allows opens nothing for another: 0 for echo (and all that is not ICMP), the
 * question's type for the other pairs, else the message's own.
 */
struct conntrack_key {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 scope; /* enum conntrack_scope */
	__u8 icmp;
	__u8 zero;
};
_Static_assert(sizeof(struct conntrack_key) == 16, "pinned layout");

#define CONNTRACK_VERSION 2

/* What becomes of the packet: one byte. From REASON_FIRST_DROP on it is refused, and the number is
 * the reason (enum reason). */
enum conntrack_verdict {
	CONNTRACK_NONE = 0,    /* not decided */
	CONNTRACK_PEER = 1,    /* into a local pod's namespace, through its veth `ifindex` */
	CONNTRACK_OVERLAY = 2, /* encapsulate to `tunnel` through device `ifindex` */
	CONNTRACK_STACK = 3,   /* the node's stack routes it (also: let it pass to the pod) */
};

enum conntrack_flag {
	CONNTRACK_REPLY = 1 << 0,   /* this direction answers; policy was asked for the other */
	CONNTRACK_NAT = 1 << 1,     /* the nat_* fields replace addresses and ports */
	CONNTRACK_SERVICE = 1 << 2, /* rewritten for a service */
	/* 1 << 3 had a meaning in layout 1 */
	CONNTRACK_SEEN_REPLY = 1 << 4,     /* the answering side has sent */
	CONNTRACK_SEEN_NON_SYN = 1 << 5,   /* TCP got past SYN */
	CONNTRACK_OPENER_CLOSED = 1 << 6,  /* FIN or RST from the opener */
	CONNTRACK_REPLIER_CLOSED = 1 << 7, /* FIN or RST from the other side */
	CONNTRACK_LOOPBACK = 1 << 8,       /* a pod reached itself through a service */
	CONNTRACK_FROM_TUNNEL = 1 << 9,    /* the opener's packets arrive encapsulated */
};

enum conntrack_ref {
	CONNTRACK_REF_SOURCE,      /* local endpoint that opened, else unused */
	CONNTRACK_REF_DESTINATION, /* local endpoint that was called, else unused */
	CONNTRACK_REF_SERVICE,
	CONNTRACK_REF_REMOTE, /* ipcache of the side that is not local */
	CONNTRACK_REF_COUNT,
};

/*
 * Times are jiffies (bpf_jiffies64); `meta` says how many there are in a second. The low half of
 * `refresh` turns over in months; an entry that slept so long is taken for a live one only while
 * every generation it depends on stood still.
 *
 * The kernel puts 64 bytes of its own and the key before an entry, so both of its cache lines are
 * whole ones, and an element of the map is three.
 */
struct conntrack_entry {
	__u8 version; /* CONNTRACK_VERSION; another number: decide again */
	__u8 verdict; /* enum conntrack_verdict, or the reason for a remembered refusal */
	__u16 flags;  /* enum conntrack_flag */
	__u32 global; /* value of GENERATION_GLOBAL */
	struct generation_ref ref[CONNTRACK_REF_COUNT];
	/* -- 40 -- one cache line is all that a packet without translation needs */
	__u32 refresh; /* jiffies, low half: from then on look closer: renew both lifetimes,
			* report, heal the twin. Never later than `expires` */
	union {
		__u32 in_ifindex; /* CONNTRACK_SCOPE_POD: the only device this may come from */
		__u32 in_by;      /* CONNTRACK_SCOPE_NET: the way whose sender was looked at, see
				   * conntrack_by_stack(); 0: none yet */
	};
	__u32 ifindex; /* next hop device */
	union {
		struct { /* CONNTRACK_PEER: the frame as the pod expects it */
			__u8 dmac[6];
			__u8 smac[6];
		};
		__be32 tunnel; /* CONNTRACK_OVERLAY: the node to encapsulate to */
	};
	/* -- 64 -- */
	__be32 nat_saddr; /* with CONNTRACK_NAT: the addresses and ports to write */
	__be32 nat_daddr;
	__be16 nat_sport;
	__be16 nat_dport;
	__u16 nat_csum_addr; /* one's complement sum of (new - old) over the addresses */
	__u16 nat_csum_port; /* and over the ports */
	__u32 src_identity;  /* of this direction's sender; also the tunnel's identifier */
	__u32 dst_identity;  /* of this direction's receiver */
	__u16 src_endpoint;  /* slots of local endpoints, ENDPOINT_NONE if remote; sender ... */
	__u16 dst_endpoint;  /* ... and receiver of this direction */
	__be32 svc_addr;     /* with CONNTRACK_SERVICE: the frontend that was called */
	/* -- 96 -- */
	__u64 expires;
	__u32 rule_id[2]; /* by enum direction, what allowed or refused the opener */
	__u32 created;    /* jiffies, low half */
	__be16 svc_port;
	__be16 proxy_port;  /* reserved */
	__u32 auth_expires; /* reserved */
	__u8 twin_scope;    /* enum conntrack_scope */
	__u8 direction; /* enum direction of the endpoint that refused, or that was asked last */
	__u8 audited;   /* enum reason that policy had against it, and was not heeded; or 0 */
	__u8 reserved;
};
_Static_assert(sizeof(struct conntrack_entry) == 128, "pinned layout");
_Static_assert(__builtin_offsetof(struct conntrack_entry, refresh) == 40, "pinned layout");
_Static_assert(__builtin_offsetof(struct conntrack_entry, nat_saddr) == 64, "pinned layout");
_Static_assert(__builtin_offsetof(struct conntrack_entry, expires) == 96, "pinned layout");

static inline __attribute__((always_inline)) int conntrack_refuses(const struct conntrack_entry *e)
{
	return e->verdict >= REASON_FIRST_DROP;
}

/* The way a packet came in: out of a tunnel it is the sending node's address; by way of the node's
 * stack it is this, of the device that the stack had it from (0: made by the node itself), which
 * ends in .255.255 and so is no node's. */
static inline __attribute__((always_inline)) __u32 conntrack_by_stack(__u32 ifindex)
{
	return ~ifindex;
}

/* Map `fragment`: ports of a datagram whose first fragment was seen. */
struct fragment_key {
	__be32 saddr;
	__be32 daddr;
	__be16 id;
	__u8 proto;
	__u8 scope;
};
_Static_assert(sizeof(struct fragment_key) == 12, "pinned layout");

struct fragment_ports {
	__be16 sport;
	__be16 dport;
};
_Static_assert(sizeof(struct fragment_ports) == 4, "pinned layout");
