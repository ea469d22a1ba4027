/* SPDX-License-Identifier: Apache-2.0 */
/* Ways around policy, each tried and each closed: other protocols, other kinds of ICMP, errors
 * about somebody else's connection, packets that claim to be from somebody else, out of a tunnel or
 * plain, or that choose their own route. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <string.h>

#include "datapath/bpf/flow.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

static struct world w;

static int fresh_world(UNUSED void **state)
{
	world_reset(&w);
	return 0;
}

static void dropped(int verdict, enum reason reason)
{
	assert_int_equal(verdict, TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, reason), 1);
}

#define ADDR_THIRD "172.30.0.3" /* a node, 10.0.2.0/24 are its pods */

/* The blocks of three nodes, and pods that let everybody in. */
static void know_nodes(void)
{
	world_allow_all(&w);
	world_address(&w, "10.0.0.0", 24, IDENTITY_UNMANAGED, NULL);
	world_address(&w, "10.0.1.0", 24, IDENTITY_UNMANAGED, ADDR_OTHER);
	world_address(&w, "10.0.2.0", 24, IDENTITY_UNMANAGED, ADDR_THIRD);
	world_address(&w, ADDR_THIRD, 32, IDENTITY_REMOTE_NODE, NULL);
}

TEST(only_ipv4_passes_any_hook)
{
	static const struct {
		const char *name;
		__u16 type;
	} rows[] = {
		{"IPv6", 0x86dd},  {"VLAN", 0x8100}, {"double VLAN", 0x88a8}, {"MPLS", 0x8847},
		{"PPPoE", 0x8863}, {"LLDP", 0x88cc}, {"reverse ARP", 0x8035}, {"a length", 0x0100},
	};

	world_allow_all(&w);
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 3; i++) {
		struct frame f = frame_make(ADDR_A, 5, ADDR_B, 80, IPPROTO_TCP, TCP_SYN);
		__u16 type = rows[i / 3].type;
		int verdict;

		f.bytes[12] = (__u8)(type >> 8);
		f.bytes[13] = (__u8)type;
		world_mark(&w);
		verdict = i % 3 == 0   ? world_from_pod(&w, POD_A, &f)
			  : i % 3 == 1 ? world_to_pod(&w, POD_B, &f)
				       : world_arrives(&w, IDENTITY_REMOTE, &f);
		if (verdict != TC_ACT_SHOT || world_counted(&w, REASON_UNKNOWN_L3) != 1)
			fail_msg("%s on hook %zu: verdict %d", rows[i / 3].name, i % 3, verdict);
	}
}

/* Echo is allowed and has happened, with the identifier that the others' keys used to have. */
TEST(an_allowed_ping_opens_no_other_kind_of_icmp)
{
	static const __u16 types[] = {ICMP_REDIRECT, 9, 10, ICMP_TIMESTAMP, 14, 15, 17, 40};

	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, IPPROTO_ICMP, ICMP_ECHO);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, IPPROTO_ICMP, ICMP_ECHO);
	struct frame ping = frame_make(ADDR_A, 0, ADDR_B, ICMP_ECHO, IPPROTO_ICMP, 0);
	assert_int_equal(world_from_pod(&w, POD_A, &ping), TC_ACT_REDIRECT);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct frame about = frame_make(ADDR_B, 1, ADDR_A, 2, IPPROTO_UDP, 0), f;

		if (types[i] == ICMP_REDIRECT)
			frame_build_error(frame_addr(ADDR_A), frame_addr(ADDR_B), ICMP_REDIRECT, 0,
					  &about, &f);
		else
			f = frame_make(ADDR_A, 0, ADDR_B, types[i], IPPROTO_ICMP, 0);
		world_mark(&w);
		if (world_from_pod(&w, POD_A, &f) != TC_ACT_SHOT)
			fail_msg("ICMP type %u passed", types[i]);
		assert_int_equal(world_counted(&w, REASON_POLICY), 1);
	}
}

TEST(a_timestamp_is_answered)
{
	struct frame f = frame_make(ADDR_A, 9, ADDR_B, ICMP_TIMESTAMP, IPPROTO_ICMP, 0);
	struct frame g = frame_make(ADDR_B, 9, ADDR_A, ICMP_TIMESTAMP + 1, IPPROTO_ICMP, 0);

	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, IPPROTO_ICMP, ICMP_TIMESTAMP);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, IPPROTO_ICMP, ICMP_TIMESTAMP);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_int_equal(world_from_pod(&w, POD_B, &g), TC_ACT_REDIRECT);
}

TEST(an_icmp_error_about_anothers_connection_is_judged_like_any_packet)
{
	struct frame f = frame_make(ADDR_B, 4000, ADDR_REMOTE, 80, IPPROTO_UDP, 0);
	struct frame about = frame_make(ADDR_REMOTE, 80, ADDR_B, 4000, IPPROTO_UDP, 0);

	world_allow(&w, POD_B, DIRECTION_EGRESS, 0, 0, 0);
	assert_int_equal(world_from_pod(&w, POD_B, &f), TC_ACT_REDIRECT);
	frame_build_error(frame_addr(ADDR_A), frame_addr(ADDR_REMOTE), ICMP_DEST_UNREACH, 3, &about,
			  &f);
	world_mark(&w);
	dropped(world_from_pod(&w, POD_A, &f), REASON_POLICY);
}

TEST(an_icmp_error_goes_to_whom_it_quotes)
{
	struct frame f = frame_make(ADDR_A, 4000, ADDR_REMOTE, 80, IPPROTO_UDP, 0);
	struct frame about = frame_make(ADDR_REMOTE, 80, ADDR_A, 4000, IPPROTO_UDP, 0);

	world_allow(&w, POD_A, DIRECTION_EGRESS, IDENTITY_REMOTE, 0, 0);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	frame_build_error(frame_addr(ADDR_A), frame_addr(ADDR_OTHER), ICMP_DEST_UNREACH, 3, &about,
			  &f);
	world_mark(&w);
	dropped(world_from_pod(&w, POD_A, &f), REASON_POLICY);
}

/* Addresses that the node has and no map knows: broadcast, a gateway, another subnet's. */
TEST(no_pod_reaches_the_end_of_a_tunnel)
{
	static const char *const ends[] = {ADDR_NODE,         ADDR_OTHER,  ADDR_WORLD,
					   "255.255.255.255", "224.0.0.1", "169.254.1.1"};

	world_allow_all(&w);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct frame f = frame_make(ADDR_A, 1, ends[i], 8472, IPPROTO_UDP, 0);

		world_mark(&w);
		dropped(world_from_pod(&w, POD_A, &f), REASON_ENCAP_PROHIBITED);
	}
	struct frame pod = frame_make(ADDR_A, 1, ADDR_B, 8472, IPPROTO_UDP, 0);
	assert_int_equal(world_from_pod(&w, POD_A, &pod), TC_ACT_REDIRECT);
}

TEST(a_local_pods_address_never_comes_out_of_a_tunnel)
{
	struct frame f = frame_make(ADDR_A, 5, ADDR_B, 80, IPPROTO_TCP, TCP_SYN);

	world_allow(&w, POD_B, DIRECTION_INGRESS, IDENTITY_A, 0, 0);
	world_mark(&w);
	dropped(world_arrives(&w, IDENTITY_A, &f), REASON_INVALID_SIP);
}

/* The sender's node, address and number have to agree; rows with reason 0 are let in. */
TEST(only_its_own_node_speaks_for_an_address)
{
	static const struct {
		const char *name, *from, *node;
		__u32 identity;
		int reason;
	} rows[] = {
		{"a pod", ADDR_REMOTE, ADDR_OTHER, IDENTITY_REMOTE, 0},
		{"a pod that changed since", ADDR_REMOTE, ADDR_OTHER, 3001, 0},
		{"a pod too new to be known", "10.0.1.10", ADDR_OTHER, 3001, 0},
		{"one without a number yet", "10.0.1.10", ADDR_OTHER, IDENTITY_INIT, 0},
		{"a known node's pod of a block nobody knows", "10.7.0.1", ADDR_OTHER, 3001, 0},
		{"a node's process", ADDR_OTHER, ADDR_OTHER, IDENTITY_REMOTE_NODE, 0},
		{"a pod, from another node", ADDR_REMOTE, ADDR_THIRD, IDENTITY_REMOTE,
		 REASON_INVALID_SIP},
		{"a pod, from no node", ADDR_REMOTE, ADDR_WORLD, IDENTITY_REMOTE,
		 REASON_INVALID_SIP},
		{"a new pod, from another node", "10.0.1.10", ADDR_THIRD, 3001, REASON_INVALID_SIP},
		{"a new pod of this node", "10.0.0.77", ADDR_OTHER, 3001, REASON_INVALID_SIP},
		{"a block nobody knows, from no node", "10.7.0.1", ADDR_WORLD, 3001,
		 REASON_UNKNOWN_SENDER},
		{"the world, from no node", "192.0.2.8", ADDR_WORLD, IDENTITY_REMOTE,
		 REASON_UNKNOWN_SENDER},
		{"a node, from no node", ADDR_OTHER, ADDR_WORLD, IDENTITY_REMOTE_NODE,
		 REASON_UNKNOWN_SENDER},
		{"this node", ADDR_NODE, ADDR_OTHER, IDENTITY_REMOTE_NODE, REASON_INVALID_SIP},
		{"a pod as a node", ADDR_REMOTE, ADDR_OTHER, IDENTITY_REMOTE_NODE,
		 REASON_INVALID_IDENTITY},
		{"a node as a pod", ADDR_OTHER, ADDR_OTHER, IDENTITY_REMOTE,
		 REASON_INVALID_IDENTITY},
		{"a pod as the host", ADDR_REMOTE, ADDR_OTHER, IDENTITY_HOST,
		 REASON_INVALID_IDENTITY},
		{"a pod as the world", ADDR_REMOTE, ADDR_OTHER, IDENTITY_WORLD,
		 REASON_INVALID_IDENTITY},
		{"a pod as the API server", ADDR_REMOTE, ADDR_OTHER, IDENTITY_KUBE_APISERVER,
		 REASON_INVALID_IDENTITY},
		{"a pod as a block", ADDR_REMOTE, ADDR_OTHER, 0x10000, REASON_INVALID_IDENTITY},
	};

	know_nodes();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame f = frame_make(rows[i].from, 5, ADDR_B, 80, IPPROTO_UDP, 0);
		int verdict;

		world_mark(&w);
		verdict = world_arrives_from(&w, rows[i].node, rows[i].identity, &f);
		if (rows[i].reason ? verdict != TC_ACT_SHOT ||
					     world_counted(&w, (enum reason)rows[i].reason) != 1
				   : verdict != TC_ACT_REDIRECT)
			fail_msg("%s: verdict %d", rows[i].name, verdict);
	}
}

/* What was allowed once is no cover for others with the same addresses and ports. */
TEST(a_live_connection_lets_no_other_sender_in)
{
	struct frame call = frame_make(ADDR_A, 5, ADDR_REMOTE, 80, IPPROTO_UDP, 0);
	struct frame answer = frame_make(ADDR_REMOTE, 80, ADDR_A, 5, IPPROTO_UDP, 0), f;

	know_nodes();
	assert_int_equal(world_from_pod(&w, POD_A, &call), TC_ACT_REDIRECT);
	for (int i = 0; i < 3; i++) {
		f = answer;
		assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &f), TC_ACT_REDIRECT);
		f = answer;
		world_mark(&w);
		dropped(world_arrives_from(&w, ADDR_THIRD, IDENTITY_REMOTE, &f),
			REASON_INVALID_SIP);
		f = answer;
		world_mark(&w);
		dropped(world_routed(&w, POD_A, DEVICE_UNDERLAY, &f), REASON_INVALID_SIP);
	}
	/* The address moves to the other node, and so does its word. */
	world_address(&w, ADDR_REMOTE, 32, IDENTITY_REMOTE, ADDR_THIRD);
	f = answer;
	world_mark(&w);
	dropped(world_arrives(&w, IDENTITY_REMOTE, &f), REASON_INVALID_SIP);
	f = answer;
	assert_int_equal(world_arrives_from(&w, ADDR_THIRD, IDENTITY_REMOTE, &f), TC_ACT_REDIRECT);
}

TEST(a_node_that_just_joined_is_believed_from_its_first_row_on)
{
	struct frame f = frame_make("10.0.9.1", 5, ADDR_B, 80, IPPROTO_UDP, 0), g = f;

	know_nodes();
	world_mark(&w);
	dropped(world_arrives_from(&w, "172.30.0.9", 3001, &f), REASON_UNKNOWN_SENDER);
	world_address(&w, "172.30.0.9", 32, IDENTITY_REMOTE_NODE, NULL);
	world_address(&w, "10.0.9.0", 24, IDENTITY_UNMANAGED, "172.30.0.9");
	assert_int_equal(world_arrives_from(&w, "172.30.0.9", 3001, &g), TC_ACT_REDIRECT);
}

TEST(a_pods_address_comes_by_no_other_way)
{
	const struct {
		const char *name, *from;
		__u32 by;
		int reason;
	} rows[] = {
		{"a remote pod, plain", ADDR_REMOTE, DEVICE_UNDERLAY, REASON_INVALID_SIP},
		{"a remote pod nobody knows yet, plain", "10.0.1.10", DEVICE_UNDERLAY,
		 REASON_INVALID_SIP},
		{"a remote pod, by a local pod's device", ADDR_REMOTE, w.ifindex[POD_A],
		 REASON_INVALID_SIP},
		{"a local pod, from outside", ADDR_A, DEVICE_UNDERLAY, REASON_INVALID_SIP},
		{"a local pod, by another's device", ADDR_A, w.ifindex[POD_C], REASON_INVALID_SIP},
		{"a local pod, by its own", ADDR_A, w.ifindex[POD_A], 0},
		{"a pod of this node without a row", "10.0.0.77", 998, 0},
		{"the same from outside", "10.0.0.77", DEVICE_UNDERLAY, REASON_INVALID_SIP},
		{"this node: masqueraded", ADDR_NODE, DEVICE_UNDERLAY, 0},
		{"this node: a probe", ADDR_NODE, 0, 0},
		{"another node", ADDR_OTHER, DEVICE_UNDERLAY, 0},
		{"the world", ADDR_WORLD, DEVICE_UNDERLAY, 0},
		{"the node's refusal in a pod's name", ADDR_REMOTE, 0, 0},
	};

	know_nodes();
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		struct frame f = frame_make(rows[i / 2].from, 5, ADDR_B, 80, IPPROTO_UDP, 0);
		int reason = rows[i / 2].reason, verdict;

		world_mark(&w);
		verdict = world_routed(&w, POD_B, rows[i / 2].by, &f);
		if (verdict != (reason ? TC_ACT_SHOT : TC_ACT_OK) ||
		    (reason && world_counted(&w, (enum reason)reason) != 1))
			fail_msg("%s: verdict %d", rows[i / 2].name, verdict);
	}
}

TEST(no_packet_chooses_its_own_route)
{
	static const struct {
		const char *name;
		__u8 options[8];
		bool passes;
	} rows[] = {
		{"nothing", {1, 1, 1, 1, 1, 1, 1, 0}, true},
		{"record route", {7, 7, 4, 0, 0, 0, 0, 0}, true},
		{"router alert", {148, 4, 0, 0, 0}, true},
		{"the end before it", {0, 131, 7, 4}, true},
		{"loose source route", {131, 7, 4, 10, 0, 0, 3, 0}, false},
		{"strict source route", {137, 7, 4, 10, 0, 0, 3, 0}, false},
		{"behind a router alert", {148, 4, 0, 0, 131, 3, 4, 0}, false},
		{"behind nothing", {1, 1, 1, 1, 1, 131, 3, 4}, false},
		{"longer than the header", {7, 9, 4}, false},
		{"without a length", {1, 1, 1, 1, 1, 1, 1, 131}, false},
		{"a length of none", {7, 0, 4}, false},
		{"a length of one", {7, 1, 4}, false},
	};

	world_allow_all(&w);
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 4; i++) {
		bool from_pod = i % 4 < 2;
		struct frame_spec s = {.saddr = frame_addr(from_pod ? ADDR_A : ADDR_REMOTE),
				       .daddr = frame_addr(ADDR_B),
				       .sport = 5,
				       .dport = 80,
				       .proto = i % 2 ? IPPROTO_UDP : 132,
				       .ihl = 7};
		struct frame f;
		int verdict;

		frame_build(&s, &f);
		memcpy(f.bytes + ETHERNET_SIZE + 20, rows[i / 4].options, 8);
		world_mark(&w);
		verdict = from_pod ? world_from_pod(&w, POD_A, &f)
				   : world_arrives(&w, IDENTITY_REMOTE, &f);
		if (verdict != (rows[i / 4].passes ? TC_ACT_REDIRECT : TC_ACT_SHOT) ||
		    (!rows[i / 4].passes && world_counted(&w, REASON_INVALID) != 1))
			fail_msg("%s, %zu: verdict %d", rows[i / 4].name, i % 4, verdict);
	}
}

/* What the stack itself puts into the tunnel: named when dropped. Whom it says it is from is seen
 * attached, in tests/datapath/attach/test_overlay.c. */
TEST(the_stack_puts_only_this_nodes_packets_into_the_tunnel)
{
	const struct {
		const char *name, *from, *to;
		__u32 by;
		__u16 type;
		int reason;
	} rows[] = {
		{"the node's own", ADDR_NODE, ADDR_REMOTE, 0, 0x0800, 0},
		{"masqueraded", ADDR_NODE, ADDR_REMOTE, DEVICE_UNDERLAY, 0x0800, 0},
		{"a pod's", ADDR_A, ADDR_REMOTE, w.ifindex[POD_A], 0x0800, 0},
		{"a pod's, from outside", ADDR_A, ADDR_REMOTE, DEVICE_UNDERLAY, 0x0800,
		 REASON_INVALID_SIP},
		{"a remote pod's", "10.0.2.5", ADDR_REMOTE, DEVICE_UNDERLAY, 0x0800,
		 REASON_INVALID_SIP},
		{"the world's", ADDR_WORLD, ADDR_REMOTE, DEVICE_UNDERLAY, 0x0800,
		 REASON_INVALID_SIP},
		{"to nobody's node", ADDR_NODE, ADDR_WORLD, 0, 0x0800, REASON_NO_TUNNEL_ENDPOINT},
		{"IPv6", ADDR_NODE, ADDR_REMOTE, 0, 0x86dd, REASON_UNKNOWN_L3},
	};

	know_nodes();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame f = frame_make(rows[i].from, 5, rows[i].to, 80, IPPROTO_TCP, TCP_SYN);
		int reason = rows[i].reason, verdict;

		f.bytes[12] = (__u8)(rows[i].type >> 8);
		f.bytes[13] = (__u8)rows[i].type;
		world_mark(&w);
		verdict = world_to_overlay(&w, rows[i].by, &f);
		if (verdict != (reason ? TC_ACT_SHOT : TC_ACT_OK) ||
		    (reason && world_counted(&w, (enum reason)reason) != 1))
			fail_msg("%s: verdict %d", rows[i].name, verdict);
	}
}

#define ROW(name) cmocka_unit_test_setup(name, fresh_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(only_ipv4_passes_any_hook),
		ROW(an_allowed_ping_opens_no_other_kind_of_icmp),
		ROW(a_timestamp_is_answered),
		ROW(an_icmp_error_about_anothers_connection_is_judged_like_any_packet),
		ROW(an_icmp_error_goes_to_whom_it_quotes),
		ROW(no_pod_reaches_the_end_of_a_tunnel),
		ROW(a_local_pods_address_never_comes_out_of_a_tunnel),
		ROW(only_its_own_node_speaks_for_an_address),
		ROW(a_live_connection_lets_no_other_sender_in),
		ROW(a_node_that_just_joined_is_believed_from_its_first_row_on),
		ROW(a_pods_address_comes_by_no_other_way),
		ROW(no_packet_chooses_its_own_route),
		ROW(the_stack_puts_only_this_nodes_packets_into_the_tunnel),
	};
	int failed;

	world_namespace();
	world_open(&w, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&w);
	return failed;
}
