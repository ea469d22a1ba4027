/* SPDX-License-Identifier: Apache-2.0 */
/* Services per packet, the overlay, refusals that are answered; checksums of what comes out. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "datapath/bpf/flow.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

static struct world w;
static const char *const only_b[] = {ADDR_B, NULL}, *const only_c[] = {ADDR_C, NULL},
			 *const only_a[] = {ADDR_A, NULL},
			 *const only_remote[] = {ADDR_REMOTE, NULL}, *const nobody[] = {NULL};

static int fresh_world(UNUSED void **state)
{
	world_reset(&w);
	world_allow_all(&w);
	return 0;
}

static struct frame call(__u8 proto, __u8 flags)
{
	return frame_make(ADDR_A, 40000, ADDR_VIP, 80, proto, flags);
}

static void expect_tuple(const struct frame *f, const char *src, __u16 sport, const char *dst,
			 __u16 dport)
{
	struct conntrack_key t = frame_tuple(f);

	assert_int_equal(t.saddr, frame_addr(src));
	assert_int_equal(t.daddr, frame_addr(dst));
	assert_int_equal(ntohs(t.sport), sport);
	assert_int_equal(ntohs(t.dport), dport);
	assert_true(frame_sums_ok(f));
}

/* Opening, answer and data of one connection through the service, checked at every step. */
static void talk(__u8 proto, enum pod backend, const char *addr)
{
	struct frame f = call(proto, TCP_SYN);

	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40000, addr, 8080);
	f = frame_make(addr, 8080, ADDR_A, 40000, proto, TCP_SYN | TCP_ACK);
	assert_int_equal(world_from_pod(&w, backend, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_VIP, 80, ADDR_A, 40000);
	for (int i = 0; i < 3; i++) {
		f = call(proto, TCP_ACK);
		assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
		expect_tuple(&f, ADDR_A, 40000, addr, 8080);
		f = frame_make(addr, 8080, ADDR_A, 40000, proto, TCP_ACK);
		assert_int_equal(world_from_pod(&w, backend, &f), TC_ACT_REDIRECT);
		expect_tuple(&f, ADDR_VIP, 80, ADDR_A, 40000);
	}
}

TEST(tcp_and_udp_are_translated_there_and_back)
{
	world_service(&w, only_b, NULL);
	talk(IPPROTO_TCP, POD_B, ADDR_B);
	talk(IPPROTO_UDP, POD_B, ADDR_B);
}

TEST(udp_without_checksum_stays_without)
{
	struct frame_spec s = {.saddr = frame_addr(ADDR_A),
			       .daddr = frame_addr(ADDR_VIP),
			       .sport = 40000,
			       .dport = 80,
			       .proto = IPPROTO_UDP,
			       .no_check = true};
	struct frame f;

	world_service(&w, only_b, NULL);
	frame_build(&s, &f);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_int_equal(f.bytes[ETHERNET_SIZE + 26] | f.bytes[ETHERNET_SIZE + 27], 0);
}

TEST(a_pod_reaches_itself_without_policy)
{
	struct frame f = call(IPPROTO_TCP, TCP_SYN);

	world_reset(&w); /* nothing is allowed */
	world_service(&w, only_a, NULL);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_LOOP, 40000, ADDR_A, 8080);
	f = frame_make(ADDR_A, 8080, ADDR_LOOP, 40000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_VIP, 80, ADDR_A, 40000);
}

TEST(no_backend_refuses)
{
	struct frame f = call(IPPROTO_TCP, TCP_SYN);

	world_service(&w, nobody, NULL);
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_NO_SERVICE), 1);
}

TEST(a_terminating_backend_keeps_what_it_has_and_gets_nothing_new)
{
	struct frame f;

	world_service(&w, only_b, NULL);
	talk(IPPROTO_TCP, POD_B, ADDR_B);
	world_service(&w, only_c, only_b);
	f = call(IPPROTO_TCP, TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40000, ADDR_B, 8080);
	f = frame_make(ADDR_A, 40001, ADDR_VIP, 80, IPPROTO_TCP, TCP_SYN);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40001, ADDR_C, 8080);
	/* Also when nobody else is left. */
	world_service(&w, nobody, only_b);
	f = call(IPPROTO_TCP, TCP_ACK);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40000, ADDR_B, 8080);
}

TEST(a_backend_that_is_gone_is_left)
{
	struct frame f;

	world_service(&w, only_b, NULL);
	talk(IPPROTO_UDP, POD_B, ADDR_B);
	world_service(&w, only_c, NULL);
	f = call(IPPROTO_UDP, 0);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40000, ADDR_C, 8080);
}

TEST(icmp_errors_from_a_backend_speak_of_the_frontend)
{
	struct frame f = call(IPPROTO_UDP, 0), error;
	struct packet p = {.tuple = {0}};

	world_service(&w, only_b, NULL);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	frame_build_error(frame_addr(ADDR_B), frame_addr(ADDR_A), ICMP_DEST_UNREACH, 3, &f, &error);
	assert_int_equal(world_from_pod(&w, POD_B, &error), TC_ACT_REDIRECT);
	assert_int_equal(packet_parse(error.bytes, error.bytes + error.len, &p), 0);
	assert_int_equal(p.tuple.saddr, frame_addr(ADDR_VIP));
	assert_int_equal(p.inner.daddr, frame_addr(ADDR_VIP));
	assert_int_equal(ntohs(p.inner.dport), 80);
	assert_true(frame_sums_ok(&error));
}

TEST(a_remote_backend_is_reached_through_the_tunnel_and_answers)
{
	struct frame f = call(IPPROTO_TCP, TCP_SYN);
	struct conntrack_key key = frame_tuple(&f);
	struct conntrack_entry e;

	world_service(&w, only_remote, NULL);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_A, 40000, ADDR_REMOTE, 8080);
	assert_true(world_entry(&w, "ct_new_v2", &key, &e));
	assert_int_equal(e.verdict, CONNTRACK_OVERLAY);
	assert_int_equal(e.tunnel, frame_addr(ADDR_OTHER));
	f = frame_make(ADDR_REMOTE, 8080, ADDR_A, 40000, IPPROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_VIP, 80, ADDR_A, 40000);
}

TEST(what_arrives_is_judged_by_the_identity_it_carries)
{
	struct frame f = frame_make(ADDR_REMOTE, 5000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN), g = f,
		     h = f;
	struct frame ack = frame_make(ADDR_REMOTE, 5000, ADDR_B, 80, IPPROTO_TCP, TCP_ACK);

	world_reset(&w);
	world_allow(&w, POD_B, DIRECTION_INGRESS, IDENTITY_REMOTE, IPPROTO_TCP, 80);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE + 1, &f), TC_ACT_SHOT);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &g), TC_ACT_REDIRECT);
	world_mark(&w);
	assert_int_equal(world_arrives(&w, IDENTITY_HOST, &h), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_INVALID_IDENTITY), 1);
	/* The same five-tuple from somebody else is not the connection that was allowed. */
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE + 1, &ack), TC_ACT_SHOT);
}

TEST(what_arrives_for_nobody_is_dropped)
{
	struct frame f = frame_make(ADDR_REMOTE, 5000, "10.0.0.99", 80, IPPROTO_TCP, TCP_SYN);
	struct frame node = frame_make(ADDR_REMOTE, 5000, ADDR_NODE, 80, IPPROTO_TCP, TCP_SYN);

	world_mark(&w);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_UNROUTABLE), 1);
	assert_int_equal(world_arrives(&w, IDENTITY_REMOTE, &node), TC_ACT_OK);
}

TEST(pods_may_not_encapsulate)
{
	struct frame f = frame_make(ADDR_A, 1, ADDR_OTHER, 8472, IPPROTO_UDP, 0);

	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_SHOT);
	assert_int_equal(world_counted(&w, REASON_ENCAP_PROHIBITED), 1);
}

static void refuse_visibly(void)
{
	world_reset(&w);
	world_set_pod(&w, POD_A, ENDPOINT_READY);
	world_set_pod(&w, POD_B, ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_REFUSE);
}

TEST(a_refused_tcp_connection_is_reset)
{
	struct frame f = frame_make(ADDR_A, 40000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN), rst;
	struct event e;

	refuse_visibly();
	world_mark(&w);
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	expect_tuple(&f, ADDR_B, 80, ADDR_A, 40000);
	assert_int_equal(frame_tcp_flags(&f), TCP_RST | TCP_ACK);
	assert_int_equal(world_counted(&w, REASON_POLICY), 1); /* still a drop */
	assert_int_equal(world_events(&w, &e), 1);
	assert_true(e.flags & EVENT_REFUSED);
	rst = frame_make(ADDR_A, 40000, ADDR_B, 80, IPPROTO_TCP, TCP_RST);
	assert_int_equal(world_from_pod(&w, POD_A, &rst), TC_ACT_SHOT); /* never answer a RST */
}

TEST(a_reset_of_a_partial_checksum_is_partial)
{
	struct frame_spec s = {.saddr = frame_addr(ADDR_A),
			       .daddr = frame_addr(ADDR_B),
			       .sport = 40000,
			       .dport = 80,
			       .proto = IPPROTO_TCP,
			       .tcp_flags = TCP_SYN,
			       .partial = true};
	struct world old;
	struct world_options o = {.no_kern_ctx = true};
	struct frame f;

	/* A test run's packets say nothing of their state, so this is the way of old kernels. */
	world_open(&old, &o);
	world_set_pod(&old, POD_A, ENDPOINT_READY);
	world_set_pod(&old, POD_B, ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_REFUSE);
	frame_build(&s, &f);
	assert_int_equal(world_from_pod(&old, POD_A, &f), TC_ACT_REDIRECT);
	__u16 check = (__u16)(f.bytes[ETHERNET_SIZE + 36] | f.bytes[ETHERNET_SIZE + 37] << 8);
	assert_int_equal(check,
			 csum_pseudo(frame_addr(ADDR_B), frame_addr(ADDR_A), IPPROTO_TCP, 20));
	world_close(&old);
}

TEST(a_refused_datagram_is_answered_by_icmp)
{
	struct frame f = frame_make(ADDR_A, 40000, ADDR_B, 53, IPPROTO_UDP, 0);
	struct packet p = {.tuple = {0}};

	refuse_visibly();
	assert_int_equal(world_from_pod(&w, POD_A, &f), TC_ACT_REDIRECT);
	assert_int_equal(packet_parse(f.bytes, f.bytes + f.len, &p), 0);
	assert_int_equal(p.icmp_type, ICMP_DEST_UNREACH);
	assert_int_equal(p.icmp_code, 3);
	assert_int_equal(p.inner.saddr, frame_addr(ADDR_A));
	assert_int_equal(ntohs(p.inner.dport), 53);
	assert_true(frame_sums_ok(&f));
}

TEST(helpers_and_hands_agree)
{
	struct world_options o = {.no_kern_ctx = true};
	struct world other;
	struct frame f, g;

	world_open(&other, &o);
	world_allow_all(&other);
	world_service(&other, only_b, NULL);
	world_service(&w, only_b, NULL);
	for (int i = 0; i < 4; i++) {
		static const __u8 flags[] = {TCP_SYN, 0x50, TCP_ACK, TCP_ACK};

		f = i == 1 ? frame_make(ADDR_B, 8080, ADDR_A, 40000, IPPROTO_TCP, TCP_SYN | TCP_ACK)
			   : call(IPPROTO_TCP, flags[i]);
		g = f;
		assert_int_equal(world_from_pod(&w, i == 1 ? POD_B : POD_A, &f),
				 world_from_pod(&other, i == 1 ? POD_B : POD_A, &g));
		assert_int_equal(f.len, g.len);
		assert_memory_equal(f.bytes, g.bytes, f.len);
	}
	world_close(&other);
}

/* The verifier is a test: every combination of load-time options. */
TEST(every_combination_of_options_loads)
{
	for (unsigned n = 0; n < 34; n++) {
		unsigned bits =
			n == 33 ? 63 : n; /* the last one: with everything and with nothing */
		struct world_options o = {
			.no_kern_ctx = bits & 1,
			.no_services = bits & 2,
			.no_events = bits & 4,
			.no_trace = bits & 8,
			.no_traffic = bits & 16,
			.older = bits & 32,
		};
		struct frame f = frame_make(ADDR_A, 40000, ADDR_B, 80, IPPROTO_TCP, TCP_SYN);
		struct world one;

		world_open(&one, &o);
		world_allow_all(&one);
		assert_int_equal(world_from_pod(&one, POD_A, &f), TC_ACT_REDIRECT);
		world_close(&one);
	}
}

#define ROW(name) cmocka_unit_test_setup(name, fresh_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(tcp_and_udp_are_translated_there_and_back),
		ROW(udp_without_checksum_stays_without),
		ROW(a_pod_reaches_itself_without_policy),
		ROW(no_backend_refuses),
		ROW(a_terminating_backend_keeps_what_it_has_and_gets_nothing_new),
		ROW(a_backend_that_is_gone_is_left),
		ROW(icmp_errors_from_a_backend_speak_of_the_frontend),
		ROW(a_remote_backend_is_reached_through_the_tunnel_and_answers),
		ROW(what_arrives_is_judged_by_the_identity_it_carries),
		ROW(what_arrives_for_nobody_is_dropped),
		ROW(pods_may_not_encapsulate),
		ROW(a_refused_tcp_connection_is_reset),
		ROW(a_reset_of_a_partial_checksum_is_partial),
		ROW(a_refused_datagram_is_answered_by_icmp),
		ROW(helpers_and_hands_agree),
		ROW(every_combination_of_options_loads),
	};
	int failed;

	world_namespace();
	world_open(&w, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&w);
	return failed;
}
