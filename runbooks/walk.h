/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/walk.h - the way through a runbook when its steps answer so: pure.
 *
 * Given what each step answered, which steps run, which branches are taken, what is concluded and
 * with what exit code. A recorded case is proved with it; a run takes its decisions here, too.
 *
 * A step's answer stands by its id in `answers`; absent: it could not be had, and what it registers
 * is unknown. Answers of steps that change something are {verified: BOOL}, of approvals
 * {approved: BOOL}. Results stay as they were first asked: what a verify sees later replaces none,
 * so outcomes say what was the matter.
 */
#pragma once

#include "runbooks/runbook.h"

struct walk_branch {
	size_t step, branch; /* steps[step].next[branch] */
};

struct walk {
	const struct runbook_step **ran; /* in order; skipped ones are not there */
	size_t n_ran;
	struct walk_branch *taken;
	size_t n_taken;
	const struct outcome *outcome; /* NULL while waiting, or when there is none */
	/* Something was unknown where it mattered: a condition, or an answer that was not had. */
	bool inconclusive;
	const char *why; /* the first reason, with the step's id; NULL when all was known */
	int exit;        /* 0; 3 a step failed; 5 inconclusive; 7 waiting for approval; 8 aborted */
};

/* Everything in the arena. Ends for any runbook: no step runs twice. */
void runbook_walk(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		  const struct doc *params, const struct doc *answers, struct walk *ret_walk);
