/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/upgrade/apply.h - applies of a configuration against an API server in this process,
 * from the machine (state folder) of somebody; each ends by itself, or is killed at a boundary of
 * its journal. What cannot be done fails the test.
 */
#pragma once

#include <setjmp.h>

#include "tests/unit/upgrade/api.h"
#include "upgrade/config_again.h"
#include "upgrade/config_history.h"
#include "upgrade/config_propose.h"

struct apply {
	struct api *api;
	struct cluster cluster;
	struct config_tool tool;
	struct session session;
	struct config_place place;
	struct config_proposal proposal;
	bool proposed;
	jmp_buf killed;
	int kill_at;  /* boundary at which to die; -1 never */
	int boundary; /* how many were passed */
	/* While a gate waits; may be NULL. */
	void (*meanwhile)(struct api *w);
	struct error err;
};

void apply_open(struct apply *t, struct api *w, const char *machine, int kill_at);
void apply_close(struct apply *t);

struct apply_options {
	const char *manifests; /* YAML */
	const char *back;      /* instead: a revision */
	const char *plan;      /* instead: a plan, as JSON; manifests have its secrets, or NULL */
	bool prune, unasked;
	const char *overwrite; /* one object */
	const char *delete;    /* one object */
	const char *as;
};
/* 0 or what config_propose() answers; t->proposal. */
int apply_propose(struct apply *t, const struct apply_options *o);
/* The same, and it may be carried out. */
void apply_must_propose(struct apply *t, const struct apply_options *o);
/* What blocks it, one line each. */
const char *apply_blocked(struct apply *t);

/* What the revision would change of the newest one, as JSON. */
const char *apply_records(struct apply *t);

/* Begins what was proposed, runs to its end: true, and the exit code; false: killed. */
bool apply_go(struct apply *t, int *ret_code);
/* Goes on with what was begun; the exit code, or what went wrong with the journal itself. */
int apply_on(struct apply *t);
/* Finds what was begun and takes it back: the same answers. */
int apply_back(struct apply *t);
/* Finds the run, and goes on with it, or back. */
bool apply_again(struct apply *t, bool abort, int *ret_code);

/* From an empty hand to the end on that machine; the exit code. */
int apply_all(struct api *w, const char *machine, const struct apply_options *o);
/* Every object of the namespace shop and what is cluster-wide of ours, as text. */
const char *apply_state(struct api *w);
/* Every stored byte that anybody may read: the folder, and all but Secrets in the cluster. */
bool apply_leaks(struct api *w, const char *word);
