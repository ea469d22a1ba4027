/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "lib/object/selector.h"

static struct strmap_pair pairs[] = {{"app", "web"}, {"empty", ""}, {"tier", "a"}};
static const struct strmap labels = {pairs, 3};

static const struct {
	const char *text;
	bool matches;
} rows[] = {
	{"", true},
	{"app=web", true},
	{"app==web", true},
	{"app=db", false},
	{"app!=web", false},
	{"app!=db", true},
	{"none!=x", true},
	{"app", true},
	{"none", false},
	{"!none", true},
	{"!app", false},
	{"tier in (a, b)", true},
	{"tier in (c)", false},
	{"tier notin (a)", false},
	{"none notin (a)", true},
	{"app=web,tier in (a,b),!none", true},
	{"app=web , tier=b", false},
	{"empty=", true},
	{"empty in (,x)", true},
};

TEST(the_query_form_selects)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct label_selector s, again;
		struct error err = ERROR_INIT;

		if (label_selector_parse(&a, rows[i].text, &s, &err) < 0)
			fail_msg("%s", err.msg);
		if (label_selector_matches(&s, &labels) != rows[i].matches)
			fail_msg("'%s': want %d", rows[i].text, rows[i].matches);
		/* What is written is read again with the same meaning. */
		assert_int_equal(
			label_selector_parse(&a, label_selector_format(&a, &s), &again, NULL), 0);
		assert_int_equal(label_selector_matches(&again, &labels), rows[i].matches);
		arena_release(&a);
	}
}

TEST(what_is_not_a_selector_is_refused)
{
	static const char *const bad[] = {"=x", "a in b", "a in (b", "a,", "a b", ",a", "!"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a = ARENA_INIT;
		struct label_selector s;

		if (label_selector_parse(&a, bad[i], &s, NULL) == 0)
			fail_msg("'%s' was read", bad[i]);
		arena_release(&a);
	}
}

TEST(an_absent_selector_selects_nothing)
{
	struct label_selector empty = {{NULL, 0}, NULL, 0};

	assert_false(label_selector_matches(NULL, &labels));
	assert_true(label_selector_matches(&empty, &labels));
}

TEST(operators_and_values_must_fit)
{
	struct label_requirement in = {.key = "a", .op = LABEL_IN};
	struct label_selector s = {.match_expressions = &in, .n_match_expressions = 1};

	assert_int_equal(label_selector_check(&s, NULL), -EINVAL);
	in.op = LABEL_EXISTS;
	assert_int_equal(label_selector_check(&s, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_query_form_selects),
		cmocka_unit_test(what_is_not_a_selector_is_refused),
		cmocka_unit_test(an_absent_selector_selects_nothing),
		cmocka_unit_test(operators_and_values_must_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
