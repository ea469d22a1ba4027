/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <signal.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/loop/spawn.h"

struct run {
	struct loop *loop;
	struct loop_child *child;
	struct strbuf out, errors;
	struct loop_child_exit end;
};

static void on_output(void *arg, int stream, const char *data, size_t n)
{
	struct run *r = arg;

	strbuf_add(stream == 1 ? &r->out : &r->errors, data, n);
}

static void on_exit_(void *arg, const struct loop_child_exit *end)
{
	struct run *r = arg;

	r->end = *end;
	loop_stop(r->loop);
}

static int start(struct run *r, const char *script, const char *input, struct error *err)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct loop_spawn spec = {
		.argv = argv,
		.fds = {-1, -1, -1},
		.input = input,
		.input_size = input ? strlen(input) : 0,
		.on_output = on_output,
	};

	memset(r, 0, sizeof(*r));
	r->loop = loop_new(NULL);
	return loop_spawn(r->loop, &spec, on_exit_, r, &r->child, err);
}

static void finish(struct run *r)
{
	loop_child_free(r->child);
	loop_free(r->loop);
	strbuf_release(&r->out);
	strbuf_release(&r->errors);
}

TEST(streams_and_exit_code)
{
	struct run r;

	assert_int_equal(start(&r, "cat; echo oops >&2; exit 7", "hello", NULL), 0);
	assert_true(loop_child_running(r.child));
	assert_int_equal(loop_run(r.loop, NULL), 0);
	assert_string_equal(strbuf_cstr(&r.out), "hello");
	assert_string_equal(strbuf_cstr(&r.errors), "oops\n");
	assert_int_equal(r.end.code, 7);
	assert_int_equal(r.end.signal, 0);
	assert_int_equal(loop_child_kill(r.child, SIGTERM), -ESRCH);
	finish(&r);
}

TEST(a_signal_is_told_apart)
{
	struct run r;

	assert_int_equal(start(&r, "read x", "", NULL), 0);
	assert_int_equal(loop_run(r.loop, NULL), 0);
	assert_int_equal(r.end.code, 1);
	finish(&r);
	assert_int_equal(start(&r, "kill -KILL $$", NULL, NULL), 0);
	assert_int_equal(loop_run(r.loop, NULL), 0);
	assert_int_equal(r.end.code, -1);
	assert_int_equal(r.end.signal, SIGKILL);
	finish(&r);
}

TEST(a_grandchild_that_keeps_the_pipe_does_not_hold_us)
{
	struct run r;
	int pid = 0;

	assert_int_equal(start(&r, "tail -f /dev/null & echo $!", NULL, NULL), 0);
	assert_int_equal(loop_run(r.loop, NULL), 0);
	assert_int_equal(r.end.code, 0);
	pid = atoi(strbuf_cstr(&r.out));
	assert_true(pid > 1);
	kill(pid, SIGKILL);
	finish(&r);
}

static int refuse(void *arg)
{
	return *(int *)arg;
}

TEST(what_cannot_start_is_an_error_at_once)
{
	const char *argv[] = {"/no/such/program", NULL};
	struct loop_spawn spec = {.argv = argv, .fds = {-1, -1, -1}};
	struct loop *loop = loop_new(NULL);
	struct loop_child *child = NULL;
	struct error err = ERROR_INIT;
	int code = EPERM;

	assert_int_equal(loop_spawn(loop, &spec, NULL, NULL, &child, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/no/such/program"));
	argv[0] = "true";
	spec.before_exec = refuse;
	spec.before_exec_arg = &code;
	assert_int_equal(loop_spawn(loop, &spec, NULL, NULL, &child, &err), -EPERM);
	assert_null(child);
	loop_free(loop);
}

static void free_it(void *arg, UNUSED int stream, UNUSED const char *data, UNUSED size_t n)
{
	struct run *r = arg;

	loop_child_free(r->child);
	r->child = NULL;
	loop_stop(r->loop);
}

TEST(a_child_may_be_freed_in_its_output)
{
	const char *argv[] = {"echo", "x", NULL};
	struct loop_spawn spec = {.argv = argv, .fds = {-1, -1, -1}, .on_output = free_it};
	struct run r = {0};

	r.loop = loop_new(NULL);
	assert_int_equal(loop_spawn(r.loop, &spec, on_exit_, &r, &r.child, NULL), 0);
	assert_int_equal(loop_run(r.loop, NULL), 0);
	assert_int_equal(loop_run(r.loop, NULL), 0); /* until it is reaped: nothing left */
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_and_exit_code),
		cmocka_unit_test(a_signal_is_told_apart),
		cmocka_unit_test(a_grandchild_that_keeps_the_pipe_does_not_hold_us),
		cmocka_unit_test(what_cannot_start_is_an_error_at_once),
		cmocka_unit_test(a_child_may_be_freed_in_its_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
