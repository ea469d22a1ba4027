/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/profile.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "migrate/machine.h"
#include "migrate/plan.h"
#include "tests/support/test.h"

static int decode(struct arena *a, const char *yaml, struct profile *p, struct error *err)
{
	struct doc_stream s;
	int r = doc_read_yaml(a, yaml, strlen(yaml), "p.yaml", &s, err);

	return r ? r : profile_decode(a, s.docs[0], p, err);
}

TEST(defaults_are_patient)
{
	struct profile p;

	profile_init(&p);
	assert_true(p.audit_window_ns == 24 * 3600 * NS_PER_S);
	assert_true(p.soak_ns == 48 * 3600 * NS_PER_S);
	assert_int_equal(p.waivers.n, 0);
}

TEST(what_is_given_holds_and_survives_a_plan)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct profile p, again;

	assert_int_equal(
		decode(&a,
		       "auditWindow: 12s\nsampleEvery: 500ms\nwaivers:\n- {id: x, reason: r, "
		       "owner: o, expires: \"2027-01-01\"}\n",
		       &p, &err),
		0);
	assert_true(p.audit_window_ns == 12 * NS_PER_S && p.settle_ns == 300 * NS_PER_S);
	assert_int_equal(profile_decode(&a, profile_doc(&a, &p), &again, &err), 0);
	assert_true(again.sample_every_ns == 500 * NS_PER_MS);
	assert_int_equal(again.waivers.n, 1);
}

TEST(what_is_wrong_is_said_with_its_place)
{
	static const struct {
		const char *yaml, *says;
	} rows[] = {
		{"auditWindow: soon\n", "p.yaml:1:14: auditWindow"},
		{"audit: 1s\n", "no member 'audit'"},
		{"sampleEvery: 0s\n", "longer than 0"},
		{"sampleEvery: 999us\n", "1ms or more"},
		{"settle: 5\n", "want a duration"},
		{"[]\n", "want a map"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct profile p;

		if (decode(&a, rows[i].yaml, &p, &err) != -EINVAL || !strstr(err.msg, rows[i].says))
			fail_msg("%s: %s", rows[i].yaml, err.msg);
	}
}

#define SAVED(code, expires)                                                                       \
	"findings: {summary: {exit_code: " code "}}\n"                                             \
	"profile: {waivers: [{id: x, reason: r, owner: o, expires: \"" expires "\"}, "             \
	"{id: idle, reason: r, owner: o, expires: \"2020-01-01\"}]}\n"
#define STANDS_ON(id) "waivers: [{id: " id ", title: t, finding: f, where: Deployment/ns/a}]\n"

TEST(a_saved_plan_ends_with_the_waivers_it_stands_on)
{
	static const struct {
		const char *yaml;
		int code;
		const char *says;
	} rows[] = {
		{SAVED("0", "2027-01-01") STANDS_ON("x"), 0, ""},
		{SAVED("0", "2026-01-01") STANDS_ON("x"), CLI_WAIVER_EXPIRED,
		 "expired on 2026-01-01"},
		{SAVED("0", "2026-01-01"), 0, ""},
		{SAVED("0", "2027-01-01") STANDS_ON("other"), CLI_WAIVER_EXPIRED, "waiver other"},
		{SAVED("3", "2027-01-01") STANDS_ON("x"), CLI_BLOCKED, "blocked"},
		{STANDS_ON("x"), CLI_FAILED, "error"},
	};
	int64_t now;

	assert_int_equal(clock_parse_rfc3339("2026-11-23T15:00:00Z", &now), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		const char *why = "";
		struct doc_stream s;
		int r;

		assert_int_equal(
			doc_read_yaml(&a, rows[i].yaml, strlen(rows[i].yaml), "p", &s, &err), 0);
		r = plan_verdict(&a, s.docs[0], now, &why, &err);
		if (r != rows[i].code || !strstr(why, rows[i].says))
			fail_msg("%s: %d: %s%s", rows[i].yaml, r, why, err.msg);
	}
}

TEST(every_state_has_a_row_and_every_gate_two_sources)
{
	static struct machine m;
	struct profile p;

	profile_init(&p);
	machine_init(&m, &p);
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		assert_ptr_equal(machine_kind(&m, m.kinds[i].id), &m.kinds[i]);
	for (size_t i = 0; i < machine_n_gates; i++)
		assert_true(m.gates[i].stable >= 1 && m.gates[i].n_required != 1);
	assert_null(machine_kind(&m, "N99"));
}

/* `rollback --help` tells this order, and where somebody is asked. */
TEST(the_way_back_is_injection_then_workloads_then_the_rest)
{
	static const char *const asked[] = {"N3-policies", "N4", "N8", "N9"};
	static struct machine m;
	struct profile p;
	size_t n = 0;
	int workloads;

	profile_init(&p);
	machine_init(&m, &p);
	workloads = machine_kind(&m, "N9")->undo_rank;
	assert_true(machine_kind(&m, "N8")->undo_rank < workloads);
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++) {
		const struct step_kind *k = &m.kinds[i];

		if (k->undo_rank < workloads)
			assert_true(str_eq(k->id, "N8") || str_eq(k->id, "N14"));
		if (k->undo_after[0])
			assert_string_equal(k->id, asked[n++]);
	}
	assert_int_equal(n, ARRAY_SIZE(asked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_patient),
		cmocka_unit_test(what_is_given_holds_and_survives_a_plan),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(a_saved_plan_ends_with_the_waivers_it_stands_on),
		cmocka_unit_test(every_state_has_a_row_and_every_gate_two_sources),
		cmocka_unit_test(the_way_back_is_injection_then_workloads_then_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
