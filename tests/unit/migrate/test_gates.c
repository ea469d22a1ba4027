/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's gates against a real API server: agents that fall silent, probes that say nothing
 * or contradict, counters that lost track, clocks that are off, nothing to look at. None of it
 * passes, and what was mended does. Time is a fake clock.
 */
#include <string.h>

#include "lib/base/str.h"
#include "migrate/gates_internal.h"
#include "tests/support/test.h"
#include "tests/unit/migrate/attempt.h"

TEST(a_forced_tls_stops_the_run_and_relaxed_it_passes)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;
	struct doc *plan;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	plan = attempt_plan(&t.session.arena);
	doc_foreach_item (doc_get(plan, "steps"), s)
		if (str_eq(doc_find_str(s, "id"), "N7"))
			doc_del(doc_get(s, "args"), "patches");
	attempt_start(&t, plan);
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_STOPPED);
	attempt_expect(&t, "G-RELAXED");
	assert_int_equal(run_exit_code(ended, false), 3);
	stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
		       "{\"spec\": {\"trafficPolicy\": {\"tls\": null}}}");
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_DONE);
	attempt_close(&t);
	stand_in_free(&w);
}

/* What was asked before a step is asked again by whoever resumes: the world had time to change. */
TEST(a_rule_put_back_while_nobody_looked_stops_the_run)
{
	static const char *const steps[] = {"N8", "N9/books"};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		static struct attempt t;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		t.kill_behind_gate_of = steps[i];
		attempt_start(&t, NULL);
		assert_false(attempt_go(&t, &ended));
		attempt_close(&t);
		stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
			       "{\"spec\": {\"trafficPolicy\": {\"tls\": {\"mode\": "
			       "\"ISTIO_MUTUAL\"}}}}");
		t.kill_behind_gate_of = NULL;
		attempt_open(&t, &w, "mine", -1);
		attempt_find(&t, false);
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		attempt_expect(&t, steps[i]);
		attempt_expect(&t, "G-RELAXED");
		stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
			       "{\"spec\": {\"trafficPolicy\": {\"tls\": null}}}");
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_DONE);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

TEST(a_would_be_refusal_stops_the_audit)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, NULL);
	/* Silent agents first: not known, so paused as inconclusive and not passed. */
	w.agent_silent = true;
	fake_clock_advance(&w.clock, 120 * NS_PER_S);
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_INCONCLUSIVE);
	attempt_expect(&t, "silent");
	assert_int_equal(run_exit_code(ended, false), 5);
	w.agent_silent = false;
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_DONE);
	attempt_close(&t);
	stand_in_free(&w);
}

/* A table test: what a gate asks must be two opinions, not one twice. */
TEST(every_gate_asks_two_of_different_origin)
{
	for (size_t i = 0; i < machine_n_gates; i++) {
		const enum gate_source_id *asks = machine_gates[i].asks;
		bool differ = false;

		for (size_t k = 1; asks[0] && asks[k]; k++)
			differ |= strcmp(gate_source_origin(asks[0]),
					 gate_source_origin(asks[k])) != 0;
		if (!differ)
			fail_msg("%s asks one origin only", machine_gates[i].gate.id);
	}
}

/* One of them missing, silent or against it: whatever the others say, the gate does not pass. */
TEST(a_gate_passes_only_when_all_whom_it_asks_say_so)
{
	static const enum finding_result others[] = {FINDING_SKIP, FINDING_UNKNOWN, FINDING_FAIL};
	static struct machine m;
	struct profile p;

	profile_init(&p);
	machine_init(&m, &p);
	for (size_t i = 0; i < machine_n_gates; i++) {
		const unsigned n = m.gates[i].n_required;
		struct gate_sample s = {.n = n};

		for (unsigned k = 0; k < n; k++)
			s.sources[k].result = FINDING_PASS;
		assert_int_equal(gate_judge(&m.gates[i], &s), FINDING_PASS);
		for (unsigned k = 0; k < n * ARRAY_SIZE(others); k++) {
			s.sources[k % n].result = others[k / n];
			assert_int_not_equal(gate_judge(&m.gates[i], &s), FINDING_PASS);
			s.sources[k % n].result = FINDING_PASS;
		}
	}
}

/* Whatever a probe pod leaves: unless it says well, the gate that asks it does not pass. */
TEST(a_probe_that_is_silent_or_contradicts_is_no_pass)
{
	static const struct {
		enum probe_fault fault;
		enum run_state ends;
		const char *gate, *says;
	} rows[] = {
		{PROBE_NEVER_ENDS, RUN_INCONCLUSIVE, "G-PROBED", "probe pod: is not started"},
		{PROBE_WORDLESS, RUN_INCONCLUSIVE, "G-PROBED", "left no findings"},
		{PROBE_GARBAGE, RUN_INCONCLUSIVE, "G-PROBED", "left no findings"},
		{PROBE_IS_INJECTED, RUN_INCONCLUSIVE, "G-PROBED", "answer for the others"},
		{PROBE_MISCOUNTS, RUN_INCONCLUSIVE, "G-PROBED", "does not account"},
		{PROBE_LATE_SIDECAR, RUN_STOPPED, "G-PROBED", "has not taken"},
		{PROBE_LATE_SINCE, RUN_STOPPED, "G-RELAXED", "has not taken"},
		{PROBE_CONTRADICTS, RUN_STOPPED, "G-INJECTION-OFF", "something answers"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		auto_release(arena) struct arena a = ARENA_INIT;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		w.probe = rows[i].fault;
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, NULL);
		assert_true(attempt_go(&t, &ended));
		if (ended != rows[i].ends)
			fail_msg("%zu: %s: %s", i, run_state_name(ended), attempt_why(&t, &a));
		attempt_expect(&t, rows[i].gate);
		attempt_expect(&t, rows[i].says);
		w.probe = PROBE_WELL;
		assert_true(attempt_go(&t, &ended));
		if (ended != RUN_DONE)
			fail_msg("%zu: then %s: %s", i, run_state_name(ended), attempt_why(&t, &a));
		attempt_close(&t);
		stand_in_free(&w);
	}
}

/*
 * An hour fast or slow: who has not followed does not pass for it, and who has is not held up.
 */
TEST(no_clock_decides_who_has_followed)
{
	static const int64_t skews[] = {-3600, 0, 3600};

	for (size_t i = 0; i < ARRAY_SIZE(skews); i++) {
		static struct attempt t;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		w.skew_ns = skews[i] * (int64_t)NS_PER_S;
		w.rules = NULL;
		stand_in_tick(&w);
		w.probe = PROBE_LATE_SINCE;
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, NULL);
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		attempt_expect(&t, "N7: gate G-RELAXED");
		attempt_expect(&t, "has not taken");
		/* A colleague goes on: the look is in the journal. */
		attempt_close(&t);
		attempt_open(&t, &w, "colleague", -1);
		attempt_find(&t, false);
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		w.probe = PROBE_WELL;
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_DONE);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

static void no_pod(struct stand_in *w)
{
	stand_in_patch(w, object_kind(KIND_DEPLOYMENT), "ledger", "clerk",
		       "{\"spec\": {\"replicas\": 0}}");
}

static void one_pod(struct stand_in *w)
{
	stand_in_patch(w, object_kind(KIND_DEPLOYMENT), "ledger", "clerk",
		       "{\"spec\": {\"replicas\": 1}}");
}

static void fast_agent(struct stand_in *w)
{
	w->agent_skew_ns = 3600 * (int64_t)NS_PER_S;
}

static void right_agent(struct stand_in *w)
{
	w->agent_skew_ns = 0;
}

static void stale_agent(struct stand_in *w)
{
	w->agent_stale = true;
}

static void lively_agent(struct stand_in *w)
{
	w->agent_stale = false;
}

/* Nothing there to be asked, or nothing new to be said, is not known: it never passes. */
TEST(nothing_seen_is_no_pass)
{
	static const struct {
		void (*spoil)(struct stand_in *), (*mend)(struct stand_in *);
		const char *gate, *says;
	} rows[] = {
		{no_pod, one_pod, "G-WELL", "Deployment/ledger/clerk has no pod to look at"},
		{fast_agent, right_agent, "G-WELL", "ahead of this machine's"},
		{stale_agent, lively_agent, "G-AUDIT-CLEAN", "has published nothing since"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		auto_release(arena) struct arena a = ARENA_INIT;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		rows[i].spoil(&w);
		stand_in_tick(&w);
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, NULL);
		assert_true(attempt_go(&t, &ended));
		if (ended != RUN_INCONCLUSIVE)
			fail_msg("%zu: %s: %s", i, run_state_name(ended), attempt_why(&t, &a));
		attempt_expect(&t, rows[i].gate);
		attempt_expect(&t, rows[i].says);
		rows[i].mend(&w);
		stand_in_tick(&w);
		assert_true(attempt_go(&t, &ended));
		if (ended != RUN_DONE)
			fail_msg("%zu: then %s: %s", i, run_state_name(ended), attempt_why(&t, &a));
		attempt_close(&t);
		stand_in_free(&w);
	}
}

/* A window with holes in it is longer, not void; what was refused in a hole is seen behind it. */
TEST(an_audit_outlives_a_restart)
{
	for (int64_t refuses = 0; refuses < 2; refuses++) {
		static struct attempt t;
		auto_release(arena) struct arena a = ARENA_INIT;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		w.agent_falters = true;
		w.refuses_faltering = refuses;
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, NULL);
		assert_true(attempt_go(&t, &ended));
		if ((ended == RUN_DONE) != !refuses)
			fail_msg("%s: %s", run_state_name(ended), attempt_why(&t, &a));
		if (refuses)
			attempt_expect(&t, "G-AUDIT-CLEAN");
		attempt_close(&t);
		stand_in_free(&w);
	}
}

static const char *uncounted(struct stand_in *w, struct migration *m, bool ends)
{
	static const char gate;
	struct error err = ERROR_INIT;
	struct world world;
	const char *where, *why;
	bool missed;

	if (world_look(&world, &w->arena, m, &err))
		fail_msg("%s", err.msg);
	world_counted(&world, &gate, NULL, "dropped", &where);
	why = str_or_empty(world_uncounted(&world, &gate, NULL, "dropped", ends, &missed));
	assert_int_equal(missed, *why && !strstr(why, "published nothing") &&
					 !strstr(why, "only the sum") &&
					 !strstr(why, "publishes no more"));
	return why;
}

/* Counters between two looks: what shrank, began anew, vanished or did not move tells nothing. */
TEST(counters_that_lost_track_are_not_known)
{
	struct stand_in w;
	struct cluster c;
	struct migration m;

	stand_in_new(&w);
	c = stand_in_cluster(&w);
	m = (struct migration){.cluster = &c, .ns = "ledger", .plan = attempt_plan(&w.arena)};
	w.refused = 3;
	stand_in_tick(&w);
	assert_string_equal(uncounted(&w, &m, false), "");
	assert_non_null(strstr(uncounted(&w, &m, true), "published nothing"));
	fake_clock_advance(&w.clock, NS_PER_S);
	stand_in_tick(&w);
	assert_string_equal(uncounted(&w, &m, true), "");
	/* Somebody calls every port: that hides nothing, unless he stands on an edge. */
	for (w.scanned = 9000; w.scanned; w.scanned /= 8) {
		stand_in_tick(&w);
		assert_string_equal(uncounted(&w, &m, false), "");
	}
	w.refused_port = COUNTER_PORT_MANY;
	stand_in_tick(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "has lost counts"));
	assert_non_null(strstr(uncounted(&w, &m, false), "only the sum of very many ports"));
	w.refused_port = 0;
	w.refused = 4;
	stand_in_tick(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "has lost counts"));
	assert_string_equal(uncounted(&w, &m, false), "");
	w.refused = 2;
	stand_in_tick(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "has lost counts"));
	w.agent_forgets = true;
	stand_in_tick(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "has lost counts"));
	w.epoch++;
	stand_in_tick(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "begun to count anew"));
	assert_string_equal(uncounted(&w, &m, false), "");
	stand_in_remove_node(&w);
	assert_non_null(strstr(uncounted(&w, &m, false), "no agent knows who Deployment/ledger"));
	m.plan = doc_map(&w.arena);
	assert_non_null(strstr(uncounted(&w, &m, false), "publishes no more"));
	assert_non_null(strstr(uncounted(&w, &m, false), "publishes no more"));
	migration_release(&m);
	kube_client_free(c.client);
	stand_in_free(&w);
}

/* What a gate of that id says of a plan, asked once. */
static void ask_once(struct stand_in *w, const char *id, const struct doc *plan,
		     struct gate_sample *s)
{
	static struct machine machine;
	struct cluster c = stand_in_cluster(w);
	struct migration m = {.cluster = &c, .ns = "ledger", .run = "r", .plan = plan};
	struct error err = ERROR_INIT;

	*s = (struct gate_sample){.arena = &w->arena, .decides = true};
	profile_init(&m.profile);
	machine_init(&machine, &m.profile);
	for (size_t i = 0; i < machine_n_gates; i++)
		if (str_eq(machine.gates[i].id, id) && machine.gates[i].sample(&m, NULL, s, &err))
			fail_msg("%s: %s", id, err.msg);
	migration_release(&m);
	kube_client_free(c.client);
}

/* No source is content, and each says what was missing: nothing was asked. */
static void expect_unknown(struct stand_in *w, const char *id, const struct doc *plan,
			   const char *says)
{
	struct gate_sample s;

	ask_once(w, id, plan, &s);
	assert_true(s.n >= 2);
	for (size_t i = 0; i < s.n; i++)
		if (s.sources[i].result != FINDING_UNKNOWN ||
		    (!strstr(s.sources[i].words, says) &&
		     !strstr(s.sources[i].words, "the others cannot tell")))
			fail_msg("%s: %s: %s", id, s.sources[i].name, s.sources[i].words);
}

TEST(an_empty_list_is_no_pass)
{
	static const char *const gates[] = {
		"G-WELL",          "G-PROBED",       "G-LOOKED",   "G-SIDECARS-ANSWER",
		"G-INJECTION-OFF", "G-INJECTION-ON", "G-UNWATCHED"};
	struct gate_sample s;
	struct stand_in w;

	stand_in_new(&w);
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		struct doc *plan = doc_map(&w.arena), *ghost = doc_map(&w.arena);

		expect_unknown(&w, gates[i], plan, "names no workload");
		doc_set_string(&w.arena, ghost, "kind", "Deployment");
		doc_set_string(&w.arena, ghost, "name", "ghost");
		doc_append(&w.arena, doc_set_list(&w.arena, plan, "workloads"), ghost);
		expect_unknown(&w, gates[i], plan, "ghost");
	}
	ask_once(&w, "G-WELL", attempt_plan(&w.arena), &s);
	assert_int_equal(s.sources[0].result, FINDING_PASS);
	stand_in_free(&w);
}

/* Asked with the policies there and, by every gate that relies on them, with one of them gone. */
TEST(a_gate_that_relies_on_the_policies_looks_whether_they_are_there)
{
	static const char *const gates[] = {"G-AUDIT-CLEAN", "G-ENFORCED", "G-SIDECARLESS",
					    "G-SOAK"};
	const struct object_kind *kind = object_kind(KIND_CILIUM_NETWORK_POLICY);
	struct gate_sample s;
	struct stand_in w;

	stand_in_new(&w);
	attempt_killed_at(&w, -1, false, RUN_DONE);
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		ask_once(&w, gates[i], attempt_plan(&w.arena), &s);
		assert_int_equal(s.sources[0].result, FINDING_PASS);
	}
	stand_in_remove(&w, kind, "ledger", "sidestep-deny");
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		ask_once(&w, gates[i], attempt_plan(&w.arena), &s);
		assert_int_equal(s.sources[0].result, FINDING_FAIL);
		assert_non_null(strstr(s.sources[0].words, "ledger/sidestep-deny is gone"));
		assert_true(s.final);
	}
	ask_once(&w, "G-UNWATCHED", attempt_plan(&w.arena), &s);
	assert_int_equal(s.sources[0].result, FINDING_PASS);
	stand_in_free(&w);
}

static void drop_policy(struct stand_in *w)
{
	stand_in_remove(w, object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger", "sidestep-deny");
}

static void restore_policy(struct stand_in *w)
{
	stand_in_create(w, doc_at(doc_get(attempt_plan(&w->arena), "policies"), 1));
}

static void open_policy(struct stand_in *w)
{
	stand_in_patch(w, object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger", "sidestep-deny",
		       "{\"spec\": {\"enableDefaultDeny\": {\"ingress\": false}}}");
}

static void close_policy(struct stand_in *w)
{
	stand_in_patch(w, object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger", "sidestep-deny",
		       "{\"spec\": {\"enableDefaultDeny\": null}}");
}

static const char deny[] = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
			   "metadata: {name: late, namespace: ledger}\n"
			   "spec: {action: DENY, rules: [{}]}\n";

static void add_rule(struct stand_in *w)
{
	struct doc_stream s;

	assert_int_equal(doc_read_yaml(&w->arena, deny, strlen(deny), "deny", &s, NULL), 0);
	stand_in_create(w, s.docs[0]);
}

static void remove_rule(struct stand_in *w)
{
	stand_in_remove(w, object_kind(KIND_AUTHORIZATION_POLICY), "ledger", "late");
}

/*
 * No workload is restarted, and nothing soaks, while a policy of ours is gone or another; none is
 * restarted when Istio has a rule of which ours know nothing.
 */
TEST(a_policy_that_somebody_touched_stops_the_run)
{
	static const struct {
		void (*touch)(struct stand_in *), (*mend)(struct stand_in *);
		const char *behind, *gate, *says;
	} rows[] = {
		{drop_policy, restore_policy, "N7", "N9/books: gate G-BUDGET", "is gone"},
		{open_policy, close_policy, "N7", "N9/books: gate G-BUDGET", "was changed"},
		{add_rule, remove_rule, "N7", "N9/books: gate G-BUDGET",
		 "AuthorizationPolicy ledger/late is new"},
		{drop_policy, restore_policy, "N10", "N14: gate G-SOAK", "is gone"},
		{open_policy, close_policy, "N10", "N14: gate G-SOAK", "was changed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		struct stand_in w;
		enum run_state ended;

		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		t.kill_behind_gate_of = rows[i].behind;
		attempt_start(&t, NULL);
		assert_false(attempt_go(&t, &ended));
		attempt_close(&t);
		rows[i].touch(&w);
		t.kill_behind_gate_of = NULL;
		attempt_open(&t, &w, "mine", -1);
		attempt_find(&t, false);
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		attempt_expect(&t, rows[i].gate);
		attempt_expect(&t, rows[i].says);
		rows[i].mend(&w);
		assert_true(attempt_go(&t, &ended));
		assert_int_equal(ended, RUN_DONE);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

/* More in it than the plan wants, and it was so before us: that is nobody's edit, and stays. */
TEST(a_policy_that_was_there_before_is_kept)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct stand_in w;
	const char *before;

	stand_in_new(&w);
	restore_policy(&w);
	stand_in_patch(&w, object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger", "sidestep-deny",
		       "{\"spec\": {\"description\": \"ours since long\"}}");
	before = stand_in_state(&w, &a);
	attempt_killed_at(&w, -1, false, RUN_DONE);
	attempt_killed_at(&w, -1, true, RUN_ROLLED_BACK);
	assert_string_equal(stand_in_state(&w, &a), before);
	stand_in_free(&w);
}

TEST(no_way_back_past_a_probe_without_its_sidecar)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;

	stand_in_new(&w);
	attempt_killed_at(&w, -1, false, RUN_DONE);
	w.probe = PROBE_CONTRADICTS;
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	t.rollback = true;
	attempt_find(&t, true);
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_ROLLBACK_STOPPED);
	attempt_expect(&t, "G-INJECTION-ON");
	w.probe = PROBE_WELL;
	assert_true(attempt_go(&t, &ended));
	assert_int_equal(ended, RUN_ROLLED_BACK);
	attempt_close(&t);
	stand_in_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forced_tls_stops_the_run_and_relaxed_it_passes),
		cmocka_unit_test(a_rule_put_back_while_nobody_looked_stops_the_run),
		cmocka_unit_test(a_would_be_refusal_stops_the_audit),
		cmocka_unit_test(every_gate_asks_two_of_different_origin),
		cmocka_unit_test(a_gate_passes_only_when_all_whom_it_asks_say_so),
		cmocka_unit_test(no_way_back_past_a_probe_without_its_sidecar),
		cmocka_unit_test(a_probe_that_is_silent_or_contradicts_is_no_pass),
		cmocka_unit_test(no_clock_decides_who_has_followed),
		cmocka_unit_test(nothing_seen_is_no_pass),
		cmocka_unit_test(an_audit_outlives_a_restart),
		cmocka_unit_test(counters_that_lost_track_are_not_known),
		cmocka_unit_test(an_empty_list_is_no_pass),
		cmocka_unit_test(a_gate_that_relies_on_the_policies_looks_whether_they_are_there),
		cmocka_unit_test(a_policy_that_somebody_touched_stops_the_run),
		cmocka_unit_test(a_policy_that_was_there_before_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
