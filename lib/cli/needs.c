/* SPDX-License-Identifier: Apache-2.0 */
/* What a command needs before it runs: asked of the machine, not guessed from versions. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/cli/cli.h"

/* "r0 = 0; exit" as a socket filter: the smallest program there is. */
static bool bpf_works(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = ARRAY_SIZE(insns);
	attr.license = (uintptr_t) "GPL";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool cluster_known(const char *kubeconfig)
{
	const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
	auto_free char *path = NULL;

	if (!str_empty(kubeconfig) || !str_empty(env) ||
	    !str_empty(getenv("KUBERNETES_SERVICE_HOST")))
		return true;
	path = xasprintf("%s/.kube/config", str_or_empty(home));
	return io_exists(path);
}

const char *cli_missing(unsigned need, const char *kubeconfig)
{
	if ((need & NEEDS_ROOT) && geteuid() != 0)
		return "root is missing: this changes the machine's network; start it with sudo";
	if ((need & NEEDS_BPF) && !bpf_works())
		return "a BPF kernel is missing: bpf(2) refuses to load a program; use Linux 5.10 "
		       "or "
		       "later with CONFIG_BPF_SYSCALL=y, as root (CAP_BPF, CAP_NET_ADMIN), outside "
		       "a "
		       "sandbox";
	if ((need & NEEDS_CLUSTER) && !cluster_known(kubeconfig))
		return "no cluster is named: give --kubeconfig FILE, set KUBECONFIG, or put one at "
		       "~/.kube/config";
	return NULL;
}
