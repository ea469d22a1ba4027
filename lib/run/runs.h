/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/runs.h - the runs of a tool in a cluster: where they stand, what their reader can do
 * next, and what the verbs of every tool do about them (status, pause, resume, rollback).
 */
#pragma once

#include "lib/report/page.h"
#include "lib/run/session.h"

/* The house's exit code for how a run or rollback ended. */
int run_exit_code(enum run_state state, bool rollback);
/* What to type next, and why: "it was cut short: 'sidestep migrate resume shop' goes on, ...".
 * alive: somebody is at it. In a. */
const char *run_next(const struct run_tool *tool, struct arena *a, const char *subject,
		     const struct journal *j, const struct run_status *s, bool alive);
/* Says how a session's work ended, and why. */
void run_say(struct session *s, FILE *out, enum run_state state);
/* The same and what to type next; answers the exit code. */
int run_tell(struct session *s, FILE *out, enum run_state state, bool rollback);

/* The newest run of a subject or of that name (NULL: of all), whatever its state. -ENOENT. */
int runs_newest(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
		struct sidestep_run **ret_run, struct error *err);
/*
 * Of each run (what NULL: of all): run, the subject, state, step, reason, next, changesDone,
 * changesUndone, began, last; holder and holderUntil while somebody holds its lock.
 */
int runs_list(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
	      struct doc **ret_list, struct error *err);
/* A table of what runs_list() made, then of each why it stands where it does, and what to do. */
void runs_page(const struct run_tool *tool, struct arena *a, const char *title,
	       const struct doc *list, struct page *page);
/* Asks whoever is at the newest run to stop at its next safe point; says so on out. */
int runs_pause(const struct run_tool *tool, struct cluster *c, struct arena *a, const char *what,
	       FILE *out, struct error *err);

/* Goes on with a run, or back: finds it, locks its subject, and calls fn. */
struct run_again {
	const struct run_tool *tool;
	struct session_options options;
	const char *what; /* subject or run */
	bool done;        /* also one that has ended well, to take it back */
	FILE *out;
	/* Answers an exit code. */
	int (*fn)(const void *arg, struct session *s, struct error *err);
	const void *arg;
};
int run_again(const struct run_again *r, struct error *err);
