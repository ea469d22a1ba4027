/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/account.h - what a run did, for people and programs: as one document, from its journal
 * and its evidence, and as a page or a report made of that document.
 */
#pragma once

#include "lib/report/page.h"
#include "lib/report/report.h"
#include "runbooks/run.h"

/*
 * {run, runbook, id, version, mode, params, requester, digest, state, exit, outcome, cause, why,
 * waiting, advice: [what the outcome says to type], next, steps: [{step, title, status, why,
 * branch}], approvals, changes, suspended, copied, records, evidence: {dir, files, problems}}. In
 * the runner's arena.
 */
struct doc *run_account(struct runner *r);
void run_account_page(const struct doc *account, struct page *page);
/* suite: the runbook, case: the step; skipped, inconclusive as an error. */
void run_account_report(const struct doc *account, struct report *report);
/*
 * The run as a recorded case (RunbookFixture): what each step of the runbook's own list answered,
 * as far as the journal kept it, and where it led. -EINVAL for a run of a part. In the runner's
 * arena.
 */
int run_fixture(struct runner *r, struct doc **ret_fixture, struct error *err);
/* What the runbook says to go on with, as it is typed: a list, in the runner's arena. */
struct doc *run_advice(struct runner *r, const struct run_end *end);
/* It waits for somebody to agree, not for an answer. */
bool run_waits_for_approval(const struct runner *r, const struct run_end *end);
/* What can be typed next, one sentence. */
const char *run_next_words(struct runner *r, const struct run_end *end);
/*
 * Policies that a journal's records have taken out of force, and nobody has put back: a list of
 * {step, object, since}.
 */
struct doc *records_suspended(struct arena *a, const struct doc *records);
struct doc *run_suspended(struct runner *r);
/* One sentence of it, for people: which, since when, and what puts it back. */
const char *suspended_words(struct arena *a, const char *run, const struct doc *suspended,
			    int64_t now_ns);
/* What a journal from the cluster is worth; NULL: it is this machine's own. */
const char *run_copied_words(struct runner *r);
