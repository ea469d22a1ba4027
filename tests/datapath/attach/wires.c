/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"
#include "tests/datapath/attach/wires.h"
#include "tests/support/test.h"

#define GATEWAY   "169.254.1.1"
#define WAIT_MS   20000
#define CGROUP_AT "/sys/fs/cgroup/unified"

static void must(int code, const struct error *err)
{
	if (code < 0)
		fail_msg("%s", err->msg);
}

static void netns_path(const struct wires *w, int i, char path[160])
{
	snprintf(path, 160, "/run/%s-%d-%d", strrchr(w->root, '/') + 1, w->number, i);
}

/* The pod's end: its address, and everything behind the host side's MAC. */
static void setup_pod_end(struct wire *wire, const char *addr)
{
	struct error err = ERROR_INIT;
	struct netlink *nl;
	struct net_link link;
	struct net_addr gateway;
	struct net_ifaddr own = {.bits = 32};
	struct net_neigh neigh;
	struct net_route route = {0};

	must(netlink_open(wire->netns, &nl, &err), &err);
	must(net_link_get(nl, "eth0", &link, &err), &err);
	must(net_link_set_up(nl, link.index, true, &err), &err);
	wire->mac = link.mac;
	own.index = link.index;
	must(net_addr_parse(addr, &own.addr, &err), &err);
	must(net_address_add(nl, &own, &err), &err);
	must(net_addr_parse(GATEWAY, &gateway, &err), &err);
	route.dst.addr = net_addr_from_v4(0);
	route.gateway = gateway;
	route.index = link.index;
	route.onlink = true;
	must(net_route_set(nl, &route, &err), &err);
	neigh = (struct net_neigh){link.index, gateway, wire->host_mac};
	must(net_neigh_set(nl, &neigh, &err), &err);
	netlink_close(nl);
}

static void setup_wire(struct wires *w, int i)
{
	struct wire *wire = &w->wire[i];
	struct error err = ERROR_INIT;
	char path[160], name[16];
	struct netlink *nl;
	struct net_link link;
	struct net_route route = {0};
	struct net_veth veth = {.name = name, .peer_name = "eth0"};

	snprintf(wire->addr, sizeof(wire->addr), "10.9.%d.%d", w->number, i + 1);
	wire->identity = (uint32_t)(1001 + 10 * w->number + i);
	netns_path(w, i, path);
	must(netns_create(path, &err), &err);
	must(netns_open(path, &wire->netns, &err), &err);
	must(netns_cookie(wire->netns, &wire->cookie, &err), &err);
	snprintf(name, sizeof(name), "dpw%d", i);
	veth.peer_netns_fd = wire->netns;
	must(netlink_open(-1, &nl, &err), &err);
	must(net_link_add_veth(nl, &veth, &err), &err);
	must(net_link_get(nl, name, &link, &err), &err);
	must(net_link_set_up(nl, link.index, true, &err), &err);
	wire->ifindex = link.index;
	wire->host_mac = link.mac;
	must(net_addr_parse(wire->addr, &route.dst.addr, &err), &err);
	route.dst.bits = 32;
	route.index = link.index;
	must(net_route_set(nl, &route, &err), &err);
	netlink_close(nl);
	setup_pod_end(wire, wire->addr);
}

static void want_endpoint(struct wires *w, int i)
{
	struct wire *wire = &w->wire[i];
	struct mesh_endpoint *e = &w->endpoints[i];
	struct mesh_address *a = &w->addresses[i];

	e->id = (uint32_t)(100 + i);
	e->row = (struct endpoint){.ifindex = wire->ifindex,
				   .flags = ENDPOINT_READY,
				   .addr = inet_addr(wire->addr),
				   .identity = wire->identity,
				   .netns_cookie = wire->cookie};
	memcpy(e->row.mac, wire->mac.bytes, 6);
	memcpy(e->row.host_mac, wire->host_mac.bytes, 6);
	a->key = (struct ipcache_key){32, e->row.addr};
	a->entry.identity = e->row.identity;
}

static void want_everything(struct wires *w)
{
	for (int i = 0; i < WIRES; i++)
		want_endpoint(w, i);
	w->backend.address = (struct service_backend){inet_addr(WIRE_ADDR_B), htons(WIRE_PORT), 0};
	w->service.key = (struct service_key){inet_addr(WIRE_VIP), htons(80), IPPROTO_TCP, 0};
	w->service.backends = &w->backend;
	w->service.n_backends = w->service.n_active = 1;
	w->sets[0].enforced = true;
	w->sets[0].rows = w->rows;
	w->want.sets = w->sets;
	w->want.n_sets = 1;
	w->want.endpoints = w->endpoints;
	w->want.n_endpoints = WIRES;
	w->want.services = &w->service;
	w->want.n_services = 1;
	w->want.addresses = w->addresses;
	w->want.n_addresses = WIRES;
}

/* Whether the name is one of wires_setup(), of a process that is no more: dp-TAG-PID-... */
static bool is_left(const char *name)
{
	const char *pid = str_starts(name, "dp-") ? strchr(name + 3, '-') : NULL;
	char *end;
	long n = pid ? strtol(pid + 1, &end, 10) : 0;

	return n > 0 && *end == '-' && kill((pid_t)n, 0) && errno == ESRCH;
}

static void remove_pins(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

static void remove_netns(const char *path)
{
	netns_delete(path, NULL);
}

static void remove_cgroup(const char *path)
{
	rmdir(path);
}

void wires_sweep(void)
{
	static const struct {
		const char *dir;
		void (*remove)(const char *path);
	} places[] = {
		{"/sys/fs/bpf", remove_pins}, {"/run", remove_netns}, {CGROUP_AT, remove_cgroup}};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		DIR *d = opendir(places[i].dir);
		struct dirent *e;

		while (d && (e = readdir(d))) {
			char path[512];

			snprintf(path, sizeof(path), "%s/%s", places[i].dir, e->d_name);
			if (is_left(e->d_name))
				places[i].remove(path);
		}
		if (d)
			closedir(d);
	}
}

void wires_setup(struct wires *w, const char *tag, int number)
{
	struct error err = ERROR_INIT;

	wires_sweep();
	memset(w, 0, sizeof(*w));
	w->number = number;
	snprintf(w->root, sizeof(w->root), "/sys/fs/bpf/dp-%s-%d-%d", tag, (int)getpid(), number);
	if (unshare(CLONE_NEWNET))
		SKIP_ALL("needs root: network namespaces");
	must(netns_open_self(&w->netns, &err), &err);
	snprintf(w->cgroup, sizeof(w->cgroup), CGROUP_AT "/%s", strrchr(w->root, '/') + 1);
	if (mkdir(w->cgroup, 0755))
		w->cgroup[0] = 0;
	for (int i = 0; i < WIRES; i++)
		setup_wire(w, i);
	want_everything(w);
}

static const char *node_addr(const struct wires *w)
{
	return w->number ? "172.31.9.2" : "172.31.9.1";
}

/* What node w knows of the other one: its pods, by way of it, and itself. */
static void know(struct wires *w, const struct wires *other)
{
	struct mesh_address *a = &w->addresses[w->want.n_addresses];
	__be32 peer = inet_addr(node_addr(other));

	for (int i = 0; i < WIRES; i++, a++) {
		a->key = (struct ipcache_key){32, inet_addr(other->wire[i].addr)};
		a->entry.identity = other->wire[i].identity;
		a->entry.tunnel_endpoint = peer;
	}
	a->key = (struct ipcache_key){32, peer};
	a++->entry.identity = IDENTITY_REMOTE_NODE;
	a->key = (struct ipcache_key){32, inet_addr(node_addr(w))};
	a->entry.identity = IDENTITY_HOST;
	w->want.n_addresses += WIRES + 2;
}

/* One node's side: address on the wire, VXLAN device, route to the other node's pods. */
static void join_side(struct wires *w, const struct wires *other)
{
	struct error err = ERROR_INIT;
	struct net_ifaddr own = {.bits = 24};
	struct net_route route = {0};
	struct netlink *nl;
	struct net_link link;
	char block[32];

	must(netlink_open(w->netns, &nl, &err), &err);
	must(net_link_get(nl, "under", &link, &err), &err);
	must(net_link_set_up(nl, link.index, true, &err), &err);
	own.index = link.index;
	must(net_addr_parse(node_addr(w), &own.addr, &err), &err);
	must(net_address_add(nl, &own, &err), &err);
	must(net_link_add_vxlan(nl, "vx0", 8472, 1450, &err), &err);
	must(net_link_get(nl, "vx0", &link, &err), &err);
	must(net_link_set_up(nl, link.index, true, &err), &err);
	w->overlay = link.index;
	snprintf(block, sizeof(block), "10.9.%d.0/24", other->number);
	must(net_cidr_parse(block, &route.dst, &err), &err);
	route.index = w->overlay;
	route.source = own.addr;
	must(net_route_set(nl, &route, &err), &err);
	netlink_close(nl);
}

void wires_join(struct wires *a, struct wires *b)
{
	struct error err = ERROR_INIT;
	struct net_veth veth = {.name = "under", .peer_name = "under", .peer_netns_fd = b->netns};
	struct netlink *nl;

	must(netlink_open(a->netns, &nl, &err), &err);
	must(net_link_add_veth(nl, &veth, &err), &err);
	netlink_close(nl);
	join_side(a, b);
	join_side(b, a);
	know(a, b);
	know(b, a);
}

void wires_teardown(struct wires *w)
{
	struct error err = ERROR_INIT;

	int back;

	must(netns_enter(w->netns, &back, &err), &err);
	must(datapath_unload(w->root, &err), &err);
	netns_leave(back);
	for (int i = 0; i < WIRES; i++) {
		char path[160];

		netns_path(w, i, path);
		close(w->wire[i].netns);
		must(netns_delete(path, &err), &err);
	}
	if (w->cgroup[0])
		rmdir(w->cgroup);
}

void wires_open(struct wires *w, enum datapath_attach attach, struct datapath **ret)
{
	struct datapath_options o = {.pin_root = w->root,
				     .cgroup = w->cgroup[0] ? w->cgroup : NULL,
				     .attach = attach,
				     .term = w->term};
	struct node_config node = {.flags = NODE_READY,
				   .addr = inet_addr(node_addr(w)),
				   .overlay_ifindex = w->overlay,
				   .overlay_port = 8472,
				   .loopback = inet_addr("169.254.42.1"),
				   .event_rate = 1000,
				   .event_burst = 1000};
	struct error err = ERROR_INIT;
	int back, code;

	must(netns_enter(w->netns, &back, &err), &err);
	code = datapath_open(&o, ret, &err);
	if (code == -EPERM)
		SKIP_ALL("cannot load BPF programs here");
	must(code, &err);
	must(datapath_set_node(*ret, &node, &err), &err);
	for (int i = 0; i < WIRES; i++)
		must(datapath_attach_pod(*ret, w->wire[i].ifindex, &err), &err);
	if (w->overlay)
		must(datapath_attach_overlay(*ret, w->overlay, &err), &err);
	netns_leave(back);
}

void wires_apply(struct wires *w, struct datapath *dp)
{
	struct error err = ERROR_INIT;

	must(datapath_apply(dp, &w->want, NULL, &err), &err);
}

void wires_policy(struct wires *w, struct datapath *dp, uint16_t port)
{
	struct mesh_row *row = &w->rows[0];

	memset(row, 0, sizeof(*row));
	row->key = (struct policy_key){.prefixlen = policy_prefixlen(IPPROTO_TCP, 16),
				       .identity = 1001,
				       .direction = DIRECTION_INGRESS,
				       .proto = IPPROTO_TCP,
				       .port = htons(port)};
	row->entry = (struct policy_entry){
		.flags = POLICY_ALLOW, .prefixlen = POLICY_PREFIX_PORT, .rule_id = 42};
	w->sets[0].n = port ? 1 : 0;
	w->sets[0].digest = mesh_set_digest(w->rows, w->sets[0].n);
	w->endpoints[WIRE_B].set[DIRECTION_INGRESS] = w->sets[0].digest;
	w->endpoints[WIRE_B].row.flags |= ENDPOINT_ENFORCE_INGRESS;
	wires_apply(w, dp);
}

int wires_socket(struct wires *w, int pod, int type)
{
	struct error err = ERROR_INIT;
	int back, fd;

	must(netns_enter(pod < 0 ? w->netns : w->wire[pod].netns, &back, &err), &err);
	fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	netns_leave(back);
	assert_true(fd >= 0);
	return fd;
}

int wires_listen(struct wires *w, int pod, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = wires_socket(w, pod, SOCK_STREAM);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int wires_connect(struct wires *w, int pod, const char *addr, uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(addr)};
	int fd = wires_socket(w, pod, SOCK_STREAM);

	assert_true(!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno == EINPROGRESS);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (poll(&p, 1, WAIT_MS) != 1)
		fail_msg("nothing happened on a socket within %d ms", WAIT_MS);
}

int wires_connected(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	wait_for(fd, POLLOUT);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

int wires_datagram(struct wires *w, int pod, const char *addr, uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(addr)};
	int fd = wires_socket(w, pod, SOCK_DGRAM);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, "odd", 3), 3);
	return fd;
}

int wires_told(int fd)
{
	char byte;

	wait_for(fd, POLLIN);
	assert_int_equal(read(fd, &byte, 1), -1);
	return errno;
}

int wires_accept(int fd)
{
	int conn;

	wait_for(fd, POLLIN);
	conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(conn >= 0);
	return conn;
}

void wires_hear(int fd, char want)
{
	char byte = 0;

	wait_for(fd, POLLIN);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, want);
}

void wires_talk(int from, int to)
{
	assert_int_equal(write(from, "x", 1), 1);
	wires_hear(to, 'x');
}

struct expectation {
	uint8_t reason;
	bool met;
};

static void look(void *arg, const struct event *e)
{
	struct expectation *x = arg;

	x->met |= e->type == EVENT_DROP && e->reason == x->reason;
}

void wires_expect_drop(struct datapath *dp, uint8_t reason)
{
	struct expectation x = {reason, false};

	while (!x.met) {
		wait_for(datapath_events_fd(dp), POLLIN);
		datapath_events_read(dp, 100, look, &x);
	}
}
