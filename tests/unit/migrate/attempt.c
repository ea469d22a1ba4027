/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at a run. */
#include "tests/unit/migrate/attempt.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

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

struct doc *attempt_plan(struct arena *a)
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

void attempt_open(struct attempt *t, struct stand_in *w, const char *state, int kill_at)
{
	t->world = w;
	t->cluster = stand_in_cluster(w);
	t->kill_at = kill_at;
	t->boundary = 0;
	session_attach(&t->session, &migrate_tool, &t->cluster,
		       arena_printf(&w->arena, "%s/%s", w->dir, state));
}

void attempt_close(struct attempt *t)
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

bool attempt_go(struct attempt *t, enum run_state *ret_state)
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

void attempt_start(struct attempt *t, struct doc *plan)
{
	struct error err = ERROR_INIT;

	if (session_start(&t->session, plan ? plan : attempt_plan(&t->session.arena), &err))
		fail_msg("%s", err.msg);
}

void attempt_find(struct attempt *t, bool done)
{
	struct error err = ERROR_INIT;

	if (session_find(&t->session, "ledger", done, &err))
		fail_msg("%s", err.msg);
}

const char *attempt_why(const struct attempt *t, struct arena *a)
{
	struct run_status status;

	run_status(a, t->session.journal, t->session.steps, t->session.n_steps, &status);
	return arena_strdup(a, str_or_empty(status.reason));
}

void attempt_expect(struct attempt *t, const char *says)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (!strstr(attempt_why(t, &a), says))
		fail_msg("wanted '%s' in: %s", says, attempt_why(t, &a));
}

int attempt_killed_at(struct stand_in *w, int kill_at, bool rollback, enum run_state want)
{
	static struct attempt t;
	enum run_state state;
	const char *reason;
	int passed;
	bool whole;

	memset(&t, 0, sizeof(t));
	attempt_open(&t, w, "mine", kill_at);
	t.rollback = rollback;
	if (rollback)
		attempt_find(&t, true);
	else
		attempt_start(&t, NULL);
	whole = attempt_go(&t, &state);
	reason = attempt_why(&t, &w->arena);
	passed = t.boundary;
	attempt_close(&t);
	if (!whole) {
		/* Every second time from the copy in the cluster alone. */
		attempt_open(&t, w, kill_at % 2 ? "colleague" : "mine", -1);
		attempt_find(&t, true);
		assert_true(attempt_go(&t, &state));
		reason = attempt_why(&t, &w->arena);
		attempt_close(&t);
	}
	if (state != want)
		fail_msg("killed at %d: %s: %s", kill_at, run_state_name(state), reason);
	return passed;
}
