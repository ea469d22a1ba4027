/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything of a lab lies, and the file that remembers what was asked. */
#include "deploy/lab/lab.h"

#include <ctype.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/doc/bind.h"

static bool good_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 20)
		return false;
	for (const char *p = name; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-')
			return false;
	return true;
}

/* The first mount of a type, with an option unless that is NULL. */
static const char *mounted(struct arena *a, const char *type, const char *option)
{
	FILE *f = setmntent("/proc/mounts", "re");
	const char *found = NULL;
	struct mntent *m;

	while (f && !found && (m = getmntent(f)))
		if (str_eq(m->mnt_type, type) && (!option || hasmntopt(m, option)))
			found = arena_strdup(a, m->mnt_dir);
	if (f)
		endmntent(f);
	return found;
}

int lab_cgroup2(struct arena *a, const char **ret_path, struct error *err)
{
	*ret_path = mounted(a, "cgroup2", NULL);
	if (!*ret_path)
		return error_set(err, -ENOENT,
				 "cgroup2 is mounted nowhere; mount it: "
				 "mount -t cgroup2 none /sys/fs/cgroup/unified");
	return 0;
}

const char *lab_memory_cgroup(struct arena *a, const char *cgroup)
{
	const char *v2 = mounted(a, "cgroup2", NULL), *v1 = mounted(a, "cgroup", "memory");
	auto_release(strbuf) struct strbuf has = STRBUF_INIT;

	if (!v2 || !str_starts(cgroup, v2))
		return NULL;
	if (v1)
		return arena_printf(a, "%s%s", v1, cgroup + strlen(v2));
	if (io_read_file(arena_printf(a, "%s/cgroup.controllers", v2), LIMIT_SYSTEM_FILE_BYTES,
			 &has, NULL) == 0 &&
	    strstr(strbuf_cstr(&has), "memory"))
		return cgroup;
	return NULL;
}

/* Build tree: bin/ is two or three folders below the source; installed: beside it. */
static const char *find_source(struct arena *a, const char *bin_dir)
{
	static const char *const tries[] = {"../../..", "../..", "../share/sidestep"};
	const char *env = getenv("SIDESTEP_SOURCE_DIR");

	if (!str_empty(env))
		return arena_strdup(a, env);
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const char *dir = arena_printf(a, "%s/%s", bin_dir, tries[i]);
		char real[PATH_MAX];

		if (io_exists(arena_printf(a, "%s/deploy/lab/manifests", dir)) &&
		    realpath(dir, real))
			return arena_strdup(a, real);
	}
	return ".";
}

static void place_node(struct lab *lab, unsigned index)
{
	struct lab_node *n = &lab->nodes[index - 1];
	struct arena *a = &lab->arena;

	n->index = index;
	n->name = arena_printf(a, "node-%c", 'a' + (int)index - 1);
	n->address = arena_printf(a, "172.30.0.%u", 10 + index);
	n->pod_cidr = arena_printf(a, "10.244.%u.0/24", index);
	n->netns = arena_printf(a, "%s/netns/%s", lab->dir, n->name);
	n->dir = arena_printf(a, "%s/nodes/%s", lab->dir, n->name);
	n->bpf = arena_printf(a, "%s/bpf", n->dir);
	n->cgroup = arena_printf(a, "%s/%s", lab->cgroup, n->name);
	n->run = arena_printf(a, "%s/run", n->dir);
	n->agent_socket = arena_printf(a, "%s/%s/sidestepd.sock", n->run, n->name);
}

int lab_init(struct lab *lab, const char *name, unsigned n_nodes, struct error *err)
{
	struct arena *a = &lab->arena;
	char self[PATH_MAX];
	const char *cgroup2;
	ssize_t n;
	int r;

	*lab = (struct lab){.n_nodes = n_nodes};
	if (!good_name(name))
		return error_set(err, -EINVAL, "lab name \"%s\": 1 to 20 of a-z, 0-9 and \"-\"",
				 name);
	if (n_nodes < 1 || n_nodes > LAB_MAX_NODES)
		return error_set(err, -EINVAL, "a lab has 1 to %d nodes", LAB_MAX_NODES);
	r = lab_cgroup2(a, &cgroup2, err);
	if (r < 0)
		return r;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return error_errno(err, -errno, "read /proc/self/exe");
	self[n] = '\0';
	lab->name = arena_strdup(a, name);
	lab->dir = arena_printf(a, "%s/%s", LAB_ROOT, name);
	lab->bin_dir = arena_strdup(a, dirname(self));
	lab->source_dir = find_source(a, lab->bin_dir);
	lab->hub_netns = arena_printf(a, "%s/netns/hub", lab->dir);
	lab->cgroup = arena_printf(a, "%s/" LAB_CGROUP "%s", cgroup2, name);
	lab->kubeconfig_here = arena_printf(a, "%s/kubeconfig", lab->dir);
	lab->kubeconfig_underlay = arena_printf(a, "%s/kubeconfig-underlay", lab->dir);
	for (unsigned i = 1; i <= n_nodes; i++)
		place_node(lab, i);
	return 0;
}

void lab_release(struct lab *lab)
{
	arena_release(&lab->arena);
}

/* What lab.json holds: only what was asked, everything else follows. */
struct asked {
	const char *name, *envoy, *kubeconfig;
	int32_t nodes, port;
	bool istio, clsact;
};

static const struct bind_field asked_fields[] = {
	BIND(struct asked, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND_RANGE(struct asked, nodes, "nodes", BIND_INT32, BIND_REQUIRED, 1, LAB_MAX_NODES),
	BIND_RANGE(struct asked, port, "port", BIND_INT32, 0, 0, 65535),
	BIND(struct asked, istio, "istio", BIND_BOOL, 0),
	BIND(struct asked, clsact, "clsact", BIND_BOOL, 0),
	BIND(struct asked, envoy, "envoy", BIND_STRING, 0),
	BIND(struct asked, kubeconfig, "kubeconfig", BIND_STRING, 0),
};
static BIND_TABLE(asked_table, struct asked, asked_fields);

static const char *config_path(struct arena *a, const char *dir)
{
	return arena_printf(a, "%s/lab.json", dir);
}

int lab_save(const struct lab *lab, struct error *err)
{
	const struct asked asked = {.name = lab->name,
				    .envoy = lab->envoy,
				    .kubeconfig = lab->kubeconfig,
				    .nodes = (int32_t)lab->n_nodes,
				    .port = lab->port,
				    .istio = lab->istio,
				    .clsact = lab->clsact};
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	int r = io_mkdirs(lab->dir, 0755, err);

	doc_write_json(bind_encode(&a, &asked_table, &asked), DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	if (!r)
		r = io_write_file_atomic(config_path(&a, lab->dir), text.buf, text.len, 0644, err);
	arena_release(&a);
	return r;
}

static int read_asked(struct arena *a, const char *dir, struct asked *out, struct error *err)
{
	struct doc_stream docs;
	int r = doc_read_file(a, config_path(a, dir), &docs, err);

	if (r < 0)
		return r;
	if (docs.n != 1)
		return error_set(err, -EBADMSG, "%s: want one document", config_path(a, dir));
	return bind_decode(a, &asked_table, docs.docs[0], "", out, NULL, err);
}

int lab_load(struct lab *lab, const char *name, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct asked asked;
	int r = 0;

	*lab = (struct lab){0};
	if (!good_name(name))
		r = error_set(err, -EINVAL, "lab name \"%s\": 1 to 20 of a-z, 0-9 and \"-\"", name);
	if (!r)
		r = read_asked(&a, arena_printf(&a, "%s/%s", LAB_ROOT, name), &asked, err);
	if (r == -ENOENT)
		error_set(err, r, "there is no lab \"%s\"; start one with: sidestep lab up", name);
	if (!r)
		r = lab_init(lab, name, (unsigned)asked.nodes, err);
	if (!r) {
		lab->istio = asked.istio;
		lab->clsact = asked.clsact;
		lab->port = (uint16_t)asked.port;
		lab->envoy = arena_strdup(&lab->arena, asked.envoy);
		lab->kubeconfig = arena_strdup(&lab->arena, asked.kubeconfig);
	}
	arena_release(&a);
	return r;
}

const struct lab_node *lab_node(const struct lab *lab, const char *name)
{
	for (unsigned i = 0; i < lab->n_nodes; i++)
		if (str_eq(lab->nodes[i].name, name))
			return &lab->nodes[i];
	return NULL;
}

uint64_t lab_start_time(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", pid);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *p;

	if (io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &text, NULL) < 0)
		return 0;
	/* The name in field 2 may hold anything; behind its last ")" comes field 3. */
	p = strrchr(strbuf_cstr(&text), ')');
	if (p && (p[1] == '\0' || p[2] == 'Z' || p[2] == 'X'))
		return 0; /* dead, and not yet buried by its parent */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

static char *pid_path(const struct lab *lab, const char *role)
{
	return xasprintf("%s/run/%s.pid", lab->dir, role);
}

int lab_pid_write(const struct lab *lab, const char *role, pid_t pid, struct error *err)
{
	auto_free char *path = pid_path(lab, role);
	auto_free char *text = xasprintf("%d %llu\n", pid, (unsigned long long)lab_start_time(pid));

	return io_write_file_atomic(path, text, strlen(text), 0644, err);
}

int lab_pid_read(const struct lab *lab, const char *role, pid_t *ret_pid)
{
	auto_free char *path = pid_path(lab, role);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	unsigned long long start;
	int pid;

	if (io_read_file(path, 4096, &text, NULL) < 0 ||
	    sscanf(strbuf_cstr(&text), "%d %llu", &pid, &start) != 2)
		return -ESRCH;
	if (pid <= 1 || start == 0 || lab_start_time(pid) != start)
		return -ESRCH;
	*ret_pid = pid;
	return 0;
}

/* The pid in a container's file, when it is that container's still. */
static pid_t container_pid(const char *file, const char *uid)
{
	auto_release(strbuf) struct strbuf pid = STRBUF_INIT, group = STRBUF_INIT;
	auto_free char *path = NULL;
	long n;

	if (io_read_file(file, 64, &pid, NULL) < 0)
		return 0;
	n = strtol(strbuf_cstr(&pid), NULL, 10);
	path = xasprintf("/proc/%ld/cgroup", n);
	if (n <= 1 || lab_start_time((pid_t)n) == 0 ||
	    io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &group, NULL) < 0 ||
	    !strstr(strbuf_cstr(&group), uid))
		return 0;
	return (pid_t)n;
}

static bool is_on(const char *pod_dir, const char *node)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc_stream docs;

	return doc_read_file(&a, arena_printf(&a, "%s/state.json", pod_dir), &docs, NULL) == 0 &&
	       docs.n == 1 && str_eq(doc_find_str(docs.docs[0], "node"), node);
}

int lab_agent_pid(const struct lab *lab, const struct lab_node *node, pid_t *ret_pid)
{
	auto_free char *pattern = xasprintf("%s/pods/*/" LAB_AGENT_CONTAINER ".pid", lab->dir);
	glob_t found = {0};
	pid_t pid = 0;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !pid; i++) {
			auto_free char *copy = xstrdup(found.gl_pathv[i]);
			const char *dir = dirname(copy), *uid = strrchr(dir, '/') + 1;

			if (is_on(dir, node->name))
				pid = container_pid(found.gl_pathv[i], uid);
		}
	globfree(&found);
	if (!pid)
		return -ESRCH;
	*ret_pid = pid;
	return 0;
}

int lab_named_pid(const struct lab *lab, const char *name, pid_t *ret_pid)
{
	static const char agents[] = "sidestepd.";
	const struct lab_node *node =
		str_starts(name, agents) ? lab_node(lab, name + strlen(agents)) : NULL;

	return node ? lab_agent_pid(lab, node, ret_pid) : lab_pid_read(lab, name, ret_pid);
}
