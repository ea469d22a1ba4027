/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's part in a change of the layout: Prepare and Finalize as requests, in its event loop.
 */
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "datapath/abi/conntrack_convert.h"
#include "lib/net/netns.h"
#include "tests/datapath/attach/wires.h"
#include "tests/support/test.h"

#define ENTRIES 5000

static struct wires wires;
static struct agent agent;
static struct arena arena;
static unsigned published;

static void publish(UNUSED void *arg)
{
	published++;
}

static void nothing(UNUSED void *arg)
{
}

static void start(void)
{
	memset(&agent, 0, sizeof(agent));
	published = 0;
	agent.clock = clock_system();
	agent.log = (struct log){stderr, LOG_LEVEL_ERROR, false, "test", agent.clock};
	agent.loop = loop_new(agent.clock);
	agent.publish_timer = loop_timer_new(agent.loop, publish, NULL);
	agent.jobs_timer = loop_timer_new(agent.loop, nothing, NULL); /* this test asks by itself */
	wires_open(&wires, DATAPATH_ATTACH_AUTO, &agent.dp);
	connections_start(&agent);
}

static void stop(void)
{
	connections_stop(&agent);
	datapath_close(agent.dp);
	loop_timer_free(agent.publish_timer);
	loop_timer_free(agent.jobs_timer);
	loop_free(agent.loop);
}

static int pin(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", wires.root, name);
	return bpf_obj_get(path);
}

static void fill(const char *name)
{
	int fd = pin(name);

	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct conntrack_key key = {.saddr = i, .daddr = 1, .proto = 6};
		struct conntrack_entry e = {.version = CONNTRACK_VERSION,
					    .verdict = CONNTRACK_STACK,
					    .expires = 1ULL << 40};

		assert_int_equal(bpf_map_update_elem(fd, &key, &e, BPF_ANY), 0);
	}
	close(fd);
}

static size_t entries(const char *name)
{
	struct conntrack_key key, *previous = NULL;
	int fd = pin(name);
	size_t n = 0;

	assert_true(fd >= 0);
	for (; !bpf_map_get_next_key(fd, previous, &key); previous = &key)
		n++;
	close(fd);
	return n;
}

static struct sidestep_request_node ask(int kind, const char *name, int64_t layout)
{
	struct sidestep_request r = {
		.meta.name = name, .kind = kind, .layout = layout, .meta.generation = 1};
	struct sidestep_request_node node = {.observed_generation = 1};

	connections_answer(&agent, &arena, &r, &node);
	return node;
}

static struct sidestep_request_node ask_until_done(int kind, const char *name)
{
	struct sidestep_request_node node = ask(kind, name, 0);
	struct error err = ERROR_INIT;

	while (strcmp(node.state, "active") == 0) {
		assert_true(loop_turn(agent.loop, true, &err) >= 0);
		node = ask(kind, name, 0);
	}
	return node;
}

TEST(prepare_is_done_when_everything_is_there)
{
	struct sidestep_request_node node;

	start();
	fill("conntrack_v2");
	assert_null(connections_shown(&agent, &arena)); /* not counted yet: unknown, not zero */
	node = ask(REQUEST_PREPARE, "down", 1);
	assert_string_equal(node.state, "active");
	node = ask_until_done(REQUEST_PREPARE, "down");
	assert_string_equal(node.state, "done");
	assert_true(node.entries >= ENTRIES);
	assert_true(node.seconds > 0);
	assert_int_equal(entries("conntrack_v1"), ENTRIES);
	stop();
}

TEST(a_restart_takes_it_up_again)
{
	struct sidestep_conntrack *shown;
	struct error err = ERROR_INIT;

	start();
	while (!(shown = connections_shown(&agent, &arena)))
		assert_true(loop_turn(agent.loop, true, &err) >= 0);
	assert_int_equal(shown->layout, 2);
	assert_int_equal(shown->older, 1);
	assert_int_equal(shown->remaining, 0);
	assert_int_equal(shown->entries, ENTRIES);
	assert_true(published > 0);
	assert_string_equal(ask_until_done(REQUEST_PREPARE, "down").state, "done");
	stop();
}

/* Nobody asks: an agent that was killed in the middle of it has answered nothing, or too much. */
TEST(a_restart_copies_down_by_itself)
{
	struct datapath_conntrack c = {.copying = true};
	struct error err = ERROR_INIT;
	struct conntrack_key key = {.saddr = 7, .daddr = 1, .proto = 6};
	int fd = pin("conntrack_v1");

	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	close(fd);
	start();
	while (c.copying) {
		assert_true(loop_turn(agent.loop, true, &err) >= 0);
		datapath_conntrack(agent.dp, &c);
	}
	assert_int_equal(entries("conntrack_v1"), ENTRIES);
	stop();
}

TEST(finalize_removes_the_older_maps)
{
	start();
	assert_string_equal(ask(REQUEST_FINALIZE, "end", 0).state, "active"); /* they are read */
	assert_string_equal(ask_until_done(REQUEST_FINALIZE, "end").state, "done");
	assert_int_equal(pin("conntrack_v1"), -ENOENT);
	assert_int_equal(entries("conntrack_v2"), ENTRIES);
	assert_string_equal(ask_until_done(REQUEST_FINALIZE, "end").state, "done");
	stop();
}

TEST(what_cannot_be_prepared_says_why)
{
	struct sidestep_request_node node;

	start();
	node = ask(REQUEST_PREPARE, "odd", 7);
	assert_string_equal(node.state, "failed");
	assert_non_null(strstr(node.message, "layout 7"));
	assert_null(strstr(node.message, "again")); /* for this version it stays so */
	assert_int_equal(pin("conntrack_v1"), -ENOENT);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepare_is_done_when_everything_is_there),
		cmocka_unit_test(a_restart_takes_it_up_again),
		cmocka_unit_test(a_restart_copies_down_by_itself),
		cmocka_unit_test(finalize_removes_the_older_maps),
		cmocka_unit_test(what_cannot_be_prepared_says_why),
	};
	int failed;

	wires_setup(&wires, "carry", 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	wires_teardown(&wires);
	return failed;
}
