/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/flow/flow.h - one flow record: what happened to a packet, between whom, and why.
 *
 * event (datapath/abi/event.h) -> flow_decode() -> flow_enrich() -> filter, JSON, text. A record
 * read back from JSON equals the one that was written. Strings are borrowed from whoever filled
 * them in: the names given to flow_enrich(), or the arena given to flow_from_doc().
 */
#pragma once

#include "datapath/abi/event.h"
#include "lib/doc/bind.h"
#include "lib/net/addr.h"

struct flow_end {
	uint32_t identity;
	uint32_t endpoint; /* the agent's number; 0: not a pod of this node */
	const char *namespace, *pod;
	const char *workload;  /* what owns the pod; NULL unknown */
	struct strings labels; /* of the identity: "k8s:app=web", "reserved:host" */
	struct net_addr addr;
	uint16_t port; /* 0: the protocol has none */
};

struct flow {
	int64_t time_ns;   /* wall clock, since 1970 */
	uint8_t verdict;   /* enum verdict */
	uint8_t reason;    /* enum reason; 0 unless dropped or audited */
	uint8_t type;      /* enum event_type */
	uint8_t direction; /* enum direction of the endpoint that decided */
	uint8_t proto;     /* IPPROTO_* */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint32_t flags; /* enum event_flag */
	uint32_t len;
	uint32_t ifindex;
	uint32_t rule_id;
	const char *rule; /* "namespace/policy" or words for a built-in one; NULL none or unknown */
	const char *node;
	struct flow_end source, destination; /* after service translation */
	struct net_addr service;             /* frontend that was called; not set: none */
	uint16_t service_port;
};

/* wall_offset_ns: wall clock minus CLOCK_MONOTONIC. -EPROTO for a record of another version. */
int flow_decode(const struct event *e, int64_t wall_offset_ns, struct flow *ret_flow,
		struct error *err);

/* What the caller knows of names; any function may be NULL. They leave *end alone if they do not
 * know. */
struct flow_names {
	void *arg;
	const char *node;
	/* Who has this address: endpoint, namespace, pod, workload. */
	void (*address)(void *arg, const struct net_addr *addr, struct flow_end *end);
	/* What an identity is: labels, and the namespace if it has none yet. */
	void (*identity)(void *arg, uint32_t identity, struct flow_end *end);
	const char *(*rule)(void *arg, uint32_t rule_id);
};
void flow_enrich(struct flow *flow, const struct flow_names *names);

/* Names of numbers; never NULL. */
const char *flow_verdict_name(uint8_t verdict);        /* "DROPPED" */
const char *flow_reason_name(uint8_t reason);          /* "POLICY_DENIED" */
const char *flow_reason_text(uint8_t reason);          /* "Policy denied" */
const char *flow_type_name(uint8_t type);              /* "drop", "trace", "policy-verdict" */
const char *flow_reserved_identity(uint32_t identity); /* "host"; NULL for an ordinary one */
/* "TCP", "UDP", "ICMPv4", or "47" in buf. */
const char *flow_protocol_name(uint8_t proto, char buf[8]);

/*
 * Hubble's field names: time, verdict, drop_reason, drop_reason_desc, IP, l4, source, destination,
 * node_name, event_type, traffic_direction, is_reply, Summary ... and ours: drop_reason_text, rule,
 * service, redecided, refused.
 */
struct doc *flow_to_doc(struct arena *a, const struct flow *flow);
int flow_from_doc(struct arena *a, const struct doc *doc, struct flow *ret_flow, struct error *err);

/* One line without newline, as `hubble observe -o compact` prints it. */
void flow_print_line(const struct flow *flow, struct strbuf *out);
/* "production/web-1", "10.0.0.1", "reserved:host" - whatever is known best. */
void flow_print_end(const struct flow_end *end, struct strbuf *out);
/* "TCP Flags: SYN, ACK", "UDP", "ICMPv4 EchoRequest" */
void flow_print_summary(const struct flow *flow, struct strbuf *out);
