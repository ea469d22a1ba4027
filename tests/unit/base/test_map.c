/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/map.h"

#include "lib/base/strbuf.h"
#include "tests/support/test.h"

TEST(set_get_delete)
{
	struct map m = MAP_INIT;
	int one = 1, two = 2;

	assert_null(map_set(&m, "a", &one));
	assert_ptr_equal(map_set(&m, "a", &two), &one);
	assert_ptr_equal(map_get(&m, "a"), &two);
	assert_null(map_get(&m, "b"));
	assert_int_equal(map_count(&m), 1);
	assert_ptr_equal(map_del(&m, "a"), &two);
	assert_null(map_del(&m, "a"));
	assert_false(map_has(&m, "a"));
	map_release(&m);
}

TEST(order_is_that_of_insertion)
{
	auto_release(strbuf) struct strbuf order = STRBUF_INIT;
	struct map m = MAP_INIT;
	int x = 0;

	map_set(&m, "z", &x);
	map_set(&m, "a", &x);
	map_set(&m, "m", &x);
	map_foreach (&m, e) {
		strbuf_adds(&order, map_key(e));
		if (map_key(e)[0] == 'a')
			map_del(&m, "a");
	}
	assert_string_equal(order.buf, "zam");
	assert_int_equal(map_count(&m), 2);
	map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_get_delete),
		cmocka_unit_test(order_is_that_of_insertion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
