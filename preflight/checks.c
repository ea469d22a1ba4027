/* SPDX-License-Identifier: Apache-2.0 */
#include "preflight/checks.h"

#include <string.h>

#include "lib/base/str.h"

static const struct check_table *const tables[] = {
	&kernel_checks,  &bpf_checks,     &filesystem_checks, &system_checks,
	&network_checks, &cluster_checks, &istio_checks,
};

const struct check *preflight_checks(struct arena *a, size_t *ret_n)
{
	struct check *all;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		n += tables[i]->n;
	all = arena_array(a, n, struct check);
	for (size_t i = 0; i < ARRAY_SIZE(tables); at += tables[i]->n, i++)
		memcpy(all + at, tables[i]->checks, tables[i]->n * sizeof(*all));
	*ret_n = n;
	return all;
}

const struct check *preflight_find(const struct check *checks, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(checks[i].id, id))
			return &checks[i];
	return NULL;
}

const char *preflight_skip(const struct check *check, void *arg)
{
	const struct preflight_env *env = arg;

	if ((check->flags & CHECK_ACTIVE) && env->passive)
		return "it loads something, and --passive forbids that";
	if ((check->flags & CHECK_CLUSTER) && !env->cluster)
		return "no cluster was given (--kubeconfig or --snapshot)";
	return NULL;
}
