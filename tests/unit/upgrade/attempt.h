/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/upgrade/attempt.h - one attempt at a run against a stand_in: it ends by itself, or is
 * killed at a boundary of its journal. What cannot be done fails the test.
 */
#pragma once

#include <setjmp.h>

#include "tests/unit/upgrade/stand_in.h"

/* One attempt at a run; it ends by itself, or is killed at a boundary. */
struct attempt {
	struct stand_in *world;
	struct session session;
	struct cluster cluster;
	jmp_buf killed;
	int kill_at; /* boundary at which to die; -1 never */
	int boundary;
	const char *at_step; /* when a gate of it waits ... */
	void (*then)(struct attempt *t);
	bool back, finalize;
	char *said;
	size_t said_len;
};

/* An attempt is zeroed before its first open. state: where its journal is, somebody's machine. */
void attempt_open(struct attempt *t, struct stand_in *w, const char *state, int kill_at);
void attempt_close(struct attempt *t);
void attempt_start(struct attempt *t, const struct doc *plan);
/* Takes up the mesh's run, and a pause that was asked for is forgotten; done: one that has ended,
 * too. */
void attempt_find(struct attempt *t, bool done);
/* The exit code; -1: killed. */
int attempt_go(struct attempt *t);
/* The same with kill_at -1, and what could not be done comes back. */
int attempt_try(struct attempt *t, struct error *err);
/* Of the journal's last transition; "" without. */
const char *attempt_why(const struct attempt *t, struct arena *a);
/* One that can be carried out. */
struct doc *attempt_plan(struct stand_in *w, const char *to);
/* A whole run to `to` that ends with code. The attempt stays open. */
void attempt_whole(struct attempt *t, struct stand_in *w, const char *to, int code);
/* That stand_in_state() begins so, and that no pod of a run is left. */
void attempt_expect_state(struct stand_in *w, const char *want);
/*
 * From the journal alone: before a step's first change its own gates have passed, and before it
 * begins those behind every earlier step that was not skipped; on the way back, too.
 */
void attempt_expect_entry_gates(const struct attempt *t);
