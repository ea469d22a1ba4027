/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/regenerate.h - `sidestep endpoint regenerate` through the cluster. */
#pragma once

#include "agent/cli/commands.h"
#include "lib/agentapi/regenerate.h"

/* Whether the options speak of a cluster rather than of this node's agent. */
bool regenerate_is_for_cluster(const struct regenerate_opts *o);
int regenerate_cluster(const struct cli_call *call, struct error *err);

/* regenerate_show.c */
/* How a node's turn ended: "done, 12 of 12 endpoints (1 repaired) in 340 ms". */
const char *regenerate_words(struct arena *a, const struct regenerate_turn *t);
/* The job in the format of enum output; left_out with commas, or NULL. */
void regenerate_print(FILE *out, const char *name, const struct regenerate_job *job,
		      const char *left_out, int format);
void regenerate_print_preview(FILE *out, struct doc *items, int format);
