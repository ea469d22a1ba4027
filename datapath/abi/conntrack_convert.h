/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/conntrack_convert.h - a conntrack entry from layout 1 to 2 and back, for programs
 * and agent alike: the newer release alone knows both.
 *
 * Keys, scopes, generations (one map for both), devices and times are the same in both. A verdict
 * that the other layout has no word for becomes an entry with version 0: who it is about stays
 * known, and the next packet decides again. What is not converted means nothing: reserved fields,
 * and of a refusal whether policy was audited on the way to it.
 */
#pragma once

#include "datapath/abi/conntrack.h"
#include "datapath/abi/conntrack_v1.h"

/* Every flag that both layouts have, with the same number. */
#define CONNTRACK_CONVERTED                                                                        \
	(CONNTRACK_REPLY | CONNTRACK_NAT | CONNTRACK_SERVICE | CONNTRACK_SEEN_REPLY |              \
	 CONNTRACK_SEEN_NON_SYN | CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED |             \
	 CONNTRACK_LOOPBACK | CONNTRACK_FROM_TUNNEL)

/* The first cache line has one form. */
#define CONNTRACK_COPY_FIRST(to, from)                                                             \
	__builtin_memcpy(&(to)->global, &(from)->global, 60);                                      \
	_Static_assert(__builtin_offsetof(struct conntrack_entry, global) == 4 &&                  \
			       __builtin_offsetof(struct conntrack_entry_v1, global) == 4,         \
		       "one form")
#define CONNTRACK_COPY(to, from, field) (to)->field = (from)->field
#define CONNTRACK_COPY_REST(to, from)                                                              \
	do {                                                                                       \
		__builtin_memcpy(&(to)->nat_saddr, &(from)->nat_saddr, 16);                        \
		CONNTRACK_COPY(to, from, src_identity);                                            \
		CONNTRACK_COPY(to, from, dst_identity);                                            \
		CONNTRACK_COPY(to, from, src_endpoint);                                            \
		CONNTRACK_COPY(to, from, dst_endpoint);                                            \
		CONNTRACK_COPY(to, from, svc_addr);                                                \
		CONNTRACK_COPY(to, from, svc_port);                                                \
		CONNTRACK_COPY(to, from, expires);                                                 \
		CONNTRACK_COPY(to, from, rule_id[0]);                                              \
		CONNTRACK_COPY(to, from, rule_id[1]);                                              \
		CONNTRACK_COPY(to, from, proxy_port);                                              \
		CONNTRACK_COPY(to, from, auth_expires);                                            \
		CONNTRACK_COPY(to, from, twin_scope);                                              \
		CONNTRACK_COPY(to, from, direction);                                               \
	} while (0)

/* Layout 1 to layout 2. */
static inline __attribute__((always_inline)) void conntrack_up(const struct conntrack_entry_v1 *old,
							       struct conntrack_entry *ret)
{
	int audited = old->flags & CONNTRACK_V1_AUDITED, drop = old->action == CONNTRACK_V1_DROP;
	int known = old->version == CONNTRACK_V1_VERSION &&
		    !(old->flags & ~(CONNTRACK_CONVERTED | CONNTRACK_V1_AUDITED)) &&
		    (drop || (old->action >= CONNTRACK_PEER && old->action <= CONNTRACK_STACK));

	__builtin_memset(ret, 0, sizeof(*ret));
	if ((drop || audited) && old->reason < REASON_FIRST_DROP)
		known = 0; /* a refusal for no reason is not one that can be repeated */
	ret->flags = old->flags & CONNTRACK_CONVERTED;
	CONNTRACK_COPY_FIRST(ret, old);
	CONNTRACK_COPY_REST(ret, old);
	ret->created = (__u32)old->created;
	if (!known)
		return;
	ret->version = CONNTRACK_VERSION;
	ret->verdict = drop ? old->reason : old->action;
	ret->audited = audited && !drop ? old->reason : 0;
}

/* Layout 2 to layout 1. */
static inline __attribute__((always_inline)) void conntrack_down(const struct conntrack_entry *new,
								 struct conntrack_entry_v1 *ret)
{
	int drop = new->verdict >= REASON_FIRST_DROP;
	int known = new->version == CONNTRACK_VERSION && !(new->flags & ~CONNTRACK_CONVERTED) &&
		    (drop || (new->verdict >= CONNTRACK_PEER &&new->verdict <= CONNTRACK_STACK)) &&
		    (!new->audited || new->audited >= REASON_FIRST_DROP);

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->flags = new->flags &CONNTRACK_CONVERTED;
	CONNTRACK_COPY_FIRST(ret, new);
	CONNTRACK_COPY_REST(ret, new);
	/* It was made before it ends, and lived less than the low half's turn. */
	ret->created = (new->expires & ~0xffffffffULL) | new->created;
	if (ret->created > new->expires)
		ret->created -= 1ULL << 32;
	if (!known)
		return;
	ret->version = CONNTRACK_V1_VERSION;
	ret->action = drop ? CONNTRACK_V1_DROP : new->verdict;
	ret->reason = drop ? new->verdict : new->audited;
	if (new->audited && !drop)
		ret->flags |= CONNTRACK_V1_AUDITED;
}
