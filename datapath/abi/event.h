/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/event.h - what the programs tell user space: records in a ring, counters in arrays.
 *
 * The ring loses what its token bucket or a slow reader cannot take (counted in `event_lost`);
 * counters lose nothing. So: people watch events, gates read counters.
 */
#pragma once

#include <linux/types.h>

#include "datapath/abi/verdict.h"

#define EVENT_VERSION 1

enum event_type {
	EVENT_DROP = 1,    /* numbers of the reference's notifications */
	EVENT_TRACE = 4,   /* a live connection: opened, answered, closing, or still there */
	EVENT_VERDICT = 5, /* policy decided about a connection (also AUDIT) */
};

enum event_flag {
	EVENT_REPLY = 1 << 0,
	EVENT_FROM_OVERLAY = 1 << 1,
	EVENT_TO_OVERLAY = 1 << 2,
	EVENT_TO_STACK = 1 << 3,
	EVENT_FROM_STACK = 1 << 4,
	EVENT_REDECIDED = 1 << 5, /* a live connection met a change */
	EVENT_REFUSED = 1 << 6,   /* the drop was answered (RST, ICMP) */
	EVENT_NEW = 1 << 7,       /* first packet of the connection */
	EVENT_IPV6 = 1 << 8,
};

/* Map `events` (ring buffer). Addresses: IPv4 in the first four bytes, rest zero. Tuple and
 * identities are those of the packet after service translation. */
struct event {
	__u8 version;   /* EVENT_VERSION */
	__u8 type;      /* enum event_type */
	__u8 verdict;   /* enum verdict */
	__u8 reason;    /* enum reason; 0 unless dropped or audited */
	__u8 direction; /* enum direction of `endpoint` that decided */
	__u8 proto;
	__u8 tcp_flags; /* as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	__u8 icmp_type;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 flags;   /* enum event_flag */
	__u32 len;     /* of the packet */
	__u32 src_identity;
	__u32 dst_identity;
	__u16 src_endpoint; /* slots; ENDPOINT_NONE if not local */
	__u16 dst_endpoint;
	__u32 rule_id;
	__u32 ifindex;
	__be16 sport;
	__be16 dport;
	__u8 saddr[16];
	__u8 daddr[16];
	__be32 svc_addr; /* frontend that was called, 0: none */
	__be16 svc_port;
	__u8 icmp_code;
	__u8 reserved;
	__u32 reserved2[2];
};
_Static_assert(sizeof(struct event) == 96, "wire layout");

/* Map `event_bucket`, per CPU. */
struct event_bucket {
	__u64 last; /* jiffies */
	__u64 tokens;
	__u64 lost_rate; /* records not built for want of tokens */
	__u64 lost_full; /* ring was full */
};
_Static_assert(sizeof(struct event_bucket) == 32, "pinned layout");

/* Map `metrics`, per CPU, slot metrics_slot(reason, direction); reason 0: forwarded packets. */
struct metrics {
	__u64 packets;
	__u64 bytes;
};
#define METRICS_MAX (REASON_COUNT * DIRECTION_COUNT)
static inline __attribute__((always_inline)) __u32 metrics_slot(__u32 reason, __u32 direction)
{
	return (reason & (REASON_COUNT - 1)) * DIRECTION_COUNT + (direction & 1);
}

/*
 * Map `traffic`: exact counts of policy decisions, for gates. One count for each decision about a
 * connection (first packet, every retry of a refused one, every re-decision after a change), per
 * endpoint that decided: a local pair counts once as egress of the source and once as ingress of
 * the destination. Identities are the opener's and the called one's; port as in policy.h.
 */
struct traffic_key {
	__u32 src_identity;
	__u32 dst_identity;
	__be16 port;
	__u8 proto;
	__u8 direction : 1; /* enum direction */
	__u8 verdict : 7;   /* enum verdict: FORWARDED, DROPPED, AUDIT */
};
_Static_assert(sizeof(struct traffic_key) == 12, "pinned layout");

struct traffic {
	__u64 decisions;
	__u64 last;    /* jiffies */
	__u32 rule_id; /* of the last one */
	__u32 reserved;
};
_Static_assert(sizeof(struct traffic) == 24, "pinned layout");
