/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/step/recover.h - what a journal says happened. Used inside lib/step only.
 *
 * Record types: run, state {state, reason}, begin {step}, end {step}, skipped {step, reason},
 * gate {step, when, ...}, intent {step, op, kind, ref, forward, backward, undo}, done {step, op,
 * undo, digest, written (now, not found so)}, undo-begin {step}, undo-end {step}, take-back {step,
 * reason}, taken-back {step}. A step that was taken back and is carried out anew begins anew: what
 * was said of it before its last "begin" is history.
 */
#pragma once

#include "lib/step/run.h"

/* One change as the journal knows it. */
struct journaled_change {
	struct change change;
	bool done;
};

/* Finds (step, op) among intents with that undo flag. false when there is none. */
bool recover_change(const struct journal *j, const char *step, const char *op, bool undo,
		    struct journaled_change *out);
/* Every change of step with that undo flag, in the order of their intents. */
size_t recover_changes(struct arena *a, const struct journal *j, const char *step, bool undo,
		       struct journaled_change **ret_items);
enum step_state recover_step(const struct journal *j, const char *step);
/* Position of the step's "begin" (or "skipped") record, for the order of application. */
size_t recover_position(const struct journal *j, const char *step);
/*
 * Whether gate id was passed for the step at `when` ("before", "after", "undo"). What was asked
 * before the step's first change is asked again when the run paused between the two; with again,
 * also when it paused later.
 */
bool recover_gate_passed(const struct journal *j, const char *step, const char *when,
			 const char *gate, bool again);

/* Shared by run.c and undo.c. */
int run_note(struct step_run *run, const char *type, const struct doc *body, struct error *err);
int run_note_state(struct step_run *run, enum run_state state, const char *reason,
		   struct error *err);
struct doc *run_body(struct step_run *run, const char *step);
/* Outcome of a part: 0 to go on, 1 when the run ends in *ret_state, negative errno: no journal. */
int run_change(struct step_run *run, const struct step *step, struct change *c, bool undo,
	       enum run_state *ret_state, struct error *err);
int run_failed(struct step_run *run, const struct step *step, const struct change *c,
	       const struct error *why, enum run_state *ret_state, struct error *err);
int run_gates(struct step_run *run, const struct step *step, const struct gate *const *gates,
	      const char *when, enum run_state *ret_state, struct error *err);
/* host->check(): 0, or 1 when the run pauses. */
int run_may_go_on(struct step_run *run, enum run_state *ret_state, struct error *err);
