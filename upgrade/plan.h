/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/plan.h - everything one hop will do, written down before the first change.
 *
 * A plan is a document: it is shown, saved, approved, kept in the journal and in the cluster, and
 * carried out exactly. It names the versions, the order of the nodes, every step with its gates,
 * what will happen to whom and for how long, what cannot be taken back, what was accepted by whose
 * waiver. Its findings decide whether it may be carried out at all. Making it is pure.
 */
#pragma once

#include "lib/object/snapshot.h"
#include "lib/report/page.h"
#include "lib/report/report.h"
#include "upgrade/hops.h"
#include "upgrade/machine.h"

struct plan_input {
	const struct snapshot *snapshot;
	const struct releases *releases;
	const struct profile *profile;
	const char *to;            /* version */
	const char *daemonset;     /* "namespace/name" */
	const char *canary;        /* node; NULL: chosen */
	const struct doc *staging; /* report of the same hop elsewhere; NULL: none was given */
	const char *by;            /* who makes it */
	bool allow_prerelease;
	const struct clock *clock;
};

struct plan {
	struct doc *doc;
	struct report report; /* its findings, waivers applied; release with plan_release() */
};

/* In a. An error only when the mesh cannot be looked at; what forbids to run is a finding. */
int plan_make(struct plan *p, struct arena *a, const struct plan_input *in, struct error *err);
void plan_release(struct plan *p);

/* What gates and steps need of a plan, into u; keeps plan. */
int plan_take(struct upgrade *u, struct arena *a, const struct doc *plan, struct error *err);
/* The steps of a plan's document. -EINVAL when it names a step that the machine does not have. */
int plan_steps(struct arena *a, const struct doc *plan, const struct machine *m,
	       struct step **ret_steps, size_t *ret_n, struct error *err);
/* What the plan was made from and is gone, changed or new since: one sentence each, a list. */
struct doc *plan_stale(struct arena *a, const struct doc *plan, const struct snapshot *now);
/* The exit code of a plan that was read back, as of now. Not 0: *ret_why says why. */
int plan_verdict(struct arena *a, const struct doc *plan, int64_t now_wall_ns, const char **ret_why,
		 struct error *err);
/* p's report may be one without findings, of a plan that was read back. */
void plan_page(const struct plan *p, struct page *page);

#define PLAN_SCHEMA        "sidestep.dev/upgrade-plan/v1"
#define DAEMONSET          "kube-system/sidestep"
#define AGENT_CONTAINER    "sidestep-agent"
#define STAGING_SOAK_HOURS 24

/* findings.c: one finding or more per row of a table. */
struct plan_scene {
	const struct plan_input *in;
	const struct doc *daemonset;
	const struct doc *container;     /* the agent's, in its template */
	const struct release *from, *to; /* NULL: not found out */
	struct report *report;
	struct doc *plan;
	struct arena *a;
};
struct world;
void plan_findings(const struct plan_scene *s, const struct world *w);
