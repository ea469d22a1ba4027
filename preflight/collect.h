/* SPDX-License-Identifier: Apache-2.0 */
/* preflight/collect.h - the cluster's objects, from its API or from a snapshot. */
#pragma once

#include "preflight/env.h"

struct collect_options {
	const char *kubeconfig, *context; /* NULL: the usual places */
	const char *snapshot;             /* a file or folder instead of an API */
};

/*
 * Fills env->cluster (in env's arena) and env->unreadable. Kinds that the server does not have are
 * empty; kinds that it refuses to list are unreadable. An error means: no answer at all.
 */
int collect_cluster(struct preflight_env *env, const struct collect_options *options,
		    struct error *err);
