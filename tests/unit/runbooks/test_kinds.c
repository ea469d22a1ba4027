/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of steps, within each other: answered by a person, called, tried again, approved one by
 * one. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"
#include "tests/unit/runbooks/stage.h"

static const char *status_of(struct attempt *t, const char *step)
{
	return str_or_empty(doc_find_str(doc_get(t->r.answers, step), "status"));
}

static const char *begin(struct stage *s, enum runbook_mode mode, struct run_end *ret_end)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	const char *run;

	attempt_open(&t, s, "alice", "alice");
	if (attempt_start(&t, "kinds", mode, &err))
		fail_msg("%s", err.msg);
	run = arena_strdup(&s->arena, t.r.run);
	assert_true(attempt_go(&t, false, ret_end));
	attempt_close(&t);
	return run;
}

/* Goes on; the attempt is left open for who looks at it. */
static struct run_end on(struct stage *s, struct attempt *t, const char *run, const char *answer)
{
	struct error err = ERROR_INIT;
	struct run_end end;

	*t = (struct attempt){.kill_at = -1};
	attempt_open(t, s, "alice", "alice");
	t->r.options.answers = &answer;
	t->r.options.n_answers = answer ? 1 : 0;
	if (attempt_find(t, run, &err))
		fail_msg("%s", err.msg);
	assert_true(attempt_go(t, false, &end));
	t->r.options.n_answers = 0;
	return end;
}

TEST(a_person_is_asked_and_everything_else_is_done)
{
	static struct attempt t;
	struct stage s;
	struct run_end end;
	const char *run;

	stage_new(&s);
	run = begin(&s, MODE_DIAGNOSE, &end);
	assert_int_equal(end.exit, 7);
	/* What is none of the choices is asked again. */
	end = on(&s, &t, run, "which=other");
	assert_int_equal(end.exit, 7);
	assert_non_null(strstr(end.why, "which one in web?"));
	assert_non_null(strstr(run_next_words(&t.r, &end), "--answer which=VALUE"));
	assert_false(run_waits_for_approval(&t.r, &end));
	/* What was given must be given again. */
	t.r.options.context = "the lab";
	t.r.options.no_cluster = true;
	assert_non_null(strstr(run_next_words(&t.r, &end), "VALUE --context \"the lab\" --state "));
	assert_non_null(strstr(run_next_words(&t.r, &end), " --no-cluster' answers"));
	attempt_close(&t);
	end = on(&s, &t, run, "which=limits");
	assert_int_equal(end.exit, 0);
	assert_string_equal(end.outcome, "asked");
	assert_string_equal(doc_find_str(doc_get(t.r.answers, "say"), "answer.says"),
			    "twice 2 is 4");
	assert_string_equal(status_of(&t, "incident"), "ok");
	assert_string_equal(status_of(&t, "incident/agents"), "ok");
	assert_string_equal(status_of(&t, "nobody"), "inconclusive");
	assert_string_equal(status_of(&t, "beside.nodes"), "ok");
	assert_string_equal(status_of(&t, "gone"), "inconclusive");
	assert_string_equal(status_of(&t, "stops[0].knock"), "inconclusive");
	assert_string_equal(status_of(&t, "stops[1].knock"), "");
	assert_string_equal(status_of(&t, "stops"), "failed");
	/* Diagnose reads what stands within, and changes nothing of it. */
	assert_string_equal(status_of(&t, "each"), "");
	attempt_close(&t);
	stage_free(&s);
}

TEST(an_answer_that_comes_too_late_is_none)
{
	static struct attempt t;
	struct stage s;
	struct run_end end;
	const char *run;

	stage_new(&s);
	run = begin(&s, MODE_DIAGNOSE, &end);
	fake_clock_advance(&s.clock, 59ull * 60 * NS_PER_S);
	end = on(&s, &t, run, NULL);
	assert_int_equal(end.exit, 7);
	attempt_close(&t);
	fake_clock_advance(&s.clock, 2ull * 60 * NS_PER_S);
	end = on(&s, &t, run, "which=limits");
	assert_int_equal(end.exit, 3);
	assert_non_null(strstr(end.why, "nobody answered in time"));
	attempt_close(&t);
	stage_free(&s);
}

TEST(each_is_approved_for_itself_and_taken_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct stage s;
	struct run_end end;
	const char *run, *before;

	stage_new(&s);
	before = stage_state(&s, &a);
	run = begin(&s, MODE_EXECUTE, &end);
	end = on(&s, &t, run, "which=limits");
	assert_int_equal(end.exit, 7);
	assert_string_equal(end.waiting, "each[0].agree");
	assert_non_null(strstr(run_next_words(&t.r, &end), "each[0].agree"));
	attempt_close(&t);
	if (attempt_approve(&s, "bob", run, "each[0].agree", &err))
		fail_msg("%s", err.msg);
	end = on(&s, &t, run, NULL);
	assert_string_equal(end.waiting, "each[1].agree");
	assert_string_equal(status_of(&t, "each[0].label"), "changed");
	attempt_close(&t);
	if (attempt_approve(&s, "bert", run, "each[1].agree", &err))
		fail_msg("%s", err.msg);
	end = on(&s, &t, run, NULL);
	assert_int_equal(end.exit, 0);
	assert_string_equal(status_of(&t, "each"), "changed");
	assert_true(t.r.evidence.index && doc_len(doc_get(t.r.evidence.index, "files")) >= 2);
	attempt_close(&t);
	assert_string_not_equal(stage_state(&s, &a), before);
	{
		t = (struct attempt){.kill_at = -1};
		attempt_open(&t, &s, "alice", "alice");
		assert_int_equal(attempt_find(&t, run, &err), 0);
		assert_true(attempt_go(&t, true, &end));
		assert_int_equal(end.exit, 9);
		attempt_close(&t);
	}
	assert_string_equal(stage_state(&s, &a), before);
	stage_free(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_is_asked_and_everything_else_is_done),
		cmocka_unit_test(an_answer_that_comes_too_late_is_none),
		cmocka_unit_test(each_is_approved_for_itself_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
