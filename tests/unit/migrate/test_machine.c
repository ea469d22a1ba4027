/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine against a real API server: there and back, killed once at every journal boundary,
 * edited by somebody else, overtaken or paused by a colleague. Time is a fake clock.
 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "tests/support/test.h"
#include "tests/unit/migrate/attempt.h"

static const char *line_of(struct arena *a, const char *text, const char *begins)
{
	const char *line = strstr(text, begins);

	return line ? arena_strndup(a, line, strcspn(line, "\n")) : "";
}

TEST(there_and_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct stand_in w;
	const char *before, *after;

	stand_in_new(&w);
	before = stand_in_state(&w, &a);
	assert_non_null(strstr(before, "pods 3 with, 0 without"));
	attempt_killed_at(&w, -1, false, RUN_DONE);
	after = stand_in_state(&w, &a);
	if (!strstr(after, "pods 0 with, 3 without"))
		fail_msg("%s", strstr(after, "requests "));
	assert_non_null(strstr(after, "sidestep-books"));
	assert_non_null(strstr(after, "requests 0"));
	assert_null(strstr(after, "ISTIO_MUTUAL"));
	/* Who probe pods were is gone too, and comes back for the way back. */
	assert_string_equal(line_of(&a, after, "accounts "), line_of(&a, before, "accounts "));
	attempt_killed_at(&w, -1, true, RUN_ROLLED_BACK);
	assert_string_equal(stand_in_state(&w, &a), before);
	stand_in_free(&w);
}

/* What `resume` (done: `rollback`) is told: "", or how the newest run has ended. */
static const char *ended(struct stand_in *w, bool done)
{
	static struct attempt t;
	struct error err = ERROR_INIT;
	enum run_state state;
	const char *run;

	memset(&t, 0, sizeof(t));
	attempt_open(&t, w, "asks", -1);
	if (session_ended(&t.session, "ledger", done, &run, &state, &err))
		fail_msg("%s", err.msg);
	attempt_close(&t);
	return run ? run_state_name(state) : "";
}

TEST(who_asks_for_a_run_that_has_ended_learns_how)
{
	struct stand_in w;

	stand_in_new(&w);
	assert_string_equal(ended(&w, false), "");
	attempt_killed_at(&w, -1, false, RUN_DONE);
	assert_string_equal(ended(&w, false), "done");
	assert_string_equal(ended(&w, true), ""); /* can be taken back */
	attempt_killed_at(&w, -1, true, RUN_ROLLED_BACK);
	assert_string_equal(ended(&w, false), "rolled-back");
	assert_string_equal(ended(&w, true), "rolled-back");
	stand_in_free(&w);
}

TEST(killed_at_every_boundary_it_ends_the_same)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *before = NULL, *after = NULL;
	int forward = 1, back = 1;

	for (int i = -1; i < forward || i < back; i++) {
		struct stand_in w;

		stand_in_new(&w);
		if (i < 0)
			before = stand_in_state(&w, &a);
		if (i < 0)
			forward = attempt_killed_at(&w, -1, false, RUN_DONE);
		else
			attempt_killed_at(&w, i < forward ? i : -1, false, RUN_DONE);
		if (i < 0)
			after = stand_in_state(&w, &a);
		else
			assert_string_equal(stand_in_state(&w, &a), after);
		if (i < 0)
			back = attempt_killed_at(&w, -1, true, RUN_ROLLED_BACK);
		else
			attempt_killed_at(&w, i < back ? i : -1, true, RUN_ROLLED_BACK);
		assert_string_equal(stand_in_state(&w, &a), before);
		stand_in_free(&w);
	}
	printf("%d boundaries there, %d back\n", forward, back);
}

/* Kills at boundary n, lets somebody edit, goes on, and expects a conflict. */
static void conflict_after_edit(const char *step_type, const struct object_kind *kind,
				const char *ns, const char *name, const char *edit,
				const char *stays)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;
	enum run_state state;
	auto_release(strbuf) struct strbuf live = STRBUF_INIT;

	stand_in_new(&w);
	attempt_killed_at(&w, -1, false, RUN_DONE);
	stand_in_patch(&w, kind, ns, name, edit);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	t.rollback = true;
	attempt_find(&t, true);
	assert_true(attempt_go(&t, &state));
	if (state != RUN_ROLLBACK_STOPPED && state != RUN_CONFLICT)
		fail_msg("%s: %s", step_type, run_state_name(state));
	attempt_expect(&t, name);
	attempt_close(&t);
	doc_write_json(stand_in_get(&w, &a, kind, ns, name), DOC_COMPACT, &live);
	assert_non_null(strstr(strbuf_cstr(&live), stays));
	stand_in_free(&w);
}

TEST(a_foreign_edit_is_a_conflict_and_stays)
{
	conflict_after_edit("label", object_kind(KIND_NAMESPACE), NULL, "ledger",
			    "{\"metadata\": {\"labels\": {\"istio-injection\": \"maybe\"}}}",
			    "\"istio-injection\":\"maybe\"");
	conflict_after_edit("policy", object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger",
			    "sidestep-books", "{\"spec\": {\"description\": \"mine now\"}}",
			    "mine now");
}

TEST(who_was_overtaken_by_a_colleague_writes_nothing_more)
{
	static struct attempt mine, colleague;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct stand_in w;
	enum run_state ended;
	const char *before;

	stand_in_new(&w);
	memset(&mine, 0, sizeof(mine));
	attempt_open(&mine, &w, "mine", 40);
	attempt_start(&mine, NULL);
	assert_false(attempt_go(&mine, &ended)); /* not killed but asleep: the session stays */
	memset(&colleague, 0, sizeof(colleague));
	attempt_open(&colleague, &w, "colleague", 1);
	attempt_find(&colleague, false);
	assert_false(
		attempt_go(&colleague, &ended)); /* has said that it goes on, nothing else yet */
	mine.kill_at = colleague.kill_at = -1;
	before = stand_in_state(&w, &a);
	/* The first record of the colleague may not have left his machine. */
	attempt_close(&colleague);
	attempt_open(&colleague, &w, "colleague", -1);
	attempt_find(&colleague, false);
	fake_clock_advance(&w.clock, NS_PER_S);
	assert_int_equal(session_run(&mine.session, &ended, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "somebody else goes on"));
	assert_string_equal(stand_in_state(&w, &a), before);
	assert_true(attempt_go(&colleague, &ended));
	assert_int_equal(ended, RUN_DONE);
	attempt_close(&colleague);
	attempt_close(&mine);
	stand_in_free(&w);
}

TEST(a_colleague_can_ask_for_a_pause)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;
	size_t n;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, NULL);
	stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, t.session.run,
		       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION "\": \"true\"}}}");
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_PAUSED);
	assert_int_equal(run_exit_code(ended, false), 8);
	attempt_close(&t);
	/* Resumed, it is asked again while a gate waits, which writes nothing: the gate does not
	 * end. */
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, t.session.run,
		       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION "\": null}}}");
	t.session.cluster.pause = NULL;
	t.pause_at = "N3-policies";
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_PAUSED);
	n = journal_count(t.session.journal);
	assert_string_equal(journal_at(t.session.journal, n - 1)->type, "state");
	assert_string_equal(journal_at(t.session.journal, n - 2)->type, "done");
	attempt_close(&t);
	/* A second run of the namespace is refused while this one is open. */
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	assert_int_equal(session_start(&t.session, attempt_plan(&t.session.arena), NULL), -EBUSY);
	attempt_close(&t);
	stand_in_free(&w);
}

/* The clock stands still: names are free here and in the cluster, the later one sorts behind. */
TEST(runs_of_one_second_have_names_of_their_own)
{
	static const char *const laptops[] = {"mine", "mine", "another"};
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *before = "";
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	for (size_t i = 0; i < ARRAY_SIZE(laptops); i++) {
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, laptops[i], -1);
		attempt_start(&t, NULL);
		assert_true(strcmp(before, t.session.run) < 0);
		before = arena_strdup(&a, t.session.run);
		stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, before,
			       "{\"spec\": {\"state\": \"done\"}}");
		attempt_close(&t);
	}
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "another", -1);
	attempt_find(&t, true);
	assert_string_equal(t.session.run, before);
	attempt_close(&t);
	stand_in_free(&w);
}

/* One that could get stuck half way, because its copy takes no more records, does not begin. */
TEST(a_plan_too_large_for_its_copy_leaves_nothing)
{
	static struct attempt t;
	struct stand_in w;
	struct doc *plan, *runs;
	struct error err = ERROR_INIT;
	auto_release(strbuf) struct strbuf wide = STRBUF_INIT;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	plan = attempt_plan(&t.session.arena);
	while (wide.len < 401 * 1024)
		strbuf_adds(&wide, "0123456789abcdef");
	doc_set_string(&t.session.arena, plan, "wide", strbuf_cstr(&wide));
	assert_int_equal(session_start(&t.session, plan, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "too large for one run"));
	assert_int_equal(cluster_list(&t.cluster, &t.session.arena, object_kind(KIND_SIDESTEP_RUN),
				      NULL, &runs, &err),
			 0);
	assert_int_equal(doc_len(runs), 0);
	assert_false(io_exists(t.session.state));
	attempt_close(&t);
	stand_in_free(&w);
}

/* Whoever edits the plan in the cluster has nothing carried out that nobody approved. */
TEST(a_resume_takes_the_plan_that_the_run_began_with)
{
	static struct attempt t;
	struct stand_in w;
	struct error err = ERROR_INIT;
	char digest[OBJECT_DIGEST_SIZE];

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, NULL);
	object_digest_exact(t.session.plan, digest);
	stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, t.session.run,
		       "{\"spec\": {\"plan\": {\"policies\": []}}}");
	attempt_close(&t);
	attempt_open(&t, &w, "colleague", -1);
	assert_int_equal(session_find(&t.session, "ledger", false, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "not the one that was approved"));
	attempt_close(&t);
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_string_equal(run_plan_digest(&t.session.arena, t.session.plan), digest);
	attempt_close(&t);
	stand_in_free(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest quick[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(who_asks_for_a_run_that_has_ended_learns_how),
		cmocka_unit_test(a_foreign_edit_is_a_conflict_and_stays),
		cmocka_unit_test(who_was_overtaken_by_a_colleague_writes_nothing_more),
		cmocka_unit_test(a_colleague_can_ask_for_a_pause),
		cmocka_unit_test(a_resume_takes_the_plan_that_the_run_began_with),
		cmocka_unit_test(runs_of_one_second_have_names_of_their_own),
		cmocka_unit_test(a_plan_too_large_for_its_copy_leaves_nothing),
	};
	const struct CMUnitTest thorough[] = {
		cmocka_unit_test(killed_at_every_boundary_it_ends_the_same),
	};

	if (argc > 1 && !strcmp(argv[1], "every-boundary"))
		return cmocka_run_group_tests(thorough, NULL, NULL);
	return cmocka_run_group_tests(quick, NULL, NULL);
}
