/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of a hop up and of the way back meets every fault of an API: once, at that call.
 * Nothing of an upgrade watches, so what can be cut is a call: before it is done, or after it with
 * the answer lost. What passes by changes nothing; what a server refuses is repeated, or it stops
 * with the conflict's name and a resume ends it.
 *
 * Time is a fake clock that moves a little with every turn of the loop, so that slow answers come.
 *
 *   test_upgrade_faults [STRIDE OFFSET]    only every so many-th call
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/run/runs.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"

#define BOTH(version) "worker-2=" version " worker-3=" version " template=" version
#define TURN_NS       (5 * NS_PER_MS)

static const struct row {
	const char *fault, *verb; /* NULL: every one */
	const char *stops;        /* what a stop says, which is an answer to it, too */
	int stride;               /* at most; of a verb that is rare */
} rows[] = {
	{"\"status\": 409, \"reason\": \"Conflict\"", "patch", "scripted fault", 17},
	{"\"status\": 409, \"reason\": \"Conflict\"", "delete", "scripted fault", 2},
	{"\"status\": 409, \"reason\": \"AlreadyExists\"", "create", "scripted fault", 4},
	{"\"status\": 410, \"reason\": \"Expired\"", NULL, NULL, 0},
	{"\"status\": 429, \"retryAfterSeconds\": 1", NULL, NULL, 0},
	{"\"status\": 500", NULL, NULL, 0},
	{"\"cut\": \"before\"", NULL, NULL, 0},
	{"\"cut\": \"after\"", NULL, NULL, 0},
	{"\"delayMs\": 3000", NULL, NULL, 0},
	/* Longer than a client waits for an answer. */
	{"\"delayMs\": 45000", NULL, NULL, 0},
};

static int stride = 1, offset;

/* --- a clock that moves by itself --- */

struct mover {
	struct stand_in *world;
	struct loop_fd *source;
	int fd;
};

static void move(void *arg, unsigned ready)
{
	struct mover *m = arg;

	(void)ready;
	fake_clock_advance(&m->world->clock, TURN_NS);
}

static void mover_start(struct mover *m, struct stand_in *w)
{
	*m = (struct mover){.world = w, .fd = eventfd(1, EFD_CLOEXEC)};
	assert_true(m->fd >= 0);
	m->source = loop_fd_new(w->loop, m->fd, LOOP_READ, move, m);
}

static void mover_stop(struct mover *m)
{
	loop_fd_free(m->source);
	close(m->fd);
}

/* --- one attempt with a fault, and what it takes to end it --- */

static int begin(struct attempt *t, struct stand_in *w, const struct doc *plan, struct error *err)
{
	int r;

	attempt_open(t, w, "mine", -1);
	t->cluster.fake = NULL;
	t->session.cluster.fake = NULL;
	r = session_lock(&t->session, upgrade_tool.only, err);
	if (r)
		return r;
	if (plan)
		return session_start(&t->session, doc_clone(&t->session.arena, plan), err);
	r = session_find(&t->session, "mesh", true, err);
	return r ? r : session_clear_pause(&t->session, err);
}

static int attempt_once(struct attempt *t, struct stand_in *w, const struct doc *plan,
			struct error *err)
{
	int r = begin(t, w, plan, err);

	return r ? r : attempt_try(t, err);
}

/* A stop says what was in the way, and what to type; an error says it, and nothing else happens. */
static void expect_named(const struct row *row, struct attempt *t, int n, int r,
			 const struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (!row->stops)
		fail_msg("%s at call %d: %d: %s\n%s", row->fault, n, r, err->msg,
			 str_or_empty(t->said));
	if (getenv("TELL"))
		printf("%s at call %d: %d: %s%s", row->fault, n, r, r < 0 ? err->msg : "",
		       r < 0 ? "\n" : t->said);
	if (r < 0 && !strstr(err->msg, row->stops))
		fail_msg("%s at call %d: %d: %s", row->fault, n, r, err->msg);
	if (r > 0 && (!strstr(attempt_why(t, &a), row->stops) || !strstr(t->said, "next: ")))
		fail_msg("%s at call %d: %d: %s", row->fault, n, r, t->said);
}

/* False: there are not so many calls. */
static bool struck_at(struct stand_in *w, const struct row *row, int n, bool back,
		      unsigned *ret_stops)
{
	const struct doc *plan = back ? NULL : attempt_plan(w, "0.3.0");
	int want = back ? CLI_OK : CLI_WAITING, r;
	struct error err = ERROR_INIT;
	static struct attempt t;
	bool struck;

	memset(&t, 0, sizeof(t));
	t.back = back;
	stand_in_faults(w, arena_printf(&w->arena,
					"{\"faults\": [{\"match\": {\"user\": \"" UPGRADER
					"\", \"verb\": \"%s\"}, \"skip\": %d, \"times\": 1, %s}]}",
					row->verb ? row->verb : "*", n, row->fault));
	r = attempt_once(&t, w, plan, &err);
	struck = stand_in_struck(w);
	stand_in_faults(w, NULL);
	if (r != want) {
		expect_named(row, &t, n, r, &err);
		++*ret_stops;
		attempt_close(&t);
		stand_in_tick(w);
		r = attempt_once(&t, w, NULL, &err);
		if (r == -ENOENT && plan) { /* it did not even begin */
			attempt_close(&t);
			r = attempt_once(&t, w, plan, &err);
		}
	}
	if (r != want)
		fail_msg("%s at call %d: again: %d: %s\n%s", row->fault, n, r, err.msg,
			 str_or_empty(t.said));
	attempt_expect_entry_gates(&t);
	attempt_expect_state(w, back ? BOTH("0.2.0") : BOTH("0.3.0"));
	attempt_close(&t);
	return struck;
}

/* There and back with the fault at the n-th call of each. */
static void both_ways(const struct row *row, int n, bool *up, bool *back, int calls[2],
		      unsigned *stops)
{
	struct stand_in w;
	struct mover m;

	stand_in_new_small(&w);
	mover_start(&m, &w);
	*up = struck_at(&w, row, n, false, stops) && *up;
	*back = struck_at(&w, row, n, true, stops) && *back;
	calls[0] += *up;
	calls[1] += *back;
	mover_stop(&m);
	stand_in_free(&w);
}

static void every_call(const struct row *row)
{
	int every = row->verb ? MIN(stride, row->stride) : stride;
	int n = offset % every, calls[2] = {0, 0};
	bool up = true, back = true;
	unsigned stops = 0;

	for (; up || back; n += every)
		both_ways(row, n, &up, &back, calls, &stops);
	printf("%s%s%s: at %d calls up, %d back; %u stops\n", row->fault, row->verb ? ", " : "",
	       str_or_empty(row->verb), calls[0], calls[1], stops);
	assert_true(calls[0] > 0 && calls[1] > 0);
}

/* FAULT=n: that row alone; TELL=1: what each stop says. */
TEST(every_call_meets_every_fault)
{
	const char *one = getenv("FAULT");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!one || (size_t)atoi(one) == i)
			every_call(&rows[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_meets_every_fault)};

	if (argc > 2) {
		stride = atoi(argv[1]);
		offset = atoi(argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
