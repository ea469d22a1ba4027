/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/kubelet/cgroup.h - cgroup2 folders: made, asked, emptied, removed. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/error.h"

/* Makes it and its parents. */
int cgroup_make(const char *path, struct error *err);
/* Whether pid is in it. */
bool cgroup_has(const char *path, pid_t pid);
/* Kills every process in it and below. Absent is fine. */
void cgroup_kill(const char *path);
/* Removes it and those below; false when something still lives there. */
bool cgroup_remove(const char *path);
