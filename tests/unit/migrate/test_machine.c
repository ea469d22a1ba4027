/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine against a real API server: there and back, killed once at every journal boundary,
 * edited by somebody else, watched by agents that fall silent. Time is a fake clock.
 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "migrate/gates_internal.h"
#include "tests/support/test.h"
#include "tests/unit/migrate/stand_in.h"

/* One attempt at a run; it ends well, or is killed at a boundary. */
struct attempt {
	struct stand_in *world;
	struct session session;
	struct cluster cluster;
	jmp_buf killed;
	int kill_at;  /* boundary at which to die; -1 never */
	int boundary; /* how many were passed */
	bool rollback;
	const char *pause_at;            /* step: somebody asks for a pause while its gate waits */
	const char *kill_behind_gate_of; /* step: die as soon as a gate of it was passed */
};

static void boundary(void *arg, const char *where)
{
	struct attempt *t = arg;

	const struct journal *j = t->session.journal;
	const struct journal_record *last = journal_at(j, journal_count(j) - 1);

	(void)where;
	if (t->kill_behind_gate_of && str_eq(last->type, "gate") &&
	    str_eq(doc_find_str(last->body, "step"), t->kill_behind_gate_of))
		longjmp(t->killed, 1);
	if (t->boundary++ == t->kill_at)
		longjmp(t->killed, 1);
}

static int wait_and_tick(void *ctx, uint64_t ns, struct error *err)
{
	struct run_host *h = ctx;
	struct attempt *t = h->arg;
	const struct journal *j = t->session.journal;
	const struct journal_record *last = journal_at(j, journal_count(j) - 1);
	int r;

	if (t->pause_at && str_eq(doc_find_str(last->body, "step"), t->pause_at)) {
		stand_in_patch(t->world, object_kind(KIND_SIDESTEP_RUN), NULL, t->session.run,
			       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION
			       "\": \"true\"}}}");
		t->pause_at = NULL;
	}
	r = cluster_wait(h->cluster, ns, err);
	if (!r)
		stand_in_tick(t->world);
	return r;
}

static struct doc *read_plan(struct arena *a)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");
	struct error err = ERROR_INIT;
	struct doc_stream s;
	const char *path =
		arena_printf(a, "%s/tests/unit/migrate/world/plan.yaml", source ? source : ".");

	if (doc_read_file(a, path, &s, &err))
		fail_msg("%s", err.msg);
	return s.docs[0];
}

static void open_attempt(struct attempt *t, struct stand_in *w, const char *state, int kill_at)
{
	t->world = w;
	t->cluster = stand_in_cluster(w);
	t->kill_at = kill_at;
	t->boundary = 0;
	session_attach(&t->session, &t->cluster, arena_printf(&w->arena, "%s/%s", w->dir, state));
}

static void close_attempt(struct attempt *t)
{
	session_close(&t->session);
	kube_client_free(t->cluster.client);
}

static void watch_boundaries(struct attempt *t)
{
	t->session.host.boundary = boundary;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.arg = t;
	t->session.host.step.wait = wait_and_tick;
}

/* true: ended by itself in *ret_state; false: killed. */
static bool go(struct attempt *t, enum run_state *ret_state)
{
	struct error err = ERROR_INIT;
	int r;

	watch_boundaries(t);
	if (setjmp(t->killed))
		return false;
	r = t->rollback ? session_rollback(&t->session, ret_state, &err)
			: session_run(&t->session, ret_state, &err);
	if (r)
		fail_msg("%s", err.msg);
	return true;
}

static void start(struct attempt *t, struct doc *plan)
{
	struct error err = ERROR_INIT;

	if (session_start(&t->session, plan ? plan : read_plan(&t->session.arena), &err))
		fail_msg("%s", err.msg);
}

static void find(struct attempt *t, bool done)
{
	struct error err = ERROR_INIT;

	if (session_find(&t->session, "ledger", done, &err))
		fail_msg("%s", err.msg);
}

/* Of the journal's last transition; "" without. */
static const char *why(const struct attempt *t, struct arena *a)
{
	struct run_status status;

	run_status(a, t->session.journal, t->session.steps, t->session.n_steps, &status);
	return arena_strdup(a, str_or_empty(status.reason));
}

static void expect_reason(struct attempt *t, const char *says)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (!strstr(why(t, &a), says))
		fail_msg("wanted '%s' in: %s", says, why(t, &a));
}

/* Runs to the end with one kill; afterwards a colleague, who has no journal, goes on. */
static int run_killed_at(struct stand_in *w, int kill_at, bool rollback, enum run_state want)
{
	static struct attempt t;
	enum run_state state;
	const char *reason;
	int passed;
	bool whole;

	memset(&t, 0, sizeof(t));
	open_attempt(&t, w, "mine", kill_at);
	t.rollback = rollback;
	if (rollback)
		find(&t, true);
	else
		start(&t, NULL);
	whole = go(&t, &state);
	reason = why(&t, &w->arena);
	passed = t.boundary;
	close_attempt(&t);
	if (!whole) {
		/* Every second time from the copy in the cluster alone. */
		open_attempt(&t, w, kill_at % 2 ? "colleague" : "mine", -1);
		find(&t, true);
		assert_true(go(&t, &state));
		reason = why(&t, &w->arena);
		close_attempt(&t);
	}
	if (state != want)
		fail_msg("killed at %d: %s: %s", kill_at, run_state_name(state), reason);
	return passed;
}

static const char *line_of(struct arena *a, const char *text, const char *begins)
{
	const char *line = strstr(text, begins);

	return line ? arena_strndup(a, line, strcspn(line, "\n")) : "";
}

TEST(there_and_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct stand_in w;
	const char *before, *after;

	stand_in_new(&w);
	before = stand_in_state(&w, &a);
	assert_non_null(strstr(before, "pods 3 with, 0 without"));
	run_killed_at(&w, -1, false, RUN_DONE);
	after = stand_in_state(&w, &a);
	if (!strstr(after, "pods 0 with, 3 without"))
		fail_msg("%s", strstr(after, "requests "));
	assert_non_null(strstr(after, "sidestep-books"));
	assert_non_null(strstr(after, "requests 0"));
	assert_null(strstr(after, "ISTIO_MUTUAL"));
	/* Who probe pods were is gone too, and comes back for the way back. */
	assert_string_equal(line_of(&a, after, "accounts "), line_of(&a, before, "accounts "));
	run_killed_at(&w, -1, true, RUN_ROLLED_BACK);
	assert_string_equal(stand_in_state(&w, &a), before);
	stand_in_free(&w);
}

TEST(killed_at_every_boundary_it_ends_the_same)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *before = NULL, *after = NULL;
	int forward = 1, back = 1;

	for (int i = -1; i < forward || i < back; i++) {
		struct stand_in w;

		stand_in_new(&w);
		if (i < 0)
			before = stand_in_state(&w, &a);
		if (i < 0)
			forward = run_killed_at(&w, -1, false, RUN_DONE);
		else
			run_killed_at(&w, i < forward ? i : -1, false, RUN_DONE);
		if (i < 0)
			after = stand_in_state(&w, &a);
		else
			assert_string_equal(stand_in_state(&w, &a), after);
		if (i < 0)
			back = run_killed_at(&w, -1, true, RUN_ROLLED_BACK);
		else
			run_killed_at(&w, i < back ? i : -1, true, RUN_ROLLED_BACK);
		assert_string_equal(stand_in_state(&w, &a), before);
		stand_in_free(&w);
	}
	printf("%d boundaries there, %d back\n", forward, back);
}

/* Kills at boundary n, lets somebody edit, goes on, and expects a conflict. */
static void conflict_after_edit(const char *step_type, const struct object_kind *kind,
				const char *ns, const char *name, const char *edit,
				const char *stays)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;
	enum run_state state;
	auto_release(strbuf) struct strbuf live = STRBUF_INIT;

	stand_in_new(&w);
	run_killed_at(&w, -1, false, RUN_DONE);
	stand_in_patch(&w, kind, ns, name, edit);
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	t.rollback = true;
	find(&t, true);
	assert_true(go(&t, &state));
	if (state != RUN_ROLLBACK_STOPPED && state != RUN_CONFLICT)
		fail_msg("%s: %s", step_type, run_state_name(state));
	expect_reason(&t, name);
	close_attempt(&t);
	doc_write_json(stand_in_get(&w, &a, kind, ns, name), DOC_COMPACT, &live);
	assert_non_null(strstr(strbuf_cstr(&live), stays));
	stand_in_free(&w);
}

TEST(a_foreign_edit_is_a_conflict_and_stays)
{
	conflict_after_edit("label", object_kind(KIND_NAMESPACE), NULL, "ledger",
			    "{\"metadata\": {\"labels\": {\"istio-injection\": \"maybe\"}}}",
			    "\"istio-injection\":\"maybe\"");
	conflict_after_edit("policy", object_kind(KIND_CILIUM_NETWORK_POLICY), "ledger",
			    "sidestep-books", "{\"spec\": {\"description\": \"mine now\"}}",
			    "mine now");
}

TEST(a_forced_tls_stops_the_run_and_relaxed_it_passes)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;
	struct doc *plan;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	plan = read_plan(&t.session.arena);
	doc_foreach_item (doc_get(plan, "steps"), s)
		if (str_eq(doc_find_str(s, "id"), "N7"))
			doc_del(doc_get(s, "args"), "patches");
	start(&t, plan);
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_STOPPED);
	expect_reason(&t, "G-RELAXED");
	assert_int_equal(session_exit_code(ended, false), 3);
	stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
		       "{\"spec\": {\"trafficPolicy\": {\"tls\": null}}}");
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_DONE);
	close_attempt(&t);
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
		open_attempt(&t, &w, "mine", -1);
		t.kill_behind_gate_of = steps[i];
		start(&t, NULL);
		assert_false(go(&t, &ended));
		close_attempt(&t);
		stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
			       "{\"spec\": {\"trafficPolicy\": {\"tls\": {\"mode\": "
			       "\"ISTIO_MUTUAL\"}}}}");
		t.kill_behind_gate_of = NULL;
		open_attempt(&t, &w, "mine", -1);
		find(&t, false);
		assert_true(go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		expect_reason(&t, steps[i]);
		expect_reason(&t, "G-RELAXED");
		stand_in_patch(&w, object_kind(KIND_DESTINATION_RULE), "ledger", "books",
			       "{\"spec\": {\"trafficPolicy\": {\"tls\": null}}}");
		assert_true(go(&t, &ended));
		assert_int_equal(ended, RUN_DONE);
		close_attempt(&t);
		stand_in_free(&w);
	}
}

TEST(who_was_overtaken_by_a_colleague_writes_nothing_more)
{
	static struct attempt mine, colleague;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct stand_in w;
	enum run_state ended;
	const char *before;

	stand_in_new(&w);
	memset(&mine, 0, sizeof(mine));
	open_attempt(&mine, &w, "mine", 40);
	start(&mine, NULL);
	assert_false(go(&mine, &ended)); /* not killed but asleep: the session stays */
	memset(&colleague, 0, sizeof(colleague));
	open_attempt(&colleague, &w, "colleague", 1);
	find(&colleague, false);
	assert_false(go(&colleague, &ended)); /* has said that it goes on, nothing else yet */
	mine.kill_at = colleague.kill_at = -1;
	before = stand_in_state(&w, &a);
	/* The first record of the colleague may not have left his machine. */
	close_attempt(&colleague);
	open_attempt(&colleague, &w, "colleague", -1);
	find(&colleague, false);
	fake_clock_advance(&w.clock, NS_PER_S);
	assert_int_equal(session_run(&mine.session, &ended, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "somebody else goes on"));
	assert_string_equal(stand_in_state(&w, &a), before);
	assert_true(go(&colleague, &ended));
	assert_int_equal(ended, RUN_DONE);
	close_attempt(&colleague);
	close_attempt(&mine);
	stand_in_free(&w);
}

TEST(a_would_be_refusal_stops_the_audit)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	start(&t, NULL);
	/* Silent agents first: not known, so paused as inconclusive and not passed. */
	w.agent_silent = true;
	fake_clock_advance(&w.clock, 120 * NS_PER_S);
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_INCONCLUSIVE);
	expect_reason(&t, "silent");
	assert_int_equal(session_exit_code(ended, false), 5);
	w.agent_silent = false;
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_DONE);
	close_attempt(&t);
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
		open_attempt(&t, &w, "mine", -1);
		start(&t, NULL);
		assert_true(go(&t, &ended));
		if (ended != rows[i].ends)
			fail_msg("%zu: %s: %s", i, run_state_name(ended), why(&t, &a));
		expect_reason(&t, rows[i].gate);
		expect_reason(&t, rows[i].says);
		w.probe = PROBE_WELL;
		assert_true(go(&t, &ended));
		if (ended != RUN_DONE)
			fail_msg("%zu: then %s: %s", i, run_state_name(ended), why(&t, &a));
		close_attempt(&t);
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
		open_attempt(&t, &w, "mine", -1);
		start(&t, NULL);
		assert_true(go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		expect_reason(&t, "N7: gate G-RELAXED");
		expect_reason(&t, "has not taken");
		/* A colleague goes on: the look is in the journal. */
		close_attempt(&t);
		open_attempt(&t, &w, "colleague", -1);
		find(&t, false);
		assert_true(go(&t, &ended));
		assert_int_equal(ended, RUN_STOPPED);
		w.probe = PROBE_WELL;
		assert_true(go(&t, &ended));
		assert_int_equal(ended, RUN_DONE);
		close_attempt(&t);
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
		open_attempt(&t, &w, "mine", -1);
		start(&t, NULL);
		assert_true(go(&t, &ended));
		if (ended != RUN_INCONCLUSIVE)
			fail_msg("%zu: %s: %s", i, run_state_name(ended), why(&t, &a));
		expect_reason(&t, rows[i].gate);
		expect_reason(&t, rows[i].says);
		rows[i].mend(&w);
		stand_in_tick(&w);
		assert_true(go(&t, &ended));
		if (ended != RUN_DONE)
			fail_msg("%zu: then %s: %s", i, run_state_name(ended), why(&t, &a));
		close_attempt(&t);
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
		open_attempt(&t, &w, "mine", -1);
		start(&t, NULL);
		assert_true(go(&t, &ended));
		if ((ended == RUN_DONE) != !refuses)
			fail_msg("%s: %s", run_state_name(ended), why(&t, &a));
		if (refuses)
			expect_reason(&t, "G-AUDIT-CLEAN");
		close_attempt(&t);
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
	m = (struct migration){.cluster = &c, .ns = "ledger", .plan = read_plan(&w.arena)};
	w.refused = 3;
	stand_in_tick(&w);
	assert_string_equal(uncounted(&w, &m, false), "");
	assert_non_null(strstr(uncounted(&w, &m, true), "published nothing"));
	fake_clock_advance(&w.clock, NS_PER_S);
	stand_in_tick(&w);
	assert_string_equal(uncounted(&w, &m, true), "");
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
	ask_once(&w, "G-WELL", read_plan(&w.arena), &s);
	assert_int_equal(s.sources[0].result, FINDING_PASS);
	stand_in_free(&w);
}

TEST(no_way_back_past_a_probe_without_its_sidecar)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;

	stand_in_new(&w);
	run_killed_at(&w, -1, false, RUN_DONE);
	w.probe = PROBE_CONTRADICTS;
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	t.rollback = true;
	find(&t, true);
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_ROLLBACK_STOPPED);
	expect_reason(&t, "G-INJECTION-ON");
	w.probe = PROBE_WELL;
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_ROLLED_BACK);
	close_attempt(&t);
	stand_in_free(&w);
}

TEST(a_colleague_can_ask_for_a_pause)
{
	static struct attempt t;
	struct stand_in w;
	enum run_state ended;
	size_t n;

	stand_in_new(&w);
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	start(&t, NULL);
	stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, t.session.run,
		       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION "\": \"true\"}}}");
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_PAUSED);
	assert_int_equal(session_exit_code(ended, false), 8);
	close_attempt(&t);
	/* Resumed, it is asked again while a gate waits, which writes nothing: the gate does not
	 * end. */
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	find(&t, false);
	stand_in_patch(&w, object_kind(KIND_SIDESTEP_RUN), NULL, t.session.run,
		       "{\"metadata\": {\"annotations\": {\"" PAUSE_ANNOTATION "\": null}}}");
	t.session.cluster.pause = NULL;
	t.pause_at = "N3-policies";
	assert_true(go(&t, &ended));
	assert_int_equal(ended, RUN_PAUSED);
	n = journal_count(t.session.journal);
	assert_string_equal(journal_at(t.session.journal, n - 1)->type, "state");
	assert_string_equal(journal_at(t.session.journal, n - 2)->type, "done");
	close_attempt(&t);
	/* A second run of the namespace is refused while this one is open. */
	memset(&t, 0, sizeof(t));
	open_attempt(&t, &w, "mine", -1);
	assert_int_equal(session_start(&t.session, read_plan(&t.session.arena), NULL), -EBUSY);
	close_attempt(&t);
	stand_in_free(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest quick[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(a_foreign_edit_is_a_conflict_and_stays),
		cmocka_unit_test(a_forced_tls_stops_the_run_and_relaxed_it_passes),
		cmocka_unit_test(a_rule_put_back_while_nobody_looked_stops_the_run),
		cmocka_unit_test(who_was_overtaken_by_a_colleague_writes_nothing_more),
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
		cmocka_unit_test(a_colleague_can_ask_for_a_pause),
	};
	const struct CMUnitTest thorough[] = {
		cmocka_unit_test(killed_at_every_boundary_it_ends_the_same),
	};

	if (argc > 1 && !strcmp(argv[1], "every-boundary"))
		return cmocka_run_group_tests(thorough, NULL, NULL);
	return cmocka_run_group_tests(quick, NULL, NULL);
}
