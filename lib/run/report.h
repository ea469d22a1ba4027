/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/report.h - what a run did, told from its journal and plan alone.
 *
 * Members of the document: run, the subject, state, reason, began, ended, steps[] {id, title,
 * status, began, seconds, undone_seconds, gates[], changes}, timeline[], evidence[] (every gate's
 * sources), and those members of the plan that the tool names.
 */
#pragma once

#include "lib/report/page.h"
#include "lib/run/session.h"

/* members: of the plan, ends with NULL. */
struct doc *run_report(struct arena *a, const struct run_tool *tool, const struct sidestep_run *run,
		       const struct journal *j, const struct step *steps, size_t n_steps,
		       const char *const *members);
/*
 * The member of a gate's evidence that has what agents published before anything changed: a map of
 * node to SidestepNode, cut to what is compared. Upgrades note it; whoever asks later what has
 * happened since finds it here.
 */
#define RUN_USUAL "usual"
/* The first such map of a run, in the journal's arena; NULL: it has none. */
const struct doc *run_usual(const struct journal *j);
/* Why a run that goes back, or has gone, was stopped; NULL: somebody asked for it. */
const char *run_why_stopped(const struct journal *j);
/* report is what run_report() made; accepted risks stand in its "waivers". */
void run_report_page(const struct doc *report, const char *title, struct page *page);
