/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/down.h - removing a lab, from its state folder alone. */
#pragma once

#include "deploy/lab/lab.h"

/*
 * Ends every process, removes namespaces, mounts, cgroups and the folder, restores sysctls. Works
 * on what a kill -9 at any moment has left. Goes on after a failure and reports the first.
 */
int lab_remove(struct lab *lab, struct error *err);
