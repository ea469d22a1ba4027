/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/doc/doc.h"

#include "tests/support/test.h"

static struct doc *sample(struct arena *a)
{
	struct doc *d = doc_map(a), *port = doc_map(a);

	doc_set_string(a, doc_set_map(a, d, "metadata"), "name", "web");
	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       "app.kubernetes.io/name", "shop");
	doc_set_int(a, port, "port", 80);
	doc_append(a, doc_set_list(a, doc_set_map(a, d, "spec"), "ports"), port);
	doc_set_bool(a, doc_get(d, "spec"), "on", true);
	return d;
}

TEST(lookups_chain_and_survive_absence)
{
	struct arena a = ARENA_INIT;
	struct doc *d = sample(&a);

	assert_string_equal(doc_str(doc_get(doc_get(d, "metadata"), "name")), "web");
	assert_null(doc_str(doc_get(doc_get(d, "nothing"), "name")));
	assert_null(doc_at(doc_get(d, "spec"), 0));
	assert_int_equal(doc_len(NULL), 0);
	assert_int_equal(doc_int_or(NULL, 7), 7);
	assert_true(doc_bool_or(doc_find(d, "spec.on"), false));
	arena_release(&a);
}

TEST(paths)
{
	static const struct {
		const char *path;
		bool there;
	} rows[] = {
		{"", true},
		{"metadata.name", true},
		{"spec.ports[0].port", true},
		{"metadata.labels['app.kubernetes.io/name']", true},
		{"['metadata'].name", true},
		{"spec.ports[1]", false},
		{"spec.ports[0", false},
		{"spec.ports[99999999999999999999]", false},
		{"spec.ports[]", false},
		{"spec..ports", false},
		{"metadata.labels['app", false},
		{"metadata.nam", false},
		{"metadata.name.x", false},
	};
	struct arena a = ARENA_INIT;
	struct doc *d = sample(&a);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(doc_find(d, rows[i].path) != NULL, rows[i].there);
	assert_int_equal(doc_find_int(d, "spec.ports[0].port", -1), 80);
	assert_string_equal(doc_find_str(d, "metadata.labels['app.kubernetes.io/name']"), "shop");
	arena_release(&a);
}

TEST(set_replaces_in_place_and_del_closes_the_gap)
{
	struct arena a = ARENA_INIT;
	struct doc *d = doc_map(&a);

	for (int i = 0; i < 20; i++)
		doc_set_int(&a, d, arena_printf(&a, "k%d", i), i);
	doc_set_int(&a, d, "k3", 33);
	assert_int_equal(doc_len(d), 20);
	assert_int_equal(d->map.entries[3].value->integer, 33);
	doc_del(d, "k0");
	doc_del(d, "absent");
	assert_int_equal(doc_len(d), 19);
	assert_string_equal(d->map.entries[0].key, "k1");
	/* What is there is no map: replaced. */
	assert_int_equal(doc_set_map(&a, d, "k5")->kind, DOC_MAP);
	arena_release(&a);
}

TEST(lists_grow_and_shrink)
{
	struct arena a = ARENA_INIT;
	struct doc *l = doc_list(&a);
	int64_t sum = 0;

	for (int i = 0; i < 10; i++)
		doc_append(&a, l, doc_int(&a, i));
	doc_remove_at(l, 9);
	doc_remove_at(l, 0);
	doc_remove_at(l, 100);
	doc_foreach_item (l, it)
		sum += it->integer;
	assert_int_equal(doc_len(l), 8);
	assert_int_equal(sum, 36);
	arena_release(&a);
}

TEST(equality)
{
	struct arena a = ARENA_INIT;
	struct doc *x = sample(&a), *y = doc_clone(&a, x);

	assert_true(doc_equal(NULL, NULL));
	assert_false(doc_equal(x, NULL));
	assert_true(doc_equal(x, y));
	doc_sort_keys(y);
	assert_true(doc_equal(x, y));
	doc_set_int(&a, doc_find(y, "spec.ports[0]"), "port", 81);
	assert_false(doc_equal(x, y));
	assert_int_equal(doc_find_int(x, "spec.ports[0].port", 0), 80);
	assert_true(doc_equal(doc_int(&a, 1), doc_real(&a, 1.0)));
	assert_false(doc_equal(doc_int(&a, 1), doc_real(&a, 1.5)));
	assert_false(doc_equal(doc_int(&a, INT64_MAX), doc_real(&a, 0x1p63)));
	assert_false(doc_equal(doc_int(&a, 0), doc_null(&a)));
	arena_release(&a);
}

TEST(sorting_is_deep)
{
	struct arena a = ARENA_INIT;
	struct doc *d = sample(&a);

	doc_sort_keys(d);
	assert_string_equal(doc_get(d, "spec")->map.entries[0].key, "on");
	arena_release(&a);
}

TEST(setters_leave_other_kinds_alone)
{
	struct arena a = ARENA_INIT;
	struct doc *list = doc_list(&a), *text = doc_string(&a, "x"), *map = doc_map(&a);

	doc_append(&a, list, doc_int(&a, 1));
	doc_set_string(&a, list, "key", "value");
	doc_set_int(&a, text, "key", 1);
	doc_set_bool(&a, NULL, "key", true);
	doc_append(&a, map, text);
	doc_append(&a, text, map);
	doc_append(&a, NULL, map);
	assert_int_equal(doc_len(list), 1);
	assert_int_equal(doc_int_or(doc_at(list, 0), 0), 1);
	assert_string_equal(doc_str(text), "x");
	assert_int_equal(doc_len(map), 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setters_leave_other_kinds_alone),
		cmocka_unit_test(lookups_chain_and_survive_absence),
		cmocka_unit_test(paths),
		cmocka_unit_test(set_replaces_in_place_and_del_closes_the_gap),
		cmocka_unit_test(lists_grow_and_shrink),
		cmocka_unit_test(equality),
		cmocka_unit_test(sorting_is_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
