/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/log.h"

#include <string.h>

#include "tests/support/test.h"

static char *line_of(bool json, enum log_level level)
{
	struct fake_clock clock;
	char *text = NULL;
	size_t n = 0;
	struct log log = {open_memstream(&text, &n), LOG_LEVEL_INFO, json, "sidestepd",
			  &clock.clock};

	fake_clock_init(&clock, 0);
	log_write(&log, level, "endpoint \"%s\" ready id=%d", "a\n", 7);
	fclose(log.out);
	return text;
}

TEST(text_and_json)
{
	auto_free char *text = line_of(false, LOG_LEVEL_WARN);
	auto_free char *json = line_of(true, LOG_LEVEL_INFO);

	assert_string_equal(
		text, "1970-01-01T00:00:00.000Z warn  sidestepd: endpoint \"a\n\" ready id=7\n");
	assert_string_equal(
		json,
		"{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"name\":\"sidestepd\","
		"\"msg\":\"endpoint \\\"a\\u000a\\\" ready id=7\"}\n");
}

TEST(less_important_lines_are_dropped)
{
	auto_free char *text = line_of(false, LOG_LEVEL_DEBUG);
	enum log_level level;

	assert_string_equal(text, "");
	log_info(NULL, "a library without a log is silent");
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_true(log_level_parse("loud", &level) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_json),
		cmocka_unit_test(less_important_lines_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
