/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/findings.h - what a plan finds out about a namespace before it may be moved. */
#pragma once

#include "migrate/order.h"
#include "migrate/plan.h"

/* The namespace's own workloads with sidecars (or that would get them): indexes of inventory. */
struct movers {
	size_t *items;
	size_t n;
	struct order order; /* over positions in items */
};
void movers_make(struct movers *m, struct arena *a, const struct plan_input *in);

/* One finding or more per row of a table in findings.c, into r. */
void plan_findings(const struct plan_input *in, const struct movers *m, struct report *r);
