/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/older.c - the release before and this one, taking turns on a node.
 *
 * While the maps of the older layout are pinned, every program of ours keeps them up, and programs
 * of the older release know no others: so they are never behind, whoever ran last, and ours may be
 * thrown away at any time. That is all that has to be remembered over a kill -9. The maps of our
 * own layout are thrown away when a program of the older release has run meanwhile: what it
 * changed, closed or decided anew is not in them.
 *
 * Which of the two it was is told by the packet programs on the hooks, of pods and of the overlay;
 * those of sockets know no connections.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "agent/datapath/state.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "pod_programs.skel.h"

static uint32_t map_number(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

struct search {
	uint32_t older, ours; /* numbers of the two maps */
	bool found;           /* a program that knows only the older one */
	int code;             /* why one could not be looked at, negative errno */
};

static void look_at_program(void *arg, uint32_t prog_id)
{
	struct search *s = arg;
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info), ids[128];
	auto_close int fd = bpf_prog_get_fd_by_id(prog_id);
	bool older = false, ours = false;

	info.map_ids = (__u64)(uintptr_t)ids;
	info.nr_map_ids = ARRAY_SIZE(ids);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len)) {
		if (errno != ENOENT) /* it has just gone */
			s->code = -errno;
		return;
	}
	for (uint32_t i = 0; i < MIN(info.nr_map_ids, (uint32_t)ARRAY_SIZE(ids)); i++) {
		older |= ids[i] == s->older;
		ours |= ids[i] == s->ours;
	}
	s->found |= older && !ours;
}

/* Whether the older release ran after us: it says so in `meta`, or was killed before it could and
 * its programs are attached. */
static int older_ran(struct datapath *dp, bool *ret, struct error *err)
{
	struct search search = {.older = map_number(dp->maps.older[OLDER_conntrack]),
				.ours = map_number(dp->maps.fd[MAP_conntrack])};
	struct meta meta = {0};
	uint32_t zero = 0;
	int code = attach_each(dp, look_at_program, &search, err);

	if (!code && (!search.older || !search.ours))
		code = error_set(err, -EBADF, "the maps of connections do not tell their numbers");
	if (!code && search.code)
		code = error_errno(err, search.code,
				   "asking which layout of connections the attached programs have");
	if (code && !search.found) /* nobody knows, and one is enough */
		return code;
	maps_get(&dp->maps, MAP_meta, &zero, &meta);
	*ret = search.found || meta.conntrack != CONNTRACK_VERSION;
	return 0;
}

int older_begin(struct datapath *dp, struct error *err)
{
	bool stale;
	int code;

	carry_begin(dp, CARRY_COUNT);
	if (!maps_has_older(&dp->maps))
		return 0;
	code = older_ran(dp, &stale, err);
	for (size_t i = 0; !code && stale && i < OLDER_COUNT; i++)
		code = maps_renew(&dp->maps, dp->root, older_present[i], err);
	if (code)
		return code;
	carry_begin(dp, CARRY_UP);
	if (!stale) /* a copy down may have been cut short */
		carry_begin(dp, CARRY_DOWN);
	return 0;
}

int datapath_prepare(struct datapath *dp, unsigned layout, struct error *err)
{
	int code = 0;

	if (layout == CONNTRACK_VERSION)
		return 0;
	if (layout && layout != CONNTRACK_V1_VERSION)
		return error_set(err, -EOPNOTSUPP,
				 "connections cannot be kept in layout %u: this version knows %u "
				 "and %u",
				 layout, CONNTRACK_V1_VERSION, CONNTRACK_VERSION);
	if (!maps_has_older(&dp->maps)) {
		code = maps_make_older(&dp->maps, dp->root, err);
		if (!code)
			code = load_packet_again(dp, err);
		if (code) /* half kept up is worse than none */
			maps_drop_older(&dp->maps, dp->root);
	}
	if (!code)
		carry_begin(dp, CARRY_DOWN);
	return code;
}

/* Unpinned first: maps that no program keeps up must not be found by the next agent. */
int datapath_finalize(struct datapath *dp, struct error *err)
{
	if (!dp->packet->rodata->option_older)
		return 0;
	if (dp->carry.todo & 1U << CARRY_UP)
		return error_set(err, -EBUSY,
				 "connections of the older layout are still being copied");
	carry_cancel(dp, CARRY_DOWN);
	maps_drop_older(&dp->maps, dp->root);
	return load_packet_again(dp, err);
}
