/* SPDX-License-Identifier: Apache-2.0 */
/* The helper-free half of the programs, natively: parsing, a connection's flags, precedence, sums.
 */
#include <arpa/inet.h>
#include <string.h>

#include "datapath/bpf/flow.h"
#include "datapath/bpf/rule.h"
#include "tests/datapath/packet.h"
#include "tests/support/test.h"

TEST(every_truncation_is_rejected)
{
	struct frame f = frame_make("10.0.0.1", 1, "10.0.0.2", 2, IPPROTO_TCP, TCP_ACK);
	struct conntrack_key k;

	for (size_t n = 0; n < f.len; n++) {
		/* The exact bytes and no more, so that a sanitizer sees a read behind them. */
		__u8 *room = malloc(n + 2), *exact = room + 2;
		struct packet p = {.tuple = {0}};

		memcpy(exact, f.bytes, n);
		assert_int_equal(packet_fast(exact, exact + n, &k), 0);
		assert_int_not_equal(packet_parse(exact, exact + n, &p), 0);
		free(room);
	}
}

TEST(both_parsers_agree)
{
	struct frame f = frame_make("10.0.0.1", 1, "10.0.0.2", 2, IPPROTO_UDP, 0);
	struct packet p = {.tuple = {0}};
	struct conntrack_key k = {0};

	assert_int_equal(packet_fast(f.bytes, f.bytes + f.len, &k), 1);
	assert_int_equal(packet_parse(f.bytes, f.bytes + f.len, &p), 0);
	assert_memory_equal(&k, &p.tuple, sizeof(k));
}

static const struct step {
	const char *name;
	__u16 flags;
	int reply;
	__u8 tcp;
	__u16 want;
} steps[] = {
	{"opening", 0, 0, TCP_SYN, 0},
	{"answer", 0, 1, TCP_SYN | TCP_ACK, CONNTRACK_SEEN_REPLY},
	{"handshake done", CONNTRACK_SEEN_REPLY, 0, TCP_ACK,
	 CONNTRACK_SEEN_REPLY | CONNTRACK_SEEN_NON_SYN},
	{"refused before it was open", 0, 1, TCP_RST | TCP_ACK,
	 CONNTRACK_SEEN_REPLY | CONNTRACK_CLOSING},
	{"opener finishes", CONNTRACK_SEEN_NON_SYN, 0, TCP_FIN | TCP_ACK,
	 CONNTRACK_SEEN_NON_SYN | CONNTRACK_OPENER_CLOSED},
	{"replier finishes", CONNTRACK_SEEN_NON_SYN, 1, TCP_FIN | TCP_ACK,
	 CONNTRACK_SEEN_NON_SYN | CONNTRACK_SEEN_REPLY | CONNTRACK_REPLIER_CLOSED},
	{"reset of an open one closes its sender", CONNTRACK_SEEN_NON_SYN, 0, TCP_RST,
	 CONNTRACK_SEEN_NON_SYN | CONNTRACK_OPENER_CLOSED},
};

TEST(tcp_states)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (flow_next_flags(steps[i].flags, steps[i].reply, IPPROTO_TCP, steps[i].tcp) !=
		    steps[i].want)
			fail_msg("%s", steps[i].name);
	assert_int_equal(flow_lifetime(0, IPPROTO_TCP), FLOW_SYN_SECONDS);
	assert_int_equal(flow_lifetime(CONNTRACK_SEEN_NON_SYN, IPPROTO_TCP), FLOW_TCP_SECONDS);
	assert_int_equal(flow_lifetime(CONNTRACK_CLOSING, IPPROTO_TCP), FLOW_CLOSE_SECONDS);
	assert_int_equal(flow_lifetime(0, IPPROTO_UDP), FLOW_OTHER_SECONDS);
	assert_false(flow_is_answered(CONNTRACK_SEEN_REPLY, IPPROTO_TCP));
	assert_true(flow_is_answered(CONNTRACK_SEEN_REPLY, IPPROTO_UDP));
}

TEST(twins_lead_to_each_other)
{
	struct conntrack_key seen = {htonl(1), htonl(2), htons(3), htons(80), 6, 0, 0, 0};
	struct conntrack_key to = {htonl(1), htonl(9), htons(3), htons(8080), 6, 0, 0, 0};
	struct conntrack_key twin, back, original;
	struct conntrack_entry e = {.twin_scope = CONNTRACK_SCOPE_NET},
			       r = {.twin_scope = CONNTRACK_SCOPE_POD};

	flow_set_nat(&e, &seen, &to);
	assert_true(e.flags & CONNTRACK_NAT);
	flow_twin_key(&seen, &e, &twin);
	assert_int_equal(twin.saddr, htonl(9));
	assert_int_equal(twin.scope, CONNTRACK_SCOPE_NET);
	flow_reverse(&seen, twin.scope, &back);
	flow_set_nat(&r, &twin, &back);
	flow_twin_key(&twin, &r, &original);
	assert_memory_equal(&original, &seen, sizeof(seen));
	/* Nothing to rewrite is no NAT. */
	e.flags = 0;
	flow_set_nat(&e, &seen, &seen);
	assert_int_equal(e.flags, 0);
}

TEST(checksums_follow_any_rewrite)
{
	for (__u32 i = 0; i < 20000; i++) {
		struct frame f =
			frame_make("10.0.0.1", (__u16)i, "10.96.0.7", 80, IPPROTO_TCP, TCP_ACK);
		struct conntrack_key from = frame_tuple(&f), to = from;
		struct conntrack_entry e = {0};
		struct iphdr ip;
		struct tcphdr tcp;

		to.daddr = i * 2654435761U;
		to.dport = (__be16)(i * 40503U);
		flow_set_nat(&e, &from, &to);
		memcpy(&ip, f.bytes + ETHERNET_SIZE, sizeof(ip));
		memcpy(&tcp, f.bytes + ETHERNET_SIZE + 20, sizeof(tcp));
		ip.check = csum_update(ip.check, e.nat_csum_addr);
		tcp.check = csum_update(tcp.check, (__u32)e.nat_csum_addr + e.nat_csum_port);
		ip.daddr = to.daddr;
		tcp.dest = to.dport;
		memcpy(f.bytes + ETHERNET_SIZE, &ip, sizeof(ip));
		memcpy(f.bytes + ETHERNET_SIZE + 20, &tcp, sizeof(tcp));
		if (!frame_sums_ok(&f))
			fail_msg("rewrite %u", i);
	}
}

static struct policy_entry rule(__u8 flags, __u8 prefix, __u32 id)
{
	return (struct policy_entry){.flags = flags, .prefixlen = prefix, .rule_id = id};
}

TEST(which_rule_speaks)
{
	struct policy_entry allow80 = rule(POLICY_ALLOW, POLICY_PREFIX_PORT, 1),
			    allow = rule(POLICY_ALLOW, POLICY_PREFIX_PEER, 2),
			    deny = rule(POLICY_DENY, POLICY_PREFIX_PEER, 3),
			    proxied = rule(POLICY_ALLOW, POLICY_PREFIX_PORT, 4),
			    newer = rule(POLICY_ALLOW | 0x80, POLICY_PREFIX_PORT, 5);
	const struct {
		const struct policy_entry *exact, *any;
		__u32 reason, id;
	} rows[] = {
		{NULL, NULL, REASON_POLICY, POLICY_RULE_NONE},
		{&allow, NULL, 0, 2},
		{NULL, &allow80, 0, 1},
		{&allow80, &deny, REASON_POLICY_DENY, 3},
		{&deny, &allow80, REASON_POLICY_DENY, 3},
		{&allow, &allow80, 0, 1}, /* longer */
		{&allow80, &allow, 0, 1},
		{&proxied, NULL, REASON_PROXY_LOOKUP_FAILED, 4},
		{&newer, &allow, REASON_POLICY_DENY, 5},
	};
	struct rule_answer answer;

	proxied.proxy_port = htons(15001);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rule_choose(rows[i].exact, rows[i].any, &answer);
		if (answer.reason != rows[i].reason || answer.rule_id != rows[i].id)
			fail_msg("row %zu: reason %u rule %u", i, answer.reason, answer.rule_id);
	}
	proxied.proxy_port = 0;
	proxied.auth_type = 1;
	rule_choose(&proxied, NULL, &answer);
	assert_int_equal(answer.reason, REASON_POLICY_AUTH_REQUIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation_is_rejected),
		cmocka_unit_test(both_parsers_agree),
		cmocka_unit_test(tcp_states),
		cmocka_unit_test(twins_lead_to_each_other),
		cmocka_unit_test(checksums_follow_any_rewrite),
		cmocka_unit_test(which_rule_speaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
