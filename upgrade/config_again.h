/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/config_again.h - a run of a configuration that is there: gone on with, or taken back. */
#pragma once

#include <stdio.h>

#include "lib/run/session.h"
#include "upgrade/config_place.h"

/*
 * Runs what the session has at hand to its end. When a gate says no or a change cannot be made,
 * everything is put back; a conflict stops it and is named. Says how it ended; the exit code.
 */
int config_go_on(struct session *s, FILE *out, struct error *err);
/* Takes it back. asked: by a person, so that having gone back is what was wanted. */
int config_go_back(struct session *s, FILE *out, bool asked, struct error *err);
/* -EBUSY when a run of it has not ended: before anything new is looked at. */
int config_refuse_unfinished(struct session *s, const char *name, struct error *err);
/* What was typed (cluster.typed) with the options that only this program has, in a. */
const char *config_typed(struct arena *a, const char *typed,
			 const struct config_where_options *where);
