/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/random.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/object/kinds.h"
#include "tests/support/test.h"

TEST(the_same_seed_gives_the_same_objects)
{
	for (uint64_t seed = 0; seed < 50; seed++) {
		auto_release(strbuf) struct strbuf one = STRBUF_INIT;
		auto_release(strbuf) struct strbuf two = STRBUF_INIT;
		struct random_namespace r;
		struct arena a = ARENA_INIT;
		struct doc_stream docs;

		random_namespace_make(&r, &a, seed);
		random_namespace_write(&r, &one);
		random_namespace_make(&r, &a, seed);
		random_namespace_write(&r, &two);
		assert_string_equal(one.buf, two.buf);
		assert_int_equal(doc_read_yaml(&a, one.buf, one.len, "r", &docs, NULL), 0);
		assert_int_equal(docs.n, r.n);
		for (size_t i = 0; i < docs.n; i++) {
			assert_true(doc_equal(docs.docs[i], r.objects[i]));
			assert_non_null(
				object_kind_find(doc_str(doc_get(docs.docs[i], "apiVersion")),
						 doc_str(doc_get(docs.docs[i], "kind"))));
		}
		arena_release(&a);
	}
}

TEST(every_graph_has_calls_and_refusals_and_seeds_differ)
{
	unsigned sizes[16] = {0}, distinct = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		struct random_namespace r;
		struct arena a = ARENA_INIT;
		unsigned held = 0;

		random_namespace_make(&r, &a, seed);
		random_namespace_write(&r, &text);
		for (const char *s = text.buf; (s = strstr(s, "--hold=")); s++)
			held++;
		assert_true(held >= 5); /* twice that in connections: two replicas each */
		assert_true(r.edges >= r.services - 1);
		assert_true(r.refusals >= r.services);
		sizes[r.services]++;
		arena_release(&a);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		distinct += sizes[i] > 0;
	assert_true(distinct >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_objects),
		cmocka_unit_test(every_graph_has_calls_and_refusals_and_seeds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
