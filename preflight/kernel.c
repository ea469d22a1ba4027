/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel itself: a table of checks, and how each looks. */
#include <stdio.h>
#include <string.h>

#include "preflight/checks.h"

struct version {
	unsigned major, minor;
};

static bool older(struct version a, struct version b)
{
	return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

static int check_version(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const struct version least = {5, 10}, good = {6, 1};
	const struct preflight_env *env = arg;
	struct version v;
	struct finding *f;
	const char *release;
	int ret = env_read_word(env, "proc/sys/kernel/osrelease", &release, err);

	if (ret)
		return ret;
	if (sscanf(release, "%u.%u", &v.major, &v.minor) != 2)
		return error_set(err, -EINVAL, "'%s' is no kernel version", release);
	if (older(v, least))
		f = report_add(r, c, FINDING_FAIL, "", "Linux %s is older than 5.10", release);
	else if (older(v, good))
		f = report_add(r, c, FINDING_PASS, "",
			       "Linux %s: old but enough; the BPF checks decide", release);
	else
		f = report_add(r, c, FINDING_PASS, "", "Linux %s", release);
	finding_evidence(r, f, "/proc/sys/kernel/osrelease", ">= 5.10", "%s", release);
	return 0;
}

/* BTF begins with the magic 0xeb9f, in the machine's byte order. */
static int check_btf(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const char path[] = "sys/kernel/btf/vmlinux";
	const struct preflight_env *env = arg;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	int ret;

	if (!env_exists(env, "sys/kernel"))
		return error_set(err, -ENOENT, "sysfs is not there");
	if (!env_exists(env, path)) {
		report_add(r, c, FINDING_FAIL, "", "the kernel carries no type information");
		return 0;
	}
	/* Megabytes on a live kernel: the first bytes decide, so a file past the limit is fine. */
	ret = env_read(env, path, &sb, err);
	if (ret && ret != -EFBIG)
		return ret;
	if (!ret &&
	    (sb.len < 2 || (unsigned char)sb.buf[0] + (unsigned char)sb.buf[1] != 0x9f + 0xeb))
		return error_set(err, -EINVAL, "/%s is no BTF", path);
	report_add(r, c, FINDING_PASS, "", "the kernel describes its types");
	return 0;
}

static int check_lockdown(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const char path[] = "sys/kernel/security/lockdown";
	const struct preflight_env *env = arg;
	const char *modes;
	int ret;

	if (!env_exists(env, "sys/kernel"))
		return error_set(err, -ENOENT, "sysfs is not there");
	if (!env_exists(env, path)) {
		report_add(r, c, FINDING_PASS, "", "the kernel has no lockdown");
		return 0;
	}
	ret = env_read_word(env, path, &modes, err);
	if (ret)
		return ret;
	if (strstr(modes, "[confidentiality]"))
		report_add(r, c, FINDING_FAIL, "",
			   "confidentiality lockdown keeps BPF from reading");
	else
		report_add(r, c, FINDING_PASS, "", "%s", modes);
	return 0;
}

static const struct check checks[] = {
	{
		.id = "KRN-001",
		.title = "kernel version",
		.category = "kernel",
		.severity = SEVERITY_BLOCKER,
		.flags = CHECK_NOT_WAIVABLE,
		.remedy = "Boot Linux 5.10 or later (6.1 or later recommended).",
		.source = "first release with bpf_redirect_peer, LPM tries, ring buffers and netns "
			  "cookies",
		.explain =
			"The datapath needs helpers that came with 5.10. The BPF checks below try "
			"each of them, because distributions backport and sandboxes forbid.",
		.run = check_version,
	},
	{
		.id = "BPF-011",
		.title = "kernel type information (BTF)",
		.category = "kernel",
		.severity = SEVERITY_ERROR,
		.remedy = "Use a kernel built with CONFIG_DEBUG_INFO_BTF=y.",
		.source = "libbpf relocates programs by it",
		.explain =
			"Programs are compiled once and fitted to the running kernel when loaded. "
			"Without /sys/kernel/btf/vmlinux they cannot be fitted.",
		.run = check_btf,
	},
	{
		.id = "BPF-016",
		.title = "lockdown",
		.category = "kernel",
		.severity = SEVERITY_ERROR,
		.remedy = "Boot without lockdown=confidentiality (integrity is fine).",
		.source = "kernel_lockdown(7)",
		.explain = "In confidentiality mode the kernel refuses programs that read kernel "
			   "memory.",
		.run = check_lockdown,
	},
};
const struct check_table kernel_checks = {checks, ARRAY_SIZE(checks)};
