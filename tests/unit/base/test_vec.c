/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/vec.h"

#include "tests/support/test.h"

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

TEST(push_remove_sort)
{
	VEC(int) v = VEC_INIT;
	int sum = 0;

	for (int i = 0; i < 100; i++)
		vec_push(&v, 99 - i);
	vec_remove(&v, 0);
	assert_int_equal(v.n, 99);
	assert_int_equal(v.items[0], 98);
	vec_sort(&v, by_value);
	assert_int_equal(v.items[0], 0);
	vec_foreach (&v, it)
		sum += *it;
	assert_int_equal(sum, 98 * 99 / 2);
	assert_int_equal(*vec_add(&v), 0);
	vec_release(&v);
	assert_null(v.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_remove_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
