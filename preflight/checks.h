/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight/checks.h - the tables of checks, one per topic.
 *
 * A check is a row (lib/report/report.h) and a function that looks at a struct preflight_env. Ids
 * are stable and never reused.
 */
#pragma once

#include "preflight/env.h"

struct check_table {
	const struct check *checks;
	size_t n;
};
extern const struct check_table kernel_checks, bpf_checks, filesystem_checks, system_checks,
	network_checks, cluster_checks, istio_checks;

/* All rows of all tables, in the order of the report; in the arena. */
const struct check *preflight_checks(struct arena *a, size_t *ret_n);
/* NULL when there is no such id. */
const struct check *preflight_find(const struct check *checks, size_t n, const char *id);
/* For report_run(): why a row is not run here, or NULL. env is a struct preflight_env. */
const char *preflight_skip(const struct check *check, void *env);
