/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/config_history_impl.h - what config_history.c and config_fsck.c share. */
#pragma once

#include "upgrade/config_history.h"

/* A revision as the cluster has it; NULL with 0: it has none of that number. */
int config_revision_fetch(struct config_place *p, unsigned number, struct doc **ret_revision,
			  struct error *err);
/* What a revision changed, from the repository, as the cluster should have it. */
int config_revision_delta(struct config_place *p, const struct store_revision *revision,
			  struct doc **ret_revision, struct error *err);
/* Whether two such say the same, in whatever order. */
bool config_revision_same(struct arena *a, const struct doc *x, const struct doc *y);
