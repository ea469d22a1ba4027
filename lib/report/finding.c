/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/finding.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const char *const result_names[] = {
	[FINDING_PASS] = "pass",
	[FINDING_FAIL] = "fail",
	[FINDING_UNKNOWN] = "unknown",
	[FINDING_SKIP] = "skip",
};
static const char *const severity_names[] = {
	[SEVERITY_BLOCKER] = "blocker",
	[SEVERITY_ERROR] = "error",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_INFO] = "info",
};

const char *finding_result_name(enum finding_result r)
{
	return result_names[r];
}

int finding_result_parse(const char *name, enum finding_result *ret_result)
{
	for (size_t i = 0; i < ARRAY_SIZE(result_names); i++) {
		if (!str_eq(result_names[i], name))
			continue;
		*ret_result = (enum finding_result)i;
		return 0;
	}
	return -EINVAL;
}

const char *severity_name(enum severity s)
{
	return severity_names[s];
}

int severity_parse(const char *name, enum severity *ret_severity)
{
	for (size_t i = 0; i < ARRAY_SIZE(severity_names); i++) {
		if (!str_eq(severity_names[i], name))
			continue;
		*ret_severity = (enum severity)i;
		return 0;
	}
	return -EINVAL;
}
