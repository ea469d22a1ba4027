/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints: the moves between states, numbers, and what is found again on disk. */
#include "tests/support/test.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/endpoint.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static const struct attach_request request = {.netns = "/run/netns/x",
					      .ifname = "eth0",
					      .host_ifname = "lxc1",
					      .host_ifindex = 7,
					      .mac = "02:00:00:00:00:01",
					      .host_mac = "02:00:00:00:00:02",
					      .pod_namespace = "ns",
					      .pod_name = "p",
					      .pod_uid = "u"};

/*
 * Every pair, by the table of reference/operations.md 4.3. Columns as rows, in the order of
 * ENDPOINT_STATES; a: anybody may, b: the builder alone, -: nobody.
 */
static const char *const moves[ENDPOINT_STATE_COUNT] = {
	/*                    identity ready wait regenerate restore disconnect disconnected invalid
	 */
	[ENDPOINT_STATE_WAITING_FOR_IDENTITY] = "-a---a-a",
	[ENDPOINT_STATE_READY] = "a-a-aa--",
	[ENDPOINT_STATE_WAITING_TO_REGENERATE] = "---baa--",
	[ENDPOINT_STATE_REGENERATING] = "aba-aa--",
	[ENDPOINT_STATE_RESTORING] = "---baa--",
	[ENDPOINT_STATE_DISCONNECTING] = "------a-",
	[ENDPOINT_STATE_DISCONNECTED] = "--------",
	[ENDPOINT_STATE_INVALID] = "--------",
};

TEST(states_move_as_the_table_says)
{
	for (int from = 0; from < ENDPOINT_STATE_COUNT; from++) {
		assert_int_equal(strlen(moves[from]), ENDPOINT_STATE_COUNT);
		for (int to = 0; to < ENDPOINT_STATE_COUNT; to++) {
			char may = moves[from][to];

			if (endpoint_may_move(from, to, false) != (may == 'a') ||
			    endpoint_may_move(from, to, true) != (may != '-'))
				fail_msg("%s -> %s", endpoint_state_name(from),
					 endpoint_state_name(to));
		}
	}
}

TEST(numbers_go_round)
{
	struct endpoints e = {.next_id = 0};
	struct agent_ep *one = endpoints_add(&e, "c1", &request, NULL), *two;
	uint32_t id = one->id;

	assert_true(id >= 2);
	endpoints_remove(&e, one);
	two = endpoints_add(&e, "c2", &request, NULL);
	assert_int_not_equal(two->id, id);
	e.next_id = ENDPOINT_ID_MAX;
	assert_int_equal(endpoints_add(&e, "c3", &request, NULL)->id, ENDPOINT_ID_MAX);
	assert_int_equal(endpoints_add(&e, "c4", &request, NULL)->id, 2);
	assert_ptr_equal(endpoints_find_container(&e, "c2"), two);
	assert_null(endpoints_find_container(&e, "c1"));
	endpoints_release(&e);
}

TEST(a_failed_build_is_not_ready)
{
	struct endpoints e = {.next_id = 0};
	struct agent_ep *ep = endpoints_add(&e, "c", &request, NULL);

	assert_string_equal(endpoint_shown_state(ep), "waiting-for-identity");
	endpoint_settle(ep, 5);
	assert_true(endpoint_move(ep, ENDPOINT_STATE_READY, false));
	assert_true(endpoint_move(ep, ENDPOINT_STATE_WAITING_TO_REGENERATE, false));
	assert_true(endpoint_move(ep, ENDPOINT_STATE_REGENERATING, true));
	assert_false(endpoint_move(ep, ENDPOINT_STATE_READY, false));
	assert_true(endpoint_move(ep, ENDPOINT_STATE_READY, true));
	assert_string_equal(endpoint_shown_state(ep), "ready");
	assert_int_equal(ep->not_ready_since, 5);
	endpoint_settle(ep, 6);
	assert_int_equal(ep->not_ready_since, 0);
	ep->error = strdup("no room");
	assert_string_equal(endpoint_shown_state(ep), "not-ready");
	endpoint_settle(ep, 7);
	/* Its own failure is not forgotten because a build of all worked. */
	failing_again(&ep->failure, "refused", 0, 7, 60 * NS_PER_S);
	free(ep->error);
	ep->error = NULL;
	endpoint_settle(ep, 8);
	assert_string_equal(endpoint_shown_state(ep), "not-ready");
	assert_string_equal(endpoint_shown_error(ep), "refused");
	assert_int_equal(ep->not_ready_since, 7);
	failing_no_more(&ep->failure);
	assert_string_equal(endpoint_shown_state(ep), "ready");
	endpoints_release(&e);
}

TEST(what_fails_is_tried_again_later_each_time)
{
	struct failing f = {0};
	static const uint64_t waits[] = {2, 4, 8, 10, 10};

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		failing_again(&f, i ? "again" : "once", 100, 1000 + (int64_t)i, 10 * NS_PER_S);
		assert_int_equal(f.next_ns, 100 + waits[i] * NS_PER_S);
		assert_int_equal(f.since, 1000);
		assert_int_equal(f.times, i + 1);
	}
	for (int i = 0; i < 100; i++)
		failing_again(&f, "again", 0, 0, 10 * NS_PER_S);
	assert_int_equal(f.next_ns, 10 * NS_PER_S);
	assert_string_equal(f.error, "again");
	failing_no_more(&f);
	assert_null(f.error);
	assert_int_equal(f.times, 0);
}

TEST(what_is_on_disk_is_found_again)
{
	char dir[] = "/tmp/sidestep-endpoints-XXXXXX";
	struct endpoints e = {.next_id = 0}, back = {.next_id = 0};
	struct arena a = ARENA_INIT;
	struct agent_ep *ep;
	static const char strange[] = "{\"container\":\"c9\",\"address\":\"10.0.0.9\"}";
	struct net_addr addr;
	const char *path;

	assert_non_null(mkdtemp(dir));
	ep = endpoints_add(&e, "c1", &request, NULL);
	assert_int_equal(net_addr_parse("10.0.0.5", &ep->addr, NULL), 0);
	ep->identity = 4711;
	ep->netns_cookie = 99;
	assert_int_equal(endpoint_save(ep, dir, NULL), 0);
	path = arena_printf(&a, "%s/9.json", dir);
	assert_int_equal(io_write_file_atomic(path, strange, strlen(strange), 0600, NULL), 0);
	path = arena_printf(&a, "%s/8.json", dir);
	assert_int_equal(io_write_file_atomic(path, "{", 1, 0600, NULL), 0);
	assert_int_equal(endpoints_load(&back, dir, NULL), 0);
	assert_int_equal(back.bad.n, 2);
	assert_int_equal(back.bad.items[0].addr.family, 0);
	assert_int_equal(back.list.n, 1);
	assert_int_equal(back.list.items[0]->id, ep->id);
	assert_int_equal(back.list.items[0]->identity, 4711);
	assert_int_equal(back.list.items[0]->state, ENDPOINT_STATE_RESTORING);
	assert_memory_equal(&back.list.items[0]->mac, &ep->mac, sizeof(ep->mac));
	assert_string_equal(back.list.items[0]->pod, "p");
	assert_true(net_addr_equal(&back.list.items[0]->addr, &ep->addr));
	/* What could not be read is kept until its container goes; what is forgotten is gone. */
	assert_int_equal(endpoint_forget(ep, dir, NULL), 0);
	endpoints_release(&back);
	assert_int_equal(endpoints_load(&back, dir, NULL), 0);
	assert_int_equal(back.list.n, 0);
	assert_int_equal(back.bad.n, 2);
	assert_false(io_exists(path));
	assert_true(io_exists(arena_printf(&a, "%s.bad", path)));
	assert_false(endpoints_forget_bad(&back, "c8", &addr));
	assert_true(endpoints_forget_bad(&back, "c9", &addr));
	assert_string_equal(net_addr_format(&addr, (char[NET_ADDR_SIZE]){0}), "10.0.0.9");
	assert_int_equal(back.bad.n, 1);
	assert_false(io_exists(arena_printf(&a, "%s/9.json.bad", dir)));
	endpoints_release(&back);
	endpoints_release(&e);
	assert_int_equal(io_remove_tree(dir, NULL), 0);
	arena_release(&a);
}

TEST(a_queue_that_cannot_be_locked_is_no_busy_one)
{
	char dir[] = "/tmp/sidestep-queue-XXXXXX";
	struct agent agent = {.options = {.queue = mkdtemp(dir)}};
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	const char *lock = arena_printf(&a, "%s/.lock", dir);

	assert_int_equal(agent_drain_queue(&agent, &err), 0);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(io_mkdirs(lock, 0700, NULL), 0);
	assert_int_equal(agent_drain_queue(&agent, &err), -EISDIR);
	assert_non_null(strstr(err.msg, lock));
	assert_int_equal(io_remove_tree(dir, NULL), 0);
	arena_release(&a);
}

TEST(no_add_while_its_deletion_cannot_be_withdrawn)
{
	char dir[] = "/tmp/sidestep-queue-XXXXXX";
	struct agent agent = {.options = {.queue = mkdtemp(dir)}};
	struct attach_request rq = {.host_ifindex = 7};
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct agent_ep *ep = NULL;
	const char *path = arena_printf(&a, "%s/c1", dir);

	assert_int_equal(io_mkdirs(path, 0700, NULL), 0);
	assert_int_equal(agent_attach(&agent, "c1", &rq, &ep, &err), -EISDIR);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(agent.endpoints.list.n, 0);
	assert_int_equal(io_remove_tree(dir, NULL), 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_move_as_the_table_says),
		cmocka_unit_test(numbers_go_round),
		cmocka_unit_test(a_failed_build_is_not_ready),
		cmocka_unit_test(what_fails_is_tried_again_later_each_time),
		cmocka_unit_test(what_is_on_disk_is_found_again),
		cmocka_unit_test(a_queue_that_cannot_be_locked_is_no_busy_one),
		cmocka_unit_test(no_add_while_its_deletion_cannot_be_withdrawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
