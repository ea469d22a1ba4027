/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/flow/flow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "datapath/abi/identity.h"
#include "datapath/abi/policy.h"

static const struct {
	const char *name, *text;
} reasons[REASON_COUNT] = {
#define REASON_ROW(num, name, flow, text) [num] = {flow, text},
	FOREACH_REASON(REASON_ROW)
#undef REASON_ROW
};

static const char *const verdicts[VERDICT_COUNT] = {
#define VERDICT_ROW(num, name, text) [num] = text,
	FOREACH_VERDICT(VERDICT_ROW)
#undef VERDICT_ROW
};

static const char *const reserved[] = {
#define IDENTITY_ROW(num, name, text) [num] = text,
	FOREACH_RESERVED_IDENTITY(IDENTITY_ROW)
#undef IDENTITY_ROW
};

const char *flow_verdict_name(uint8_t verdict)
{
	return verdict < VERDICT_COUNT ? verdicts[verdict] : verdicts[0];
}

const char *flow_reason_name(uint8_t reason)
{
	return reasons[reason].name ? reasons[reason].name : "DROP_REASON_UNKNOWN";
}

const char *flow_reason_text(uint8_t reason)
{
	return reasons[reason].text ? reasons[reason].text : "unknown reason";
}

const char *flow_type_name(uint8_t type)
{
	switch (type) {
	case EVENT_DROP:
		return "drop";
	case EVENT_TRACE:
		return "trace";
	case EVENT_VERDICT:
		return "policy-verdict";
	default:
		return "unknown";
	}
}

const char *flow_reserved_identity(uint32_t identity)
{
	return identity < ARRAY_SIZE(reserved) ? reserved[identity] : NULL;
}

const char *flow_protocol_name(uint8_t proto, char buf[8])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMPv4";
	default:
		snprintf(buf, 8, "%u", proto);
		return buf;
	}
}

static struct net_addr address(const uint8_t bytes[16])
{
	uint32_t v4;

	memcpy(&v4, bytes, sizeof(v4));
	return net_addr_from_v4(ntohl(v4));
}

int flow_decode(const struct event *e, int64_t wall_offset_ns, struct flow *ret_flow,
		struct error *err)
{
	bool ports = e->proto == IPPROTO_TCP || e->proto == IPPROTO_UDP;

	if (e->version != EVENT_VERSION)
		return error_set(err, -EPROTO, "an event of version %u: this program knows %d",
				 e->version, EVENT_VERSION);
	*ret_flow = (struct flow){
		.time_ns = (int64_t)e->time_ns + wall_offset_ns,
		.verdict = e->verdict,
		.reason = e->reason,
		.type = e->type,
		.direction = e->direction,
		.proto = e->proto,
		.tcp_flags = e->tcp_flags,
		.icmp_type = e->icmp_type,
		.icmp_code = e->icmp_code,
		.flags = e->flags,
		.len = e->len,
		.ifindex = e->ifindex,
		.rule_id = e->rule_id,
		.source = {.identity = e->src_identity, .addr = address(e->saddr)},
		.destination = {.identity = e->dst_identity, .addr = address(e->daddr)},
	};
	if (ports) {
		ret_flow->source.port = ntohs(e->sport);
		ret_flow->destination.port = ntohs(e->dport);
	}
	if (e->svc_addr) {
		ret_flow->service = net_addr_from_v4(ntohl(e->svc_addr));
		ret_flow->service_port = ntohs(e->svc_port);
	}
	return 0;
}

static void enrich_end(struct flow_end *end, const struct flow_names *names)
{
	if (names->address)
		names->address(names->arg, &end->addr, end);
	if (names->identity)
		names->identity(names->arg, end->identity, end);
}

void flow_enrich(struct flow *flow, const struct flow_names *names)
{
	flow->node = names->node;
	enrich_end(&flow->source, names);
	enrich_end(&flow->destination, names);
	if (flow->rule_id == POLICY_RULE_LOCAL_HOST)
		flow->rule = "the node reaches its own pods";
	else if (flow->rule_id == POLICY_RULE_ALLOW_ALL)
		flow->rule = "default deny turned off by policy";
	else if (flow->rule_id && names->rule)
		flow->rule = names->rule(names->arg, flow->rule_id);
}
