/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs against a real API server: approvals by other people, changes and their way back, killed
 * once at every boundary of the journal, changed files, edits by others, evidence. Time is a fake
 * clock.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/run/report.h"
#include "runbooks/fit.h"
#include "runbooks/params.h"
#include "runbooks/run_internal.h"
#include "runbooks/wanted.h"
#include "tests/support/test.h"
#include "tests/unit/runbooks/stage.h"

static void step_aside(struct error *err)
{
	*err = (struct error)ERROR_INIT;
}

/* Begins it and goes on until it waits for the approval; the run's name, in the stage. */
static const char *until_approval_of(struct stage *s, const char *state, const char *book)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	const char *run;

	attempt_open(&t, s, "alice", state);
	if (attempt_start(&t, book, MODE_EXECUTE, &err))
		fail_msg("%s", err.msg);
	run = arena_strdup(&s->arena, t.r.run);
	assert_true(attempt_go(&t, false, &end));
	assert_int_equal(end.exit, 7);
	assert_string_equal(end.waiting, "agree");
	assert_non_null(strstr(end.why, "0 of "));
	assert_non_null(strstr(run_next_words(&t.r, &end), "sidestep runbook approve"));
	attempt_close(&t);
	return run;
}

static const char *until_approval(struct stage *s, const char *state)
{
	return until_approval_of(s, state, "raise");
}

static struct run_end resume(struct stage *s, const char *user, const char *state, const char *run,
			     bool rollback)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;

	attempt_open(&t, s, user, state);
	/* What the run itself has written is believed, at whatever boundary it was cut off. */
	if (attempt_find(&t, run, &err) || copied_fits(&t.r, &err))
		fail_msg("%s", err.msg);
	assert_true(attempt_go(&t, rollback, &end));
	end.outcome = end.outcome ? arena_strdup(&s->arena, end.outcome) : NULL;
	end.cause = end.cause ? arena_strdup(&s->arena, end.cause) : NULL;
	end.why = end.why ? arena_strdup(&s->arena, end.why) : NULL;
	attempt_close(&t);
	return end;
}

static const char *size_of(struct stage *s)
{
	return doc_find_str(stage_get(s, KIND_CONFIG_MAP, "web", "limits"), "data.size");
}

static bool holds(const char *dir, const char *what)
{
	DIR *d = opendir(dir);
	bool found = false;

	for (struct dirent *e; d && !found && (e = readdir(d));) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		auto_release(arena) struct arena a = ARENA_INIT;
		const char *path = arena_printf(&a, "%s/%s", dir, e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			found = holds(path, what);
		else if (!io_read_file(path, 1u << 24, &text, NULL))
			found = strstr(strbuf_cstr(&text), what) != NULL;
	}
	if (d)
		closedir(d);
	return found;
}

/* As a runbook notes it that was called, or within a list whose id is "rollback". */
static struct run_end back_with(struct stage *s, const char *run, const char *key, const char *back)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	struct doc *body;

	attempt_open(&t, s, "alice", "alice");
	if (attempt_find(&t, run, &err))
		fail_msg("%s", err.msg);
	body = doc_map(journal_arena(t.r.journal));
	doc_set_string(journal_arena(t.r.journal), body, "step", key);
	doc_set_string(journal_arena(t.r.journal), body, "back", back);
	if (str_eq(back, BACK_NONE))
		doc_set_string(journal_arena(t.r.journal), body, "reason", "gone is gone");
	if (run_record(&t.r, "change", body, &err))
		fail_msg("%s", err.msg);
	assert_true(attempt_go(&t, true, &end));
	end.why = end.why ? arena_strdup(&s->arena, end.why) : NULL;
	attempt_close(&t);
	return end;
}

TEST(what_cannot_be_taken_back_here_is_said)
{
	static const struct {
		const char *key, *back;
		int exit;
	} cases[] = {
		{"incident/fix", BACK_STEPS, 10},
		{"incident/raise", BACK_STEPS, 10}, /* not our own step of that id */
		{"incident/each[0].raise", BACK_STEPS, 10},
		{"rollback.beside.rollback.fix", BACK_STEPS, 10},
		{"incident/fix", BACK_NONE, 9},
		{"raise.rollback.fix", BACK_UNDOES, 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct run_end end;
		struct stage s;
		const char *run;

		stage_new(&s);
		run = until_approval(&s, "alice");
		if (attempt_approve(&s, "bob", run, "agree", &err))
			fail_msg("%s", err.msg);
		assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
		end = back_with(&s, run, cases[i].key, cases[i].back);
		if (end.exit != cases[i].exit)
			fail_msg("%s (%s): exit %d", cases[i].key, cases[i].back, end.exit);
		if (end.exit == 10)
			assert_non_null(strstr(end.why, cases[i].key));
		stage_free(&s);
	}
}

TEST(another_agrees_and_it_goes_on_and_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run, *before;
	struct run_end end;
	struct doc *till;

	stage_new(&s);
	before = stage_state(&s, &a);
	run = until_approval(&s, "alice");
	assert_string_equal(stage_state(&s, &a), before);
	/* Again and again: it still waits, and asks nothing twice. */
	end = resume(&s, "alice", "alice", run, false);
	assert_int_equal(end.exit, 7);
	assert_int_equal(attempt_approve(&s, "alice", run, "agree", &err), -EPERM);
	assert_non_null(strstr(err.msg, "asked for it"));
	assert_int_equal(attempt_approve(&s, "carol", run, "agree", &err), -EPERM);
	assert_int_equal(attempt_approve(&s, "bob", run, "raise", &err), -ENOENT);
	step_aside(&err);
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	assert_int_equal(attempt_approve(&s, "bob", run, "agree", &err), -EALREADY);
	end = resume(&s, "alice", "alice", run, false);
	assert_int_equal(end.exit, 0);
	assert_string_equal(end.outcome, "raised");
	/* Outcomes say what was the matter, not what was seen later. */
	assert_string_equal(end.cause, "it was 1");
	assert_string_equal(size_of(&s), "2");
	till = stage_get(&s, KIND_DEPLOYMENT, "web", "till");
	assert_string_equal(doc_find_str(till, "spec.template.spec.containers[0].image"), "till:2");
	assert_string_equal(doc_find_str(till, "spec.template.spec.containers[1].image"), "log:1");
	assert_non_null(doc_find_str(till, "spec.template.metadata.annotations['sidestep.dev/"
					   "restarted-by']"));
	/* Over is over. */
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	end = resume(&s, "alice", "alice", run, true);
	assert_int_equal(end.exit, 9);
	assert_string_equal(stage_state(&s, &a), before);
	stage_free(&s);
}

/* What was seen is another, as only a copy that somebody has written into would have it. */
static void see_otherwise(struct attempt *t, const char *size)
{
	struct doc *data = doc_find(doc_get(t->r.answers, "seen"), "answer.object.data");

	assert_non_null(data);
	doc_set_string(&t->r.arena, data, "size", size);
}

static void when_agreed(struct attempt *t, const char *where)
{
	const struct journal_record *rec =
		journal_at(t->r.journal, journal_count(t->r.journal) - 1);

	if (str_eq(where, "answer") && str_eq(doc_find_str(rec->body, "step"), "agree"))
		see_otherwise(t, "9");
}

/* What a copy shows of the first change, as somebody wrote it there. */
static void shows(struct attempt *t, const char *run, const char *member, const char *value)
{
	struct approval_wanted w;
	struct error err = ERROR_INIT;
	struct doc *does;

	attempt_open(t, t->stage, "bob", "bob");
	if (runner_find(&t->r, run, false, &err) || approval_of_run(&t->r, "agree", &w, &err))
		fail_msg("%s", err.msg);
	does = (struct doc *)(uintptr_t)doc_find(wanted_asked(&t->r, "agree")->body,
						 "changes[0].does['k8s.patch']");
	assert_non_null(does);
	doc_set_string(&t->r.arena, does, member, value);
	assert_int_equal(approval_of_run(&t->r, "agree", &w, &err), -EPERM);
	assert_non_null(strstr(err.msg, "written into the copy"));
	attempt_close(t);
}

TEST(what_is_shown_is_what_the_runbook_does)
{
	struct attempt t = {.kill_at = -1};
	struct stage s;
	const char *run;

	stage_new(&s);
	t.stage = &s;
	run = until_approval(&s, "alice");
	shows(&t, run, "ref", "v1 ConfigMap web/harmless");
	shows(&t, run, "patch", "nothing");
	shows(&t, run, "more", "of it");
	stage_free(&s);
}

TEST(an_approval_is_of_what_would_be_done_when_it_was_asked_for)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct approval_wanted w;
	struct error err = ERROR_INIT;
	struct run_end end;
	struct attempt t;
	struct stage s;
	const char *run, *before;

	for (int i = 0; i < 3; i++) {
		t = (struct attempt){.kill_at = -1};
		stage_new(&s);
		run = until_approval_of(&s, "alice", "filled");
		before = stage_state(&s, &a);
		attempt_open(&t, &s, "bob", "bob");
		if (runner_find(&t.r, run, false, &err) || approval_of_run(&t.r, "agree", &w, &err))
			fail_msg("%s", err.msg);
		assert_string_equal(
			doc_find_str(w.changes, "[0].does['k8s.patch'].patch.data.size"), "1");
		assert_string_equal(doc_find_str(w.changes, "[0].does['k8s.patch'].patch.data.by"),
				    "fill");
		/* The item is not known; what the items are is. */
		assert_string_equal(doc_find_str(w.changes, "[0].does['k8s.patch'].ref"),
				    "v1 ConfigMap ${params.namespace}/${name}");
		assert_string_equal(doc_str(doc_at(doc_find(w.changes, "[0].each[0].items"), 0)),
				    "limits");
		attempt_close(&t);
		if (attempt_approve(&s, "bob", run, "agree", &err))
			fail_msg("%s", err.msg);
		t = (struct attempt){.kill_at = -1, .at = i == 2 ? when_agreed : NULL};
		attempt_open(&t, &s, "alice", "alice");
		if (attempt_find(&t, run, &err))
			fail_msg("%s", err.msg);
		if (i == 1)
			see_otherwise(&t, "9");
		assert_true(attempt_go(&t, false, &end));
		if (i == 1)
			assert_non_null(strstr(end.why, "0 of 1 approvals"));
		if (i == 2)
			assert_non_null(strstr(end.why, "is void"));
		assert_int_equal(end.exit, i == 0 ? 0 : i == 1 ? 7 : 3);
		attempt_close(&t);
		if (i == 0)
			assert_string_equal(
				doc_find_str(stage_get(&s, KIND_CONFIG_MAP, "web", "limits"),
					     "data.by"),
				"fill");
		else
			assert_string_equal(stage_state(&s, &a), before);
		stage_free(&s);
	}
}

TEST(a_forged_or_late_approval_does_not_count)
{
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run;

	stage_new(&s);
	run = until_approval(&s, "alice");
	/* Of another plan. */
	stage_put(&s,
		  arena_printf(&s.arena,
			       "{apiVersion: sidestep.dev/v1alpha1, kind: SidestepRun, metadata: "
			       "{name: forged}, spec: {tool: approval, subject: %s, step: agree, "
			       "holder: bob, groups: [oncall], planDigest: \"00\"}}",
			       run));
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 7);
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	fake_clock_advance(&s.clock, 31ull * 60 * NS_PER_S);
	/* Nobody agreed in time: it is over. */
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 8);
	assert_string_equal(size_of(&s), "1");
	stage_free(&s);
}

/* As a server has it that enforces runbooks/cluster/approvals.yaml; this one does not. */
static void put_admission(struct stage *s, const char *kind, const char *plural, const char *spec)
{
	struct error err = ERROR_INIT;
	struct doc_stream docs;
	const char *text = arena_printf(&s->arena,
					"{apiVersion: admissionregistration.k8s.io/v1, kind: %s, "
					"metadata: {name: sidestep-approvals}, spec: %s}",
					kind, spec);
	struct kube_request request = {
		.verb = KUBE_CREATE,
		.path = arena_printf(&s->arena, "/apis/admissionregistration.k8s.io/v1/%s",
				     plural)};

	stage_put(s, arena_printf(&s->arena,
				  "{apiVersion: apiextensions.k8s.io/v1, kind: "
				  "CustomResourceDefinition, metadata: {name: "
				  "%s.admissionregistration.k8s.io}, spec: {group: "
				  "admissionregistration.k8s.io, scope: Cluster, names: {kind: %s, "
				  "plural: %s}, versions: [{name: v1, served: true, storage: true, "
				  "schema: {openAPIV3Schema: {type: object, "
				  "x-kubernetes-preserve-unknown-fields: true}}}]}}",
				  plural, kind, plural));
	if (doc_read_yaml(&s->arena, text, strlen(text), "admission", &docs, &err))
		fail_msg("%s", err.msg);
	request.body = docs.docs[0];
	for (int i = 0; cluster_do(&s->cluster, &request, &s->arena, NULL, &err); i++) {
		if (i == 10 || cluster_wait(&s->cluster, NS_PER_S, &err))
			fail_msg("%s", err.msg);
		step_aside(&err);
	}
}

static void enforce(struct stage *s, const char *policy, const char *binding)
{
	if (policy)
		put_admission(s, "ValidatingAdmissionPolicy", "validatingadmissionpolicies",
			      policy);
	if (binding)
		put_admission(s, "ValidatingAdmissionPolicyBinding",
			      "validatingadmissionpolicybindings", binding);
	fake_clock_advance(&s->clock, 2 * NS_PER_S);
}

TEST(a_name_is_the_servers_word_only_where_it_gives_it)
{
#define BOUND(how) "{policyName: sidestep-approvals, validationActions: [" how "]}"
	static const struct {
		const char *policy, *binding;
		bool late, vouched;
	} rows[] = {
		{NULL, NULL, false, false},
		{"{failurePolicy: Fail}", NULL, false, false},
		{"{failurePolicy: Fail}", BOUND("Audit, Warn"), false, false},
		{"{failurePolicy: Ignore}", BOUND("Deny"), false, false},
		{"{failurePolicy: Fail}", "{policyName: other, validationActions: [Deny]}", false,
		 false},
		{"{failurePolicy: Fail}", BOUND("Deny"), true, false},
		{"{failurePolicy: Fail}", BOUND("Deny"), false, true},
	};
#undef BOUND

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct attempt t = {.kill_at = -1};
		struct error err = ERROR_INIT;
		struct run_end end;
		struct stage s;
		const char *run;

		stage_new(&s);
		run = until_approval(&s, "alice");
		if (!rows[i].late)
			enforce(&s, rows[i].policy, rows[i].binding);
		if (attempt_approve(&s, "bob", run, "agree", &err))
			fail_msg("%s", err.msg);
		if (rows[i].late)
			enforce(&s, rows[i].policy, rows[i].binding);
		t.vouched_only = true;
		attempt_open(&t, &s, "alice", "alice");
		assert_int_equal(attempt_find(&t, run, &err), 0);
		assert_true(attempt_go(&t, false, &end));
		assert_int_equal(end.exit, rows[i].vouched ? 0 : 7);
		if (!rows[i].vouched)
			assert_non_null(strstr(end.why, "--accept-unvouched"));
		attempt_close(&t);
		/* With somebody's word for it the name counts, and that is said. */
		assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
		attempt_open(&t, &s, "alice", "alice");
		assert_int_equal(attempt_find(&t, run, &err), 0);
		assert_int_equal(!doc_find_str(t.r.answers, "agree.why"), rows[i].vouched);
		if (doc_bool_or(doc_find(run_account(&t.r), "approvals[0].by[0].vouched"), false) !=
		    rows[i].vouched)
			fail_msg("row %zu", i);
		attempt_close(&t);
		stage_free(&s);
	}
}

/* Runs to the end with one kill; afterwards somebody goes on, every second time a colleague who has
 * nothing but the cluster. How many boundaries were passed by the first. */
static int killed_at(struct stage *s, const char *run, int kill_at, bool rollback, int want)
{
	static struct attempt t;
	struct error err = ERROR_INIT;
	const char *state = kill_at % 2
				    ? arena_printf(&s->arena, "colleague-%d-%d", kill_at, rollback)
				    : "alice";
	struct run_end end;
	int passed;
	bool whole;

	t = (struct attempt){.kill_at = -1};
	attempt_open(&t, s, "alice", "alice");
	if (attempt_find(&t, run, &err))
		fail_msg("%s", err.msg);
	t.kill_at = kill_at;
	t.boundary = 0;
	whole = attempt_go(&t, rollback, &end);
	passed = t.boundary;
	t.kill_at = -1;
	attempt_close(&t);
	if (!whole)
		end = resume(s, state[0] == 'c' ? "bert" : "alice", state, run, rollback);
	if (end.exit != want)
		fail_msg("killed at %d%s: exit %d: %s", kill_at, rollback ? " on the way back" : "",
			 end.exit, str_or_empty(end.why));
	return passed;
}

TEST(killed_at_every_boundary_it_converges)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *before = NULL, *done = NULL;
	int n = 0, n_back = 0;

	/* The first of them is not killed: it counts. */
	for (int at = -1; at < MAX(n, n_back); at++) {
		struct error err = ERROR_INIT;
		struct stage s;
		const char *run;
		int passed;

		stage_new(&s);
		before = before ? before : stage_state(&s, &a);
		run = until_approval(&s, "alice");
		if (attempt_approve(&s, "bob", run, "agree", &err))
			fail_msg("%s", err.msg);
		passed = killed_at(&s, run, at < n ? at : -1, false, 0);
		n = MAX(n, passed);
		done = done ? done : stage_state(&s, &a);
		assert_string_equal(stage_state(&s, &a), done);
		passed = killed_at(&s, run, at < n_back ? at : -1, true, 9);
		n_back = MAX(n_back, passed);
		assert_string_equal(stage_state(&s, &a), before);
		stage_free(&s);
	}
	assert_true(n > 25 && n_back > 15);
	printf("%d boundaries there, %d back\n", n, n_back);
}

/* Whether the scripted fault has struck. */
static bool struck(struct stage *s)
{
	struct kube_request request = {.verb = KUBE_GET, .path = "/sidestep/faults"};
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	if (cluster_do(&s->cluster, &request, &s->arena, &d, &err))
		fail_msg("%s", err.msg);
	return doc_find_int(d, "faults[0].times", 0) == 0;
}

static void set_fault(struct stage *s, const char *match, const char *fault, int skip)
{
	const char *text = arena_printf(
		&s->arena, "{faults: [{match: {user: bert%s}, skip: %d, times: 1, %s}]}", match,
		skip, fault);
	struct doc_stream docs;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&s->arena, text, strlen(text), "faults", &docs, &err) ||
	    apiserver_set_faults(s->server, docs.docs[0], &err))
		fail_msg("%s", err.msg);
}

/* bert at alice's run, once; false: he could not even take it up, or not go on. */
static bool at_it(struct stage *s, const char *run, bool rollback, struct run_end *end)
{
	struct error err = ERROR_INIT;
	static struct attempt t;
	int rc;

	t = (struct attempt){.kill_at = -1};
	attempt_open(&t, s, "bert", "alice");
	rc = runner_find(&t.r, run, true, &err);
	if (!rc)
		rc = rollback ? runner_rollback(&t.r, NULL, end, &err) : runner_go(&t.r, end, &err);
	end->why = end->why ? arena_strdup(&s->arena, end->why) : NULL;
	attempt_close(&t);
	if (rc && !err.msg[0])
		fail_msg("it stopped and says nothing");
	return !rc;
}

/*
 * Call number `skip` is answered with the fault, on the way there or back. What stopped is gone on
 * with; what has failed says why, and is taken back. false: it has not so many calls.
 */
static bool faulted(const char *match, const char *fault, int skip, bool back, const char *before,
		    const char *done)
{
	struct error err = ERROR_INIT;
	struct run_end end = {0};
	struct stage s;
	const char *run;
	bool went, met, ended_well;

	stage_new(&s);
	run = until_approval(&s, "alice");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	if (back)
		assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	set_fault(&s, match, fault, skip);
	went = at_it(&s, run, back, &end);
	met = struck(&s);
	apiserver_set_faults(s.server, NULL, NULL);
	for (int tries = 0; tries < 3 && (!went || end.exit != (back ? 9 : 0)); tries++) {
		if (went && str_empty(end.why))
			fail_msg("%s at %d: exit %d, and no reason", fault, skip, end.exit);
		end = resume(&s, "bert", "alice", run, back);
		went = true;
	}
	/* A step that the server refused has failed: the way back is open. */
	ended_well = end.exit == (back ? 9 : 0);
	if (!ended_well && !back && end.exit == 3)
		end = resume(&s, "bert", "alice", run, true);
	if (!ended_well && (back || end.exit != 9))
		fail_msg("%s at %d%s: exit %d: %s", fault, skip, back ? ", back" : "", end.exit,
			 str_or_empty(end.why));
	assert_string_equal(stage_state(&s, &s.arena), ended_well && !back ? done : before);
	stage_free(&s);
	return met;
}

static void every_call(const char *match, const char *fault, const char *before, const char *done)
{
	for (int back = 0; back < 2; back++) {
		int n = 0;

		while (faulted(match, fault, n, back, before, done))
			n++;
		printf("%s%s%s: %d calls\n", fault, match, back ? ", back" : "", n);
		assert_int_not_equal(n, 0);
	}
}

/* FAULT=n runs that row alone. */
TEST(any_fault_of_the_server_at_every_call_ends_well)
{
	static const struct {
		const char *match, *fault;
	} rows[] = {
		{"", "status: 500"},
		{"", "status: 503"},
		{"", "status: 429, retryAfterSeconds: 1"},
		{"", "status: 410, reason: Expired"},
		{", verb: patch", "status: 409, reason: Conflict"},
		{", verb: patch", "status: 422, reason: Invalid"},
		{", verb: patch", "status: 403, reason: Forbidden"},
	};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	const char *one = getenv("FAULT"), *before, *done, *run;
	struct stage s;

	stage_new(&s);
	before = stage_state(&s, &a);
	run = until_approval(&s, "alice");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	done = stage_state(&s, &a);
	stage_free(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!one || (size_t)atoi(one) == i)
			every_call(rows[i].match, rows[i].fault, before, done);
}

/* What was walked live is walked the same from its record. */
static void must_be_a_case(struct stage *s, const char *run, int want)
{
	struct attempt t = {.kill_at = -1};
	struct bind_unknown unknown = {.arena = &s->arena};
	struct error err = ERROR_INIT;
	struct fixture f;
	struct doc *d;
	struct walk w;

	attempt_open(&t, s, "alice", "alice");
	assert_int_equal(runner_find(&t.r, run, false, &err), 0);
	if (run_fixture(&t.r, &d, &err) || fixture_decode(&s->arena, d, &f, &unknown, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(unknown.n, 0);
	runbook_walk(&s->arena, &t.r.rb, (enum runbook_mode)f.mode, f.params, f.answers, &w);
	assert_int_equal(f.exit.value, want);
	assert_int_equal(w.exit, want);
	assert_string_equal(w.outcome ? w.outcome->id : "none", f.outcome);
	assert_int_equal(w.n_ran, f.path.n);
	for (size_t i = 0; i < w.n_ran; i++)
		assert_string_equal(w.ran[i]->id, f.path.items[i]);
	attempt_close(&t);
}

TEST(a_run_is_a_case_that_leads_to_the_same)
{
	for (int idle = 0; idle < 2; idle++) {
		struct error err = ERROR_INIT;
		struct stage s;
		const char *run;

		stage_new(&s);
		run = until_approval(&s, "alice");
		must_be_a_case(&s, run, 7);
		if (attempt_approve(&s, "bob", run, "agree", &err))
			fail_msg("%s", err.msg);
		s.idle = idle;
		assert_int_equal(resume(&s, "alice", "alice", run, false).exit, idle ? 3 : 0);
		must_be_a_case(&s, run, idle ? 3 : 0);
		stage_free(&s);
	}
}

TEST(reading_leaves_nothing_and_proposing_changes_nothing)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static const enum runbook_mode modes[] = {MODE_DIAGNOSE, MODE_PROPOSE};
	struct stage s;
	const char *before;

	stage_new(&s);
	before = stage_state(&s, &a);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct attempt t = {.kill_at = -1};
		struct error err = ERROR_INIT;
		struct run_end end;
		struct doc *account;
		const char *run;

		attempt_open(&t, &s, "alice", "alice");
		if (attempt_start(&t, "raise", modes[i], &err))
			fail_msg("%s", err.msg);
		assert_true(attempt_go(&t, false, &end));
		assert_int_equal(end.exit, 0);
		run = arena_strdup(&s.arena, t.r.run);
		account = run_account(&t.r);
		assert_string_equal(doc_find_str(account, "steps[3].status"),
				    modes[i] == MODE_PROPOSE ? "assumed" : "skipped");
		if (modes[i] == MODE_PROPOSE)
			assert_string_equal(doc_find_str(account, "steps[3].would.changes[0]."
								  "forward.data.size"),
					    "2");
		attempt_close(&t);
		must_be_a_case(&s, run, 0);
	}
	assert_string_equal(stage_state(&s, &a), before);
	assert_int_equal(apiserver_count(s.server, "sidestep.dev", "sidestepruns"), 0);
	stage_free(&s);
}

TEST(what_does_not_come_to_be_so_fails_and_can_be_taken_back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run, *before;
	struct run_end end;

	stage_new(&s);
	before = stage_state(&s, &a);
	run = until_approval(&s, "alice");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	s.idle = true;
	end = resume(&s, "alice", "alice", run, false);
	assert_int_equal(end.exit, 3);
	assert_non_null(strstr(end.why, "not so"));
	assert_string_equal(size_of(&s), "2");
	/* How the mesh was then is kept. */
	assert_true(io_exists(
		arena_printf(&a, "%s/alice/evidence/%s/2-raise/failed-agents.json", s.dir, run)));
	assert_int_equal(resume(&s, "alice", "alice", run, true).exit, 9);
	assert_string_equal(stage_state(&s, &a), before);
	stage_free(&s);
}

TEST(whether_it_is_so_already_is_asked_behind_the_approval)
{
	struct error err = ERROR_INIT;
	struct attempt t = {.kill_at = -1};
	struct stage s;
	const char *run;

	stage_new(&s);
	stage_patch(&s, KIND_CONFIG_MAP, "web", "limits", "{\"data\": {\"size\": \"2\"}}");
	run = until_approval(&s, "alice");
	/* Somebody has changed it while people agreed. */
	stage_patch(&s, KIND_CONFIG_MAP, "web", "limits", "{\"data\": {\"size\": \"1\"}}");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	assert_string_equal(size_of(&s), "2");
	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	assert_string_equal(doc_find_str(t.r.answers, "raise.status"), "changed");
	attempt_close(&t);
	stage_free(&s);
}

TEST(undone_at_once_by_steps_of_its_own)
{
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run;

	stage_new(&s);
	run = until_approval_of(&s, "alice", "steps");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	/* It takes two. */
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 7);
	if (attempt_approve(&s, "bert", run, "agree", &err))
		fail_msg("%s", err.msg);
	s.idle = true;
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 9);
	assert_string_equal(size_of(&s), "1");
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 9);
	stage_free(&s);
}

TEST(what_cannot_be_seen_pauses_and_is_asked_again)
{
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run;
	struct run_end end;

	stage_new(&s);
	run = until_approval(&s, "alice");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	s.idle = true;
	stage_patch(&s, KIND_CONFIG_MAP, "web", "seen", "{\"data\": {\"size\": null}}");
	end = resume(&s, "alice", "alice", run, false);
	assert_int_equal(end.exit, 5);
	assert_non_null(strstr(end.why, "seen"));
	s.idle = false;
	stage_tick(&s);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	stage_free(&s);
}

TEST(a_secret_is_neither_written_nor_replaced)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	struct stage s;
	struct doc *account;

	stage_new(&s);
	stage_patch(&s, KIND_DEPLOYMENT, "web", "till",
		    "{\"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"app\", "
		    "\"image\": \"till:1\", \"env\": [{\"name\": \"DB_PASSWORD\", \"value\": "
		    "\"hunter2-planted\"}]}]}}}}");
	attempt_open(&t, &s, "alice", "alice");
	if (attempt_start(&t, "raise", MODE_PROPOSE, &err))
		fail_msg("%s", err.msg);
	assert_true(attempt_go(&t, false, &end));
	account = run_account(&t.r);
	assert_non_null(
		strstr(str_or_empty(doc_find_str(account, "steps[3].would.changes[0].diff")),
		       "+  size: \"2\""));
	assert_null(doc_find(account, "steps[4].would"));
	assert_non_null(
		strstr(str_or_empty(doc_find_str(doc_get(t.r.answers, "image"), "why")), "secret"));
	assert_false(holds(arena_printf(&s.arena, "%s/alice", s.dir), "hunter2"));
	attempt_close(&t);
	stage_free(&s);
}

TEST(what_another_changed_meanwhile_is_not_taken_back)
{
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run;
	struct run_end end;

	stage_new(&s);
	run = until_approval(&s, "alice");
	if (attempt_approve(&s, "bob", run, "agree", &err))
		fail_msg("%s", err.msg);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	stage_patch(&s, KIND_CONFIG_MAP, "web", "limits", "{\"data\": {\"size\": \"7\"}}");
	end = resume(&s, "alice", "alice", run, true);
	assert_int_equal(end.exit, 10);
	assert_non_null(strstr(end.why, "size"));
	assert_string_equal(size_of(&s), "7");
	/* A person decides: back to what we left, and the rollback goes on. */
	stage_patch(&s, KIND_CONFIG_MAP, "web", "limits", "{\"data\": {\"size\": \"2\"}}");
	assert_int_equal(resume(&s, "alice", "alice", run, true).exit, 9);
	assert_string_equal(size_of(&s), "1");
	stage_free(&s);
}

TEST(a_changed_runbook_is_noticed)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct stage s;
	struct runbook now;
	const char *run;

	stage_new(&s);
	run = until_approval(&s, "alice");
	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	now = attempt_book(&t, "raise");
	assert_int_equal(runner_compare_file(&t.r, &now, false, &err), 0);
	/* What is still to come. */
	doc_set_string(&s.arena, doc_find(now.root, "steps[4]"), "title", "another title");
	assert_int_equal(runner_compare_file(&t.r, &now, false, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "--accept-changed"));
	assert_int_equal(runner_compare_file(&t.r, &now, true, &err), 0);
	assert_string_equal(t.r.rb.steps[4].title, "another title");
	/* What is finished. */
	doc_set_string(&s.arena, doc_find(now.root, "steps[0]"), "title", "rewritten");
	assert_int_equal(runner_compare_file(&t.r, &now, true, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "wanted"));
	attempt_close(&t);
	stage_free(&s);
}

/* Agreed to, stopped before the change, which then reads otherwise: it is asked again. */
TEST(an_approval_is_void_once_the_runbook_has_changed)
{
	static struct attempt t;
	struct error err = ERROR_INIT;
	struct run_end end;
	struct stage s;
	struct runbook now;
	const char *run;

	t = (struct attempt){.kill_at = -1};
	stage_new(&s);
	run = until_approval(&s, "alice");
	assert_int_equal(attempt_approve(&s, "bob", run, "agree", &err), 0);
	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	/* Killed behind the record of the approval. */
	t.boundary = 0;
	t.kill_at = 1;
	assert_false(attempt_go(&t, false, &end));
	assert_string_equal(size_of(&s), "1");
	t.kill_at = -1;
	attempt_close(&t);

	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	assert_true(doc_bool_or(doc_find(t.r.answers, "agree.answer.approved"), false));
	now = attempt_book(&t, "raise");
	doc_set_string(&s.arena, doc_find(now.root, "steps[3]"), "title", "another title");
	assert_int_equal(runner_compare_file(&t.r, &now, true, &err), 0);
	assert_true(attempt_go(&t, false, &end));
	assert_int_equal(end.exit, 7);
	attempt_close(&t);
	/* Whoever resumes knows it too, and another word for what it is now counts. */
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 7);
	assert_string_equal(size_of(&s), "1");
	assert_int_equal(attempt_approve(&s, "bob", run, "agree", &err), 0);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	assert_string_equal(size_of(&s), "2");
	stage_free(&s);
}

static void forge(struct stage *s, const char *run, const char *type, const char *json)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct doc *d;

	attempt_open(&t, s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	assert_int_equal(doc_read_json(&t.r.arena, json, strlen(json), NULL, &d, &err), 0);
	assert_int_equal(run_record(&t.r, type, d, &err), 0);
	runner_close(&t.r);
	kube_client_free(t.cluster.client);
}

#define APPROVED "{\"step\": \"agree\", \"status\": \"ok\", \"answer\": {\"approved\": true}}"

/* Whoever may write SidestepRuns asks a colleague to go on with one, or to take it back. */
TEST(a_copy_that_says_it_is_approved_is_not_believed)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	struct stage s;
	const char *run;

	stage_new(&s);
	run = until_approval(&s, "alice");
	forge(&s, run, "answer", APPROVED);
	assert_int_equal(resume(&s, "bert", "bert", run, false).exit, 7);
	/* And not the second time either, now that it stands on this machine. */
	assert_int_equal(resume(&s, "bert", "bert", run, false).exit, 7);
	assert_string_equal(size_of(&s), "1");
	/* A real one is. */
	assert_int_equal(attempt_approve(&s, "bob", run, "agree", &err), 0);
	assert_int_equal(resume(&s, "bert", "bert", run, false).exit, 0);
	assert_string_equal(size_of(&s), "2");
	stage_free(&s);

	stage_new(&s);
	run = until_approval(&s, "alice");
	forge(&s, run, "answer", APPROVED);
	forge(&s, run, "change", "{\"step\": \"raise\", \"changes\": []}");
	attempt_open(&t, &s, "bert", "bert");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	assert_int_equal(runner_rollback(&t.r, NULL, &end, &err), -EPERM);
	assert_non_null(strstr(err.msg, "raise"));
	runner_close(&t.r);
	kube_client_free(t.cluster.client);
	stage_free(&s);
}

/* Nobody else's machine knows better than the copy; the one where it was begun does. */
TEST(what_a_copy_says_is_changed_is_what_the_runbook_changes)
{
	static const char other[] =
		"{\"step\": \"raise\", \"back\": \"auto\", \"changes\": [{\"op\": \"patch\", "
		"\"kind\": "
		"\"patch\", \"ref\": {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", "
		"\"namespace\": "
		"\"%s\", \"name\": \"limits\"}, \"forward\": {\"data\": {\"size\": \"%s\"}}}]}";
	static const char deleted[] =
		"{\"step\": \"raise\", \"back\": \"auto\", \"changes\": [{\"op\": \"patch\", "
		"\"kind\": "
		"\"delete\", \"ref\": {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", "
		"\"namespace\": "
		"\"web\", \"name\": \"limits\"}, \"forward\": {\"data\": {\"size\": \"2\"}}}]}";
	static const char deed[] =
		"{\"step\": \"raise\", \"changes\": [], \"deed\": {\"op\": \"command\", \"argv\": "
		"[\"systemctl\", \"restart\", \"kubelet\"]}}";
	static const char intent[] =
		"{\"step\": \"raise\", \"kind\": \"patch\", \"ref\": {\"apiVersion\": "
		"\"v1\", \"kind\": \"ConfigMap\", \"namespace\": \"web\", \"name\": "
		"\"seen\"}}";
	static const struct {
		const char *type, *json, *ns, *size;
		int code;
	} rows[] = {
		{"change", other, "web", "2", 0},
		{"change", other, "web", "3", -EPERM},
		{"change", other, "kube-system", "2", -EPERM},
		{"change", deleted, "", "", -EPERM},
		{"change", deed, "", "", -EPERM},
		{"change", "{\"step\": \"nobody\", \"changes\": []}", "", "", -EPERM},
		{"intent", intent, "", "", -EPERM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct attempt t = {.kill_at = -1};
		struct error err = ERROR_INIT;
		struct stage s;
		const char *run;
		int rc;

		stage_new(&s);
		run = until_approval(&s, "alice");
		forge(&s, run, rows[i].type,
		      rows[i].json == other
			      ? arena_printf(&s.arena, other, rows[i].ns, rows[i].size)
			      : rows[i].json);
		attempt_open(&t, &s, "bert", "bert");
		assert_int_equal(attempt_find(&t, run, &err), 0);
		assert_non_null(strstr(run_copied_words(&t.r), run));
		rc = copied_fits(&t.r, &err);
		if (rc != rows[i].code ||
		    (rc && !strstr(err.msg, "somebody has written into the copy")))
			fail_msg("row %zu: %d %s", i, rc, err.msg);
		runner_close(&t.r);
		kube_client_free(t.cluster.client);
		stage_free(&s);
	}
}

/* Its own journal and plan are what a machine goes by. */
TEST(a_copy_that_was_changed_is_not_believed_where_the_run_was_begun)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct stage s;
	const char *run;

	stage_new(&s);
	run = until_approval(&s, "alice");
	stage_patch(&s, KIND_SIDESTEP_RUN, NULL, run,
		    "{\"spec\": {\"plan\": {\"requester\": {\"name\": \"bert\"}}}}");
	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), 0);
	assert_string_equal(doc_find_str(t.r.plan, "requester.name"), "alice");
	assert_null(run_copied_words(&t.r));
	attempt_close(&t);
	attempt_open(&t, &s, "bert", "bert");
	assert_int_equal(attempt_find(&t, run, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "begin a new run"));
	attempt_close(&t);
	/* Another run altogether under the name of this one. */
	stage_patch(&s, KIND_SIDESTEP_RUN, NULL, run,
		    "{\"spec\": {\"journal\": [\"{}\", \"{}\"]}}");
	attempt_open(&t, &s, "alice", "alice");
	assert_int_equal(attempt_find(&t, run, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "differ in record 1"));
	assert_non_null(strstr(err.msg, "delete that SidestepRun"));
	attempt_close(&t);
	stage_free(&s);
}

TEST(one_at_a_time)
{
	struct attempt t = {.kill_at = -1}, other = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct stage s;

	stage_new(&s);
	attempt_open(&t, &s, "alice", "alice");
	if (attempt_start(&t, "raise", MODE_EXECUTE, &err))
		fail_msg("%s", err.msg);
	attempt_open(&other, &s, "bert", "bert");
	assert_int_equal(attempt_start(&other, "raise", MODE_EXECUTE, &err), -EBUSY);
	attempt_close(&other);
	/* Reading is everybody's. */
	step_aside(&err);
	attempt_open(&other, &s, "bert", "bert");
	assert_int_equal(attempt_start(&other, "raise", MODE_DIAGNOSE, &err), 0);
	attempt_close(&other);
	attempt_close(&t);
	stage_free(&s);
}

TEST(interrupted_it_stops_at_once_and_goes_on)
{
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	struct stage s;
	const char *run;

	stage_new(&s);
	attempt_open(&t, &s, "alice", "alice");
	if (attempt_start(&t, "raise", MODE_DIAGNOSE, &err))
		fail_msg("%s", err.msg);
	run = arena_strdup(&s.arena, t.r.run);
	t.r.cluster.pause = "interrupted";
	assert_true(attempt_go(&t, false, &end));
	assert_int_equal(end.exit, 8);
	attempt_close(&t);
	assert_int_equal(resume(&s, "alice", "alice", run, false).exit, 0);
	stage_free(&s);
}

/* --- evidence ----------------------------------------------------------------------------------
 */

TEST(no_secret_is_kept_anywhere_and_a_changed_file_is_noticed)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct attempt t = {.kill_at = -1};
	struct error err = ERROR_INIT;
	struct run_end end;
	struct stage s;
	struct doc *account;
	const char *file;

	stage_new(&s);
	attempt_open(&t, &s, "alice", "alice");
	if (attempt_start(&t, "raise", MODE_DIAGNOSE, &err))
		fail_msg("%s", err.msg);
	assert_true(attempt_go(&t, false, &end));
	assert_false(holds(arena_printf(&a, "%s/alice", s.dir), "hunter2"));
	assert_true(holds(arena_printf(&a, "%s/alice", s.dir), "hmac-sha256:"));
	account = run_account(&t.r);
	assert_int_equal(doc_len(doc_find(account, "evidence.problems")), 0);
	assert_int_equal(doc_len(doc_find(account, "evidence.files")), 1);
	assert_true(doc_find_int(account, "evidence.files[0].redactions", 0) > 0);
	file = arena_printf(&a, "%s/%s", doc_find_str(account, "evidence.dir"),
			    doc_find_str(account, "evidence.files[0].file"));
	assert_int_equal(io_write_file_atomic(file, "{}\n", 3, 0600, &err), 0);
	account = run_account(&t.r);
	assert_int_equal(doc_len(doc_find(account, "evidence.problems")), 1);
	/* An index that was changed with it differs from the journal. */
	doc_set_string(&t.r.arena, doc_find(t.r.evidence.index, "files[0]"), "sha256",
		       "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356");
	account = run_account(&t.r);
	assert_non_null(strstr(str_or_empty(doc_find_str(account, "evidence.problems[0].problem")),
			       "journal"));
	attempt_close(&t);
	stage_free(&s);
}

TEST(evidence_stays_in_its_folder)
{
	static const char *const names[] = {"../x", "a/b", ".hidden", "x..y", "", "a\nb", "/etc/x"};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct evidence_store e;
	struct error err = ERROR_INIT;
	char dir[] = "/tmp/sidestep-evidence-XXXXXX";
	struct doc *entry, *rows = doc_map(&a), *list;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(evidence_open(&e, &a, dir, "run-1", clock_system(), &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct evidence_file f = {"step", names[i], "test", rows, 0, 1024};
		const struct evidence_file g = {names[i], "x.json", "test", rows, 0, 1024};

		assert_int_equal(evidence_add(&e, &f, &entry, &err), -EINVAL);
		assert_int_equal(evidence_add(&e, &g, &entry, &err), -EINVAL);
	}
	assert_int_equal(evidence_open(&e, &a, dir, "../run", clock_system(), &err), -EINVAL);
	assert_int_equal(evidence_open(&e, &a, dir, "run-1", clock_system(), &err), 0);
	list = doc_set_list(&a, rows, "rows");
	for (int i = 0; i < 1000; i++)
		doc_append(&a, list, doc_string(&a, "a row of some length, for it to be cut"));
	{
		const struct evidence_file f = {"step", "rows.json", "test", rows, 0, 1024};

		assert_int_equal(evidence_add(&e, &f, &entry, &err), 0);
		assert_true(doc_find_int(entry, "bytes", 9999) <= 1024);
		assert_true(doc_bool_or(doc_get(entry, "cut"), false));
	}
	/* A link in the place of a step's folder leads nowhere. */
	assert_int_equal(symlink("/tmp", arena_printf(&a, "%s/run-1/2-other", dir)), 0);
	{
		const struct evidence_file f = {"other", "x.json", "test", doc_map(&a), 0, 1024};

		assert_int_equal(evidence_add(&e, &f, &entry, &err), -EPERM);
	}
	io_remove_tree(dir, NULL);
}

/* --- drops -------------------------------------------------------------------------------------
 */

TEST(counters_say_lately_only_what_they_can)
{
	struct attempt t = {.kill_at = -1};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct source_question q = {.source = "flows",
				    .since_ns = 120 * NS_PER_S,
				    .limit = 10,
				    .timeout_ns = 20 * NS_PER_S};
	struct error err = ERROR_INIT;
	struct stage s;
	struct doc *d;

	stage_new(&s);
	attempt_open(&t, &s, "alice", "alice");
	q.filter = doc_map(&a);
	doc_set_string(&a, doc_get(NULL, "x") ? NULL : (struct doc *)(uintptr_t)q.filter, "verdict",
		       "DROPPED");
	if (source_ask(&t.r.sources, &q, &a, &d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(doc_find_int(d, "count", -1), 0);
	/* Some, and nobody knows since when. */
	s.drops = 5;
	stage_tick(&s);
	t.r.sources.looks = doc_map(&a);
	assert_int_equal(source_ask(&t.r.sources, &q, &a, &d, &err), 0);
	assert_null(doc_get(d, "count"));
	assert_non_null(doc_find_str(d, "unseen.count"));
	assert_int_equal(doc_find_int(d, "total", 0), 5);
	/* Watched long enough. */
	fake_clock_advance(&s.clock, 130 * NS_PER_S);
	stage_tick(&s);
	assert_int_equal(source_ask(&t.r.sources, &q, &a, &d, &err), 0);
	assert_int_equal(doc_find_int(d, "count", -1), 0);
	s.drops = 9;
	stage_tick(&s);
	assert_int_equal(source_ask(&t.r.sources, &q, &a, &d, &err), 0);
	assert_int_equal(doc_find_int(d, "count", -1), 4);
	attempt_close(&t);
	stage_free(&s);
}

/* The copy of an upgrade whose first gate found so many drops. */
static void note_a_hop(struct stage *s, const char *name, int64_t drops)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct journal *j;
	struct doc *run = kube_object_new(&a, object_kind(KIND_SIDESTEP_RUN), NULL, name), *spec,
		   *lines, *node, *body = doc_map(&a);
	const char *path = arena_printf(&a, "%s/%s.journal", s->dir, name);
	const struct doc *drop;

	node = stage_get(s, KIND_SIDESTEP_NODE, NULL, "node-a");
	drop = doc_find(node, "status.health.drops[0]");
	doc_del((struct doc *)(uintptr_t)drop, "name"); /* as upgrades keep it */
	doc_set_int(&a, (struct doc *)(uintptr_t)drop, "packets", drops);
	doc_set(&a, doc_set_map(&a, doc_set_map(&a, body, "evidence"), RUN_USUAL), "node-a",
		doc_clone(&a, node));
	doc_set_string(&a, body, "gate", "G-SOUND");
	assert_int_equal(journal_create(path, doc_map(&a), &s->clock.clock, &j, &err), 0);
	assert_int_equal(journal_append(j, "gate", body, &err), 0);
	spec = doc_set_map(&a, run, "spec");
	doc_set_string(&a, spec, "tool", "upgrade");
	doc_set_string(&a, spec, "subject", "cluster");
	doc_set_string(&a, spec, "planDigest", "0123456789abcdef");
	doc_set(&a, spec, "plan", doc_map(&a));
	lines = doc_set_list(&a, spec, "journal");
	for (size_t i = 0; i < journal_count(j); i++)
		doc_append(&a, lines, doc_string(&a, journal_at(j, i)->line));
	journal_free(j);
	if (kube_create(s->cluster.client, &a, object_kind(KIND_SIDESTEP_RUN), run, NULL, &err))
		fail_msg("%s", err.msg);
}

struct asked {
	struct attempt t;
	struct stage s;
	struct arena a;
	struct doc *d;
};

/* How many, or -1: not known. The run has not looked before. */
static int64_t ask_drops(struct asked *k, uint64_t since_s, const char *json)
{
	struct source_question q = {.source = "flows",
				    .since_ns = since_s * NS_PER_S,
				    .limit = 10,
				    .timeout_ns = 20 * NS_PER_S};
	struct error err = ERROR_INIT;
	struct doc *filter;

	assert_int_equal(doc_read_json(&k->a, json, strlen(json), NULL, &filter, &err), 0);
	q.filter = filter;
	k->t.r.sources.looks = doc_map(&k->a);
	if (source_ask(&k->t.r.sources, &q, &k->a, &k->d, &err))
		fail_msg("%s", err.msg);
	return doc_find_int(k->d, "count", -1);
}

TEST(what_a_hop_noted_need_not_have_been_watched)
{
	static const char any[] = "{\"verdict\": \"DROPPED\", \"fault\": \"true\"}";
	static const char hop[] =
		"{\"verdict\": \"DROPPED\", \"fault\": \"true\", \"begin\": \"hop\"}";
	struct asked k = {.t = {.kill_at = -1}};

	stage_new(&k.s);
	k.s.drops = 5;
	stage_tick(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	assert_int_equal(ask_drops(&k, 600, hop), -1);
	note_a_hop(&k.s, "upgrade-1", 2);
	fake_clock_advance(&k.s.clock, 100 * NS_PER_S);
	stage_tick(&k.s);
	assert_int_equal(ask_drops(&k, 600, hop), 3);
	assert_string_equal(doc_find_str(k.d, "since_run"), "upgrade-1");
	assert_int_equal(doc_find_int(k.d, "rows[0].new", -1), 3);
	/* At least so many within ten minutes; of the last minute it says nothing. */
	assert_int_equal(ask_drops(&k, 600, any), 3);
	assert_int_equal(ask_drops(&k, 60, any), -1);
	assert_int_equal(ask_drops(&k, 60, hop), -1);
	/* A hop that began later, and since which there were none: it has the word. */
	note_a_hop(&k.s, "upgrade-2", 5);
	fake_clock_advance(&k.s.clock, 100 * NS_PER_S);
	stage_tick(&k.s);
	assert_int_equal(ask_drops(&k, 600, hop), 0);
	assert_string_equal(doc_find_str(k.d, "since_run"), "upgrade-2");
	assert_int_equal(ask_drops(&k, 60, any), 0);
	/* What can be watched through is. */
	assert_int_equal(ask_drops(&k, 10, any), 0);
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

TEST(a_filter_that_is_passed_over_would_answer_another_question)
{
	static const char *const wrong[] = {
		"{\"verdit\": \"DROPPED\"}",
		"{\"verdict\": \"droped\"}",
		"{\"verdict\": \"FORWARDED\", \"drop_reason\": \"POLICY_DENIED\"}",
		"{\"verdict\": \"AUDIT\", \"fault\": \"true\"}",
		"{\"drop_reason\": \"POLICY\"}",
		"{\"fault\": \"yes\"}",
		"{\"begin\": 1}"};
	struct asked k = {.t = {.kill_at = -1}};
	struct source_question q = {.source = "flows", .limit = 10, .timeout_ns = NS_PER_S};

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error err = ERROR_INIT;
		struct doc *filter;

		assert_int_equal(
			doc_read_json(&k.a, wrong[i], strlen(wrong[i]), NULL, &filter, &err), 0);
		q.filter = filter;
		assert_int_equal(source_ask(&k.t.r.sources, &q, &k.a, &k.d, &err), -EINVAL);
	}
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

/* --- agents that are not heard -----------------------------------------------------------------
 */

#define WELL                                                                                       \
	"{\"status\": {\"ready\": true, \"endpoints\": [{\"id\": 1, \"namespace\": \"web\", "      \
	"\"state\": \"ready\", \"policyRevision\": 1}], \"health\": {\"mapErrors\": 0, "           \
	"\"endpoints\": {\"missing\": 0}, \"programs\": {\"wrong\": 0, \"ids\": []}, \"maps\": "   \
	"[{\"name\": \"policy\", \"layout\": 1, \"entries\": 3, \"max\": 100}]}}}"

static void publish(struct stage *s, const char *node, const char *json)
{
	struct error err = ERROR_INIT;
	struct doc *d;

	if (doc_read_json(&s->arena, json, strlen(json), NULL, &d, &err) ||
	    kube_patch(s->cluster.client, &s->arena, object_kind(KIND_SIDESTEP_NODE), NULL, node,
		       "status", KUBE_PATCH_MERGE, d, NULL, &err))
		fail_msg("%s", err.msg);
}

static const struct doc *ask(struct asked *k, const char *source, uint64_t timeout_s)
{
	const struct source_question q = {
		.source = source, .limit = 10, .timeout_ns = timeout_s * NS_PER_S};
	struct error err = ERROR_INIT;

	if (source_ask(&k->t.r.sources, &q, &k->a, &k->d, &err))
		fail_msg("%s: %s", source, err.msg);
	return k->d;
}

/* Every count is there, or none is, and then says why. */
static void counts_are_known(struct asked *k, const char *why)
{
	static const struct {
		const char *source, *fields;
	} rows[] = {{"endpoints", "count all not_ready stale sidecars missing"},
		    {"maps", "count full failed_updates"},
		    {"hooks", "count"},
		    {"flows", "count"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct doc *d = ask(k, rows[i].source, 4);
		char *fields = arena_strdup(&k->a, rows[i].fields);

		for (const char *f; (f = strsep(&fields, " "));) {
			const char *said = doc_find_str(doc_get(d, "unseen"), f);

			if (!doc_get(d, f) != (why != NULL) || (why && !strstr(said, why)))
				fail_msg("%s.%s: %s", rows[i].source, f, str_or_empty(said));
		}
	}
}

TEST(an_agent_that_is_not_heard_is_not_counted_as_well)
{
	struct asked k = {.t = {.kill_at = -1}};

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	publish(&k.s, "node-a", WELL);
	counts_are_known(&k, NULL);
	assert_int_equal(doc_find_int(ask(&k, "endpoints", 4), "all", -1), 1);
	fake_clock_advance(&k.s.clock, 62 * NS_PER_S);
	counts_are_known(&k, "node-a silent for more than a minute");
	assert_int_equal(doc_len(doc_get(ask(&k, "endpoints", 4), "unheard_nodes")), 1);
	/* What is no word of an agent is known all the same. */
	assert_int_equal(doc_find_int(ask(&k, "nodes", 4), "count", -1), 1);
	stage_tick(&k.s);
	counts_are_known(&k, NULL);
	publish(&k.s, "node-a", "{\"status\": {\"ready\": false}}");
	counts_are_known(&k, "node-a not ready");
	stage_tick(&k.s);
	stage_put(&k.s, "{apiVersion: v1, kind: Node, metadata: {name: node-b}}");
	counts_are_known(&k, "node-b without an agent");
	assert_string_equal(doc_find_str(ask(&k, "maps", 4), "missing_nodes[0]"), "node-b");
	stage_put(&k.s, "{apiVersion: sidestep.dev/v1alpha1, kind: SidestepNode, metadata: {name: "
			"node-b}}");
	publish(&k.s, "node-b", WELL);
	counts_are_known(&k, NULL);
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

/* An agent that has begun a moment ago counts its maps later. */
struct later {
	struct asked *k;
	struct doc *status;
};

static void published(void *arg, struct kube_result *result)
{
	(void)arg;
	assert_int_equal(result->code, 0);
}

static void publish_counts(void *arg)
{
	struct later *l = arg;
	const struct kube_request q = {.verb = KUBE_PATCH,
				       .kind = object_kind(KIND_SIDESTEP_NODE),
				       .name = "node-a",
				       .subresource = "status",
				       .patch = KUBE_PATCH_MERGE,
				       .body = l->status};

	kube_start(l->k->s.cluster.client, &q, published, NULL);
}

TEST(maps_that_are_about_to_be_counted_are_waited_for)
{
#define MAPS(entries)                                                                              \
	"{\"status\": {\"health\": {\"maps\": [{\"name\": \"policy\", \"layout\": 1" entries       \
	", \"max\": 100}]}}}"
	struct asked k = {.t = {.kill_at = -1}};
	struct later later = {.k = &k};
	struct loop_timer *timer;
	uint64_t began;
	const char *json = MAPS(", \"entries\": 4");

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	publish(&k.s, "node-a", WELL);
	publish(&k.s, "node-a", MAPS(""));
	began = clock_now_ns(&k.s.clock.clock);
	assert_null(doc_get(ask(&k, "maps", 20), "full"));
	assert_non_null(
		strstr(doc_find_str(k.d, "unseen.full"), "node-a has not counted its maps"));
	assert_int_equal(clock_now_ns(&k.s.clock.clock) - began, 10 * NS_PER_S);
	assert_int_equal(doc_read_json(&k.a, json, strlen(json), NULL, &later.status, NULL), 0);
	timer = loop_timer_new(k.s.loop, publish_counts, &later);
	loop_timer_set(timer, 3 * NS_PER_S);
	began = clock_now_ns(&k.s.clock.clock);
	assert_int_equal(doc_find_int(ask(&k, "maps", 20), "full", -1), 0);
	assert_in_range(clock_now_ns(&k.s.clock.clock) - began, 3 * NS_PER_S, 5 * NS_PER_S);
	loop_timer_free(timer);
#undef MAPS
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

/* --- evictions ---------------------------------------------------------------------------------
 */

static void patch_status(struct stage *s, enum object_kind_id kind, const char *name,
			 const char *json)
{
	struct error err = ERROR_INIT;
	struct doc *d;

	if (doc_read_json(&s->arena, json, strlen(json), NULL, &d, &err) ||
	    kube_patch(s->cluster.client, &s->arena, object_kind(kind), "web", name, "status",
		       KUBE_PATCH_MERGE, d, NULL, &err))
		fail_msg("%s", err.msg);
}

#define BUDGET(allowed)                                                                            \
	"{\"status\": {\"observedGeneration\": 1, \"currentHealthy\": 1, \"desiredHealthy\": 1, "  \
	"\"expectedPods\": 1, \"disruptionsAllowed\": " allowed "}}"

/* A pod whose endpoint is not ready, and whose budget lets nobody go. */
static void guarded_pod(struct stage *s)
{
	stage_put(s, "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: web, labels: "
		     "{app: p}}, spec: {nodeName: node-a, containers: [{name: c, image: "
		     "\"c:1\"}]}}");
	patch_status(s, KIND_POD, "p",
		     "{\"status\": {\"phase\": \"Running\", \"conditions\": [{\"type\": "
		     "\"Ready\", \"status\": \"True\"}]}}");
	stage_put(s, "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, "
		     "namespace: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: "
		     "p}}}}");
	patch_status(s, KIND_POD_DISRUPTION_BUDGET, "b", BUDGET("0"));
	publish(s, "node-a",
		arena_printf(&s->arena,
			     "{\"status\": {\"endpoints\": [{\"id\": 1, \"namespace\": \"web\", "
			     "\"pod\": \"p\", \"uid\": \"%s\", \"state\": \"not-ready\"}]}}",
			     kube_uid(stage_get(s, KIND_POD, "web", "p"))));
}

static void allow_one(void *arg)
{
	struct later *l = arg;
	const struct kube_request q = {.verb = KUBE_PATCH,
				       .kind = object_kind(KIND_POD_DISRUPTION_BUDGET),
				       .namespace_ = "web",
				       .name = "b",
				       .subresource = "status",
				       .patch = KUBE_PATCH_MERGE,
				       .body = l->status};

	kube_start(l->k->s.cluster.client, &q, published, NULL);
}

TEST(a_budget_that_forbids_it_now_is_waited_for)
{
	static const char json[] = BUDGET("1");

	for (int allowed = 0; allowed < 2; allowed++) {
		struct asked k = {.t = {.kill_at = -1}};
		struct later later = {.k = &k};
		struct error err = ERROR_INIT;
		struct loop_timer *timer;
		struct run_end end;
		const char *run;

		stage_new(&k.s);
		guarded_pod(&k.s);
		assert_int_equal(doc_read_json(&k.a, json, strlen(json), NULL, &later.status, NULL),
				 0);
		run = until_approval_of(&k.s, "alice", "evict");
		if (attempt_approve(&k.s, "bob", run, "agree", &err) ||
		    attempt_approve(&k.s, "bert", run, "agree", &err))
			fail_msg("%s", err.msg);
		timer = loop_timer_new(k.s.loop, allow_one, &later);
		if (allowed)
			loop_timer_set(timer, 20 * NS_PER_S);
		end = resume(&k.s, "alice", "alice", run, false);
		if (end.exit != (allowed ? 0 : 3))
			fail_msg("exit %d: %s", end.exit, str_or_empty(end.why));
		if (!allowed)
			assert_non_null(strstr(end.why, "pod web/p: "));
		loop_timer_free(timer);
		arena_release(&k.a);
		stage_free(&k.s);
	}
}

/* What a step reads, without a run around it. */
static struct done read_step(struct asked *k, const struct runbook_step *step, const char *json)
{
	const struct scope scope = {.r = &k->t.r, .mode = MODE_DIAGNOSE, .prefix = ""};
	struct done d = {.status = STATUS_OK};
	struct error err = ERROR_INIT;
	struct doc *data;

	assert_int_equal(doc_read_json(&k->a, json, strlen(json), NULL, &data, &err), 0);
	act_read(&scope, step, data, &k->a, &d);
	k->d = d.answer;
	return d;
}

TEST(a_list_counts_all_and_is_about_what_it_names)
{
	static const struct step_k8s wrong[] = {
		{.list = "v1 ConfigMap web/limits"},
		{.list = "v1 ConfigMap", .namespace = ""},
		{.list = "v1 ConfigMap", .selector = ""},
		{.list = "v1 Node", .namespace = "web"},
		{.get = "v1 ConfigMap web/limits", .namespace = "shop"},
		{.get = "v1 ConfigMap web/limits", .selector = "a=b"},
		{.get = "v1 ConfigMap web/limits", .limit = {true, 1}},
	};
	struct step_k8s list = {.list = "v1 ConfigMap", .namespace = "web", .limit = {true, 1}};
	struct runbook_step step = {.kind = STEP_K8S, .k8s = &list, .timeout = "5s"};
	struct asked k = {.t = {.kill_at = -1}};
	const struct doc *d;

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	d = read_step(&k, &step, "{}").answer;
	assert_int_equal(doc_find_int(d, "count", -1), 2);
	assert_int_equal(doc_len(doc_get(d, "rows")), 1);
	assert_true(doc_bool_or(doc_get(d, "more"), false));
	/* More than a page. */
	for (int i = 0; i < 600; i++)
		stage_put(&k.s, arena_printf(&k.s.arena,
					     "{apiVersion: v1, kind: ConfigMap, metadata: {name: "
					     "c%d, namespace: web}}",
					     i));
	list.limit.value = 550;
	d = read_step(&k, &step, "{}").answer;
	assert_int_equal(doc_find_int(d, "count", -1), 602);
	assert_int_equal(doc_len(doc_get(d, "rows")), 550);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct step_k8s one = wrong[i];

		step.k8s = &one;
		if (read_step(&k, &step, "{}").status != STATUS_INCONCLUSIVE)
			fail_msg("row %zu is asked", i);
	}
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

TEST(since_bounds_everything_that_is_counted)
{
	struct source_question q = {.source = "policies", .limit = 10, .timeout_ns = NS_PER_S};
	struct asked k = {.t = {.kill_at = -1}};
	struct error err = ERROR_INIT;
	char when[CLOCK_RFC3339_SIZE];

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	for (int i = 0; i < 2; i++) {
		stage_put(&k.s, arena_printf(&k.a,
					     "{apiVersion: networking.k8s.io/v1, kind: "
					     "NetworkPolicy, metadata: {name: p%d, namespace: web},"
					     " spec: {podSelector: {}}}",
					     i));
		if (!i)
			fake_clock_advance(&k.s.clock, 3600 * NS_PER_S);
	}
	/* It began long ago and goes on. */
	clock_rfc3339(clock_wall_ns(&k.s.clock.clock), 0, when);
	stage_put(&k.s, arena_printf(&k.a,
				     "{apiVersion: v1, kind: Event, metadata: {name: e, namespace: "
				     "web}, type: Warning, involvedObject: {kind: Pod, namespace: "
				     "web, name: p}, eventTime: '2020-01-01T00:00:00.000000Z', "
				     "series: {count: 9, lastObservedTimestamp: '%s'}}",
				     when));
	if (source_ask(&k.t.r.sources, &q, &k.a, &k.d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(doc_find_int(k.d, "count", -1), 2);
	assert_null(doc_get(k.d, "changed"));
	assert_non_null(doc_find_str(k.d, "unseen.changed"));
	q.since_ns = 600 * NS_PER_S;
	if (source_ask(&k.t.r.sources, &q, &k.a, &k.d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(doc_find_int(k.d, "count", -1), 1);
	assert_int_equal(doc_find_int(k.d, "changed", -1), 1);
	assert_int_equal(doc_find_int(k.d, "all", -1), 2);
	assert_string_equal(doc_find_str(k.d, "changed_names[0]"), "web/p1");
	q.source = "events";
	if (source_ask(&k.t.r.sources, &q, &k.a, &k.d, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(doc_find_int(k.d, "count", -1), 1);
	assert_string_equal(doc_find_str(k.d, "rows[0].time"), when);
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

TEST(lines_of_a_log_are_counted_where_they_are_all)
{
	static const struct {
		const char *text;
		int64_t limit, count;
	} rows[] = {{"", 10, 0}, {"a\nb\nc\n", 10, 3}, {"a\nb", 10, 2}, {"a\nb\nc\n", 3, -1}};
	struct asked k = {.t = {.kill_at = -1}};
	struct error err = ERROR_INIT;
	const char *dir;

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	stage_put(&k.s, "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: web}, spec: "
			"{containers: [{name: c, image: \"c:1\"}]}}");
	dir = arena_printf(&k.a, "%s/%s", k.s.dir, kube_uid(stage_get(&k.s, KIND_POD, "web", "p")));
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *filter = doc_map(&k.a);
		const struct source_question q = {.source = "logs",
						  .filter = filter,
						  .limit = rows[i].limit,
						  .timeout_ns = NS_PER_S};

		doc_set_string(&k.a, filter, "namespace", "web");
		doc_set_string(&k.a, filter, "pod", "p");
		if (io_write_file_atomic(arena_printf(&k.a, "%s/c.log", dir), rows[i].text,
					 strlen(rows[i].text), 0600, &err) ||
		    source_ask(&k.t.r.sources, &q, &k.a, &k.d, &err))
			fail_msg("%s", err.msg);
		assert_int_equal(doc_find_int(k.d, "count", -1), rows[i].count);
		assert_int_equal(doc_find_str(k.d, "unseen.count") == NULL, rows[i].count >= 0);
	}
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

TEST(a_default_is_checked_as_what_is_given)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *one = doc_int(&a, 1), *many = doc_int(&a, 9), *m5 = doc_string(&a, "5m"),
		   *h1 = doc_string(&a, "1h"), *text = doc_string(&a, "7");
	const struct {
		struct param p;
		const char *given; /* NULL: its default */
		int code;
	} rows[] = {
		{{.type = PARAM_INT, .fallback = many}, NULL, 0},
		{{.type = PARAM_INT, .fallback = text}, NULL, 0},
		{{.type = PARAM_INT, .fallback = many, .max = one}, NULL, -1},
		{{.type = PARAM_INT, .fallback = m5}, NULL, -1},
		{{.type = PARAM_INT, .required = true, .max = text}, "3", -1},
		{{.type = PARAM_DURATION, .fallback = m5, .max = h1}, NULL, 0},
		{{.type = PARAM_DURATION, .fallback = h1, .max = m5}, NULL, -1},
		{{.type = PARAM_DURATION, .fallback = one}, NULL, -1},
		{{.type = PARAM_DURATION, .required = true, .min = one}, "2s", -1},
		{{.type = PARAM_BOOL, .fallback = doc_bool(&a, true)}, NULL, 0},
		{{.type = PARAM_K8S_NAME, .fallback = doc_string(&a, "")}, NULL, -1},
		{{.type = PARAM_STRING, .fallback = doc_list(&a)}, NULL, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct param p = rows[i].p;
		const struct runbook rb = {.name = "x", .params = &p, .n_params = 1};
		const char *given = arena_printf(&a, "d=%s", str_or_empty(rows[i].given));
		struct param_values v;
		struct error err = ERROR_INIT;
		int rc;

		p.name = "d";
		rc = params_read(&a, &rb, &given, rows[i].given ? 1 : 0, &v, &err);
		if (!rc != !rows[i].code)
			fail_msg("row %zu: %d %s", i, rc, err.msg);
		if (!rc)
			assert_non_null(doc_get(v.values, "d"));
	}
}

TEST(a_foreach_takes_every_item_or_none)
{
	static const struct {
		const char *items, *said; /* of each; NULL: unknown */
	} rows[] = {
		{"[1, 2.5, true, 5m, 'x']", "1 2.5 true 5m x"},
		{"[1, nodes.rows[0].node]", NULL},
		{"[[1, gone]]", NULL},
		{"params.list", "7 y"},
	};
	struct runbook_step note = {
		.id = "say", .title = "t", .kind = STEP_NOTE, .note = "${item}"};
	struct asked k = {.t = {.kill_at = -1}};

	stage_new(&k.s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct runbook_step each = {
			.id = arena_printf(&k.s.arena, "each%zu", i),
			.title = "t",
			.kind = STEP_FOREACH,
			.items = rows[i].items,
			.steps = &note,
			.n_steps = 1,
		};
		static const char json[] = "{\"params\": {\"list\": [7, \"y\"]}}";
		struct scope scope = {.r = &k.t.r, .mode = MODE_DIAGNOSE, .prefix = ""};
		struct done d = {.status = STATUS_OK};
		struct error err = ERROR_INIT;
		const char *said = "";
		struct doc *data;

		k.t = (struct attempt){.kill_at = -1};
		attempt_open(&k.t, &k.s, "alice", "alice");
		if (attempt_start(&k.t, "raise", MODE_DIAGNOSE, &err))
			fail_msg("%s", err.msg);
		scope.rb = &k.t.r.rb;
		assert_int_equal(doc_read_json(&k.s.arena, json, strlen(json), NULL, &data, &err),
				 0);
		if (act(&scope, &each, data, &d, &err))
			fail_msg("%s", err.msg);
		doc_foreach_entry (k.t.r.answers, e)
			said = arena_printf(&k.s.arena, "%s%s%s", said, *said ? " " : "",
					    doc_find_str(e->value, "answer.says"));
		if (!d.answer != !rows[i].said || !str_eq(said, str_or_empty(rows[i].said)))
			fail_msg("%s: %s (%s)", rows[i].items, said, str_or_empty(d.why));
		attempt_close(&k.t);
		fake_clock_advance(&k.s.clock, 2 * NS_PER_S);
	}
	stage_free(&k.s);
}

TEST(a_time_that_cannot_be_read_is_no_question_about_all_time)
{
	static const char *const wrong[] = {"yesterday", "", "0s", "5"};
	struct asked k = {.t = {.kill_at = -1}};
	struct step_query q = {.source = "events", .since = "${params.since}"};
	const struct runbook_step step = {.kind = STEP_QUERY, .query = &q, .timeout = "5s"};

	stage_new(&k.s);
	attempt_open(&k.t, &k.s, "alice", "alice");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct done d = read_step(
			&k, &step,
			arena_printf(&k.a, "{\"params\": {\"since\": \"%s\"}}", wrong[i]));

		assert_null(d.answer);
		assert_int_equal(d.status, STATUS_INCONCLUSIVE);
		assert_non_null(strstr(d.why, "no duration"));
	}
	assert_non_null(read_step(&k, &step, "{\"params\": {\"since\": \"5m\"}}").answer);
	arena_release(&k.a);
	attempt_close(&k.t);
	stage_free(&k.s);
}

TEST(a_version_is_within_its_bounds)
{
	assert_true(version_within("0.3.0", ">=0.1"));
	assert_true(version_within("0.3.0", ">=0.3 <0.4"));
	assert_false(version_within("0.3.0", ">0.3"));
	assert_false(version_within("1.0.0", ">=0.1 <1.0"));
	assert_true(version_within("1.18.2", "=1.18"));
	assert_true(version_within("2.1", "<=10.0"));
	assert_false(version_within("unknown", ">=0.1"));
	assert_false(version_within("1.0", "what"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_version_is_within_its_bounds),
	cmocka_unit_test(a_list_counts_all_and_is_about_what_it_names),
	cmocka_unit_test(since_bounds_everything_that_is_counted),
	cmocka_unit_test(a_budget_that_forbids_it_now_is_waited_for),
	cmocka_unit_test(a_default_is_checked_as_what_is_given),
	cmocka_unit_test(a_foreach_takes_every_item_or_none),
	cmocka_unit_test(lines_of_a_log_are_counted_where_they_are_all),
	cmocka_unit_test(an_agent_that_is_not_heard_is_not_counted_as_well),
	cmocka_unit_test(maps_that_are_about_to_be_counted_are_waited_for),
	cmocka_unit_test(a_time_that_cannot_be_read_is_no_question_about_all_time),
	cmocka_unit_test(what_a_hop_noted_need_not_have_been_watched),
	cmocka_unit_test(a_filter_that_is_passed_over_would_answer_another_question),
	cmocka_unit_test(another_agrees_and_it_goes_on_and_back),
	cmocka_unit_test(what_cannot_be_taken_back_here_is_said),
	cmocka_unit_test(what_is_shown_is_what_the_runbook_does),
	cmocka_unit_test(an_approval_is_of_what_would_be_done_when_it_was_asked_for),
	cmocka_unit_test(a_forged_or_late_approval_does_not_count),
	cmocka_unit_test(a_name_is_the_servers_word_only_where_it_gives_it),
	cmocka_unit_test(reading_leaves_nothing_and_proposing_changes_nothing),
	cmocka_unit_test(a_run_is_a_case_that_leads_to_the_same),
	cmocka_unit_test(what_does_not_come_to_be_so_fails_and_can_be_taken_back),
	cmocka_unit_test(whether_it_is_so_already_is_asked_behind_the_approval),
	cmocka_unit_test(undone_at_once_by_steps_of_its_own),
	cmocka_unit_test(what_cannot_be_seen_pauses_and_is_asked_again),
	cmocka_unit_test(a_secret_is_neither_written_nor_replaced),
	cmocka_unit_test(what_another_changed_meanwhile_is_not_taken_back),
	cmocka_unit_test(a_changed_runbook_is_noticed),
	cmocka_unit_test(an_approval_is_void_once_the_runbook_has_changed),
	cmocka_unit_test(a_copy_that_says_it_is_approved_is_not_believed),
	cmocka_unit_test(what_a_copy_says_is_changed_is_what_the_runbook_changes),
	cmocka_unit_test(a_copy_that_was_changed_is_not_believed_where_the_run_was_begun),
	cmocka_unit_test(one_at_a_time),
	cmocka_unit_test(interrupted_it_stops_at_once_and_goes_on),
	cmocka_unit_test(no_secret_is_kept_anywhere_and_a_changed_file_is_noticed),
	cmocka_unit_test(evidence_stays_in_its_folder),
	cmocka_unit_test(counters_say_lately_only_what_they_can),
};
static const struct CMUnitTest boundaries[] = {
	cmocka_unit_test(killed_at_every_boundary_it_converges),
	cmocka_unit_test(any_fault_of_the_server_at_every_call_ends_well),
};

int main(int argc, char **argv)
{
	if (argc > 1 && str_eq(argv[1], "every-boundary"))
		return cmocka_run_group_tests(boundaries, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
