/* SPDX-License-Identifier: Apache-2.0 */
/* agent/datapath/vitals.c - numbers of the kernel side that gates ask about; changes nothing. */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <string.h>

#include "agent/datapath/state.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"

/* Rows of one call into the kernel; one bucket of a hash must fit. */
#define BATCH   2048
#define MAX_KEY 512

struct map_counting {
	enum map_id at;
	bool inside; /* the map at hand is begun; place says how far */
	uint8_t place[MAX_KEY];
	uint64_t found;
	bool known[MAP_COUNT];
	uint64_t entries[MAP_COUNT], max[MAP_COUNT];
};

int datapath_drops(struct datapath *dp, struct arena *a, struct datapath_drop **ret_items,
		   size_t *ret_n, struct error *err)
{
	struct datapath_drop *items = arena_array(a, METRICS_MAX, struct datapath_drop);
	size_t n = 0;

	for (uint32_t reason = REASON_FIRST_DROP; reason < REASON_COUNT; reason++) {
		for (uint32_t d = 0; d < DIRECTION_COUNT; d++) {
			uint64_t sum[sizeof(struct metrics) / sizeof(uint64_t)];

			if (maps_get_sum(&dp->maps, MAP_metrics, metrics_slot(reason, d), sum,
					 ARRAY_SIZE(sum)))
				return error_set(err, -EIO, "map %s cannot be read",
						 map_specs[MAP_metrics].pin);
			if (sum[0])
				items[n++] = (struct datapath_drop){(uint8_t)reason, (uint8_t)d,
								    sum[0], sum[1]};
		}
	}
	*ret_items = items;
	*ret_n = n;
	return 0;
}

static bool evicts(enum map_id id)
{
	return map_specs[id].type == BPF_MAP_TYPE_LRU_HASH;
}

/* Arrays are as full as they are long. */
static bool can_fill(enum map_id id)
{
	return evicts(id) || map_specs[id].type == BPF_MAP_TYPE_HASH ||
	       map_specs[id].type == BPF_MAP_TYPE_LPM_TRIE;
}

static uint64_t room_of(const struct datapath *dp, enum map_id id)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(dp->maps.fd[id], &info, &len) ? map_specs[id].entries
								    : info.max_entries;
}

static void next_map(struct datapath *dp, bool known)
{
	struct map_counting *c = dp->counting;

	c->known[c->at] = known;
	c->entries[c->at] = c->found;
	c->max[c->at] = room_of(dp, c->at);
	c->at = (enum map_id)((c->at + 1) % MAP_COUNT);
	c->inside = false;
	c->found = 0;
}

/* One batch of the map at hand; how many rows it had. */
static size_t count_some(struct datapath *dp)
{
	struct map_counting *c = dp->counting;
	const struct map_spec *s = &map_specs[c->at];
	auto_free uint8_t *keys = xcalloc(BATCH, s->key_size);
	auto_free uint8_t *values = xcalloc(BATCH, s->value_size);
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint8_t next[MAX_KEY] = {0};
	__u32 n = BATCH;
	int code = bpf_map_lookup_batch(dp->maps.fd[c->at], c->inside ? c->place : NULL, next, keys,
					values, &n, &opts)
			   ? errno
			   : 0;

	if (code && code != ENOENT) {
		next_map(dp, false); /* a kernel that cannot, or a row in the way: not known */
		return 0;
	}
	c->found += n;
	c->inside = true;
	memcpy(c->place, next, sizeof(c->place));
	if (code)
		next_map(dp, true);
	return n;
}

void datapath_count_maps(struct datapath *dp, size_t rows)
{
	size_t seen = 0;

	if (!dp->counting)
		dp->counting = xcalloc(1, sizeof(*dp->counting));
	for (unsigned maps = 0; maps < MAP_COUNT && seen < rows;) {
		enum map_id at = dp->counting->at;

		if (can_fill(at))
			seen += count_some(dp);
		else
			next_map(dp, false);
		maps += dp->counting->at != at;
	}
}

size_t datapath_map_uses(struct datapath *dp, struct arena *a, struct datapath_map_use **ret_items)
{
	struct datapath_map_use *items = arena_array(a, MAP_COUNT, struct datapath_map_use);
	size_t n = 0;

	for (enum map_id id = 0; id < MAP_COUNT; id++) {
		const struct map_counting *c = dp->counting;

		if (!can_fill(id))
			continue;
		items[n] = (struct datapath_map_use){.name = map_specs[id].name,
						     .layout = map_specs[id].version,
						     .counted = c && c->known[id],
						     .evicts = evicts(id)};
		items[n].max = c && c->max[id] ? c->max[id] : room_of(dp, id);
		if (items[n].counted)
			items[n].entries = c->entries[id];
		n++;
	}
	*ret_items = items;
	return n;
}

uint64_t datapath_map_errors(const struct datapath *dp)
{
	return dp->maps.refused ? *dp->maps.refused : 0;
}

struct strings datapath_program_ids(const struct datapath *dp, struct arena *a)
{
	struct strings s = {arena_array(a, PROGRAM_COUNT, const char *), 0};

	for (enum program_id id = 0; id < PROGRAM_COUNT; id++)
		s.items[s.n++] =
			arena_printf(a, "%s=%u", program_specs[id].name, dp->program_id[id]);
	return s;
}

const char *datapath_program_tag(const struct datapath *dp, struct arena *a)
{
	return arena_printf(a, "%016" PRIx64, __builtin_bswap64(dp->program_tag));
}

bool datapath_runs_ours(const struct datapath *dp, uint32_t ifindex)
{
	return attach_is_ours(dp, ifindex);
}
