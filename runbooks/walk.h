/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/walk.h - the way through a runbook when its steps answer so: pure.
 *
 * Given what each step answered, which steps run, which branches are taken, what is concluded and
 * with what exit code. A recorded case is proved with it, and a run takes its decisions here, too:
 * it walks, does the step that is pending, keeps the answer, and walks again. So a run that was
 * killed goes on where its journal ends, and what a case proves is what a run does.
 *
 * A step's answer stands by its id in `answers`; absent: it could not be had, and what it registers
 * is unknown. Answers of steps that change something are {verified: BOOL}, of approvals
 * {approved: BOOL}. Where a change failed the exit is not 0, also when its on_error goes on: but
 * for one that goes to another way, by which a change was verified then. Results stay as they were
 * first asked: what a verify sees later replaces none, so outcomes say what was the matter.
 */
#pragma once

#include "runbooks/expr.h"
#include "runbooks/runbook.h"

/* X(symbol, name, what it says of a step) */
#define STEP_STATUSES(X)                                                                           \
	X(STATUS_PENDING, "pending", "not begun")                                                  \
	X(STATUS_RUNNING, "running", "begun, not ended")                                           \
	X(STATUS_OK, "ok", "it answered")                                                          \
	X(STATUS_CHANGED, "changed", "it changed something, and that was verified")                \
	X(STATUS_SKIPPED, "skipped", "not to be done here")                                        \
	X(STATUS_FAILED, "failed", "it did not do what it should")                                 \
	X(STATUS_INCONCLUSIVE, "inconclusive", "what it asks could not be known")                  \
	X(STATUS_ASSUMED, "assumed", "shown, not done; what follows takes it for done")            \
	X(STATUS_WAITING, "waiting", "for an approval or an answer")                               \
	X(STATUS_ROLLED_BACK, "rolled-back", "taken back")
enum step_status {
#define STEP_STATUS_ENUM(symbol, name, what) symbol,
	STEP_STATUSES(STEP_STATUS_ENUM)
#undef STEP_STATUS_ENUM
		STATUS_COUNT,
};
extern const char *const step_status_names[]; /* ends with NULL */

struct walk_branch {
	size_t step, branch; /* see walk_branches() */
};

/* A step that the way came by, skipped ones too. */
struct walk_step {
	const struct runbook_step *step;
	enum step_status status;
	const char *title;  /* filled in; as it is written where a part is unknown */
	const char *why;    /* of what is not ok; NULL */
	const char *branch; /* where next leads, NULL: to the step behind it */
};

struct walk {
	const struct runbook_step **ran; /* in order; skipped ones are not there */
	size_t n_ran;
	struct walk_step *met;
	size_t n_met;
	struct walk_branch *taken;
	size_t n_taken;
	const struct outcome *outcome; /* NULL while waiting, or when there is none */
	const char *cause;             /* of the outcome, filled in */
	/* Something was unknown where it mattered: a condition, or an answer that was not had. */
	bool inconclusive;
	/* The first reason, or that for which it failed, with the step's id; NULL: all was known.
	 */
	const char *why;
	bool rollback; /* a step failed whose on_error says: roll back */
	int exit;      /* 0; 3 a step failed; 5 inconclusive; 7 waiting for approval; 8 aborted */
	/* Of a live walk: the step whose answer is wanted next, NULL when the way has ended. */
	const struct runbook_step *pending;
	struct doc *data; /* what is known by name there */
};

/* Everything in the arena. Ends for any runbook: no step runs twice. */
void runbook_walk(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		  const struct doc *params, const struct doc *answers, struct walk *ret_walk);

/*
 * Of a run: a list of steps as far as answers lead. Here an answer is a record {status, why,
 * answer} by prefix and id; a step that has none is pending.
 */
struct walk_live {
	const struct runbook *rb;
	const struct runbook_step *steps;
	size_t n_steps;
	enum runbook_mode mode;
	const struct doc *data;    /* known from outside: walk_data() and what was registered */
	const struct doc *answers; /* records */
	const char *prefix;        /* "" of the runbook's own list, "restart[0]." within */
	const char *from, *until;  /* ids: begin there, end behind that; NULL */
	bool concludes;            /* outcomes are asked at the end */
};
void walk_live(struct arena *a, const struct walk_live *live, struct walk *ret_walk);
/* What is known before any step: params, run, vars. run_name NULL: the runbook's. */
struct doc *walk_data(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		      const struct doc *params, const char *run_name);
/* The text with its ${...} filled in; NULL with the reason when a part is unknown. */
const char *walk_text(struct arena *a, const char *text, const struct doc *data,
		      const char **ret_why);
/* The condition; a text that is none is unknown. */
enum expr_truth walk_decide(struct arena *a, const char *text, const struct doc *data,
			    const char **ret_why);
/* Ways that lead on from a step: next[0], next[1] ..., and last where on_error goes to. */
size_t walk_branches(const struct runbook_step *s);
const char *walk_branch_to(const struct runbook_step *s, size_t branch);
/* It changes something, itself or within. */
bool walk_changes(const struct runbook_step *s);
