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

/* from, to, anybody may, the builder may */
static const struct {
	enum endpoint_state from, to;
	bool any, builder;
} moves[] = {
	{ENDPOINT_STATE_WAITING_FOR_IDENTITY, ENDPOINT_STATE_WAITING_TO_REGENERATE, true, true},
	{ENDPOINT_STATE_WAITING_FOR_IDENTITY, ENDPOINT_STATE_REGENERATING, false, false},
	{ENDPOINT_STATE_WAITING_TO_REGENERATE, ENDPOINT_STATE_REGENERATING, false, true},
	{ENDPOINT_STATE_WAITING_TO_REGENERATE, ENDPOINT_STATE_WAITING_TO_REGENERATE, false, false},
	{ENDPOINT_STATE_WAITING_TO_REGENERATE, ENDPOINT_STATE_WAITING_FOR_IDENTITY, false, false},
	{ENDPOINT_STATE_REGENERATING, ENDPOINT_STATE_READY, false, true},
	{ENDPOINT_STATE_REGENERATING, ENDPOINT_STATE_WAITING_TO_REGENERATE, true, true},
	{ENDPOINT_STATE_RESTORING, ENDPOINT_STATE_REGENERATING, false, true},
	{ENDPOINT_STATE_RESTORING, ENDPOINT_STATE_READY, false, false},
	{ENDPOINT_STATE_READY, ENDPOINT_STATE_REGENERATING, false, false},
	{ENDPOINT_STATE_READY, ENDPOINT_STATE_DISCONNECTING, true, true},
	{ENDPOINT_STATE_DISCONNECTING, ENDPOINT_STATE_READY, false, false},
	{ENDPOINT_STATE_DISCONNECTING, ENDPOINT_STATE_DISCONNECTED, true, true},
	{ENDPOINT_STATE_DISCONNECTED, ENDPOINT_STATE_READY, false, false},
};

TEST(states_move_as_the_table_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		if (endpoint_may_move(moves[i].from, moves[i].to, false) != moves[i].any ||
		    endpoint_may_move(moves[i].from, moves[i].to, true) != moves[i].builder)
			fail_msg("%s -> %s", endpoint_state_name(moves[i].from),
				 endpoint_state_name(moves[i].to));
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
	assert_true(endpoint_move(ep, ENDPOINT_STATE_WAITING_TO_REGENERATE, false));
	assert_true(endpoint_move(ep, ENDPOINT_STATE_REGENERATING, true));
	assert_false(endpoint_move(ep, ENDPOINT_STATE_READY, false));
	assert_true(endpoint_move(ep, ENDPOINT_STATE_READY, true));
	assert_string_equal(endpoint_shown_state(ep), "ready");
	ep->error = strdup("no room");
	assert_string_equal(endpoint_shown_state(ep), "not-ready");
	endpoints_release(&e);
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
		cmocka_unit_test(what_is_on_disk_is_found_again),
		cmocka_unit_test(a_queue_that_cannot_be_locked_is_no_busy_one),
		cmocka_unit_test(no_add_while_its_deletion_cannot_be_withdrawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
