/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/policy.h - asks the policy trie about one endpoint and one direction. */
#pragma once

#include "datapath/bpf/report.h"
#include "datapath/bpf/rule.h"

/* The connection as one endpoint's policy sees it. */
struct question {
	__u32 endpoint;     /* slot of the endpoint that decides */
	__u32 src_identity; /* opener */
	__u32 dst_identity; /* called */
	__be16 port;        /* called port after translation; ICMP: the type */
	__u8 proto;
	__u8 direction; /* enum direction */
};

static __always_inline void policy_lookup(const struct endpoint *ep, const struct question *q,
					  struct rule_answer *ret)
{
	struct policy_key key = {
		.prefixlen = POLICY_PREFIX_PORT,
		.set = ep->policy_set[q->direction & 1],
		.identity = q->direction == DIRECTION_EGRESS ? q->dst_identity : q->src_identity,
		.direction = q->direction,
		.proto = q->proto,
		.port = q->port,
	};
	struct policy_entry *exact, *any;

	exact = bpf_map_lookup_elem(&policy_v1, &key);
	key.identity = 0;
	any = bpf_map_lookup_elem(&policy_v1, &key);
	rule_choose(exact, any, ret);
}

/*
 * Decides, counts, and writes what it found into entry e: rule_id always, and of a refusal the
 * direction and, heeded or not, the reason (audited). Returns 0 to go on or the reason.
 */
static __always_inline int policy_ask(const struct question *q, struct conntrack_entry *e,
				      __u64 now)
{
	struct endpoint *ep = endpoint_get(q->endpoint);
	__u32 egress = q->direction == DIRECTION_EGRESS;
	struct rule_answer answer = {0, POLICY_RULE_NONE};
	struct traffic_key count = {
		.src_identity = q->src_identity,
		.dst_identity = q->dst_identity,
		.port = q->port,
		.proto = q->proto,
		.direction = egress,
		.verdict = VERDICT_FORWARDED,
	};

	if (!ep || !(ep->flags & ENDPOINT_READY))
		answer.reason = REASON_EP_NOT_READY;
	else if (ep->flags & (egress ? ENDPOINT_ENFORCE_EGRESS : ENDPOINT_ENFORCE_INGRESS))
		policy_lookup(ep, q, &answer);
	e->rule_id[egress] = answer.rule_id;
	if (answer.reason) {
		e->audited = (__u8)answer.reason;
		e->direction = (__u8)egress;
		count.verdict = VERDICT_DROPPED;
		if (answer.reason != REASON_EP_NOT_READY && ep &&
		    ep->flags & (egress ? ENDPOINT_AUDIT_EGRESS : ENDPOINT_AUDIT_INGRESS)) {
			count.verdict = VERDICT_AUDIT;
			answer.reason = 0;
		}
	}
	traffic_count(&count, answer.rule_id, now);
	return (int)answer.reason;
}
