/* SPDX-License-Identifier: Apache-2.0 */
/* One allowed program: what it may be, what it gets, and how it is ended. */
#include "runbooks/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

#define ROW "findmnt", "--json"

/* Ours stand beside us, and are found first: so a stand-in of an allowed program stands there. */
static const char *stand_in(struct arena *a, const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	return arena_printf(a, "%s/%s", self, name);
}

struct scene {
	struct arena arena;
	struct cluster cluster;
	const char *program;
};

static void scene_of(struct scene *s, const char *name, const char *script)
{
	const char *text;
	struct error err = ERROR_INIT;

	*s = (struct scene){.cluster = {.loop = loop_new(NULL), .clock = clock_system()}};
	s->program = stand_in(&s->arena, name);
	text = arena_printf(&s->arena, "#!/bin/sh\n%s\n", script);
	assert_int_equal(io_write_file_atomic(s->program, text, strlen(text), 0755, &err), 0);
}

static void scene_new(struct scene *s, const char *script)
{
	scene_of(s, "findmnt", script);
}

static void scene_free(struct scene *s)
{
	unlink(s->program);
	loop_free(s->cluster.loop);
	arena_release(&s->arena);
}

static int ask(struct scene *s, uint64_t timeout_ns, uint64_t max, struct doc **ret,
	       struct error *err)
{
	static const char *const argv[] = {ROW};
	const struct command_request q = {
		.argv = argv, .n = ARRAY_SIZE(argv), .timeout_ns = timeout_ns, .max_output = max};

	return command_run(&s->cluster, &q, &s->arena, ret, err);
}

TEST(it_gets_nothing_of_ours)
{
	struct error err = ERROR_INIT;
	struct scene s;
	struct doc *d;
	const char *out;

	scene_new(&s,
		  "env; pwd; ls -A | wc -l; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l");
	setenv("SECRET_TOKEN", "hunter2", 1);
	setenv("LD_PRELOAD", "", 1);
	if (ask(&s, 10 * NS_PER_S, 65536, &d, &err))
		fail_msg("%s", err.msg);
	out = doc_find_str(d, "output");
	assert_int_equal(doc_find_int(d, "exit", -1), 0);
	assert_null(strstr(out, "hunter2"));
	assert_null(strstr(out, "HOME="));
	assert_null(strstr(out, "KUBECONFIG="));
	assert_non_null(strstr(out, "LANG=C.UTF-8"));
	assert_non_null(strstr(out, "/tmp/sidestep-step-"));
	assert_non_null(strstr(out, "\n0\n/dev/null\n"));
	scene_free(&s);
}

/* What ours are told of the cluster: the caller's own way to it. */
static const char *told(struct scene *s, const char *kubeconfig)
{
	static const char *const argv[] = {"sidestep-preflight", "run", "--passive",
					   "--node-only",        "-o",  "json"};
	const struct command_request q = {.argv = argv,
					  .n = ARRAY_SIZE(argv),
					  .timeout_ns = 10 * NS_PER_S,
					  .max_output = 65536,
					  .kubeconfig = kubeconfig};
	struct error err = ERROR_INIT;
	struct doc *d;

	if (command_run(&s->cluster, &q, &s->arena, &d, &err))
		fail_msg("%s", err.msg);
	return str_or_empty(doc_find_str(d, "output"));
}

TEST(ours_find_the_cluster_as_we_do)
{
	char home[] = "/tmp/sidestep-home-XXXXXX", here[4096];
	struct error err = ERROR_INIT;
	struct scene s;

	assert_non_null(mkdtemp(home));
	assert_non_null(getcwd(here, sizeof(here)));
	scene_of(&s, "sidestep-preflight", "env");
	setenv("HOME", home, 1);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_null(strstr(told(&s, NULL), "KUBECONFIG="));
	assert_non_null(strstr(told(&s, NULL), "KUBERNETES_SERVICE_HOST=10.96.0.1\n"));
	assert_non_null(strstr(told(&s, NULL), "KUBERNETES_SERVICE_PORT=443\n"));
	assert_int_equal(io_mkdirs(arena_printf(&s.arena, "%s/.kube", home), 0700, &err), 0);
	assert_int_equal(io_write_file_atomic(arena_printf(&s.arena, "%s/.kube/config", home), "{}",
					      2, 0600, &err),
			 0);
	assert_non_null(strstr(told(&s, NULL),
			       arena_printf(&s.arena, "KUBECONFIG=%s/.kube/config\n", home)));
	assert_null(strstr(told(&s, NULL), "\nHOME="));
	assert_non_null(strstr(told(&s, "/a/b"), "KUBECONFIG=/a/b\n"));
	assert_non_null(strstr(told(&s, "mine.conf"),
			       arena_printf(&s.arena, "KUBECONFIG=%s/mine.conf\n", here)));
	io_remove_tree(home, NULL);
	scene_free(&s);
}

TEST(its_output_has_a_limit_and_its_temporary_folder_goes)
{
	struct error err = ERROR_INIT;
	struct scene s;
	struct doc *d;

	scene_new(&s, "touch left; head -c 3000000 /dev/zero | tr '\\0' x; echo much >&2; exit 3");
	if (ask(&s, 30 * NS_PER_S, 1000, &d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(strlen(doc_find_str(d, "output")), 1000);
	assert_true(doc_bool_or(doc_get(d, "cut"), false));
	assert_int_equal(doc_find_int(d, "exit", -1), 3);
	assert_string_equal(doc_find_str(d, "error"), "much\n");
	scene_free(&s);
}

TEST(when_its_time_is_over_everything_it_started_ends)
{
	struct error err = ERROR_INIT;
	auto_release(strbuf) struct strbuf pid = STRBUF_INIT;
	char file[] = "/tmp/sidestep-pid-XXXXXX";
	int fd = mkstemp(file);
	struct scene s;
	struct doc *d;
	pid_t child;

	assert_true(fd >= 0);
	close(fd);
	scene_new(&s, "");
	{
		const char *text =
			arena_printf(&s.arena, "#!/bin/sh\nsleep 1000 & echo $! >%s\nwait\n", file);

		assert_int_equal(io_write_file_atomic(s.program, text, strlen(text), 0755, &err),
				 0);
	}
	assert_int_equal(ask(&s, NS_PER_S, 1000, &d, &err), -ETIMEDOUT);
	assert_int_equal(io_read_file(file, 100, &pid, &err), 0);
	child = (pid_t)strtol(strbuf_cstr(&pid), NULL, 10);
	/* Gone, or on its way: nobody but init is left to see it off. */
	while (child > 1 && kill(child, 0) == 0) {
		auto_release(strbuf) struct strbuf stat = STRBUF_INIT;

		if (io_read_file(arena_printf(&s.arena, "/proc/%d/stat", (int)child), 4096, &stat,
				 NULL) ||
		    strstr(strbuf_cstr(&stat), ") Z "))
			break;
	}
	unlink(file);
	scene_free(&s);
}

TEST(interrupted_it_ends_too)
{
	struct error err = ERROR_INIT;
	struct scene s;
	struct doc *d;

	scene_new(&s, "sleep 1000");
	s.cluster.pause = "interrupted";
	assert_int_equal(ask(&s, 1000 * NS_PER_S, 1000, &d, &err), -EINTR);
	scene_free(&s);
}

TEST(only_rows_run_and_nothing_becomes_an_option)
{
	static const struct {
		const char *argv[6];
		size_t n;
		bool mutates, refused;
	} cases[] = {
		{{"uname", "-a"}, 2, false, false},
		{{"uname", "-a", "x"}, 3, false, true},
		{{"uname"}, 1, false, true},
		{{"/usr/bin/uname", "-a"}, 2, false, true},
		{{"sh", "-c", "id"}, 3, false, true},
		{{"df", "-P", "/tmp"}, 3, false, false},
		{{"df", "-P", "--sync"}, 3, false, true},
		{{"df", "-P", "a\nb"}, 3, false, true},
		{{"df", "-P", ""}, 3, false, true},
		{{"systemctl", "restart", "x"}, 3, false, true},
		{{"systemctl", "restart", "x"}, 3, true, false},
		{{"systemctl", "restart", "-H", "there"}, 4, true, true},
		{{"uname", "-a"}, 2, true, true},
		{{"sidestep", "migrate", "run", "--yes", "web"}, 5, true, false},
		{{"sidestep", "migrate", "run", "--yes", "--plan"}, 5, true, true},
	};
	auto_release(arena) struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = command_refused(&a, cases[i].argv, cases[i].n, cases[i].mutates);

		if (!why != !cases[i].refused)
			fail_msg("%zu: %s", i, why ? why : "it may run");
	}
}

/* What goes on with a row's work may run as the row may. */
TEST(every_way_on_is_a_row_too)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *rows = doc_get(known_doc(&a), "commands");
	size_t n = 0;

	doc_foreach_item (rows, row) {
		char *again = arena_strdup(&a, str_or_empty(doc_find_str(row, "again")));
		const char *words[16];
		size_t k = 0;

		for (char *word; *again && (word = strsep(&again, " ")) != NULL;) {
			words[k++] = word;
			if (!again)
				break;
		}
		if (k && command_refused(&a, words, k, true))
			fail_msg("%s: %s", doc_find_str(row, "again"),
				 command_refused(&a, words, k, true));
		n += k > 0;
	}
	assert_true(n >= 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gets_nothing_of_ours),
		cmocka_unit_test(ours_find_the_cluster_as_we_do),
		cmocka_unit_test(its_output_has_a_limit_and_its_temporary_folder_goes),
		cmocka_unit_test(when_its_time_is_over_everything_it_started_ends),
		cmocka_unit_test(interrupted_it_ends_too),
		cmocka_unit_test(every_way_on_is_a_row_too),
		cmocka_unit_test(only_rows_run_and_nothing_becomes_an_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
