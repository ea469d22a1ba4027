/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/bpf_rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/flow/flow.h"
#include "lib/net/addr.h"

struct flag_name {
	uint32_t flag;
	const char *name;
};

static struct doc *add(struct row_reader *r)
{
	return doc_append(r->arena, r->list, doc_map(r->arena));
}

static const char *v4(struct row_reader *r, __be32 addr)
{
	struct net_addr a = net_addr_from_v4(ntohl(addr));
	char buf[NET_ADDR_SIZE];

	return arena_strdup(r->arena, net_addr_format(&a, buf));
}

static const char *mac(struct row_reader *r, const __u8 bytes[6])
{
	struct net_mac m;
	char buf[NET_MAC_SIZE];

	memcpy(m.bytes, bytes, sizeof(m.bytes));
	return arena_strdup(r->arena, net_mac_format(&m, buf));
}

static void set_flags(struct row_reader *r, struct doc *d, const char *key, uint32_t flags,
		      const struct flag_name *names, size_t n)
{
	struct doc *list = doc_set_list(r->arena, d, key);

	for (size_t i = 0; i < n; i++)
		if (flags & names[i].flag)
			doc_append(r->arena, list, doc_string(r->arena, names[i].name));
}

static const char *identity_name(struct row_reader *r, uint32_t identity)
{
	const char *name = flow_reserved_identity(identity);

	return name && identity ? arena_printf(r->arena, "%u (%s)", identity, name)
				: arena_printf(r->arena, "%u", identity);
}

static const char *protocol(struct row_reader *r, uint8_t proto)
{
	char buf[8];

	return arena_strdup(r->arena, proto ? flow_protocol_name(proto, buf) : "any");
}

void row_endpoint(void *arg, const void *key, const void *value)
{
	static const struct flag_name names[] = {
		{ENDPOINT_READY, "ready"},
		{ENDPOINT_ENFORCE_INGRESS, "enforce-ingress"},
		{ENDPOINT_ENFORCE_EGRESS, "enforce-egress"},
		{ENDPOINT_AUDIT_INGRESS, "audit-ingress"},
		{ENDPOINT_AUDIT_EGRESS, "audit-egress"},
		{ENDPOINT_REFUSE, "refuse"},
		{ENDPOINT_SIDECAR, "sidecar"},
	};
	struct row_reader *r = arg;
	struct endpoint e;
	uint32_t slot, index, generation = 0;
	struct doc *d;

	memcpy(&e, value, sizeof(e));
	memcpy(&slot, key, sizeof(slot));
	if (!e.ifindex && !e.tag)
		return;
	index = generation_endpoint(slot);
	maps_get(r->maps, MAP_generation, &index, &generation);
	d = add(r);
	doc_set_int(r->arena, d, "slot", slot);
	doc_set_int(r->arena, d, "endpoint", e.tag);
	doc_set_string(r->arena, d, "address", v4(r, e.addr));
	doc_set_int(r->arena, d, "identity", e.identity);
	doc_set_int(r->arena, d, "ifindex", e.ifindex);
	doc_set_string(r->arena, d, "mac", mac(r, e.mac));
	doc_set_string(r->arena, d, "hostMac", mac(r, e.host_mac));
	doc_set_int(r->arena, d, "ingressSet", e.policy_set[DIRECTION_INGRESS]);
	doc_set_int(r->arena, d, "egressSet", e.policy_set[DIRECTION_EGRESS]);
	doc_set_int(r->arena, d, "generation", generation);
	set_flags(r, d, "flags", e.flags, names, ARRAY_SIZE(names));
}

static const char *policy_ports(struct row_reader *r, const struct policy_key *k)
{
	uint32_t bits = k->prefixlen > POLICY_PREFIX_PROTO ? k->prefixlen - POLICY_PREFIX_PROTO : 0;
	uint32_t first = ntohs(k->port), last = first + (1u << (16 - bits)) - 1;

	if (!bits)
		return "any";
	return first == last ? arena_printf(r->arena, "%u", first)
			     : arena_printf(r->arena, "%u-%u", first, last);
}

void row_policy(void *arg, const void *key, const void *value)
{
	struct row_reader *r = arg;
	struct policy_key k;
	struct policy_entry e;
	struct doc *d;

	memcpy(&k, key, sizeof(k));
	memcpy(&e, value, sizeof(e));
	if ((r->sets[0] || r->sets[1]) && k.set != r->sets[k.direction & 1])
		return;
	d = add(r);
	doc_set_int(r->arena, d, "set", k.set);
	doc_set_string(r->arena, d, "direction",
		       k.direction == DIRECTION_EGRESS ? "egress" : "ingress");
	doc_set_string(r->arena, d, "verdict", e.flags == POLICY_ALLOW ? "allow" : "deny");
	doc_set_string(r->arena, d, "identity", k.identity ? identity_name(r, k.identity) : "any");
	doc_set_string(r->arena, d, "protocol", protocol(r, k.proto));
	doc_set_string(r->arena, d, "port", policy_ports(r, &k));
	doc_set_int(r->arena, d, "rule", e.rule_id);
}

static const char *action_name(uint8_t action)
{
	static const char *const names[] = {"none", "peer", "overlay", "stack"};

	if (action >= REASON_FIRST_DROP)
		return "drop";
	return action < ARRAY_SIZE(names) ? names[action] : "unknown";
}

static const char *socket_name(struct row_reader *r, __be32 addr, __be16 port)
{
	return arena_printf(r->arena, "%s:%u", v4(r, addr), ntohs(port));
}

static bool is_current(struct row_reader *r, const struct conntrack_entry *e)
{
	uint32_t now = 0, index = GENERATION_GLOBAL;

	if (maps_get(r->maps, MAP_generation, &index, &now) || now != e->global)
		return false;
	for (int i = 0; i < CONNTRACK_REF_COUNT; i++) {
		uint32_t value = 0;

		index = e->ref[i].index;
		if (maps_get(r->maps, MAP_generation, &index, &value) || value != e->ref[i].value)
			return false;
	}
	return true;
}

void row_conntrack(void *arg, const void *key, const void *value)
{
	static const struct flag_name names[] = {
		{CONNTRACK_REPLY, "reply"},
		{CONNTRACK_NAT, "nat"},
		{CONNTRACK_SERVICE, "service"},
		{CONNTRACK_SEEN_REPLY, "answered"},
		{CONNTRACK_SEEN_NON_SYN, "open"},
		{CONNTRACK_OPENER_CLOSED, "opener-closed"},
		{CONNTRACK_REPLIER_CLOSED, "replier-closed"},
		{CONNTRACK_LOOPBACK, "loopback"},
		{CONNTRACK_FROM_TUNNEL, "from-tunnel"},
	};
	struct row_reader *r = arg;
	struct conntrack_key k;
	struct conntrack_entry e;
	struct doc *d;

	memcpy(&k, key, sizeof(k));
	memcpy(&e, value, sizeof(e));
	d = add(r);
	doc_set_string(r->arena, d, "protocol", protocol(r, k.proto));
	doc_set_string(r->arena, d, "from", k.scope == CONNTRACK_SCOPE_POD ? "pod" : "net");
	doc_set_string(r->arena, d, "source", socket_name(r, k.saddr, k.sport));
	doc_set_string(r->arena, d, "destination", socket_name(r, k.daddr, k.dport));
	if (e.flags & CONNTRACK_NAT) {
		doc_set_string(r->arena, d, "newSource", socket_name(r, e.nat_saddr, e.nat_sport));
		doc_set_string(r->arena, d, "newDestination",
			       socket_name(r, e.nat_daddr, e.nat_dport));
	}
	doc_set_string(r->arena, d, "action", action_name(e.verdict));
	if (conntrack_refuses(&e))
		doc_set_string(r->arena, d, "reason", flow_reason_text(e.verdict));
	if (e.audited)
		doc_set_string(r->arena, d, "audited", flow_reason_text(e.audited));
	if (e.verdict == CONNTRACK_OVERLAY)
		doc_set_string(r->arena, d, "node", v4(r, e.tunnel));
	doc_set_int(r->arena, d, "sourceIdentity", e.src_identity);
	doc_set_int(r->arena, d, "destinationIdentity", e.dst_identity);
	doc_set_int(r->arena, d, "expiresIn",
		    MAX(((int64_t)e.expires - (int64_t)r->now) / r->hz, 0));
	doc_set_bool(r->arena, d, "answered", !r->unanswered);
	doc_set_bool(r->arena, d, "current", is_current(r, &e));
	set_flags(r, d, "flags", e.flags, names, ARRAY_SIZE(names));
}

struct backend_search {
	struct row_reader *reader;
	struct service_key service;
	struct doc *list;
};

static void find_backend(void *arg, const void *key, const void *value)
{
	struct backend_search *s = arg;
	struct service_backend_key k;
	struct service_backend_state st;
	struct arena *a = s->reader->arena;
	struct doc *d;

	memcpy(&k, key, sizeof(k));
	memcpy(&st, value, sizeof(st));
	if (memcmp(&k.service, &s->service, sizeof(k.service)))
		return;
	d = doc_append(a, s->list, doc_map(a));
	doc_set_string(a, d, "address", socket_name(s->reader, k.backend.addr, k.backend.port));
	doc_set_string(a, d, "state", st.state == BACKEND_TERMINATING ? "terminating" : "active");
}

void row_service(void *arg, const void *key, const void *value)
{
	struct row_reader *r = arg;
	struct service_entry e;
	struct backend_search search = {.reader = r};
	struct doc *d = add(r);

	memcpy(&search.service, key, sizeof(search.service));
	memcpy(&e, value, sizeof(e));
	doc_set_string(r->arena, d, "frontend",
		       arena_printf(r->arena, "%s/%s",
				    socket_name(r, search.service.addr, search.service.port),
				    protocol(r, search.service.proto)));
	doc_set_int(r->arena, d, "slots", e.slots);
	search.list = doc_set_list(r->arena, d, "backends");
	maps_each(r->maps, MAP_svc_backend, find_backend, &search, NULL);
}

void row_ipcache(void *arg, const void *key, const void *value)
{
	struct row_reader *r = arg;
	struct ipcache_key k;
	struct ipcache_entry e;
	struct doc *d = add(r);

	memcpy(&k, key, sizeof(k));
	memcpy(&e, value, sizeof(e));
	doc_set_string(r->arena, d, "prefix",
		       arena_printf(r->arena, "%s/%u", v4(r, k.addr), k.prefixlen));
	doc_set_string(r->arena, d, "identity", identity_name(r, e.identity));
	if (e.tunnel_endpoint)
		doc_set_string(r->arena, d, "node", v4(r, e.tunnel_endpoint));
}

void row_traffic(void *arg, const void *key, const void *value)
{
	struct row_reader *r = arg;
	struct traffic_key k;
	struct traffic t;
	struct doc *d = add(r);

	memcpy(&k, key, sizeof(k));
	memcpy(&t, value, sizeof(t));
	doc_set_string(r->arena, d, "source", identity_name(r, k.src_identity));
	doc_set_string(r->arena, d, "destination", identity_name(r, k.dst_identity));
	doc_set_string(r->arena, d, "protocol", protocol(r, k.proto));
	doc_set_int(r->arena, d, "port", ntohs(k.port));
	doc_set_string(r->arena, d, "direction",
		       k.direction == DIRECTION_EGRESS ? "egress" : "ingress");
	doc_set_string(r->arena, d, "verdict", flow_verdict_name(k.verdict));
	doc_set_int(r->arena, d, "decisions", (int64_t)t.decisions);
	doc_set_int(r->arena, d, "rule", t.rule_id);
}
