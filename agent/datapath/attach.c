/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/attach.c - programs on devices and on the node's cgroup, through pinned links.
 *
 * A link is pinned as <root>/link_<program>_<ifindex> (0 for the cgroup). A link that exists is
 * only ever updated in place: detaching first would let packets past the policy. A link whose
 * device is gone (ENOLINK) is swept.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/datapath/state.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

#define LINK_PREFIX "link_"
#define PIN_PATH    512

static void link_path(const struct datapath *dp, enum program_id id, uint32_t ifindex,
		      char path[PIN_PATH])
{
	snprintf(path, PIN_PATH, "%s/" LINK_PREFIX "%s_%u", dp->root, program_specs[id].name,
		 ifindex);
}

/* libbpf 1.1 knows no tcx, so the request is made by hand; target is a device or a cgroup. */
static int link_create(int program, uint32_t target, uint32_t type)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (__u32)program;
	attr.link_create.target_fd = target; /* the same field holds an interface index */
	attr.link_create.attach_type = type;
	fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

/* Takes a link off its hook at once; dropping the last reference alone would do it some time. */
static void link_remove(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

static int link_attach(struct datapath *dp, enum program_id id, uint32_t target, uint32_t ifindex,
		       struct error *err)
{
	char path[PIN_PATH];
	auto_close int fd = -1;
	int code;

	link_path(dp, id, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		if (!bpf_link_update(fd, dp->program_fd[id], NULL))
			return 0;
		code = -errno;
		if (code != -ENOLINK)
			return error_errno(err, code, "updating the link of %s", path);
		link_remove(path); /* its device is gone; the number belongs to another one now */
		close(fd);
	}
	fd = link_create(dp->program_fd[id], target, program_specs[id].tcx);
	if (fd < 0)
		return error_errno(err, fd, "attaching %s to device %u", program_specs[id].name,
				   ifindex);
	if (bpf_obj_pin(fd, path))
		return error_errno(err, -errno, "pinning %s", path);
	return 0;
}

static int attach_device(struct datapath *dp, enum program_id id, uint32_t ifindex,
			 struct error *err)
{
	return dp->clsact ? clsact_attach(dp, ifindex, id, err)
			  : link_attach(dp, id, ifindex, ifindex, err);
}

/* Ingress last: nothing a pod sends is seen before what it gets is guarded. */
int datapath_attach_pod(struct datapath *dp, uint32_t ifindex, struct error *err)
{
	int code = attach_device(dp, PROGRAM_TO_POD, ifindex, err);

	return code ? code : attach_device(dp, PROGRAM_FROM_POD, ifindex, err);
}

int datapath_attach_overlay(struct datapath *dp, uint32_t ifindex, struct error *err)
{
	int code = attach_device(dp, PROGRAM_TO_OVERLAY, ifindex, err);

	return code ? code : attach_device(dp, PROGRAM_FROM_OVERLAY, ifindex, err);
}

int datapath_detach(struct datapath *dp, uint32_t ifindex, struct error *err)
{
	for (enum program_id id = 0; id < PROGRAM_COUNT; id++) {
		char path[PIN_PATH];
		int code;

		if (program_specs[id].socket)
			continue;
		link_path(dp, id, ifindex, path);
		link_remove(path);
		code = dp->clsact ? clsact_detach(ifindex, id, err) : 0;
		if (code)
			return code;
	}
	return 0;
}

int attach_cgroup(struct datapath *dp, const char *cgroup, struct error *err)
{
	auto_close int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, -errno, "opening cgroup %s", cgroup);
	for (enum program_id id = 0; id < PROGRAM_COUNT; id++) {
		int code = program_specs[id].socket ? link_attach(dp, id, (uint32_t)fd, 0, err) : 0;

		if (code)
			return error_wrap(err, code, "cgroup %s", cgroup);
	}
	return 0;
}

/* The program and device that a pin's name speaks of; false for another kind of pin. */
static bool parse_pin(const char *name, enum program_id *ret_id, uint32_t *ret_ifindex)
{
	for (enum program_id id = 0; id < PROGRAM_COUNT; id++) {
		char prefix[64];
		uint64_t n;

		snprintf(prefix, sizeof(prefix), LINK_PREFIX "%s_", program_specs[id].name);
		if (str_starts(name, prefix) &&
		    !str_to_u64(name + strlen(prefix), 0, UINT32_MAX, &n, "ifindex", NULL)) {
			*ret_id = id;
			*ret_ifindex = (uint32_t)n;
			return true;
		}
	}
	return false;
}

static int update_pin(struct datapath *dp, const char *name, struct error *err)
{
	enum program_id id;
	uint32_t ifindex;
	char path[PIN_PATH];
	int code;

	if (!parse_pin(name, &id, &ifindex))
		return 0;
	link_path(dp, id, ifindex, path);
	auto_close int fd = bpf_obj_get(path);
	if (fd < 0)
		return error_errno(err, -errno, "opening %s", path);
	if (!bpf_link_update(fd, dp->program_fd[id], NULL))
		return 0;
	code = -errno;
	if (code != -ENOLINK)
		return error_errno(err, code, "updating %s", path);
	link_remove(path);
	return 0;
}

/* Only where ours are: datapath_attach_* for devices that have the filter. */
static int update_filter(struct datapath *dp, uint32_t ifindex, enum program_id first,
			 int (*attach)(struct datapath *dp, uint32_t ifindex, struct error *err),
			 struct error *err)
{
	uint32_t prog;
	int code = clsact_ask(ifindex, first, &prog, err);

	return code || !prog ? code : attach(dp, ifindex, err);
}

/* Filters have no pins; the devices are those of the endpoints and the overlay. */
static int update_filters(struct datapath *dp, struct error *err)
{
	struct node_config node = {0};
	uint32_t zero = 0;
	int code = 0;

	maps_get(&dp->maps, MAP_node_config, &zero, &node);
	if (node.overlay_ifindex)
		code = update_filter(dp, node.overlay_ifindex, PROGRAM_FROM_OVERLAY,
				     datapath_attach_overlay, err);
	for (uint32_t slot = 1; !code && slot < ENDPOINT_MAX; slot++) {
		struct endpoint e;

		if (!maps_get(&dp->maps, MAP_endpoint, &slot, &e) && e.ifindex)
			code = update_filter(dp, e.ifindex, PROGRAM_FROM_POD, datapath_attach_pod,
					     err);
	}
	return code;
}

int attach_update_all(struct datapath *dp, struct error *err)
{
	DIR *dir = opendir(dp->root);
	struct dirent *e;
	int code = 0;

	if (!dir)
		return error_errno(err, -errno, "reading %s", dp->root);
	while (!code && (e = readdir(dir)))
		code = update_pin(dp, e->d_name, err);
	closedir(dir);
	return code || !dp->clsact ? code : update_filters(dp, err);
}

/* What goes while it is asked is none. */
static int each_link(struct datapath *dp, const char *name, void (*fn)(void *arg, uint32_t prog_id),
		     void *arg, struct error *err)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	enum program_id id;
	uint32_t ifindex;

	if (!parse_pin(name, &id, &ifindex) || program_specs[id].socket)
		return 0;
	link_path(dp, id, ifindex, path);
	auto_close int fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "opening %s", path);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return error_errno(err, -errno, "asking which program %s has", path);
	fn(arg, info.prog_id);
	return 0;
}

static int each_filter(uint32_t ifindex, void (*fn)(void *arg, uint32_t prog_id), void *arg,
		       struct error *err)
{
	int first = 0;

	for (enum program_id id = 0; id < PROGRAM_COUNT; id++) {
		uint32_t prog = 0;
		int code = program_specs[id].socket ? 0 : clsact_ask(ifindex, id, &prog, err);

		first = first ? first : code;
		if (prog)
			fn(arg, prog);
	}
	return first;
}

static int each_pin(struct datapath *dp, void (*fn)(void *arg, uint32_t prog_id), void *arg,
		    struct error *err)
{
	DIR *dir = opendir(dp->root);
	struct dirent *e;
	int first = 0;

	if (!dir)
		return error_errno(err, -errno, "reading %s", dp->root);
	while ((e = readdir(dir))) {
		int code = each_link(dp, e->d_name, fn, arg, err);

		first = first ? first : code;
	}
	closedir(dir);
	return first;
}

int attach_each(struct datapath *dp, void (*fn)(void *arg, uint32_t prog_id), void *arg,
		struct error *err)
{
	struct node_config node = {0};
	uint32_t zero = 0;
	int first = each_pin(dp, fn, arg, err);

	maps_get(&dp->maps, MAP_node_config, &zero, &node);
	if (node.overlay_ifindex) {
		int code = each_filter(node.overlay_ifindex, fn, arg, err);

		first = first ? first : code;
	}
	for (uint32_t slot = 1; slot < ENDPOINT_MAX; slot++) {
		struct endpoint row;
		int code = 0;

		if (!maps_get(&dp->maps, MAP_endpoint, &slot, &row) && row.ifindex)
			code = each_filter(row.ifindex, fn, arg, err);
		first = first ? first : code;
	}
	return first;
}

static uint32_t attached_id(const struct datapath *dp, enum program_id id, uint32_t ifindex)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	char path[PIN_PATH];

	if (dp->clsact)
		return clsact_query(ifindex, id);
	link_path(dp, id, ifindex, path);
	auto_close int fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	/* A tcx link's info goes on with the interface index, 0 once the device is gone. */
	return info.netns.netns_ino == ifindex ? info.prog_id : 0;
}

bool attach_is_ours(const struct datapath *dp, uint32_t ifindex)
{
	return attached_id(dp, PROGRAM_FROM_POD, ifindex) == dp->program_id[PROGRAM_FROM_POD] &&
	       attached_id(dp, PROGRAM_TO_POD, ifindex) == dp->program_id[PROGRAM_TO_POD];
}

int attach_check_pod(struct datapath *dp, uint32_t ifindex, bool *ret_replaced, struct error *err)
{
	*ret_replaced = !attach_is_ours(dp, ifindex);
	return *ret_replaced ? datapath_attach_pod(dp, ifindex, err) : 0;
}

/* Filters of clsact, where rows of this namespace's devices say that there may be some. */
static void unload_filters(const char *root)
{
	struct node_config node = {0};
	uint32_t zero = 0;
	struct maps maps;

	if (maps_open_existing(&maps, root, NULL))
		return;
	maps_get(&maps, MAP_node_config, &zero, &node);
	if (node.overlay_ifindex)
		clsact_remove(node.overlay_ifindex);
	for (uint32_t slot = 1; slot < ENDPOINT_MAX; slot++) {
		struct endpoint e;

		if (!maps_get(&maps, MAP_endpoint, &slot, &e) && e.ifindex)
			clsact_remove(e.ifindex);
	}
	maps_close(&maps);
}

static int unload_pin(const char *root, const char *name, struct error *err)
{
	char path[PIN_PATH];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (str_starts(name, LINK_PREFIX))
		link_remove(path);
	else if (unlink(path) && errno != ENOENT)
		return error_errno(err, -errno, "removing %s", path);
	return 0;
}

int datapath_unload(const char *pin_root, struct error *err)
{
	DIR *dir = opendir(pin_root);
	struct dirent *e;
	int code = 0;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "reading %s", pin_root);
	unload_filters(pin_root);
	while (!code && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			code = unload_pin(pin_root, e->d_name, err);
	closedir(dir);
	if (!code && rmdir(pin_root) && errno != ENOENT)
		return error_errno(err, -errno, "removing %s", pin_root);
	return code;
}
