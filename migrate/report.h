/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/report.h - what a run did, told from its journal and plan alone.
 *
 * Members of the document: run, namespace, state, reason, began, ended, steps[] {id, title, status,
 * began, seconds, undone_seconds, gates[], changes}, timeline[], equivalence, blocked[],
 * approximations[], waivers[], announced[], evidence[] (every gate's sources).
 */
#pragma once

#include "lib/report/page.h"
#include "lib/step/run.h"

struct doc *migration_report(struct arena *a, const struct doc *plan, const struct journal *j,
			     const struct step *steps, size_t n_steps);
/* report is what migration_report() made. */
void migration_report_page(const struct doc *report, struct page *page);
