/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"

static void boundary(void *arg, const char *where)
{
	struct attempt *t = arg;

	(void)where;
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

	if (t->at_step && str_eq(doc_find_str(last->body, "step"), t->at_step)) {
		t->at_step = NULL;
		t->then(t);
	}
	r = cluster_wait(h->cluster, ns, err);
	if (!r)
		stand_in_tick(t->world);
	return r;
}

void attempt_open(struct attempt *t, struct stand_in *w, const char *state, int kill_at)
{
	t->world = w;
	t->cluster = stand_in_cluster(w);
	t->kill_at = kill_at;
	t->boundary = 0;
	session_attach(&t->session, &upgrade_tool, &t->cluster,
		       arena_printf(&w->arena, "%s/%s", w->dir, state));
}

void attempt_close(struct attempt *t)
{
	session_close(&t->session);
	kube_client_free(t->cluster.client);
	free(t->said);
	t->said = NULL;
}

void attempt_start(struct attempt *t, const struct doc *plan)
{
	struct error err = ERROR_INIT;

	if (session_start(&t->session, doc_clone(&t->session.arena, plan), &err))
		fail_msg("%s", err.msg);
}

void attempt_find(struct attempt *t, bool done)
{
	struct error err = ERROR_INIT;

	if (session_find(&t->session, "mesh", done, &err))
		fail_msg("%s", err.msg);
	if (session_clear_pause(&t->session, &err))
		fail_msg("%s", err.msg);
}

/* The exit code; -1: killed. */
int attempt_go(struct attempt *t)
{
	struct error err = ERROR_INIT;
	FILE *out;
	int r;

	free(t->said);
	t->said = NULL;
	out = open_memstream(&t->said, &t->said_len);
	t->session.host.boundary = boundary;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.arg = t;
	t->session.host.step.wait = wait_and_tick;
	if (setjmp(t->killed)) {
		fclose(out);
		return -1;
	}
	if (t->back || session_rolling_back(&t->session))
		r = upgrade_go_back(&t->session, out, &err);
	else
		r = upgrade_carry_out(&t->session, t->finalize, out, &err);
	fclose(out);
	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

const char *attempt_why(const struct attempt *t, struct arena *a)
{
	struct run_status status;

	run_status(a, t->session.journal, t->session.steps, t->session.n_steps, &status);
	return arena_strdup(a, str_or_empty(status.reason));
}

struct doc *attempt_plan(struct stand_in *w, const char *to)
{
	struct doc *plan = stand_in_plan(w, &w->arena, to, NULL);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(doc_find(plan, "findings.findings"), DOC_PRETTY, &text);
	if (stand_in_verdict(plan))
		fail_msg("%s", strbuf_cstr(&text));
	return plan;
}

/* A whole run to `to`; code: its exit code. The attempt stays open. */
void attempt_whole(struct attempt *t, struct stand_in *w, const char *to, int code)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	int r;

	attempt_open(t, w, "mine", -1);
	attempt_start(t, attempt_plan(w, to));
	r = attempt_go(t);
	if (r != code)
		fail_msg("%d: %s\n%s", r, attempt_why(t, &a), t->said);
}

void attempt_expect_state(struct stand_in *w, const char *want)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *is = stand_in_state(w, &a);

	if (strncmp(is, want, strlen(want)) != 0)
		fail_msg("want %s, have %s", want, is);
	if (!strstr(is, "pulls=0"))
		fail_msg("pods are left: %s", is);
}

static bool passed_before(const struct journal *j, size_t end, const char *step, const char *when,
			  const char *gate)
{
	for (size_t i = 0; i < end; i++) {
		const struct doc *b = journal_at(j, i)->body;

		if (str_eq(journal_at(j, i)->type, "gate") &&
		    str_eq(doc_find_str(b, "step"), step) &&
		    str_eq(doc_find_str(b, "when"), when) &&
		    str_eq(doc_find_str(b, "gate"), gate) &&
		    str_eq(doc_find_str(b, "result"), "pass"))
			return true;
	}
	return false;
}

static void expect_passed(const struct journal *j, size_t end, const char *step, const char *when,
			  const struct gate *const *gates)
{
	for (; gates && *gates; gates++)
		if (!passed_before(j, end, step, when, (*gates)->id))
			fail_msg("%s: record %zu without %s %s", step, end, (*gates)->id, when);
}

static bool skipped_before(const struct journal *j, size_t end, const char *step)
{
	for (size_t i = 0; i < end; i++)
		if (str_eq(journal_at(j, i)->type, "skipped") &&
		    str_eq(doc_find_str(journal_at(j, i)->body, "step"), step))
			return true;
	return false;
}

static const struct step *step_of(const struct session *s, const char *id, size_t *ret_at)
{
	for (*ret_at = 0; *ret_at < s->n_steps; ++*ret_at)
		if (str_eq(s->steps[*ret_at].id, id))
			return &s->steps[*ret_at];
	return NULL;
}

/*
 * From the journal alone: before a step's first change its own gates have passed, and before it
 * begins those behind every earlier step that was not skipped; on the way back, too.
 */
void attempt_expect_entry_gates(const struct attempt *t)
{
	const struct journal *j = t->session.journal;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const char *id = doc_find_str(r->body, "step");
		bool undo = doc_bool_or(doc_get(r->body, "undo"), false);
		const struct step *step;
		size_t at;

		step = id ? step_of(&t->session, id, &at) : NULL;
		if (!step)
			continue;
		if (str_eq(r->type, "intent"))
			expect_passed(j, i, id, undo ? "undo-before" : "before",
				      undo ? step->kind->undo_before : step->kind->before);
		if (str_eq(r->type, "end"))
			expect_passed(j, i, id, "after", step->kind->after);
		if (str_eq(r->type, "undo-end"))
			expect_passed(j, i, id, "undo", step->kind->undo_after);
		for (size_t k = 0; str_eq(r->type, "begin") && k < at; k++)
			if (!skipped_before(j, i, t->session.steps[k].id))
				expect_passed(j, i, t->session.steps[k].id, "after",
					      t->session.steps[k].kind->after);
	}
}
