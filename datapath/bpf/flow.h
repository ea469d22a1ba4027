/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/flow.h - a connection's life as arithmetic on conntrack keys and flags. Pure.
 */
#pragma once

#include "datapath/abi/conntrack.h"
#include "datapath/bpf/compiler.h"
#include "datapath/bpf/csum.h"
#include "datapath/bpf/parse.h"

#define CONNTRACK_CLOSING (CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED)
/* What both twins must agree on. */
#define CONNTRACK_SHARED (CONNTRACK_SEEN_REPLY | CONNTRACK_SEEN_NON_SYN | CONNTRACK_CLOSING)

/* Seconds, as the reference has them. */
#define FLOW_TCP_SECONDS    8000
#define FLOW_OTHER_SECONDS  60
#define FLOW_SYN_SECONDS    60
#define FLOW_CLOSE_SECONDS  10
#define FLOW_REPORT_SECONDS 5

/* The tuple turned around. */
static __always_inline void flow_reverse(const struct conntrack_key *k, __u8 scope,
					 struct conntrack_key *ret)
{
	ret->saddr = k->daddr;
	ret->daddr = k->saddr;
	ret->sport = k->dport;
	ret->dport = k->sport;
	ret->proto = k->proto;
	ret->scope = scope;
	ret->icmp = k->icmp;
	ret->zero = 0;
}

/* The tuple as the next hop sees it, after the entry's rewrite. */
static __always_inline void flow_rewritten(const struct conntrack_key *k,
					   const struct conntrack_entry *e,
					   struct conntrack_key *ret)
{
	*ret = *k;
	if (!(e->flags & CONNTRACK_NAT))
		return;
	ret->saddr = e->nat_saddr;
	ret->daddr = e->nat_daddr;
	ret->sport = e->nat_sport;
	ret->dport = e->nat_dport;
}

/* Key of the other direction's entry. */
static __always_inline void flow_twin_key(const struct conntrack_key *k,
					  const struct conntrack_entry *e,
					  struct conntrack_key *ret)
{
	struct conntrack_key after;

	flow_rewritten(k, e, &after);
	flow_reverse(&after, e->twin_scope, ret);
}

/* Makes e rewrite packets with tuple `from` to `to`; nothing to do leaves it without NAT. */
static __always_inline void flow_set_nat(struct conntrack_entry *e,
					 const struct conntrack_key *from,
					 const struct conntrack_key *to)
{
	if (from->saddr == to->saddr && from->daddr == to->daddr && from->sport == to->sport &&
	    from->dport == to->dport)
		return;
	e->flags |= CONNTRACK_NAT;
	e->nat_saddr = to->saddr;
	e->nat_daddr = to->daddr;
	e->nat_sport = to->sport;
	e->nat_dport = to->dport;
	e->nat_csum_addr = csum_fold(csum_delta32(from->saddr, to->saddr) +
				     csum_delta32(from->daddr, to->daddr));
	e->nat_csum_port = csum_fold(csum_delta16(from->sport, to->sport) +
				     csum_delta16(from->dport, to->dport));
}

static __always_inline int flow_is_opening(__u8 proto, __u8 tcp_flags)
{
	return proto == IPPROTO_TCP && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Flags after one packet of the connection; reply: it came from the answering side. */
static __always_inline __u16 flow_next_flags(__u16 flags, int reply, __u8 proto, __u8 tcp_flags)
{
	if (reply)
		flags |= CONNTRACK_SEEN_REPLY;
	if (proto != IPPROTO_TCP)
		return flags;
	if (!(tcp_flags & TCP_SYN) && !(tcp_flags & TCP_RST) && !reply)
		flags |= CONNTRACK_SEEN_NON_SYN;
	if (tcp_flags & TCP_RST && !(flags & CONNTRACK_SEEN_NON_SYN))
		flags |= CONNTRACK_CLOSING; /* refused before it was open */
	else if (tcp_flags & (TCP_FIN | TCP_RST))
		flags |= reply ? CONNTRACK_REPLIER_CLOSED : CONNTRACK_OPENER_CLOSED;
	return flags;
}

/* Seconds an entry with these flags lives after a packet. */
static __always_inline __u32 flow_lifetime(__u16 flags, __u8 proto)
{
	if ((flags & CONNTRACK_CLOSING) == CONNTRACK_CLOSING)
		return FLOW_CLOSE_SECONDS;
	if (proto != IPPROTO_TCP)
		return FLOW_OTHER_SECONDS;
	return flags & CONNTRACK_SEEN_NON_SYN ? FLOW_TCP_SECONDS : FLOW_SYN_SECONDS;
}

/* Both sides took part, so it may stand among the connections that no flood evicts. */
static __always_inline int flow_is_answered(__u16 flags, __u8 proto)
{
	if (!(flags & CONNTRACK_SEEN_REPLY))
		return 0;
	return proto != IPPROTO_TCP || (flags & CONNTRACK_SEEN_NON_SYN);
}
