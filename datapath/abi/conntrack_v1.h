/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/conntrack_v1.h - layout 1 of a conntrack entry, as releases before 0.3 keep it: maps
 * `conntrack_v1` and `ct_new_v1`, with the keys of conntrack.h. Only conntrack_convert.h reads or
 * writes it; it never changes again.
 *
 * The verdict is in two fields: `action`, and for a refusal or an audit the `reason`.
 */
#pragma once

#include <linux/types.h>

#include "datapath/abi/generation.h"

#define CONNTRACK_V1_VERSION 1
#define CONNTRACK_V1_DROP    4 /* smaller ones are enum conntrack_verdict */
#define CONNTRACK_V1_AUDITED (1 << 3)

struct conntrack_entry_v1 {
	__u8 version;
	__u8 action;
	__u16 flags; /* enum conntrack_flag, and CONNTRACK_V1_AUDITED */
	__u32 global;
	struct generation_ref ref[4];
	/* -- 40 -- */
	__u32 refresh;
	__u32 in_by;
	__u32 ifindex;
	__u8 hop[12]; /* MAC addresses, or the tunnel's end */
	/* -- 64 -- */
	__be32 nat_saddr;
	__be32 nat_daddr;
	__be16 nat_sport;
	__be16 nat_dport;
	__u16 nat_csum_addr;
	__u16 nat_csum_port;
	__u32 reserved1;
	__u32 src_identity;
	__u32 dst_identity;
	__u16 src_endpoint;
	__u16 dst_endpoint;
	/* -- 96 -- */
	__u64 expires;
	__u64 created;
	__u32 rule_id[2];
	__be32 svc_addr;
	__be16 svc_port;
	__u8 twin_scope;
	__u8 reason; /* with CONNTRACK_V1_DROP or CONNTRACK_V1_AUDITED */
	__be16 proxy_port;
	__u8 tcp_flags; /* never written */
	__u8 direction;
	__u32 auth_expires;
	__u32 reserved[6];
};
_Static_assert(sizeof(struct conntrack_entry_v1) == 160, "pinned layout");
_Static_assert(__builtin_offsetof(struct conntrack_entry_v1, refresh) == 40, "pinned layout");
_Static_assert(__builtin_offsetof(struct conntrack_entry_v1, expires) == 96, "pinned layout");
