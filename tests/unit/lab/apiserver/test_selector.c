/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/selector.h"

#include "tests/unit/lab/apiserver/json.h"

static const struct {
	const char *selector, *labels;
	int want; /* 1 matches, 0 does not, -1 cannot be read */
} labels_rows[] = {
	{"", "{}", 1},
	{"a=b", "{'a':'b'}", 1},
	{"a==b,c=d", "{'a':'b','c':'d'}", 1},
	{"a=b,c=d", "{'a':'b'}", 0},
	{"a!=b", "{}", 1},
	{"a!=b", "{'a':'b'}", 0},
	{"a", "{'a':''}", 1},
	{"!a", "{'a':''}", 0},
	{" ! a ", "{}", 1},
	{"a in (b, c)", "{'a':'c'}", 1},
	{"a in (b,c)", "{}", 0},
	{"a notin (b,c)", "{}", 1},
	{"a notin (b,c)", "{'a':'b'}", 0},
	{"a=", "{'a':''}", 1},
	{"a=", "{}", 0},
	{"n>3", "{'n':'4'}", 1},
	{"n<3", "{'n':'4'}", 0},
	{"n>3", "{'n':'x'}", 0},
	{"x.io/y=z", "{'x.io/y':'z'}", 1},
	{"in=a", "{'in':'a'}", 1},
	{"a in b", "{}", -1},
	{"a=b c", "{}", -1},
	{"=b", "{}", -1},
	{"a in (b", "{}", -1},
	{"n>x", "{}", -1},
	{"a;b", "{}", -1},
};

TEST(labels)
{
	for (size_t i = 0; i < ARRAY_SIZE(labels_rows); i++) {
		struct arena a = ARENA_INIT;
		struct selector s;
		int r = selector_parse(&a, labels_rows[i].selector, &s, NULL);

		if (!!r != (labels_rows[i].want < 0) ||
		    (!r &&
		     selector_matches(&s, json(&a, labels_rows[i].labels)) != labels_rows[i].want))
			fail_msg("row %zu: \"%s\"", i, labels_rows[i].selector);
		arena_release(&a);
	}
}

TEST(an_error_says_where)
{
	struct arena a = ARENA_INIT;
	struct selector s;
	struct error err = ERROR_INIT;

	assert_int_equal(selector_parse(&a, "a=b,c in d", &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "character 10"));
	arena_release(&a);
}

TEST(objects)
{
	struct arena a = ARENA_INIT;
	struct selector s;

	assert_int_equal(
		selector_from_doc(&a,
				  json(&a,
				       "{'matchLabels':{'a':'b'},'matchExpressions':[{'key':'c',"
				       "'operator':'NotIn','values':['d']},{'key':'e','operator':"
				       "'DoesNotExist'}]}"),
				  &s, NULL),
		0);
	assert_true(selector_matches(&s, json(&a, "{'a':'b'}")));
	assert_false(selector_matches(&s, json(&a, "{'a':'b','c':'d'}")));
	assert_false(selector_matches(&s, json(&a, "{'a':'b','e':''}")));
	assert_int_equal(selector_from_doc(&a, NULL, &s, NULL), 0);
	assert_true(selector_matches(&s, NULL));
	assert_int_equal(
		selector_from_doc(&a,
				  json(&a, "{'matchExpressions':[{'key':'a','operator':'Like'}]}"),
				  &s, NULL),
		-EINVAL);
	assert_int_equal(selector_from_doc(
				 &a, json(&a, "{'matchExpressions':[{'key':'a','operator':'In'}]}"),
				 &s, NULL),
			 -EINVAL);
	arena_release(&a);
}

TEST(fields)
{
	struct arena a = ARENA_INIT;
	struct doc *d =
		json(&a, "{'metadata':{'name':'x'},'spec':{'nodeName':'','n':3,'on':true}}");
	struct selector s;

	assert_int_equal(
		field_selector_parse(&a, "metadata.name=x,spec.n=3,spec.on!=false", &s, NULL), 0);
	assert_true(field_selector_matches(&s, d));
	assert_string_equal(field_selector_exact(&s, "metadata.name"), "x");
	assert_null(field_selector_exact(&s, "spec.on"));
	assert_int_equal(field_selector_parse(&a, "spec.nodeName=,status.phase!=Running", &s, NULL),
			 0);
	assert_true(field_selector_matches(&s, d));
	assert_int_equal(field_selector_parse(&a, "metadata.name=y", &s, NULL), 0);
	assert_false(field_selector_matches(&s, d));
	assert_int_equal(field_selector_parse(&a, "metadata.name", &s, NULL), -EINVAL);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels),
		cmocka_unit_test(an_error_says_where),
		cmocka_unit_test(objects),
		cmocka_unit_test(fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
