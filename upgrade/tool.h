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
/*
 * Whether a run that is done still is what the mesh stands on. CLI_BLOCKED, and it was said why,
 * when no node has its version any more and the DaemonSet asks for something else: then there is
 * nothing to take back. Asked before a way back is begun.
 */
int upgrade_may_go_back(struct session *s, FILE *out, struct error *err);
/* Takes a run back, unless U15 was carried out. */
int upgrade_go_back(struct session *s, FILE *out, struct error *err);
