/* SPDX-License-Identifier: Apache-2.0 */
/* role.h - the row `apiserver` of sidestep-lab's table of roles. */
#pragma once

#include "lib/cli/cli.h"

extern const struct cli_command apiserver_role;
