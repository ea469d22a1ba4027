/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/params.h - what a caller gives a runbook, checked by type before anything sees it.
 *
 * A value ends up in refs, filters, arguments of programs and texts. So none holds a control
 * character, none begins with a dash, a k8s-name is one, and what is not within its bounds or
 * choices is refused with the parameter's name and place. Pure but for the environment, from which
 * secrets come (SIDESTEP_PARAM_NAME, or --param name=@FILE where the runbook says file).
 */
#pragma once

#include "runbooks/runbook.h"

#define PARAM_MAX_BYTES 1024u

struct param_values {
	struct doc
		*values; /* for expressions; what is to be discovered or is secret is not there */
	struct doc *secrets;           /* by name: only in memory, never kept */
	const struct param **discover; /* those without a value, whose default is to be found */
	size_t n_discover;
};
/* given: "name=value" each. */
int params_read(struct arena *a, const struct runbook *rb, const char *const *given, size_t n,
		struct param_values *ret_values, struct error *err);
/* One value; also of what was discovered, or of a called runbook's arguments. */
int param_check(struct arena *a, const struct param *p, const char *text, struct doc **ret_value,
		struct error *err);
/* Its default, checked as what is given is; NULL: it has none that stands there. -EINVAL also when
 * its bounds are none. */
int param_default(struct arena *a, const struct param *p, struct doc **ret_value,
		  struct error *err);
