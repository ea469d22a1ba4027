/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/cases.h - recorded cases followed through their runbooks, as findings.
 *
 * For each runbook: every case leads where it says (path, outcome, exit), every branch and outcome
 * is taken by one, and the transcript of all its cases is the one that was approved. Runbooks and
 * cases are told apart by their kind, so a stranger's file may hold both; a case whose runbook is
 * in none of the files is of one that is shipped.
 */
#pragma once

#include "lib/report/report.h"
#include "runbooks/files.h"

struct cases_options {
	const char *golden; /* folder of NAME.txt by runbook; NULL: transcripts are not compared */
	bool update;        /* write them instead */
};
/* An error is a file that cannot be read, or a case without a runbook. */
int cases_run(struct report *r, const struct sources *s, const struct cases_options *o,
	      struct error *err);
