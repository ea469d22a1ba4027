/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/fit.h - is this runbook for this mesh and this machine? */
#pragma once

#include "runbooks/run.h"

/*
 * Asked before a run begins. -EPERM: the mesh's version is known and not one of applies_to, or a
 * program of requires.tools is not here. A version that cannot be known forbids nothing: a mesh
 * that is down is what runbooks are for.
 */
int runbook_fits(struct runner *r, const struct runbook *rb, struct error *err);
/* Whether "0.3.0" is within ">=0.1 <0.4"; bounds count major and minor. */
bool version_within(const char *version, const char *range);
