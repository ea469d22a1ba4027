/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run remembers of its nodes when it is gone on with, and what it forgives: against a real
 * API server, with a fake clock.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"

/* Once the agent's pod of worker-2 is the new one. */
static void pause_behind_the_pod(struct attempt *t)
{
	const struct journal *j = t->session.journal;
	bool done = false;

	for (size_t i = 0; i < journal_count(j); i++)
		done |= str_eq(journal_at(j, i)->type, "done") &&
			str_eq(doc_find_str(journal_at(j, i)->body, "op"), "pod");
	if (done)
		t->session.cluster.pause = "interrupted";
	else
		t->at_step = "U8/worker-2";
}

static int gone_on_with(struct attempt *t, struct stand_in *w)
{
	attempt_close(t);
	attempt_open(t, w, "mine", -1);
	attempt_find(t, false);
	return attempt_go(t);
}

static void expect(const struct attempt *t, int is, int code, const char *says)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (is != code || (says && !strstr(attempt_why(t, &a), says)))
		fail_msg("%d: %s\n%s", is, attempt_why(t, &a), t->said);
}

/* Nobody of ours was there when the new agent began to refuse, and the client has given up. */
TEST(a_pause_launders_no_refusal)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_DROPS;
	w.fault_on = "worker-2";
	memset(&t, 0, sizeof(t));
	t.at_step = "U8/worker-2";
	t.then = pause_behind_the_pod;
	attempt_whole(&t, &w, "0.3.0", CLI_INTERRUPTED);
	for (int i = 0; i < 5; i++) {
		fake_clock_advance(&w.clock, 10 * NS_PER_S);
		stand_in_tick(&w);
	}
	assert_int_equal(w.nodes[2].refused, 2);
	expect(&t, gone_on_with(&t, &w), CLI_INCONCLUSIVE, "identity 1 to 2 port 80");
	/* It is mended, and somebody has tried. */
	w.nodes[2].let_again = true;
	w.fault = AGENT_WELL;
	expect(&t, gone_on_with(&t, &w), CLI_WAITING, NULL);
	attempt_close(&t);
	stand_in_free(&w);
}

/* The kernel killed it, say. */
static void start_again(struct stand_in *w, size_t i)
{
	w->nodes[i].starts++;
	w->nodes[i].started_wall = clock_wall_ns(&w->clock.clock);
}

static void killed(struct attempt *t)
{
	start_again(t->world, 1);
}

static void rebooted(struct attempt *t)
{
	start_again(t->world, 1);
	t->world->nodes[1].boot = "another";
}

static void keeps_dying(struct attempt *t)
{
	start_again(t->world, 1);
	t->at_step = "U14";
}

static const struct doc *gate_record(const struct attempt *t, const char *gate)
{
	const struct doc *found = NULL;

	for (size_t i = 0; i < journal_count(t->session.journal); i++) {
		const struct journal_record *r = journal_at(t->session.journal, i);

		if (str_eq(r->type, "gate") && str_eq(doc_find_str(r->body, "gate"), gate))
			found = r->body;
	}
	return found;
}

static void expect_forgiven(const struct attempt *t, const char *gate, const char *what)
{
	const struct doc *d = gate_record(t, gate);
	const char *words = doc_find_str(d, "evidence.forgiven[0]");

	if (!words || !strstr(words, what))
		fail_msg("%s: wanted '%s' in '%s'", gate, what, str_or_empty(words));
	assert_non_null(strstr(str_or_empty(doc_find_str(d, "sources[2].saw")), what));
}

/* An agent that was killed once, a machine that was started anew: asked about once, told of. */
TEST(what_passes_by_is_forgiven_once_and_told)
{
	static const struct {
		const char *at, *gate, *words;
		void (*then)(struct attempt *t);
	} rows[] = {
		{"U14", "G-SOAK", "started 1 times more", killed},
		{"U10-wave-1", "G-WAVE", "started 1 times more", killed},
		{"U9", "G-CANARY", "which drops are usual since then is not known", rebooted},
		{"U14", "G-SOAK", "its machine was started anew", rebooted},
		{"U10-wave-1", "G-WAVE", "its machine was started anew", rebooted},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		struct stand_in w;

		stand_in_new(&w);
		memset(&t, 0, sizeof(t));
		t.at_step = rows[i].at;
		t.then = rows[i].then;
		attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
		expect_forgiven(&t, rows[i].gate, rows[i].words);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

static void interrupt(struct attempt *t)
{
	t->session.cluster.pause = "interrupted";
}

/* While nobody of ours was there. */
TEST(what_passed_by_during_a_pause_is_forgiven_too)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U14";
	t.then = interrupt;
	attempt_whole(&t, &w, "0.3.0", CLI_INTERRUPTED);
	start_again(&w, 1);
	start_again(&w, 2);
	w.nodes[2].boot = "another";
	stand_in_tick(&w);
	expect(&t, gone_on_with(&t, &w), CLI_WAITING, NULL);
	expect_forgiven(&t, "G-SOAK", "worker-1: its agent was started 1 times more");
	attempt_close(&t);
	stand_in_free(&w);
}

/* Somebody mends it, and the soak begins anew. */
TEST(an_agent_that_keeps_dying_stops_the_soak)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U14";
	t.then = keeps_dying;
	attempt_whole(&t, &w, "0.3.0", CLI_BLOCKED);
	expect(&t, CLI_BLOCKED, CLI_BLOCKED, "times since before");
	expect(&t, gone_on_with(&t, &w), CLI_WAITING, NULL);
	attempt_close(&t);
	stand_in_free(&w);
}

/* A team's pod that cannot start. */
static void deploy_badly(struct attempt *t)
{
	stand_in_create(t->world,
			"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": "
			"\"worse\", \"namespace\": \"team\"}, \"spec\": {\"nodeName\": "
			"\"worker-2\", \"containers\": [{\"name\": \"c\", \"image\": \"none\"}]}}");
}

static void crash(struct stand_in *w, const char *pod)
{
	stand_in_patch_status(w, KIND_POD, "team", pod,
			      "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			      "\"False\"}]}}");
}

static void crash_one(struct attempt *t)
{
	crash(t->world, "web-worker-2-1");
}

/* Pods that were not there and ready before their node's change are not its fault. */
TEST(a_pod_that_was_never_ready_holds_up_nobody)
{
	static const struct {
		void (*then)(struct attempt *t);
		int code;
	} rows[] = {{deploy_badly, CLI_WAITING}, {crash_one, CLI_ROLLED_BACK}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct attempt t;
		struct stand_in w;

		stand_in_new(&w);
		crash(&w, "web-worker-2-0");
		memset(&t, 0, sizeof(t));
		t.at_step = "U10-wave-1";
		t.then = rows[i].then;
		attempt_whole(&t, &w, "0.3.0", rows[i].code);
		attempt_close(&t);
		stand_in_free(&w);
	}
}

static void tighten(struct attempt *t, const char *ns)
{
	stand_in_create(t->world,
			arena_printf(&t->world->arena,
				     "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": "
				     "\"NetworkPolicy\", \"metadata\": {\"name\": \"none\", "
				     "\"namespace\": \"%s\"}, \"spec\": {\"podSelector\": {}}}",
				     ns));
	t->world->nodes[2].refused = 2;
}

static void tighten_team(struct attempt *t)
{
	tighten(t, "team");
}

static void tighten_elsewhere(struct attempt *t)
{
	tighten(t, "kube-system");
}

/* A team changes its policies while a wave soaks: nobody can tell whose refusal it is. */
TEST(who_is_refused_since_policies_were_changed_is_a_persons_decision)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U10-wave-1";
	t.then = tighten_team;
	attempt_whole(&t, &w, "0.3.0", CLI_INCONCLUSIVE);
	expect(&t, CLI_INCONCLUSIVE, CLI_INCONCLUSIVE,
	       "worker-2: nobody is refused who was let through before: identity 1 to 2 port 80 "
	       "was let through before and is refused now (3) (of 1 such pairs); policies of its "
	       "pods were changed");
	expect(&t, gone_on_with(&t, &w), CLI_WAITING, NULL);
	expect_forgiven(&t, "G-WAVE", "1 pairs are refused since policies were changed");
	expect_forgiven(&t, "G-SOAK", "1 pairs are refused since policies were changed");
	attempt_close(&t);
	stand_in_free(&w);
	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	t.at_step = "U10-wave-1";
	t.then = tighten_elsewhere;
	attempt_whole(&t, &w, "0.3.0", CLI_ROLLED_BACK);
	attempt_close(&t);
	stand_in_free(&w);
}

/* Twenty megabytes an hour: no look differs much from the last one. */
TEST(a_leak_of_hours_is_seen)
{
	static const char hours[] =
		"canarySoak: 1s\nsettle: 1s\nwaveSoak: 1s\nsoak: 5h\nprepare: 5s\nsampleEvery: "
		"600s\ngateTimeout: 3600s\nwaivers:\n"
		"- {id: staging-proof, reason: r, owner: o, expires: \"2100-01-01\"}\n"
		"- {id: soak-short, reason: r, owner: o, expires: \"2100-01-01\"}\n";
	static const int codes[] = {CLI_WAITING, CLI_ROLLED_BACK};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		static struct attempt t;
		struct stand_in w;

		stand_in_new(&w);
		w.fault = i ? AGENT_SEEPS : AGENT_WELL;
		memset(&t, 0, sizeof(t));
		attempt_open(&t, &w, "mine", -1);
		attempt_start(&t, stand_in_plan(&w, &w.arena, "0.3.0", hours));
		expect(&t, attempt_go(&t), codes[i], NULL);
		assert_true(!i || strstr(t.said, "minutes away"));
		attempt_close(&t);
		stand_in_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_launders_no_refusal),
		cmocka_unit_test(what_passes_by_is_forgiven_once_and_told),
		cmocka_unit_test(what_passed_by_during_a_pause_is_forgiven_too),
		cmocka_unit_test(a_pod_that_was_never_ready_holds_up_nobody),
		cmocka_unit_test(who_is_refused_since_policies_were_changed_is_a_persons_decision),
		cmocka_unit_test(a_leak_of_hours_is_seen),
		cmocka_unit_test(an_agent_that_keeps_dying_stops_the_soak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
