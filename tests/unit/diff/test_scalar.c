/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/diff/fields.h"
#include "tests/support/test.h"

static const struct {
	enum value_kind kind;
	const char *one, *two; /* YAML */
	bool same;
} rows[] = {
	{VALUE_QUANTITY, "1000m", "1", true},
	{VALUE_QUANTITY, "1", "\"1\"", true},
	{VALUE_QUANTITY, "0.5", "500m", true},
	{VALUE_QUANTITY, "1024Mi", "1Gi", true},
	{VALUE_QUANTITY, "1G", "1Gi", false},
	{VALUE_QUANTITY, "1e3", "1k", true},
	{VALUE_QUANTITY, "1E3", "\"1000\"", true},
	{VALUE_QUANTITY, "\"1E\"", "\"1000P\"", true},
	{VALUE_QUANTITY, "\"0\"", "0Gi", true},
	{VALUE_QUANTITY, "\"-0\"", "0", true},
	{VALUE_QUANTITY, "-1", "1", false},
	{VALUE_QUANTITY, "1.5Gi", "1536Mi", true},
	{VALUE_QUANTITY, "0.000000001", "1n", true},
	{VALUE_QUANTITY, "\"18446744073709551616\"", "\"16Ei\"", true},
	{VALUE_QUANTITY, "\"123456789012345678901234567890123456789\"", "1", false},
	{VALUE_QUANTITY, "lots", "1", false},
	{VALUE_QUANTITY, "\"\"", "0", false},
	{VALUE_QUANTITY, "\".\"", "0", false},
	{VALUE_QUANTITY, "1e999999999", "1", false},
	{VALUE_DURATION, "60s", "1m", true},
	{VALUE_DURATION, "1h30m", "90m", true},
	{VALUE_DURATION, "0.5s", "500ms", true},
	{VALUE_DURATION, "60s", "60", false},
	{VALUE_TEXT, "true", "\"true\"", true},
	{VALUE_TEXT, "5", "\"5\"", true},
	{VALUE_TEXT, "5", "\"5.0\"", false},
	{VALUE_PLAIN, "5", "\"5\"", false},
	{VALUE_PLAIN, "60s", "1m", false},
	{VALUE_PLAIN, "1", "1.0", true},
	{VALUE_TEXT, "[1]", "\"[1]\"", false},
};

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream s;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), NULL, &s, NULL), 0);
	return s.docs[0];
}

TEST(scalars_mean_the_same_or_not)
{
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *x = yaml(&a, rows[i].one), *y = yaml(&a, rows[i].two);

		if (field_value_same(rows[i].kind, x, y) != rows[i].same ||
		    field_value_same(rows[i].kind, y, x) != rows[i].same)
			fail_msg("%s and %s", rows[i].one, rows[i].two);
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_mean_the_same_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
