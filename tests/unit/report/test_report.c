/* SPDX-License-Identifier: Apache-2.0 */
/* Every format of one report against its golden file; SIDESTEP_GOLDEN_UPDATE=1 writes them. */
#include "lib/report/render.h"
#include "lib/report/report.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "tests/support/test.h"

static int passes(const struct check *c, UNUSED void *env, struct report *r,
		  UNUSED struct error *err)
{
	struct finding *f = report_add(r, c, FINDING_PASS, "node/b", "6.18 is new enough");

	finding_evidence(r, f, "uname(2)", ">= 6.1", "%s", "6.18.44");
	report_add(r, c, FINDING_PASS, "node/a", "6.12 is new enough");
	return 0;
}
static int fails(const struct check *c, UNUSED void *env, struct report *r,
		 UNUSED struct error *err)
{
	struct finding *f =
		report_add(r, c, FINDING_FAIL, "", "nothing is mounted at <%s>", "/sys/fs/bpf");

	finding_evidence(r, f, "/proc/1/mountinfo", "a line of type bpf", "%s", "\"none\"\n& more");
	return 0;
}
static int breaks(UNUSED const struct check *c, UNUSED void *env, UNUSED struct report *r,
		  struct error *err)
{
	return error_errno(err, -EACCES, "/proc/config.gz");
}
static int silent(UNUSED const struct check *c, UNUSED void *env, UNUSED struct report *r,
		  UNUSED struct error *err)
{
	return 0;
}

static const struct check checks[] = {
	{"KRN-001", "kernel version", "kernel", SEVERITY_ERROR, "Boot a newer kernel.", "uname(2)",
	 NULL, 0, passes},
	{"FS-001", "BPF filesystem", "filesystem", SEVERITY_ERROR, "Mount bpffs at /sys/fs/bpf.",
	 "bpffs(5)", NULL, 0, fails},
	{"KRN-003", "kernel configuration", "kernel", SEVERITY_ERROR, "Give the file.", NULL, NULL,
	 0, breaks},
	{"SYS-001", "reverse path filter", "system", SEVERITY_WARNING, "Set it to 0.", NULL, NULL,
	 CHECK_ACTIVE, fails},
	{"SYS-002", "no answer", "system", SEVERITY_INFO, NULL, NULL, NULL, 0, silent},
	{"IST-001", "Istio", "istio", SEVERITY_ERROR, NULL, NULL, NULL, CHECK_CLUSTER, fails},
};

static const char *skip_cluster(const struct check *c, UNUSED void *env)
{
	return c->flags & CHECK_CLUSTER ? "no cluster was given" : NULL;
}

static void fill(struct report *r, const struct fake_clock *clock, struct waiver *waivers, size_t n)
{
	report_init(r, "sidestep-preflight", "Preflight of a & b", &clock->clock);
	r->waivers = (struct waivers){waivers, n};
	report_run(r, checks, ARRAY_SIZE(checks), NULL, skip_cluster);
	report_finish(r);
}

static int64_t now(void)
{
	int64_t ns = 0;

	assert_int_equal(clock_parse_rfc3339("2026-11-23T06:17:00Z", &ns), 0);
	return ns;
}

TEST(formats_match_their_golden_files)
{
	const char *update = getenv("SIDESTEP_GOLDEN_UPDATE"),
		   *source = getenv("SIDESTEP_SOURCE_DIR");
	struct waiver waivers[] = {
		{"SYS-001", NULL, "image sets it back", "net@example.org", "2027-01-31", now() + 1,
		 0},
	};
	struct fake_clock clock;
	struct report r;

	fake_clock_init(&clock, now());
	fill(&r, &clock, waivers, ARRAY_SIZE(waivers));
	for (int i = 0; report_format_names[i]; i++) {
		auto_release(strbuf) struct strbuf got = STRBUF_INIT;
		auto_release(strbuf) struct strbuf want = STRBUF_INIT;
		struct error err = ERROR_INIT;
		char path[512];

		snprintf(path, sizeof(path), "%s/tests/golden/report/report.%s",
			 source ? source : ".", report_format_names[i]);
		report_render(&r, (enum report_format)i, &got);
		if (update)
			assert_int_equal(io_write_file_atomic(path, got.buf, got.len, 0644, &err),
					 0);
		if (io_read_file(path, LIMIT_FILE_BYTES, &want, &err))
			fail_msg("%s", err.msg);
		assert_string_equal(strbuf_cstr(&got), strbuf_cstr(&want));
	}
	report_release(&r);
}

TEST(scopes_are_sorted_inside_a_check)
{
	struct fake_clock clock;
	struct report r;

	fake_clock_init(&clock, now());
	fill(&r, &clock, NULL, 0);
	assert_string_equal(r.findings[0].scope, "node/a");
	assert_string_equal(r.findings[1].scope, "node/b");
	assert_string_equal(r.findings[2].id, "FS-001");
	assert_int_equal(report_count(&r, FINDING_UNKNOWN), 2);
	assert_int_equal(report_count(&r, FINDING_SKIP), 1);
	report_release(&r);
}

struct verdict_row {
	enum severity severity, fail_on;
	enum finding_result result;
	int waiver; /* 0 none, 1 valid, 2 expired */
	unsigned flags;
	enum report_verdict want;
};

TEST(the_worst_finding_decides)
{
	static const struct verdict_row rows[] = {
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_PASS, 0, 0, REPORT_OK},
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_SKIP, 0, 0, REPORT_OK},
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_FAIL, 0, 0, REPORT_BLOCKED},
		{SEVERITY_BLOCKER, SEVERITY_ERROR, FINDING_UNKNOWN, 0, 0, REPORT_INCONCLUSIVE},
		{SEVERITY_WARNING, SEVERITY_ERROR, FINDING_FAIL, 0, 0, REPORT_OK},
		{SEVERITY_WARNING, SEVERITY_WARNING, FINDING_FAIL, 0, 0, REPORT_WARNED},
		{SEVERITY_INFO, SEVERITY_WARNING, FINDING_FAIL, 0, 0, REPORT_OK},
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_FAIL, 1, 0, REPORT_OK},
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_FAIL, 2, 0, REPORT_WAIVER_EXPIRED},
		{SEVERITY_WARNING, SEVERITY_ERROR, FINDING_FAIL, 2, 0, REPORT_WAIVER_EXPIRED},
		{SEVERITY_ERROR, SEVERITY_ERROR, FINDING_FAIL, 1, CHECK_NOT_WAIVABLE,
		 REPORT_BLOCKED},
	};
	struct fake_clock clock;

	fake_clock_init(&clock, now());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct check c = {.id = "X-1",
				  .title = "x",
				  .category = "x",
				  .severity = rows[i].severity,
				  .flags = rows[i].flags};
		struct waiver w = {
			"X-1", NULL, "r", "o", "e", rows[i].waiver == 2 ? now() : now() + 1, false};
		struct report r;

		report_init(&r, "t", "t", &clock.clock);
		r.waivers = (struct waivers){&w, rows[i].waiver ? 1 : 0};
		report_add(&r, &c, rows[i].result, "", "seen");
		report_finish(&r);
		if (report_verdict(&r, rows[i].fail_on) != rows[i].want)
			fail_msg("row %zu: %d", i, report_verdict(&r, rows[i].fail_on));
		report_release(&r);
	}
}

/* A fail that decides nothing is not counted among those that do. */
TEST(what_only_informs_does_not_contradict_ready)
{
	static const struct check told = {
		.id = "X-1", .title = "x", .category = "x", .severity = SEVERITY_INFO};
	struct fake_clock clock;
	struct report r;

	fake_clock_init(&clock, now());
	report_init(&r, "t", "t", &clock.clock);
	report_add(&r, &told, FINDING_FAIL, "", "seen");
	report_add(&r, &told, FINDING_PASS, "", "seen");
	report_finish(&r);
	assert_string_equal(report_summary(&r.arena, &r),
			    "1 pass, 0 fail, 0 unknown, 0 skip, 1 for information: ready");
	report_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_informs_does_not_contradict_ready),
		cmocka_unit_test(formats_match_their_golden_files),
		cmocka_unit_test(scopes_are_sorted_inside_a_check),
		cmocka_unit_test(the_worst_finding_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
