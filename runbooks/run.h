/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/run.h - a runbook is carried out, interrupted anywhere, resumed, taken back.
 *
 * A run walks (walk.h), does the one step that is pending, notes its answer in the journal, and
 * walks again. What was answered is never asked again, so whoever resumes comes by the same way to
 * the same place; a change that was begun and not ended is judged by its object (lib/step).
 *
 * Records beside those of lib/step: answer {step, status, why, answer, evidence}, change {step,
 * changes}, deed {step, phase, ...} for what is no change of an object, asked {step, at, changes}
 * for an approval (wanted.h), question {step, at} for an answer, approved {step, by}, captured
 * {step, evidence} behind a change that failed, changed {digest, runbook} when a changed file was
 * accepted, conclusion {outcome, cause, exit,
 * ...}.
 *
 * A run's folder is <state>/runbooks/<run>: plan.json (the runbook itself, mode, parameters, who
 * asked), journal, and the evidence beside it. A run that may change something also has a copy in
 * the cluster (SidestepRun of tool "runbook"), from which a colleague can go on; reading needs
 * none, and leaves nothing in the cluster. Without a cluster everything is in the folder.
 */
#pragma once

#include "lib/run/session.h"
#include "runbooks/evidence.h"
#include "runbooks/sources.h"
#include "runbooks/walk.h"

/*
 * A result above this is kept without its rows; they are in the evidence. The journal's copy is one
 * object of at most 1.5 MB with the plan, so answers get less as it grows.
 */
#define RUN_MAX_ANSWER   (24u << 10)
#define RUN_LARGE_KEPT   (256u << 10)
#define RUN_LEAST_ANSWER (1u << 10)
#define RUN_MAX_CALLS    3u
#define RUNBOOK_MAX_PLAN (4u << 20)
#define RUN_MAX_ITEMS    1000u /* of a foreach */

struct run_options {
	const char *kubeconfig, *context;
	const char *state;    /* NULL: session_state_dir() */
	const char *evidence; /* NULL: <state>/evidence */
	bool no_cluster;      /* do not even look for one */
	bool quiet;
	bool unvouched;             /* approvals count in whatever name they were made */
	const char *const *answers; /* "step=value" for ask */
	size_t n_answers;
	FILE *out; /* lines as steps end; NULL: none */
};

struct requester {
	const char *name; /* as the API server names the caller, or "uid 1000" */
	struct strings groups;
	bool by_api;
};

struct runner {
	struct arena arena;
	struct cluster cluster;
	bool own_cluster;
	const char *no_cluster;
	struct run_options options;
	struct loop_signal *signals[2];
	const char *state, *run, *dir;
	struct doc *plan;
	const char
		*digest; /* SHA-256 of the plan and of what was accepted since: what is approved */
	struct runbook rb;
	enum runbook_mode mode;
	struct doc *secrets;
	struct run_host host;
	struct journal *journal;
	struct doc *answers; /* records by step */
	struct doc *voided; /* approvals that an accepted change made void: going back knows them */
	bool copied; /* the journal came from the cluster, where others may have written it */
	struct evidence_store evidence;
	struct source_env sources;
	struct session lock;
	bool locked;
	int lock_fd; /* fd + 1, without a cluster */
	unsigned depth;
	bool reading;     /* a question is under way, and nothing is being changed */
	size_t kept;      /* bytes of the journal: the more there are, the shorter answers get */
	bool unreachable; /* the API did not answer the last time: do not wait long for it again */
	/* Tests: called around every record and write. */
	void (*boundary)(void *arg, const char *where);
	int (*waiting)(struct runner *r, uint64_t ns, struct error *err);
	void *arg;
};

/* How a run stands when it stops. */
struct run_end {
	int exit;
	const char *outcome, *cause, *why; /* why: of a doubt, a failure, a waiting */
	const char *waiting;               /* step that needs an approval or an answer */
	bool ended; /* concluded: nothing is left to be done but to roll back */
};

/* With own cluster, found by kubeconfig; without one it goes on alone. */
int runner_open(struct runner *r, const struct run_options *o, struct error *err);
/* On a cluster that is there (tests). */
void runner_attach(struct runner *r, const struct cluster *c, const struct run_options *o);
void runner_close(struct runner *r);

struct run_request {
	const struct runbook *rb;
	const char *from_file; /* NULL: shipped */
	enum runbook_mode mode;
	struct doc *params, *secrets;
	const char *from, *until;
	bool dry_run;
};
/* A new run: plan, folder, journal, copy, lock. -EPERM: it begins behind an approval. */
int runner_start(struct runner *r, const struct run_request *q, struct error *err);
/*
 * Of a run whose journal came from the cluster: -EPERM when what it says was changed is not what
 * the steps of its runbook change.
 */
int copied_fits(struct runner *r, struct error *err);
/* -EPERM when the plan's from leaves out an approval that may stand before what it changes. */
int runner_passes_approvals(const struct runner *r, struct error *err);
/* One that is there, by its name, from this machine or the copy. lock: to go on with it. */
int runner_find(struct runner *r, const char *run, bool lock, struct error *err);
/*
 * The file it was begun from, as it is now. -ESTALE when it differs and accept is not set, or when
 * steps that are finished differ.
 */
int runner_compare_file(struct runner *r, const struct runbook *now, bool accept,
			struct error *err);

/* Goes on until it ends or waits. */
int runner_go(struct runner *r, struct run_end *ret_end, struct error *err);
/* Takes changes back, from the last; to: a step that stays as it is, NULL: all. */
int runner_rollback(struct runner *r, const char *to, struct run_end *ret_end, struct error *err);
/* Ends it here: `finally` is done, what was changed stays. */
int runner_abort(struct runner *r, const char *why, struct run_end *ret_end, struct error *err);
/* How it stands, from the journal alone. */
void runner_status(struct runner *r, struct walk *ret_walk, struct run_end *ret_end);

/* Who asks: the API server's word for the caller, or without a cluster the uid's. */
int runner_caller(struct runner *r, struct requester *ret, struct error *err);
/* Names of all runs in the state folder, oldest first; in a. */
int runs_in_state(struct arena *a, const char *state, struct strings *ret, struct error *err);
