/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a copy that takes long is told, and that its end is. The kernel's part is a counter
 * here, for time: the copy itself is tests/datapath/attach/test_connections.c.
 */
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/str.h"

enum { ROWS = 5000 }; /* one a millisecond */

static struct agent agent;
static struct fake_clock fake;
static struct datapath_conntrack kernel;
static const struct sidestep_request *request;
static bool refuses; /* to read or write rows */
static unsigned node_writes, writes, asked;
static char said[256];

/* --- the kernel --- */

void datapath_conntrack(UNUSED const struct datapath *dp, struct datapath_conntrack *ret)
{
	*ret = kernel;
}

void datapath_conntrack_count(UNUSED struct datapath *dp)
{
}

int datapath_conntrack_step(UNUSED struct datapath *dp, bool *ret_more, struct error *err)
{
	*ret_more = true;
	if (refuses)
		return error_set(err, -ENOMEM, "no room");
	if (kernel.copying) {
		kernel.converted++;
		kernel.remaining = ROWS - kernel.converted;
		kernel.copying = kernel.remaining > 0;
	}
	*ret_more = kernel.copying;
	return 0;
}

bool datapath_keeps(const struct datapath_conntrack *c, UNUSED unsigned layout)
{
	return c->older;
}

int datapath_prepare(UNUSED struct datapath *dp, UNUSED unsigned layout, UNUSED struct error *err)
{
	kernel.older = 1;
	kernel.copying = true;
	kernel.converted = 0;
	kernel.remaining = ROWS;
	return 0;
}

int datapath_finalize(UNUSED struct datapath *dp, struct error *err)
{
	return kernel.copying ? error_set(err, -EBUSY, "still being copied") : 0;
}

/* --- the cluster: what is written comes back as a change, and the agent looks again --- */

static struct sidestep_request_node answer(void)
{
	struct sidestep_request_node node = {.observed_generation = 1};

	connections_answer(&agent, &agent.arena, request, &node);
	return node;
}

static void on_jobs(UNUSED void *arg)
{
	struct sidestep_request_node node;
	char now[256];

	asked++;
	if (!request)
		return;
	node = answer();
	snprintf(now, sizeof(now), "%s %s %lld %f", node.state, str_or_empty(node.message),
		 (long long)node.entries, node.seconds);
	if (str_eq(now, said))
		return;
	snprintf(said, sizeof(said), "%s", now);
	writes++;
	jobs_soon(&agent);
}

void jobs_soon(struct agent *which)
{
	if (!loop_timer_running(which->jobs_timer))
		loop_timer_set(which->jobs_timer, 10 * NS_PER_MS);
}

/* As the agent publishes its node: when it is another than before. */
static void on_publish(UNUSED void *arg)
{
	static struct sidestep_conntrack had;
	const struct sidestep_conntrack *is = connections_shown(&agent, &agent.arena);

	if (is && memcmp(is, &had, sizeof(had)) != 0) {
		had = *is;
		node_writes++;
	}
	loop_timer_set(agent.publish_timer, 100 * NS_PER_MS);
}

static void begin(const struct sidestep_request *r)
{
	memset(&agent, 0, sizeof(agent));
	kernel = (struct datapath_conntrack){.layout = 2, .known = true};
	node_writes = writes = asked = 0;
	*said = 0;
	fake_clock_init(&fake, 0);
	fake_clock_advance(&fake, 1000 * NS_PER_S);
	agent.clock = &fake.clock;
	agent.log = (struct log){stderr, LOG_LEVEL_ERROR, false, "test", agent.clock};
	agent.loop = loop_new(agent.clock);
	agent.publish_timer = loop_timer_new(agent.loop, on_publish, NULL);
	agent.jobs_timer = loop_timer_new(agent.loop, on_jobs, NULL);
	request = r;
	connections_start(&agent);
	on_publish(NULL);
	jobs_soon(&agent);
}

static void end(void)
{
	connections_stop(&agent);
	loop_timer_free(agent.publish_timer);
	loop_timer_free(agent.jobs_timer);
	loop_free(agent.loop);
	arena_release(&agent.arena);
}

static const struct sidestep_request down = {
	.meta.name = "down", .meta.uid = "u1", .meta.generation = 1, .kind = REQUEST_PREPARE};

TEST(a_copy_is_told_once_a_second_and_its_end_at_once)
{
	begin(&down);
	loop_advance(agent.loop, &fake, 3 * NS_PER_S);
	assert_true(kernel.copying);
	assert_true(writes >= 3 && writes <= 4);
	assert_true(node_writes >= 3 && node_writes <= 5);
	assert_non_null(strstr(said, "active"));
	/* It ends 20 ms before the next would have been told. */
	loop_advance(agent.loop, &fake, 2 * NS_PER_S + 30 * NS_PER_MS);
	assert_false(kernel.copying);
	assert_non_null(strstr(said, "done"));
	assert_true(writes <= 8);
	/* And then nothing more is said, nor asked. */
	loop_advance(agent.loop, &fake, NS_PER_S);
	writes = asked = 0;
	loop_advance(agent.loop, &fake, 60 * NS_PER_S);
	assert_int_equal(writes, 0);
	assert_int_equal(asked, 0);
	end();
}

/* Who may not begin yet is not told every moment, and is told when it may. */
TEST(what_waits_for_the_end_of_a_copy_is_woken_by_it)
{
	static const struct sidestep_request finalize = {.meta.name = "end",
							 .meta.uid = "u2",
							 .meta.generation = 1,
							 .kind = REQUEST_FINALIZE};

	begin(&finalize);
	datapath_prepare(NULL, 1, NULL);
	loop_advance(agent.loop, &fake, 4 * NS_PER_S);
	assert_int_equal(writes, 1);
	assert_non_null(strstr(said, "still being copied"));
	loop_advance(agent.loop, &fake, 2 * NS_PER_S);
	assert_non_null(strstr(said, "done"));
	assert_int_equal(writes, 2);
	end();
}

/* It is shown as a controller that fails, as long as it does. */
TEST(a_copy_that_fails_is_failing_until_it_has_ended)
{
	const struct failing *f = &agent.connections.copy_failure;
	int64_t since;

	begin(&down);
	loop_advance(agent.loop, &fake, NS_PER_S);
	assert_true(kernel.copying);
	assert_null(f->error);
	refuses = true;
	loop_advance(agent.loop, &fake, 10 * NS_PER_S);
	assert_string_equal(f->error, "no room");
	assert_true(f->times >= 9 && f->times <= 12);
	assert_true(f->next_ns > loop_now_ns(agent.loop));
	since = f->since;
	assert_true(since > 0);
	refuses = false;
	loop_advance(agent.loop, &fake, 2 * NS_PER_S);
	assert_true(kernel.copying);
	assert_int_equal(f->since, since);
	loop_advance(agent.loop, &fake, 10 * NS_PER_S);
	assert_false(kernel.copying);
	assert_null(f->error);
	/* Counting only, there is nothing to wait for. */
	refuses = true;
	loop_advance(agent.loop, &fake, 20 * NS_PER_S);
	assert_non_null(f->error);
	refuses = false;
	loop_advance(agent.loop, &fake, 20 * NS_PER_S);
	assert_null(f->error);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_told_once_a_second_and_its_end_at_once),
		cmocka_unit_test(what_waits_for_the_end_of_a_copy_is_woken_by_it),
		cmocka_unit_test(a_copy_that_fails_is_failing_until_it_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
