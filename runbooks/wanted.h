/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/wanted.h - what an approval is of: what every step would change, filled in with all that
 * is known when it is asked for.
 *
 * It stands in the record "asked" {step, at, changes}, is what whoever approves reads, and an
 * approval carries its SHA-256 together with the plan's. What is not known yet (the item of a
 * foreach behind the approval) stays as it is written; the items themselves are shown. The lint
 * (RBL-033) refuses operations over anything that comes to be known only behind the approval, and a
 * step whose operation is not what was shown does nothing.
 */
#pragma once

#include "runbooks/run_internal.h"

#define WANTED_MAX_BYTES (256u << 10)

/* List of {step, title, risk, does, each, back}. */
struct doc *wanted_changes(struct runner *r, const struct doc *data);
/* The record of its being asked for last, of the runbook as it is now; NULL. */
const struct journal_record *wanted_asked(const struct runner *r, const char *step);
/* It was asked for these. */
bool wanted_same(const struct journal_record *asked, const struct doc *changes);
/* What an approval of it names; NULL: it was not asked for. */
const char *wanted_digest(struct runner *r, const char *step);
const char *wanted_digest_of(struct arena *a, const char *plan, const char *run, const char *step,
			     const struct doc *changes);
/* The record shows what the steps of the runbook do, by what the run was answered so far; what is
 * not known yet is whatever it is. */
bool wanted_fits(struct runner *r, const struct journal_record *asked);
/* Why what the step would do now is not what was shown; NULL. */
const char *wanted_differs(const struct scope *s, const struct runbook_step *step,
			   const struct doc *data);
