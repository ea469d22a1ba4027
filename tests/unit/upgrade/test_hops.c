/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, and the graph of hops: what is said of a few, and what holds for all. */
#include "upgrade/hops.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"

static struct releases releases_of(struct arena *a, const char *const *versions)
{
	struct doc *list = doc_list(a);
	struct error err = ERROR_INIT;
	struct releases r;

	for (; *versions; versions++)
		doc_set_string(a, doc_append(a, list, doc_map(a)), "version", *versions);
	if (releases_decode(a, list, &r, &err))
		fail_msg("%s", err.msg);
	return r;
}

static const char *const some[] = {"0.1.0", "0.1.2",      "0.1.1", "0.2.0", "0.2.1",
				   "0.3.0", "0.3.1-rc.1", "0.4.0", "1.0.0", NULL};

static enum hop hop(const struct releases *r, const char *from, const char *to, bool pre)
{
	return hop_between(r, releases_find(r, from), releases_find(r, to), pre);
}

TEST(versions_are_read_and_ordered)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static const char *const ascending[] = {"0.1.0", "0.3.0-alpha", "0.3.0-rc.2", "0.3.0-rc.10",
						"0.3.0", "0.3.1",       "0.10.0",     "1.0.0"};
	static const char *const bad[] = {"",        "1",     "1.2",    "1.2.x",          "1.2.3-",
					  "1.2.3.4", "a.b.c", "-1.2.3", "99999999999.0.0"};
	struct version v, w;

	for (size_t i = 0; i + 1 < ARRAY_SIZE(ascending); i++) {
		assert_int_equal(version_parse(&a, ascending[i], &v, NULL), 0);
		assert_int_equal(version_parse(&a, ascending[i + 1], &w, NULL), 0);
		assert_true(version_cmp(&v, &w) < 0);
		assert_true(version_cmp(&w, &v) > 0);
		assert_int_equal(version_cmp(&v, &v), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(version_parse(&a, bad[i], &v, NULL), -EINVAL);
	assert_int_equal(version_parse(&a, "v0.3.0+build.7", &v, NULL), 0);
	assert_string_equal(v.text, "0.3.0");
}

TEST(one_minor_at_a_time_from_the_latest_patch)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct releases r = releases_of(&a, some);

	assert_int_equal(hop(&r, "0.1.2", "0.2.0", false), HOP_UP);
	assert_int_equal(hop(&r, "0.1.2", "0.2.1", false), HOP_UP);
	assert_int_equal(hop(&r, "0.1.1", "0.2.1", false), HOP_NOT_LATEST);
	assert_int_equal(hop(&r, "0.1.0", "0.1.2", false), HOP_PATCH);
	assert_int_equal(hop(&r, "0.1.2", "0.1.0", false), HOP_PATCH);
	assert_int_equal(hop(&r, "0.1.2", "0.3.0", false), HOP_SKIPS);
	assert_int_equal(hop(&r, "0.3.0", "0.1.2", true), HOP_SKIPS);
	assert_int_equal(hop(&r, "0.2.0", "0.1.2", false), HOP_DOWN);
	assert_int_equal(hop(&r, "0.2.0", "0.1.1", false), HOP_NOT_LATEST);
	assert_int_equal(hop(&r, "0.4.0", "1.0.0", true), HOP_SKIPS);
	assert_int_equal(hop(&r, "0.3.0", "0.3.1-rc.1", false), HOP_PRE_RELEASE);
	assert_int_equal(hop(&r, "0.3.0", "0.3.1-rc.1", true), HOP_PATCH);
	assert_int_equal(hop(&r, "0.3.0", "0.3.0", true), HOP_NONE);
}

TEST(a_skip_is_told_its_legal_hops)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct releases r = releases_of(&a, some);
	static const char *const want[] = {"0.1.2", "0.2.1", "0.3.0"};
	const struct release **stops;
	size_t n;

	assert_int_equal(hops_path(&a, &r, releases_find(&r, "0.1.0"), releases_find(&r, "0.3.0"),
				   false, &stops, &n, NULL),
			 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(stops[i]->version.text, want[i]);
	assert_int_equal(hops_path(&a, &r, releases_find(&r, "0.1.0"), releases_find(&r, "1.0.0"),
				   true, &stops, &n, NULL),
			 -ENOENT);
}

TEST(a_file_of_releases)
{
	static const char *const texts[] = {"releases: []", "{}", "releases: [{version: one}]",
					    "[{version: 0.1.0}, {version: v0.1.0}]", "7"};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct releases r;
	struct doc_stream s;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(doc_read_yaml(&a, texts[i], strlen(texts[i]), NULL, &s, NULL), 0);
		assert_true(releases_decode(&a, s.docs[0], &r, NULL) < 0);
	}
	assert_int_equal(releases_read(&a, NULL, &r, NULL), 0);
	assert_non_null(releases_find(&r, SIDESTEP_VERSION));
	assert_non_null(releases_of_image(&r, "sidestep.dev/sidestepd:" SIDESTEP_VERSION));
	assert_null(releases_of_image(&r, "sidestep.dev/sidestepd"));
}

/* --- for all --- */

static struct releases random_releases(struct arena *a, unsigned *seed)
{
	struct doc *list = doc_list(a);
	struct error err = ERROR_INIT;
	struct releases r;

	for (unsigned major = 0; major < 2; major++)
		for (unsigned minor = 0; minor < 5; minor++)
			for (unsigned patch = 0; patch < 3; patch++) {
				struct doc *d;

				if (rand_r(seed) % 3 == 0)
					continue;
				d = doc_append(a, list, doc_map(a));
				doc_setf(a, d, "version", "%u.%u.%u%s", major, minor, patch,
					 rand_r(seed) % 5 ? "" : "-rc.1");
			}
	doc_set_string(a, doc_append(a, list, doc_map(a)), "version", "7.0.0");
	if (releases_decode(a, list, &r, &err))
		fail_msg("%s", err.msg);
	return r;
}

static unsigned minors_apart(const struct version *a, const struct version *b)
{
	return a->minor > b->minor ? a->minor - b->minor : b->minor - a->minor;
}

/* What the rule says, written again and without the code under test's ideas. */
static void expect_legal(const struct releases *r, const struct release *from,
			 const struct release *to)
{
	assert_int_equal(from->version.major, to->version.major);
	assert_true(minors_apart(&from->version, &to->version) <= 1);
	for (size_t i = 0; i < r->n; i++) {
		const struct version *v = &r->items[i].version;
		const struct version *older =
			from->version.minor < to->version.minor ? &from->version : &to->version;

		if (from->version.minor != to->version.minor && v->major == older->major &&
		    v->minor == older->minor && !v->pre)
			assert_true(v->patch <= older->patch);
	}
}

TEST(every_order_of_hops_is_legal_and_never_goes_back_and_forth)
{
	unsigned seed = 20261123, ways = 0;

	for (int round = 0; round < 60; round++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct releases r = random_releases(&a, &seed);

		for (size_t f = 0; f < r.n; f++)
			for (size_t t = 0; t < r.n; t++) {
				const struct release *at = &r.items[f], **stops;
				size_t n, minors = 0;

				if (hops_path(&a, &r, at, &r.items[t], true, &stops, &n, NULL))
					continue;
				ways++;
				for (size_t i = 0; i < n; i++) {
					expect_legal(&r, at, stops[i]);
					if (stops[i] != &r.items[t])
						assert_null(stops[i]->version.pre);
					minors += minors_apart(&at->version, &stops[i]->version);
					at = stops[i];
				}
				assert_ptr_equal(at, &r.items[t]);
				assert_int_equal(minors, minors_apart(&r.items[f].version,
								      &r.items[t].version));
			}
	}
	assert_true(ways > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_read_and_ordered),
		cmocka_unit_test(one_minor_at_a_time_from_the_latest_patch),
		cmocka_unit_test(a_skip_is_told_its_legal_hops),
		cmocka_unit_test(a_file_of_releases),
		cmocka_unit_test(every_order_of_hops_is_legal_and_never_goes_back_and_forth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
