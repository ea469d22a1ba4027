/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/clsact.c - attaching by netlink, for kernels without tcx (before 6.6).
 *
 * A filter with a fixed handle and priority in direct-action mode; replacing it is one netlink
 * request and no packet passes between the old program and the new one. The filter holds the
 * program, so nothing has to be pinned.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/datapath/state.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

#define FILTER_HANDLE   1
#define FILTER_PRIORITY 1

static struct bpf_tc_hook hook_of(uint32_t ifindex, enum program_id program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = program_specs[program].egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);

	return hook;
}

int clsact_attach(struct datapath *dp, uint32_t ifindex, enum program_id program, struct error *err)
{
	struct bpf_tc_hook hook = hook_of(ifindex, program);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		    .prog_fd = dp->program_fd[program], .flags = BPF_TC_F_REPLACE);
	int code = bpf_tc_hook_create(&hook);

	if (code && code != -EEXIST)
		return error_errno(err, code, "adding clsact to device %u", ifindex);
	code = bpf_tc_attach(&hook, &opts);
	if (code)
		return error_errno(err, code, "attaching %s to device %u by netlink",
				   program_specs[program].name, ifindex);
	return 0;
}

/* No filter, no clsact, no device. */
static bool is_none(int code)
{
	return code == -ENOENT || code == -EINVAL || code == -ENODEV;
}

int clsact_detach(uint32_t ifindex, enum program_id program, struct error *err)
{
	struct bpf_tc_hook hook = hook_of(ifindex, program);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int code = bpf_tc_detach(&hook, &opts);

	if (!code || is_none(code))
		return 0;
	return error_errno(err, code, "detaching %s from device %u", program_specs[program].name,
			   ifindex);
}

int clsact_ask(uint32_t ifindex, enum program_id program, uint32_t *ret_prog_id, struct error *err)
{
	struct bpf_tc_hook hook = hook_of(ifindex, program);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int code = bpf_tc_query(&hook, &opts);

	*ret_prog_id = code ? 0 : opts.prog_id;
	if (!code || is_none(code))
		return 0;
	return error_errno(err, code, "asking which %s device %u has", program_specs[program].name,
			   ifindex);
}

uint32_t clsact_query(uint32_t ifindex, enum program_id program)
{
	uint32_t id;

	clsact_ask(ifindex, program, &id, NULL);
	return id;
}

/* The handle and priority are nobody's in particular: the program's name says whose filter it is.
 */
static bool is_ours(uint32_t prog_id, enum program_id program)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	auto_close int fd = prog_id ? bpf_prog_get_fd_by_id(prog_id) : -1;

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       str_eq(info.name, program_specs[program].name);
}

void clsact_remove(uint32_t ifindex)
{
	for (enum program_id id = 0; id < PROGRAM_COUNT; id++)
		if (!program_specs[id].socket && is_ours(clsact_query(ifindex, id), id))
			clsact_detach(ifindex, id, NULL);
}
