/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_plan.h - a comparison as a file that can be approved, and carried out only while
 * everything is as it was.
 *
 * A document of kind ConfigPlan: of which cluster and configuration, when it was made and until
 * when it counts, the id of the key under which secrets were digested, the revision it starts from,
 * each object that was looked at with the digests of what was there and what is wanted (no status,
 * no managedFields, no resourceVersion), the operations in the order in which they are to be made,
 * each with what it writes and its inverse, and the manifests that are wanted. No secret is in it:
 * where a manifest has one, a digest stands, and whoever carries the plan out gives the manifests
 * again. Pure.
 */
#pragma once

#include "upgrade/config.h"
#include "upgrade/config_run.h"

struct config_plan_about {
	const struct secret_key *key;
	const char *cluster, *name; /* uid; of the configuration */
	struct store_revision base; /* number 0: none yet */
	const char *who, *why, *as; /* as: a name for the revision; NULL = none */
	bool prune;
	struct cli_list overwrite;        /* objects whose conflicts are won */
	struct cli_list deletes;          /* objects that go, though they would be left */
	int64_t now_s, valid_s, within_s; /* wall clock; how long it counts; for the gate */
};

/* Everything of it besides the operations may be NULL or 0 in tests. */
struct doc *config_plan_make(struct arena *a, const struct config_scene *s,
			     const struct config_plan_about *about);
/* The objects of s that have something to do, in the order of the plan's operations. */
size_t config_plan_order(struct arena *a, const struct config_scene *s,
			 const struct diff_object ***ret_order);
enum config_op_kind config_plan_op(const struct diff_object *o);

/* -EINVAL: no plan. */
int config_plan_read(const struct doc *plan, struct error *err);
/*
 * Whether the plan may still be carried out: s is the same comparison made now. *ret_moved is a
 * list of sentences, one for each thing that is not as the plan saw it; empty when it fits.
 * -EINVAL: no plan. -EKEYREJECTED: made with another key of digests, so nobody can tell.
 */
int config_plan_check(struct arena *a, const struct doc *plan, const struct config_scene *s,
		      const struct config_plan_about *about, struct doc **ret_moved,
		      struct error *err);
/* The manifests that it wants, redacted, into set. */
int config_plan_wanted(const struct doc *plan, struct snapshot *set, struct error *err);
