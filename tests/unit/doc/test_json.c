/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/doc/doc.h"

#include "tests/support/test.h"

/* Text that must come out as it went in. */
TEST(compact_round_trip)
{
	static const char *const rows[] = {
		"null",
		"true",
		"-12",
		"9223372036854775807",
		"-9223372036854775808",
		"0.1",
		"1e+300",
		"1.7976931348623157e+308",
		"\"\"",
		"\"a\\\"b\\\\c\\n\\t\\u0001\"",
		"\"\xc3\xa9\xf0\x9f\x98\x80\"",
		"[]",
		"{}",
		"[1,[2,[]],{\"a\":null}]",
		"{\"z\":1,\"a\":2,\"m\":{\"y\":[],\"b\":\"x\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct doc *d = NULL, *again = NULL;

		assert_int_equal(doc_read_json(&a, rows[i], strlen(rows[i]), NULL, &d, NULL), 0);
		doc_write_json(d, DOC_COMPACT, &out);
		assert_string_equal(out.buf, rows[i]);
		strbuf_clear(&out);
		doc_write_json(d, DOC_PRETTY, &out);
		assert_int_equal(doc_read_json(&a, out.buf, out.len, NULL, &again, NULL), 0);
		assert_true(doc_equal(d, again));
		arena_release(&a);
	}
}

TEST(pretty_layout)
{
	static const char text[] = "{\"a\":[1,{}],\"b\":{\"c\":[]}}";
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *d = NULL;

	assert_int_equal(doc_read_json(&a, text, strlen(text), NULL, &d, NULL), 0);
	doc_write_json(d, DOC_PRETTY, &out);
	assert_string_equal(out.buf, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n"
				     "    \"c\": []\n  }\n}");
	arena_release(&a);
}

TEST(what_is_refused)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{"", "f.json:1:"},
		{"{\"a\":1,\"a\":2}", "duplicate"},
		{"{\"a\":1} x", "f.json:1:"},
		{"{\n \"a\": }", "f.json:2:"},
		{"99999999999999999999", "too big"},
		{"\"\\u0000\"", "NUL"},
		{"\"\xff\"", "unable to decode byte 0xff"},
		{"nul", "f.json:1:"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct doc *d = NULL;

		assert_int_equal(
			doc_read_json(&a, rows[i].text, strlen(rows[i].text), "f.json", &d, &err),
			-EINVAL);
		assert_null(d);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu says: %s", i, err.msg);
		arena_release(&a);
	}
}

TEST(depth_is_limited)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf in = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	for (int i = 0; i < DOC_MAX_DEPTH; i++)
		strbuf_addc(&in, '[');
	for (int i = 0; i < DOC_MAX_DEPTH; i++)
		strbuf_addc(&in, ']');
	assert_int_equal(doc_read_json(&a, in.buf, in.len, NULL, &d, &err), 0);
	strbuf_addc(&in, ']');
	strbuf_clear(&in);
	for (int i = 0; i < DOC_MAX_DEPTH + 1; i++)
		strbuf_addc(&in, '[');
	for (int i = 0; i < DOC_MAX_DEPTH + 1; i++)
		strbuf_addc(&in, ']');
	assert_int_equal(doc_read_json(&a, in.buf, in.len, NULL, &d, &err), -E2BIG);
	arena_release(&a);
}

TEST(numbers_are_short_and_exact)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {
		{8.0, "8"},      {-0.5, "-0.5"},           {0.1 + 0.2, "0.30000000000000004"},
		{1e15, "1e+15"}, {123456.75, "123456.75"},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;

		doc_write_json(doc_real(&a, rows[i].v), DOC_COMPACT, &out);
		assert_string_equal(out.buf, rows[i].text);
	}
	arena_release(&a);
}

TEST(broken_bytes_are_repaired_when_written)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	doc_write_json(doc_string(&a, "a\xff\xc0\xafz"), DOC_COMPACT, &out);
	assert_string_equal(out.buf, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_round_trip),
		cmocka_unit_test(pretty_layout),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(numbers_are_short_and_exact),
		cmocka_unit_test(broken_bytes_are_repaired_when_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
