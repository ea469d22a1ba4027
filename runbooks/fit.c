/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/fit.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/command.h"

static int compare(unsigned major, unsigned minor, unsigned than_major, unsigned than_minor)
{
	if (major != than_major)
		return major < than_major ? -1 : 1;
	return minor < than_minor ? -1 : minor > than_minor;
}

static bool holds(const char *op, size_t n, int order)
{
	if (n == 2 && op[0] == '>')
		return order >= 0;
	if (n == 2 && op[0] == '<')
		return order <= 0;
	if (n == 1 && op[0] != '=')
		return op[0] == '>' ? order > 0 : order < 0;
	return order == 0;
}

bool version_within(const char *version, const char *range)
{
	unsigned major, minor;

	if (sscanf(version, "%3u.%3u", &major, &minor) != 2)
		return false;
	while (*range) {
		const size_t n = strspn(range, "<>=");
		unsigned than_major, than_minor;
		int end = 0;

		if (sscanf(range + n, "%3u.%3u%n", &than_major, &than_minor, &end) != 2)
			return false;
		if (!holds(range, n, compare(major, minor, than_major, than_minor)))
			return false;
		range += n + (size_t)end;
		range += strspn(range, " ");
	}
	return true;
}

int runbook_fits(struct runner *r, const struct runbook *rb, struct error *err)
{
	const char *range = strmap_get(&rb->applies_to, "mesh"), *version = NULL;
	const uint64_t patience = r->cluster.patience_ns;
	int rc;

	for (size_t i = 0; i < rb->tools.n; i++) {
		if (!command_here(&r->arena, rb->tools.items[i]))
			return error_set(err, -EPERM, "it needs %s, which is not on this machine",
					 rb->tools.items[i]);
	}
	if (!range)
		return 0;
	r->cluster.patience_ns = 2 * NS_PER_S;
	rc = source_discover(&r->sources, "version", &r->arena, &version, NULL);
	r->cluster.patience_ns = patience;
	if (rc || str_empty(version) || version_within(version, range))
		return 0;
	return error_set(err, -EPERM, "it is for a mesh %s, and this one is %s", range, version);
}
