/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/datapath/attach/before.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/datapath/maps.h"
#include "lib/net/netns.h"
#include "pod_before.skel.h"
#include "tests/datapath/attach/chatter.h"
#include "tests/support/test.h"

static void pin_path(const struct wires *w, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", w->root, name);
}

static bool is_pinned(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) && strcmp(bpf_map__name(map), "scratch") != 0;
}

static void reuse_pins(const struct wires *w, struct bpf_object *obj)
{
	struct bpf_map *map;
	char path[256];

	bpf_object__for_each_map (map, obj) {
		int fd;

		pin_path(w, bpf_map__name(map), path);
		fd = is_pinned(map) ? bpf_obj_get(path) : -1;
		if (fd < 0)
			continue;
		assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
		close(fd);
	}
}

static void pin_maps(const struct wires *w, struct bpf_object *obj)
{
	struct bpf_map *map;
	char path[256];

	bpf_object__for_each_map (map, obj) {
		pin_path(w, bpf_map__name(map), path);
		if (is_pinned(map) && access(path, F_OK))
			assert_int_equal(bpf_obj_pin(bpf_map__fd(map), path), 0);
	}
}

static void update_link(const struct wires *w, const char *name, uint32_t ifindex, int program)
{
	char pin[64], path[256];
	int fd;

	snprintf(pin, sizeof(pin), "link_%s_%u", name, ifindex);
	pin_path(w, pin, path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_link_update(fd, program, NULL), 0);
	close(fd);
}

static void update_filter(uint32_t ifindex, enum bpf_tc_attach_point where, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = program,
		    .flags = BPF_TC_F_REPLACE);

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static void attach_one(const struct wires *w, enum datapath_attach how, uint32_t ifindex,
		       const struct bpf_program *in, const struct bpf_program *out)
{
	if (how == DATAPATH_ATTACH_CLSACT) {
		update_filter(ifindex, BPF_TC_EGRESS, bpf_program__fd(out));
		update_filter(ifindex, BPF_TC_INGRESS, bpf_program__fd(in));
	} else {
		update_link(w, bpf_program__name(out), ifindex, bpf_program__fd(out));
		update_link(w, bpf_program__name(in), ifindex, bpf_program__fd(in));
	}
}

/* pod: that one's, WIRE_NODE all of them. */
static void attach(const struct wires *w, enum datapath_attach how, int pod,
		   struct pod_before *skel)
{
	for (int i = 0; i < WIRES; i++)
		if (pod == WIRE_NODE || pod == i)
			attach_one(w, how, w->wire[i].ifindex, skel->progs.from_pod,
				   skel->progs.to_pod);
	if (w->overlay && (pod == WIRE_NODE || pod == BEFORE_OVERLAY))
		attach_one(w, how, w->overlay, skel->progs.from_overlay, skel->progs.to_overlay);
}

/* It knows nothing of the fields that came later. */
static void write_meta(const struct wires *w)
{
	struct meta meta;
	uint32_t zero = 0;
	char path[256];
	int fd;

	pin_path(w, "meta_v1", path);
	fd = bpf_obj_get(path);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &meta), 0);
	meta.conntrack = 0;
	snprintf(meta.writer, sizeof(meta.writer), "0.2.0");
	assert_int_equal(bpf_map_update_elem(fd, &zero, &meta, BPF_ANY), 0);
	close(fd);
}

void before_start_at(struct wires *w, enum datapath_attach how, int pod)
{
	struct pod_before *skel = pod_before__open();
	struct error err = ERROR_INIT;
	struct timespec tick;
	int back;

	assert_non_null(skel);
	assert_int_equal(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
	skel->rodata->option_hz = (__u32)(1000000000L / tick.tv_nsec);
	reuse_pins(w, skel->obj);
	assert_int_equal(pod_before__load(skel), 0);
	pin_maps(w, skel->obj);
	assert_int_equal(netns_enter(w->netns, &back, &err), 0);
	attach(w, how, pod, skel);
	netns_leave(back);
	write_meta(w);
	pod_before__destroy(skel);
}

void before_start(struct wires *w, enum datapath_attach how)
{
	before_start_at(w, how, WIRE_NODE);
}

void before_begin(struct wires *w, enum datapath_attach how)
{
	struct datapath *dp;
	char path[256];

	wires_open(w, how, &dp);
	chatter_want(w, dp);
	datapath_close(dp);
	for (size_t i = 0; i < OLDER_COUNT; i++) {
		pin_path(w, map_specs[older_present[i]].pin, path);
		unlink(path);
	}
	before_start(w, how);
	for (size_t i = 0; i < OLDER_COUNT; i++) {
		pin_path(w, older_specs[i].pin, path);
		assert_int_equal(access(path, F_OK), 0);
	}
}
