/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/loop/loop.h"

struct trace {
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_fd *fd;
	char text[64];
	int count;
};

static void say(struct trace *t, char c)
{
	size_t n = strlen(t->text);

	assert_true(n + 1 < sizeof(t->text));
	t->text[n] = c;
}
static void say_a(void *arg)
{
	say(arg, 'a');
}
static void say_b(void *arg)
{
	say(arg, 'b');
}
static void say_c(void *arg)
{
	say(arg, 'c');
}

TEST(timers_fire_in_the_order_of_their_deadlines)
{
	struct fake_clock clock;
	struct trace t = {0};
	struct loop_timer *a, *b, *c;

	fake_clock_init(&clock, 0);
	t.loop = loop_new(&clock.clock);
	a = loop_timer_new(t.loop, say_a, &t);
	b = loop_timer_new(t.loop, say_b, &t);
	c = loop_timer_new(t.loop, say_c, &t);
	loop_timer_set(a, 3 * NS_PER_S);
	loop_timer_set(b, 1 * NS_PER_S);
	loop_timer_set(c, 1 * NS_PER_S);
	loop_advance(t.loop, &clock, NS_PER_S - 1);
	assert_string_equal(t.text, "");
	loop_advance(t.loop, &clock, 1);
	assert_string_equal(t.text, "bc");
	assert_false(loop_timer_running(b));
	loop_timer_set(b, 3600 * NS_PER_S);
	loop_timer_stop(b);
	loop_advance(t.loop, &clock, 7200 * NS_PER_S);
	assert_string_equal(t.text, "bca");
	loop_timer_free(c);
	loop_free(t.loop);
}

/* Many timers, stopped and set again: the heap keeps its order. */
static uint64_t fired_at[200];
static void note_time(void *arg)
{
	struct trace *t = arg;

	fired_at[t->count++] = loop_now_ns(t->loop);
}

TEST(the_heap_keeps_its_order)
{
	struct fake_clock clock;
	struct trace t = {0};
	struct loop_timer *timers[200];
	uint32_t x = 12345;

	fake_clock_init(&clock, 0);
	t.loop = loop_new(&clock.clock);
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		timers[i] = loop_timer_new(t.loop, note_time, &t);
		x = x * 1664525u + 1013904223u;
		loop_timer_set(timers[i], x % 1000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(timers); i += 3) {
		x = x * 1664525u + 1013904223u;
		loop_timer_set(timers[i], x % 1000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(timers); i += 7)
		loop_timer_free(timers[i]);
	loop_advance(t.loop, &clock, 1000);
	assert_int_equal(t.count, 200 - (199 / 7 + 1));
	for (int i = 1; i < t.count; i++)
		assert_true(fired_at[i - 1] <= fired_at[i]);
	loop_free(t.loop);
}

static void again(void *arg)
{
	struct trace *t = arg;

	if (++t->count == 5)
		loop_timer_free(t->timer);
	else
		loop_timer_set(t->timer, 0);
}

TEST(a_timer_may_set_and_free_itself)
{
	struct trace t = {0};

	t.loop = loop_new(NULL);
	t.timer = loop_timer_new(t.loop, again, &t);
	loop_timer_set(t.timer, 0);
	assert_int_equal(loop_run(t.loop, NULL), 0); /* returns: nothing is left */
	assert_int_equal(t.count, 5);
	loop_free(t.loop);
}

static void stop_it(void *arg)
{
	struct trace *t = arg;

	say(t, 's');
	loop_stop(t->loop);
}
static void defer_more(void *arg)
{
	struct trace *t = arg;

	say(t, '1');
	loop_undefer(t->loop, say_b, t);
	loop_defer(t->loop, stop_it, t);
}

TEST(deferred_calls_run_once_and_can_be_forgotten)
{
	struct trace t = {0};

	t.loop = loop_new(NULL);
	loop_defer(t.loop, defer_more, &t);
	loop_defer(t.loop, say_a, &t);
	loop_defer(t.loop, say_b, &t);
	assert_int_equal(loop_run(t.loop, NULL), 0);
	assert_string_equal(t.text, "1as");
	loop_free(t.loop);
}

TEST(what_is_stopping_runs_nothing_until_it_is_taken_back)
{
	struct trace t = {0};

	t.loop = loop_new(NULL);
	loop_stop(t.loop);
	loop_defer(t.loop, say_a, &t);
	assert_true(loop_stopping(t.loop));
	loop_resume(t.loop);
	assert_false(loop_stopping(t.loop));
	assert_int_equal(loop_turn(t.loop, true, NULL), 1);
	assert_string_equal(t.text, "a");
	loop_free(t.loop);
}

static void fd_ready(void *arg, unsigned ready)
{
	struct trace *t = arg;
	char c;

	assert_int_equal(ready, LOOP_READ);
	assert_int_equal(read(t->count, &c, 1), 1);
	say(t, c);
	if (c == 'z') {
		loop_fd_free(t->fd);
		loop_stop(t->loop);
	}
}

TEST(a_descriptor_is_level_triggered_and_may_be_freed_in_its_callback)
{
	struct trace t = {0};
	int p[2];

	assert_int_equal(pipe(p), 0);
	t.loop = loop_new(NULL);
	t.count = p[0];
	t.fd = loop_fd_new(t.loop, p[0], LOOP_READ, fd_ready, &t);
	assert_int_equal(write(p[1], "xyz", 3), 3);
	loop_fd_set(t.fd, 0);
	assert_int_equal(loop_turn(t.loop, false, NULL), 0);
	loop_fd_set(t.fd, LOOP_READ);
	assert_int_equal(loop_run(t.loop, NULL), 0);
	assert_string_equal(t.text, "xyz");
	loop_free(t.loop);
	close(p[0]);
	close(p[1]);
}

static void on_signal(void *arg, int signo)
{
	struct trace *t = arg;

	t->count = signo;
	loop_stop(t->loop);
}

TEST(a_signal_arrives_in_the_loop)
{
	struct trace t = {0};
	struct loop_signal *s;

	t.loop = loop_new(NULL);
	s = loop_signal_new(t.loop, SIGUSR1, on_signal, &t);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(loop_run(t.loop, NULL), 0);
	assert_int_equal(t.count, SIGUSR1);
	loop_signal_free(s);
	loop_free(t.loop);
}

TEST(the_end_of_any_process_is_noticed)
{
	struct trace t = {0};
	struct loop_process *p;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	t.loop = loop_new(NULL);
	assert_int_equal(loop_process_watch(t.loop, pid, stop_it, &t, &p, NULL), 0);
	assert_int_equal(loop_process_kill(p, SIGKILL), 0);
	assert_int_equal(loop_run(t.loop, NULL), 0);
	assert_string_equal(t.text, "s");
	assert_true(loop_process_status(p, &status));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* Waited for by another: newer kernels still tell. */
	status = 0;
	if (loop_process_status(p, &status))
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	loop_process_free(p);
	assert_int_equal(loop_process_watch(t.loop, pid, stop_it, &t, &p, NULL), -ESRCH);
	loop_free(t.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_the_order_of_their_deadlines),
		cmocka_unit_test(the_heap_keeps_its_order),
		cmocka_unit_test(a_timer_may_set_and_free_itself),
		cmocka_unit_test(deferred_calls_run_once_and_can_be_forgotten),
		cmocka_unit_test(what_is_stopping_runs_nothing_until_it_is_taken_back),
		cmocka_unit_test(a_descriptor_is_level_triggered_and_may_be_freed_in_its_callback),
		cmocka_unit_test(a_signal_arrives_in_the_loop),
		cmocka_unit_test(the_end_of_any_process_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
