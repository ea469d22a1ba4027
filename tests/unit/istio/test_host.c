/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "tests/unit/istio/world.h"

TEST(short_names_are_of_the_object)
{
	static const struct {
		const char *host, *fqdn;
	} rows[] = {
		{"reviews", "reviews.prod.svc.cluster.local"},
		{"reviews.prod", "reviews.prod"}, /* a dot: full already */
		{"*", "*"},
		{"*.com", "*.com"},
		{"10.0.0.1", "10.0.0.1"},
		{"::1", "::1"},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(istio_host_fqdn(&a, rows[i].host, "prod", "cluster.local"),
				    rows[i].fqdn);
	arena_release(&a);
}

TEST(wildcards)
{
	assert_true(istio_host_matches("*", "a"));
	assert_true(istio_host_matches("*.foo", "a.foo"));
	assert_false(istio_host_matches("*.foo", "foo"));
	assert_false(istio_host_matches("*.foo", ".foo"));
	assert_true(istio_host_matches("A.b", "a.B"));
	assert_true(istio_host_specificity("a.b", "*.b") > 0);
	assert_true(istio_host_specificity("*", "*.b") < 0);
	assert_int_equal(istio_host_specificity("*.a", "*.b"), 0);
}

TEST(export)
{
	const char *own[] = {"."}, *none[] = {"~"}, *named[] = {"x", "y"};
	struct strings empty = {0}, s_own = {own, 1}, s_none = {none, 1}, s_named = {named, 2};

	assert_true(istio_exported(&empty, "a", "b"));
	assert_true(istio_exported(&s_own, "a", "a"));
	assert_false(istio_exported(&s_own, "a", "b"));
	assert_false(istio_exported(&s_none, "a", "a"));
	assert_true(istio_exported(&s_named, "a", "y"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_names_are_of_the_object),
		cmocka_unit_test(wildcards),
		cmocka_unit_test(export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
