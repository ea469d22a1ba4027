/* SPDX-License-Identifier: Apache-2.0 */
/* agent/process.h - what a process takes of its machine, from /proc and its cgroup. */
#pragma once

#include "lib/object/health.h"

/*
 * Of the calling process. proc ("/proc/self") and cgroups ("/sys/fs/cgroup") are where to look.
 * What cannot be read stays unset. The limit is the smallest one of memory of its cgroup
 * (version 2 or 1) and those above it, as far as they can be seen from here.
 */
void process_look(const char *proc, const char *cgroups, struct sidestep_process *ret);
