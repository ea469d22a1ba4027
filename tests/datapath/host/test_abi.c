/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of datapath/abi say what they promise. */
#include <stdbool.h>
#include <string.h>

#include "datapath/abi/maps.h"
#include "tests/support/test.h"

#define MAX_NOUN 12

TEST(map_names_fit_the_kernel)
{
#define CHECK_X(name, ver, ...)                                                                    \
	assert_true(sizeof(#name) - 1 <= MAX_NOUN);                                                \
	assert_true(sizeof(#name "_v" #ver) - 1 <= 15);
	FOREACH_MAP(CHECK_X, CHECK_X)
#undef CHECK_X
}

TEST(reasons_are_ordered_and_fit_a_byte)
{
	static const int numbers[] = {
#define NUMBER(num, name, flow, text) num,
		FOREACH_REASON(NUMBER)
#undef NUMBER
	};

	for (size_t i = 1; i < ARRAY_SIZE(numbers); i++)
		assert_true(numbers[i] > numbers[i - 1]);
	assert_true(numbers[ARRAY_SIZE(numbers) - 1] < REASON_COUNT);
	assert_int_equal(REASON_POLICY, 133);
	assert_int_equal(REASON_POLICY_DENY, 181);
	assert_int_equal(REASON_POLICY_AUTH_REQUIRED, 189);
}

TEST(generation_sections_do_not_overlap)
{
	assert_int_equal(generation_endpoint(0), GENERATION_ENDPOINT_BASE);
	assert_true(generation_endpoint(ENDPOINT_MAX - 1) < GENERATION_SERVICE_BASE);
	for (__u32 i = 0; i < 100000; i++) {
		__u32 addr = i * 2654435761U;
		__u32 s = generation_service(addr, (__be16)i), r = generation_remote(addr);

		assert_true(s >= GENERATION_SERVICE_BASE && s < GENERATION_REMOTE_BASE);
		assert_true(r >= GENERATION_REMOTE_BASE && r < GENERATION_MAX);
	}
}

/* Connections carried to or from another release keep their counters: the places in the array that
 * both share are part of the layout. */
TEST(generations_stand_where_every_release_looks)
{
	assert_int_equal(GENERATION_GLOBAL, 0);
	assert_int_equal(GENERATION_UNUSED, 1);
	assert_int_equal(generation_endpoint(5), 21);
	assert_int_equal(generation_service(0x0100000a, 0x5000), 12636);
	assert_int_equal(generation_remote(0x0100000a), 77626);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_names_fit_the_kernel),
		cmocka_unit_test(reasons_are_ordered_and_fit_a_byte),
		cmocka_unit_test(generation_sections_do_not_overlap),
		cmocka_unit_test(generations_stand_where_every_release_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
