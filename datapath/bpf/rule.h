/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/rule.h - which of two policy entries speaks. Pure; lookups are in policy.h. */
#pragma once

#include "datapath/abi/policy.h"
#include "datapath/abi/verdict.h"
#include "datapath/bpf/compiler.h"

struct rule_answer {
	__u32 reason; /* 0: allowed, else enum reason */
	__u32 rule_id;
};

static __always_inline int rule_denies(const struct policy_entry *e)
{
	return e && e->flags != POLICY_ALLOW;
}

static __always_inline int rule_is_weaker(const struct policy_entry *a,
					  const struct policy_entry *b)
{
	if (a->proxy_priority != b->proxy_priority)
		return a->proxy_priority < b->proxy_priority;
	return a->prefixlen < b->prefixlen;
}

/*
 * exact: longest match for the peer's identity, any: for every identity; either may be NULL. A deny
 * in either wins; of two allows the higher proxy priority, then the longer prefix, then the exact.
 * What an allow asks for and this version cannot do (proxy, authentication) refuses.
 */
static __always_inline void rule_choose(const struct policy_entry *exact,
					const struct policy_entry *any, struct rule_answer *ret)
{
	const struct policy_entry *e = exact;

	if (rule_denies(exact) || rule_denies(any)) {
		ret->reason = REASON_POLICY_DENY;
		ret->rule_id = rule_denies(exact) ? exact->rule_id : any->rule_id;
		return;
	}
	if (!exact || (any && rule_is_weaker(exact, any)))
		e = any;
	if (!e) {
		ret->reason = REASON_POLICY;
		ret->rule_id = POLICY_RULE_NONE;
		return;
	}
	ret->rule_id = e->rule_id;
	ret->reason = e->auth_type    ? REASON_POLICY_AUTH_REQUIRED
		      : e->proxy_port ? REASON_PROXY_LOOKUP_FAILED
				      : 0;
}
