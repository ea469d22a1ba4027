/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strbuf.h"

#include <string.h>

#include "tests/support/test.h"

TEST(grows_and_stays_terminated)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	assert_string_equal(strbuf_cstr(&sb), "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, "%d,", i);
	assert_int_equal(sb.len, strlen(sb.buf));
	strbuf_clear(&sb);
	assert_string_equal(strbuf_cstr(&sb), "");
	strbuf_add(&sb, "a\0b", 3);
	assert_int_equal(sb.len, 3);
}

TEST(consume_drops_the_front)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	strbuf_consume(&sb, 4);
	strbuf_adds(&sb, "line one");
	strbuf_consume(&sb, 5);
	assert_string_equal(sb.buf, "one");
	strbuf_consume(&sb, 99);
	assert_int_equal(sb.len, 0);
}

TEST(take_hands_over)
{
	struct strbuf sb = STRBUF_INIT;
	auto_free char *empty = strbuf_take(&sb);
	auto_free char *full = NULL;

	strbuf_adds(&sb, "x");
	full = strbuf_take(&sb);
	assert_string_equal(empty, "");
	assert_string_equal(full, "x");
	assert_null(sb.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(consume_drops_the_front),
		cmocka_unit_test(take_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
