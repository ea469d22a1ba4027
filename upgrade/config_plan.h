/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_plan.h - a comparison as a file that can be approved, and carried out only while
 * everything is as it was.
 *
 * A document of kind ConfigPlan: when it was made and until when it counts, the id of the key under
 * which secrets were digested, each object that was looked at with the digests of what was there
 * and what is wanted (no status, no managedFields, no resourceVersion), and the operations in the
 * order in which they are to be made. No secret is in it. Pure.
 */
#pragma once

#include "upgrade/config.h"

/*
 * now_s: wall clock. Operations: namespaces and definitions first, what needs them later; objects
 * that go come last, in the opposite order.
 */
struct doc *config_plan_make(struct arena *a, const struct config_scene *s,
			     const struct secret_key *key, int64_t now_s, int64_t valid_s);
/*
 * Whether the plan may still be carried out: s is the same comparison made now. *ret_moved is a
 * list of sentences, one for each thing that is not as the plan saw it; empty when it fits.
 * -EINVAL: no plan. -EKEYREJECTED: made with another key of digests, so nobody can tell.
 */
int config_plan_check(struct arena *a, const struct doc *plan, const struct config_scene *s,
		      const struct secret_key *key, int64_t now_s, struct doc **ret_moved,
		      struct error *err);
