/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/session.h - one run of a tool in hand: its cluster, plan, journal, copy and lock.
 *
 * A run has a name ("shop-20261123071500"). Its plan and journal lie in the state folder of this
 * machine, and in the SidestepRun of that name; either alone is enough to go on with it. What is
 * of one tool alone (its tables of steps and gates, what they look at) hangs on its struct
 * run_tool.
 */
#pragma once

#include "lib/cli/progress.h"
#include "lib/object/sidestep.h"
#include "lib/run/host.h"

struct session;

struct run_tool {
	const char
		*name; /* "migrate": as typed behind `sidestep`; spec.tool, of the Lease's name */
	const char
		*subject; /* what a run is of, "namespace": member of plans and journals' headers */
	/*
	 * The one subject there is in a cluster, "mesh": it need not be typed. NULL: the plan names
	 * it, and whoever types a command.
	 */
	const char *only;
	const char *lease_namespace; /* where the Lease is; NULL: the subject is a namespace */
	/* Keeps the lock files of tools apart in one state folder: "upgrade."; NULL: nothing. */
	const char *lock_prefix;
	const char *undoes; /* behind "rollback" once a run is done: "brings the sidecars back" */
	const char *back;   /* what the verb that takes a run back is called; NULL: "rollback" */
	/* Said of what can be done once a run is done or was taken back; NULL: verb and undoes. */
	const char *once_over;
	/*
	 * What to type next, where a tool knows better than what is said of every one's run. NULL,
	 * or it answers NULL: that.
	 */
	const char *(*next)(struct arena *a, const struct journal *j, const struct run_status *s);
	/* Fills env, steps and n_steps of s, whose plan is there, from s->arena. */
	int (*take_plan)(struct session *s, struct error *err);
	/* Around every run and rollback; the rest of the session's life is over. May be NULL. */
	void (*begin)(struct session *s);
	void (*end)(struct session *s);
	/*
	 * The journal says how it ended, the copy in the cluster not yet: what belongs to a run
	 * that counts as done. Whoever is killed here finds it unfinished, and comes here again.
	 * May be NULL.
	 */
	int (*ended)(struct session *s, enum run_state state, struct error *err);
	void (*release)(struct session *s);
};

struct session_options {
	const char *kubeconfig, *context;
	const char *state; /* folder; NULL: session_state_dir() */
};

struct session {
	const struct run_tool *tool;
	struct arena arena;
	struct cluster cluster;
	const char *state;   /* folder of all runs */
	const char *run;     /* name; NULL while none is chosen */
	const char *subject; /* what it is of */
	struct doc *plan;
	void *env; /* the tool's: handed to its tables' functions */
	struct run_host host;
	struct step *steps;
	size_t n_steps;
	struct journal *journal;
	struct progress progress;
	struct kube_lease *lease;
	int local_lock; /* fd + 1 of the subject's file in the state folder */
	struct loop_signal *signals[2];
	bool locked;
};

/* $SIDESTEP_STATE, /var/lib/sidestep for root, else ~/.local/state/sidestep; in a. */
const char *session_state_dir(struct arena *a);

/* Connects; SIGINT and SIGTERM ask for a pause from now on. */
int session_open(struct session *s, const struct run_tool *tool, const struct session_options *o,
		 struct error *err);
/* Waits until what is under way is told, hands the lock back. */
void session_close(struct session *s);
/* On a cluster that is already open (tests); no signals, no lock. */
void session_attach(struct session *s, const struct run_tool *tool, const struct cluster *cluster,
		    const char *state);
/* A file of the run in the state folder; the folder is there once a run was started or found. */
const char *session_file(struct session *s, const char *name);

/*
 * A new run of this plan: folder, journal, copy. -EBUSY when one of the subject is unfinished,
 * -E2BIG when its journal could outgrow the copy; then nothing was made.
 */
int session_start(struct session *s, struct doc *plan, struct error *err);
/*
 * The latest run of the subject (or the run of that name) that is not finished; with done also
 * one that is done. Its journal comes from this machine, or from the copy when that knows more.
 * -ENOENT when there is none; -EBUSY when it is done, and a later one of its subject is, too, or is
 * under way; -ESTALE when neither the copy nor this machine has the plan whose
 * digest the journal begins with: nobody approved any other.
 */
int session_find(struct session *s, const char *subject_or_run, bool done, struct error *err);
/* The subject of the run that session_find() would take. */
int session_subject(struct session *s, const char *subject_or_run, bool done,
		    const char **ret_subject, struct error *err);
/*
 * Whether there is nothing left for session_find() because the newest run has ended: its name
 * (else NULL, also when there never was one) and whether it is done or rolled back. Somebody who
 * was cut off after the last record learns so from here that all was well.
 */
int session_ended(struct session *s, const char *subject_or_run, bool done, const char **ret_run,
		  enum run_state *ret_state, struct error *err);
/* Removes what a pause asked for through the cluster left, so that the run does not stop again. */
int session_clear_pause(struct session *s, struct error *err);
/* Whether the journal's run is on its way back. */
bool session_rolling_back(const struct session *s);

/*
 * The lock of the subject, taken before a run of it is started or found: a file in the state
 * folder and a Lease in the cluster, held by the state folder, not by the machine's name. -EBUSY
 * names owner and expiry, as soon as the owner is seen to live.
 */
int session_lock(struct session *s, const char *subject, struct error *err);
/* The Lease that a run of the subject holds; NULL when there is none. */
int session_lease(const struct run_tool *tool, struct cluster *c, struct arena *a,
		  const char *subject, struct doc **ret_lease, struct error *err);

/* Runs or rolls back; writes the state into the copy. */
int session_run(struct session *s, enum run_state *ret_state, struct error *err);
int session_rollback(struct session *s, enum run_state *ret_state, struct error *err);
/* One step alone; see step_take_back(). */
int session_take_back(struct session *s, const char *step, enum run_state *ret_state,
		      struct error *err);

/* A journal of a copy's lines, only to be read. */
int session_read_copy(struct arena *a, const struct sidestep_run *run, const struct clock *clock,
		      struct journal **ret_journal, struct error *err);
