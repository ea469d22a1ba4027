/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "agent/datapath/maps.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"

#define BPFFS_MAGIC 0xcafe4a11

const struct map_spec map_specs[MAP_COUNT] = {
#define SPEC_X(noun, ver, kind, ktype, vtype, n, fl, cls, text)                                    \
	[MAP_##noun] = {                                                                           \
		#noun, #noun "_v" #ver, ver, BPF_MAP_TYPE_##kind, sizeof(ktype), sizeof(vtype), n, \
		fl,    MAP_CLASS_##cls, text},
#define SPEC_R(noun, ver, n, cls, text)                                                            \
	[MAP_##noun] = {#noun, #noun "_v" #ver, ver, BPF_MAP_TYPE_RINGBUF, 0, 0, n,                \
			0,     MAP_CLASS_##cls, text},
	FOREACH_MAP(SPEC_X, SPEC_R)
#undef SPEC_X
#undef SPEC_R
};

const struct map_spec older_specs[OLDER_COUNT] = {
#define SPEC_X(noun, ver, kind, ktype, vtype, n, fl, cls, text)                                    \
	[OLDER_##noun] = {                                                                         \
		#noun, #noun "_v" #ver, ver, BPF_MAP_TYPE_##kind, sizeof(ktype), sizeof(vtype), n, \
		fl,    MAP_CLASS_##cls, text},
	FOREACH_MAP_OLDER(SPEC_X)
#undef SPEC_X
};

const enum map_id older_present[OLDER_COUNT] = {
#define PRESENT(noun, ...) [OLDER_##noun] = MAP_##noun,
	FOREACH_MAP_OLDER(PRESENT)
#undef PRESENT
};

bool map_is_array(enum map_id id)
{
	return map_specs[id].type == BPF_MAP_TYPE_ARRAY;
}

/* Largest value of the table, and one CPU's share of a per-CPU one, with room. */
#define MAX_ROW 512

static int check_layout(const struct map_spec *s, int fd, struct error *err)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return error_errno(err, -errno, "reading the layout of map %s", s->pin);
	if (info.type != s->type || info.key_size != s->key_size ||
	    info.value_size != s->value_size)
		return error_set(
			err, -EEXIST,
			"pinned map %s has another layout (type %u, key %u, value %u) than "
			"this program expects (%u, %u, %u); remove the pins or run the "
			"version that made them",
			s->pin, info.type, info.key_size, info.value_size, s->type, s->key_size,
			s->value_size);
	return 0;
}

static uint32_t entries_of(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

/* A map that is to take another one's rows, while programs add to both, has room for more: a full
 * one forgets. However often they take turns, it is no more than half as much again as the table
 * says. like: rows of the other, 0 none. */
static uint32_t entries_for(const struct map_spec *s, uint32_t like)
{
	uint32_t most = MAX(s->entries + s->entries / 2, like);

	return MAX(s->entries, MIN(like + like / 4, most));
}

/* like: a map whose rows are to find room, -1 none. */
static int make(const struct map_spec *s, const char *path, int like, int *ret_fd,
		struct error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = s->flags);
	int fd = bpf_map_create(s->type, s->pin, s->key_size, s->value_size,
				entries_for(s, entries_of(like)), &opts);

	if (fd < 0)
		return error_errno(err, fd, "creating map %s", s->pin);
	if (bpf_obj_pin(fd, path)) {
		int code = error_errno(err, -errno, "pinning %s", path);

		close(fd);
		return code;
	}
	*ret_fd = fd;
	return 0;
}

static int open_one(const struct map_spec *s, const char *root, bool create, int like, int *ret_fd,
		    struct error *err)
{
	char path[512];
	int fd, code;

	snprintf(path, sizeof(path), "%s/%s", root, s->pin);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT && create)
		return make(s, path, like, ret_fd, err);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : error_errno(err, -errno, "opening %s", path);
	code = check_layout(s, fd, err);
	if (code)
		close(fd);
	else
		*ret_fd = fd;
	return code;
}

void maps_init(struct maps *m)
{
	m->refused = NULL;
	for (size_t i = 0; i < MAP_COUNT; i++)
		m->fd[i] = -1;
	for (size_t i = 0; i < OLDER_COUNT; i++)
		m->older[i] = -1;
}

static void close_older(struct maps *m)
{
	for (size_t i = 0; i < OLDER_COUNT; i++) {
		if (m->older[i] >= 0)
			close(m->older[i]);
		m->older[i] = -1;
	}
}

bool maps_has_older(const struct maps *m)
{
	return m->older[0] >= 0;
}

void maps_drop_older(struct maps *m, const char *root)
{
	char path[512];

	for (size_t i = 0; i < OLDER_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, older_specs[i].pin);
		unlink(path);
	}
	close_older(m);
}

/* All or none: one alone was left by somebody killed who made or removed them. */
static int open_older(struct maps *m, const char *root, struct error *err)
{
	int code = 0;

	for (size_t i = 0; !code && i < OLDER_COUNT; i++)
		code = open_one(&older_specs[i], root, false, -1, &m->older[i], err);
	if (code == -ENOENT) {
		maps_drop_older(m, root);
		return 0;
	}
	return code;
}

int maps_make_older(struct maps *m, const char *root, struct error *err)
{
	int code = 0;

	if (maps_has_older(m))
		return 0;
	for (size_t i = 0; !code && i < OLDER_COUNT; i++)
		code = open_one(&older_specs[i], root, true, m->fd[older_present[i]], &m->older[i],
				err);
	if (code)
		maps_drop_older(m, root);
	return code;
}

/* The older map for the same rows, -1 none. */
static int older_of(const struct maps *m, enum map_id id)
{
	for (size_t i = 0; i < OLDER_COUNT; i++)
		if (older_present[i] == id)
			return m->older[i];
	return -1;
}

int maps_renew(struct maps *m, const char *root, enum map_id id, struct error *err)
{
	char path[512];
	int fd, code;

	snprintf(path, sizeof(path), "%s/%s", root, map_specs[id].pin);
	if (unlink(path))
		return error_errno(err, -errno, "removing %s", path);
	code = make(&map_specs[id], path, older_of(m, id), &fd, err);
	if (code)
		return code;
	close(m->fd[id]);
	m->fd[id] = fd;
	return 0;
}

static int check_bpffs(const char *root, struct error *err)
{
	struct statfs fs;

	if (statfs(root, &fs))
		return error_errno(err, -errno, "%s", root);
	if ((unsigned long)fs.f_type != BPFFS_MAGIC)
		return error_set(err, -EINVAL,
				 "%s is not on a bpf file system; mount one (mount -t bpf bpf "
				 "/sys/fs/bpf) or choose another pin root",
				 root);
	return 0;
}

int maps_open(struct maps *m, const char *root, struct error *err)
{
	int code;

	maps_init(m);
	m->refused = xcalloc(1, sizeof(*m->refused));
	code = io_mkdirs(root, 0700, err);
	if (!code)
		code = check_bpffs(root, err);
	if (!code)
		code = open_older(m, root, err);
	for (enum map_id i = 0; !code && i < MAP_COUNT; i++)
		code = open_one(&map_specs[i], root, true, older_of(m, i), &m->fd[i], err);
	if (code)
		maps_close(m);
	return code;
}

int maps_open_existing(struct maps *m, const char *root, struct error *err)
{
	size_t found = 0;

	maps_init(m);
	for (size_t i = 0; i < MAP_COUNT; i++) {
		int code = open_one(&map_specs[i], root, false, -1, &m->fd[i], err);

		if (code && code != -ENOENT) {
			maps_close(m);
			return code;
		}
		found += !code;
	}
	if (!found)
		return error_set(err, -ENOENT,
				 "no maps below %s: the agent has not run on this node, or pins "
				 "elsewhere (--pin-root)",
				 root);
	return 0;
}

void maps_close(struct maps *m)
{
	for (size_t i = 0; i < MAP_COUNT; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	close_older(m);
	free(m->refused);
	maps_init(m);
}

/* An array is read in one call. */
static int each_slot(const struct maps *m, enum map_id id,
		     void (*fn)(void *arg, const void *key, const void *value), void *arg,
		     struct error *err)
{
	const struct map_spec *s = &map_specs[id];
	size_t step = (s->value_size + 7) & ~(size_t)7;
	auto_free uint32_t *keys = xcalloc(s->entries, sizeof(*keys));
	auto_free uint8_t *values = xcalloc(s->entries, step);
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n = s->entries, next = 0;

	if (bpf_map_lookup_batch(m->fd[id], NULL, &next, keys, values, &n, &opts) &&
	    errno != ENOENT)
		return error_errno(err, -errno, "reading map %s", s->pin);
	for (uint32_t i = 0; i < n; i++)
		fn(arg, &keys[i], values + i * (size_t)s->value_size);
	return (int)n;
}

int maps_each(const struct maps *m, enum map_id id,
	      void (*fn)(void *arg, const void *key, const void *value), void *arg,
	      struct error *err)
{
	const struct map_spec *s = &map_specs[id];
	uint8_t keys[2][MAX_ROW], value[MAX_ROW];
	const void *previous = NULL;
	/* A row that vanishes under a reader starts the walk again: enough is enough. */
	uint32_t n = 0, limit = s->entries * 2;

	if (m->fd[id] < 0)
		return error_set(err, -ENOENT, "map %s is not there", s->pin);
	if (map_is_array(id))
		return each_slot(m, id, fn, arg, err);
	for (unsigned which = 0; n < limit; which ^= 1) {
		if (bpf_map_get_next_key(m->fd[id], previous, keys[which])) {
			if (errno == ENOENT)
				break;
			return error_errno(err, -errno, "reading map %s", s->pin);
		}
		if (!bpf_map_lookup_elem(m->fd[id], keys[which], value)) {
			fn(arg, keys[which], value);
			n++;
		}
		previous = keys[which];
	}
	return (int)n;
}

static int refused(const struct maps *m, enum map_id id, const char *what, struct error *err)
{
	int code = -errno;

	if (m->refused)
		++*m->refused;
	return error_errno(err, code, "%s a row of map %s", what, map_specs[id].pin);
}

int maps_put(const struct maps *m, enum map_id id, const void *key, const void *value,
	     struct error *err)
{
	if (!bpf_map_update_elem(m->fd[id], key, value, BPF_ANY))
		return 0;
	return refused(m, id, "writing", err);
}

int maps_delete(const struct maps *m, enum map_id id, const void *key, struct error *err)
{
	if (!bpf_map_delete_elem(m->fd[id], key) || errno == ENOENT)
		return 0;
	return refused(m, id, "deleting", err);
}

int maps_get(const struct maps *m, enum map_id id, const void *key, void *ret_value)
{
	return m->fd[id] < 0 || bpf_map_lookup_elem(m->fd[id], key, ret_value) ? -ENOENT : 0;
}

int maps_get_sum(const struct maps *m, enum map_id id, uint32_t slot, uint64_t *ret_counters,
		 size_t n)
{
	int cpus = libbpf_num_possible_cpus();
	auto_free uint64_t *values = NULL;

	if (cpus < 1 || m->fd[id] < 0)
		return -ENOENT;
	values = xcalloc((size_t)cpus * n, sizeof(*values));
	if (bpf_map_lookup_elem(m->fd[id], &slot, values))
		return -ENOENT;
	memset(ret_counters, 0, n * sizeof(*ret_counters));
	for (size_t i = 0; i < (size_t)cpus * n; i++)
		ret_counters[i % n] += values[i];
	return 0;
}
