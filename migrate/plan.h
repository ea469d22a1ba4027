/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/plan.h - everything a migration of one namespace will do, written down before the first
 * change.
 *
 * A plan is a document: it is shown, saved, approved, kept in the journal and in the cluster, and
 * carried out exactly. It names the order of the workloads and why, every change with its object,
 * the policies, the edges that must keep working, what was proved, what was accepted by whose
 * waiver. Its findings decide whether it may be carried out at all. Making it is pure.
 */
#pragma once

#include "lib/report/report.h"
#include "lib/step/run.h"
#include "migrate/inventory.h"
#include "migrate/profile.h"
#include "migrate/translate.h"
#include "migrate/verify.h"

struct machine;

struct plan_input {
	const struct snapshot *snapshot;
	const struct istio_mesh *mesh;
	const struct inventory *inventory;
	const struct profile *profile;
	const char *namespace;
	const struct clock *clock;
};

struct plan {
	struct doc *doc;      /* all of it */
	struct report report; /* its findings, waivers applied; release with plan_release() */
	/* The same as pointers, for pages; NULL for a plan that was read back. */
	const struct translation *translation;
	const struct equivalence *equivalence;
};

/* In a. An error only when the namespace cannot be looked at; what forbids to run is a finding. */
int plan_make(struct plan *p, struct arena *a, const struct plan_input *in, struct error *err);
void plan_release(struct plan *p);

/* The steps of a plan's document. -EINVAL when it names a step that the machine does not have. */
int plan_steps(struct arena *a, const struct doc *plan, const struct machine *m,
	       struct step **ret_steps, size_t *ret_n, struct error *err);
/*
 * Everything whose edit could make a plan for ns wrong: Istio's objects (root: of its root
 * namespace too) and their mesh's configuration, policies, workloads, the namespace's labels.
 */
bool plan_reads(const char *ns, const char *root, const struct doc *object);
/*
 * What was read to make the plan and is gone or changed since, or came: one sentence per object, a
 * list (empty: the plan still fits). Compares the digests of the plan's "inputs"; with group (an
 * API group, with its slash) only those of it.
 */
struct doc *plan_stale(struct arena *a, const struct doc *plan, const struct snapshot *now,
		       const char *group);
/*
 * The exit code of a plan that was read back, as of now: the one it was made with, or that of an
 * expired waiver when one that it stands on has expired since. Not 0: *ret_why says why.
 */
int plan_verdict(struct arena *a, const struct doc *plan, int64_t now_wall_ns, const char **ret_why,
		 struct error *err);
void plan_page(const struct plan *p, struct page *page);

#define PLAN_SCHEMA "sidestep.dev/plan/v1"
