/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/base64.h"

TEST(rfc4648_vectors_both_ways)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT, back = STRBUF_INIT;

		base64_encode(rows[i][0], strlen(rows[i][0]), &out);
		assert_string_equal(strbuf_cstr(&out), rows[i][1]);
		assert_int_equal(base64_decode(rows[i][1], strlen(rows[i][1]), &back), 0);
		assert_string_equal(strbuf_cstr(&back), rows[i][0]);
	}
}

TEST(what_is_no_base64)
{
	static const char *const rows[] = {
		"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z!==", "Zm9v="};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, "kept");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (base64_decode(rows[i], strlen(rows[i]), &out) == 0)
			fail_msg("%s was taken", rows[i]);
	assert_string_equal(strbuf_cstr(&out), "kept");
	assert_int_equal(base64_decode("Zm\n9v ", 6, &out), 0);
	assert_string_equal(strbuf_cstr(&out), "keptfoo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_vectors_both_ways),
		cmocka_unit_test(what_is_no_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
