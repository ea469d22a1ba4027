/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/story/proof.h - whether what a tool printed is so, judged by what the lab knows
 * without it: its servers' counts, the profile, the objects before and after. NULL, or what is
 * wrong.
 */
#pragma once

#include "deploy/lab/story/story.h"

/* Every call that a server of the lab has answered is there, as allowed. */
const char *proof_of_inventory(struct arena *a, const char *ns, const struct counts *seen,
			       const struct doc *inventory);
/* Everything was compared, nothing differs, what is approximated is named. */
const char *proof_of_equivalence(struct arena *a, const struct doc *verify);
/* Every waiver of the profile has the finding it is for; every state of the subject is gone
 * through. */
const char *proof_of_plan(struct arena *a, const struct story_subject *subject,
			  const struct doc *plan);
/* Every reason has object, path and words; those that the subject names are among them. */
const char *proof_of_blocked(struct arena *a, const struct story_subject *subject,
			     const struct doc *blocked);
/* Every step of the plan was made and taken back, through gates with two sources, and lasted as
 * long as the profile says. */
const char *proof_of_record(struct arena *a, const struct doc *plan, const struct doc *record);

/* The namespace's objects as users write them: map "Kind name" -> object. */
int proof_objects(struct story *s, struct doc **ret_objects, struct error *err);
const char *proof_of_return(struct arena *a, const struct doc *before, const struct doc *after);
