/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "agent/datapath/state.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_HEX  32
#define TCX_INGRESS  46

static int quiet(UNUSED enum libbpf_print_level level, UNUSED const char *format,
		 UNUSED va_list args)
{
	return 0;
}

/* An interface number that cannot exist: a kernel with tcx says ENODEV, another one EINVAL. */
static bool kernel_has_tcx(int program)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (__u32)program;
	attr.link_create.target_fd = INT32_MAX;
	attr.link_create.attach_type = TCX_INGRESS;
	fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd >= 0)
		close((int)fd);
	return fd >= 0 || errno != EINVAL;
}

static int read_boot_id(uint8_t ret_id[16], struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	unsigned digits = 0;
	int code = io_read_file(BOOT_ID_FILE, 256, &text, err);

	if (code)
		return code;
	memset(ret_id, 0, 16);
	for (const char *p = strbuf_cstr(&text); *p && digits < BOOT_ID_HEX; p++) {
		char one[2] = {*p, 0};

		if (!strchr("0123456789abcdef", *p))
			continue;
		ret_id[digits / 2] = (uint8_t)(ret_id[digits / 2] << 4 | strtol(one, NULL, 16));
		digits++;
	}
	return 0;
}

static int check_meta(struct datapath *dp, const uint8_t boot_id[16], struct error *err)
{
	struct meta meta = {0};
	uint32_t zero = 0;

	if (maps_get(&dp->maps, MAP_meta, &zero, &meta) || !meta.magic)
		return 0; /* just made */
	if (meta.magic != META_MAGIC || meta.schema != META_SCHEMA)
		return error_set(
			err, -EEXIST,
			"pins below %s were written with schema %u by version %.32s; this is "
			"schema %u",
			dp->root, meta.schema, meta.writer, META_SCHEMA);
	if (memcmp(meta.boot_id, boot_id, 16))
		return error_set(err, -ESTALE, "pins below %s are of another boot: remove them",
				 dp->root);
	return 0;
}

static int write_meta(struct datapath *dp, const uint8_t boot_id[16], struct error *err)
{
	struct meta meta = {.magic = META_MAGIC,
			    .schema = META_SCHEMA,
			    .hz = dp->hz,
			    .loaded_ns = (uint64_t)clock_wall_ns(clock_system()),
			    .program_tag = dp->program_tag,
			    .conntrack = CONNTRACK_VERSION};
	uint32_t zero = 0;

	snprintf(meta.writer, sizeof(meta.writer), "%s", SIDESTEP_VERSION);
	memcpy(meta.boot_id, boot_id, 16);
	return maps_put(&dp->maps, MAP_meta, &zero, &meta, err);
}

static int map_generations(struct datapath *dp, struct error *err)
{
	void *p = mmap(NULL, GENERATION_MAX * 8UL, PROT_READ | PROT_WRITE, MAP_SHARED,
		       dp->maps.fd[MAP_generation], 0);

	if (p == MAP_FAILED)
		return error_errno(err, -errno, "mapping the generations");
	dp->generations = p;
	return 0;
}

static int choose_attach(struct datapath *dp, enum datapath_attach want, struct error *err)
{
	bool tcx =
		want != DATAPATH_ATTACH_CLSACT && kernel_has_tcx(dp->program_fd[PROGRAM_FROM_POD]);

	if (want == DATAPATH_ATTACH_TCX && !tcx)
		return error_set(err, -EOPNOTSUPP, "this kernel has no tcx (6.6); use clsact");
	dp->clsact = !tcx;
	return 0;
}

static int open_all(struct datapath *dp, const struct datapath_options *o, struct error *err)
{
	uint8_t boot_id[16];
	int code = read_boot_id(boot_id, err);

	if (!code)
		code = maps_open(&dp->maps, o->pin_root, err);
	if (!code)
		code = check_meta(dp, boot_id, err);
	if (!code)
		code = map_generations(dp, err);
	if (!code)
		code = older_begin(dp, err);
	if (!code)
		code = load_programs(dp, err);
	if (!code)
		code = term_load(dp, o->term, err);
	if (!code)
		code = choose_attach(dp, o->attach, err);
	if (!code)
		code = attach_update_all(dp, err);
	if (!code && o->cgroup)
		code = attach_cgroup(dp, o->cgroup, err);
	return code ? code : write_meta(dp, boot_id, err);
}

int datapath_open(const struct datapath_options *options, struct datapath **ret, struct error *err)
{
	struct datapath *dp = xcalloc(1, sizeof(*dp));
	int code;

	libbpf_set_print(quiet);
	maps_init(&dp->maps);
	dp->root = xstrdup(options->pin_root);
	dp->log = options->log;
	code = open_all(dp, options, err);
	if (code) {
		datapath_close(dp);
		return code;
	}
	*ret = dp;
	return 0;
}

void datapath_close(struct datapath *dp)
{
	if (!dp)
		return;
	ring_buffer__free(dp->ring);
	if (dp->generations)
		munmap(dp->generations, GENERATION_MAX * 8UL);
	term_release(dp);
	load_release(dp);
	carry_release(dp);
	free(dp->counting);
	maps_close(&dp->maps);
	free(dp->root);
	free(dp);
}

const char *datapath_attach_mode(const struct datapath *dp)
{
	return dp->clsact ? "clsact" : "tcx";
}

int datapath_set_node(struct datapath *dp, const struct node_config *config, struct error *err)
{
	struct node_config old = {0}, new = *config;
	uint32_t zero = 0;
	int code;

	dp->node = *config;
	maps_get(&dp->maps, MAP_node_config, &zero, &old);
	/* Whether anybody opted out is what datapath_apply() knows. */
	new.flags = (new.flags & ~(uint32_t)NODE_SOCK_OPTOUT) | (old.flags & NODE_SOCK_OPTOUT);
	if (!memcmp(&old, &new, sizeof(new)))
		return 0;
	code = maps_put(&dp->maps, MAP_node_config, &zero, &new, err);
	if (!code)
		generation_bump(dp, GENERATION_GLOBAL);
	return code;
}

int datapath_endpoint(struct datapath *dp, uint32_t id, struct datapath_endpoint *ret,
		      struct error *err)
{
	struct endpoint row;
	uint32_t slot = apply_slot(dp, id, &row);

	if (!slot)
		return error_set(err, -ENOENT, "endpoint %u has no row in the kernel", id);
	*ret = (struct datapath_endpoint){.slot = slot,
					  .generation =
						  generation_now(dp, generation_endpoint(slot)),
					  .row = row};
	return 0;
}

struct traffic_list {
	struct datapath_traffic *items;
	size_t n, cap;
};

static void add_traffic(void *arg, const void *key, const void *value)
{
	struct traffic_list *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->items = xreallocarray(l->items, l->cap, sizeof(*l->items));
	}
	memcpy(&l->items[l->n].key, key, sizeof(l->items[l->n].key));
	memcpy(&l->items[l->n].value, value, sizeof(l->items[l->n].value));
	l->n++;
}

static int by_traffic_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct traffic_key));
}

int datapath_traffic(struct datapath *dp, struct arena *a, struct datapath_traffic **ret_items,
		     size_t *ret_n, struct error *err)
{
	struct traffic_list list = {0};
	int n = maps_each(&dp->maps, MAP_traffic, add_traffic, &list, err);
	size_t kept = 0;

	if (n >= 0) {
		if (list.n)
			qsort(list.items, list.n, sizeof(*list.items), by_traffic_key);
		*ret_items = arena_array(a, list.n + 1, struct datapath_traffic);
		for (size_t i = 0; i < list.n; i++) /* a walk that started again saw rows twice */
			if (!kept || by_traffic_key(&(*ret_items)[kept - 1], &list.items[i]))
				(*ret_items)[kept++] = list.items[i];
		*ret_n = kept;
	}
	free(list.items);
	return n < 0 ? n : 0;
}
