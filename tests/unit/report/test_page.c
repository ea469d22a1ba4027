/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/page.h"

#include <string.h>

#include "tests/support/test.h"

static void fill(struct page *p)
{
	static const char *const columns[] = {"edge", ">sent", NULL};

	page_init(p, "A <page>", "made & tested");
	page_verdict(p, PAGE_GOOD, "Nothing failed.");
	page_figure(p, PAGE_GOOD, "failed", "%d", 0);
	page_figure(p, PAGE_PLAIN, "sent", "%d", 1200);
	page_heading(p, "Edges");
	page_table(p, columns);
	page_row(p, PAGE_PLAIN, "a | b", "12", NULL);
	page_row(p, PAGE_BAD, "c", NULL);
	page_note(p, PAGE_DOUBT, "look here");
	page_bar(p, PAGE_PLAIN, "with", 40.0, "MiB");
	page_bar(p, PAGE_GOOD, "without", 10.0, "MiB");
	page_band(p, PAGE_PLAIN, "first", 0.0, 2.0, "ok");
	page_band(p, PAGE_PLAIN, "second", 2.0, 4.0, "");
}

TEST(counts_are_read_at_a_glance)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	assert_string_equal(count_text(&a, 0), "0");
	assert_string_equal(count_text(&a, 9999), "9999");
	assert_string_equal(count_text(&a, 10000), "10,000");
	assert_string_equal(count_text(&a, -123456), "-123,456");
	assert_string_equal(count_text(&a, INT64_MIN), "-9,223,372,036,854,775,808");
}

TEST(text_lines_up)
{
	struct page p;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	fill(&p);
	page_render_text(&p, &out);
	assert_string_equal(strbuf_cstr(&out),
			    "A <page>\n========\nmade & tested\n\nNothing failed.\n"
			    "  failed                               0\n"
			    "  sent                                 1200\n"
			    "\nEdges\n-----\n"
			    "  edge   sent\n"
			    "  a | b    12\n"
			    "  c          \n"
			    "! look here\n"
			    "  with    ######################################## 40 MiB\n"
			    "  without ##########                               10 MiB\n"
			    "  first  ####################                     2.0 s ok\n"
			    "  second                     #################### 2.0 s\n");
	page_release(&p);
}

TEST(html_is_escaped_and_alone)
{
	struct page p;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const char *html;

	fill(&p);
	page_render_html(&p, &out);
	html = strbuf_cstr(&out);
	assert_non_null(strstr(html, "<h1>A &lt;page&gt;</h1>"));
	assert_non_null(strstr(html, "made &amp; tested"));
	assert_non_null(strstr(html, "<td class=\"right\">12</td>"));
	assert_non_null(strstr(html, "left:50.00%;width:50.00%"));
	assert_null(strstr(html, "http:"));
	assert_null(strstr(html, "https:"));
	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, "<link"));
	assert_string_equal(html + strlen(html) - 8, "</html>\n");
	page_release(&p);
}

TEST(markdown_cells_cannot_break_the_table)
{
	struct page p;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	fill(&p);
	page_render_markdown(&p, &out);
	assert_non_null(strstr(strbuf_cstr(&out), "# A \\<page\\>\n"));
	assert_non_null(strstr(strbuf_cstr(&out), "| edge | sent |\n|---|---:|\n| a \\| b | 12 |"));
	page_release(&p);
}

TEST(names_do_not_speak_to_the_terminal)
{
	static const char *const columns[] = {"name", "why", NULL};
	struct page p;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	page_init(&p, "t", "");
	page_table(&p, columns);
	page_row(&p, PAGE_PLAIN, "a\x1b[2Jb\nc",
		 "\xc2\x9b"
		 "31m \xc3\xa9",
		 NULL);
	page_text(&p, "x\a\x7fy");
	page_render_text(&p, &out);
	assert_non_null(strstr(strbuf_cstr(&out), "a?[2Jb c  ??31m \xc3\xa9\n"));
	assert_non_null(strstr(strbuf_cstr(&out), "x??y"));
	page_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_read_at_a_glance),
		cmocka_unit_test(text_lines_up),
		cmocka_unit_test(html_is_escaped_and_alone),
		cmocka_unit_test(markdown_cells_cannot_break_the_table),
		cmocka_unit_test(names_do_not_speak_to_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
