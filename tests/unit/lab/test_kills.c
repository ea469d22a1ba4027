/* SPDX-License-Identifier: Apache-2.0 */
/* What a kill is blamed for, and what it is not. Times are seconds; kills and incidents are made.
 */
#include "deploy/lab/kills.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "tests/support/test.h"

#define S(n) ((int64_t)((n)*1e9))

/* The sidecar of web-1 from 100 s to 102 s, and the workload of db-1 from 200 s to 212 s, which was
 * out of the endpoints at 201 s. */
static struct kill_log two_kills(void)
{
	struct kill_log log = {0};

	vec_push(&log.kills, ((struct kill_record){.what = KILL_SIDECAR,
						   .namespace = "n",
						   .pod = "web-1",
						   .address = "10.0.0.1",
						   .killed_ns = S(100),
						   .noticed_ns = S(100),
						   .ready_ns = S(102)}));
	vec_push(&log.kills, ((struct kill_record){.what = KILL_WORKLOAD,
						   .namespace = "n",
						   .pod = "db-1",
						   .address = "10.0.0.2",
						   .killed_ns = S(200),
						   .noticed_ns = S(200),
						   .out_ns = S(201),
						   .ready_ns = S(212)}));
	vec_push(&log.outages, ((struct kill_outage){.namespace = "n",
						     .service = "db",
						     .kill = 1,
						     .from_ns = S(200),
						     .until_ns = S(205)}));
	return log;
}

static int blamed(struct kill_incident i)
{
	struct kill_log log = two_kills();
	struct kill_record *k = kills_blame(&log, &i);
	int n = k ? (int)(k - log.kills.items) : -1;

	kill_log_release(&log);
	return n;
}

#define INCIDENT(...) ((struct kill_incident){.namespace = "n", __VA_ARGS__})
#define FROM_WEB(...) INCIDENT(.pod = "web-1", __VA_ARGS__)
#define FROM_ANY(...) INCIDENT(.pod = "any-1", __VA_ARGS__)

TEST(a_sidecar_takes_what_its_own_pod_asked_for)
{
	assert_int_equal(blamed(FROM_WEB(.began_ns = S(101), .ended_ns = S(101.1))), 0);
	/* Begun before and cut by it; begun within and ended after. */
	assert_int_equal(blamed(FROM_WEB(.began_ns = S(99.9), .ended_ns = S(100.01))), 0);
	assert_int_equal(blamed(FROM_WEB(.began_ns = S(101.9), .ended_ns = S(106))), 0);
	/* Before it, after it, of another pod, of a pod of that name elsewhere. */
	assert_int_equal(blamed(FROM_WEB(.began_ns = S(99), .ended_ns = S(99.9))), -1);
	assert_int_equal(blamed(FROM_WEB(.began_ns = S(102.1), .ended_ns = S(103))), -1);
	assert_int_equal(blamed(FROM_ANY(.began_ns = S(101), .ended_ns = S(101.1))), -1);
	assert_int_equal(blamed((struct kill_incident){.namespace = "other",
						       .pod = "web-1",
						       .began_ns = S(101),
						       .ended_ns = S(101)}),
			 -1);
}

TEST(what_was_sent_to_the_pod_is_taken_while_it_is_sent_there)
{
	assert_int_equal(blamed(FROM_ANY(.server = "db-1", .began_ns = S(199), .ended_ns = S(200))),
			 1);
	assert_int_equal(blamed(FROM_ANY(.server_address = "10.0.0.2", .began_ns = S(200.5),
					 .ended_ns = S(200.6))),
			 1);
	assert_int_equal(blamed(FROM_ANY(.server_address = "10.0.0.1", .began_ns = S(101),
					 .ended_ns = S(101))),
			 0);
	/* It is out of the endpoints, and everybody had the time to know. */
	assert_int_equal(blamed(FROM_ANY(.server_address = "10.0.0.2", .began_ns = S(203.5),
					 .ended_ns = S(203.6))),
			 -1);
	assert_int_equal(blamed(FROM_ANY(.server = "db-1", .began_ns = S(213), .ended_ns = S(214))),
			 -1);
}

TEST(a_live_replica_and_the_unknown_are_no_excuse)
{
	assert_int_equal(
		blamed(FROM_ANY(.server = "db-2", .began_ns = S(200.5), .ended_ns = S(200.6))), -1);
	assert_int_equal(blamed(FROM_ANY(.server_address = "10.0.0.3", .began_ns = S(200.5),
					 .ended_ns = S(200.6))),
			 -1);
	assert_int_equal(blamed(FROM_ANY(.began_ns = S(200.5), .ended_ns = S(200.6))), -1);
	/* Who answered counts for more than where the packets went. */
	assert_int_equal(blamed(FROM_ANY(.server = "db-2", .server_address = "10.0.0.2",
					 .began_ns = S(200.5), .ended_ns = S(200.6))),
			 -1);
}

TEST(only_a_killed_client_leaves_requests_unfinished)
{
	assert_int_equal(blamed(INCIDENT(.pod = "db-1", .unfinished = true, .began_ns = S(199.9),
					 .ended_ns = S(199.9))),
			 1);
	/* Its process ended in a way nobody knows of; a sidecar's end ends no client. */
	assert_int_equal(blamed(INCIDENT(.pod = "db-1", .unfinished = true, .began_ns = S(205),
					 .ended_ns = S(205))),
			 -1);
	assert_int_equal(
		blamed(FROM_WEB(.unfinished = true, .began_ns = S(100), .ended_ns = S(100))), -1);
	/* Started again it asks through whole things. */
	assert_int_equal(blamed(INCIDENT(.pod = "db-1", .server_address = "10.0.0.9",
					 .began_ns = S(201), .ended_ns = S(201.5))),
			 -1);
}

TEST(a_service_without_endpoints_is_the_last_kills)
{
	assert_int_equal(blamed(FROM_ANY(.service_namespace = "n", .service = "db", .nowhere = true,
					 .began_ns = S(204), .ended_ns = S(204.1))),
			 1);
	/* It was sent somewhere; another Service; later. */
	assert_int_equal(blamed(FROM_ANY(.service_namespace = "n", .service = "db",
					 .began_ns = S(204), .ended_ns = S(204.1))),
			 -1);
	assert_int_equal(blamed(FROM_ANY(.service_namespace = "m", .service = "db", .nowhere = true,
					 .began_ns = S(204), .ended_ns = S(204.1))),
			 -1);
	assert_int_equal(blamed(FROM_ANY(.service_namespace = "n", .service = "db", .nowhere = true,
					 .began_ns = S(208), .ended_ns = S(208.1))),
			 -1);
}

/* Noticed in the second that began at 300 s: clients may have seen it just before or just after. */
TEST(a_kill_by_somebody_else_was_within_a_second)
{
	struct kill_log log = {0};
	struct kill_incident cut =
		FROM_ANY(.server = "db-2", .began_ns = S(299.8), .ended_ns = S(299.9));
	struct kill_incident own = INCIDENT(.pod = "db-2", .unfinished = true, .began_ns = S(300.7),
					    .ended_ns = S(300.7));
	struct kill_incident early =
		FROM_ANY(.server = "db-2", .began_ns = S(298), .ended_ns = S(298.5));

	vec_push(&log.kills, ((struct kill_record){.what = KILL_WORKLOAD,
						   .foreign = true,
						   .namespace = "n",
						   .pod = "db-2",
						   .killed_ns = S(300) - KILLS_NOTICE_NS,
						   .noticed_ns = S(301),
						   .ready_ns = S(302)}));
	assert_non_null(kills_blame(&log, &cut));
	assert_non_null(kills_blame(&log, &own));
	assert_null(kills_blame(&log, &early));
	kill_log_release(&log);
}

TEST(a_kill_that_is_not_over_goes_on)
{
	struct kill_log log = two_kills();
	struct kill_incident late = FROM_WEB(.began_ns = S(900), .ended_ns = S(901));

	log.kills.items[0].ready_ns = 0;
	assert_ptr_equal(kills_blame(&log, &late), &log.kills.items[0]);
	log.kills.items[0].gone_ns = S(110);
	assert_null(kills_blame(&log, &late));
	kill_log_release(&log);
}

static const char access_log[] =
	"{\"start_time\":\"1970-01-01T00:03:10.000Z\",\"duration\":20,\"upstream_host\":\"10.0.0.3:"
	"80\","
	"\"response_flags\":\"-\",\"downstream_remote_address\":\"10.0.0.5:4000\"}\n"
	"{\"start_time\":\"1970-01-01T00:03:20.500Z\",\"duration\":\"7\",\"upstream_host\":\"10.0."
	"0.2:80\","
	"\"response_flags\":\"UF\",\"downstream_remote_address\":\"10.0.0.5:4000\"}\n"
	"not json :4000\"\n"
	"{\"start_time\":\"1970-01-01T00:03:20.600Z\",\"duration\":1,\"upstream_host\":null,"
	"\"response_flags\":\"UH\",\"downstream_remote_address\":\"10.0.0.5:4001\"}\n";

TEST(the_sidecars_log_says_where_it_sent_a_request)
{
	struct arena a = ARENA_INIT;
	struct kill_route r;

	assert_true(
		kills_route(&a, access_log, strlen(access_log), 4000, S(200.4999), S(200.51), &r));
	assert_string_equal(r.address, "10.0.0.2");
	assert_string_equal(r.flags, "UF");
	/* An earlier one on the same connection; nowhere; another time; another port. */
	assert_true(kills_route(&a, access_log, strlen(access_log), 4000, S(190), S(190.1), &r));
	assert_string_equal(r.address, "10.0.0.3");
	assert_true(kills_route(&a, access_log, strlen(access_log), 4001, S(200.6), S(200.7), &r));
	assert_null(r.address);
	assert_false(kills_route(&a, access_log, strlen(access_log), 4000, S(195), S(196), &r));
	assert_false(kills_route(&a, access_log, strlen(access_log), 400, S(200), S(201), &r));
	arena_release(&a);
}

static const char incidents[] =
	"[{\"at\":\"1970-01-01T00:03:20.51Z\",\"began\":\"1970-01-01T00:03:20.5Z\",\"kind\":"
	"\"503\","
	"\"client\":\"n/any\",\"pod\":\"any-1\",\"port\":4000,\"peer\":\"10.96.0.7\"},"
	"{\"at\":\"1970-01-01T00:03:20.61Z\",\"began\":\"1970-01-01T00:03:20.6Z\",\"kind\":\"503\","
	"\"client\":\"n/any\",\"pod\":\"any-1\",\"port\":4001,\"peer\":\"10.96.0.7\"},"
	"{\"at\":\"1970-01-01T00:03:20.2Z\",\"began\":\"1970-01-01T00:03:20.2Z\",\"kind\":\"lost\","
	"\"client\":\"n/any\",\"pod\":\"any-1\",\"port\":4002,\"server\":\"db-1\"},"
	"{\"at\":\"1970-01-01T00:03:20.2Z\",\"began\":\"1970-01-01T00:03:20.2Z\","
	"\"kind\":\"got through\",\"client\":\"n/any\",\"pod\":\"any-1\",\"server\":\"db-1\"}]";

TEST(a_list_is_accounted_with_the_logs_of_a_folder)
{
	struct arena a = ARENA_INIT;
	struct kill_log log = two_kills();
	char dir[] = "/dev/shm/sidestep-kills-XXXXXX";
	auto_free char *path = NULL;
	struct doc *list;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/n_any-1.proxy", dir);
	assert_int_equal(io_write_file_atomic(path, access_log, strlen(access_log), 0644, NULL), 0);
	assert_int_equal(doc_read_json(&a, incidents, strlen(incidents), "t", &list, NULL), 0);
	kills_account(&log, &a, list, dir, S(150));
	assert_int_equal(log.kills.items[0].requests + log.kills.items[0].connections, 0);
	assert_int_equal(log.kills.items[1].requests, 1);
	assert_int_equal(log.kills.items[1].connections, 1);
	assert_int_equal(doc_find_int(list, "[0].kill", -1), 1);
	assert_int_equal(doc_find_int(list, "[1].kill", -1), -1); /* its sidecar sent it nowhere */
	assert_int_equal(doc_find_int(list, "[2].kill", -1), 1);
	assert_int_equal(doc_find_int(list, "[3].kill", -1), -1);
	kill_log_release(&log);
	assert_int_equal(io_remove_tree(dir, NULL), 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sidecar_takes_what_its_own_pod_asked_for),
		cmocka_unit_test(what_was_sent_to_the_pod_is_taken_while_it_is_sent_there),
		cmocka_unit_test(a_live_replica_and_the_unknown_are_no_excuse),
		cmocka_unit_test(only_a_killed_client_leaves_requests_unfinished),
		cmocka_unit_test(a_service_without_endpoints_is_the_last_kills),
		cmocka_unit_test(a_kill_by_somebody_else_was_within_a_second),
		cmocka_unit_test(a_kill_that_is_not_over_goes_on),
		cmocka_unit_test(the_sidecars_log_says_where_it_sent_a_request),
		cmocka_unit_test(a_list_is_accounted_with_the_logs_of_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
