/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/flow/filter.h - which flows somebody wants to see.
 *
 * A filter is a list of terms. Terms about the same thing and the same side are alternatives;
 * different things must all hold: --namespace a --namespace b --verdict DROPPED is "(a or b) and
 * dropped". No term: everything.
 */
#pragma once

#include "lib/flow/flow.h"
#include "lib/net/cidr.h"

/* X(C name, option's noun, what a value looks like) */
#define FOREACH_FLOW_FIELD(X)                                                                      \
	X(NAMESPACE, "namespace", "a namespace")                                                   \
	X(POD, "pod", "POD or NAMESPACE/POD; a prefix of the pod's name will do")                  \
	X(LABEL, "label", "KEY=VALUE or KEY")                                                      \
	X(IDENTITY, "identity", "a number or a reserved name like host")                           \
	X(IP, "ip", "an address or a block")                                                       \
	X(PORT, "port", "a port number")                                                           \
	X(WORKLOAD, "workload", "a Deployment's or other owner's name")                            \
	X(PROTOCOL, "protocol", "tcp, udp, icmp or a number")                                      \
	X(VERDICT, "verdict", "FORWARDED, DROPPED or AUDIT")                                       \
	X(TYPE, "type", "drop, trace or policy-verdict")                                           \
	X(REASON, "drop-reason", "a reason's number or name, like POLICY_DENIED")

enum flow_field {
#define FLOW_FIELD_ENUM(name, noun, what) FLOW_##name,
	FOREACH_FLOW_FIELD(FLOW_FIELD_ENUM)
#undef FLOW_FIELD_ENUM
		FLOW_FIELD_COUNT
};

/* Fields about an end: source, destination, or either. Others: FLOW_EITHER. */
enum flow_side { FLOW_EITHER, FLOW_FROM, FLOW_TO };

struct flow_term {
	enum flow_field field;
	enum flow_side side;
	const char *value;     /* borrowed */
	uint32_t number;       /* what the value means, where that is a number */
	struct net_cidr block; /* FLOW_IP */
};

struct flow_filter {
	struct flow_term *terms;
	size_t n, cap;
};
#define FLOW_FILTER_INIT                                                                           \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void flow_filter_release(struct flow_filter *f);
/* -EINVAL with a sentence for a value that cannot mean anything. */
int flow_filter_add(struct flow_filter *f, enum flow_field field, enum flow_side side,
		    const char *value, struct error *err);
bool flow_matches(const struct flow_filter *f, const struct flow *flow);
