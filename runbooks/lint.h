/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/lint.h - what a runbook must be before anything runs it.
 *
 * One row per rule (lint_rules()); one finding per place that breaks it, with file:line:col, or one
 * pass for the runbook. Pure: it reads the document and nothing else, and is meant for runbooks
 * that a stranger wrote, so what cannot be shown to be harmless is refused.
 */
#pragma once

#include "lib/report/report.h"
#include "runbooks/runbook.h"

/* In the order they are run and shown. */
const struct check *lint_rules(size_t *ret_n);

/*
 * Adds the findings of every rule for one document, which must not be NULL. fixtures: the decoded
 * cases (of any runbook; the ones that name this one count), n_fixtures 0 when none were given.
 * Returns the runbook (in the report's arena), or NULL when the document is none.
 */
const struct runbook *lint_runbook(struct report *r, const struct doc *root,
				   const struct fixture *fixtures, size_t n_fixtures);

/*
 * Whether a way that begins at step `from` and ends behind `until` (NULL: the runbook's own
 * beginning and end) comes to a change, and leaves out an approval that may stand before it.
 */
bool lint_skips_approval(const struct runbook *rb, const char *from, const char *until);
