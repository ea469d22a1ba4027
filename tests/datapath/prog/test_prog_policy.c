/* SPDX-License-Identifier: Apache-2.0 */
/* Behaviours 13 to 23 and 48 of the catalogue: one row is one packet in, one verdict out. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "datapath/bpf/parse.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

/* B's ingress; A's egress is wide open. */
struct rule {
	__u32 identity;
	__u8 proto;
	__u16 port;
	__u8 port_bits;
	__u8 flags;
};

static const struct policy_case {
	const char *name;
	struct rule rules[4];
	__u8 proto;
	__u16 port;
	enum reason want; /* 0: delivered */
} cases[] = {
	{"default deny", {{0}}, IPPROTO_TCP, 80, REASON_POLICY},
	{"exact", {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_TCP, 80, 0},
	{"other port", {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_TCP, 81, REASON_POLICY},
	{"other protocol", {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_UDP, 80, REASON_POLICY},
	{"other identity", {{999, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_TCP, 80, REASON_POLICY},
	{"any port of a protocol", {{IDENTITY_A, 6, 0, 0, POLICY_ALLOW}}, IPPROTO_TCP, 9999, 0},
	{"any port, other protocol",
	 {{IDENTITY_A, 6, 0, 0, POLICY_ALLOW}},
	 IPPROTO_UDP,
	 9999,
	 REASON_POLICY},
	{"anything of an identity", {{IDENTITY_A, 0, 0, 0, POLICY_ALLOW}}, IPPROTO_UDP, 53, 0},
	{"anybody on a port", {{0, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_TCP, 80, 0},
	{"anybody on another port", {{0, 6, 80, 16, POLICY_ALLOW}}, IPPROTO_TCP, 81, REASON_POLICY},
	{"anybody, any port of a protocol", {{0, 17, 0, 0, POLICY_ALLOW}}, IPPROTO_UDP, 5, 0},
	{"everything", {{0, 0, 0, 0, POLICY_ALLOW}}, IPPROTO_TCP, 5, 0},
	{"first port of a range", {{0, 6, 8080, 12, POLICY_ALLOW}}, IPPROTO_TCP, 8080, 0},
	{"last port of a range", {{0, 6, 8080, 12, POLICY_ALLOW}}, IPPROTO_TCP, 8095, 0},
	{"behind a range", {{0, 6, 8080, 12, POLICY_ALLOW}}, IPPROTO_TCP, 8096, REASON_POLICY},
	{"before a range", {{0, 6, 8080, 12, POLICY_ALLOW}}, IPPROTO_TCP, 8079, REASON_POLICY},
	{"deny of the identity beats allow of all",
	 {{0, 6, 80, 16, POLICY_ALLOW}, {IDENTITY_A, 0, 0, 0, POLICY_DENY}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"deny of all beats allow of the identity",
	 {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW}, {0, 6, 80, 16, POLICY_DENY}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"wide deny of all beats narrow allow",
	 {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW}, {0, 0, 0, 0, POLICY_DENY}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"narrow deny inside a wide allow",
	 {{IDENTITY_A, 0, 0, 0, POLICY_ALLOW}, {IDENTITY_A, 6, 80, 16, POLICY_DENY}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"beside a narrow deny",
	 {{IDENTITY_A, 0, 0, 0, POLICY_ALLOW}, {IDENTITY_A, 6, 80, 16, POLICY_DENY}},
	 IPPROTO_TCP,
	 81,
	 0},
	{"an entry that says nothing denies",
	 {{IDENTITY_A, 6, 80, 16, 0x40}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"an entry of a newer version denies",
	 {{IDENTITY_A, 6, 80, 16, POLICY_ALLOW | 0x80}},
	 IPPROTO_TCP,
	 80,
	 REASON_POLICY_DENY},
	{"ICMP type as port", {{IDENTITY_A, 1, 8, 16, POLICY_ALLOW}}, IPPROTO_ICMP, 8, 0},
	{"other ICMP type",
	 {{IDENTITY_A, 1, 13, 16, POLICY_ALLOW}},
	 IPPROTO_ICMP,
	 8,
	 REASON_POLICY},
	{"a protocol without ports by plain policy",
	 {{IDENTITY_A, 0, 0, 0, POLICY_ALLOW}},
	 47,
	 0,
	 0},
	{"a protocol without ports", {{IDENTITY_A, 6, 0, 0, POLICY_ALLOW}}, 47, 0, REASON_POLICY},
};

static struct frame frame_a_to_b(__u8 proto, __u16 port)
{
	return frame_make(ADDR_A, 40000, ADDR_B, port, proto, TCP_SYN);
}

static void run_case(struct world *w, const struct policy_case *c)
{
	struct frame f = frame_a_to_b(c->proto, c->port);
	int verdict;

	world_reset(w);
	world_allow(w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(c->rules) && c->rules[i].flags; i++)
		world_rule(w, POD_B, DIRECTION_INGRESS, c->rules[i].identity, c->rules[i].proto,
			   c->rules[i].port, c->rules[i].port_bits, c->rules[i].flags);
	world_mark(w);
	for (int again = 0; again < 2; again++) { /* the second time from memory */
		struct frame copy = f;

		verdict = world_from_pod(w, POD_A, &copy);
		if (verdict != (c->want ? TC_ACT_SHOT : TC_ACT_REDIRECT))
			fail_msg("%s: verdict %d, run %d", c->name, verdict, again);
	}
	if (world_counted(w, c->want) != 2)
		fail_msg("%s: reason %d counted %llu times", c->name, c->want,
			 (unsigned long long)world_counted(w, c->want));
}

TEST(every_row)
{
	struct world w;

	world_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&w, &cases[i]);
	world_close(&w);
}

TEST(egress_is_asked_first)
{
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80);
	struct world w;
	struct event e;

	world_open(&w, NULL);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_events(&w, &e), 1);
	assert_int_equal(e.type, EVENT_DROP);
	assert_int_equal(e.reason, REASON_POLICY);
	assert_int_equal(e.direction, DIRECTION_EGRESS);
	assert_int_equal(e.src_identity, IDENTITY_A);
	assert_int_equal(e.dst_identity, IDENTITY_A + 1);
	assert_int_equal(e.src_endpoint, POD_A);
	assert_int_equal(e.dst_endpoint, POD_B);
	assert_int_equal(ntohs(e.dport), 80);
	assert_true(e.flags & EVENT_NEW);
	world_close(&w);
}

TEST(not_enforced_means_open)
{
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80);
	struct world w;

	world_open(&w, NULL);
	world_set_pod(&w, POD_A, ENDPOINT_READY);
	world_set_pod(&w, POD_B, ENDPOINT_READY);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	world_close(&w);
}

TEST(an_endpoint_that_is_not_ready_gets_and_sends_nothing)
{
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80), back = f;
	struct world w;

	world_open(&w, NULL);
	world_allow_all(&w);
	world_set_pod(&w, POD_B, 0);
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_from_pod(&w, POD_B, &back), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_EP_NOT_READY), 2);
	world_close(&w);
}

TEST(a_spoofed_source_is_dropped)
{
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80);
	struct world w;

	world_open(&w, NULL);
	world_allow_all(&w);
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_C, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_INVALID_SIP), 1);
	world_close(&w);
}

TEST(audit_lets_through_and_says_so)
{
	struct traffic_key key = {.src_identity = IDENTITY_A,
				  .dst_identity = IDENTITY_A + 1,
				  .port = htons(80),
				  .proto = IPPROTO_TCP,
				  .direction = DIRECTION_INGRESS,
				  .verdict = VERDICT_AUDIT};
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80), g = f;
	struct world w;
	struct event e;

	world_open(&w, NULL);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	world_set_pod(&w, POD_B,
		      ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_AUDIT_INGRESS);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_int_equal(world_events(&w, &e), 1);
	assert_int_equal(e.verdict, VERDICT_AUDIT);
	assert_int_equal(e.reason, REASON_POLICY);
	assert_int_equal(world_decisions(&w, &key), 1);
	/* Audit ends: the very next packet of the same connection is refused. */
	world_set_pod(&w, POD_B, ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS);
	assert_int_equal(world_from_pod(&w, POD_A, &g), TC_ACT_SHOT);
	key.verdict = VERDICT_DROPPED;
	assert_int_equal(world_decisions(&w, &key), 1);
	world_close(&w);
}

TEST(what_is_not_ipv4_is_dropped)
{
	struct frame f = frame_a_to_b(IPPROTO_TCP, 80);
	struct world w;

	world_open(&w, NULL);
	world_allow_all(&w);
	world_mark(&w);
	f.bytes[12] = 0x86;
	f.bytes[13] = 0xdd;
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_UNKNOWN_L3), 1);
	world_close(&w);
}

TEST(the_node_reaches_its_pods_when_the_set_says_so)
{
	struct frame probe = frame_make(ADDR_NODE, 40000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN);
	struct frame back =
		frame_make(ADDR_B, 80, ADDR_NODE, 40000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	struct frame other = frame_make(ADDR_WORLD, 40000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN);
	struct world w;

	world_open(&w, NULL);
	world_allow(&w, POD_B, DIRECTION_INGRESS, IDENTITY_HOST, 0, 0);
	assert_int_equal(world_to_pod(&w, POD_B, &probe), TC_ACT_OK);
	assert_int_equal(world_from_pod(&w, POD_B, &back), TC_ACT_OK);
	assert_int_equal(world_to_pod(&w, POD_B, &other), TC_ACT_SHOT);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(egress_is_asked_first),
		cmocka_unit_test(not_enforced_means_open),
		cmocka_unit_test(an_endpoint_that_is_not_ready_gets_and_sends_nothing),
		cmocka_unit_test(a_spoofed_source_is_dropped),
		cmocka_unit_test(audit_lets_through_and_says_so),
		cmocka_unit_test(what_is_not_ipv4_is_dropped),
		cmocka_unit_test(the_node_reaches_its_pods_when_the_set_says_so),
	};

	world_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
