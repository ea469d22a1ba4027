/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the tables of checks: every one has fixtures in which it passes, fails and does not know.
 *
 * fixtures/ID/{pass,fail,unknown}/ holds root/ (files), probes ("feature yes|no|error"; default
 * yes), cluster.yaml and unreadable ("plural reason").
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "preflight/checks.h"
#include "tests/support/test.h"

struct fixture {
	struct arena arena;
	struct preflight_env env;
	struct report report;
	struct snapshot cluster;
	struct map probes;
	struct fake_clock clock;
	const char *dir;
};

static int probe_fixture(void *arg, enum feature feature, struct error *err)
{
	const struct fixture *f = arg;
	const char *says = map_get(&f->probes, feature_rows[feature].name);

	if (says && str_eq(says, "error"))
		return error_set(err, -EPERM, "not allowed here");
	return !says || str_eq(says, "yes");
}

/* Lines of "key value" into m. */
static void read_pairs(struct fixture *f, const char *name, struct map *m)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	char *save = NULL;

	if (io_read_file(arena_printf(&f->arena, "%s/%s", f->dir, name), LIMIT_FILE_BYTES, &sb,
			 NULL))
		return;
	for (char *l = strtok_r(sb.buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(l, ' ');

		assert_non_null(space);
		*space = '\0';
		map_set(m, l, arena_strdup(&f->arena, space + 1));
	}
}

static void begin(struct fixture *f, const char *id, const char *kind)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR"), *cluster;
	struct error err = ERROR_INIT;

	*f = (struct fixture){0};
	f->dir = arena_printf(&f->arena, "%s/tests/unit/preflight/fixtures/%s/%s",
			      source ? source : ".", id, kind);
	preflight_env_init(&f->env, &f->arena);
	f->env.root = arena_printf(&f->arena, "%s/root", f->dir);
	f->env.probe = probe_fixture;
	f->env.probe_arg = f;
	read_pairs(f, "probes", &f->probes);
	read_pairs(f, "unreadable", &f->env.unreadable);
	cluster = arena_printf(&f->arena, "%s/cluster.yaml", f->dir);
	snapshot_init(&f->cluster, &f->arena);
	if (io_exists(cluster)) {
		if (snapshot_read(&f->cluster, cluster, &err))
			fail_msg("%s", err.msg);
		f->env.cluster = &f->cluster;
	}
	fake_clock_init(&f->clock, 0);
	report_init(&f->report, "t", "t", &f->clock.clock);
}

static void end(struct fixture *f)
{
	report_release(&f->report);
	snapshot_release(&f->cluster);
	map_release(&f->probes);
	preflight_env_release(&f->env);
	arena_release(&f->arena);
}

/* The worst thing that was said: fail before unknown before pass. */
static enum finding_result outcome(const struct report *r)
{
	if (report_count(r, FINDING_FAIL))
		return FINDING_FAIL;
	if (report_count(r, FINDING_UNKNOWN))
		return FINDING_UNKNOWN;
	return report_count(r, FINDING_PASS) ? FINDING_PASS : FINDING_SKIP;
}

TEST(every_check_passes_fails_and_does_not_know)
{
	static const enum finding_result wanted[] = {FINDING_PASS, FINDING_FAIL, FINDING_UNKNOWN};
	auto_release(arena) struct arena a = ARENA_INIT;
	size_t n;
	const struct check *checks = preflight_checks(&a, &n);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++) {
			const char *kind = finding_result_name(wanted[k]);
			struct fixture f;

			begin(&f, checks[i].id, kind);
			if (!io_exists(f.dir))
				fail_msg("no fixture %s", f.dir);
			report_run(&f.report, &checks[i], 1, &f.env, preflight_skip);
			if (outcome(&f.report) != wanted[k])
				fail_msg("%s: wanted %s, got %s: %s", checks[i].id, kind,
					 finding_result_name(outcome(&f.report)),
					 f.report.findings[0].message);
			end(&f);
		}
	}
}

TEST(ids_are_unique_and_rows_are_whole)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	size_t n;
	const struct check *checks = preflight_checks(&a, &n);

	assert_true(n >= 12);
	for (size_t i = 0; i < n; i++) {
		const struct check *c = &checks[i];

		if (!c->title || !c->category || !c->remedy || !c->source || !c->explain)
			fail_msg("%s lacks a member", c->id);
		assert_ptr_equal(preflight_find(checks, n, c->id), c);
	}
	for (int i = 0; i < FEATURE_COUNT; i++)
		if (!preflight_find(checks, n, feature_rows[i].check))
			fail_msg("%s belongs to no check", feature_rows[i].name);
}

TEST(what_does_not_apply_is_skipped_with_a_reason)
{
	static const struct check active = {.flags = CHECK_ACTIVE}, asks = {.flags = CHECK_CLUSTER};
	struct preflight_env env = {.passive = true};

	assert_non_null(strstr(preflight_skip(&active, &env), "--passive"));
	assert_non_null(strstr(preflight_skip(&asks, &env), "--kubeconfig"));
	env.passive = false;
	assert_null(preflight_skip(&active, &env));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_check_passes_fails_and_does_not_know),
		cmocka_unit_test(ids_are_unique_and_rows_are_whole),
		cmocka_unit_test(what_does_not_apply_is_skipped_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
