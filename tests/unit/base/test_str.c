/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"

#include "tests/support/test.h"

TEST(comparisons)
{
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("a", NULL));
	assert_true(str_starts("istio-proxy", "istio"));
	assert_false(str_starts("is", "istio"));
	assert_true(str_ends("a.svc", ".svc"));
	assert_false(str_ends("c", ".svc"));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty("x"));
	assert_true(str_cmp(NULL, "a") < 0 && str_cmp("b", "a") > 0);
}

TEST(numbers_are_whole_and_in_range)
{
	uint64_t n = 5;
	int64_t i;
	struct error err = ERROR_INIT;

	assert_int_equal(str_to_u64("65535", 1, 65535, &n, "port", &err), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(str_to_u64("65536", 1, 65535, &n, "port", &err), -ERANGE);
	assert_int_equal(n, 65535);
	assert_string_equal(err.msg, "port: 65536 is not between 1 and 65535");
	assert_int_equal(str_to_u64("80x", 1, 65535, &n, "port", &err), -EINVAL);
	assert_int_equal(str_to_u64("-1", 0, 9, &n, "port", &err), -EINVAL);
	assert_int_equal(str_to_u64("", 0, 9, &n, "port", &err), -EINVAL);
	assert_int_equal(str_to_u64("99999999999999999999", 0, UINT64_MAX, &n, "x", &err), -ERANGE);
	assert_int_equal(str_to_i64("-12", -20, 0, &i, "offset", &err), 0);
	assert_int_equal(i, -12);
}

TEST(durations_as_go_writes_them)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} rows[] = {
		{"0", 0},
		{"500ms", 500000000},
		{"1h30m", 5400000000000},
		{"1.5s", 1500000000},
		{"10us", 10000},
	};
	static const char *const bad[] = {"", "5", "s", "1x", "-1s", "1s "};
	uint64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(str_to_duration_ns(rows[i].text, &ns, NULL), 0);
		assert_int_equal(ns, rows[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(str_to_duration_ns(bad[i], &ns, NULL) < 0);
}

TEST(hash_is_stable)
{
	assert_true(str_hash("a", 1, STR_HASH_SEED) == 0xaf63dc4c8601ec8cULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparisons),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(durations_as_go_writes_them),
		cmocka_unit_test(hash_is_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
