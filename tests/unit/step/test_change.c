/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/step/change.h"

#include <string.h>

#include "tests/support/test.h"

static struct arena arena;

static struct doc *json(const char *text)
{
	struct doc *d;

	assert_int_equal(doc_read_json(&arena, text, strlen(text), NULL, &d, NULL), 0);
	return d;
}

TEST(inverse_takes_a_patch_back)
{
	static const struct {
		const char *live, *patch;
	} rows[] = {
		{"{\"a\":1,\"b\":{\"c\":2}}", "{\"b\":{\"c\":3,\"d\":4}}"},
		{"{\"a\":1}", "{\"b\":{\"c\":3}}"},
		{"{\"a\":[1,2]}", "{\"a\":[3]}"},
		{"{\"a\":{\"x\":1}}", "{\"a\":null}"},
		{"{\"a\":{\"x\":1}}", "{\"a\":5}"},
		{"{\"m\":{\"l\":{\"k\":\"v\"}}}", "{\"m\":{\"l\":{\"k\":null,\"n\":\"w\"}}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *live = json(rows[i].live), *patch = json(rows[i].patch);
		struct doc *back = change_inverse_patch(&arena, live, patch);
		struct doc *there = doc_merge_patch(&arena, live, patch);

		assert_true(change_patch_holds(there, patch));
		assert_false(change_patch_holds(live, patch));
		assert_true(change_patch_holds(live, back));
		assert_true(change_patch_holds(doc_merge_patch(&arena, there, back), back));
	}
}

TEST(a_patched_object_is_before_after_or_foreign)
{
	struct doc *live = json("{\"spec\":{\"tls\":{\"mode\":\"ISTIO_MUTUAL\"},\"host\":\"h\"}}");
	struct change c = {
		.op = "x", .kind = CHANGE_PATCH, .forward = json("{\"spec\":{\"tls\":null}}")};
	const struct doc *after, *foreign;

	assert_int_equal(change_prepare(&arena, &c, live, NULL), 0);
	after = json("{\"spec\":{\"host\":\"other field may change\"}}");
	foreign = json("{\"spec\":{\"tls\":{\"mode\":\"SIMPLE\"}}}");
	assert_int_equal(change_state(&c, live, ""), CHANGE_BEFORE);
	assert_int_equal(change_state(&c, after, ""), CHANGE_AFTER);
	assert_int_equal(change_state(&c, foreign, ""), CHANGE_FOREIGN);
	assert_int_equal(change_state(&c, NULL, ""), CHANGE_FOREIGN);
	assert_string_equal(change_conflict(&arena, &c, foreign),
			    "spec.tls is now {\"mode\":\"SIMPLE\"}");
	assert_int_equal(change_prepare(&arena, &c, NULL, NULL), -ENOENT);
	assert_int_equal(change_prepare(&arena, &c, after, NULL), 1);
}

TEST(creation_and_deletion)
{
	struct change make = {.kind = CHANGE_CREATE, .forward = json("{\"spec\":{\"a\":1}}")};
	struct change drop = {.kind = CHANGE_DELETE};
	struct doc *same = json("{\"spec\":{\"a\":1,\"defaulted\":true}}");
	struct doc *other = json("{\"spec\":{\"a\":2}}");

	assert_int_equal(change_prepare(&arena, &make, NULL, NULL), 0);
	assert_int_equal(change_prepare(&arena, &make, same, NULL), 1);
	assert_int_equal(change_prepare(&arena, &make, other, NULL), -EEXIST);
	assert_int_equal(change_state(&make, NULL, ""), CHANGE_BEFORE);
	assert_int_equal(change_state(&make, same, "d"), CHANGE_AFTER);
	make.digest = "made";
	assert_int_equal(change_state(&make, same, "made"), CHANGE_AFTER);
	assert_int_equal(change_state(&make, same, "edited"), CHANGE_FOREIGN);
	assert_int_equal(change_prepare(&arena, &drop, other, NULL), 0);
	assert_int_equal(change_state(&drop, other, ""), CHANGE_BEFORE);
	assert_int_equal(change_state(&drop, same, ""), CHANGE_FOREIGN);
	assert_int_equal(change_state(&drop, NULL, ""), CHANGE_AFTER);
}

/* Between a write and its note only this is left to judge by. */
TEST(what_a_server_makes_of_it_has_landed)
{
	static const struct {
		const char *before, *forward, *live;
		bool landed;
	} rows[] = {
		{"[{\"name\":\"w\"}]", "[{\"name\":\"w\",\"image\":\"i\"}]",
		 "[{\"name\":\"w\",\"image\":\"i\",\"pull\":\"Always\"}]", true},
		{"\"512Mi\"", "\"1024Mi\"", "\"1Gi\"", true},
		{"\"1\"", "0.5", "\"500m\"", false}, /* the server reads no real number */
		{"\"1\"", "\"0.5\"", "\"500m\"", true},
		{"1", "2", "\"2\"", true},
		{"\"512Mi\"", "\"1024Mi\"", "\"2Gi\"", false},
		/* Another hand: an item more, another value. */
		{"[1]", "[1,2]", "[1,2,3]", false},
		{"[{\"a\":1}]", "[{\"a\":2}]", "[{\"a\":3,\"b\":1}]", false},
		/* Taken away is not taken away while it is there, whatever else is. */
		{"[{\"name\":\"w\",\"env\":1}]", "[{\"name\":\"w\"}]",
		 "[{\"name\":\"w\",\"env\":1,\"theirs\":2}]", false},
		{"[{\"name\":\"w\",\"env\":1}]", "[{\"name\":\"w\"}]",
		 "[{\"name\":\"w\",\"pull\":\"Always\"}]", true},
		{"\"no\"", "\"yes\"", "\"0x1\"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *live = doc_map(&arena), *forward = doc_map(&arena),
			   *before = doc_map(&arena);
		const struct change c = {
			.kind = CHANGE_PATCH, .forward = forward, .backward = before};

		doc_set(&arena, live, "x", json(rows[i].live));
		doc_set(&arena, forward, "x", json(rows[i].forward));
		doc_set(&arena, before, "x", json(rows[i].before));
		if (change_landed(&c, live) != rows[i].landed)
			fail_msg("row %zu", i);
		if (rows[i].landed)
			assert_true(doc_equal(change_answer(&arena, &c, live), live));
	}
}

static int clear(UNUSED void **state)
{
	arena_release(&arena);
	return 0;
}

TEST(a_ref_is_told_as_people_name_an_object)
{
	struct arena a = ARENA_INIT;
	struct doc *ref = doc_map(&a);

	doc_set_string(&a, ref, "path", "x");
	assert_string_equal(change_object(&a, ref), "{\"path\":\"x\"}");
	doc_set_string(&a, ref, "kind", "Namespace");
	doc_set_string(&a, ref, "name", "shop");
	assert_string_equal(change_object(&a, ref), "Namespace/shop");
	doc_set_string(&a, ref, "namespace", "web");
	assert_string_equal(change_object(&a, ref), "Namespace/web/shop");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(inverse_takes_a_patch_back, clear),
		cmocka_unit_test_teardown(a_patched_object_is_before_after_or_foreign, clear),
		cmocka_unit_test_teardown(creation_and_deletion, clear),
		cmocka_unit_test_teardown(what_a_server_makes_of_it_has_landed, clear),
		cmocka_unit_test(a_ref_is_told_as_people_name_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
