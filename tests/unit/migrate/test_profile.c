/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/profile.h"

#include <string.h>

#include "lib/base/clock.h"
#include "migrate/machine.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_patient),
		cmocka_unit_test(what_is_given_holds_and_survives_a_plan),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(every_state_has_a_row_and_every_gate_two_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
