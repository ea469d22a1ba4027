/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/verbs.h - options that verbs of sidestep-upgrade share, and the verbs, for main.c. */
#pragma once

#include "lib/cli/cli.h"
#include "lib/run/print.h"
#include "upgrade/plan.h"
#include "upgrade/tool.h"

struct upgrade_opts {
	const char *kubeconfig, *context, *snapshot;
	/* what a plan is made from */
	const char *to, *releases, *profile, *staging, *canary, *daemonset;
	bool allow_prerelease;
	/* what is carried out */
	const char *plan, *state;
	bool finalize, yes, dry_run;
	int output;
	const char *file;
};

#define VERB(name) int verb_##name(const struct cli_call *call, struct error *err)
VERB(plan);
VERB(run);
VERB(run_preview);
VERB(resume);
VERB(rollback);
VERB(back_preview);
VERB(status);
VERB(pause);
VERB(abort);
VERB(report);
#undef VERB

/* The objects that a plan is made from. */
int objects_load(struct snapshot *s, struct cluster *c, struct error *err);
/* Makes the plan that the call's options ask for, in a. p is released by the caller. */
int plan_for(const struct cli_call *call, struct arena *a, const struct snapshot *s, struct plan *p,
	     struct error *err);
int print_plan(const struct cli_call *call, const struct plan *p, struct error *err);
