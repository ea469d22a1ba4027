/* SPDX-License-Identifier: Apache-2.0 */
/* resources.limits.memory, held by the memory controller where the machine has one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "deploy/lab/kubelet/pod.h"
#include "deploy/lab/lab.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

/* "128Mi", "64M", "1000000"; 0: none, or nothing that can be read. */
uint64_t memory_quantity(const char *text)
{
	static const struct {
		const char *suffix;
		uint64_t factor;
	} suffixes[] = {{"", 1},     {"Ki", 1u << 10}, {"Mi", 1u << 20}, {"Gi", 1u << 30},
			{"k", 1000}, {"M", 1000000},   {"G", 1000000000}};
	char *end = NULL;
	uint64_t n = strtoull(str_or_empty(text), &end, 10);

	for (size_t i = 0; end != text && i < ARRAY_SIZE(suffixes); i++)
		if (str_eq(end, suffixes[i].suffix))
			return n < UINT64_MAX / suffixes[i].factor ? n * suffixes[i].factor : 0;
	return 0;
}

static uint64_t limit_of(const struct container *c)
{
	const struct doc *d = doc_find(c->spec, "resources.limits.memory");

	return d && d->kind == DOC_INT && d->integer > 0 ? (uint64_t)d->integer
							 : memory_quantity(doc_str(d));
}

static const char *group_of(struct arena *a, const struct container *c)
{
	const char *group = arena_printf(a, "%s/%s", pod_cgroup(a, c->pod), c->name);

	return limit_of(c) ? lab_memory_cgroup(a, group) : NULL;
}

static bool write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && io_write_all(fd, text, strlen(text), NULL) == 0;
}

/* v2: a group has the controller when every folder above it hands it down. */
static void hand_down(struct arena *a, const char *group)
{
	const char *root;

	if (lab_cgroup2(a, &root, NULL) < 0 || !str_starts(group, root))
		return;
	for (const char *slash = group + strlen(root); slash; slash = strchr(slash + 1, '/'))
		write_file(
			arena_printf(a, "%.*s/cgroup.subtree_control", (int)(slash - group), group),
			"+memory");
}

const char *memory_limit(struct arena *a, const struct container *c)
{
	const char *group = group_of(a, c), *text;

	if (!group || cgroup_make(group, NULL) < 0)
		return NULL;
	text = arena_printf(a, "%llu", (unsigned long long)limit_of(c));
	if (write_file(arena_printf(a, "%s/memory.limit_in_bytes", group), text))
		return arena_printf(a, "%s/cgroup.procs", group);
	hand_down(a, group);
	if (!write_file(arena_printf(a, "%s/memory.max", group), text))
		log_warn(c->pod->k->log, "memory limit not in force pod=%s/%s container=%s",
			 c->pod->ns, c->pod->name, c->name);
	write_file(arena_printf(a, "%s/memory.oom.group", group), "1");
	return NULL;
}

uint64_t memory_kills(const struct container *c)
{
	static const char *const files[] = {"memory.events", "memory.oom_control"};
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *group = group_of(&a, c), *at;

	for (size_t i = 0; group && i < ARRAY_SIZE(files); i++) {
		strbuf_clear(&text);
		if (io_read_file(arena_printf(&a, "%s/%s", group, files[i]),
				 LIMIT_SYSTEM_FILE_BYTES, &text, NULL) < 0)
			continue;
		at = strstr(strbuf_cstr(&text), "oom_kill ");
		if (at)
			return strtoull(at + strlen("oom_kill "), NULL, 10);
	}
	return 0;
}

void memory_release(const struct pod *p)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *group = lab_memory_cgroup(&a, pod_cgroup(&a, p));

	if (group && io_exists(group))
		cgroup_remove(group);
}
