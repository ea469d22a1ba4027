/* SPDX-License-Identifier: Apache-2.0 */
/* lib/flow/json.c - a flow as Hubble's JSON, and back. */
#include <netinet/in.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/flow/flow.h"

static const struct {
	uint8_t bit;
	const char *name;
} tcp_flags[] = {{1, "FIN"},  {2, "SYN"},  {4, "RST"},  {8, "PSH"},
		 {16, "ACK"}, {32, "URG"}, {64, "ECE"}, {128, "CWR"}};

/* Flags that have a field of their own. */
static const struct {
	uint32_t flag;
	const char *key;
} marks[] = {{EVENT_REPLY, "is_reply"},
	     {EVENT_NEW, "new"},
	     {EVENT_REDECIDED, "redecided"},
	     {EVENT_REFUSED, "refused"},
	     {EVENT_FROM_OVERLAY, "from_overlay"},
	     {EVENT_TO_OVERLAY, "to_overlay"},
	     {EVENT_FROM_STACK, "from_stack"},
	     {EVENT_TO_STACK, "to_stack"},
	     {EVENT_IPV6, "ipv6"}};

static void add_end(struct arena *a, struct doc *flow, const char *key, const struct flow_end *e)
{
	struct doc *d = doc_set_map(a, flow, key);

	if (e->endpoint)
		doc_set_int(a, d, "ID", e->endpoint);
	doc_set_int(a, d, "identity", e->identity);
	doc_set_string(a, d, "namespace", e->namespace);
	if (e->labels.n) {
		struct doc *list = doc_set_list(a, d, "labels");

		for (size_t i = 0; i < e->labels.n; i++)
			doc_append(a, list, doc_string(a, e->labels.items[i]));
	}
	doc_set_string(a, d, "pod_name", e->pod);
	if (e->workload) {
		struct doc *owner = doc_map(a);

		doc_set_string(a, owner, "name", e->workload);
		doc_append(a, doc_set_list(a, d, "workloads"), owner);
	}
}

static void add_address(struct arena *a, struct doc *d, const char *key,
			const struct net_addr *addr)
{
	char buf[NET_ADDR_SIZE];

	if (net_addr_is_set(addr))
		doc_set_string(a, d, key, net_addr_format(addr, buf));
}

static void add_l4(struct arena *a, struct doc *flow, const struct flow *f)
{
	struct doc *l4 = doc_set_map(a, flow, "l4"), *d;
	char buf[8];

	d = doc_set_map(a, l4, flow_protocol_name(f->proto, buf));
	if (f->proto == IPPROTO_ICMP) {
		doc_set_int(a, d, "type", f->icmp_type);
		doc_set_int(a, d, "code", f->icmp_code);
	}
	if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) {
		doc_set_int(a, d, "source_port", f->source.port);
		doc_set_int(a, d, "destination_port", f->destination.port);
	}
	if (f->proto == IPPROTO_TCP) {
		struct doc *flags = doc_set_map(a, d, "flags");

		for (size_t i = 0; i < ARRAY_SIZE(tcp_flags); i++)
			if (f->tcp_flags & tcp_flags[i].bit)
				doc_set_bool(a, flags, tcp_flags[i].name, true);
	}
}

static void add_reason(struct arena *a, struct doc *d, const struct flow *f)
{
	if (!f->reason)
		return;
	doc_set_int(a, d, "drop_reason", f->reason);
	doc_set_string(a, d, "drop_reason_desc", flow_reason_name(f->reason));
	doc_set_string(a, d, "drop_reason_text", flow_reason_text(f->reason));
}

static void add_service(struct arena *a, struct doc *d, const struct flow *f)
{
	struct doc *service;

	if (!net_addr_is_set(&f->service))
		return;
	service = doc_set_map(a, d, "service");
	add_address(a, service, "ip", &f->service);
	doc_set_int(a, service, "port", f->service_port);
}

static void add_event(struct arena *a, struct doc *d, const struct flow *f)
{
	struct doc *type = doc_set_map(a, d, "event_type");

	doc_set_int(a, type, "type", f->type);
	doc_set_int(a, type, "sub_type", f->reason);
	doc_set_string(a, d, "traffic_direction",
		       f->direction == DIRECTION_EGRESS ? "EGRESS" : "INGRESS");
	doc_set_bool(a, d, "is_reply", f->flags & EVENT_REPLY);
	for (size_t i = 1; i < ARRAY_SIZE(marks); i++)
		if (f->flags & marks[i].flag)
			doc_set_bool(a, d, marks[i].key, true);
}

struct doc *flow_to_doc(struct arena *a, const struct flow *f)
{
	struct strbuf summary = STRBUF_INIT;
	struct doc *d = doc_map(a), *ip;
	char time[CLOCK_RFC3339_SIZE];

	doc_set_string(a, d, "time", clock_rfc3339(f->time_ns, 9, time));
	doc_set_string(a, d, "verdict", flow_verdict_name(f->verdict));
	add_reason(a, d, f);
	ip = doc_set_map(a, d, "IP");
	add_address(a, ip, "source", &f->source.addr);
	add_address(a, ip, "destination", &f->destination.addr);
	doc_set_string(a, ip, "ipVersion", f->flags & EVENT_IPV6 ? "IPv6" : "IPv4");
	add_l4(a, d, f);
	add_end(a, d, "source", &f->source);
	add_end(a, d, "destination", &f->destination);
	doc_set_string(a, d, "Type", "L3_L4");
	doc_set_string(a, d, "node_name", f->node);
	add_event(a, d, f);
	add_service(a, d, f);
	if (f->rule_id)
		doc_set_int(a, d, "rule_id", f->rule_id);
	doc_set_string(a, d, "rule", f->rule);
	doc_set_int(a, d, "length", f->len);
	doc_set_int(a, d, "interface", f->ifindex);
	flow_print_summary(f, &summary);
	doc_set_string(a, d, "Summary", strbuf_cstr(&summary));
	strbuf_release(&summary);
	return d;
}

static void read_end(struct arena *a, const struct doc *d, const char *address, struct flow_end *e)
{
	const struct doc *labels = doc_get(d, "labels");

	e->endpoint = (uint32_t)doc_int_or(doc_get(d, "ID"), 0);
	e->identity = (uint32_t)doc_int_or(doc_get(d, "identity"), 0);
	e->namespace = doc_str(doc_get(d, "namespace"));
	e->pod = doc_str(doc_get(d, "pod_name"));
	e->workload = doc_find_str(d, "workloads[0].name");
	e->labels.n = doc_len(labels);
	e->labels.items = arena_array(a, e->labels.n + 1, const char *);
	for (size_t i = 0; i < e->labels.n; i++)
		e->labels.items[i] = str_or_empty(doc_str(doc_at(labels, i)));
	if (address)
		net_addr_parse(address, &e->addr, NULL);
}

static void read_l4(const struct doc *l4, struct flow *f)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} known[] = {{"TCP", IPPROTO_TCP}, {"UDP", IPPROTO_UDP}, {"ICMPv4", IPPROTO_ICMP}};
	const struct doc *d = NULL;
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(known) && !d; i++) {
		d = doc_get(l4, known[i].name);
		if (d)
			f->proto = known[i].proto;
	}
	if (!d && l4 && l4->kind == DOC_MAP && l4->map.n == 1 &&
	    !str_to_u64(l4->map.entries[0].key, 0, 255, &n, "protocol", NULL))
		f->proto = (uint8_t)n;
	f->source.port = (uint16_t)doc_int_or(doc_get(d, "source_port"), 0);
	f->destination.port = (uint16_t)doc_int_or(doc_get(d, "destination_port"), 0);
	f->icmp_type = (uint8_t)doc_int_or(doc_get(d, "type"), 0);
	f->icmp_code = (uint8_t)doc_int_or(doc_get(d, "code"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tcp_flags); i++)
		if (doc_bool_or(doc_get(doc_get(d, "flags"), tcp_flags[i].name), false))
			f->tcp_flags |= tcp_flags[i].bit;
}

static uint8_t read_verdict(const char *name)
{
	for (uint8_t i = 0; name && i < VERDICT_COUNT; i++)
		if (str_eq(name, flow_verdict_name(i)))
			return i;
	return VERDICT_UNKNOWN;
}

int flow_from_doc(struct arena *a, const struct doc *doc, struct flow *ret_flow, struct error *err)
{
	struct flow f = {0};
	const char *time = doc_find_str(doc, "time");

	if (!time || clock_parse_rfc3339(time, &f.time_ns))
		return error_set(err, -EINVAL, "a flow without a time");
	f.verdict = read_verdict(doc_find_str(doc, "verdict"));
	f.reason = (uint8_t)doc_find_int(doc, "drop_reason", 0);
	f.type = (uint8_t)doc_find_int(doc, "event_type.type", 0);
	f.direction = str_eq(doc_find_str(doc, "traffic_direction"), "EGRESS") ? DIRECTION_EGRESS
									       : DIRECTION_INGRESS;
	f.node = doc_find_str(doc, "node_name");
	f.rule_id = (uint32_t)doc_find_int(doc, "rule_id", 0);
	f.rule = doc_find_str(doc, "rule");
	f.len = (uint32_t)doc_find_int(doc, "length", 0);
	f.ifindex = (uint32_t)doc_find_int(doc, "interface", 0);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (doc_bool_or(doc_get(doc, marks[i].key), false))
			f.flags |= marks[i].flag;
	read_end(a, doc_get(doc, "source"), doc_find_str(doc, "IP.source"), &f.source);
	read_end(a, doc_get(doc, "destination"), doc_find_str(doc, "IP.destination"),
		 &f.destination);
	read_l4(doc_get(doc, "l4"), &f);
	if (doc_find_str(doc, "service.ip"))
		net_addr_parse(doc_find_str(doc, "service.ip"), &f.service, NULL);
	f.service_port = (uint16_t)doc_find_int(doc, "service.port", 0);
	*ret_flow = f;
	return 0;
}
