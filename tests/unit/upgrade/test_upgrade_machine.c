/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh's machine against a real API server: there and back, killed once at every boundary of
 * its journal, bad releases stopped at the canary, pauses, a refused API. Time is a fake clock.
 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/kube/lease.h"
#include "lib/run/runs.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"
#include "upgrade/recall.h"

#define BOTH(version) "worker-2=" version " worker-3=" version " template=" version
#define ALL(version)                                                                               \
	"control=" version " worker-1=" version " worker-2=" version " worker-3=" version          \
	" template=" version

TEST(every_gate_asks_two_origins_and_every_change_has_an_entry)
{
	for (size_t i = 0; i < machine_n_gates; i++) {
		const enum gate_source_id *asks = machine_gates[i].asks;
		bool differ = false;

		for (size_t k = 1; asks[k]; k++)
			differ |= !str_eq(gate_source_origin(asks[0]), gate_source_origin(asks[k]));
		if (!differ)
			fail_msg("%s has one origin", machine_gates[i].gate.id);
	}
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		if (machine_states[i].changes && !machine_states[i].gates[GATE_BEFORE][0])
			fail_msg("state %zu changes without being asked", i);
}

TEST(up_down_and_up_again)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	/* Whoever follows a runbook has a run of its own, within which this one is. */
	stand_in_create(&w,
			"{\"apiVersion\": \"sidestep.dev/v1alpha1\", \"kind\": \"SidestepRun\", "
			"\"metadata\": {\"name\": \"upgrade-hop-1\"}, \"spec\": {\"tool\": "
			"\"runbook\", \"subject\": \"upgrade-hop\", \"state\": \"running\", "
			"\"journal\": []}}");
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0") " pulls=0 requests=0");
	assert_int_equal(w.regenerations, NODES);
	assert_int_equal(w.finalizations, NODES);
	assert_int_equal(w.preparations, 0);
	attempt_close(&t);
	attempt_whole(&t, &w, "0.2.0", CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	assert_int_equal(w.preparations, NODES);
	assert_int_equal(w.finalizations, NODES); /* of the way up: an older release has nothing */
	attempt_close(&t);
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(the_last_step_waits_for_an_approval_of_its_own_and_shuts_the_way_back)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	assert_non_null(strstr(t.said, "resume --finalize"));
	assert_int_equal(w.finalizations, 0);
	attempt_close(&t);
	t.finalize = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	assert_int_equal(w.finalizations, NODES);
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_BLOCKED);
	assert_non_null(strstr(t.said, "no way back"));
	assert_non_null(strstr(t.said, "plan --to 0.2.0"));
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* There and back, a node's share of the journal is what a plan reckons with (findings.c). */
static void attempt_expect_small(const struct attempt *t)
{
	const struct journal *j = t->session.journal;
	size_t bytes = 0;

	for (size_t i = 0; i < journal_count(j); i++)
		bytes += strlen(journal_at(j, i)->line);
	printf("%zu bytes of journal for %d nodes there and back\n", bytes, NODES);
	assert_true(bytes / NODES < 14 * 1024);
}

TEST(back_from_the_end_prepares_every_node)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, &w, "colleague", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0") " pulls=0 requests=0");
	assert_int_equal(w.preparations, NODES);
	attempt_expect_entry_gates(&t);
	attempt_expect_small(&t);
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- plans --- */

static const struct doc *finding_of(const struct doc *plan, const char *id)
{
	doc_foreach_item (doc_find(plan, "findings.findings"), f)
		if (str_eq(doc_find_str(f, "id"), id) && !str_eq(doc_find_str(f, "result"), "pass"))
			return f;
	return NULL;
}

static void expect_finding(struct stand_in *w, const char *to, const char *profile, int code,
			   const char *id, const char *says)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *plan = stand_in_plan(w, &a, to, profile);
	const struct doc *f = finding_of(plan, id);

	assert_int_equal(stand_in_verdict(plan), code);
	if (!f || !strstr(str_or_empty(doc_find_str(f, "message")), says))
		fail_msg("%s: wanted '%s' in: %s", id, says,
			 f ? str_or_empty(doc_find_str(f, "message")) : "nothing");
}

TEST(plans_say_what_forbids_them)
{
	static const char waives_all[] =
		"waivers:\n"
		"- {id: hop, reason: r, owner: o, expires: \"2100-01-01\"}\n"
		"- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n";
	struct stand_in w;

	stand_in_new_small(&w);
	expect_finding(
		&w, "0.4.0", NULL, CLI_BLOCKED, "hop",
		"more than one minor; the legal hops are 0.3.0, 0.4.0, each a run of its own: "
		"'sidestep upgrade plan --to 0.3.0' is the first");
	/* Nothing forces it. */
	expect_finding(&w, "0.4.0", waives_all, CLI_BLOCKED, "hop", "more than one minor");
	expect_finding(&w, "0.2.0", NULL, CLI_BLOCKED, "hop", "is 0.2.0 already");
	expect_finding(&w, "0.9.0", NULL, CLI_BLOCKED, "hop", "there is no release 0.9.0");
	expect_finding(&w, "0.3.0", "name: bare\n", CLI_BLOCKED, "staging-proof", "--staging FILE");
	expect_finding(
		&w, "0.3.0",
		"waivers:\n- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n",
		CLI_OK, "components", "not present");
	stand_in_patch(&w, KIND_DAEMON_SET, "kube-system", "sidestep",
		       "{\"spec\": {\"updateStrategy\": {\"type\": \"RollingUpdate\"}}}");
	expect_finding(&w, "0.3.0", NULL, CLI_BLOCKED, "update-strategy", "restart every agent");
	stand_in_patch(&w, KIND_DAEMON_SET, "kube-system", "sidestep",
		       "{\"metadata\": {\"annotations\": {\"meta.helm.sh/release-name\": \"s\"}}, "
		       "\"spec\": {\"updateStrategy\": {\"type\": \"OnDelete\"}}}");
	expect_finding(&w, "0.3.0", NULL, CLI_INCONCLUSIVE, "components", "no release of ours");
	stand_in_free(&w);
}

/* What a dead agent said last is no news. */
TEST(a_plan_does_not_believe_an_agent_that_is_silent)
{
	struct stand_in w;

	stand_in_new_small(&w);
	fake_clock_advance(&w.clock, 3600 * NS_PER_S);
	expect_finding(&w, "0.3.0",
		       "waivers:\n- {id: staging-proof, reason: r, owner: o, expires: "
		       "\"2100-01-01\"}\n",
		       CLI_INCONCLUSIVE, "agents-well", "silent since");
	stand_in_free(&w);
}

static int edited(struct stand_in *w, struct arena *a, const char *side, const char *member,
		  const char *value)
{
	struct doc *plan = attempt_plan(w, "0.3.0");
	struct error err = ERROR_INIT;
	const char *why;

	if (side)
		doc_set_string(a, doc_get(plan, side), member, value);
	return plan_verdict(a, plan, clock_wall_ns(&w->clock.clock), &why, &err);
}

/* The findings in a file are those of the day that it was written. */
TEST(a_saved_plan_that_was_edited_is_refused)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct stand_in w;

	stand_in_new_small(&w);
	assert_int_equal(edited(&w, &a, NULL, NULL, NULL), 0);
	assert_int_equal(edited(&w, &a, "to", "version", "0.4.0"), CLI_BLOCKED);
	assert_int_equal(edited(&w, &a, "to", "version", "1.2.0"), CLI_BLOCKED);
	assert_int_equal(edited(&w, &a, "from", "version", "0.1.0"), CLI_BLOCKED);
	assert_int_equal(edited(&w, &a, "from", "version", "0.3.0"), CLI_BLOCKED);
	assert_true(edited(&w, &a, "to", "version", "newest") < 0);
	assert_int_equal(edited(&w, &a, "to", "image", "sidestep.dev/sidestepd:0.4.0"),
			 CLI_BLOCKED);
	stand_in_free(&w);
}

/* --- bad releases --- */

static void stopped_at_the_canary(enum agent_fault fault, const char *says)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = fault;
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
	if (!strstr(t.said, says) || !strstr(t.said, "/worker-2") ||
	    !strstr(t.said, "going back by itself"))
		fail_msg("wanted '%s' in: %s", says, t.said);
	attempt_expect_state(&w, ALL("0.2.0") " pulls=0 requests=0");
	/* Nobody else was touched: each agent but the canary's was started once. */
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(w.nodes[i].starts, i == 2 ? 3 : 1);
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(a_bad_release_is_taken_back_at_the_canary)
{
	stopped_at_the_canary(AGENT_NEVER_READY, "is not ready");
	stopped_at_the_canary(AGENT_NO_NETWORK, "a new pod: worker-2 has not got");
	stopped_at_the_canary(AGENT_CRASHES, "was restarted 3 times: CrashLoopBackOff");
	stopped_at_the_canary(AGENT_REFUSED, "the kernel's verifier refuses");
}

static void join(struct attempt *t)
{
	stand_in_create(t->world, "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": "
				  "{\"name\": \"worker-3\"}}");
	stand_in_patch_status(t->world, KIND_NODE, NULL, "worker-3",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"True\"}]}}");
}

static void drain(struct attempt *t, const char *node)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	stand_in_remove(t->world, KIND_POD, "kube-system", stand_in_agent(t->world, &a, node));
}

/* The last to have its turn. */
static void drain_control(struct attempt *t)
{
	drain(t, "control");
}

/* An agent's pod that is drained, and a node that joins, while the template asks for it. */
static void drain_and_join(struct attempt *t)
{
	drain(t, "worker-1");
	join(t);
}

static void remove_worker(struct attempt *t)
{
	static const char *const pods[] = {"web-worker-3-0", "web-worker-3-1"};

	stand_in_remove(t->world, KIND_NODE, NULL, "worker-3");
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
		stand_in_remove(t->world, KIND_POD, "team", pods[i]);
}

TEST(nobody_is_left_on_a_release_that_was_taken_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.world = &w;
	remove_worker(&t);
	stand_in_remove(&w, KIND_POD, "kube-system", stand_in_agent(&w, &a, "worker-3"));
	t.at_step = "U9";
	t.then = drain_and_join;
	attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
	if (!strstr(t.said, "worker-1 came up with 0.3.0 before its turn"))
		fail_msg("%s", t.said);
	attempt_expect_state(&w, ALL("0.2.0") " pulls=0 requests=0");
	attempt_expect_entry_gates(&t);
	attempt_close(&t);
	stand_in_free(&w);
}

/* A cluster's nodes come and go for days; behind the canary that is nobody's fault. */
TEST(who_comes_up_with_the_new_version_goes_on_with_it)
{
	static const struct {
		const char *at;
		void (*then)(struct attempt *t);
	} rows[] = {
		{"U9", join},
		{"U10-wave-1", drain_control},
		{"U14", join},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		static struct attempt t;
		struct stand_in w;

		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		t.world = &w;
		if (rows[i].then != drain_control) {
			remove_worker(&t);
			stand_in_remove(&w, KIND_POD, "kube-system",
					stand_in_agent(&w, &a, "worker-3"));
		}
		t.at_step = rows[i].at;
		t.then = rows[i].then;
		attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
		attempt_expect_state(&w, ALL("0.3.0"));
		attempt_close(&t);
		t.back = true;
		attempt_open(&t, &w, "mine", -1);
		attempt_find(&t, true);
		assert_int_equal(attempt_go(&t), CLI_OK);
		attempt_expect_state(&w, ALL("0.2.0"));
		attempt_close(&t);
		stand_in_free(&w);
	}
}

TEST(a_release_that_is_bad_only_later_is_taken_back_at_the_canary)
{
	static const struct {
		enum agent_fault fault;
		const char *says;
	} rows[] = {
		{AGENT_DROPS, "identity 1 to 2 port 80 was let through before"},
		{AGENT_MUTES, "identity 1 to 3 port 80 was let through before"},
		{AGENT_LEAKS, "MiB"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		struct stand_in w;

		stand_in_new(&w);
		w.fault = rows[i].fault;
		memset(&t, 0, sizeof(t));
		attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
		if (!strstr(t.said, rows[i].says))
			fail_msg("wanted '%s' in: %s", rows[i].says, t.said);
		attempt_expect_state(&w, ALL("0.2.0"));
		assert_int_equal(w.nodes[1].starts, 1);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

/* --- a canary that soaks for long --- */

static const char long_soak[] =
	"canarySoak: 600s\nsettle: 20s\nwaveSoak: 1s\nsoak: 1s\n"
	"prepare: 5s\nsampleEvery: 10s\ngateTimeout: 300s\nwaivers:\n"
	"- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n"
	"- {id: soak-short, reason: r, owner: o, expires: \"2100-01-01\"}\n";

static uint64_t began_refusing;

static void refuse_one(struct attempt *t)
{
	t->world->nodes[2].refused = 2;
	began_refusing = clock_now_ns(&t->world->clock.clock);
}

/* For one look. */
static void blink(struct attempt *t)
{
	static unsigned looks;
	const bool ready = ++looks % 20 != 0;

	stand_in_patch_status(t->world, KIND_NODE, NULL, "control",
			      ready ? "{\"status\": {\"conditions\": [{\"type\": \"Ready\", "
				      "\"status\": \"True\"}]}}"
				    : "{\"status\": {\"conditions\": [{\"type\": \"Ready\", "
				      "\"status\": \"Unknown\"}]}}");
	t->at_step = "U9";
}

TEST(a_canary_that_fails_is_not_left_failing_and_one_blink_is_borne)
{
	static const struct {
		void (*then)(struct attempt *t);
		int code;
		const char *state;
	} rows[] = {{refuse_one, CLI_ROLLED_BACK, ALL("0.2.0")},
		    {blink, CLI_WAITING, ALL("0.3.0")}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		struct stand_in w;
		struct doc *plan;

		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		t.at_step = "U9";
		t.then = rows[i].then;
		plan = stand_in_plan(&w, &w.arena, "0.3.0", long_soak);
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, plan);
		assert_int_equal(attempt_go(&t), rows[i].code);
		attempt_expect_state(&w, rows[i].state);
		if (rows[i].then == refuse_one)
			assert_true(clock_now_ns(&w.clock.clock) - began_refusing < 300 * NS_PER_S);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

TEST(a_node_of_a_wave_that_fails_takes_the_wave_back)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_CRASHES;
	w.fault_on = "worker-3";
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
	assert_non_null(strstr(t.said, "U10/worker-3"));
	attempt_expect_state(&w, ALL("0.2.0"));
	assert_int_equal(w.nodes[0].starts, 1); /* the control plane had not had its turn */
	attempt_close(&t);
	stand_in_free(&w);
}

/* 4.7: a node of many goes back alone; the second one takes everything back. */
TEST(one_node_of_many_goes_back_alone)
{
	static struct attempt t;
	struct stand_in w;
	struct doc *plan;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	plan = attempt_plan(&w, "0.3.0");
	for (int i = 0; i < 56; i++)
		doc_setf(&w.arena, doc_append(&w.arena, doc_get(plan, "nodes"), doc_map(&w.arena)),
			 "name", "elsewhere-%d", i);
	w.fault = AGENT_CRASHES;
	w.fault_on = "worker-1";
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, plan);
	assert_int_equal(attempt_go(&t), CLI_BLOCKED);
	assert_non_null(strstr(t.said, "worker-1 gets 0.2.0 again, the other nodes keep"));
	assert_non_null(strstr(t.said, "U10/worker-1 alone was taken back"));
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.3.0 worker-3=0.2.0");
	attempt_close(&t);
	/* The same node again is no second one. */
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_BLOCKED);
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.3.0 worker-3=0.2.0");
	attempt_close(&t);
	/* Mended, it is tried again, and the run ends well. */
	w.fault = AGENT_WELL;
	attempt_open(&t, &w, "colleague", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_expect_entry_gates(&t);
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(an_endpoint_that_cannot_be_built_anew_takes_everything_back)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_UNREGENERATE;
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
	assert_non_null(strstr(t.said, "endpoints failed"));
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(an_agent_that_cannot_prepare_does_not_shut_the_way_back)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	w.new_is_gone = true; /* nor is anything of it needed to go back */
	w.fault = AGENT_UNPREPARED;
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	assert_int_equal(w.preparations, 0);
	attempt_close(&t);
	stand_in_free(&w);
}

/* An answer stands in the request whatever becomes of what it says; the agent's status decides. */
TEST(an_answer_is_not_believed_against_the_agents_own_status)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_close(&t);
	w.forgets_older = true;
	attempt_whole(&t, &w, "0.2.0", CLI_BLOCKED);
	if (!strstr(attempt_why(&t, &a), "keeps connections in layout 2 alone"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_expect_state(&w, ALL("0.3.0"));
	assert_int_equal(w.preparations, NODES);
	attempt_close(&t);
	w.forgets_older = false;
	stand_in_tick(&w);
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* Whoever waives map-layout has not said that there is nothing to prepare: the agents are asked. */
TEST(a_layout_that_no_release_tells_is_asked_of_the_agents)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.no_layouts = true;
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	/* They told their own when the run began. */
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	assert_int_equal(w.preparations, NODES);
	attempt_close(&t);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_close(&t);
	attempt_whole(&t, &w, "0.2.0", CLI_INCONCLUSIVE);
	if (!strstr(attempt_why(&t, &a), "in layout 1, too, and nobody says which one 0.2.0 has"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- what cannot be told --- */

static void unready_worker(struct attempt *t)
{
	stand_in_patch_status(t->world, KIND_NODE, NULL, "worker-1",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"False\"}]}}");
}

/* Nothing was changed on the next node yet: there is nothing to take back. */
TEST(a_gate_before_a_change_only_stops)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U10/worker-3";
	t.then = unready_worker;
	attempt_whole(&t, &w, "0.3.0", CLI_BLOCKED);
	assert_non_null(strstr(t.said, "node worker-1 is not ready"));
	assert_non_null(strstr(t.said, "'sidestep upgrade resume'"));
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.3.0 worker-2=0.3.0 worker-3=0.2.0");
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(a_silent_agent_pauses_and_goes_on_when_it_speaks)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_SILENT;
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_start(
		&t,
		stand_in_plan(&w, &w.arena, "0.3.0",
			      "canarySoak: 2s\nsettle: 2s\nwaveSoak: 2s\nsoak: 2s\nsampleEvery: "
			      "5s\ngateTimeout: 120s\nwaivers:\n- {id: staging-proof, reason: r, "
			      "owner: o, expires: \"2100-01-01\"}\n"));
	assert_int_equal(attempt_go(&t), CLI_INCONCLUSIVE);
	if (!strstr(attempt_why(&t, &a), "is silent since") ||
	    !strstr(attempt_why(&t, &a), "kubectl get sidestep"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.3.0 worker-3=0.2.0");
	attempt_close(&t);
	w.fault = AGENT_WELL;
	stand_in_tick(&w);
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

static void restarted(struct stand_in *w, const char *node, int times)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	stand_in_patch_status(
		w, KIND_POD, "kube-system", stand_in_agent(w, &a, node),
		arena_printf(&a,
			     "{\"status\": {\"containerStatuses\": [{\"name\": \"c\", \"image\": "
			     "\"i\", \"imageID\": \"i\", \"ready\": true, \"restartCount\": %d, "
			     "\"state\": {\"running\": {}}}]}}",
			     times));
}

/* Its node was rebooted now and then, long before. */
TEST(an_agent_of_many_reboots_is_no_crash_loop)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	restarted(&w, "worker-1", 3);
	restarted(&w, "worker-2", 2);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	stand_in_free(&w);
}

static void reboot(struct attempt *t)
{
	restarted(t->world, "worker-1", 2);
}

static void crash_app(struct attempt *t)
{
	stand_in_patch_status(t->world, KIND_POD, "team", "web-worker-2-0",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"False\"}]}}");
}

/* An agent whose node was rebooted, and a pod of the users' that is not ready for good. */
TEST(a_soak_blames_no_release_for_what_passes_by)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U14";
	t.then = reboot;
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	stand_in_free(&w);
	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U14";
	t.then = crash_app;
	attempt_whole(&t, &w, "0.3.0", CLI_BLOCKED);
	if (!strstr(attempt_why(&t, &a), "web-worker-2-0"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(an_agent_that_takes_its_time_is_waited_for)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_LATE;
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(agents_that_publish_no_health_are_not_asked_for_it)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.old_tells_no_health = true;
	stand_in_tick(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

static void put_relay(struct attempt *t)
{
	stand_in_create(t->world,
			"{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"metadata\": "
			"{\"name\": \"sidestep-relay\", \"namespace\": \"team\"}, \"spec\": "
			"{\"replicas\": 0, \"selector\": {\"matchLabels\": {\"a\": \"b\"}}, "
			"\"template\": {\"metadata\": {\"labels\": {\"a\": \"b\"}}, \"spec\": "
			"{\"containers\": [{\"name\": \"c\", \"image\": \"i\"}]}}}}");
}

static void put_helm(struct attempt *t)
{
	stand_in_patch(t->world, KIND_DAEMON_SET, "kube-system", "sidestep",
		       "{\"metadata\": {\"annotations\": {\"meta.helm.sh/release-name\": "
		       "\"s\"}}}");
}

static const char *step_reason(const struct attempt *t, const char *step)
{
	const struct journal *j = t->session.journal;

	for (size_t i = 0; i < journal_count(j); i++)
		if (str_eq(journal_at(j, i)->type, "skipped") &&
		    str_eq(doc_find_str(journal_at(j, i)->body, "step"), step))
			return doc_find_str(journal_at(j, i)->body, "reason");
	return "";
}

TEST(what_is_not_present_is_said_so_and_what_nobody_can_follow_pauses)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U9";
	t.then = put_relay;
	attempt_whole(&t, &w, "0.3.0", CLI_INCONCLUSIVE);
	assert_string_equal(step_reason(&t, "U7"), "not present: operator");
	assert_string_equal(step_reason(&t, "U11"), "not present: node Envoy");
	assert_string_equal(step_reason(&t, "U12"), "");
	assert_non_null(strstr(attempt_why(&t, &a), "relay is there"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* Those of U13, which has a change of its own, as well as those that are a step. */
TEST(a_helm_release_pauses_before_every_endpoint_is_built_anew)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U9";
	t.then = put_helm;
	attempt_whole(&t, &w, "0.3.0", CLI_INCONCLUSIVE);
	if (!strstr(attempt_why(&t, &a), "Helm release is there"))
		fail_msg("%s", attempt_why(&t, &a));
	assert_int_equal(w.regenerations, 0);
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(a_node_that_left_is_not_present)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	t.at_step = "U9";
	t.then = remove_worker;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	assert_string_equal(step_reason(&t, "U10/worker-3"), "not present: node worker-3 is gone");
	attempt_close(&t);
	stand_in_free(&w);
}

/* One that was changed, or is being. */
static void remove_changed_worker(struct attempt *t)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	remove_worker(t);
	stand_in_remove(t->world, KIND_POD, "kube-system",
			stand_in_agent(t->world, &a, "worker-3"));
}

TEST(a_node_that_leaves_in_its_turn_or_behind_it_holds_nobody_up)
{
	static struct attempt t;
	struct stand_in w;

	for (int back = 0; back < 2; back++) {
		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		t.finalize = !back;
		t.at_step = back ? NULL : "U10/worker-3";
		t.then = back ? NULL : remove_changed_worker;
		t.world = &w;
		attempt_whole(&t, &w, "0.3.0", back ? CLI_WAITING : CLI_OK);
		if (back) {
			remove_changed_worker(&t);
			attempt_close(&t);
			t.back = true;
			attempt_open(&t, &w, "mine", -1);
			attempt_find(&t, true);
			assert_int_equal(attempt_go(&t), CLI_OK);
			attempt_expect_state(
				&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.2.0 worker-3=none");
		} else {
			attempt_expect_state(
				&w, "control=0.3.0 worker-1=0.3.0 worker-2=0.3.0 worker-3=none");
		}
		attempt_close(&t);
		stand_in_free(&w);
	}
}

static void unready_pod(struct stand_in *w, const char *pod, const char *ready)
{
	stand_in_patch_status(w, KIND_POD, "team", pod, ready);
}

/* A node that cannot be said to be well again is told; the others do not wait for it. */
TEST(one_node_that_is_not_well_again_leaves_nobody_else_on_what_is_fled)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	/* Of a user's pod nothing is asked any more; a node that is not ready is not back. */
	unready_pod(
		&w, "web-worker-1-0",
		"{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\"}]}}");
	stand_in_patch_status(&w, KIND_NODE, NULL, "worker-3",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"Unknown\"}]}}");
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_ROLLBACK_FAILED);
	assert_non_null(strstr(attempt_why(&t, &a), "worker-3"));
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	/* Mended, it ends. */
	stand_in_patch_status(&w, KIND_NODE, NULL, "worker-3",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"True\"}]}}");
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- people --- */

static void ask_for_pause(struct attempt *t)
{
	stand_in_patch(t->world, KIND_SIDESTEP_RUN, NULL, t->session.run,
		       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION "\": \"true\"}}}");
}

TEST(a_pause_leaves_mixed_versions_that_are_named)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	t.at_step = "U9";
	t.then = ask_for_pause;
	attempt_whole(&t, &w, "0.3.0", CLI_INTERRUPTED);
	assert_non_null(strstr(t.said, "'sidestep upgrade resume'"));
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.3.0 worker-3=0.2.0");
	/* A second run is refused while this one is open, and a plan says so. */
	assert_int_equal(session_start(&t.session, stand_in_plan(&w, &a, "0.3.0", NULL), NULL),
			 -EBUSY);
	assert_int_equal(stand_in_verdict(stand_in_plan(&w, &a, "0.3.0", NULL)), CLI_BLOCKED);
	attempt_close(&t);
	attempt_open(&t, &w, "colleague", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

static void edit_template(struct attempt *t)
{
	stand_in_patch(t->world, KIND_DAEMON_SET, "kube-system", "sidestep",
		       "{\"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": "
		       "\"sidestep-agent\", \"image\": \"example.org/mine:1\"}]}}}}");
}

TEST(somebody_elses_image_is_a_conflict_and_stays)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U9";
	t.then = edit_template;
	attempt_whole(&t, &w, "0.3.0", CLI_BLOCKED);
	assert_non_null(strstr(attempt_why(&t, &a), "example.org/mine:1"));
	assert_non_null(strstr(stand_in_state(&w, &a), "template=1"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- what cannot be taken back --- */

/* What the plan says of a side, as somebody applies it to one node. */
static void put_by_hand(struct attempt *t, const char *side, const char *node)
{
	const struct upgrade *u = t->session.env;
	auto_release(strbuf) struct strbuf patch = STRBUF_INIT;
	auto_release(arena) struct arena a = ARENA_INIT;

	doc_write_json(str_eq(side, "from") ? u->from.template : u->to.template, DOC_COMPACT,
		       &patch);
	stand_in_patch(t->world, KIND_DAEMON_SET, "kube-system", "sidestep", strbuf_cstr(&patch));
	stand_in_remove(t->world, KIND_POD, "kube-system", stand_in_agent(t->world, &a, node));
	stand_in_tick(t->world);
	stand_in_tick(t->world);
}

/* Between the soak and the approval somebody has put a node back. */
TEST(nothing_is_removed_while_a_node_still_needs_it)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	put_by_hand(&t, "from", "worker-1");
	attempt_close(&t);
	t.finalize = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_BLOCKED);
	if (!strstr(attempt_why(&t, &a), "worker-1 runs sidestep.dev/sidestepd:0.2.0"))
		fail_msg("%s", attempt_why(&t, &a));
	assert_int_equal(w.finalizations, 0);
	assert_non_null(strstr(t.said, "'sidestep upgrade rollback' goes back"));
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_expect_entry_gates(&t);
	attempt_close(&t);
	stand_in_free(&w);
}

static void unready_control(struct attempt *t)
{
	stand_in_patch_status(t->world, KIND_NODE, NULL, "control",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"False\"}]}}");
}

static bool is_asked_to_finalize(const struct attempt *t)
{
	return upgrade_is_final(t->session.journal);
}

static void unready_once_final(struct attempt *t)
{
	if (is_asked_to_finalize(t))
		unready_control(t);
	else
		t->at_step = "U15";
}

/* Whoever is stopped behind it is not told to go back, and need not approve it again. */
TEST(what_stops_behind_the_last_change_goes_on_without_a_way_back)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	t.at_step = "U15";
	t.then = unready_once_final;
	attempt_whole(&t, &w, "0.3.0", CLI_BLOCKED);
	if (!strstr(t.said, "has no way back: 'sidestep upgrade resume' ends it"))
		fail_msg("%s", t.said);
	attempt_close(&t);
	stand_in_patch_status(&w, KIND_NODE, NULL, "control",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"True\"}]}}");
	t.finalize = false;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, false);
	assert_int_equal(attempt_go(&t), CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* The agents' own word decides what is prepared, and a canary that keeps another layout goes back.
 */
TEST(a_layout_that_the_releases_file_has_wrong_costs_no_connections)
{
	static struct attempt t;
	struct stand_in w;
	struct doc *plan;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	plan = attempt_plan(&w, "0.3.0");
	doc_set_int(&w.arena, doc_get(plan, "to"), "conntrackLayout", 1);
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, plan);
	assert_int_equal(attempt_go(&t), CLI_ROLLED_BACK);
	if (!strstr(t.said, "worker-2 keeps connections in layout 2, and the plan says 1 of 0.3.0"))
		fail_msg("%s", t.said);
	assert_int_equal(w.preparations, 1);
	attempt_expect_state(&w, ALL("0.2.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* Who follows it was said by name when the run began: it is not asked for in the end. */
TEST(a_part_that_a_waiver_names_does_not_keep_the_run_from_its_end)
{
	static const char profile[] =
		"canarySoak: 3s\nsettle: 1s\nwaveSoak: 1s\nsoak: 2s\nprepare: 5s\n"
		"sampleEvery: 1s\ngateTimeout: 30s\nwaivers:\n"
		"- {id: components, reason: r, owner: platform, expires: \"2100-01-01\"}\n"
		"- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n";
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.world = &w;
	t.finalize = true;
	put_helm(&t);
	put_relay(&t);
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, stand_in_plan(&w, &w.arena, "0.3.0", profile));
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* The run's journal and copy are in the same folder for whoever comes next. */
static const char *hop_done(struct stand_in *w, const char *to)
{
	static struct attempt t;
	struct doc *plan = attempt_plan(w, to);
	const char *name;

	/* Without an end that cannot be taken back. */
	doc_foreach_item (doc_get(plan, "steps"), d)
		if (str_eq(doc_find_str(d, "state"), "U15"))
			doc_set_string(&w->arena, doc_get(d, "args"), "skip", "a test");
	memset(&t, 0, sizeof(t));
	attempt_open(&t, w, "mine", -1);
	attempt_start(&t, plan);
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	name = arena_strdup(&w->arena, t.session.run);
	attempt_close(&t);
	fake_clock_advance(&w->clock, 10 * NS_PER_S);
	stand_in_tick(w);
	return name;
}

TEST(a_run_that_another_stands_on_is_not_taken_back)
{
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct stand_in w;
	const char *first, *second;

	stand_in_new(&w);
	first = hop_done(&w, "0.3.0");
	second = hop_done(&w, "0.2.0");
	memset(&t, 0, sizeof(t));
	attempt_open(&t, &w, "mine", -1);
	assert_int_equal(session_find(&t.session, first, true, &err), -EBUSY);
	assert_non_null(strstr(err.msg, second));
	assert_int_equal(session_find(&t.session, second, true, &err), 0);
	t.back = true;
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	/* The later one is no more, so the earlier one is what stands. */
	attempt_open(&t, &w, "mine", -1);
	assert_int_equal(session_find(&t.session, first, true, &err), 0);
	assert_int_equal(upgrade_may_go_back(&t.session, stdout, &err), 0);
	edit_template(&t);
	for (size_t i = 0; i < NODES; i++)
		drain(&t, w.nodes[i].name);
	stand_in_tick(&w);
	stand_in_tick(&w);
	assert_int_equal(upgrade_may_go_back(&t.session, stdout, &err), CLI_BLOCKED);
	attempt_close(&t);
	stand_in_free(&w);
}

static void drain_prepared(struct attempt *t)
{
	assert_int_equal(t->world->preparations, NODES);
	drain_control(t);
}

/* On the way down it comes up older, and finds its connections all the same. */
TEST(a_pod_that_is_drained_on_the_way_down_was_prepared)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_close(&t);
	fake_clock_advance(&w.clock, 10 * NS_PER_S);
	stand_in_tick(&w);
	t.at_step = "U10-wave-1";
	t.then = drain_prepared;
	attempt_whole(&t, &w, "0.2.0", CLI_OK);
	attempt_expect_state(&w, ALL("0.2.0"));
	assert_int_equal(w.preparations, NODES);
	attempt_expect_entry_gates(&t);
	attempt_close(&t);
	stand_in_free(&w);
}

static size_t stale(struct stand_in *w, struct arena *a, const struct doc *plan)
{
	static const enum object_kind_id kinds[] = {KIND_NODE, KIND_DAEMON_SET};
	struct snapshot s;
	size_t n;

	snapshot_init(&s, a);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;

		assert_int_equal(
			cluster_list(&w->cluster, a, object_kind(kinds[i]), NULL, &list, NULL), 0);
		doc_foreach_item (list, d)
			assert_int_equal(snapshot_add(&s, d, NULL), 0);
	}
	n = doc_len(plan_stale(a, plan, &s));
	snapshot_release(&s);
	return n;
}

/* Whoever left has no turn; whoever joined had none, and without its canary a plan is none. */
TEST(a_node_that_leaves_makes_no_plan_stale)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;
	struct doc *plan;

	stand_in_new(&w);
	t.world = &w;
	plan = attempt_plan(&w, "0.3.0");
	assert_int_equal(stale(&w, &a, plan), 0);
	remove_worker(&t);
	assert_int_equal(stale(&w, &a, plan), 0);
	stand_in_create(&w, "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": "
			    "\"worker-9\"}}");
	assert_int_equal(stale(&w, &a, plan), 1);
	stand_in_remove(&w, KIND_NODE, NULL, "worker-2");
	assert_int_equal(stale(&w, &a, plan), 2);
	stand_in_free(&w);
}

/* A pod of the run that is evicted, once. */
static void fail_one_pull(struct attempt *t)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *name = arena_printf(&a, "pull-%s-worker-1", t->session.run);
	const struct doc *pod = stand_in_get(t->world, &a, KIND_POD, "kube-system", name);

	if (!t->world->new_is_gone) {
		assert_string_equal(doc_find_str(pod, "spec.imagePullSecrets[0].name"), "mirror");
		assert_string_equal(doc_find_str(pod, "spec.priorityClassName"), "critical");
		t->world->new_is_gone = true;
		stand_in_patch_status(
			t->world, KIND_POD, "kube-system", name,
			"{\"status\": {\"phase\": \"Failed\", \"reason\": \"Evicted\"}}");
		t->at_step = "U4";
	} else if (!pod || kube_deleting(pod)) {
		t->world->new_is_gone = false;
	} else {
		t->at_step = "U4";
	}
}

TEST(a_pod_of_the_run_is_like_the_agents_and_is_tried_again)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	stand_in_patch(&w, KIND_DAEMON_SET, "kube-system", "sidestep",
		       "{\"spec\": {\"template\": {\"spec\": {\"priorityClassName\": \"critical\", "
		       "\"imagePullSecrets\": [{\"name\": \"mirror\"}]}}}}");
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	t.at_step = "U4";
	t.then = fail_one_pull;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	assert_string_equal(((struct upgrade *)t.session.env)->failed_pod,
			    "on worker-1 the pod failed: Evicted");
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

TEST(clocks_that_differ_are_named_whichever_is_ahead)
{
	static const struct {
		const char *updated, *says;
	} rows[] = {
		{"2026-11-24T10:00:00Z", "silent since 2026-11-24T10:00:00Z (by this machine's "
					 "clock it is 2026-11-24T10:05:00Z"},
		{"2026-11-24T10:04:30Z", NULL},
		{"2026-11-24T10:05:30Z", NULL},
		{"2026-11-24T10:10:00Z", "dates what it says 2026-11-24T10:10:00Z, and by this "
					 "machine's clock it is 2026-11-24T10:05:00Z"},
		{NULL, "silent since always"},
	};
	auto_release(arena) struct arena a = ARENA_INIT;
	int64_t now;

	assert_int_equal(clock_parse_rfc3339("2026-11-24T10:05:00Z", &now), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct sidestep_node n = {.updated = rows[i].updated};
		const char *words = world_silence(&a, &n, now);

		assert_int_equal(words != NULL, rows[i].says != NULL);
		if (words && !strstr(words, rows[i].says))
			fail_msg("%s", words);
	}
}

static size_t with_evidence(const struct attempt *t, const char *gate)
{
	const struct journal *j = t->session.journal;
	size_t n = 0;

	for (size_t i = 0; i < journal_count(j); i++)
		n += str_eq(doc_find_str(journal_at(j, i)->body, "gate"), gate) &&
		     doc_get(journal_at(j, i)->body, "evidence");
	return n;
}

/* What every node was like is kept once, however often somebody tries. */
TEST(a_first_look_that_fails_leaves_no_evidence)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.world = &w;
	t.finalize = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_start(&t, attempt_plan(&w, "0.3.0"));
	unready_control(&t);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(attempt_go(&t), CLI_BLOCKED);
		assert_int_equal(with_evidence(&t, G_SOUND), 0);
		attempt_close(&t);
		attempt_open(&t, &w, "mine", -1);
		attempt_find(&t, false);
	}
	stand_in_patch_status(&w, KIND_NODE, NULL, "control",
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"True\"}]}}");
	assert_int_equal(attempt_go(&t), CLI_OK);
	assert_int_equal(with_evidence(&t, G_SOUND), 1);
	attempt_close(&t);
	stand_in_free(&w);
}

/* A node of another kind, and one that is kept for others: neither is the mesh's. */
TEST(a_node_that_the_agents_are_not_meant_for_is_in_nobodys_way)
{
	static const char *const nodes[] = {
		"{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"cloud\", "
		"\"labels\": {\"kind\": \"virtual\"}}}",
		"{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"kept\"}, "
		"\"spec\": {\"taints\": [{\"key\": \"team\", \"value\": \"other\", \"effect\": "
		"\"NoSchedule\"}]}}",
	};
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		stand_in_create(&w, nodes[i]);
	expect_finding(&w, "0.3.0", NULL, CLI_INCONCLUSIVE, "mixed-versions", "it has no agent");
	stand_in_patch(
		&w, KIND_DAEMON_SET, "kube-system", "sidestep",
		"{\"spec\": {\"template\": {\"spec\": {\"tolerations\": [{\"key\": \"team\", "
		"\"value\": \"ours\"}], \"affinity\": {\"nodeAffinity\": "
		"{\"requiredDuringSchedulingIgnoredDuringExecution\": {\"nodeSelectorTerms\": "
		"[{\"matchExpressions\": [{\"key\": \"kind\", \"operator\": \"NotIn\", "
		"\"values\": [\"virtual\"]}]}]}}}}}}}");
	expect_finding(&w, "0.3.0", NULL, CLI_OK, "mixed-versions", "is not meant to run there");
	memset(&t, 0, sizeof(t));
	t.finalize = true;
	attempt_whole(&t, &w, "0.3.0", CLI_OK);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- the lock --- */

#define LEASES_FAIL                                                                                \
	"{\"faults\": [{\"match\": {\"user\": \"" UPGRADER "\", \"resource\": \"leases\"}, "       \
	"\"times\": 1000, \"status\": %d}]}"

static uint64_t away_since;
static bool lost;

/* It serves nobody the lock for a while that is longer than a holder may go without renewing it. */
static void away_for_12_s(struct attempt *t)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	uint64_t now = clock_now_ns(&t->world->clock.clock);

	lost |= !kube_lease_held(t->session.lease);
	if (!away_since)
		stand_in_faults(t->world, arena_printf(&a, LEASES_FAIL, 503));
	away_since = away_since ? away_since : now;
	if (now - away_since < 12 * NS_PER_S)
		t->at_step = "U10-wave-1";
	else
		stand_in_faults(t->world, NULL);
}

static int begin_locked(struct attempt *t, struct stand_in *w, struct error *err)
{
	memset(t, 0, sizeof(*t));
	t->finalize = true;
	attempt_open(t, w, "mine", -1);
	return session_lock(&t->session, upgrade_tool.only, err);
}

/* The lock of its own that it finds again is no reason to stop, nor to stop going back. */
TEST(an_api_that_is_away_for_a_while_takes_the_lock_from_nobody)
{
	static const char slow[] =
		"canarySoak: 3s\nsettle: 1s\nwaveSoak: 20s\nsoak: 2s\nprepare: 5s\n"
		"sampleEvery: 1s\ngateTimeout: 30s\nwaivers:\n"
		"- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n";
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct stand_in w;

	stand_in_new(&w);
	if (begin_locked(&t, &w, &err))
		fail_msg("%s", err.msg);
	t.at_step = "U10-wave-1";
	t.then = away_for_12_s;
	attempt_start(&t, stand_in_plan(&w, &w.arena, "0.3.0", slow));
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	assert_true(lost);
	attempt_expect_state(&w, ALL("0.3.0"));
	attempt_close(&t);
	stand_in_free(&w);
}

static void take_the_lock(struct attempt *t)
{
	stand_in_patch(t->world, KIND_LEASE, "kube-system", "sidestep-upgrade",
		       "{\"spec\": {\"holderIdentity\": \"a colleague\"}}");
}

TEST(a_lock_that_somebody_took_pauses_by_name)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct stand_in w;

	stand_in_new(&w);
	if (begin_locked(&t, &w, &err))
		fail_msg("%s", err.msg);
	t.at_step = "U9";
	t.then = take_the_lock;
	attempt_start(&t, attempt_plan(&w, "0.3.0"));
	assert_int_equal(attempt_go(&t), CLI_INTERRUPTED);
	if (!strstr(attempt_why(&t, &a), "the lock was lost to a colleague"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_close(&t);
	stand_in_free(&w);
}

/* It is at nothing until 1970: the words are those of the API. */
TEST(a_lock_that_may_not_be_written_is_said_so)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct stand_in w;

	stand_in_new_small(&w);
	stand_in_faults(&w, arena_printf(&a, LEASES_FAIL, 403));
	assert_int_equal(begin_locked(&t, &w, &err), -EACCES);
	if (!strstr(err.msg, "Lease kube-system/sidestep-upgrade, cannot be had"))
		fail_msg("%s", err.msg);
	attempt_close(&t);
	stand_in_free(&w);
}

/* --- kills and a refused API --- */

/* Killed once at a boundary, then gone on with, every second time from the copy alone. */
static int killed_at(struct stand_in *w, int kill_at, bool back, const char *state)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	int code, passed;

	memset(&t, 0, sizeof(t));
	t.back = back;
	attempt_open(&t, w, "mine", kill_at);
	if (back)
		attempt_find(&t, true);
	else
		attempt_start(&t, attempt_plan(w, "0.3.0"));
	code = attempt_go(&t);
	passed = t.boundary;
	if (code < 0) {
		attempt_close(&t);
		attempt_open(&t, w, kill_at % 2 ? "colleague" : "mine", -1);
		attempt_find(&t, true);
		code = attempt_go(&t);
	}
	attempt_expect_entry_gates(&t);
	if (code != (back ? CLI_OK : CLI_WAITING))
		fail_msg("killed at %d: %d: %s\n%s", kill_at, code, attempt_why(&t, &a), t.said);
	attempt_expect_state(w, state);
	attempt_close(&t);
	return passed;
}

/* Of the boundaries and faults only every so many-th, from an own beginning on. */
static int stride = 1, offset;

TEST(killed_at_every_boundary_it_ends_the_same)
{
	int there = 1, back = 1;

	for (int i = -1; i < there || i < back; i += i < 0 ? 1 + offset : stride) {
		struct stand_in w;
		int n;

		stand_in_new_small(&w);
		n = killed_at(&w, i < there ? i : -1, false, BOTH("0.3.0"));
		there = i < 0 ? n : there;
		n = killed_at(&w, i < back ? i : -1, true, BOTH("0.2.0"));
		back = i < 0 ? n : back;
		stand_in_free(&w);
	}
	printf("%d boundaries there, %d back\n", there, back);
	assert_true(there > 100 && back > 40);
}

/* Each verb of the API refuses or breaks once at its n-th request: it converges all the same. */
TEST(an_api_that_refuses_once_anywhere_changes_nothing)
{
	static const char *const faults[] = {
		"\"status\": 409", "\"status\": 410", "\"status\": 429, \"retryAfterSeconds\": 1",
		"\"status\": 500", "\"status\": 503", "\"status\": 504",
	};
	static const char *const verbs[] = {"get", "list", "create", "patch", "delete"};
	unsigned seed = 7;

	for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
		for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
			if ((int)(f * ARRAY_SIZE(verbs) + v) % stride != offset % stride)
				continue;
			auto_release(arena) struct arena a = ARENA_INIT;
			static struct attempt t;
			struct stand_in w;
			int code;

			stand_in_new_small(&w);
			memset(&t, 0, sizeof(t));
			t.finalize = true;
			attempt_open(&t, &w, "mine", -1);
			attempt_start(&t, attempt_plan(&w, "0.3.0"));
			stand_in_faults(
				&w, arena_printf(&a,
						 "{\"faults\": [{\"match\": {\"user\": \"" UPGRADER
						 "\", \"verb\": "
						 "\"%s\"}, \"skip\": %d, \"times\": 1, %s}]}",
						 verbs[v], rand_r(&seed) % 30, faults[f]));
			code = attempt_go(&t);
			stand_in_faults(&w, NULL);
			if (code != CLI_OK && strstr(t.said, "next: ") && code != CLI_ROLLED_BACK) {
				attempt_close(&t);
				attempt_open(&t, &w, "mine", -1);
				attempt_find(&t, false);
				code = attempt_go(&t);
			}
			if (code != CLI_OK)
				fail_msg("%s, %s: %d: %s\n%s", verbs[v], faults[f], code,
					 attempt_why(&t, &a), t.said);
			attempt_expect_state(&w, BOTH("0.3.0"));
			attempt_expect_entry_gates(&t);
			attempt_close(&t);
			stand_in_free(&w);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest quick[] = {
		cmocka_unit_test(every_gate_asks_two_origins_and_every_change_has_an_entry),
		cmocka_unit_test(plans_say_what_forbids_them),
		cmocka_unit_test(a_plan_does_not_believe_an_agent_that_is_silent),
		cmocka_unit_test(a_saved_plan_that_was_edited_is_refused),
		cmocka_unit_test(up_down_and_up_again),
		cmocka_unit_test(
			the_last_step_waits_for_an_approval_of_its_own_and_shuts_the_way_back),
		cmocka_unit_test(back_from_the_end_prepares_every_node),
		cmocka_unit_test(a_bad_release_is_taken_back_at_the_canary),
		cmocka_unit_test(nobody_is_left_on_a_release_that_was_taken_back),
		cmocka_unit_test(who_comes_up_with_the_new_version_goes_on_with_it),
		cmocka_unit_test(a_release_that_is_bad_only_later_is_taken_back_at_the_canary),
		cmocka_unit_test(a_canary_that_fails_is_not_left_failing_and_one_blink_is_borne),
		cmocka_unit_test(a_node_of_a_wave_that_fails_takes_the_wave_back),
		cmocka_unit_test(one_node_of_many_goes_back_alone),
		cmocka_unit_test(an_endpoint_that_cannot_be_built_anew_takes_everything_back),
		cmocka_unit_test(an_agent_that_cannot_prepare_does_not_shut_the_way_back),
		cmocka_unit_test(an_answer_is_not_believed_against_the_agents_own_status),
		cmocka_unit_test(a_layout_that_no_release_tells_is_asked_of_the_agents),
		cmocka_unit_test(a_gate_before_a_change_only_stops),
		cmocka_unit_test(a_silent_agent_pauses_and_goes_on_when_it_speaks),
		cmocka_unit_test(an_agent_of_many_reboots_is_no_crash_loop),
		cmocka_unit_test(a_soak_blames_no_release_for_what_passes_by),
		cmocka_unit_test(an_agent_that_takes_its_time_is_waited_for),
		cmocka_unit_test(agents_that_publish_no_health_are_not_asked_for_it),
		cmocka_unit_test(what_is_not_present_is_said_so_and_what_nobody_can_follow_pauses),
		cmocka_unit_test(a_helm_release_pauses_before_every_endpoint_is_built_anew),
		cmocka_unit_test(a_node_that_left_is_not_present),
		cmocka_unit_test(a_node_that_leaves_in_its_turn_or_behind_it_holds_nobody_up),
		cmocka_unit_test(
			one_node_that_is_not_well_again_leaves_nobody_else_on_what_is_fled),
		cmocka_unit_test(a_pause_leaves_mixed_versions_that_are_named),
		cmocka_unit_test(somebody_elses_image_is_a_conflict_and_stays),
		cmocka_unit_test(nothing_is_removed_while_a_node_still_needs_it),
		cmocka_unit_test(what_stops_behind_the_last_change_goes_on_without_a_way_back),
		cmocka_unit_test(a_layout_that_the_releases_file_has_wrong_costs_no_connections),
		cmocka_unit_test(a_part_that_a_waiver_names_does_not_keep_the_run_from_its_end),
		cmocka_unit_test(a_run_that_another_stands_on_is_not_taken_back),
		cmocka_unit_test(a_pod_that_is_drained_on_the_way_down_was_prepared),
		cmocka_unit_test(a_pod_of_the_run_is_like_the_agents_and_is_tried_again),
		cmocka_unit_test(clocks_that_differ_are_named_whichever_is_ahead),
		cmocka_unit_test(a_first_look_that_fails_leaves_no_evidence),
		cmocka_unit_test(a_node_that_the_agents_are_not_meant_for_is_in_nobodys_way),
		cmocka_unit_test(a_node_that_leaves_makes_no_plan_stale),
		cmocka_unit_test(an_api_that_is_away_for_a_while_takes_the_lock_from_nobody),
		cmocka_unit_test(a_lock_that_somebody_took_pauses_by_name),
		cmocka_unit_test(a_lock_that_may_not_be_written_is_said_so),
	};
	const struct CMUnitTest thorough[] = {
		cmocka_unit_test(killed_at_every_boundary_it_ends_the_same),
		cmocka_unit_test(an_api_that_refuses_once_anywhere_changes_nothing),
	};

	if (argc > 3) {
		stride = atoi(argv[2]);
		offset = atoi(argv[3]);
	}
	if (argc > 1 && !strcmp(argv[1], "thorough"))
		return cmocka_run_group_tests(thorough, NULL, NULL);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(quick, NULL, NULL);
}
