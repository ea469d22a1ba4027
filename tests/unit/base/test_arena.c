/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"

#include <stdint.h>
#include <string.h>

#include "tests/support/test.h"

TEST(memory_is_zeroed_and_aligned)
{
	struct arena a = ARENA_INIT;

	for (size_t n = 0; n < 300; n++) {
		unsigned char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	arena_release(&a);
	assert_int_equal(a.used, 0);
}

TEST(what_is_larger_than_a_chunk_fits)
{
	struct arena a = ARENA_INIT;
	char *first = arena_strdup(&a, "kept");
	char *big = arena_alloc(&a, 3 << 20);

	memset(big, 1, 3 << 20);
	assert_string_equal(first, "kept");
	arena_release(&a);
}

TEST(strings_are_copied)
{
	struct arena a = ARENA_INIT;
	char text[] = "frontend";
	char *copy = arena_strdup(&a, text);

	text[0] = 'X';
	assert_string_equal(copy, "frontend");
	assert_string_equal(arena_strndup(&a, "backend", 4), "back");
	assert_string_equal(arena_printf(&a, "%s-%d", "pod", 7), "pod-7");
	assert_null(arena_strdup(&a, NULL));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned),
		cmocka_unit_test(what_is_larger_than_a_chunk_fits),
		cmocka_unit_test(strings_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
