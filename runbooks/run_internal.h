/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/run_internal.h - the parts of a run. Used by run*.c, act.c, change.c, approve.c. */
#pragma once

#include "lib/cli/exit.h"
#include "runbooks/expr.h"
#include "runbooks/known.h"
#include "runbooks/run.h"

/* A list of steps at work: the runbook's own, or one within a foreach, call, rollback. */
struct scope {
	struct runner *r;
	const struct runbook *rb;
	const struct runbook_step *steps;
	size_t n_steps;
	const char *prefix;
	const struct doc *data; /* known from outside */
	enum runbook_mode mode;
	const char *from, *until;
	bool concludes;
	bool undoes;               /* a step's rollback.steps, and all within */
	const struct scope *outer; /* the list this one stands in */
};

/* What came of a step. answer NULL: none could be had, why says it. */
struct done {
	enum step_status status;
	struct doc *answer;
	const char *why, *source;
	const char *at; /* the step that waits, with those around it */
	bool waits;     /* nothing is noted: an approval or answer is missing */
	bool pauses;    /* nothing is noted: the run stops here, and may be resumed */
};

/* Walks the list to its end, or until something waits. -EINTR: interrupted. */
int scope_go(const struct scope *s, struct walk *ret_walk, struct done *ret_last,
	     struct error *err);
/* Does one step. Negative only when the run itself cannot go on. */
int act(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	struct done *d, struct error *err);
/* Asks what a reading step asks; data as it is now. */
void act_read(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	      struct arena *a, struct done *d);
/* No answer could be had, and why. */
void act_cannot(struct done *d, const char *why);
void act_failed(struct done *d, struct arena *a, const struct error *err);
/* The step of the list (or of those around it) that registers name; with its scope. */
const struct runbook_step *scope_source(const struct scope *s, const char *name,
					const struct scope **ret_scope);
/* Asks anew the results that expr names and evaluates it; *ret_data is what was known. */
struct resample {
	const char *names[8];
	bool had[8];
	const char *why[8];
	size_t n;
	enum expr_truth truth;
	const char *unknown; /* why truth is unknown */
};
void resample(const struct scope *s, const char *expr, const struct doc *data, struct arena *a,
	      struct resample *ret);

/* "apps/v1 DaemonSet ns/name" as lib/step's ref; refused as the lint refuses it. */
int ref_doc(struct arena *a, const char *text, bool write, struct doc **ret_ref,
	    const struct object_kind **ret_kind, struct error *err);
/* Runs an argv filled in with data; the answer and its source go into d. */
int run_argv(const struct scope *s, const struct strings *argv, const char *output, bool mutates,
	     const char *timeout, const struct doc *data, struct arena *a, struct done *d,
	     struct error *err);

/* change.c */
int act_change(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	       struct done *d, struct error *err);
/* Which run of one of our own tools a deed has begun. */
struct change_own {
	bool begun;         /* the deed itself: its intent is noted */
	const char *name;   /* "" it began none; NULL: not known, or no tool with runs */
	const char *newest; /* of that tool and subject as it is now; "" none, NULL not known */
};
int change_own_run(struct runner *r, const char *key, const struct doc *deed,
		   struct change_own *ret, struct error *err);
/*
 * change_plan.c: what a step will change, worked out once and noted before anything is done:
 * {step, back, reason, suspends, changes: [{op, kind, ref, forward, keep}], deed: {op, ...}}. back
 * is what the way back of it is: "auto", "steps", "none" (and why: reason), or BACK_UNDOES: it is
 * one itself.
 */
#define RESTART_ANNOTATION "sidestep.dev/restarted-by"

#define BACK_STEPS  "steps"
#define BACK_NONE   "none"
#define BACK_AUTO   "auto"
#define BACK_UNDOES "undoes"
struct change_plan {
	const struct scope *s;
	const struct runbook_step *step;
	const struct doc *data;
	const char *key;
	struct doc *record;
	const char *refused; /* why it may not be done; NULL */
};
int change_plan_it(struct change_plan *p, struct error *err);
/* change_nodes.c: those that `nodes` names, a text or a list; none when it is left out. */
int nodes_named(struct arena *a, const struct doc *args, struct strings *ret, struct error *err);
/* One of them, or they are none. */
bool nodes_have(const struct strings *nodes, const char *node);
/* Those among them with an endpoint that is stale or not ready; -ENOENT when there are none. */
int nodes_unwell(struct source_env *env, struct arena *a, const struct strings *among,
		 struct strings *ret, struct error *err);
/* The one that is noted for the step; NULL. */
const struct doc *change_planned(const struct runner *r, const char *key);
/* As a step of lib/step's, with a gate behind it or NULL. */
const struct step *change_step(struct arena *a, const char *key, const char *title,
			       const struct doc *record, const struct gate *after);
/* lib/step's world of this run, waiting as this run waits. */
const struct step_host *change_host(struct runner *r);
const char *change_reason(struct runner *r);
/* undo.c: the runbook's step of a record's key; NULL: it is of a runbook that was called. */
const struct runbook_step *change_step_of(const struct runner *r, const char *key);

/* approve.c */
int act_approve(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		struct done *d, struct error *err);
/* When a step first asked a person for an answer; noted once. */
int answer_asked_at(struct runner *r, const char *step, int64_t *ret_ns, struct error *err);
/* Forgets the approvals of a copied journal for which there are no votes. */
int approvals_recount(struct runner *r, struct error *err);

/* A record, durable here and in the copy, before what it announces. */
int run_record(struct runner *r, const char *type, const struct doc *body, struct error *err);
const char *scope_key(const struct scope *s, const struct runbook_step *step);
/* Rendered deep: every string of the tree. NULL with the reason. */
struct doc *fill_in(struct arena *a, const struct doc *tree, const struct doc *data,
		    const char **ret_why);
uint64_t duration_ns(const char *text, uint64_t fallback);
void say(struct runner *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
int runner_wait(struct runner *r, uint64_t ns, struct error *err);
/* Reads one journal into r->answers; the effective runbook and digest follow. */
int runner_replay(struct runner *r, struct error *err);
