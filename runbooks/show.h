/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/show.h - a runbook as a person reads it before running it. */
#pragma once

#include "lib/base/strbuf.h"
#include "runbooks/runbook.h"

/* Its purpose, parameters, steps with their ways, what is changed and how that is undone. */
void runbook_show(const struct runbook *rb, struct strbuf *out);
/* Name, version, severity, modes and summary: a row of `list`. */
struct doc *runbook_row(struct arena *a, const struct runbook *rb, const char *from);
