/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/clock.h"

#include <errno.h>

#include "tests/support/test.h"

TEST(rfc3339_both_ways)
{
	static const struct {
		const char *text;
		int64_t ns;
		int digits;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0, 0},
		{"2026-11-23T06:17:00Z", 1795414620LL * 1000000000, 0},
		{"2026-11-23T06:17:00.123456Z", 1795414620LL * 1000000000 + 123456000, 6},
	};
	char buf[CLOCK_RFC3339_SIZE];
	int64_t back;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(clock_rfc3339(rows[i].ns, rows[i].digits, buf), rows[i].text);
		assert_int_equal(clock_parse_rfc3339(rows[i].text, &back), 0);
		assert_int_equal(back, rows[i].ns);
	}
}

TEST(zones_count_and_garbage_does_not)
{
	int64_t ns;

	assert_int_equal(clock_parse_rfc3339("1970-01-01T02:00:00+02:00", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(clock_parse_rfc3339("yesterday", &ns), -EINVAL);
	assert_int_equal(clock_parse_rfc3339("1970-01-01T02:00:00", &ns), -EINVAL);
	assert_int_equal(clock_parse_rfc3339("1970-01-01T02:00:00Zx", &ns), -EINVAL);
}

TEST(a_fake_clock_moves_when_told)
{
	struct fake_clock f;

	fake_clock_init(&f, 100);
	assert_int_equal(clock_now_ns(&f.clock), 0);
	fake_clock_advance(&f, 30 * NS_PER_S);
	assert_int_equal(clock_now_ns(&f.clock), 30 * NS_PER_S);
	assert_int_equal(clock_wall_ns(&f.clock), 100 + 30 * (int64_t)NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_both_ways),
		cmocka_unit_test(zones_count_and_garbage_does_not),
		cmocka_unit_test(a_fake_clock_moves_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
