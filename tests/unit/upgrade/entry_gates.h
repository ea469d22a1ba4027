/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/upgrade/entry_gates.h - no state without its entry gate, whatever became of a run. */
#pragma once

#include "lib/run/session.h"

/*
 * From the journal alone: before a step's first change its own gates have passed, and before it
 * begins those behind every earlier step that was not skipped; on the way back, too. Else it fails
 * the test.
 */
void expect_entry_gates(const struct session *s);
