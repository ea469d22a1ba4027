/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

#define MAX_PATH 4096

/* One short file as text; false when it is not there. */
static bool read_text(const char *dir, const char *name, struct strbuf *out)
{
	char path[MAX_PATH + 64];

	strbuf_clear(out);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return io_read_file(path, 65536, out, NULL) == 0;
}

/* Behind the last ')' of stat, which a name may contain: utime and stime are the 12th and 13th. */
static void look_at_time(const char *stat, struct sidestep_process *ret)
{
	const char *at = strrchr(stat, ')');
	unsigned long long user, system;
	long hz = sysconf(_SC_CLK_TCK);

	if (at && hz > 0 &&
	    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		   &system) == 2)
		ret->cpu_ms = (struct opt_int){
			true, (int64_t)((user + system) * 1000ULL / (unsigned long long)hz)};
}

static void look_at_memory(const char *statm, struct sidestep_process *ret)
{
	long page = sysconf(_SC_PAGESIZE);
	unsigned long long resident;

	if (page > 0 && sscanf(statm, "%*u %llu", &resident) == 1)
		ret->rss_bytes =
			(struct opt_int){true, (int64_t)(resident * (unsigned long long)page)};
}

/* More is what version 1 says when there is none. */
#define NO_LIMIT (1ULL << 60)

/* Where each version of cgroups says where a process is, and what the limit there is. */
static const struct {
	const char *before; /* in a line of /proc/self/cgroup, the path */
	const char *below;  /* of the cgroups' folder */
	const char *file;
} versions[] = {
	{"0::", "", "memory.max"},
	{":memory:", "/memory", "memory.limit_in_bytes"},
};

static void take_limit(const char *dir, const char *file, struct sidestep_process *ret)
{
	struct strbuf sb = STRBUF_INIT;
	unsigned long long limit;

	if (read_text(dir, file, &sb) && sscanf(strbuf_cstr(&sb), "%llu", &limit) == 1 &&
	    limit < NO_LIMIT && (!ret->limit_bytes.set || (int64_t)limit < ret->limit_bytes.value))
		ret->limit_bytes = (struct opt_int){true, (int64_t)limit};
	strbuf_release(&sb);
}

/* "0::/a/b": of /a/b, /a, and what is mounted as the root. */
static void look_at_limits(const char *cgroups, const char *membership, size_t version,
			   struct sidestep_process *ret)
{
	const char *at = strstr(membership, versions[version].before);
	char dir[MAX_PATH];
	size_t root;

	if (!at)
		return;
	at += strlen(versions[version].before);
	root = (size_t)snprintf(dir, sizeof(dir), "%s%s", cgroups, versions[version].below);
	snprintf(dir + root, sizeof(dir) - root, "%.*s", (int)strcspn(at, "\n"), at);
	for (;;) {
		char *slash;

		take_limit(dir, versions[version].file, ret);
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < root)
			break;
		*slash = 0;
	}
}

void process_look(const char *proc, const char *cgroups, struct sidestep_process *ret)
{
	struct strbuf sb = STRBUF_INIT;

	*ret = (struct sidestep_process){0};
	if (read_text(proc, "stat", &sb))
		look_at_time(strbuf_cstr(&sb), ret);
	if (read_text(proc, "statm", &sb))
		look_at_memory(strbuf_cstr(&sb), ret);
	if (read_text(proc, "cgroup", &sb))
		for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
			look_at_limits(cgroups, strbuf_cstr(&sb), i, ret);
	strbuf_release(&sb);
}
