/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/order.h"

#include "tests/support/test.h"

TEST(servers_come_before_their_callers)
{
	/* 0 -> 1 -> 2, 0 -> 3 -> 2 */
	static const struct order_edge edges[] = {{0, 1}, {1, 2}, {0, 3}, {3, 2}, {2, 2}};
	auto_release(arena) struct arena a = ARENA_INIT;
	size_t at[4];
	struct order o;

	order_make(&o, &a, 4, edges, ARRAY_SIZE(edges));
	assert_int_equal(o.n, 4);
	assert_int_equal(o.n_parts, 4);
	for (size_t i = 0; i < o.n; i++)
		at[o.items[i]] = i;
	for (size_t i = 0; i + 1 < ARRAY_SIZE(edges); i++)
		assert_true(at[edges[i].server] < at[edges[i].caller]);
}

TEST(a_circle_is_one_part)
{
	/* 4 -> (1 -> 2 -> 3 -> 1) -> 0 */
	static const struct order_edge edges[] = {{4, 1}, {1, 2}, {2, 3}, {3, 1}, {2, 0}};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct order o;

	order_make(&o, &a, 5, edges, ARRAY_SIZE(edges));
	assert_int_equal(o.n_parts, 3);
	assert_int_equal(o.items[0], 0);
	assert_int_equal(o.part_size[1], 3);
	assert_int_equal(o.items[1], 1);
	assert_int_equal(o.items[3], 3);
	assert_int_equal(o.items[4], 4);
}

TEST(nothing_is_in_order)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct order o;

	order_make(&o, &a, 0, NULL, 0);
	assert_int_equal(o.n, 0);
	order_make(&o, &a, 2, NULL, 0);
	assert_int_equal(o.items[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_come_before_their_callers),
		cmocka_unit_test(a_circle_is_one_part),
		cmocka_unit_test(nothing_is_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
