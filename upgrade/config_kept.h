/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_kept.h - what a run found and what it writes, as it is: in Secrets of the cluster,
 * until a time.
 *
 * Plans, journals and histories hold digests in the place of secret values; somebody must have the
 * values, to write them, to take them back and to go on from another machine. So before a run makes
 * its first change, one document with every object's pre-image and what is wanted goes into Secrets
 * in kube-system (pieces of at most CONFIG_PIECE_BYTES), and the run's plan names them with a keyed
 * digest of the whole: what is read back later is what was planned. They carry the time until which
 * they are kept; the next apply after it removes them.
 */
#pragma once

#include "upgrade/config_place.h"

#define CONFIG_KEPT_LABEL  "sidestep.dev/config-kept"
#define CONFIG_KEPT_UNTIL  "sidestep.dev/keep-until"
#define CONFIG_KEPT_PIECES "sidestep.dev/pieces"

/* *ret_ref is what a plan needs to find it again: {name, pieces, digest}. -E2BIG. */
int config_kept_write(struct config_place *p, const struct doc *kept, int64_t until_s,
		      struct doc **ret_ref, struct error *err);
/* -ENODATA: it is gone, or is not what it was. */
int config_kept_read(struct config_place *p, const struct doc *ref, struct doc **ret_kept,
		     struct error *err);
/* Every object that is still kept for this configuration, before and after each change. */
int config_kept_objects(struct config_place *p, struct doc **ret_list, struct error *err);
/* Removes what is out of time, and what `ended` names (NULL: nothing). As far as it can. */
void config_kept_sweep(struct config_place *p, int64_t now_s, const struct doc *ended);
