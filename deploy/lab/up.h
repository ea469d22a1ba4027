/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/up.h - bringing a lab up, or to what was asked; idempotent. */
#pragma once

#include "deploy/lab/lab.h"
#include "deploy/lab/options.h"
#include "lib/cli/progress.h"
#include "lib/loop/loop.h"

/*
 * What `lab up` does, for other commands of this program too. lab is initialised here and released
 * by the caller in any case. A lab of that name with other settings is -EEXIST; a dead one is
 * removed first. Waits until every node is Ready and every Deployment available; -EINTR when the
 * loop was stopped meanwhile.
 */
int lab_bring_up(const struct up_options *o, struct progress *p, struct loop *loop, struct lab *lab,
		 struct error *err);
