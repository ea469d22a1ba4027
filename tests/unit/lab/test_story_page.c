/* SPDX-License-Identifier: Apache-2.0 */
/* What the story says of its counts, and its report as a page: tests/golden/story/report.json ->
 * .html, .txt. With SIDESTEP_GOLDEN_UPDATE=1 those are written anew. */
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "tests/support/test.h"

static const char *path_of(struct arena *a, const char *kind)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");

	return arena_printf(a, "%s/tests/golden/story/report.%s", source ? source : ".", kind);
}

static void compare(struct arena *a, const char *kind, const struct strbuf *got)
{
	auto_release(strbuf) struct strbuf want = STRBUF_INIT;
	const char *path = path_of(a, kind);
	struct error err = ERROR_INIT;

	if (getenv("SIDESTEP_GOLDEN_UPDATE"))
		assert_int_equal(io_write_file_atomic(path, got->buf, got->len, 0644, &err), 0);
	if (io_read_file(path, LIMIT_FILE_BYTES, &want, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(strbuf_cstr(got), strbuf_cstr(&want));
}

TEST(a_report_is_a_page)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf html = STRBUF_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc_stream s;
	struct page p;

	if (doc_read_file(&a, path_of(&a, "json"), &s, &err))
		fail_msg("%s", err.msg);
	story_page(s.docs[0], &p);
	page_render_html(&p, &html);
	page_render_text(&p, &text);
	compare(&a, "html", &html);
	compare(&a, "txt", &text);
	page_release(&p);
}

TEST(a_report_of_nothing_is_a_page_too)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct page p;

	story_page(doc_map(&a), &p);
	page_render_text(&p, &text);
	assert_non_null(strstr(strbuf_cstr(&text), "not measured"));
	page_release(&p);
}

static struct count_edge edge(bool refuse, int64_t sent, int64_t refused, int64_t missing)
{
	return (struct count_edge){.client = "n/client",
				   .target = refuse ? "tcp://no:1" : "tcp://yes:1",
				   .how = "fresh",
				   .refuse = refuse,
				   .sent = sent,
				   .ok = refuse ? 0 : sent,
				   .refused = refused,
				   .refused_missing = missing};
}

static void ended_at(struct story *s, const char *id, int seconds)
{
	struct arena *a = &s->arena;
	struct doc *step = doc_append(a, doc_get(s->timeline, "steps"), doc_map(a));
	char when[CLOCK_RFC3339_SIZE];

	doc_set_string(a, step, "id", id);
	doc_set_string(a, step, "began", clock_rfc3339(s->began_wall_ns, 0, when));
	if (seconds)
		doc_set_string(
			a, step, "ended",
			clock_rfc3339(s->began_wall_ns + seconds * (int64_t)NS_PER_S, 0, when));
}

/* Policies are in force from second 10 to 60 (0: nobody knows); 2 requests got through at the very
 * beginning of that, and so many later. */
static void enforce(struct story *s, int ended, int64_t later, int64_t lost)
{
	const struct story_sample samples[] = {
		{.at_s = 9},
		{.at_s = 11, .totals = {.refused_missing = 1}},
		{.at_s = 12, .totals = {.refused_missing = 2}},
		{.at_s = 60, .totals = {.refused_missing = 2 + later}, .lost = lost},
		{.at_s = 61, .totals = {.refused_missing = 100}, .lost = lost},
	};

	s->timeline = doc_map(&s->arena);
	doc_set_list(&s->arena, s->timeline, "steps");
	ended_at(s, "N4", ended ? 10 : 0);
	ended_at(s, "N14", ended);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		vec_push(&s->samples, samples[i]);
}

/* For two workloads with classic sidecars. */
static struct doc *plan_that_announces(struct arena *a, int64_t n)
{
	struct doc *plan = doc_map(a), *list = doc_set_list(a, plan, "announced");

	for (; n > 0; n -= 2)
		doc_set_int(a, doc_append(a, list, doc_map(a)), "maximum", 2);
	return plan;
}

struct trial {
	int64_t before, missing; /* got through, before the first change and in all */
	int64_t held;
	int64_t enforced, without; /* of missing, while policies were in force */
	bool unknown;              /* when that was */
	int64_t announced;         /* failures, by the plan */
	int64_t lost;              /* connections, between seconds 12 and 60 */
	const char *undone;        /* why there was no upgrade */
};

/* The verdict on 50 000 calls and 10 intrusions. */
static int verdict(struct arena *a, const struct trial *t, const struct doc **ret_report)
{
	const int64_t before = t->before, missing = t->missing;
	char folder[] = "/tmp/story-XXXXXX";
	struct story_options options = {.report = mkdtemp(folder)};
	struct story s = {.options = &options, .namespace = "n", .changed = true};
	struct story_step step = {.id = "lab", .title = "t", .words = "w", .to_s = 12};
	struct story_step bad = {.id = "bad", .title = "t", .words = "w", .from_s = 12, .to_s = 60};
	struct story_step undone = {
		.id = "upgrade", .title = "t", .words = t->undone, .outcome = STORY_NOT_DONE};
	struct counts end = {.long_lived = t->held};
	struct count_served served = {"n/yes", "n/client", 1, 50000};
	struct error err = ERROR_INIT;
	struct doc_stream read;
	int code;

	arena_init(&s.arena);
	s.evidence = s.lab.dir = options.report;
	progress_init(&s.progress, tmpfile(), clock_system());
	vec_push(&s.steps, step);
	vec_push(&s.steps, bad);
	if (t->undone)
		vec_push(&s.steps, undone);
	enforce(&s, t->unknown ? 0 : 60, t->enforced, t->lost);
	s.windows[WINDOW_WITHOUT].taken = true;
	s.windows[WINDOW_WITHOUT].totals.refused_missing = t->without;
	s.plan = plan_that_announces(&s.arena, t->announced);
	vec_push(&s.at_change.edges, edge(true, 5, 5 - before, before));
	vec_push(&end.edges, edge(true, 10, 10 - missing, missing));
	vec_push(&end.edges, edge(false, 50000, 0, 0));
	vec_push(&end.served, served);
	code = story_report(&s, &end, &err);
	if (code < 0 ||
	    doc_read_file(a, arena_printf(a, "%s/report.json", folder), &read, &err) < 0)
		fail_msg("%s", err.msg);
	*ret_report = read.docs[0];
	io_remove_tree(folder, &err);
	fclose(s.progress.out);
	vec_release(&s.steps);
	vec_release(&s.samples);
	vec_release(&s.at_change.edges);
	vec_release(&end.edges);
	vec_release(&end.served);
	arena_release(&s.arena);
	return code;
}

TEST(a_start_is_timed_once)
{
	static const char pod[] =
		"metadata: {creationTimestamp: '2026-01-01T00:00:01Z'}\n"
		"status:\n  conditions: [{type: Ready, status: 'True', lastTransitionTime: "
		"'2026-01-01T00:00:04Z'}]\n"
		"  initContainerStatuses: [{restartCount: %d}]\n"
		"  containerStatuses: [{restartCount: %d}]\n";

	for (int i = 0; i < 3; i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		const char *text = arena_printf(&a, pod, i == 1, i == 2);
		struct doc_stream s;

		assert_int_equal(doc_read_yaml(&a, text, strlen(text), "pod", &s, NULL), 0);
		assert_int_equal((int)story_start_seconds(s.docs[0]), i ? -1 : 3);
	}
}

TEST(nothing_is_said_of_what_nobody_tried)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, &(struct trial){.before = 0}, &d), CLI_INCONCLUSIVE);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "Inconclusive: no long-lived connection was counted.");
}

TEST(what_istio_let_through_is_said_apart)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, &(struct trial){.held = 4}, &d), CLI_OK);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "The promise is kept: 50,010 requests, none failed, 10 refused as they "
			    "must be, none got through, no long-lived connection lost.");
	assert_int_equal(verdict(&a, &(struct trial){.before = 2, .missing = 3, .held = 4}, &d),
			 CLI_OK);
	assert_non_null(strstr(doc_find_str(d, "verdict"), "none newly got through"));
	assert_int_equal(doc_find_int(d, "requests.let_through_by_istio", 0), 3);
	assert_int_equal(doc_find_int(d, "requests.let_through_before_change", 0), 2);
	assert_int_equal(verdict(&a, &(struct trial){.missing = 3, .held = 4}, &d), CLI_BLOCKED);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "The promise is broken: 3 requests got through that must be refused.");
}

/* What Istio lets through excuses nothing while the new policies answer for it. */
TEST(nothing_is_excused_while_policies_are_in_force)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct trial later = {.before = 2, .missing = 5, .held = 4, .enforced = 3};
	const struct trial without = {.before = 2, .missing = 5, .held = 4, .without = 1};
	const struct trial unknown = {.before = 2, .missing = 5, .held = 4, .unknown = true};
	const struct doc *d;

	assert_int_equal(verdict(&a, &later, &d), CLI_BLOCKED);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "The promise is broken: 3 requests got through that must be refused.");
	assert_int_equal(doc_find_int(d, "requests.let_through_while_enforced", -1), 3);
	assert_int_equal(doc_find_int(d, "requests.let_through_by_istio", -1), 2);
	assert_int_equal(verdict(&a, &without, &d), CLI_BLOCKED);
	assert_int_equal(doc_find_int(d, "requests.refused_missing", -1), 1);
	assert_int_equal(verdict(&a, &unknown, &d), CLI_INCONCLUSIVE);
	assert_int_equal(doc_find(d, "requests.let_through_while_enforced")->kind, DOC_NULL);
}

TEST(what_the_plan_announced_is_said)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, &(struct trial){.held = 4, .announced = 4}, &d), CLI_OK);
	assert_int_equal(doc_find_int(d, "requests.announced", -1), 4);
	assert_non_null(strstr(doc_find_str(d, "verdict"),
			       "The plan had announced up to 4 failed requests."));
}

TEST(what_was_not_done_is_said)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, &(struct trial){.held = 4, .undone = "no history"}, &d),
			 CLI_OK);
	assert_string_equal(doc_find_str(d, "not_done.upgrade"), "no history");
	assert_string_equal(doc_find_str(d, "steps[2].status"), "not done");
	assert_non_null(strstr(doc_find_str(d, "verdict"), "Not done: upgrade (no history)."));
}

TEST(a_loss_is_that_of_its_step)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, &(struct trial){.held = 4, .lost = 2}, &d), CLI_BLOCKED);
	assert_string_equal(doc_find_str(d, "steps[0].status"), "ok");
	assert_string_equal(doc_find_str(d, "steps[1].status"), "failed");
	assert_int_equal(doc_find_int(d, "steps[1].connections_lost", -1), 2);
	assert_non_null(strstr(doc_find_str(d, "steps[1].words"), "2 connections were lost"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_is_timed_once),
		cmocka_unit_test(nothing_is_said_of_what_nobody_tried),
		cmocka_unit_test(what_istio_let_through_is_said_apart),
		cmocka_unit_test(nothing_is_excused_while_policies_are_in_force),
		cmocka_unit_test(what_the_plan_announced_is_said),
		cmocka_unit_test(what_was_not_done_is_said),
		cmocka_unit_test(a_loss_is_that_of_its_step),
		cmocka_unit_test(a_report_is_a_page),
		cmocka_unit_test(a_report_of_nothing_is_a_page_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
