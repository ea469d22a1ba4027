/* SPDX-License-Identifier: Apache-2.0 */
/* What a regeneration notes: a count of everything, and names of as many as somebody reads. */
#include "tests/support/test.h"

#include <string.h>

#include "agent/datapath/state.h"

enum { ROWS = 200000 };

TEST(the_first_are_named_and_all_are_counted)
{
	struct arena a = ARENA_INIT;
	struct datapath_regenerated found = {0};
	struct apply_report report = {&a, &found};
	uint32_t key = 0, have = 7;
	const char *first;

	for (; key < ROWS; key++)
		apply_note_row(&report, MAP_ep_addr, &key, &have, NULL);
	assert_int_equal(found.n_corrupted, ROWS);
	assert_int_equal(found.corrupted.n, DATAPATH_MAX_CORRUPTED);
	first = found.corrupted.items[0];
	assert_non_null(strstr(first, "ep_addr"));
	assert_string_not_equal(first, found.corrupted.items[DATAPATH_MAX_CORRUPTED - 1]);
	apply_note(&report, NULL);
	assert_int_equal(found.n_corrupted, ROWS + 1);
	apply_note_row(NULL, MAP_ep_addr, &key, &have, NULL); /* nobody asks */
	arena_release(&a);
}

TEST(nothing_is_nothing)
{
	struct datapath_regenerated found = {0};
	const struct apply_report report = {NULL, &found};

	assert_true(apply_names(&report));
	assert_int_equal(found.n_corrupted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_are_named_and_all_are_counted),
		cmocka_unit_test(nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
