/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/session.h - one migration in hand: its cluster, plan, journal, copy and lock.
 *
 * A run has a name ("shop-20261123071500"). Its plan and journal lie in the state folder of this
 * machine, and in the SidestepRun of that name; either alone is enough to go on with it.
 */
#pragma once

#include "lib/cli/progress.h"
#include "migrate/host.h"
#include "migrate/machine.h"
#include "migrate/plan.h"

struct session_options {
	const char *kubeconfig, *context;
	const char *state; /* folder; NULL: session_state_dir() */
	bool quiet;
};

struct session {
	struct arena arena;
	struct cluster cluster;
	const char *state; /* folder of all runs */
	const char *run;   /* name; NULL while none is chosen */
	struct doc *plan;
	struct migration migration;
	struct run_host host;
	struct step *steps;
	size_t n_steps;
	struct journal *journal;
	struct progress progress;
	struct kube_lease *lease;
	int local_lock; /* fd + 1 of the namespace's file in the state folder */
	struct loop_signal *signals[2];
	bool locked;
};

/* $SIDESTEP_STATE, /var/lib/sidestep for root, else ~/.local/state/sidestep; in a. */
const char *session_state_dir(struct arena *a);

/* Connects; SIGINT and SIGTERM ask for a pause from now on. */
int session_open(struct session *s, const struct session_options *o, struct error *err);
/* Waits until what is under way is told, hands the lock back. */
void session_close(struct session *s);
/* On a cluster that is already open (tests); no signals, no lock. */
void session_attach(struct session *s, const struct cluster *cluster, const char *state);

/*
 * A new run of this plan: folder, journal, copy. -EBUSY when one of the namespace is unfinished,
 * -E2BIG when its journal could outgrow the copy; then nothing was made.
 */
int session_start(struct session *s, struct doc *plan, struct error *err);
/*
 * The latest run of the namespace (or the run of that name) that is not finished; with done also
 * one that is done. Its journal comes from this machine, or from the copy when that knows more.
 * -ENOENT when there is none; -ESTALE when neither the copy nor this machine has the plan whose
 * digest the journal begins with: nobody approved any other.
 */
int session_find(struct session *s, const char *namespace_or_run, bool done, struct error *err);
/* The namespace of the run that session_find() would take. */
int session_subject(struct session *s, const char *namespace_or_run, bool done,
		    const char **ret_namespace, struct error *err);
/*
 * Whether there is nothing left for session_find() because the newest run has ended: its name
 * (else NULL, also when there never was one) and whether it is done or rolled back. Somebody who
 * was cut off after the last record learns so from here that all was well.
 */
int session_ended(struct session *s, const char *namespace_or_run, bool done, const char **ret_run,
		  enum run_state *ret_state, struct error *err);
/*
 * The lock of the namespace, taken before a run of it is started or found: a file in the state
 * folder and a Lease in the cluster, held by the state folder, not by the machine's name. -EBUSY
 * names owner and expiry, as soon as the owner is seen to live.
 */
int session_lock(struct session *s, const char *namespace_, struct error *err);
/* The Lease that a run of the namespace holds; NULL when there is none. */
int session_lease(struct cluster *c, struct arena *a, const char *namespace_,
		  struct doc **ret_lease, struct error *err);

/* Runs or rolls back; writes the state into the copy. */
int session_run(struct session *s, enum run_state *ret_state, struct error *err);
int session_rollback(struct session *s, enum run_state *ret_state, struct error *err);
/* The house's exit code for how a run or rollback ended. */
int session_exit_code(enum run_state state, bool rollback);

/* A journal of a copy's lines, only to be read. */
int session_read_copy(struct arena *a, const struct sidestep_run *run, const struct clock *clock,
		      struct journal **ret_journal, struct error *err);
