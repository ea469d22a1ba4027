/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/tool.h - what lib/run needs to know of this tool: there is one mesh in a cluster, a run's
 * env is a struct upgrade.
 */
#pragma once

#include "lib/run/session.h"

extern const struct run_tool upgrade_tool;

/*
 * Runs or goes on, and says on out how it ended. A gate of a node or a wave that says no takes the
 * run back by itself. Answers an exit code: 0 done, 3, 5, 7 (U15 waits for its approval), 8, 9, 10.
 */
int upgrade_carry_out(struct session *s, bool may_finalize, FILE *out, struct error *err);
/* U15 was begun: behind it nothing of the old version is left to go back to. */
bool upgrade_is_final(const struct journal *j);
/* Takes a run back, unless U15 was carried out. */
int upgrade_go_back(struct session *s, FILE *out, struct error *err);
