/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the kernel and limits of processes. */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "preflight/checks.h"

#define INOTIFY_INSTANCES 512
#define INOTIFY_WATCHES   65536
#define OPEN_FILES        65536
#define LOCAL_NODE_PORTS  30000

static int check_rp_filter(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const char dir[] = "proc/sys/net/ipv4/conf";
	const struct preflight_env *env = arg;
	auto_release(strbuf) struct strbuf strict = STRBUF_INIT;
	const char **names;
	size_t n;
	int64_t all, own;
	int ret = env_list(env, dir, NULL, &names, &n, err);

	if (ret || (ret = env_read_int(env, "proc/sys/net/ipv4/conf/all/rp_filter", &all, err)))
		return ret;
	for (size_t i = 0; i < n; i++) {
		const char *path = arena_printf(env->arena, "%s/%s/rp_filter", dir, names[i]);

		/* Of a device the larger of its own value and "all" counts. */
		if (str_eq(names[i], "all") || str_eq(names[i], "lo") ||
		    env_read_int(env, path, &own, NULL))
			continue;
		if (MAX(own, all) == 1)
			strbuf_addf(&strict, "%s%s", strict.len ? ", " : "", names[i]);
	}
	if (strict.len)
		report_add(r, c, FINDING_FAIL, "", "strict on %s", strbuf_cstr(&strict));
	else
		report_add(r, c, FINDING_PASS, "", "not strict on any device");
	return 0;
}

static int check_forwarding(const struct check *c, void *arg, struct report *r, struct error *err)
{
	int64_t on;
	int ret = env_read_int(arg, "proc/sys/net/ipv4/ip_forward", &on, err);

	if (ret)
		return ret;
	if (on)
		report_add(r, c, FINDING_PASS, "", "on");
	else
		report_add(r, c, FINDING_FAIL, "", "net.ipv4.ip_forward is 0");
	return 0;
}

static int check_inotify(const struct check *c, void *arg, struct report *r, struct error *err)
{
	int64_t instances, watches;
	struct finding *f;
	bool enough;
	int ret;

	if ((ret = env_read_int(arg, "proc/sys/fs/inotify/max_user_instances", &instances, err)) ||
	    (ret = env_read_int(arg, "proc/sys/fs/inotify/max_user_watches", &watches, err)))
		return ret;
	enough = instances >= INOTIFY_INSTANCES && watches >= INOTIFY_WATCHES;
	f = report_add(r, c, enough ? FINDING_PASS : FINDING_FAIL, "",
		       "%lld instances and %lld watches a user", (long long)instances,
		       (long long)watches);
	finding_evidence(r, f, "/proc/sys/fs/inotify/max_user_*", ">= 512 and >= 65536",
			 "%lld %lld", (long long)instances, (long long)watches);
	return 0;
}

/* "Max open files  1024  524288  files": the hard limit of what we run as. */
static int check_open_files(const struct check *c, void *arg, struct report *r, struct error *err)
{
	const struct preflight_env *env = arg;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	char soft[32], hard[32];
	const char *line;
	uint64_t n = UINT64_MAX;
	int ret = env_read(env, "proc/self/limits", &sb, err);

	if (ret)
		return ret;
	line = strstr(strbuf_cstr(&sb), "Max open files");
	if (!line || sscanf(line, "Max open files %31s %31s", soft, hard) != 2)
		return error_set(err, -EINVAL, "/proc/self/limits has no 'Max open files'");
	if (!str_eq(hard, "unlimited") &&
	    (ret = str_to_u64(hard, 0, UINT64_MAX, &n, "Max open files", err)))
		return ret;
	report_add(r, c, n >= OPEN_FILES ? FINDING_PASS : FINDING_FAIL, "", "at most %s", hard);
	return 0;
}

static int check_local_ports(const struct check *c, void *arg, struct report *r, struct error *err)
{
	const char *word;
	unsigned low, high;
	int ret = env_read_word(arg, "proc/sys/net/ipv4/ip_local_port_range", &word, err);

	if (ret)
		return ret;
	if (sscanf(word, "%u %u", &low, &high) != 2 || low > high)
		return error_set(err, -EINVAL, "'%s' is no range of ports", word);
	if (low < 1024)
		report_add(r, c, FINDING_FAIL, "", "%u-%u reaches into the privileged ports", low,
			   high);
	else if (high - low < 10000)
		report_add(r, c, FINDING_FAIL, "", "only %u ports for outgoing connections",
			   high - low + 1);
	else
		report_add(r, c, FINDING_PASS, "", "%u-%u%s", low, high,
			   low <= LOCAL_NODE_PORTS && high >= LOCAL_NODE_PORTS
				   ? " (crosses the node ports; they are reserved at start)"
				   : "");
	return 0;
}

static const struct check checks[] = {
	{
		.id = "SYS-001",
		.title = "reverse path filter",
		.category = "system",
		.severity = SEVERITY_WARNING,
		.remedy = "Set net.ipv4.conf.all.rp_filter=0 (or 2), also in /etc/sysctl.d.",
		.source = "ip-sysctl: the larger of all and the device counts",
		.explain =
			"A strict filter drops packets that come back by another device than the "
			"route to their source, which tunnels and redirects make them do.",
		.run = check_rp_filter,
	},
	{
		.id = "SYS-002",
		.title = "IPv4 forwarding",
		.category = "system",
		.severity = SEVERITY_ERROR,
		.remedy = "Run sysctl -w net.ipv4.ip_forward=1 and keep it in /etc/sysctl.d.",
		.source = "ip-sysctl",
		.explain =
			"What the datapath leaves to the host's stack (the first packet to a new "
			"neighbour, traffic that leaves the cluster) must be forwarded.",
		.run = check_forwarding,
	},
	{
		.id = "SYS-005",
		.title = "ports for outgoing connections",
		.category = "system",
		.severity = SEVERITY_WARNING,
		.remedy = "Set net.ipv4.ip_local_port_range to 32768-60999.",
		.source = "ip-sysctl",
		.explain = "Clients without a sidecar open their own connections, one port each.",
		.run = check_local_ports,
	},
	{
		.id = "SYS-008",
		.title = "inotify budget",
		.category = "system",
		.severity = SEVERITY_WARNING,
		.remedy = "Run sysctl -w fs.inotify.max_user_instances=512 "
			  "fs.inotify.max_user_watches=65536.",
		.source = "inotify(7); every Envoy takes two instances of its user",
		.explain =
			"All sidecars of a node run as one user; Envoy aborts at start when its "
			"inotify instances run out, typically while both old and new pods exist.",
		.run = check_inotify,
	},
	{
		.id = "SYS-011",
		.title = "open files",
		.category = "system",
		.severity = SEVERITY_WARNING,
		.remedy = "Raise LimitNOFILE to 65536 or more.",
		.source = "getrlimit(2)",
		.explain = "Watches, pinned maps and proxies hold descriptors.",
		.run = check_open_files,
	},
};
const struct check_table system_checks = {checks, ARRAY_SIZE(checks)};
