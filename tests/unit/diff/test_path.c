/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diff/path.h"

#include "tests/support/test.h"

static const struct diff_path *ports(struct arena *a)
{
	struct doc *app = doc_map(a), *http = doc_map(a);
	const struct diff_path *p;

	doc_set_string(a, app, "name", "app");
	doc_set_int(a, http, "containerPort", 80);
	doc_set_string(a, http, "protocol", "TCP");
	p = diff_path_field(a, diff_path_field(a, NULL, "spec"), "containers");
	p = diff_path_field(a, diff_path_item(a, p, app), "ports");
	return diff_path_item(a, p, http);
}

TEST(a_path_names_items_by_their_keys)
{
	struct arena a = ARENA_INIT;
	const struct diff_path *p = diff_path_field(&a, ports(&a), "hostPort");

	assert_string_equal(
		diff_path_text(&a, p),
		"spec.containers[name=app].ports[containerPort=80,protocol=TCP].hostPort");
	assert_string_equal(diff_path_text(&a, NULL), "");
	p = diff_path_field(&a, diff_path_field(&a, NULL, "annotations"), "example.org/x");
	assert_string_equal(diff_path_text(&a, p), "annotations['example.org/x']");
	p = diff_path_index(&a, diff_path_field(&a, NULL, "args"), 2);
	assert_string_equal(diff_path_text(&a, p), "args[2]");
	p = diff_path_item(&a, diff_path_field(&a, NULL, "finalizers"), doc_string(&a, "keep"));
	assert_string_equal(diff_path_text(&a, p), "finalizers[=keep]");
	arena_release(&a);
}

TEST(patterns_fit_the_end_of_a_path)
{
	static const struct {
		const char *pattern;
		bool fits;
	} rows[] = {
		{"ports", true},
		{"containers.ports", true},
		{"*.ports", true},
		{"spec.*.ports", true},
		{"^spec.containers.ports", true},
		{"^containers.ports", false},
		{"^*.containers.ports", true},
		{"initContainers.ports", false},
		{"port", false},
		{"x.spec.containers.ports", false},
		{"spec.**", true},
		{"^spec.**", true},
		{"^spec.containers.**", true},
		{"ports.**", true}, /* an item is below its list */
		{"port.**", false},
		{"^containers.**", false},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (diff_path_fits(ports(&a), rows[i].pattern) != rows[i].fits)
			fail_msg("%s", rows[i].pattern);
	assert_false(diff_path_fits(NULL, "spec"));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_names_items_by_their_keys),
		cmocka_unit_test(patterns_fit_the_end_of_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
