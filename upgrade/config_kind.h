/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/config_kind.h - what a server calls a kind: our table's row, else its discovery's. */
#pragma once

#include "lib/run/cluster.h"

struct config_kinds {
	struct arena *arena;
	struct cluster *cluster;
	const struct snapshot *coming; /* manifests whose definitions count, too; may be NULL */
	struct doc *known; /* the server's kinds, once one was asked for that our table lacks */
};
/*
 * *ret_kind of the object's apiVersion and kind; NULL: the server has none (a definition that is
 * yet to be made, maybe).
 */
int config_kind_find(struct config_kinds *k, const struct doc *object,
		     const struct object_kind **ret_kind, struct error *err);
/* Definitions have come since: the next question goes to the server again. */
void config_kinds_forget(struct config_kinds *k);
