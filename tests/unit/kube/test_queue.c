/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/kube/queue.h"

struct bench {
	struct fake_clock clock;
	struct loop *loop;
	struct kube_queue *q;
	char log[256];
	int fail;  /* so many times */
	bool hold; /* the work goes on */
};

static void work(void *arg, const char *key)
{
	struct bench *b = arg;

	strcat(b->log, key);
	if (b->hold)
		return;
	kube_queue_done(b->q, key, b->fail <= 0);
	if (b->fail > 0)
		b->fail--;
}

static void setup(struct bench *b, unsigned parallel)
{
	struct kube_queue_options o = {.work = work, .arg = b, .parallel = parallel};

	memset(b, 0, sizeof(*b));
	fake_clock_init(&b->clock, 0);
	b->loop = loop_new(&b->clock.clock);
	b->q = kube_queue_new(b->loop, &o);
}

static void teardown(struct bench *b)
{
	kube_queue_free(b->q);
	loop_free(b->loop);
}

TEST(a_key_waits_once_and_the_earliest_time_counts)
{
	struct bench b;

	setup(&b, 2);
	kube_queue_add_after(b.q, "a", 10 * NS_PER_S);
	kube_queue_add_after(b.q, "b", 5 * NS_PER_S);
	kube_queue_add_after(b.q, "a", 1 * NS_PER_S);
	kube_queue_add_after(b.q, "a", 20 * NS_PER_S);
	loop_advance(b.loop, &b.clock, 60 * NS_PER_S);
	assert_string_equal(b.log, "ab");
	assert_int_equal(kube_queue_length(b.q), 0);
	teardown(&b);
}

TEST(work_at_hand_is_not_doubled_but_repeated)
{
	struct bench b;

	setup(&b, 2);
	b.hold = true;
	kube_queue_add(b.q, "a");
	kube_queue_add(b.q, "b");
	kube_queue_add(b.q, "c");
	loop_advance(b.loop, &b.clock, 0);
	assert_string_equal(b.log, "ab"); /* two at a time */
	kube_queue_add(b.q, "a");
	loop_advance(b.loop, &b.clock, NS_PER_S);
	assert_string_equal(b.log, "ab");
	kube_queue_done(b.q, "a", true);
	loop_advance(b.loop, &b.clock, NS_PER_S);
	assert_string_equal(b.log, "abc");
	kube_queue_done(b.q, "b", true);
	loop_advance(b.loop, &b.clock, NS_PER_S);
	assert_string_equal(b.log, "abca");
	teardown(&b);
}

TEST(failures_back_off_and_success_forgets_them)
{
	struct bench b;

	setup(&b, 1);
	b.fail = 4;
	kube_queue_add(b.q, "a");
	loop_advance(b.loop, &b.clock, 20 * NS_PER_MS);
	assert_string_equal(b.log, "a");
	loop_advance(b.loop, &b.clock, 1300 * NS_PER_MS); /* 50+100+200+400 ms, each up to +25 % */
	assert_string_equal(b.log, "aaaaa");
	assert_int_equal(kube_queue_length(b.q), 0);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_waits_once_and_the_earliest_time_counts),
		cmocka_unit_test(work_at_hand_is_not_doubled_but_repeated),
		cmocka_unit_test(failures_back_off_and_success_forgets_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
