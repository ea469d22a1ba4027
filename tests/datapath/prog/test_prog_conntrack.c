/* SPDX-License-Identifier: Apache-2.0 */
/* Behaviours 1 to 12, 69 and 74 of the catalogue: one connection's life, packet by packet. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "datapath/bpf/flow.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

static struct world w;

static struct frame out(__u8 proto, __u8 flags)
{
	return frame_make(ADDR_A, 40000, ADDR_B, 80, proto, flags);
}

static struct frame back(__u8 proto, __u8 flags)
{
	return frame_make(ADDR_B, 80, ADDR_A, 40000, proto, flags);
}

static void send_out(__u8 flags)
{
	struct frame f = out(IPPROTO_TCP, flags);

	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
}

static void send_back(__u8 flags)
{
	struct frame f = back(IPPROTO_TCP, flags);

	assert_int_equal(world_from_pod(&w, POD_B, &f), TC_ACT_REDIRECT);
}

static struct conntrack_key key_of(struct frame f)
{
	return frame_tuple(&f);
}

/* The opener's entry, wherever it is. */
static struct conntrack_entry entry(bool *ret_answered)
{
	struct conntrack_key key = key_of(out(IPPROTO_TCP, 0));
	struct conntrack_entry e;
	bool answered = world_entry(&w, "conntrack_v2", &key, &e);

	if (!answered)
		assert_true(world_entry(&w, "ct_new_v2", &key, &e));
	if (ret_answered)
		*ret_answered = answered;
	return e;
}

static __u64 lifetime(void)
{
	struct conntrack_entry e = entry(NULL);
	__u32 hz = w.skel->rodata->option_hz, touched = e.refresh - FLOW_REPORT_SECONDS * hz;

	return ((__u32)e.expires - touched) / hz;
}

static int fresh_world(UNUSED void **state)
{
	world_reset(&w);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0);
	return 0;
}

static void open_connection(void)
{
	send_out(TCP_SYN);
	send_back(TCP_SYN | TCP_ACK);
	send_out(TCP_ACK);
}

TEST(a_syn_makes_an_entry_that_does_not_live_long)
{
	bool answered;

	send_out(TCP_SYN);
	entry(&answered);
	assert_false(answered);
	assert_int_equal(lifetime(), FLOW_SYN_SECONDS);
	send_out(TCP_SYN); /* again: the same connection */
	assert_int_equal(lifetime(), FLOW_SYN_SECONDS);
}

TEST(replies_need_no_policy)
{
	struct frame f = back(IPPROTO_TCP, TCP_SYN | TCP_ACK);

	assert_int_equal(world_from_pod(&w, POD_B, &f), TC_ACT_SHOT); /* nobody asked */
	world_reset(&w);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0);
	send_out(TCP_SYN);
	send_back(TCP_SYN | TCP_ACK);
}

TEST(an_answered_connection_moves_and_lives_long)
{
	bool answered;

	send_out(TCP_SYN);
	send_back(TCP_SYN | TCP_ACK);
	entry(&answered);
	assert_false(answered); /* a server answers a flood, too */
	send_out(TCP_ACK);
	entry(&answered);
	assert_true(answered);
	assert_int_equal(lifetime(), FLOW_TCP_SECONDS);
}

TEST(both_sides_closing_end_it_soon)
{
	struct conntrack_entry before, after;

	open_connection();
	send_out(TCP_FIN | TCP_ACK);
	assert_int_equal(lifetime(), FLOW_TCP_SECONDS); /* the other side may go on */
	send_back(TCP_FIN | TCP_ACK);
	assert_int_equal(lifetime(), FLOW_CLOSE_SECONDS);
	before = entry(NULL);
	send_out(TCP_ACK);
	after = entry(NULL);
	assert_int_equal(before.expires, after.expires); /* not extended */
}

TEST(a_refusal_ends_it_at_once)
{
	send_out(TCP_SYN);
	send_back(TCP_RST | TCP_ACK);
	assert_int_equal(lifetime(), FLOW_CLOSE_SECONDS);
}

TEST(a_syn_on_a_closing_entry_starts_anew)
{
	bool answered;

	open_connection();
	send_out(TCP_FIN | TCP_ACK);
	send_out(TCP_SYN);
	assert_int_equal(entry(&answered).flags & CONNTRACK_CLOSING, 0);
	assert_false(answered);
}

TEST(an_expired_entry_is_decided_again)
{
	struct conntrack_key key = key_of(out(IPPROTO_TCP, 0));
	struct conntrack_entry e;

	open_connection();
	assert_true(world_entry(&w, "conntrack_v2", &key, &e));
	e.expires = 1;
	e.refresh = 0;
	world_put_entry(&w, "conntrack_v2", &key, &e);
	world_reset(&w); /* the policy is gone; entries too, so put it back */
	world_put_entry(&w, "conntrack_v2", &key, &e);
	struct frame f = out(IPPROTO_TCP, TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
}

TEST(an_entry_of_another_version_is_decided_again)
{
	struct conntrack_key key = key_of(out(IPPROTO_TCP, 0));
	struct conntrack_entry e;

	open_connection();
	assert_true(world_entry(&w, "conntrack_v2", &key, &e));
	e.version = CONNTRACK_VERSION + 1;
	e.verdict = REASON_POLICY;
	world_put_entry(&w, "conntrack_v2", &key, &e);
	send_out(TCP_ACK);
	assert_int_equal(entry(NULL).version, CONNTRACK_VERSION);
}

TEST(a_changed_policy_meets_the_next_packet_both_ways)
{
	struct frame f = out(IPPROTO_TCP, TCP_ACK), g = back(IPPROTO_TCP, TCP_ACK);

	open_connection();
	send_out(TCP_ACK);
	world_rule(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0, 0, POLICY_DENY);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_from_pod(&w, POD_B, &g), TC_ACT_SHOT); /* answers stop as well */
	world_rule(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0, 0, POLICY_ALLOW);
	send_out(TCP_ACK);
	send_back(TCP_ACK);
}

TEST(a_lost_reply_entry_is_healed)
{
	struct conntrack_key key = key_of(out(IPPROTO_TCP, 0)), twin = key_of(back(IPPROTO_TCP, 0));
	struct conntrack_entry e;

	open_connection();
	assert_true(world_entry(&w, "conntrack_v2", &key, &e));
	e.refresh -= FLOW_REPORT_SECONDS *
		     w.skel->rodata->option_hz; /* five seconds later, without waiting for them */
	world_put_entry(&w, "conntrack_v2", &key, &e);
	assert_int_equal(bpf_map__delete_elem(w.skel->maps.conntrack_v2, &twin, sizeof(twin), 0),
			 0);
	send_out(TCP_ACK);
	assert_true(world_entry(&w, "conntrack_v2", &twin, &e));
	send_back(TCP_ACK);
}

TEST(a_flood_of_openings_evicts_no_live_connection)
{
	bool answered;

	open_connection();
	for (__u16 i = 0; i < 8000; i++) { /* eight times what ct_new holds here */
		struct frame f = frame_make(ADDR_A, (__u16)(41000 + i % 20000), ADDR_B,
					    (__u16)(81 + i / 20000), IPPROTO_TCP, TCP_SYN);

		assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	}
	entry(&answered);
	assert_true(answered);
	send_out(TCP_ACK);
	send_back(TCP_ACK);
}

TEST(datagrams_live_a_minute_and_are_answered_without_policy)
{
	struct conntrack_key key = key_of(out(IPPROTO_UDP, 0));
	struct conntrack_entry e;
	struct frame f = out(IPPROTO_UDP, 0), g = back(IPPROTO_UDP, 0);

	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_true(world_entry(&w, "ct_new_v2", &key, &e));
	assert_int_equal(world_from_pod(&w, POD_B, &g), TC_ACT_REDIRECT);
	assert_true(world_entry(&w, "conntrack_v2", &key, &e));
}

TEST(icmp_errors_about_a_connection_pass)
{
	struct frame f = out(IPPROTO_UDP, 0), about = f, error, stranger;

	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	frame_build_error(frame_addr(ADDR_B), frame_addr(ADDR_A), ICMP_DEST_UNREACH, 3, &about,
			  &error);
	assert_int_equal(world_from_pod(&w, POD_B, &error), TC_ACT_REDIRECT);
	assert_true(frame_sums_ok(&error));
	about = frame_make(ADDR_A, 1, ADDR_B, 2, IPPROTO_UDP, 0);
	frame_build_error(frame_addr(ADDR_B), frame_addr(ADDR_A), ICMP_DEST_UNREACH, 3, &about,
			  &stranger);
	assert_int_equal(world_from_pod(&w, POD_B, &stranger), TC_ACT_SHOT);
}

TEST(pings_match_their_answers)
{
	struct frame f = frame_make(ADDR_A, 77, ADDR_B, ICMP_ECHO, IPPROTO_ICMP, 0);
	struct frame g = frame_make(ADDR_B, 77, ADDR_A, ICMP_ECHOREPLY, IPPROTO_ICMP, 0);
	struct frame other = frame_make(ADDR_B, 78, ADDR_A, ICMP_ECHOREPLY, IPPROTO_ICMP, 0);

	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_int_equal(world_from_pod(&w, POD_B, &g), TC_ACT_REDIRECT);
	assert_int_equal(world_from_pod(&w, POD_B, &other), TC_ACT_SHOT);
}

TEST(fragments_follow_their_first)
{
	struct frame_spec s = {.saddr = frame_addr(ADDR_A),
			       .daddr = frame_addr(ADDR_B),
			       .sport = 5,
			       .dport = 80,
			       .proto = IPPROTO_UDP,
			       .id = 9,
			       .frag = IP_MORE_FRAGMENTS,
			       .data = 24};
	struct frame first, later, lost;

	frame_build(&s, &first);
	s.frag = 4;
	frame_build(&s, &later);
	s.id = 10;
	frame_build(&s, &lost);
	assert_int_equal(world_from_pod(&w, POD_A, &first), TC_ACT_REDIRECT);
	assert_int_equal(world_from_pod(&w, POD_A, &later), TC_ACT_REDIRECT);
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &lost), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_FRAG_NOT_FOUND), 1);
}

TEST(ip_options_and_ttl)
{
	struct frame_spec s = {.saddr = frame_addr(ADDR_A),
			       .daddr = frame_addr(ADDR_B),
			       .sport = 5,
			       .dport = 80,
			       .proto = IPPROTO_UDP,
			       .ihl = 8};
	struct frame f;

	frame_build(&s, &f);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_true(frame_sums_ok(&f));
	assert_int_equal(frame_ttl(&f), 63);
	s.ttl = 1;
	frame_build(&s, &f);
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_TTL_EXCEEDED), 1);
}

TEST(truncated_packets_are_dropped)
{
	struct frame whole = out(IPPROTO_TCP, TCP_SYN);

	for (size_t n = ETHERNET_SIZE + 20; n < whole.len; n++) {
		struct frame f = whole;

		f.len = n;
		assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	}
}

#define ROW(name) cmocka_unit_test_setup(name, fresh_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(a_syn_makes_an_entry_that_does_not_live_long),
		ROW(replies_need_no_policy),
		ROW(an_answered_connection_moves_and_lives_long),
		ROW(both_sides_closing_end_it_soon),
		ROW(a_refusal_ends_it_at_once),
		ROW(a_syn_on_a_closing_entry_starts_anew),
		ROW(an_expired_entry_is_decided_again),
		ROW(an_entry_of_another_version_is_decided_again),
		ROW(a_changed_policy_meets_the_next_packet_both_ways),
		ROW(a_lost_reply_entry_is_healed),
		ROW(a_flood_of_openings_evicts_no_live_connection),
		ROW(datagrams_live_a_minute_and_are_answered_without_policy),
		ROW(icmp_errors_about_a_connection_pass),
		ROW(pings_match_their_answers),
		ROW(fragments_follow_their_first),
		ROW(ip_options_and_ttl),
		ROW(truncated_packets_are_dropped),
	};
	/* The same life, also while the maps of the release before are kept up. */
	const struct world_options options[] = {{.older = false}, {.older = true}};
	int failed = 0;

	world_namespace();
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		world_open(&w, &options[i]);
		failed |= cmocka_run_group_tests(tests, NULL, NULL);
		world_close(&w);
	}
	return failed;
}
