/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/entry_gates.h"

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

static int carry_out(struct attempt *t, FILE *out, struct error *err)
{
	t->session.host.boundary = boundary;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.arg = t;
	t->session.host.step.wait = wait_and_tick;
	if (t->back || session_rolling_back(&t->session))
		return upgrade_go_back(&t->session, out, err);
	return upgrade_carry_out(&t->session, t->finalize, out, err);
}

int attempt_try(struct attempt *t, struct error *err)
{
	FILE *out;
	int r;

	free(t->said);
	t->said = NULL;
	out = open_memstream(&t->said, &t->said_len);
	r = carry_out(t, out, err);
	fclose(out);
	return r;
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
	if (setjmp(t->killed)) {
		fclose(out);
		return -1;
	}
	r = carry_out(t, out, &err);
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

void attempt_expect_entry_gates(const struct attempt *t)
{
	expect_entry_gates(&t->session);
}
