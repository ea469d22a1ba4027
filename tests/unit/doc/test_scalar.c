/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain scalar becomes: the JSON beside it is what kubectl sends for the same text. */
#include <string.h>

#include "lib/doc/doc.h"

#include "tests/support/test.h"

static const struct {
	const char *text, *json;
} rows[] = {
	{"yes", "true"},
	{"Yes", "true"},
	{"yEs", "\"yEs\""},
	{"no", "false"},
	{"on", "true"},
	{"OFF", "false"},
	{"y", "true"},
	{"N", "false"},
	{"true", "true"},
	{"~", "null"},
	{"null", "null"},
	{"nUll", "\"nUll\""},
	{"0", "0"},
	{"-0", "0"},
	{"0777", "511"},
	{"0o17", "15"},
	{"0x1F", "31"},
	{"-0x10", "-16"},
	{"0b101", "5"},
	{"08", "8"},
	{"+12", "12"},
	{"1_000", "1000"},
	{"1e3", "1000"},
	{"1.5", "1.5"},
	{".5", "0.5"},
	{"5.", "5"},
	{"-1.5e-3", "-0.0015"},
	{"9223372036854775807", "9223372036854775807"},
	{"18446744073709551615", "1.8446744073709552e+19"},
	{"1.2.3", "\"1.2.3\""},
	{"12:30:45", "\"12:30:45\""},
	{"2026-11-23", "\"2026-11-23\""},
	{"2026-11-23T06:17:00Z", "\"2026-11-23T06:17:00Z\""},
	{"10.0.0.0/8", "\"10.0.0.0/8\""},
	{"0x", "\"0x\""},
	{"0x0x1", "\"0x0x1\""},
	{"1e", "\"1e\""},
	{"-", "[null]"},
	{"web", "\"web\""},
	{"'123'", "\"123\""},
	{"\"yes\"", "\"yes\""},
	{"!!str 123", "\"123\""},
	{"!!int 0x10", "16"},
	{"!!float 3", "3"},
	{"!!bool on", "true"},
	{"! 12", "\"12\""},
};

TEST(plain_scalars)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct doc_stream s = {0};
		struct error err = ERROR_INIT;

		if (doc_read_yaml(&a, rows[i].text, strlen(rows[i].text), NULL, &s, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(s.n, 1);
		doc_write_json(s.docs[0], DOC_COMPACT, &out);
		if (strcmp(out.buf, rows[i].json) != 0)
			fail_msg("%s became %s", rows[i].text, out.buf);
		arena_release(&a);
	}
}

TEST(not_finite_is_refused)
{
	static const char *const bad[] = {".inf",         "-.Inf",   "+.INF",     ".nan",
					  "!!float .inf", "!!int x", "!!int 1.5", "!!binary aGk="};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a = ARENA_INIT;
		struct doc_stream s = {0};

		assert_int_equal(doc_read_yaml(&a, bad[i], strlen(bad[i]), NULL, &s, NULL),
				 -EINVAL);
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars),
		cmocka_unit_test(not_finite_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
