/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What expressions match, by table and against the C library's matcher on random ones; what sets
 * are to each other; and that an expression made of a set is of that set.
 */
#include "lib/pattern/pattern.h"

#include <regex.h>
#include <string.h>

#include "tests/support/test.h"

static struct pattern *made(struct arena *a, const char *expression)
{
	struct error err = ERROR_INIT;
	struct pattern *p = NULL;

	if (pattern_regex(a, expression, &p, &err))
		fail_msg("%s: %s", expression, err.msg);
	return p;
}

static bool matches(const struct pattern *p, const char *s)
{
	return pattern_matches(p, s, strlen(s));
}

TEST(an_expression_matches_whole_strings)
{
	static const struct {
		const char *expression, *yes,
			*no; /* words apart by a blank; "-" is the empty one */
	} rows[] = {
		{"", "-", "a"},
		{"abc", "abc", "- ab abcd xabc"},
		{"a|bc|", "a bc -", "b c abc"},
		{"/api/v1/.*", "/api/v1/ /api/v1/x/y", "/api/v1 /api/v2/"},
		{"/api(/.*)?", "/api /api/ /api/x", "/apix"},
		{"[a-c]+", "a abcabc", "- d abd"},
		{"[^a-c]*", "- xyz", "a xa"},
		{"[]a]+", "] a ]a", "b"},
		{"[^]a]", "b", "] a"},
		{"[a-]+", "a- -a", "b"},
		{"[a\\]b]+", "a]b", "c"},
		{"a{2}", "aa", "a aaa"},
		{"a{2,}", "aa aaaa", "a"},
		{"a{0,2}b", "b ab aab", "aaab"},
		{"a{,2}", "a{,2}", "a aa"},
		{"a{x", "a{x", "a"},
		{"(ab|c)*d", "d abcabd", "ab abx"},
		{"(?:ab)+?", "ab abab", "- a"},
		{"(?P<x>a)(?<y>b)", "ab", "a"},
		{"(?i)get", "get GET gEt", "set"},
		{"(?i:g)et", "Get get", "GET"},
		{"a(?i)b|c", "aB ab C c", "A Ab"},
		{"(a(?i)b)c", "aBc abc", "aBC"},
		{"(?-i)a(?i-s)b", "aB", "Ab"},
		{"(?i)s", "s S \xc5\xbf", "t"},
		{"(?i)[^s]", "t", "s S \xc5\xbf"},
		{"(?i)[\\W]", ".", "k \xe2\x84\xaa"},
		{"\\d\\D\\w\\W\\s\\S", "1a_-\ta", "aa_-\ta"},
		{"[\\d.]+", "1.2", "a"},
		{"[[:alpha:]_]+", "ab_", "1"},
		{"[[:^alpha:]]", "1 \xc3\xa4", "a"},
		{"\\x41\\x{e4}\\101",
		 "A\xc3\xa4"
		 "A",
		 "A"},
		{"\\Qa.b*\\E+", "a.b* a.b**", "aXb*"},
		{"\\.\\/\\-\\_", "./-_", "a/-_"},
		{"^abc$", "abc", "-"},
		{"\\Aabc\\z", "abc", "-"},
		{"a^b|c", "c", "ab a^b"},
		{"^^a$$|(^|b)c", "a c bc", "bbc"},
		{"a$|b(^|c)", "a bc", "b"},
		{"$^", "-", "a"},
		{"x*", "- xxx", "y"},
		{"(|a)+b", "b aab", "a"},
		{"(a*)*b", "b aaab", "a"},
		{"\xc3\xa4.", "\xc3\xa4\xc3\xb6", "\xc3\xa4"},
		{"[\xc3\xa4-\xc3\xb6]", "\xc3\xa5", "\xc3\xa3 a"},
		{"(?i)[\xc5\xbf]", "s S \xc5\xbf", "k"},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct pattern *p = made(&a, rows[i].expression);

		for (int yes = 0; yes < 2; yes++) {
			char *words = arena_strdup(&a, yes ? rows[i].yes : rows[i].no), *at = NULL;

			for (char *w = strtok_r(words, " ", &at); w; w = strtok_r(NULL, " ", &at))
				if (matches(p, strcmp(w, "-") ? w : "") != yes &&
				    (yes || strcmp(w, "-")))
					fail_msg("%s and \"%s\"", rows[i].expression, w);
		}
	}
	arena_release(&a);
}

TEST(dots_and_newlines)
{
	struct arena a = ARENA_INIT;

	assert_false(matches(made(&a, "."), "\n"));
	assert_true(matches(made(&a, "(?s)."), "\n"));
	assert_true(matches(made(&a, "(?s:.)"), "\n"));
	assert_false(matches(made(&a, "(?s:)."), "\n"));
	assert_true(matches(made(&a, "[^a]"), "\n"));
	arena_release(&a);
}

TEST(what_is_no_utf8_is_in_no_set)
{
	static const char *const bad[] = {"\x80",         "\xc3",         "\xc0\xaf",
					  "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					  "\xff",         "a\xc3"};
	struct arena a = ARENA_INIT;
	const struct pattern *all = pattern_all(&a);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pattern *p;

		assert_false(matches(all, bad[i]));
		assert_false(matches(pattern_not(&a, pattern_none(&a)), bad[i]));
		assert_int_equal(pattern_exact(&a, bad[i], false, &p, NULL), -EINVAL);
		assert_int_equal(pattern_regex(&a, bad[i], &p, NULL), -EINVAL);
	}
	arena_release(&a);
}

TEST(what_is_refused_and_what_is_not_decided)
{
	static const struct {
		const char *expression;
		int code;
	} rows[] = {
		{"(", -EINVAL},
		{"a)", -EINVAL},
		{"[a", -EINVAL},
		{"[b-a]", -EINVAL},
		{"*a", -EINVAL},
		{"a|*", -EINVAL},
		{"a**", -EINVAL},
		{"a+{2}", -EINVAL},
		{"a{2}{3}", -EINVAL},
		{"a{1001}", -EINVAL},
		{"(a{40}){40}", -EINVAL},
		{"a{3,2}", -EINVAL},
		{"\\", -EINVAL},
		{"\\y", -EINVAL},
		{"\\1", -EINVAL},
		{"\\x4", -EINVAL},
		{"\\x{}", -EINVAL},
		{"\\x{110000}", -EINVAL},
		{"(?=a)", -EINVAL},
		{"(?<=a)b", -EINVAL},
		{"(?P<>a)", -EINVAL},
		{"(?z)a", -EINVAL},
		{"(?i-)a", -EINVAL},
		{"[[:what:]]", -EINVAL},
		{"(?i)*", -EINVAL},
		{"\\bword", -ENOTSUP},
		{"(?m)^a", -ENOTSUP},
		{"\\pL", -ENOTSUP},
		{"[\\p{Greek}]", -ENOTSUP},
		{"\\C", -ENOTSUP},
		{"(?i)\xc3\xa4", -ENOTSUP},
		{"\\x{d800}", -ENOTSUP},
	};
	struct arena a = ARENA_INIT;
	char *long_one = arena_alloc(&a, PATTERN_MAX_TEXT + 2);
	struct pattern *p;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		int r = pattern_regex(&a, rows[i].expression, &p, &err);

		if (r != rows[i].code)
			fail_msg("%s: %d, %s", rows[i].expression, r, err.msg);
		assert_non_null(strstr(err.msg, "byte "));
	}
	memset(long_one, 'a', PATTERN_MAX_TEXT + 1);
	assert_int_equal(pattern_regex(&a, long_one, &p, NULL), -E2BIG);
	assert_int_equal(pattern_exact(&a, long_one, false, &p, NULL), -E2BIG);
	/* The classic of too many states: a, and twelve letters behind it. */
	assert_int_equal(pattern_regex(&a, "(a|b)*a(a|b){12}", &p, NULL), -E2BIG);
	arena_release(&a);
}

TEST(sets_have_one_form)
{
	static const char *const same[][2] = {
		{"(a|b)*", "[ab]*"},
		{"a{2,3}", "aaa?"},
		{"(a*b*)*", "[a-b]*"},
		{"a|b|c", "[abc]"},
		{"(?i)a", "a|A"},
		{"x(y|)", "xy?"},
		{"[^/]*/?", "[^/]*/|[^/]*"},
		{"(?s).*", "[^a]*(a[^a]*)*"},
	};
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct pattern *p, *q;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		assert_true(pattern_equal(made(&a, same[i][0]), made(&a, same[i][1])));
	assert_false(pattern_equal(made(&a, "a*"), made(&a, "a+")));
	assert_true(pattern_equal(pattern_all(&a), made(&a, "(?s).*")));
	assert_int_equal(pattern_prefix(&a, "/a.b", false, &p, &err), 0);
	assert_true(pattern_equal(p, made(&a, "(?s)/a\\.b.*")));
	assert_int_equal(pattern_suffix(&a, "-x", true, &p, &err), 0);
	assert_true(pattern_equal(p, made(&a, "(?s).*-[xX]")));
	assert_int_equal(pattern_exact(&a, "Get", true, &p, &err), 0);
	assert_true(pattern_equal(p, made(&a, "[gG][eE][tT]")));
	assert_int_equal(pattern_minus(&a, made(&a, "(?s).*"), made(&a, "a*"), &p, &err), 0);
	assert_true(pattern_equal(p, pattern_not(&a, made(&a, "a*"))));
	assert_int_equal(pattern_and(&a, made(&a, "a*b"), made(&a, "ab*"), &p, &err), 0);
	assert_true(pattern_equal(p, made(&a, "ab")));
	assert_int_equal(pattern_or(&a, made(&a, "a*b"), made(&a, "ab*"), &q, &err), 0);
	assert_true(pattern_equal(q, made(&a, "a*b|ab*")));
	assert_int_equal(pattern_and(&a, made(&a, "a+"), made(&a, "b+"), &p, &err), 0);
	assert_true(pattern_is_empty(p) && pattern_equal(p, pattern_none(&a)));
	assert_null(pattern_witness(&a, p));
	arena_release(&a);
}

TEST(a_witness_is_short_and_readable)
{
	static const char *const rows[][2] = {
		{"(?s).*", ""},
		{"[^/]+", "a"},
		{"/api/.+", "/api/a"},
		{"(?i)post", "post"},
		{"\\d{3}-[A-Z]", "000-A"},
		{"[^a-z0-9]", "A"},
		{"b|aa", "b"},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(pattern_witness(&a, made(&a, rows[i][0])), rows[i][1]);
	arena_release(&a);
}

TEST(a_complement_has_an_expression)
{
	static const char *const sets[] = {
		"/admin",
		"/admin(/.*)?",
		"/admin.*",
		"GET|HEAD",
		".*\\.html",
		"(?i)host(:\\d+)?",
		"/v[12]/[^/]*/edit",
		"",
		"a*",
		"(?s).+",
		"[^\\]\\-\\^\\[]*",
		"\\x{d7ff}|\\x{e000}+",
		"/products/[0-9]+",
		"\\x{e4}*",
		"(ab|ba)*",
	};
	struct arena a = ARENA_INIT;
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		const struct pattern *p = made(&a, sets[i]), *not = pattern_not(&a, p);
		struct error err = ERROR_INIT;

		if (pattern_print(&a, not, 2000, &text, &err))
			fail_msg("not %s: %s", sets[i], err.msg);
		assert_true(pattern_equal(made(&a, text), not ));
		if (pattern_print(&a, p, 2000, &text, &err))
			fail_msg("%s: %s", sets[i], err.msg);
		assert_true(pattern_equal(made(&a, text), p));
	}
	assert_int_equal(pattern_print(&a, pattern_none(&a), 100, &text, NULL), -ENOENT);
	assert_int_equal(pattern_print(&a, pattern_not(&a, made(&a, "abcdefgh")), 20, &text, NULL),
			 -E2BIG);
	arena_release(&a);
}

TEST(cells_are_all_there_are)
{
	struct arena a = ARENA_INIT;
	const struct pattern *all[] = {made(&a, "/a.*"), made(&a, ".*b"), made(&a, "/ab"),
				       made(&a, "x")};
	struct pattern_cell *cells;
	struct error err = ERROR_INIT;
	size_t n;

	assert_int_equal(pattern_cells(&a, all, ARRAY_SIZE(all), 20, &cells, &n, &err), 0);
	assert_int_equal(n, 6); /* none, /a, b, x, /a and b, /a and b and /ab */
	for (size_t i = 0; i < n; i++) {
		uint64_t in = 0;

		for (size_t k = 0; k < ARRAY_SIZE(all); k++)
			in |= (uint64_t)matches(all[k], cells[i].witness) << k;
		assert_true(in == cells[i].in);
		for (size_t k = 0; k < i; k++)
			assert_true(cells[k].in != cells[i].in);
	}
	assert_int_equal(pattern_cells(&a, all, ARRAY_SIZE(all), 5, &cells, &n, NULL), -E2BIG);
	assert_int_equal(pattern_cells(&a, NULL, 0, 5, &cells, &n, &err), 0);
	assert_int_equal(n, 1);
	arena_release(&a);
}

/* --- random ones --------------------------------------------------------------------------------
 */

static uint32_t dice;

static unsigned throw_dice(unsigned sides)
{
	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % sides;
}

/* In the part of the syntax that the C library reads alike. */
static void expression_into(char *out, size_t *n, int depth)
{
	static const char *const atoms[] = {"a", "b", "c", ".", "[ab]", "[^a]", "[b-c]"};
	static const char *const repeats[] = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}"};
	const unsigned kind = depth ? throw_dice(4) : 0;

	if (kind < 2) {
		*n += (size_t)sprintf(out + *n, "%s", atoms[throw_dice(ARRAY_SIZE(atoms))]);
	} else if (kind == 2) {
		expression_into(out, n, depth - 1);
		expression_into(out, n, depth - 1);
		return;
	} else {
		out[(*n)++] = '(';
		expression_into(out, n, depth - 1);
		out[(*n)++] = '|';
		expression_into(out, n, depth - 1);
		out[(*n)++] = ')';
	}
	*n += (size_t)sprintf(out + *n, "%s", repeats[throw_dice(ARRAY_SIZE(repeats))]);
}

static void compare(struct arena *a, const char *expression, const struct pattern *p)
{
	const char *whole = arena_printf(a, "^(%s)$", expression);
	regex_t other;

	assert_int_equal(regcomp(&other, whole, REG_EXTENDED | REG_NOSUB), 0);
	for (int i = 0; i < 200; i++) {
		char word[12] = "";
		const unsigned len = throw_dice(10);

		for (unsigned k = 0; k < len; k++)
			word[k] = (char)('a' + throw_dice(4));
		if (matches(p, word) != (regexec(&other, word, 0, NULL, 0) == 0))
			fail_msg("%s and \"%s\" (dice %u)", expression, word, dice);
	}
	regfree(&other);
}

TEST(random_expressions_match_as_elsewhere)
{
	for (int round = 0; round < 400; round++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct pattern *p, *q, *none;
		const char *text;
		char expression[4096];
		size_t n = 0;
		int r;

		dice = (uint32_t)round * 7919u + 1;
		expression_into(expression, &n, 3);
		expression[n] = 0;
		p = made(&a, expression);
		compare(&a, expression, p);
		q = pattern_not(&a, p);
		assert_int_equal(pattern_and(&a, p, q, &none, &err), 0);
		assert_true(pattern_is_empty(none));
		assert_int_equal(pattern_or(&a, p, q, &none, &err), 0);
		assert_true(pattern_equal(none, pattern_all(&a)));
		assert_true(pattern_equal(pattern_not(&a, q), p));
		r = pattern_print(&a, q, 2000, &text, &err);
		if (r && r != -E2BIG && r != -ENOENT)
			fail_msg("not %s: %s", expression, err.msg);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_expression_matches_whole_strings),
	cmocka_unit_test(dots_and_newlines),
	cmocka_unit_test(what_is_no_utf8_is_in_no_set),
	cmocka_unit_test(what_is_refused_and_what_is_not_decided),
	cmocka_unit_test(sets_have_one_form),
	cmocka_unit_test(a_witness_is_short_and_readable),
	cmocka_unit_test(a_complement_has_an_expression),
	cmocka_unit_test(cells_are_all_there_are),
	cmocka_unit_test(random_expressions_match_as_elsewhere),
};
int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
