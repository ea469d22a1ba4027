/* SPDX-License-Identifier: Apache-2.0 */
/* agent/datapath/load.c - the programs, loaded once, over maps that are already there. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/datapath/state.h"
#include "agent/datapath/verifier_log.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "pod_programs.skel.h"
#include "sock_programs.skel.h"

/* Of <linux/bpf.h> 6.6; the installed one is older. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47

const struct program_spec program_specs[PROGRAM_COUNT] = {
	[PROGRAM_FROM_POD] = {"from_pod", TCX_INGRESS, false, false},
	[PROGRAM_TO_POD] = {"to_pod", TCX_EGRESS, true, false},
	[PROGRAM_FROM_OVERLAY] = {"from_overlay", TCX_INGRESS, false, false},
	[PROGRAM_TO_OVERLAY] = {"to_overlay", TCX_EGRESS, true, false},
	[PROGRAM_CONNECT4] = {"connect4", BPF_CGROUP_INET4_CONNECT, false, true},
	[PROGRAM_SENDMSG4] = {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG, false, true},
	[PROGRAM_RECVMSG4] = {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG, false, true},
};

/* Jiffies per second: the coarse clock's resolution is one of them. */
static uint32_t kernel_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_nsec <= 0)
		return 250;
	return (uint32_t)(1000000000L / tick.tv_nsec);
}

bool load_kernel_has(const char *function)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return found;
}

int load_reuse_maps(const struct datapath *dp, struct bpf_object *obj, struct error *err)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_specs[i].pin);
		int code = map ? bpf_map__reuse_fd(map, dp->maps.fd[i]) : 0;

		if (code)
			return error_errno(err, code, "using map %s", map_specs[i].pin);
	}
	return 0;
}

static int note_program(struct datapath *dp, enum program_id id, const struct bpf_program *prog,
			struct error *err)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_program__fd(prog);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return error_errno(err, -errno, "program %s", program_specs[id].name);
	dp->program_fd[id] = fd;
	dp->program_id[id] = info.id;
	if (id == PROGRAM_FROM_POD)
		memcpy(&dp->program_tag, info.tag, sizeof(dp->program_tag));
	return 0;
}

static int note_programs(struct datapath *dp, struct bpf_object *obj, bool socket,
			 struct error *err)
{
	for (enum program_id id = 0; id < PROGRAM_COUNT; id++) {
		const struct bpf_program *prog;
		int code;

		if (program_specs[id].socket != socket)
			continue;
		prog = bpf_object__find_program_by_name(obj, program_specs[id].name);
		if (!prog)
			return error_set(err, -ENOENT, "program %s is missing",
					 program_specs[id].name);
		code = note_program(dp, id, prog, err);
		if (code)
			return code;
	}
	return 0;
}

/* Where the release before is not kept up, its maps are in no program and need not be there. */
static int load_reuse_older(const struct datapath *dp, struct bpf_object *obj, struct error *err)
{
	for (size_t i = 0; i < OLDER_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, older_specs[i].pin);
		int code = maps_has_older(&dp->maps) ? bpf_map__reuse_fd(map, dp->maps.older[i])
						     : bpf_map__set_autocreate(map, false);

		if (code)
			return error_errno(err, code, "using map %s", older_specs[i].pin);
	}
	return 0;
}

/* What the kernel says of a program it refuses, at most; pages that nothing is written to cost
 * nothing. */
#define LOG_ROOM (8u << 20)

/* Keeps the end of what the verifier said, and tells its last word. */
static int load_refused(struct datapath *dp, const char *which, int code, char *log,
			struct error *err)
{
	char reason[200];

	verifier_log_scrub(log);
	verifier_log_reason(log, reason, sizeof(reason));
	free(dp->load_log);
	dp->load_log = *log ? xstrdup(verifier_log_end(log, DATAPATH_MAX_LOG)) : NULL;
	if (dp->load_log && dp->log)
		log_error(dp->log, "the kernel's verifier refused the %s programs: %s", which,
			  dp->load_log);
	if (!*reason)
		return error_errno(err, code, "loading the %s programs", which);
	return error_errno(err, code, "loading the %s programs: the verifier says \"%s\"", which,
			   reason);
}

static int load_packet(struct datapath *dp, struct error *err)
{
	auto_free char *log = xcalloc(1, LOG_ROOM);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = log, .kernel_log_size = LOG_ROOM);
	int code;

	dp->packet = pod_programs__open_opts(&opts);
	if (!dp->packet)
		return error_errno(err, -errno, "opening the packet programs");
	dp->packet->rodata->option_hz = dp->hz;
	dp->packet->rodata->option_kern_ctx = load_kernel_has("bpf_cast_to_kern_ctx");
	dp->packet->rodata->option_older = maps_has_older(&dp->maps);
	code = load_reuse_maps(dp, dp->packet->obj, err);
	if (!code)
		code = load_reuse_older(dp, dp->packet->obj, err);
	if (code)
		return code;
	code = pod_programs__load(dp->packet);
	if (code)
		return load_refused(dp, "packet", code, log, err);
	return note_programs(dp, dp->packet->obj, false, err);
}

int load_packet_again(struct datapath *dp, struct error *err)
{
	struct pod_programs *had = dp->packet;
	int code = load_packet(dp, err);

	if (code) {
		pod_programs__destroy(dp->packet);
		dp->packet = had;
		note_programs(dp, had->obj, false, NULL);
		return code;
	}
	code = attach_update_all(dp, err);
	pod_programs__destroy(had);
	return code;
}

static int load_socket(struct datapath *dp, struct error *err)
{
	auto_free char *log = xcalloc(1, LOG_ROOM);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = log, .kernel_log_size = LOG_ROOM);
	int code;

	dp->socket = sock_programs__open_opts(&opts);
	if (!dp->socket)
		return error_errno(err, -errno, "opening the socket programs");
	code = load_reuse_maps(dp, dp->socket->obj, err);
	if (code)
		return code;
	code = sock_programs__load(dp->socket);
	if (code)
		return load_refused(dp, "socket", code, log, err);
	return note_programs(dp, dp->socket->obj, true, err);
}

static int load_socket_again(struct datapath *dp, struct error *err)
{
	struct sock_programs *had = dp->socket;
	int code = load_socket(dp, err);

	if (code) {
		sock_programs__destroy(dp->socket);
		dp->socket = had;
		note_programs(dp, had->obj, true, NULL);
		return code;
	}
	code = attach_update_all(dp, err);
	sock_programs__destroy(had);
	return code;
}

int datapath_reload(struct datapath *dp, struct error *err)
{
	int code;

	free(dp->load_log);
	dp->load_log = NULL;
	code = load_packet_again(dp, err);
	return code ? code : load_socket_again(dp, err);
}

const char *datapath_load_log(const struct datapath *dp)
{
	return dp->load_log;
}

int load_programs(struct datapath *dp, struct error *err)
{
	int code;

	dp->hz = kernel_hz();
	code = load_packet(dp, err);
	return code ? code : load_socket(dp, err);
}

void load_release(struct datapath *dp)
{
	pod_programs__destroy(dp->packet);
	sock_programs__destroy(dp->socket);
	free(dp->load_log);
}
