/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of callers, held against membership asked one caller at a time. */
#include "migrate/ports.h"
#include "migrate/sources.h"
#include "tests/unit/istio/world.h"

static const char *const names[] = {"a", "b", "c"};

/* A set written as text: "a/b" an account, "*" and "-" for any. */
static void make(struct arena *a, const char *ns, const char *account, struct sources *s)
{
	sources_account(a, ns[0] == '-' ? NULL : ns, account[0] == '-' ? NULL : account, s);
}

static bool has(const struct sources *s, size_t i)
{
	return sources_has_pod(s, names[i / 3], names[i % 3]);
}

TEST(and_or_not)
{
	static const char *const sets[][2] = {
		{"a", "-"}, {"-", "b"}, {"c", "c"}, {"-", "-"}, {"a", "b"}};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sets); j++) {
			struct sources x, y, both, either, neither;

			make(&a, sets[i][0], sets[i][1], &x);
			make(&a, sets[j][0], sets[j][1], &y);
			make(&a, sets[i][0], sets[i][1], &both);
			make(&a, sets[i][0], sets[i][1], &either);
			sources_and(&a, &both, &y);
			sources_or(&a, &either, &y);
			sources_none(&neither);
			sources_or(&a, &neither, &either);
			sources_not(&a, &neither);
			for (size_t k = 0; k < 9; k++) {
				assert_int_equal(has(&both, k), has(&x, k) && has(&y, k));
				assert_int_equal(has(&either, k), has(&x, k) || has(&y, k));
				assert_int_equal(has(&neither, k), !has(&x, k) && !has(&y, k));
			}
			assert_true(neither.reserved);
			assert_false(either.reserved);
			sources_release(&neither);
		}
	}
	arena_release(&a);
}

TEST(all_and_none)
{
	struct arena a = ARENA_INIT;
	struct sources s;

	sources_all(&a, &s);
	assert_true(sources_is_all(&s));
	assert_int_equal(doc_len(sources_peers(&a, &s, false)), 1);
	sources_not(&a, &s);
	assert_true(sources_is_empty(&s));
	assert_int_equal(doc_len(sources_peers(&a, &s, false)), 0);
	sources_not(&a, &s);
	assert_true(sources_is_all(&s));
	sources_release(&s);
	arena_release(&a);
}

TEST(peers_of_a_negation_name_everybody_else)
{
	struct arena a = ARENA_INIT;
	struct sources s;
	struct doc *peers;

	sources_account(&a, "a", NULL, &s);
	sources_not(&a, &s);
	peers = sources_peers(&a, &s, false);
	assert_int_equal(doc_len(peers), 2);
	assert_string_equal(
		doc_find_str(doc_at(peers, 0), "fromEndpoints[0].matchExpressions[0].operator"),
		"NotIn");
	assert_string_equal(
		doc_find_str(doc_at(peers, 0), "fromEndpoints[0].matchExpressions[1].operator"),
		"Exists");
	assert_string_equal(doc_find_str(doc_at(peers, 1), "fromEntities[0]"), "world");
	sources_release(&s);
	arena_release(&a);
}

/* Even "everybody" is refused without the node: its probes must reach its pods. */
TEST(the_node_is_never_refused)
{
	struct arena a = ARENA_INIT;
	struct sources s;
	struct doc *peers;

	sources_all(&a, &s);
	peers = sources_peers(&a, &s, true);
	assert_int_equal(doc_len(peers), 2);
	assert_int_equal(doc_len(doc_get(doc_at(peers, 1), "fromEntities")), 7);
	doc_foreach_item (doc_get(doc_at(peers, 1), "fromEntities"), e)
		assert_string_not_equal(doc_str(e), "host");
	sources_release(&s);
	arena_release(&a);
}

TEST(port_sets)
{
	const char *two[] = {"80", "443"}, *odd[] = {"80", "http"};
	struct strings good = {two, 2}, bad = {odd, 2};
	struct port_set s, all;
	uint32_t first = 0, last;

	port_set_none(&s);
	assert_true(port_set_parse(&s, &good));
	assert_false(port_set_parse(&s, &bad));
	port_set_all(&all);
	port_set_minus(&all, &s);
	assert_false(port_set_has(&all, 443));
	assert_true(port_set_next(&all, &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, 79);
	first = last + 1;
	assert_true(port_set_next(&all, &first, &last));
	assert_int_equal(first, 81);
	assert_int_equal(last, 442);
	first = 444;
	assert_true(port_set_next(&all, &first, &last));
	assert_int_equal(last, 65535);
	first = last + 1;
	assert_false(port_set_next(&all, &first, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(and_or_not),
		cmocka_unit_test(all_and_none),
		cmocka_unit_test(peers_of_a_negation_name_everybody_else),
		cmocka_unit_test(the_node_is_never_refused),
		cmocka_unit_test(port_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
