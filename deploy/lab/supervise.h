/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/supervise.h - what systemd and the kubelet do for a node's processes: start each, and
 * start it again within a second when it ends.
 *
 * A supervisor that was killed itself loses nothing: the next one finds the processes by their pid
 * files and watches them on.
 */
#pragma once

#include "lib/cli/cli.h"

/* Row of the role `supervise`: runs until SIGTERM, then ends every process, the last started first.
 */
int lab_supervise_main(const struct cli_call *call, struct error *err);
