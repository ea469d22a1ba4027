/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <string.h>

#include "tests/support/test.h"

TEST(set_returns_its_code)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_set(&err, -EINVAL, "port %d", 70000), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "port 70000");
	assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

TEST(wrap_puts_context_in_front)
{
	struct error err = ERROR_INIT;

	error_errno(&err, -ENOENT, "open %s", "/x");
	error_wrap(&err, -ENOENT, "read config");
	assert_string_equal(err.msg, "read config: open /x: No such file or directory");
}

TEST(long_messages_are_cut_not_overrun)
{
	struct error err = ERROR_INIT;
	char big[2000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	error_set(&err, -EIO, "%s", big);
	error_wrap(&err, -EIO, "%s", big);
	error_errno(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_its_code),
		cmocka_unit_test(wrap_puts_context_in_front),
		cmocka_unit_test(long_messages_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
