/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/tool.h - what lib/run needs to know of this tool: a run's subject is a namespace, its env
 * a struct migration.
 */
#pragma once

#include "lib/run/session.h"

extern const struct run_tool migrate_tool;
