/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step that has another tool do it: told to go on where it was cut, told to begin where it had
 * not begun, waited for where it says so. The tool is a script that says what it was told.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"
#include "tests/unit/runbooks/stage.h"

struct scene {
	struct stage stage;
	const char *run, *program, *told;
	bool refused; /* the tool begins no run */
};

static void put_run(struct stage *s, const char *name, const char *state)
{
	stage_put(s,
		  arena_printf(&s->arena,
			       "{apiVersion: sidestep.dev/v1alpha1, kind: SidestepRun, metadata: "
			       "{name: %s}, spec: {tool: migrate, subject: web, state: %s, "
			       "planDigest: \"00\"}}",
			       name, state));
}

/* The tool is about to do it: it makes its run first. */
static void tool_begins(struct attempt *t, const char *where)
{
	if (str_eq(where, "do") &&
	    !stage_get(t->stage, KIND_SIDESTEP_RUN, NULL, "web-20990101000000"))
		put_run(t->stage, "web-20990101000000", "done");
}

/* Ours stand beside us: the stand-in, too. Each call takes the first word of `answers` as its exit.
 */
static void write_tool(struct scene *s, const char *answers, const char *like)
{
	struct arena *a = &s->stage.arena;
	struct error err = ERROR_INIT;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *text, *left = arena_printf(a, "%s/answers", s->stage.dir);

	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	s->program = arena_printf(a, "%s/sidestep", self);
	s->told = arena_printf(a, "%s/told", s->stage.dir);
	text = arena_printf(a,
			    "#!/bin/sh\necho \"$*\" >>%s\ncd %s\n%s\nread -r code rest <%s\necho "
			    "\"$rest\" >%s\necho what it says\nexit $code\n",
			    s->told, s->stage.dir, like, left, left);
	if (io_write_file_atomic(s->program, text, strlen(text), 0755, &err) ||
	    io_write_file_atomic(left, answers, strlen(answers), 0644, &err))
		fail_msg("%s", err.msg);
}

static void scene_new(struct scene *s, const char *answers)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;

	s->refused = false;
	stage_new(&s->stage);
	write_tool(s, answers, "");
	attempt_open(&t, &s->stage, "alice", "alice");
	if (attempt_start(&t, "tool", MODE_EXECUTE, &err))
		fail_msg("%s", err.msg);
	s->run = arena_strdup(&s->stage.arena, t.r.run);
	assert_true(attempt_go(&t, false, &end));
	assert_int_equal(end.exit, 7);
	attempt_close(&t);
	if (attempt_approve(&s->stage, "bob", s->run, "agree", &err))
		fail_msg("%s", err.msg);
}

static void scene_free(struct scene *s)
{
	unlink(s->program);
	stage_free(&s->stage);
}

/* kill_behind: a word of the journal behind whose record it dies; NULL: not. -1 when it died. */
static int go(struct scene *s, bool rollback, int kill_at)
{
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct run_end end;
	bool whole;

	t = (struct attempt){.kill_at = -1, .at = s->refused || rollback ? NULL : tool_begins};
	attempt_open(&t, &s->stage, "alice", "alice");
	if (attempt_find(&t, s->run, &err))
		fail_msg("%s", err.msg);
	t.kill_at = kill_at;
	t.boundary = 0;
	whole = attempt_go(&t, rollback, &end);
	attempt_close(&t);
	return whole ? end.exit : -1;
}

static void was_told(struct scene *s, const char *want)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	io_read_file(s->told, 65536, &text, NULL);
	assert_string_equal(strbuf_cstr(&text), want);
}

TEST(it_is_told_once_and_taken_back_by_its_own_way_back)
{
	struct scene s;

	scene_new(&s, "0 9");
	assert_int_equal(go(&s, false, -1), 0);
	assert_int_equal(go(&s, false, -1), 0);
	was_told(&s, "migrate run --yes web\n");
	assert_int_equal(go(&s, true, -1), 9);
	was_told(&s, "migrate run --yes web\nmigrate rollback --yes web\n");
	scene_free(&s);
}

TEST(what_pauses_is_gone_on_with)
{
	struct scene s;

	scene_new(&s, "8 5 0");
	assert_int_equal(go(&s, false, -1), 5);
	assert_int_equal(go(&s, false, -1), 5);
	assert_int_equal(go(&s, false, -1), 0);
	was_told(&s, "migrate run --yes web\nmigrate resume --yes web\nmigrate resume --yes web\n");
	scene_free(&s);
}

TEST(what_says_no_has_failed)
{
	struct scene s;

	scene_new(&s, "3 9");
	assert_int_equal(go(&s, false, -1), 3);
	assert_int_equal(go(&s, false, -1), 3);
	was_told(&s, "migrate run --yes web\n");
	scene_free(&s);
}

/* What the tool has from earlier is not this run's to take back. */
TEST(what_was_refused_takes_back_nobody_elses_run)
{
	struct scene s;

	scene_new(&s, "3 9");
	put_run(&s.stage, "web-20200101000000", "done");
	s.refused = true;
	assert_int_equal(go(&s, false, -1), 3);
	assert_int_equal(go(&s, true, -1), 9);
	was_told(&s, "migrate run --yes web\n");
	scene_free(&s);
}

TEST(a_later_run_of_somebody_else_is_not_taken_back)
{
	struct scene s;

	scene_new(&s, "0 9");
	assert_int_equal(go(&s, false, -1), 0);
	put_run(&s.stage, "web-20990202000000", "done");
	assert_int_equal(go(&s, true, -1), 10);
	was_told(&s, "migrate run --yes web\n");
	scene_free(&s);
}

/* As the tools are: a run that was begun is not begun again, and only then gone on with. */
static const char like_ours[] = "case $2 in\n"
				"run) [ -e begun ] && exit 1; touch begun; exit 0 ;;\n"
				"resume) [ -e begun ] || exit 1; exit 0 ;;\n"
				"esac";

TEST(killed_anywhere_it_is_begun_or_gone_on_with)
{
	int exit = -1, at;

	for (at = 0; exit < 0; at++) {
		struct scene s;

		scene_new(&s, "0");
		write_tool(&s, "0", like_ours);
		exit = go(&s, false, at);
		if (exit < 0)
			assert_int_equal(go(&s, false, -1), 0);
		else
			assert_int_equal(exit, 0);
		assert_true(io_exists(arena_printf(&s.stage.arena, "%s/begun", s.stage.dir)));
		scene_free(&s);
	}
	assert_true(at > 10);
}

/* A tool that is told to go on where nothing is left to do says how its newest run ended. */
TEST(killed_anywhere_an_old_run_is_not_gone_on_with)
{
	static const char *const old[] = {"done", "rolled-back"};

	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		const char *like = i ? "[ $2 = resume ] && [ ! -e begun ] && exit 9; touch begun"
				     : "[ $2 = resume ] && [ ! -e begun ] && exit 0; touch begun";
		int exit = -1;

		for (int at = 0; exit < 0; at++) {
			struct scene s;

			scene_new(&s, "0");
			put_run(&s.stage, "web-20200101000000", old[i]);
			write_tool(&s, "0", like);
			exit = go(&s, false, at);
			assert_int_equal(exit < 0 ? go(&s, false, -1) : exit, 0);
			assert_true(
				io_exists(arena_printf(&s.stage.arena, "%s/begun", s.stage.dir)));
			scene_free(&s);
		}
	}
}

/* No cluster: the agent of this node is asked by its own command. */
TEST(this_nodes_agent_tells_of_one_node)
{
	static const char agent[] =
		"case $1 in\n"
		"status) echo '{\"node\": \"n1\", \"version\": \"0.3.0\", \"ready\": true, "
		"\"eventsLost\": 4, \"health\": {\"mapErrors\": 2, \"programs\": {\"wrong\": 1, "
		"\"ids\": []}}}'; exit 0 ;;\n"
		"endpoint) echo '[{\"id\": 1, \"namespace\": \"web\", \"pod\": \"p\", \"state\": "
		"\"ready\", \"revision\": 3, \"sidecar\": true}, {\"id\": 2, \"namespace\": "
		"\"web\", "
		"\"state\": \"regenerating\"}]'; exit 0 ;;\n"
		"esac";
	static const struct {
		const char *source, *field;
		int64_t want;
	} cases[] = {{"agents", "ready", 1},        {"agents", "lost", 4},
		     {"endpoints", "all", 2},       {"endpoints", "not_ready", 1},
		     {"endpoints", "sidecars", 1},  {"endpoints", "stale", 0},
		     {"maps", "failed_updates", 2}, {"hooks", "count", 1}};
	struct attempt t = {.kill_at = -1};
	struct scene s;

	stage_new(&s.stage);
	write_tool(&s, "1", agent);
	attempt_open(&t, &s.stage, NULL, "alone");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct source_question q = {.source = cases[i].source, .limit = 10};
		struct error err = ERROR_INIT;
		struct doc *d = NULL;

		if (source_ask(&t.r.sources, &q, &t.r.arena, &d, &err))
			fail_msg("%s: %s", cases[i].source, err.msg);
		if (doc_find_int(d, cases[i].field, -1) != cases[i].want)
			fail_msg("%s.%s is not %lld", cases[i].source, cases[i].field,
				 (long long)cases[i].want);
		assert_null(doc_get(d, "missing_nodes"));
	}
	attempt_close(&t);
	scene_free(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_once_and_taken_back_by_its_own_way_back),
		cmocka_unit_test(what_pauses_is_gone_on_with),
		cmocka_unit_test(what_says_no_has_failed),
		cmocka_unit_test(what_was_refused_takes_back_nobody_elses_run),
		cmocka_unit_test(a_later_run_of_somebody_else_is_not_taken_back),
		cmocka_unit_test(killed_anywhere_an_old_run_is_not_gone_on_with),
		cmocka_unit_test(this_nodes_agent_tells_of_one_node),
		cmocka_unit_test(killed_anywhere_it_is_begun_or_gone_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
