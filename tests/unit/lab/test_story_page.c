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

/* The verdict on 50 000 calls and 10 intrusions, of which so many got through before and
 * in all, with so many connections held. */
static int verdict(struct arena *a, int64_t before, int64_t missing, int64_t held,
		   const struct doc **ret_report)
{
	char folder[] = "/tmp/story-XXXXXX";
	struct story_options options = {.report = mkdtemp(folder)};
	struct story s = {.options = &options, .namespace = "n", .changed = true};
	struct story_step step = {.id = "lab", .title = "t", .words = "w"};
	struct counts end = {.long_lived = held};
	struct count_served served = {"n/yes", "n/client", 1, 50000};
	struct error err = ERROR_INIT;
	struct doc_stream read;
	int code;

	arena_init(&s.arena);
	s.evidence = s.lab.dir = options.report;
	progress_init(&s.progress, tmpfile(), clock_system());
	vec_push(&s.steps, step);
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
	vec_release(&s.at_change.edges);
	vec_release(&end.edges);
	vec_release(&end.served);
	arena_release(&s.arena);
	return code;
}

TEST(nothing_is_said_of_what_nobody_tried)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, 0, 0, 0, &d), CLI_INCONCLUSIVE);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "Inconclusive: no long-lived connection was counted.");
}

TEST(what_istio_let_through_is_said_apart)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *d;

	assert_int_equal(verdict(&a, 0, 0, 4, &d), CLI_OK);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "The promise is kept: 50,010 requests, none failed, 10 refused as they "
			    "must be, none got through, no long-lived connection lost.");
	assert_int_equal(verdict(&a, 2, 3, 4, &d), CLI_OK);
	assert_non_null(strstr(doc_find_str(d, "verdict"), "none newly got through"));
	assert_int_equal(doc_find_int(d, "requests.let_through_by_istio", 0), 3);
	assert_int_equal(doc_find_int(d, "requests.let_through_before_change", 0), 2);
	assert_int_equal(verdict(&a, 0, 3, 4, &d), CLI_BLOCKED);
	assert_string_equal(doc_find_str(d, "verdict"),
			    "The promise is broken: 3 requests got through that must be refused.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_what_nobody_tried),
		cmocka_unit_test(what_istio_let_through_is_said_apart),
		cmocka_unit_test(a_report_is_a_page),
		cmocka_unit_test(a_report_of_nothing_is_a_page_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
