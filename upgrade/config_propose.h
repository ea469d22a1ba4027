/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_propose.h - what an apply would do, and why it may not: before it does anything.
 *
 * From manifests, from a plan that was saved or shown, or from an earlier revision. The result has
 * everything that a run needs, with the values as they are; a plan (config_plan.h) is what people
 * and files get of it.
 */
#pragma once

#include "upgrade/config_kept.h"
#include "upgrade/config_plan.h"

struct config_request {
	const struct config_diff_opts *diff; /* files, namespace, prune */
	const struct doc *plan;              /* to be carried out; NULL: a new one is made */
	const struct store_revision *back;   /* to go back to; NULL: not */
	const struct doc *known;             /* objects as they are, for the digests in a plan */
	const char *why, *as;
	struct cli_list overwrite; /* objects (Deployment/shop/till) whose conflicts we win */
	int64_t valid_s, within_s;
	bool unasked; /* the server is not asked what it would say */
};

struct config_proposal {
	struct config_scene scene;
	struct config_place *place;
	struct config_plan_about about;
	struct doc *plan;
	struct doc *kept;    /* for config_kept_write() */
	struct doc *blocked; /* sentences: why it may not be carried out */
	struct doc *notes;   /* sentences: what could not be asked */
	struct doc *given;   /* sentences: what the server puts where nothing is wanted any more */
	size_t n_operations;
	bool records; /* the revision would differ from the newest */
};
/*
 * Release it also after a failure. -ESTALE: the plan does not fit any more, with what has moved.
 * Objects are read as they are now, through the place's cluster.
 */
int config_propose(struct config_proposal *p, struct config_place *place,
		   const struct config_request *request, struct error *err);
void config_proposal_release(struct config_proposal *p);

/*
 * Begins the run that carries it out: puts what it found and what it writes into the cluster, for
 * keep_s seconds, and starts the run in s, which has the lock. Nothing is changed yet.
 */
int config_run_begin(struct session *s, struct config_proposal *p, int64_t keep_s,
		     struct error *err);
/* As the API server names whoever asks; without that, this machine's name for them. */
const char *config_who(struct cluster *c, struct arena *a);
