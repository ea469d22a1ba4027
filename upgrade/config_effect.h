/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_effect.h - what a change of configuration will do to what runs, before it is made.
 *
 * A table of kinds and fields; what no row names has no effect that we know of beyond itself. An
 * object that comes or goes as a whole has the effect of its kind's content, but pods of a new one
 * have not run yet, and those of one that goes end.
 */
#pragma once

#include "lib/diff/diff.h"

/* X(symbol, name, risk, what happens): from the least to the most that people feel. */
#define CONFIG_EFFECTS(X)                                                                          \
	X(EFFECT_NONE, "none", "low", "nothing that runs is touched")                              \
	X(EFFECT_POLICY, "policy re-decision", "medium",                                           \
	  "live connections are decided again; what is not allowed any more ends")                 \
	X(EFFECT_SERVICE, "new backends", "medium",                                                \
	  "new connections go elsewhere; established ones stay")                                   \
	X(EFFECT_L7, "L7 reset", "medium", "the proxy takes a new configuration; streams may end") \
	X(EFFECT_ROLLOUT, "pods restart", "medium", "the workload's pods are replaced")            \
	X(EFFECT_AGENT, "agent restart", "medium",                                                 \
	  "node by node the agent restarts; packets flow on without it")                           \
	X(EFFECT_END, "pods end", "high", "the workload's pods go with it")                        \
	X(EFFECT_LOST, "data lost", "high",                                                        \
	  "what it holds goes with it, and does not come back when it is made again")              \
	X(EFFECT_REFUSED, "refused", "high",                                                       \
	  "the field cannot be changed: the object must be deleted and made anew")
enum config_effect {
#define CONFIG_EFFECT_ENUM(symbol, name, risk, what) symbol,
	CONFIG_EFFECTS(CONFIG_EFFECT_ENUM)
#undef CONFIG_EFFECT_ENUM
		CONFIG_EFFECT_COUNT
};

/* Of one change of o; EFFECT_NONE for one that is not pending. */
enum config_effect config_effect_of(const struct diff_object *o, const struct diff_change *c);
const char *config_effect_name(enum config_effect e);
/* A kind that holds more than what its manifests say, so that deleting it loses data. */
bool config_holds_data(const char *kind);
/* "low", "medium", "high". */
const char *config_effect_risk(enum config_effect e);
/* One sentence, without a full stop. */
const char *config_effect_what(enum config_effect e);
