/* SPDX-License-Identifier: Apache-2.0 */
/* With the maps of the release before: its connections are found, ours are written there, and what
 * either saw is not lost. The last rows are the negative control. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "datapath/abi/conntrack_convert.h"
#include "datapath/bpf/flow.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

static struct world w, alone;

static struct frame out(__u8 flags)
{
	return frame_make(ADDR_A, 40000, ADDR_B, 80, IPPROTO_TCP, flags);
}

static struct frame back(__u8 flags)
{
	return frame_make(ADDR_B, 80, ADDR_A, 40000, IPPROTO_TCP, flags);
}

static struct frame called(__u8 flags)
{
	return frame_make(ADDR_A, 40000, ADDR_VIP, 80, IPPROTO_TCP, flags);
}

static int from_a(struct frame f)
{
	return world_from_pod(&w, POD_A, &f);
}

static int from_b(struct frame f)
{
	return world_from_pod(&w, POD_B, &f);
}

static int fresh_world(UNUSED void **state)
{
	world_reset(&w);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	world_allow(&w, POD_B, DIRECTION_INGRESS, 0, 0, 0);
	return 0;
}

static void establish(void)
{
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	assert_int_equal(from_b(back(TCP_SYN | TCP_ACK)), TC_ACT_REDIRECT);
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
}

static bool old_entry(const char *map, struct frame f, struct conntrack_entry_v1 *ret)
{
	struct conntrack_key key = frame_tuple(&f);

	return bpf_map_lookup_elem(world_fd(&w, map), &key, ret) == 0;
}

static bool new_entry(const char *map, struct frame f, struct conntrack_entry *ret)
{
	struct conntrack_key key = frame_tuple(&f);

	return world_entry(&w, map, &key, ret);
}

static void put_old(const char *map, struct frame f, const struct conntrack_entry_v1 *e)
{
	struct conntrack_key key = frame_tuple(&f);

	assert_int_equal(bpf_map_update_elem(world_fd(&w, map), &key, e, BPF_ANY), 0);
}

static void forget(const char *map)
{
	struct conntrack_key key;
	int fd = world_fd(&w, map);

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

/* What is left when only the older release has run. */
static void only_older(void)
{
	forget("conntrack_v2");
	forget("ct_new_v2");
}

static __u64 decisions(void)
{
	struct traffic_key key = {.src_identity = IDENTITY_A,
				  .dst_identity = IDENTITY_A + 1,
				  .port = htons(80),
				  .proto = IPPROTO_TCP,
				  .direction = DIRECTION_INGRESS,
				  .verdict = VERDICT_FORWARDED};

	return world_decisions(&w, &key);
}

static void expect_both(const char *ours, const char *theirs, struct frame f)
{
	struct conntrack_entry_v1 old, want;
	struct conntrack_entry new;

	assert_true(new_entry(ours, f, &new));
	assert_true(old_entry(theirs, f, &old));
	conntrack_down(&new, &want);
	assert_memory_equal(&old, &want, sizeof(old));
}

TEST(every_step_of_a_connection_is_in_both)
{
	struct conntrack_entry_v1 old;

	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	expect_both("ct_new_v2", "ct_new_v1", out(0));
	expect_both("ct_new_v2", "ct_new_v1", back(0));
	assert_int_equal(from_b(back(TCP_SYN | TCP_ACK)), TC_ACT_REDIRECT);
	expect_both("ct_new_v2", "ct_new_v1", back(0));
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	expect_both("conntrack_v2", "conntrack_v1", out(0));
	expect_both("conntrack_v2", "conntrack_v1", back(0));
	assert_int_equal(from_a(out(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
	expect_both("conntrack_v2", "conntrack_v1", out(0));
	assert_int_equal(from_b(back(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
	expect_both("conntrack_v2", "conntrack_v1", out(0));
	expect_both("conntrack_v2", "conntrack_v1", back(0));
	/* And the next one with the same ports. */
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	expect_both("ct_new_v2", "ct_new_v1", out(0));
	assert_false(old_entry("conntrack_v1", out(0), &old));
}

TEST(an_older_connection_goes_on_from_either_side)
{
	struct conntrack_entry_v1 before;
	struct conntrack_entry e;
	__u64 decided;

	for (int reply = 0; reply < 2; reply++) {
		fresh_world(NULL);
		establish();
		only_older();
		decided = decisions();
		assert_true(old_entry("conntrack_v1", out(0), &before));
		if (reply) /* which policy would refuse */
			assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_REDIRECT);
		else
			assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
		assert_int_equal(decisions(), decided);
		expect_both("conntrack_v2", "conntrack_v1", out(0));
		expect_both("conntrack_v2", "conntrack_v1", back(0));
		assert_true(new_entry("conntrack_v2", out(0), &e));
		assert_int_equal(e.verdict, before.action);
		assert_int_equal(e.flags, before.flags);
		assert_int_equal(e.dst_identity, before.dst_identity);
		assert_int_equal(e.expires, before.expires);
	}
}

TEST(a_copy_that_came_half_way_is_no_reason_to_decide)
{
	struct conntrack_key key;
	struct conntrack_entry e;
	__u64 decided;

	for (int reply = 0; reply < 2; reply++) {
		struct frame f = reply ? back(0) : out(0);

		fresh_world(NULL);
		establish();
		decided = decisions();
		assert_true(new_entry("conntrack_v2", f, &e));
		only_older();
		e.refresh -= FLOW_REPORT_SECONDS * w.skel->rodata->option_hz + 1; /* is due */
		key = frame_tuple(&f);
		world_put_entry(&w, "conntrack_v2", &key, &e);
		assert_int_equal(reply ? from_b(back(TCP_ACK)) : from_a(out(TCP_ACK)),
				 TC_ACT_REDIRECT);
		assert_int_equal(decisions(), decided);
		expect_both("conntrack_v2", "conntrack_v1", out(0));
		expect_both("conntrack_v2", "conntrack_v1", back(0));
	}
}

TEST(an_unanswered_one_stays_among_the_unanswered)
{
	struct conntrack_entry e;

	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	only_older();
	assert_int_equal(from_b(back(TCP_SYN | TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("ct_new_v2", out(0), &e));
	assert_false(new_entry("conntrack_v2", out(0), &e));
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	expect_both("conntrack_v2", "conntrack_v1", out(0));
}

TEST(a_service_keeps_its_backend)
{
	static const char *const one[] = {ADDR_B, NULL}, *const other[] = {ADDR_C, NULL};
	static const char *const going[] = {ADDR_B, NULL};
	struct conntrack_entry e;

	world_allow_all(&w);
	world_service(&w, one, NULL);
	assert_int_equal(from_a(called(TCP_SYN)), TC_ACT_REDIRECT);
	struct frame answer =
		frame_make(ADDR_B, 8080, ADDR_A, 40000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(from_b(answer), TC_ACT_REDIRECT);
	assert_int_equal(from_a(called(TCP_ACK)), TC_ACT_REDIRECT);
	only_older();
	world_service(&w, other, going); /* moves the generation: decided again, to the same end */
	assert_int_equal(from_a(called(TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", called(0), &e));
	assert_int_equal(e.nat_daddr, frame_addr(ADDR_B));
	assert_int_equal(e.flags & (CONNTRACK_SEEN_REPLY | CONNTRACK_SEEN_NON_SYN),
			 CONNTRACK_SEEN_REPLY | CONNTRACK_SEEN_NON_SYN);
	expect_both("conntrack_v2", "conntrack_v1", called(0));
}

TEST(a_refusal_is_remembered_with_its_reason)
{
	struct frame f = frame_make(ADDR_B, 40000, ADDR_A, 80, IPPROTO_TCP, TCP_SYN);
	struct conntrack_entry e;

	assert_int_equal(from_b(f), TC_ACT_SHOT);
	expect_both("ct_new_v2", "ct_new_v1", f);
	only_older();
	world_mark(&w);
	assert_int_equal(from_b(f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_POLICY), 1);
	assert_true(new_entry("ct_new_v2", f, &e));
	assert_int_equal(e.verdict, REASON_POLICY);
}

TEST(an_audited_connection_stays_one)
{
	struct conntrack_entry e;

	world_reset(&w); /* allows nothing */
	world_set_pod(&w, POD_B,
		      ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_AUDIT_INGRESS);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	establish();
	only_older();
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", out(0), &e));
	assert_int_equal(e.audited, REASON_POLICY);
	assert_int_equal(e.verdict, CONNTRACK_PEER);
}

TEST(what_cannot_be_converted_is_decided_again_for_its_opener)
{
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;
	__u64 decided;

	establish();
	only_older();
	decided = decisions();
	assert_true(old_entry("conntrack_v1", back(0), &old));
	old.action = 9; /* of a release nobody knows */
	put_old("conntrack_v1", back(0), &old);
	assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_REDIRECT); /* A may call B, not B A */
	assert_int_equal(decisions(), decided + 1);
	assert_true(new_entry("conntrack_v2", back(0), &e));
	assert_int_equal(e.verdict, CONNTRACK_PEER);
	/* And not let through when policy says no now. */
	only_older();
	put_old("conntrack_v1", back(0), &old);
	world_rule(&w, POD_B, DIRECTION_INGRESS, IDENTITY_A, 0, 0, 0, 0);
	assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_SHOT);
}

TEST(a_moved_generation_is_noticed)
{
	establish();
	only_older();
	world_rule(&w, POD_B, DIRECTION_INGRESS, IDENTITY_A, 0, 0, 0, 0);
	assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_SHOT);
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_SHOT);
}

TEST(an_expired_or_closed_one_is_nobodys)
{
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;

	establish();
	only_older();
	for (int reply = 0; reply < 2; reply++) {
		struct frame f = reply ? back(0) : out(0);

		assert_true(old_entry("conntrack_v1", f, &old));
		old.expires = 1;
		put_old("conntrack_v1", f, &old);
	}
	assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_SHOT);
	assert_false(old_entry("conntrack_v1", out(0), &old));
	fresh_world(NULL);
	establish();
	assert_int_equal(from_a(out(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
	only_older();
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	assert_false(new_entry("conntrack_v2", out(0), &e));
	assert_true(new_entry("ct_new_v2", out(0), &e));
	assert_int_equal(e.flags & CONNTRACK_CLOSING, 0);
	assert_false(old_entry("conntrack_v1", out(0), &old));
}

/* While links are swapped one after the other, programs of both run. */
TEST(what_the_other_release_sees_counts)
{
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;

	/* The other promoted it; ours saw no answer. */
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	assert_true(old_entry("ct_new_v1", out(0), &old));
	old.flags |= CONNTRACK_SEEN_REPLY;
	forget("ct_new_v1");
	put_old("conntrack_v1", out(0), &old);
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", out(0), &e));
	expect_both("conntrack_v2", "conntrack_v1", out(0));
	/* It saw one side close; ours sees the other. */
	assert_true(old_entry("conntrack_v1", out(0), &old));
	old.flags |= CONNTRACK_REPLIER_CLOSED;
	put_old("conntrack_v1", out(0), &old);
	assert_int_equal(from_a(out(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", out(0), &e));
	assert_int_equal(e.flags & CONNTRACK_CLOSING, CONNTRACK_CLOSING);
	expect_both("conntrack_v2", "conntrack_v1", out(0));
	/* Of another connection with the same ports it does not. */
	fresh_world(NULL);
	establish();
	assert_true(old_entry("conntrack_v1", out(0), &old));
	old.flags |= CONNTRACK_CLOSING;
	old.created -= 1000;
	put_old("conntrack_v1", out(0), &old);
	assert_int_equal(from_a(out(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", out(0), &e));
	assert_int_equal(e.flags & CONNTRACK_CLOSING, CONNTRACK_OPENER_CLOSED);
}

/* Not seen here for so long that it would be over. */
static void let_expire(struct frame f)
{
	struct conntrack_key key = frame_tuple(&f);
	struct conntrack_entry e;

	assert_true(new_entry("conntrack_v2", f, &e));
	e.refresh -= FLOW_REPORT_SECONDS * w.skel->rodata->option_hz + 1;
	e.expires = 1;
	world_put_entry(&w, "conntrack_v2", &key, &e);
}

/* All of its packets went by programs of the other release, which have renewed it. */
TEST(what_is_live_for_the_other_release_is_not_over)
{
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;
	__u64 decided;

	for (int reply = 0; reply < 2; reply++) {
		fresh_world(NULL);
		establish();
		decided = decisions();
		let_expire(out(0));
		let_expire(back(0));
		if (reply) /* which policy would refuse */
			assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_REDIRECT);
		else
			assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
		assert_int_equal(decisions(), decided);
		expect_both("conntrack_v2", "conntrack_v1", out(0));
		expect_both("conntrack_v2", "conntrack_v1", back(0));
		assert_true(new_entry("conntrack_v2", back(0), &e));
		assert_true(e.expires > 1);
	}
	/* One with the same ports that was another one renews nothing. */
	let_expire(out(0));
	let_expire(back(0));
	assert_true(old_entry("conntrack_v1", back(0), &old));
	old.created -= 1000;
	put_old("conntrack_v1", back(0), &old);
	assert_int_equal(from_b(back(TCP_ACK)), TC_ACT_SHOT);
}

/* A later one with the same ports, met by a hook that still has the other release. */
static void made_there(struct frame f, __u16 flags)
{
	struct conntrack_entry_v1 old;

	assert_true(old_entry("conntrack_v1", f, &old));
	old.flags = (__u16)((old.flags & ~CONNTRACK_CLOSING) | flags);
	old.created += 1000;
	put_old("conntrack_v1", f, &old);
}

TEST(what_the_other_release_made_later_takes_the_place_of_ours)
{
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;
	__u32 created;

	for (int closed = 0; closed < 2; closed++) {
		fresh_world(NULL);
		establish();
		if (closed) {
			assert_int_equal(from_a(out(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
			assert_int_equal(from_b(back(TCP_FIN | TCP_ACK)), TC_ACT_REDIRECT);
		} else {
			let_expire(out(0));
			let_expire(back(0));
		}
		assert_true(new_entry("conntrack_v2", out(0), &e));
		created = e.created;
		made_there(out(0), 0);
		made_there(back(0), 0);
		/* Which policy would refuse if it were B that opens it. */
		assert_int_equal(from_b(back(TCP_SYN | TCP_ACK)), TC_ACT_REDIRECT);
		for (int reply = 0; reply < 2; reply++) {
			struct frame f = reply ? back(0) : out(0);

			assert_true(new_entry("conntrack_v2", f, &e));
			assert_int_equal(e.created, created + 1000);
			assert_int_equal(e.flags & CONNTRACK_CLOSING, 0);
			assert_true(old_entry("conntrack_v1", f, &old));
			assert_int_equal((__u32)old.created, created + 1000);
			assert_int_equal(old.flags & CONNTRACK_CLOSING, 0);
		}
		assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	}
}

TEST(what_is_forgotten_is_in_neither_of_the_older_maps)
{
	struct frame f = out(0);
	struct conntrack_key key = frame_tuple(&f);
	struct conntrack_entry_v1 old;
	struct conntrack_entry e;

	/* The other release had it answered, ours had not; then it expires for both. */
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	assert_true(old_entry("ct_new_v1", f, &old));
	old.expires = 1;
	put_old("conntrack_v1", f, &old);
	assert_true(new_entry("ct_new_v2", f, &e));
	e.expires = 1;
	world_put_entry(&w, "ct_new_v2", &key, &e);
	assert_int_equal(from_a(out(TCP_SYN)), TC_ACT_REDIRECT);
	assert_false(old_entry("conntrack_v1", f, &old));
	expect_both("ct_new_v2", "ct_new_v1", f);
}

TEST(connections_with_another_node_go_on)
{
	struct frame in = frame_make(ADDR_REMOTE, 5000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN), f;
	struct frame to = frame_make(ADDR_A, 5000, ADDR_REMOTE, 80, IPPROTO_TCP, TCP_SYN);
	struct conntrack_entry e;

	/* Called by a remote pod: arrives, is answered, and both go on. */
	f = in;
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &f), TC_ACT_REDIRECT);
	only_older();
	f = frame_make(ADDR_B, 80, ADDR_REMOTE, 5000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_B, &f), TC_ACT_REDIRECT);
	f = frame_make(ADDR_B, 80, ADDR_REMOTE, 5000, IPPROTO_TCP, 0);
	assert_true(new_entry("ct_new_v2", f, &e));
	assert_int_equal(e.verdict, CONNTRACK_OVERLAY);
	assert_int_equal(e.tunnel, frame_addr(ADDR_OTHER));
	/* From another node than it came from before: looked at again, and refused. */
	f = frame_make(ADDR_REMOTE, 5000, ADDR_B, 80, IPPROTO_TCP, TCP_ACK);
	assert_int_equal(world_arrives_from(&w, "172.30.0.9", IDENTITY_REMOTE, &f), TC_ACT_SHOT);
	/* Calling one. */
	f = to;
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	only_older();
	f = frame_make(ADDR_REMOTE, 80, ADDR_A, 5000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &f), TC_ACT_REDIRECT);
	f = frame_make(ADDR_A, 5000, ADDR_REMOTE, 80, IPPROTO_TCP, TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_both("conntrack_v2", "conntrack_v1", to);
}

TEST(icmp_errors_know_older_connections)
{
	struct frame syn = out(TCP_SYN), f;

	establish();
	only_older();
	frame_build_error(frame_addr(ADDR_B), frame_addr(ADDR_A), 3, 3, &syn, &f);
	assert_int_equal(from_b(f), TC_ACT_REDIRECT);
	/* Nor are they strangers' when only the other release has renewed it for long. */
	establish();
	let_expire(out(0));
	let_expire(back(0));
	assert_int_equal(from_b(f), TC_ACT_REDIRECT);
	/* Over for both. */
	let_expire(out(0));
	let_expire(back(0));
	for (int reply = 0; reply < 2; reply++) {
		struct conntrack_entry_v1 old;

		assert_true(old_entry("conntrack_v1", reply ? back(0) : out(0), &old));
		old.expires = 1;
		put_old("conntrack_v1", reply ? back(0) : out(0), &old);
	}
	assert_int_equal(from_b(f), TC_ACT_SHOT);
}

TEST(ours_are_not_overwritten_by_older_ones)
{
	struct conntrack_entry e;
	struct conntrack_entry_v1 old;

	establish();
	assert_true(old_entry("conntrack_v1", out(0), &old));
	old.action = CONNTRACK_V1_DROP;
	old.reason = REASON_POLICY;
	put_old("conntrack_v1", out(0), &old);
	assert_int_equal(from_a(out(TCP_ACK)), TC_ACT_REDIRECT);
	assert_true(new_entry("conntrack_v2", out(0), &e));
	assert_int_equal(e.verdict, CONNTRACK_PEER);
}

/* The same packets where nobody looks at the older maps. */
TEST(without_the_converter_replies_are_strangers)
{
	struct frame f = back(TCP_ACK);

	establish();
	assert_int_equal(world_from_pod(&alone, POD_B, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&alone, REASON_POLICY), 1);
	assert_int_equal(world_fd(&alone, "conntrack_v1"), -1); /* nor pays for them */
}

int main(void)
{
	const struct world_options older = {.older = true};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_step_of_a_connection_is_in_both, fresh_world),
		cmocka_unit_test_setup(an_older_connection_goes_on_from_either_side, fresh_world),
		cmocka_unit_test_setup(a_copy_that_came_half_way_is_no_reason_to_decide,
				       fresh_world),
		cmocka_unit_test_setup(an_unanswered_one_stays_among_the_unanswered, fresh_world),
		cmocka_unit_test_setup(a_service_keeps_its_backend, fresh_world),
		cmocka_unit_test_setup(a_refusal_is_remembered_with_its_reason, fresh_world),
		cmocka_unit_test_setup(an_audited_connection_stays_one, fresh_world),
		cmocka_unit_test_setup(what_cannot_be_converted_is_decided_again_for_its_opener,
				       fresh_world),
		cmocka_unit_test_setup(a_moved_generation_is_noticed, fresh_world),
		cmocka_unit_test_setup(an_expired_or_closed_one_is_nobodys, fresh_world),
		cmocka_unit_test_setup(what_the_other_release_sees_counts, fresh_world),
		cmocka_unit_test_setup(what_is_live_for_the_other_release_is_not_over, fresh_world),
		cmocka_unit_test_setup(what_the_other_release_made_later_takes_the_place_of_ours,
				       fresh_world),
		cmocka_unit_test_setup(what_is_forgotten_is_in_neither_of_the_older_maps,
				       fresh_world),
		cmocka_unit_test_setup(connections_with_another_node_go_on, fresh_world),
		cmocka_unit_test_setup(icmp_errors_know_older_connections, fresh_world),
		cmocka_unit_test_setup(ours_are_not_overwritten_by_older_ones, fresh_world),
		cmocka_unit_test_setup(without_the_converter_replies_are_strangers, fresh_world),
	};
	int failed;

	world_namespace();
	world_open(&alone, NULL);
	world_open(&w, &older);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&w);
	world_close(&alone);
	return failed;
}
