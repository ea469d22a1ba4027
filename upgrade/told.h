/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/told.h - how the mesh stands, in words for whoever must decide what to type: after each
 * stop of a run, and by `status`.
 */
#pragma once

#include "upgrade/world.h"

/* "0.2.0 on a, b; 0.3.0 on c" by the images that run; in a, as all of these. */
const char *told_versions(struct arena *a, const struct upgrade *u, const struct world *w);
bool told_mixed(const struct upgrade *u, const struct world *w);
/* That, and what is safe as it stands now. */
const char *told_safe(struct arena *a, const struct upgrade *u, const struct world *w);
/*
 * One sentence, with what to type, for each node that has a version which the run has not given it.
 * state: RUN_DONE, RUN_ROLLED_BACK, or any other while it has not ended.
 */
struct doc *told_astray(struct arena *a, const struct upgrade *u, const struct world *w,
			enum run_state state, const struct journal *j);
