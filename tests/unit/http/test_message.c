/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/http/message.h"

/* Feeds text in steps of step bytes; the parser's verdict, what it used in *ret_used. */
static int feed(struct http_parser *p, const char *text, size_t n, size_t step, size_t *ret_used)
{
	size_t at = 0, used;
	int r = 0;

	while (r == 0 && at < n) {
		size_t piece = MIN(step, n - at);

		r = http_parser_feed(p, text + at, piece, &used);
		at += used;
		if (used < piece && r == 0)
			fail_msg("stopped without a verdict");
	}
	*ret_used = at;
	return r;
}

static const struct {
	const char *name, *text;
	int verdict;
	const char *body;
} rows[] = {
	{"plain", "GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n", 1, ""},
	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 1, ""},
	{"empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 1, ""},
	{"length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 1, "abc"},
	{"same length twice",
	 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 1, "a"},
	{"chunked",
	 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
	 1, "abc0123456789"},
	{"1.0 without host", "GET / HTTP/1.0\r\n\r\n", 1, ""},
	{"half", "GET / HTTP/1.1\r\nHost:", 0, ""},
	{"no host", "GET / HTTP/1.1\r\n\r\n", -400, ""},
	{"folded", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", -400, ""},
	{"space before colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", -400, ""},
	{"bare CR", "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", -400, ""},
	{"control in value", "GET / HTTP/1.1\r\nHost: x\x01\r\n\r\n", -400, ""},
	{"control in target", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", -400, ""},
	{"no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", -400, ""},
	{"length and chunked",
	 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	 -400, ""},
	{"two lengths",
	 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", -400, ""},
	{"length with sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n", -400, ""},
	{"gzip then chunked",
	 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -501, ""},
	{"bad chunk size",
	 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", -400, ""},
	{"chunk without end",
	 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", -400, ""},
	{"huge chunk",
	 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", -413, ""},
	{"too long a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65\r\n\r\n", -413, ""},
	{"too long a header",
	 "GET / HTTP/1.1\r\nHost: x\r\nA: "
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 -431, ""},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", -505, ""},
	{"TLS to a plain port", "\x16\x03\x01\x02\n", -400, ""},
};

TEST(every_row_in_every_step)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].text), used;

		for (size_t step = 1; step <= n; step++) {
			struct http_parser p;
			int r;

			http_parser_init(&p, 192, 64);
			r = feed(&p, rows[i].text, n, step, &used);
			if (r != rows[i].verdict)
				fail_msg("%s: %d by steps of %zu", rows[i].name, r, step);
			if (r == 1 && strcmp(strbuf_cstr(&p.message.body), rows[i].body) != 0)
				fail_msg("%s: body '%s'", rows[i].name,
					 strbuf_cstr(&p.message.body));
			http_parser_release(&p);
		}
	}
}

TEST(the_next_request_is_left_alone)
{
	static const char text[] = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET";
	struct http_parser p;
	size_t used;

	http_parser_init(&p, 192, 64);
	assert_int_equal(http_parser_feed(&p, text, strlen(text), &used), 1);
	assert_int_equal(used, strlen(text) - 3);
	assert_true(p.message.keep_alive);
	assert_string_equal(p.message.target, "/1");
	http_parser_next(&p);
	assert_false(http_parser_busy(&p));
	assert_int_equal(http_parser_feed(&p, "G", 1, &used), 0);
	assert_true(http_parser_busy(&p));
	http_parser_release(&p);
}

TEST(keep_alive_and_expect)
{
	struct http_parser p;
	size_t used;
	const char *text = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			   "Connection: close\r\nContent-Length: 2\r\n\r\n";

	http_parser_init(&p, 192, 64);
	assert_int_equal(http_parser_feed(&p, text, strlen(text), &used), 0);
	assert_true(p.message.expect_continue);
	assert_false(p.message.keep_alive);
	http_parser_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_in_every_step),
		cmocka_unit_test(the_next_request_is_left_alone),
		cmocka_unit_test(keep_alive_and_expect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
