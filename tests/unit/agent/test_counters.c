/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that fit into a SidestepNode: who calls every port does not crowd out the others. And
 * how long they are one row of numbers. */
#include "tests/support/test.h"

#include <arpa/inet.h>

#include "agent/agent.h"
#include "agent/counters.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

enum { MAX = 100, PORTS = 5000 };

static struct sidestep_counter rows[PORTS + MAX];
static size_t n_rows;

static void add(int64_t source, int64_t port, const char *verdict, int64_t count)
{
	rows[n_rows++] = (struct sidestep_counter){.source = source,
						   .destination = 9,
						   .port = port,
						   .protocol = "TCP",
						   .verdict = verdict,
						   .count = count};
}

/* -1: no such row. */
static int64_t told(size_t n, int64_t source, int64_t port, const char *verdict)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].source == source && rows[i].port == port &&
		    str_eq(rows[i].verdict, verdict))
			return rows[i].count;
	return -1;
}

TEST(both_ends_of_a_call_are_one_row_and_what_fits_stays)
{
	n_rows = 0;
	add(2, 8080, "dropped", 1);
	add(1, 8080, "forwarded", 5);
	add(2, 8080, "dropped", 2);
	for (int64_t port = 1; port <= 90; port++)
		add(7, port, "dropped", 1);
	assert_int_equal(counters_fit(rows, n_rows, MAX), 92);
	assert_int_equal(told(92, 2, 8080, "dropped"), 3);
	assert_int_equal(told(92, 1, 8080, "forwarded"), 5);
	assert_int_equal(told(92, 7, 90, "dropped"), 1);
	assert_int_equal(counters_fit(rows, 0, MAX), 0);
}

TEST(every_port_of_a_scan_is_one_row)
{
	static const char *const verdicts[] = {"dropped", "audit", "forwarded"};

	for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++) {
		size_t n;

		n_rows = 0;
		for (int64_t port = 1; port <= PORTS; port++)
			add(7, port, verdicts[v], 2);
		add(1, 8080, verdicts[v], 5);
		add(1, 8443, "forwarded", 6);
		n = counters_fit(rows, n_rows, MAX);
		assert_int_equal(n, 3);
		assert_int_equal(told(n, 7, COUNTER_PORT_MANY, verdicts[v]), 2 * PORTS);
		assert_int_equal(told(n, 1, 8080, verdicts[v]), 5);
		assert_int_equal(told(n, 1, 8443, "forwarded"), 6);
	}
}

/* What was refused is told as sums first, and few ports only when many do not suffice. */
TEST(no_more_is_summed_than_must_be)
{
	size_t n;

	n_rows = 0;
	for (int64_t port = 1; port <= 60; port++)
		add(1, port, "forwarded", 1);
	for (int64_t source = 2; source < 12; source++)
		for (int64_t port = 1; port <= 3 + 17 * (source == 2); port++)
			add(source, port, "dropped", 1);
	for (int64_t port = 1; port <= 20; port++)
		add(20, port, "audit", 1);
	n = counters_fit(rows, n_rows, MAX);
	assert_int_equal(n, 60 + 1 + 9 * 3 + 1);
	assert_int_equal(told(n, 2, COUNTER_PORT_MANY, "dropped"), 20);
	assert_int_equal(told(n, 3, 3, "dropped"), 1);
	assert_int_equal(told(n, 1, 60, "forwarded"), 1);
}

TEST(too_many_pairs_are_as_many_as_fit)
{
	n_rows = 0;
	for (int64_t source = 1; source <= PORTS; source++)
		add(source, 80, "dropped", 1);
	assert_int_equal(counters_fit(rows, n_rows, MAX), MAX);
}

TEST(an_epoch_is_that_of_the_pin)
{
	char dir[] = "/tmp/sidestep-epoch-XXXXXX";
	struct arena a = ARENA_INIT;
	struct agent agent = {.boot_id = "0123456789"};
	const char *path, *epoch;

	assert_non_null(mkdtemp(dir));
	agent.options.pin_root = dir;
	assert_null(map_epoch(&agent, &a, "metrics_v1"));
	path = arena_printf(&a, "%s/metrics_v1", dir);
	assert_int_equal(io_write_file_atomic(path, "", 0, 0600, NULL), 0);
	epoch = map_epoch(&agent, &a, "metrics_v1");
	assert_non_null(epoch);
	assert_string_equal(map_epoch(&agent, &a, "metrics_v1"), epoch);
	agent.boot_id = "another";
	assert_string_not_equal(map_epoch(&agent, &a, "metrics_v1"), epoch);
	io_remove_tree(dir, NULL);
	arena_release(&a);
}

#define DECIDED(from, to, way, how)                                                                \
	{                                                                                          \
		.key = {.src_identity = (from),                                                    \
			.dst_identity = (to),                                                      \
			.port = htons(8080),                                                       \
			.proto = IPPROTO_TCP,                                                      \
			.direction = (way),                                                        \
			.verdict = (how)},                                                         \
		.value = {                                                                         \
			.decisions = 5                                                             \
		}                                                                                  \
	}

TEST(a_call_to_another_node_stands_where_it_leaves_too)
{
	const struct datapath_traffic rows_of_kernel[] = {
		DECIDED(300, 400, DIRECTION_EGRESS, VERDICT_FORWARDED), /* to a pod somewhere */
		DECIDED(300, 2, DIRECTION_EGRESS, VERDICT_FORWARDED),   /* out of the cluster */
		DECIDED(300, 301, DIRECTION_INGRESS, VERDICT_FORWARDED),
		DECIDED(300, 401, DIRECTION_EGRESS, VERDICT_DROPPED),
		DECIDED(300, 402, DIRECTION_EGRESS, VERDICT_AUDIT),
	};
	struct arena a = ARENA_INIT;
	struct sidestep_node n = {0};

	counters_list(&a, rows_of_kernel, ARRAY_SIZE(rows_of_kernel), &n);
	assert_int_equal(n.n_counters, 4);
	assert_int_equal(n.sent->n_items, 1);
	assert_int_equal(n.sent->rows, 1);
	assert_int_equal(n.sent->items[0].destination, 400);
	assert_int_equal(n.sent->items[0].port, 8080);
	assert_int_equal(n.sent->items[0].count, 5);
	for (size_t i = 0; i < n.n_counters; i++)
		assert_int_not_equal(n.counters[i].destination, 400);
	n = (struct sidestep_node){0};
	counters_list(&a, NULL, 0, &n);
	assert_non_null(n.sent); /* none is told, too */
	arena_release(&a);
}

TEST(what_does_not_fit_of_what_was_sent_is_said_to_be_missing)
{
	struct arena a = ARENA_INIT;
	struct datapath_traffic *many =
		arena_array(&a, SIDESTEP_NODE_MAX_SENT + 2, struct datapath_traffic);
	struct sidestep_node n = {0};

	for (uint32_t i = 0; i < SIDESTEP_NODE_MAX_SENT + 2; i++)
		many[i] = (struct datapath_traffic)DECIDED(300, 1000 + i, DIRECTION_EGRESS,
							   VERDICT_FORWARDED);
	counters_list(&a, many, SIDESTEP_NODE_MAX_SENT, &n);
	assert_int_equal(n.sent->rows, SIDESTEP_NODE_MAX_SENT);
	assert_int_equal(n.sent->n_items, SIDESTEP_NODE_MAX_SENT);
	n = (struct sidestep_node){0};
	counters_list(&a, many, SIDESTEP_NODE_MAX_SENT + 2, &n);
	assert_int_equal(n.sent->n_items, SIDESTEP_NODE_MAX_SENT);
	assert_true(n.sent->rows > SIDESTEP_NODE_MAX_SENT);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_of_a_call_are_one_row_and_what_fits_stays),
		cmocka_unit_test(every_port_of_a_scan_is_one_row),
		cmocka_unit_test(no_more_is_summed_than_must_be),
		cmocka_unit_test(too_many_pairs_are_as_many_as_fit),
		cmocka_unit_test(an_epoch_is_that_of_the_pin),
		cmocka_unit_test(a_call_to_another_node_stands_where_it_leaves_too),
		cmocka_unit_test(what_does_not_fit_of_what_was_sent_is_said_to_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
