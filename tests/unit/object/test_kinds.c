/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "lib/base/str.h"
#include "lib/object/kinds.h"

TEST(every_row_is_found_by_itself)
{
	struct arena a = ARENA_INIT;

	for (int i = 0; i < OBJECT_KIND_COUNT; i++) {
		const struct object_kind *k = &object_kinds[i];

		assert_ptr_equal(object_kind_find(object_kind_api_version(&a, k), k->kind), k);
		assert_ptr_equal(object_kind_by_plural(k->group, k->plural), k);
		assert_int_equal(object_kind_id(k), i);
	}
	arena_release(&a);
}

TEST(an_older_version_of_a_group_is_found)
{
	assert_ptr_equal(object_kind_find("networking.istio.io/v1beta1", "VirtualService"),
			 object_kind(KIND_VIRTUAL_SERVICE));
}

TEST(what_is_not_in_the_table_is_null)
{
	struct object_kind own = {"example.org", "v1", "Thing", "things", true};

	assert_null(object_kind_find("apps/v1", "Pod"));
	assert_null(object_kind_find(NULL, "Pod"));
	assert_null(object_kind_by_plural("", "deployments"));
	assert_int_equal(object_kind_id(&own), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_itself),
		cmocka_unit_test(an_older_version_of_a_group_is_found),
		cmocka_unit_test(what_is_not_in_the_table_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
