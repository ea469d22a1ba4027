/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/waiver.h"

#include <string.h>

#include "lib/base/clock.h"
#include "tests/support/test.h"

static int decode(struct arena *a, const char *yaml, struct waivers *w, struct error *err)
{
	struct doc_stream s;
	int r = doc_read_yaml(a, yaml, strlen(yaml), "w.yaml", &s, err);

	return r ? r : waivers_decode(a, doc_get(s.docs[0], "waivers"), w, err);
}

static int64_t at(const char *time)
{
	int64_t ns = 0;

	assert_int_equal(clock_parse_rfc3339(time, &ns), 0);
	return ns;
}

TEST(a_day_ends_at_its_end)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct waivers w;

	assert_int_equal(decode(&a,
				"waivers:\n- {id: A-1, scope: node/a, reason: r, owner: o@x, "
				"expires: \"2027-01-31\"}\n",
				&w, &err),
			 0);
	assert_int_equal(w.n, 1);
	assert_false(waiver_expired(&w.items[0], at("2027-01-31T23:59:59Z")));
	assert_true(waiver_expired(&w.items[0], at("2027-02-01T00:00:00Z")));
}

TEST(scope_and_expiry_decide_which_one_is_found)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct waivers w;
	int64_t now = at("2026-11-23T00:00:00Z");

	assert_int_equal(
		decode(&a,
		       "waivers:\n"
		       "- {id: A-1, scope: node/a, reason: old, owner: o, expires: "
		       "\"2026-01-01\"}\n"
		       "- {id: A-1, scope: node/a, reason: new, owner: o, expires: "
		       "\"2028-01-01\"}\n"
		       "- {id: B-1, reason: all, owner: o, expires: \"2026-01-01T00:00:00Z\"}\n",
		       &w, &err),
		0);
	assert_string_equal(waivers_find(&w, "A-1", "node/a", now)->reason, "new");
	assert_null(waivers_find(&w, "A-1", "node/b", now));
	assert_string_equal(waivers_find(&w, "B-1", "node/b", now)->reason, "all");
	assert_true(waiver_expired(waivers_find(&w, "B-1", "", now), now));
}

TEST(what_is_missing_or_unknown_is_an_error)
{
	static const struct {
		const char *yaml, *says;
	} rows[] = {
		{"waivers: [{id: A, reason: r, expires: \"2027-01-01\"}]", "'owner'"},
		{"waivers: [{id: A, reason: r, owner: o}]", "'expires'"},
		{"waivers: [{id: A, reason: r, owner: o, expires: soon}]",
		 "neither a day nor a time"},
		{"waivers: [{id: A, reason: r, owner: o, expires: \"2027-01-01\", scop: x}]",
		 "no member 'scop'"},
		{"waivers: 3", "want a list"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct waivers w;

		if (decode(&a, rows[i].yaml, &w, &err) != -EINVAL || !strstr(err.msg, rows[i].says))
			fail_msg("%s: %s", rows[i].yaml, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_ends_at_its_end),
		cmocka_unit_test(scope_and_expiry_decide_which_one_is_found),
		cmocka_unit_test(what_is_missing_or_unknown_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
