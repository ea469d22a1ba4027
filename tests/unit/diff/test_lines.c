/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diff/lines.h"

#include <string.h>

#include "tests/support/test.h"

static const struct {
	const char *before, *after, *want;
	size_t context;
} rows[] = {
	{"", "", "", 3},
	{"a\nb\n", "a\nb\n", "", 3},
	{"a\n", "b\n", "@@ -1 +1 @@\n-a\n+b\n", 3},
	{"", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n", 3},
	{"a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n", 3},
	{"1\n2\n3\n4\n5\n", "1\n2\nx\n4\n5\n", "@@ -2,3 +2,3 @@\n 2\n-3\n+x\n 4\n", 1},
	{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
	 "@@ -1,2 +1,2 @@\n-1\n+x\n 2\n@@ -8,2 +8,2 @@\n 8\n-9\n+y\n", 1},
	{"1\n2\n3\n4\n", "x\n2\n3\ny\n", "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n-4\n+y\n", 1},
	{"a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
	 "@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n", 9},
};

TEST(hunks_are_those_of_diff_u)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;

		lines_diff(rows[i].before, rows[i].after, rows[i].context, &out);
		assert_string_equal(strbuf_cstr(&out), rows[i].want);
	}
}

/* Carries out a hunk-free script: what is not '-' is the second text, what is not '+' the first. */
static void replay(const char *script, struct strbuf *before, struct strbuf *after)
{
	for (const char *line = script; *line;) {
		const size_t n = strcspn(line, "\n");

		if (*line != '@' && *line != '+') {
			strbuf_add(before, line + 1, n - 1);
			strbuf_addc(before, '\n');
		}
		if (*line != '@' && *line != '-') {
			strbuf_add(after, line + 1, n - 1);
			strbuf_addc(after, '\n');
		}
		line += n + 1;
	}
}

static void random_text(unsigned *seed, struct strbuf *out)
{
	for (int n = rand_r(seed) % 40; n > 0; n--)
		strbuf_addf(out, "%c\n", 'a' + rand_r(seed) % 4);
}

TEST(every_script_gives_both_texts_again)
{
	for (unsigned seed = 0; seed < 3000; seed++) {
		auto_release(strbuf) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		auto_release(strbuf) struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;
		unsigned s = seed;

		random_text(&s, &a);
		random_text(&s, &b);
		lines_diff(strbuf_cstr(&a), strbuf_cstr(&b), 1000, &out);
		if (strcmp(strbuf_cstr(&a), strbuf_cstr(&b)) == 0) {
			assert_int_equal(out.len, 0);
			continue;
		}
		replay(strbuf_cstr(&out), &x, &y);
		if (strcmp(strbuf_cstr(&a), strbuf_cstr(&x)) != 0 ||
		    strcmp(strbuf_cstr(&b), strbuf_cstr(&y)) != 0)
			fail_msg("seed %u:\n%s", seed, strbuf_cstr(&out));
	}
}

/* More edits than are looked for: replaced whole, and still both texts. */
TEST(texts_without_a_common_line_are_replaced)
{
	auto_release(strbuf) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT, out = STRBUF_INIT;
	auto_release(strbuf) struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	for (unsigned i = 0; i < LINES_MAX_EDITS; i++) {
		strbuf_addf(&a, "a%u\n", i);
		strbuf_addf(&b, "b%u\n", i);
	}
	lines_diff(a.buf, b.buf, 3, &out);
	replay(out.buf, &x, &y);
	assert_string_equal(a.buf, x.buf);
	assert_string_equal(b.buf, y.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hunks_are_those_of_diff_u),
		cmocka_unit_test(every_script_gives_both_texts_again),
		cmocka_unit_test(texts_without_a_common_line_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
