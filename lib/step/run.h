/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/step/run.h - a plan is carried out, interrupted anywhere, resumed, or taken back.
 *
 * The story of a run. A plan is a list of steps; each step makes changes and must pass gates before
 * (may I?) and after (did it work?). For every change the journal first says what will be done and
 * how it is taken back, on the disk and in the cluster's copy; then it is done; then the journal
 * says so. Killed anywhere, step_resume() looks at each unfinished change's object: still as
 * before, do it; already as wanted, note it; anything else, somebody was here: stop and report.
 *
 * A gate that fails stops the run; one that is inconclusive pauses it; both leave everything as it
 * is, for a person (or a policy above this) to resume or roll back. step_rollback() walks the
 * applied steps by undo_rank, then backwards, undoes their changes under the same rules and passes
 * the undo gates; it can itself be killed and resumed.
 *
 * The runner blocks in host->wait(); it never sleeps and reads no clock but the host's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"
#include "lib/step/change.h"
#include "lib/step/gate.h"
#include "lib/step/journal.h"

struct step;

#define STEP_MAX_CHANGES 256
struct step_changes {
	struct arena *arena;
	struct change items[STEP_MAX_CHANGES];
	size_t n;
};
/* Adds one; op must be unique in the step and the same every time it is asked for. */
struct change *step_add_change(struct step_changes *c, enum change_kind kind, const char *op,
			       const struct doc *ref, const struct doc *forward);

/* What kind of step it is: one row of a tool's table. */
struct step_kind {
	const char *id; /* "N8" */
	const char *title;
	/*
	 * Says which changes the step makes, from its args and what it reads; makes none itself.
	 * NULL: none. May be asked again after a crash and must then name the same ops.
	 */
	int (*changes)(void *env, const struct step *step, struct step_changes *out,
		       struct error *err);
	/* What the step's inverse does instead of taking back its changes; NULL: just those. */
	int (*undo_changes)(void *env, const struct step *step, struct step_changes *out,
			    struct error *err);
	/* Ends with NULL. */
	const struct gate *const *before, *const *after, *const *undo_before, *const *undo_after;
	/* Rollback walks lower ranks first, and within a rank from the last applied step to the
	 * first. */
	int undo_rank;
	/*
	 * Why there is nothing to do here, or NULL; a skipped step is recorded as such. Of one that
	 * was begun, too: what it changed stays its own to take back, and its gates, which have
	 * nothing to ask any more, are not asked, there or back.
	 */
	const char *(*skip)(void *env, const struct step *step, struct arena *a);
	/* A way back that meets a gate's no does not hold up that of the next such step. */
	bool undo_alone;
};

/* One step of a plan. */
struct step {
	const char *id; /* unique in the plan: "N9/payment-service" */
	const char *title;
	const struct step_kind *kind;
	const struct doc *args;
};

struct step_host {
	void *ctx;
	const struct clock *clock;
	/* The object as it is; NULL when absent. */
	int (*read)(void *ctx, const struct doc *ref, struct arena *a, struct doc **ret_live,
		    struct error *err);
	/*
	 * Carries out kind with body (the object to create, the merge patch; NULL for a deletion)
	 * on ref. live is what was read just now; -ESTALE when the object moved since (it is read
	 * again). *ret_now is the object afterwards (NULL: gone).
	 */
	int (*write)(void *ctx, enum change_kind kind, const struct doc *ref,
		     const struct doc *body, const struct doc *live, struct arena *a,
		     struct doc **ret_now, struct error *err);
	/* What is needed to make a deleted object again: without what the server writes. NULL: all.
	 */
	struct doc *(*wanted)(void *ctx, struct arena *a, const struct doc *object);
	/* A digest of what somebody else's edit would change. */
	void (*digest)(void *ctx, const struct doc *object, char *buf, size_t size);
	/* What somebody has made of it, as a sentence, for a host whose objects are no places in a
	 * document; NULL: change_conflict(). */
	const char *(*foreign)(void *ctx, const struct doc *live);
	/* Waits; -EINTR when the run shall pause. */
	int (*wait)(void *ctx, uint64_t ns, struct error *err);
	/* Asked before every change and step: -EINTR when the run shall pause. May be NULL. */
	int (*check)(void *ctx, struct error *err);
	/* Keeps a copy of one journal line elsewhere, durably, before what it announces; may be
	 * NULL. */
	int (*copy)(void *ctx, const struct journal_record *record, struct error *err);
	/* Every transition, for progress and logs; may be NULL. */
	void (*tell)(void *ctx, const struct journal_record *record);
	void (*sampled)(void *ctx, const struct gate *g, const struct gate_sample *s,
			enum finding_result judged);
	/* Tests kill here: called before and after every journal record and every write. May be
	 * NULL. */
	void (*boundary)(void *ctx, const char *where);
};

enum run_state {
	RUN_RUNNING,      /* or killed while running: resume */
	RUN_PAUSED,       /* asked to, or interrupted */
	RUN_INCONCLUSIVE, /* a gate could not be decided */
	RUN_STOPPED,      /* a gate said no */
	RUN_CONFLICT,     /* somebody else changed an object of ours */
	RUN_FAILED,       /* a change could not be made (its error is in the journal) */
	RUN_DONE,
	RUN_ROLLING_BACK,
	RUN_ROLLED_BACK,
	RUN_ROLLBACK_STOPPED, /* the rollback met a conflict, a gate or an error: a person is needed
			       */
};
const char *run_state_name(enum run_state s);

enum step_state { STEP_PENDING, STEP_BEGUN, STEP_DONE, STEP_SKIPPED, STEP_UNDOING, STEP_UNDONE };
const char *step_state_name(enum step_state s);

struct step_run {
	void *env; /* handed to tables' functions */
	const struct step_host *host;
	const struct step *steps;
	size_t n_steps;
	struct journal *journal;
};

/* What the journal says, computed from its records alone. */
struct run_status {
	enum run_state state;
	bool rollback;           /* a rollback was begun: the only way is on with it */
	const char *reason;      /* of the last transition, or NULL; as long as the journal */
	const char *step;        /* the step at hand, or NULL; as long as the journal */
	const char *taking_back; /* one step alone is on its way back; NULL: none is */
	const char *taken_back;  /* it was, and the run stopped then; NULL: no such thing */
	enum step_state *steps;  /* per step of the plan */
	size_t n_steps, n_done;
	unsigned changes_done, changes_undone;
};
/* Without steps nothing is said of each; what is at hand is. In arena a. */
void run_status(struct arena *a, const struct journal *j, const struct step *steps, size_t n_steps,
		struct run_status *out);

/*
 * Starts or goes on: steps the journal knows as done are not repeated. Returns 0 with *ret_state
 * (DONE, PAUSED, INCONCLUSIVE, STOPPED, CONFLICT, FAILED) journaled, or negative errno when the
 * journal itself cannot be written. -EALREADY when the run was rolled back (or is being).
 */
int step_run(struct step_run *run, enum run_state *ret_state, struct error *err);

/*
 * Takes one step back and nothing else, after a gate said no to it: the run is RUN_STOPPED then,
 * and step_run() carries the step out anew. Interrupted, step_run() first goes on with it.
 */
int step_take_back(struct step_run *run, const char *step, enum run_state *ret_state,
		   struct error *err);

/* Takes back what was applied; goes on with a rollback that was interrupted. States ROLLED_BACK,
 * PAUSED or ROLLBACK_STOPPED. */
int step_rollback(struct step_run *run, enum run_state *ret_state, struct error *err);
