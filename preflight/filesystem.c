/* SPDX-License-Identifier: Apache-2.0 */
/* Filesystems that must be mounted where the agent looks. */
#include "lib/base/str.h"
#include "preflight/checks.h"

static int check_bpffs(const struct check *c, void *arg, struct report *r, struct error *err)
{
	const struct preflight_env *env = arg;
	struct env_mount *mounts;
	const char *top = NULL; /* the last one mounted there hides the others */
	size_t n, stacked = 0;
	int ret = env_mounts(env, &mounts, &n, err);

	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(mounts[i].point, "/sys/fs/bpf"))
			continue;
		top = mounts[i].type;
		stacked += str_eq(top, "bpf");
	}
	if (!top)
		report_add(r, c, FINDING_FAIL, "", "nothing is mounted at /sys/fs/bpf");
	else if (!str_eq(top, "bpf"))
		report_add(r, c, FINDING_FAIL, "", "%s is mounted at /sys/fs/bpf", top);
	else if (stacked > 1)
		report_add(r, c, FINDING_FAIL, "",
			   "mounted %zu times on top of each other: pins below are hidden",
			   stacked);
	else
		report_add(r, c, FINDING_PASS, "", "mounted at /sys/fs/bpf");
	return 0;
}

static int check_cgroup2(const struct check *c, void *arg, struct report *r, struct error *err)
{
	const struct preflight_env *env = arg;
	struct env_mount *mounts;
	const char *v2 = NULL;
	size_t n, v1 = 0;
	int ret = env_mounts(env, &mounts, &n, err);

	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(mounts[i].type, "cgroup2") && !v2)
			v2 = mounts[i].point;
		v1 += str_eq(mounts[i].type, "cgroup");
	}
	if (!v2)
		report_add(r, c, FINDING_FAIL, "", "no cgroup2 is mounted (%zu of version 1 are)",
			   v1);
	else
		report_add(r, c, FINDING_PASS, "", "mounted at %s%s", v2,
			   v1 ? ", beside version 1" : "");
	return 0;
}

static const struct check checks[] = {
	{
		.id = "FS-001",
		.title = "BPF filesystem",
		.category = "filesystem",
		.severity = SEVERITY_ERROR,
		.remedy = "Run mount bpffs -t bpf /sys/fs/bpf, and make it permanent "
			  "(sys-fs-bpf.mount).",
		.source = "the host's mountinfo",
		.explain = "Pinned maps and links keep traffic flowing while the agent is away. "
			   "Without "
			   "this filesystem they end with the agent, and connections with them.",
		.run = check_bpffs,
	},
	{
		.id = "FS-003",
		.title = "control groups, version 2",
		.category = "filesystem",
		.severity = SEVERITY_ERROR,
		.remedy = "Mount cgroup2 (systemd.unified_cgroup_hierarchy=1).",
		.source = "the host's mountinfo",
		.explain = "Services are translated at connect() by a program on the root of this "
			   "hierarchy; it may stand beside version 1.",
		.run = check_cgroup2,
	},
};
const struct check_table filesystem_checks = {checks, ARRAY_SIZE(checks)};
