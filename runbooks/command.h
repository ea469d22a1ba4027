/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/command.h - one allowed program, run so that it can do nothing but its work.
 *
 * The argv, filled in, is compared with the rows of known.h once more: what a template brought is
 * still one argument, and may not begin with a dash or hold a control character. No shell;
 * environment cleared (PATH, LANG and what our own tools need: KUBECONFIG, SIDESTEP_STATE,
 * SIDESTEP_SOCKET and the profiles SIDESTEP_MIGRATE_PROFILE and SIDESTEP_UPGRADE_PROFILE), working
 * folder an empty temporary one, standard input null, output kept up to its limit. When the time is
 * over, or the run is interrupted, the whole process group is asked to end, and killed.
 */
#pragma once

#include "lib/run/cluster.h"
#include "runbooks/known.h"

struct command_request {
	const char *const *argv;
	size_t n;
	bool mutates;
	uint64_t timeout_ns, max_output;
	const char *kubeconfig, *context, *state; /* for our own tools; NULL */
};
/*
 * *ret_answer: {exit, output, error, json?, cut?}. -EPERM it is not allowed, -ETIMEDOUT, -EINTR,
 * -ENOENT the program is not here.
 */
int command_run(struct cluster *c, const struct command_request *q, struct arena *a,
		struct doc **ret_answer, struct error *err);
/* NULL, or why this argv may not run. */
const char *command_refused(struct arena *a, const char *const *argv, size_t n, bool mutates);
/* A program of that name is where one would be run from. */
bool command_here(struct arena *a, const char *program);
