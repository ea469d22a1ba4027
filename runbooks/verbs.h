/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/verbs.h - the commands that carry runbooks out, as rows for main.c's table. */
#pragma once

#include "lib/cli/cli.h"

struct where_opts {
	const char *kubeconfig, *context, *state, *evidence;
	bool no_cluster;
};
struct run_opts {
	struct where_opts where;
	struct cli_list params, answers;
	const char *from, *until, *only;
	int mode, output;
	bool dry_run, yes;
};
struct again_opts {
	struct where_opts where;
	struct cli_list answers;
	const char *runbook, *to;
	bool accept_changed, accept_unvouched, yes, dry_run;
	int output;
};
struct look_opts {
	struct where_opts where;
	const char *file;
	int output;
};
extern const char *const account_formats[], *const run_mode_names[];

int cmd_run(const struct cli_call *call, struct error *err);
int cmd_record(const struct cli_call *call, struct error *err);
int cmd_resume(const struct cli_call *call, struct error *err);
int cmd_abort(const struct cli_call *call, struct error *err);
int cmd_rollback(const struct cli_call *call, struct error *err);
int cmd_rollback_preview(const struct cli_call *call, struct error *err);
int cmd_approve(const struct cli_call *call, struct error *err);
int cmd_approve_preview(const struct cli_call *call, struct error *err);
int cmd_status(const struct cli_call *call, struct error *err);
int cmd_report(const struct cli_call *call, struct error *err);
