/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

static const char *const addresses[POD_COUNT] = {NULL, ADDR_A, ADDR_B, ADDR_C};

void world_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		SKIP_ALL("needs root: a network namespace of its own");
	for (int i = 0; i < 4; i++) {
		char command[128];

		snprintf(command, sizeof(command),
			 "ip link add dp%d type veth peer name dq%d && ip link set dp%d up", i, i,
			 i);
		if (system(command))
			SKIP_ALL("needs iproute2 and veth devices");
	}
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args) PRINTF_LIKE(2, 0);
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		return vfprintf(stderr, format, args);
	return 0;
}

int world_fd(struct world *w, const char *map)
{
	return bpf_object__find_map_fd_by_name(w->skel->obj, map);
}

static void put(struct world *w, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(world_fd(w, map), key, value, BPF_ANY))
		fail_msg("%s: %s", map, strerror(errno));
}

void world_bump(struct world *w, __u32 generation)
{
	__u32 value = 0;

	assert_int_equal(bpf_map_lookup_elem(world_fd(w, "generation_v1"), &generation, &value), 0);
	value++;
	put(w, "generation_v1", &generation, &value);
}

void world_set_pod(struct world *w, enum pod pod, __u32 flags)
{
	__u32 slot = pod, where = endpoint_ifindex_slot(w->ifindex[pod]);
	__be32 addr = frame_addr(addresses[pod]);
	struct endpoint_ifindex device = {w->ifindex[pod], slot};
	struct endpoint row = {
		.ifindex = w->ifindex[pod],
		.flags = flags,
		.addr = addr,
		.identity = IDENTITY_A - 1 + slot,
		.policy_set = {slot, slot},
		.mac = {0xa, 0, 0, 0, 0, (__u8)slot},
		.host_mac = {0xb, 0, 0, 0, 0, (__u8)slot},
	};

	put(w, "endpoint_v1", &slot, &row);
	world_bump(w, generation_endpoint(slot));
	put(w, "ep_ifindex_v1", &where, &device);
	put(w, "ep_addr_v1", &addr, &slot);
	world_bump(w, generation_remote(addr));
}

void world_address(struct world *w, const char *addr, __u32 bits, __u32 identity,
		   const char *tunnel)
{
	struct ipcache_key key = {bits, frame_addr(addr)};
	struct ipcache_entry e = {.identity = identity,
				  .tunnel_endpoint = tunnel ? frame_addr(tunnel) : 0};

	put(w, "ipcache_v1", &key, &e);
	world_bump(w, bits == 32 ? generation_remote(key.addr) : GENERATION_GLOBAL);
}

static void set_ipcache(struct world *w, const char *addr, __u32 identity, const char *tunnel)
{
	world_address(w, addr, 32, identity, tunnel);
}

static void fill(struct world *w)
{
	__u32 zero = 0;
	struct node_config node = {.flags = NODE_READY,
				   .addr = frame_addr(ADDR_NODE),
				   .overlay_ifindex = w->overlay,
				   .loopback = frame_addr(ADDR_LOOP),
				   .overlay_port = 8472,
				   .underlay_ifindex = DEVICE_UNDERLAY,
				   .event_rate = 1000,
				   .event_burst = 1000};

	put(w, "node_config_v1", &zero, &node);
	for (enum pod p = POD_A; p < POD_COUNT; p++) {
		world_set_pod(w, p,
			      ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_ENFORCE_EGRESS);
		set_ipcache(w, addresses[p], IDENTITY_A - 1 + p, NULL);
	}
	set_ipcache(w, ADDR_REMOTE, IDENTITY_REMOTE, ADDR_OTHER);
	set_ipcache(w, ADDR_NODE, IDENTITY_HOST, NULL);
	set_ipcache(w, ADDR_OTHER, IDENTITY_REMOTE_NODE, NULL);
}

/* A small table does for a few connections and is made in no time. */
static void shrink(struct world *w, const char *map)
{
	bpf_map__set_max_entries(bpf_object__find_map_by_name(w->skel->obj, map), 1024);
}

void world_open(struct world *w, const struct world_options *o)
{
	struct timespec tick;
	static const struct world_options none;
	int code;

	memset(w, 0, sizeof(*w));
	libbpf_set_print(quiet);
	w->skel = pod_shim__open();
	assert_non_null(w->skel);
	if (!o)
		o = &none;
	assert_int_equal(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
	w->skel->rodata->option_hz = (__u32)(1000000000L / tick.tv_nsec);
	w->skel->rodata->option_kern_ctx = !o->no_kern_ctx;
	w->skel->rodata->option_services = !o->no_services;
	w->skel->rodata->option_events = !o->no_events;
	w->skel->rodata->option_trace = !o->no_trace;
	w->skel->rodata->option_traffic = !o->no_traffic;
	w->skel->rodata->option_older = o->older;
#define OLDER(name, ver, ...)                                                                      \
	bpf_map__set_autocreate(w->skel->maps.name##_v##ver, o->older);                            \
	if (o->older && !o->full_size)                                                             \
		shrink(w, #name "_v" #ver);
	FOREACH_MAP_OLDER(OLDER)
#undef OLDER
	if (!o->full_size) {
		shrink(w, "conntrack_v2");
		shrink(w, "ct_new_v2");
		shrink(w, "traffic_v1");
	}
	code = pod_shim__load(w->skel);
	if (code == -EPERM)
		SKIP_ALL("cannot load BPF programs here (needs CAP_BPF and a kernel with BTF)");
	assert_int_equal(code, 0); /* a program that the verifier refuses is no reason to skip */
	for (__u32 i = 0; i < POD_COUNT; i++) {
		char name[IF_NAMESIZE];

		snprintf(name, sizeof(name), "dp%u", i);
		w->ifindex[i] = if_nametoindex(name);
		assert_true(w->ifindex[i] > 0);
	}
	w->overlay = w->ifindex[0]; /* any device will do: nothing leaves a test run */
	fill(w);
}

static void empty(struct world *w, const char *map)
{
	char key[64];
	int fd = world_fd(w, map);

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void world_reset(struct world *w)
{
	static const char *const maps[] = {"policy_v1",   "conntrack_v2", "ct_new_v2",
					   "service_v1",  "svc_slot_v1",  "svc_backend_v1",
					   "fragment_v1", "traffic_v1",   "ipcache_v1"};
	struct event last;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		empty(w, maps[i]);
	if (w->skel->rodata->option_older) {
		empty(w, "conntrack_v1");
		empty(w, "ct_new_v1");
	}
	world_bump(w, GENERATION_GLOBAL);
	world_events(w, &last);
	fill(w);
	world_mark(w);
}

void world_close(struct world *w)
{
	pod_shim__destroy(w->skel);
}

void world_rule(struct world *w, enum pod pod, enum direction dir, __u32 identity, __u8 proto,
		__u16 port, __u32 port_bits, __u8 flags)
{
	struct policy_key key = {.prefixlen = policy_prefixlen(proto, port_bits),
				 .set = pod,
				 .identity = identity,
				 .direction = (__u8)dir,
				 .proto = proto,
				 .port = htons(port)};
	struct policy_entry e = {
		.flags = flags, .prefixlen = (__u8)key.prefixlen, .rule_id = 7000 + port};

	put(w, "policy_v1", &key, &e);
	world_bump(w, generation_endpoint(pod));
}

void world_allow(struct world *w, enum pod pod, enum direction dir, __u32 identity, __u8 proto,
		 __u16 port)
{
	world_rule(w, pod, dir, identity, proto, port, port ? 16 : 0, POLICY_ALLOW);
}

void world_allow_all(struct world *w)
{
	for (enum pod p = POD_A; p < POD_COUNT; p++) {
		world_allow(w, p, DIRECTION_INGRESS, 0, 0, 0);
		world_allow(w, p, DIRECTION_EGRESS, 0, 0, 0);
	}
}

static void put_backend(struct world *w, const struct service_key *key, const char *addr,
			__u32 slot, enum backend_state state)
{
	struct service_slot_key s = {*key, slot};
	struct service_backend_key bk = {*key, {frame_addr(addr), htons(8080), 0}};
	struct service_backend_state st = {.state = (__u8)state};

	put(w, "svc_backend_v1", &bk, &st);
	if (state == BACKEND_ACTIVE)
		put(w, "svc_slot_v1", &s, &bk.backend);
}

static void clear_backends(struct world *w)
{
	struct service_backend_key key;
	int fd = world_fd(w, "svc_backend_v1");

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

void world_service(struct world *w, const char *const *ready, const char *const *terminating)
{
	static const __u8 protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	clear_backends(w);
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		struct service_key key = {frame_addr(ADDR_VIP), htons(80), protos[i], 0};
		struct service_entry svc = {.tag = 1};

		for (; ready && ready[svc.slots]; svc.slots++)
			put_backend(w, &key, ready[svc.slots], svc.slots, BACKEND_ACTIVE);
		for (size_t t = 0; terminating && terminating[t]; t++)
			put_backend(w, &key, terminating[t], 0, BACKEND_TERMINATING);
		put(w, "service_v1", &key, &svc);
		world_bump(w, generation_service(key.addr, key.port));
	}
}

static int run(struct bpf_program *prog, struct __sk_buff *ctx, struct frame *f)
{
	struct frame out = {.len = PACKET_ROOM};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (__u32)f->len,
		    .data_out = out.bytes, .data_size_out = PACKET_ROOM, .ctx_in = ctx,
		    .ctx_size_in = sizeof(*ctx), .repeat = 1);
	int ret = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (ret)
		fail_msg("test run: %s", strerror(-ret));
	out.len = opts.data_size_out;
	*f = out;
	return (int)opts.retval;
}

int world_from_pod(struct world *w, enum pod pod, struct frame *f)
{
	struct __sk_buff ctx = {.ifindex = w->ifindex[pod]};

	return run(w->skel->progs.from_pod, &ctx, f);
}

int world_routed(struct world *w, enum pod pod, __u32 ifindex, struct frame *f)
{
	struct __sk_buff ctx = {.ifindex = w->ifindex[pod], .ingress_ifindex = ifindex};

	return run(w->skel->progs.to_pod, &ctx, f);
}

int world_to_pod(struct world *w, enum pod pod, struct frame *f)
{
	return world_routed(w, pod, 0, f);
}

int world_arrives_from(struct world *w, const char *node, __u32 identity, struct frame *f)
{
	struct __sk_buff ctx = {.ifindex = w->overlay, .mark = identity};

	ctx.cb[0] = frame_addr(node);
	return run(w->skel->progs.arrives, &ctx, f);
}

int world_arrives(struct world *w, __u32 identity, struct frame *f)
{
	return world_arrives_from(w, ADDR_OTHER, identity, f);
}

int world_to_overlay(struct world *w, __u32 ifindex, struct frame *f)
{
	struct __sk_buff ctx = {.ifindex = w->overlay, .ingress_ifindex = ifindex};

	return run(w->skel->progs.to_overlay, &ctx, f);
}

static __u32 timed_run(struct bpf_program *prog, struct __sk_buff *ctx, const struct frame *f,
		       __u32 rounds)
{
	__u8 out[PACKET_ROOM];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (__u32)f->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = ctx,
		    .ctx_size_in = sizeof(*ctx), .repeat = (int)rounds);
	int ret = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (ret)
		fail_msg("test run: %s", strerror(-ret));
	return opts.duration;
}

double world_repeat(struct world *w, struct bpf_program *program, enum pod pod,
		    const struct frame *f, __u32 ports, __u32 targets, __u32 rounds)
{
	struct repeat_config {
		__u8 header[64];
		__u32 vary, vary_target, round;
	} c = {.vary = ports, .vary_target = targets};
	struct __sk_buff ctx = {.ifindex = w->ifindex[pod]};
	int fd = bpf_program__fd(program ? program : w->skel->progs.nothing);
	__u32 zero = 0;

	memcpy(c.header, f->bytes, sizeof(c.header));
	put(w, "repeat_v1", &zero, &c);
	put(w, "repeat_target", &zero, &fd);
	return timed_run(w->skel->progs.repeat, &ctx, f, rounds);
}

double world_unit(struct world *w)
{
	struct frame f = frame_make(ADDR_A, 1, ADDR_B, 2, IPPROTO_TCP, 0);
	struct __sk_buff ctx = {.ifindex = w->ifindex[POD_A]};
	double best = 1e9;

	for (__u32 i = 0; i < 1000; i++) {
		struct conntrack_key key = {.saddr = 1, .proto = 6, .sport = (__be16)i};
		__u64 value = i;

		put(w, "unit_v1", &key, &value);
	}
	for (int round = 0; round < 9; round++) {
		double all, none;

		ctx.cb[0] = 1000;
		all = timed_run(w->skel->progs.unit, &ctx, &f, 300);
		ctx.cb[0] = 0;
		none = timed_run(w->skel->progs.unit, &ctx, &f, 300);
		best = MIN(best, (all - none) / 1000);
	}
	return best;
}

static void read_metrics(struct world *w, struct metrics *ret)
{
	struct metrics cpu[256];

	memset(ret, 0, sizeof(*ret) * METRICS_MAX);
	for (__u32 i = 0; i < METRICS_MAX; i++) {
		assert_int_equal(bpf_map_lookup_elem(world_fd(w, "metrics_v1"), &i, cpu), 0);
		for (int c = 0; c < libbpf_num_possible_cpus(); c++)
			ret[i].packets += cpu[c].packets;
	}
}

void world_mark(struct world *w)
{
	read_metrics(w, w->before);
}

__u64 world_counted(struct world *w, enum reason reason)
{
	struct metrics now[METRICS_MAX];
	__u32 in = metrics_slot(reason, 0), out = metrics_slot(reason, 1);

	read_metrics(w, now);
	return now[in].packets - w->before[in].packets + now[out].packets - w->before[out].packets;
}

bool world_entry(struct world *w, const char *map, const struct conntrack_key *key,
		 struct conntrack_entry *ret)
{
	return bpf_map_lookup_elem(world_fd(w, map), key, ret) == 0;
}

void world_put_entry(struct world *w, const char *map, const struct conntrack_key *key,
		     const struct conntrack_entry *e)
{
	put(w, map, key, e);
}

__u64 world_decisions(struct world *w, const struct traffic_key *key)
{
	struct traffic t = {0};

	bpf_map_lookup_elem(world_fd(w, "traffic_v1"), key, &t);
	return t.decisions;
}

static int take_event(void *ctx, void *data, size_t size)
{
	struct event *last = ctx;

	assert_int_equal(size, sizeof(*last));
	memcpy(last, data, sizeof(*last));
	return 0;
}

int world_events(struct world *w, struct event *ret)
{
	struct ring_buffer *ring =
		ring_buffer__new(world_fd(w, "events_v1"), take_event, ret, NULL);
	int n;

	assert_non_null(ring);
	n = ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return n;
}
