/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/strbuf.h"
#include "lib/flow/flow.h"

static const struct {
	uint8_t bit;
	const char *name;
} tcp_flags[] = {{2, "SYN"}, {16, "ACK"}, {1, "FIN"},  {4, "RST"},
		 {8, "PSH"}, {32, "URG"}, {64, "ECE"}, {128, "CWR"}};

void flow_print_end(const struct flow_end *end, struct strbuf *out)
{
	char addr[NET_ADDR_SIZE];

	if (end->pod && end->namespace)
		strbuf_addf(out, "%s/%s", end->namespace, end->pod);
	else if (net_addr_is_set(&end->addr))
		strbuf_adds(out, net_addr_format(&end->addr, addr));
	else if (flow_reserved_identity(end->identity))
		strbuf_addf(out, "reserved:%s", flow_reserved_identity(end->identity));
	else
		strbuf_adds(out, "?");
}

static void print_end_full(const struct flow_end *end, struct strbuf *out)
{
	const char *name = flow_reserved_identity(end->identity);

	flow_print_end(end, out);
	if (end->port)
		strbuf_addf(out, ":%u", end->port);
	if (name && end->identity)
		strbuf_addf(out, " (%s)", name);
	else
		strbuf_addf(out, " (ID:%u)", end->identity);
}

static const char *icmp_name(uint8_t type)
{
	switch (type) {
	case 0:
		return "EchoReply";
	case 3:
		return "DestinationUnreachable";
	case 8:
		return "EchoRequest";
	case 11:
		return "TimeExceeded";
	default:
		return NULL;
	}
}

void flow_print_summary(const struct flow *flow, struct strbuf *out)
{
	const char *separator = ": ";
	char buf[8];

	if (flow->proto == IPPROTO_ICMP && icmp_name(flow->icmp_type)) {
		strbuf_addf(out, "ICMPv4 %s", icmp_name(flow->icmp_type));
		return;
	}
	if (flow->proto != IPPROTO_TCP) {
		strbuf_adds(out, flow_protocol_name(flow->proto, buf));
		return;
	}
	strbuf_adds(out, "TCP Flags");
	for (size_t i = 0; i < ARRAY_SIZE(tcp_flags); i++) {
		if (!(flow->tcp_flags & tcp_flags[i].bit))
			continue;
		strbuf_addf(out, "%s%s", separator, tcp_flags[i].name);
		separator = ", ";
	}
}

/* Where the packet went, in Hubble's words. */
static const char *observation_point(const struct flow *flow)
{
	if (flow->flags & EVENT_TO_OVERLAY)
		return "to-overlay";
	return flow->flags & EVENT_TO_STACK ? "to-stack" : "to-endpoint";
}

static void print_what(const struct flow *flow, struct strbuf *out)
{
	const char *direction = flow->direction == DIRECTION_EGRESS ? "EGRESS" : "INGRESS";

	if (flow->type == EVENT_DROP)
		strbuf_addf(out, "%s %s %s", flow_reason_text(flow->reason), direction,
			    flow_verdict_name(flow->verdict));
	else if (flow->type == EVENT_VERDICT)
		strbuf_addf(out, "policy-verdict %s %s", direction,
			    flow->verdict == VERDICT_FORWARDED ? "ALLOWED"
							       : flow_verdict_name(flow->verdict));
	else
		strbuf_addf(out, "%s %s", observation_point(flow),
			    flow_verdict_name(flow->verdict));
}

void flow_print_line(const struct flow *flow, struct strbuf *out)
{
	char time[CLOCK_RFC3339_SIZE];

	strbuf_addf(out, "%s: ", clock_rfc3339(flow->time_ns, 3, time));
	print_end_full(&flow->source, out);
	strbuf_adds(out, flow->flags & EVENT_REPLY  ? " <- "
			 : flow->type == EVENT_DROP ? " <> "
						    : " -> ");
	print_end_full(&flow->destination, out);
	strbuf_addc(out, ' ');
	print_what(flow, out);
	strbuf_adds(out, " (");
	flow_print_summary(flow, out);
	strbuf_addc(out, ')');
	if (flow->rule)
		strbuf_addf(out, " by %s", flow->rule);
}
