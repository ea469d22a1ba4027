/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/migrate/attempt.h - one attempt at the run of tests/unit/migrate/world/plan.yaml
 * against a stand_in: it ends by itself, or is killed at a boundary of its journal. What cannot be
 * done fails the test.
 */
#pragma once

#include <setjmp.h>

#include "lib/run/runs.h"
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

struct doc *attempt_plan(struct arena *a);

/* An attempt is zeroed before its first open. state: where its journal is, somebody's machine. */
void attempt_open(struct attempt *t, struct stand_in *w, const char *state, int kill_at);
void attempt_close(struct attempt *t);

/* Begins a run; plan NULL: attempt_plan(). */
void attempt_start(struct attempt *t, struct doc *plan);
/* Takes up the namespace's run; done: one that has ended, too. */
void attempt_find(struct attempt *t, bool done);

/* true: ended by itself in *ret_state; false: killed. */
bool attempt_go(struct attempt *t, enum run_state *ret_state);

/* Of the journal's last transition; "" without. */
const char *attempt_why(const struct attempt *t, struct arena *a);
/* That these words stand in it. */
void attempt_expect(struct attempt *t, const char *says);

/*
 * Runs to the end with one kill (-1: none); afterwards a colleague, who has no journal, goes on.
 * How many boundaries the first of the two passed.
 */
int attempt_killed_at(struct stand_in *w, int kill_at, bool rollback, enum run_state want);
