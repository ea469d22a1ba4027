/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/policy.h - who may talk to whom, as the kernel reads it.
 *
 * Map `policy`, one longest-prefix trie for all endpoints. An endpoint's row names one set per
 * direction; endpoints with the same rules share a set. A set is written completely under an id
 * that nobody uses, then endpoint rows are switched to it and their generation bumped, then the
 * old set is deleted: no packet ever meets half a policy.
 *
 * Two lookups decide, {identity, proto, port} and {0 = any identity, proto, port}: a deny in
 * either wins, then an allow in either, else the direction's default (deny when enforced). Each
 * lookup yields only its longest prefix, so the compiler must not write, in one set, an allow that
 * a deny of the same identity (or any identity) covers: the trie would prefer the longer allow.
 * A deny inside a wider allow needs nothing, it is the longer prefix.
 *
 * port is the destination port after service translation, seen from the connection's opener
 * (replies are not looked up); for ICMP it is the type. Access by the local host (probes) is an
 * ordinary entry {IDENTITY_HOST, any, any} with POLICY_RULE_LOCAL_HOST that the compiler adds to
 * ingress sets unless the option says otherwise.
 */
#pragma once

#include <linux/types.h>

struct policy_key {
	__u32 prefixlen; /* policy_prefixlen() */
	__u32 set;       /* > 0 */
	__u32 identity;  /* of the other side; 0: any */
	__u8 direction;  /* enum direction */
	__u8 proto;      /* IPPROTO_*, 0 with prefixlen POLICY_PREFIX_PEER */
	__be16 port;     /* bits behind the prefix zero */
};
_Static_assert(sizeof(struct policy_key) == 16, "pinned layout");

#define POLICY_PREFIX_PEER  72                         /* set, identity, direction; any protocol */
#define POLICY_PREFIX_PROTO (POLICY_PREFIX_PEER + 8)   /* and protocol, any port */
#define POLICY_PREFIX_PORT  (POLICY_PREFIX_PROTO + 16) /* and one port */

/* proto 0: any protocol and port. port_bits 0: any port; 16: one port; between: an aligned range
 * of 2^(16 - port_bits) ports. */
static inline __attribute__((always_inline)) __u32 policy_prefixlen(__u8 proto, __u32 port_bits)
{
	return proto ? (__u32)POLICY_PREFIX_PROTO + port_bits : (__u32)POLICY_PREFIX_PEER;
}

enum policy_flag {
	POLICY_ALLOW = 1 << 0, /* exactly one of ALLOW and DENY; neither or both denies */
	POLICY_DENY = 1 << 1,
};

struct policy_entry {
	__u8 flags;        /* enum policy_flag; a bit this version does not know denies */
	__u8 auth_type;    /* 0 none; anything else is refused until authentication exists */
	__be16 proxy_port; /* 0 none; anything else is refused until the node proxy exists */
	__u8 proxy_priority;
	__u8 prefixlen; /* of its key: between two allows of equal priority the longer one speaks */
	__u8 reserved[2];
	__u32 rule_id; /* what people are told: which rule decided */
	__u32 reserved2;
};
_Static_assert(sizeof(struct policy_entry) == 16, "pinned layout");

/* rule_id values that are not rules. */
#define POLICY_RULE_NONE       0          /* nothing matched, or nothing enforced */
#define POLICY_RULE_LOCAL_HOST 0xffffff01 /* built-in: the node reaches its own pods */
#define POLICY_RULE_ALLOW_ALL  0xffffff02 /* default-deny turned off by the policies themselves */
