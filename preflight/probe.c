/* SPDX-License-Identifier: Apache-2.0 */
#include "preflight/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/net/netlink.h"

/* Debian 12's headers end before 6.6. */
#define ATTACH_TCX_INGRESS 46
#define LOOPBACK           1
#define PROBE_PORT         8472

const struct feature_row feature_rows[FEATURE_COUNT] = {
#define FEATURE_ROW(symbol, ...) [symbol] = {__VA_ARGS__},
	FEATURES(FEATURE_ROW)
#undef FEATURE_ROW
};

static const struct bpf_insn return_0[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	{.code = BPF_JMP | BPF_EXIT},
};
static const struct bpf_insn return_1[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
	{.code = BPF_JMP | BPF_EXIT},
};

static int load(enum bpf_prog_type type, enum bpf_attach_type attach, const struct bpf_insn *insns)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);

	return bpf_prog_load(type, "preflight", "GPL", insns, ARRAY_SIZE(return_0), &opts);
}

/* 0 and EPERM apart: "it cannot" must not be said when we were only not allowed to ask. */
static int answer(int r, const char *what, struct error *err)
{
	if (r >= 0)
		return 1;
	if (r == -EPERM || r == -EACCES)
		return error_errno(err, r, "%s", what);
	return 0;
}

static int loads(enum bpf_prog_type type, enum bpf_attach_type attach, struct error *err)
{
	int fd = load(type, attach, type == BPF_PROG_TYPE_SCHED_CLS ? return_0 : return_1);

	if (fd >= 0)
		close(fd);
	return answer(fd, "load a program", err);
}

static int probe_jit(struct error *err)
{
	struct bpf_prog_info info = {0};
	unsigned size = sizeof(info);
	int fd = load(BPF_PROG_TYPE_SOCKET_FILTER, 0, return_0), r;

	if (fd < 0)
		return error_errno(err, fd, "load a program");
	r = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (r)
		return error_errno(err, r, "ask for the program's size");
	return info.jited_prog_len > 0;
}

static int has_map(enum bpf_map_type type, struct error *err)
{
	int r = libbpf_probe_bpf_map_type(type, NULL);

	return r < 0 ? error_errno(err, r, "make a map") : r;
}

static int has_helper(enum bpf_prog_type type, enum bpf_func_id id, struct error *err)
{
	int r = libbpf_probe_bpf_helper(type, id, NULL);

	return r < 0 ? error_errno(err, r, "load a program that calls a helper") : r;
}

/* --- attach points, inside a network namespace of our own ------------------------------------ */

static int attach_tcx(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int prog = load(BPF_PROG_TYPE_SCHED_CLS, 0, return_0), link;

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, LOOPBACK, ATTACH_TCX_INGRESS, &opts);
	close(prog);
	if (link >= 0)
		close(link);
	return link;
}

static int attach_clsact(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = LOOPBACK, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	int prog = load(BPF_PROG_TYPE_SCHED_CLS, 0, return_0), r;

	if (prog < 0)
		return prog;
	r = bpf_tc_hook_create(&hook);
	if (!r) {
		opts.prog_fd = prog;
		r = bpf_tc_attach(&hook, &opts);
	}
	close(prog);
	return r;
}

static int make_vxlan(void)
{
	auto_release(netlink_ptr) struct netlink *nl = NULL;
	int r = netlink_open(-1, &nl, NULL);

	return r ? r : net_link_add_vxlan(nl, "preflight", PROBE_PORT, 0, NULL);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

/* The child's namespace and everything in it ends with the child. Its exit status is -result. */
static int in_own_netns(int (*fn)(void), struct error *err)
{
	int status, r;
	pid_t pid = fork();

	if (pid < 0)
		return error_errno(err, -errno, "fork");
	if (!pid) {
		if (unshare(CLONE_NEWNET))
			_exit(EPERM);
		r = fn();
		_exit(r < 0 ? -r & 0xff : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, -errno, "wait for the probe");
	if (!WIFEXITED(status))
		return error_set(err, -EIO, "the probe died");
	return answer(-WEXITSTATUS(status), "in a network namespace of its own", err);
}

/* --- a control group of our own -------------------------------------------------------------- */

static char *cgroup2_mount(void)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	char *found = NULL;

	while (f && !found && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			found = xstrdup(m->mnt_dir);
	if (f)
		endmntent(f);
	return found;
}

static int attach_at(const char *dir)
{
	int prog = load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, return_1), r;
	auto_close int cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (prog < 0)
		return prog;
	r = cgroup < 0 ? -errno
		       : bpf_prog_attach(prog, cgroup, BPF_CGROUP_INET4_CONNECT, BPF_F_ALLOW_MULTI);
	if (!r)
		bpf_prog_detach2(prog, cgroup, BPF_CGROUP_INET4_CONNECT);
	close(prog);
	return r;
}

static int attach_connect4(struct error *err)
{
	auto_free char *mount = cgroup2_mount(), *dir = NULL;
	int r;

	if (!mount)
		return error_set(err, -ENOENT, "no cgroup2 is mounted");
	dir = xasprintf("%s/sidestep-preflight-%d", mount, (int)getpid());
	if (mkdir(dir, 0700))
		return error_errno(err, -errno, "make %s", dir);
	r = attach_at(dir);
	rmdir(dir);
	return answer(r, "attach to a control group", err);
}

static int probe_program(enum feature feature, struct error *err)
{
	if (feature == FEATURE_PROG_SCHED_CLS)
		return loads(BPF_PROG_TYPE_SCHED_CLS, 0, err);
	if (feature == FEATURE_PROG_SOCK_ADDR)
		return loads(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, err);
	if (feature == FEATURE_PROG_CGROUP_SOCK)
		return loads(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND, err);
	if (feature == FEATURE_PROG_SK_LOOKUP)
		return loads(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, err);
	return loads(BPF_PROG_TYPE_XDP, BPF_XDP, err);
}

int probe_kernel(void *arg, enum feature feature, struct error *err)
{
	(void)arg;
	libbpf_set_print(quiet);
	switch (feature) {
	case FEATURE_BPF:
		return loads(BPF_PROG_TYPE_SOCKET_FILTER, 0, err);
	case FEATURE_JIT:
		return probe_jit(err);
	case FEATURE_PROG_SCHED_CLS:
	case FEATURE_PROG_SOCK_ADDR:
	case FEATURE_PROG_CGROUP_SOCK:
	case FEATURE_PROG_SK_LOOKUP:
	case FEATURE_PROG_XDP:
		return probe_program(feature, err);
	case FEATURE_MAP_HASH:
		return has_map(BPF_MAP_TYPE_HASH, err);
	case FEATURE_MAP_LRU_HASH:
		return has_map(BPF_MAP_TYPE_LRU_HASH, err);
	case FEATURE_MAP_PERCPU_ARRAY:
		return has_map(BPF_MAP_TYPE_PERCPU_ARRAY, err);
	case FEATURE_MAP_LPM:
		return has_map(BPF_MAP_TYPE_LPM_TRIE, err);
	case FEATURE_MAP_RINGBUF:
		return has_map(BPF_MAP_TYPE_RINGBUF, err);
	case FEATURE_MAP_HASH_OF_MAPS:
		return has_map(BPF_MAP_TYPE_HASH_OF_MAPS, err);
	case FEATURE_MAP_SOCKMAP:
		return has_map(BPF_MAP_TYPE_SOCKMAP, err);
	case FEATURE_HELPER_REDIRECT_PEER:
		return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_peer, err);
	case FEATURE_HELPER_JIFFIES:
		return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_jiffies64, err);
	case FEATURE_HELPER_TUNNEL_KEY:
		return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_set_tunnel_key, err);
	case FEATURE_HELPER_FIB_LOOKUP:
		return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_fib_lookup, err);
	case FEATURE_HELPER_NETNS_COOKIE:
		return has_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie, err);
	case FEATURE_ATTACH_TCX:
		return in_own_netns(attach_tcx, err);
	case FEATURE_ATTACH_CLSACT:
		return in_own_netns(attach_clsact, err);
	case FEATURE_ATTACH_CONNECT4:
		return attach_connect4(err);
	case FEATURE_LINK_VXLAN:
		return in_own_netns(make_vxlan, err);
	case FEATURE_COUNT:
		break;
	}
	return error_set(err, -EINVAL, "no such feature");
}
