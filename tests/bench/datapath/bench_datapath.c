/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet costs, in hits of a 16-byte-key hash map measured in the same run: JSON on standard
 * output. Figures are net of the wrapper that puts the packet back, the least of several rounds.
 * `reached` compares with the design's targets; the exit code does not depend on time.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "datapath/bpf/flow.h"
#include "lib/base/clock.h"
#include "lib/doc/doc.h"
#include "sock_programs.skel.h"
#include "tests/datapath/prog/world.h"
#include "tests/support/test.h"

#define ROUNDS     9
#define REPEATS    100000
#define MANY_FLOWS 32768
#define OPENINGS   12000
#define CONNECTS   5000

static struct world w;
static const char *const to_b[] = {ADDR_B, NULL}, *const to_remote[] = {ADDR_REMOTE, NULL};

/* Sixty-four bytes at least, which is what the wrapper restores. */
static struct frame frame(const char *src, __u16 sport, const char *dst, __u16 dport, __u8 flags)
{
	struct frame_spec s = {.saddr = frame_addr(src),
			       .daddr = frame_addr(dst),
			       .sport = sport,
			       .dport = dport,
			       .proto = IPPROTO_TCP,
			       .tcp_flags = flags,
			       .data = 20};
	struct frame f;

	frame_build(&s, &f);
	return f;
}

static void start(const char *const *backends)
{
	world_reset(&w);
	world_allow_all(&w);
	for (__u16 p = 1; p < 64; p++) { /* a policy of some size */
		world_allow(&w, POD_A, DIRECTION_EGRESS, 5000u + p, IPPROTO_TCP, p);
		world_allow(&w, POD_B, DIRECTION_INGRESS, 5000u + p, IPPROTO_TCP, p);
	}
	if (backends)
		world_service(&w, backends, NULL);
}

/* SYN, SYN-ACK, ACK of a connection from A; called is the address A uses, real the one that
 * answers. */
static void establish(const char *called, __u16 port, const char *real, __u16 real_port,
		      __u16 sport)
{
	struct frame syn = frame(ADDR_A, sport, called, port, TCP_SYN);
	struct frame answer = frame(real, real_port, ADDR_A, sport, TCP_SYN | TCP_ACK);
	struct frame ack = frame(ADDR_A, sport, called, port, TCP_ACK);

	world_from_pod(&w, POD_A, &syn);
	if (!strcmp(real, ADDR_B))
		world_from_pod(&w, POD_B, &answer);
	else
		world_arrives(&w, IDENTITY_REMOTE, &answer);
	if (world_from_pod(&w, POD_A, &ack) != TC_ACT_REDIRECT || !frame_sums_ok(&ack))
		fail_msg("the connection to %s is not forwarded", called);
}

static double measure(enum pod pod, const struct frame *f, __u32 ports)
{
	double best = 1e9, empty = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		empty = MIN(empty, world_repeat(&w, NULL, pod, f, ports, 0, REPEATS));
		best = MIN(best,
			   world_repeat(&w, w.skel->progs.from_pod, pod, f, ports, 0, REPEATS));
	}
	return best - empty;
}

static double local(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_B, 80, TCP_ACK);

	start(NULL);
	establish(ADDR_B, 80, ADDR_B, 80, 40000);
	return measure(POD_A, &f, 0);
}

static double local_service(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_VIP, 80, TCP_ACK);

	start(to_b);
	establish(ADDR_VIP, 80, ADDR_B, 8080, 40000);
	return measure(POD_A, &f, 0);
}

static double remote(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_REMOTE, 80, TCP_ACK);

	start(NULL);
	establish(ADDR_REMOTE, 80, ADDR_REMOTE, 80, 40000);
	return measure(POD_A, &f, 0);
}

static double remote_service(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_VIP, 80, TCP_ACK);

	start(to_remote);
	establish(ADDR_VIP, 80, ADDR_REMOTE, 8080, 40000);
	return measure(POD_A, &f, 0);
}

static double reply(void)
{
	struct frame f = frame(ADDR_B, 80, ADDR_A, 40000, TCP_ACK);

	start(NULL);
	establish(ADDR_B, 80, ADDR_B, 80, 40000);
	return measure(POD_B, &f, 0);
}

static double reply_service(void)
{
	struct frame f = frame(ADDR_B, 8080, ADDR_A, 40000, TCP_ACK);

	start(to_b);
	establish(ADDR_VIP, 80, ADDR_B, 8080, 40000);
	return measure(POD_B, &f, 0);
}

/* Every round is another connection, and the table has room for all of them. */
static double measure_opening(const struct frame *f, const char *const *backends)
{
	double best = 1e9, empty = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		start(backends);
		empty = MIN(empty, world_repeat(&w, NULL, POD_A, f, 32768, 0, OPENINGS));
		best = MIN(best,
			   world_repeat(&w, w.skel->progs.from_pod, POD_A, f, 32768, 0, OPENINGS));
	}
	return best - empty;
}

static double opening(void)
{
	struct frame f = frame(ADDR_A, 0, ADDR_B, 80, TCP_SYN);

	return measure_opening(&f, NULL);
}

static double opening_service(void)
{
	struct frame f = frame(ADDR_A, 0, ADDR_VIP, 80, TCP_SYN);

	return measure_opening(&f, to_b);
}

static void event_rate(__u32 rate)
{
	__u32 zero = 0;
	struct node_config node;

	bpf_map_lookup_elem(world_fd(&w, "node_config_v1"), &zero, &node);
	node.event_rate = node.event_burst = rate;
	bpf_map_update_elem(world_fd(&w, "node_config_v1"), &zero, &node, BPF_ANY);
}

static double refusal(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_B, 80, TCP_SYN);

	world_reset(&w);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	return measure(POD_A, &f, 0);
}

static volatile bool draining;

static int ignore_record(UNUSED void *ctx, UNUSED void *data, UNUSED size_t size)
{
	return 0;
}

static void *drain(UNUSED void *arg)
{
	struct ring_buffer *ring =
		ring_buffer__new(world_fd(&w, "events_v1"), ignore_record, NULL, NULL);

	while (draining)
		ring_buffer__poll(ring, 10);
	ring_buffer__free(ring);
	return NULL;
}

/* A record for each refusal, and somebody who takes them. */
static double refusal_read(void)
{
	pthread_t reader;
	double ns;

	world_reset(&w);
	event_rate(1000000000);
	draining = true;
	pthread_create(&reader, NULL, drain, NULL);
	world_allow(&w, POD_A, DIRECTION_EGRESS, 0, 0, 0);
	struct frame f = frame(ADDR_A, 40000, ADDR_B, 80, TCP_SYN);
	ns = measure(POD_A, &f, 0);
	draining = false;
	pthread_join(reader, NULL);
	event_rate(1000);
	return ns;
}

static double many_flows(void)
{
	struct frame f = frame(ADDR_A, 40000, ADDR_B, 80, TCP_ACK);

	start(NULL);
	for (__u32 i = 0; i < MANY_FLOWS; i++)
		establish(ADDR_B, 80, ADDR_B, 80, (__u16)(1024 + i));
	return measure(POD_A, &f, MANY_FLOWS);
}

/* ---- connect() ---- */

static double connect_round(const char *addr, int n)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = frame_addr(addr)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t begin = clock_now_ns(clock_system());

	for (int i = 0; i < n; i++)
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
			fail_msg("connect: %m");
	begin = clock_now_ns(clock_system()) - begin;
	close(fd);
	return (double)begin / n;
}

/* One round with a program on the hook; negative when it cannot be attached. */
static double connect_with(int cgroup, const struct bpf_program *program, const char *addr)
{
	double ns;

	if (bpf_prog_attach(bpf_program__fd(program), cgroup, BPF_CGROUP_INET4_CONNECT, 0))
		return -1;
	ns = connect_round(addr, CONNECTS);
	bpf_prog_detach2(bpf_program__fd(program), cgroup, BPF_CGROUP_INET4_CONNECT);
	return ns;
}

static int own_cgroup(char path[128])
{
	char procs[160], pid[16];
	int fd, n;

	snprintf(path, 128, "/sys/fs/cgroup/unified/dp-bench-%d", (int)getpid());
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (mkdir(path, 0755))
		return -1;
	fd = open(procs, O_WRONLY);
	n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (fd < 0 || write(fd, pid, (size_t)n) != n)
		return -1;
	close(fd);
	return open(path, O_RDONLY | O_DIRECTORY);
}

static void leave_cgroup(const char *path)
{
	FILE *procs = fopen("/sys/fs/cgroup/unified/cgroup.procs", "w");

	if (procs) {
		fprintf(procs, "%d", (int)getpid());
		fclose(procs);
	}
	rmdir(path);
}

/* The same socket connected again and again: our program above one that does nothing. A datagram
 * socket, because a stream socket connects once; what it remembers for answers is counted, too. */
static double connecting(void)
{
	struct sock_programs *ours = sock_programs__open();
	struct service_key key = {frame_addr(ADDR_VIP), htons(80), IPPROTO_UDP, 0};
	struct service_entry entry = {.slots = 1};
	struct service_slot_key slot = {key, 0};
	struct service_backend backend = {htonl(INADDR_LOOPBACK), htons(9), 0};
	double with = 1e9, without = 1e9;
	char path[128];
	int cgroup;

	if (!ours || sock_programs__load(ours))
		return -1;
	bpf_map_update_elem(bpf_map__fd(ours->maps.service_v1), &key, &entry, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(ours->maps.svc_slot_v1), &slot, &backend, BPF_ANY);
	cgroup = own_cgroup(path);
	if (cgroup < 0 || system("ip link set lo up"))
		return -1;
	/* In turns, so that a busy minute of the machine meets both; the empty program's connect
	 * goes where the translated one ends up, so that the kernel's own part is the same. */
	for (int i = 0; i < ROUNDS * 3; i++) {
		with = MIN(with, connect_with(cgroup, ours->progs.connect4, ADDR_VIP));
		without = MIN(without,
			      connect_with(cgroup, w.skel->progs.connect_nothing, "127.0.0.1"));
	}
	close(cgroup);
	leave_cgroup(path);
	sock_programs__destroy(ours);
	return with < 0 || without < 0 ? -1 : MAX(with - without, 0);
}

/* One row a scenario: what the reference needs on a machine like ours, what we promised. */
static const struct scenario {
	const char *name;
	double reference_ns, target_hits;
	double (*run)(void); /* negative: could not be measured; NULL: not built */
} scenarios[] = {
	{"established pod to local pod, both policies", 1052, 3.5, local},
	{"established through a ClusterIP, local backend", 1357, 4, local_service},
	{"established pod to remote pod, VXLAN", 590, 6, remote},
	{"established through a ClusterIP, remote backend, VXLAN", 936, 6.5, remote_service},
	{"reply, local", 732, 3.5, reply},
	{"reply with reverse NAT, local", 934, 4, reply_service},
	{"new connection, local pod", 2291, 20, opening},
	{"new connection through a ClusterIP", 3233, 28, opening_service},
	{"drop by policy, no reader", 460, 4, refusal},
	{"drop by policy, a reader draining", 996, 10, refusal_read},
	{"32768 flows instead of one (within +100 % of one)", 1347, 0, many_flows},
	{"connect() through a service, above an empty program", 150, 4, connecting},
	{"XDP load balancer DNAT and SNAT", 625, 9, NULL},
};

static struct doc *report(struct arena *a, const struct scenario *s, double unit, double single)
{
	struct doc *d = doc_map(a);
	double target = s->target_hits > 0 ? s->target_hits : 2 * single;
	double ns = s->run ? s->run() : -1;

	doc_set_string(a, d, "scenario", s->name);
	doc_set(a, d, "reference_ns", doc_real(a, s->reference_ns));
	doc_set(a, d, "target_hits", doc_real(a, target));
	if (ns < 0) {
		doc_set_string(a, d, "result", s->run ? "could not be measured" : "not built");
		return d;
	}
	doc_set(a, d, "ns", doc_real(a, ns));
	doc_set(a, d, "hits", doc_real(a, ns / unit));
	doc_set_string(a, d, "result", ns / unit <= target ? "reached" : "missed");
	return d;
}

int main(void)
{
	static const struct world_options options = {.full_size = true};
	struct arena a = ARENA_INIT;
	struct strbuf text = STRBUF_INIT;
	struct doc *root = doc_map(&a), *list;
	double unit, single = 0;

	world_namespace();
	world_open(&w, &options);
	unit = world_unit(&w);
	doc_set_string(&a, root, "unit", "one hit in a hash map with a 16-byte key");
	doc_set(&a, root, "unit_ns", doc_real(&a, unit));
	list = doc_set_list(&a, root, "scenarios");
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		struct doc *d = doc_append(&a, list, report(&a, &scenarios[i], unit, single));

		if (!i && doc_get(d, "hits"))
			single = doc_get(d, "hits")->real;
	}
	doc_set_int(&a, root, "programs_loaded_to_add_an_endpoint", 0);
	doc_write_json(root, DOC_PRETTY, &text);
	puts(strbuf_cstr(&text));
	strbuf_release(&text);
	arena_release(&a);
	world_close(&w);
	return 0;
}
