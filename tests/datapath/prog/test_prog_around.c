/* SPDX-License-Identifier: Apache-2.0 */
/* Ways around policy, each tried and each closed: other protocols, other kinds of ICMP, errors
 * about somebody else's connection, packets that claim to come out of a tunnel. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
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
	};
	int failed;

	world_namespace();
	world_open(&w, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&w);
	return failed;
}
