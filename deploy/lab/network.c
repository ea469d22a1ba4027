/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, underlay, bpffs and cgroups of a lab: made, and removed again. */
#include "deploy/lab/network.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"

#define BRIDGE "br0"
#define UPLINK "eth0"
/* Room for VXLAN's 50 bytes above the pods' 1450. */
enum { UNDERLAY_MTU = 1500 };

static int write_sysctl(const char *name, const char *value, struct error *err)
{
	auto_free char *path = xasprintf("/proc/sys/%s", name);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, -errno, "open %s", path);
	return io_write_all(fd, value, strlen(value), err);
}

/* Inside a namespace: /proc/sys/net is that of the thread's namespace. */
static int set_sysctls(UNUSED void *arg, struct error *err)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv4/conf/all/rp_filter", "0"},
		{"net/ipv4/conf/default/rp_filter", "0"},
		{"net/ipv4/conf/all/accept_local", "1"},
		{"net/ipv4/ip_local_port_range", "32768 60999"},
		{"net/ipv6/conf/all/disable_ipv6", "1"},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(rows); i++)
		r = write_sysctl(rows[i].name, rows[i].value, err);
	return r;
}

static int ensure_netns(const char *path, int *ret_fd, struct error *err)
{
	int fd, r;

	if (netns_open(path, &fd, NULL) < 0) {
		r = netns_create(path, err);
		if (r < 0)
			return r;
		r = netns_open(path, &fd, err);
		if (r < 0)
			return r;
	}
	r = netns_run(fd, set_sysctls, NULL, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int set_address(struct netlink *nl, const char *link, const char *address, unsigned bits,
		       struct error *err)
{
	struct net_link l;
	struct net_ifaddr ia = {.bits = (uint8_t)bits};
	int r = net_link_get(nl, link, &l, err);

	if (r < 0)
		return r;
	ia.index = l.index;
	r = net_addr_parse(address, &ia.addr, err);
	if (!r)
		r = net_link_set_up(nl, l.index, true, err);
	if (!r)
		r = net_address_add(nl, &ia, err);
	return r == -EEXIST ? 0 : r;
}

static int set_route(struct netlink *nl, const char *dst, const char *gateway, struct error *err)
{
	struct net_route route = {0};
	int r = net_cidr_parse(dst, &route.dst, err);

	if (!r)
		r = net_addr_parse(gateway, &route.gateway, err);
	return r < 0 ? r : net_route_set(nl, &route, err);
}

static int hub_up(const struct lab *lab, struct netlink *hub, struct error *err)
{
	struct net_link bridge;
	int r = 0;

	if (net_link_get(hub, BRIDGE, &bridge, NULL) < 0)
		r = net_link_add_bridge(hub, BRIDGE, err);
	if (!r)
		r = set_address(hub, BRIDGE, LAB_HUB_ADDRESS, 24, err);
	return r < 0 ? error_wrap(err, r, "hub of lab %s", lab->name) : 0;
}

/* The wire: eth0 in the node, a port named like the node on the hub's bridge. */
static int wire(const struct lab_node *node, struct netlink *hub, struct netlink *nl, int node_fd,
		struct error *err)
{
	const struct net_veth veth = {.name = node->name,
				      .peer_name = UPLINK,
				      .peer_netns_fd = node_fd,
				      .mtu = UNDERLAY_MTU,
				      .alias = "underlay of a sidestep lab"};
	struct net_link port, bridge;
	int r = 0;

	if (net_link_get(hub, node->name, &port, NULL) < 0)
		r = net_link_add_veth(hub, &veth, err);
	if (!r)
		r = net_link_get(hub, node->name, &port, err);
	if (!r)
		r = net_link_get(hub, BRIDGE, &bridge, err);
	if (!r)
		r = net_link_set_master(hub, port.index, bridge.index, err);
	if (!r)
		r = net_link_set_up(hub, port.index, true, err);
	if (!r)
		r = set_address(nl, UPLINK, node->address, 24, err);
	if (!r)
		r = set_route(nl, "0.0.0.0/0", LAB_HUB_ADDRESS, err);
	if (!r)
		r = set_route(hub, node->pod_cidr, node->address, err);
	return r;
}

static int mount_bpf(const char *path, struct error *err)
{
	struct statfs fs;
	int r = io_mkdirs(path, 0755, err);

	if (r < 0)
		return r;
	if (statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", path, "bpf", 0, NULL) < 0)
		return error_errno(err, -errno, "mount bpffs on %s", path);
	return 0;
}

static int node_up(const struct lab_node *node, struct netlink *hub, struct error *err)
{
	auto_close int fd = -1;
	struct netlink *nl = NULL;
	auto_free char *daemons = xasprintf("%s/daemons", node->cgroup);
	auto_free char *pods = xasprintf("%s/pods", node->cgroup);
	int r = ensure_netns(node->netns, &fd, err);

	if (!r)
		r = netlink_open(fd, &nl, err);
	if (!r)
		r = wire(node, hub, nl, fd, err);
	netlink_close(nl);
	if (!r)
		r = mount_bpf(node->bpf, err);
	if (!r)
		r = io_mkdirs(daemons, 0755, err);
	if (!r)
		r = io_mkdirs(pods, 0755, err);
	return r < 0 ? error_wrap(err, r, "%s", node->name) : 0;
}

/*
 * Pods' namespaces are mounted in here while containers run that have to see them come and go (the
 * agent): the folder is a mount of its own whose changes reach them.
 */
static int share(const char *dir, struct error *err)
{
	int r = io_mkdirs(dir, 0755, err);

	if (r < 0)
		return r;
	if (mount(dir, dir, NULL, MS_BIND, NULL) < 0 || mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
		return error_errno(err, -errno, "share mounts below %s", dir);
	return 0;
}

int lab_network_up(const struct lab *lab, struct error *err)
{
	auto_free char *pods = xasprintf("%s/pods", lab->dir);
	auto_free char *dir = xasprintf("%s/netns", lab->dir);
	auto_close int fd = -1;
	struct netlink *hub = NULL;
	int r = io_mkdirs(dir, 0755, err);

	if (!r)
		r = ensure_netns(lab->hub_netns, &fd, err);
	if (!r)
		r = netlink_open(fd, &hub, err);
	if (!r)
		r = hub_up(lab, hub, err);
	if (!r)
		r = share(pods, err);
	for (unsigned i = 0; !r && i < lab->n_nodes; i++)
		r = node_up(&lab->nodes[i], hub, err);
	netlink_close(hub);
	return r;
}

/* The kernel kills what is left in the group (cgroup.kill, since 5.14) ... */
static void kill_cgroup(const char *path)
{
	auto_free char *kill_file = xasprintf("%s/cgroup.kill", path);
	auto_close int fd = open(kill_file, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		io_write_all(fd, "1", 1, NULL);
}

enum { EMPTY_TIMEOUT_MS = 10000 };

/* ... and says in cgroup.events when the last of it is reaped. */
static int wait_empty(const char *path)
{
	auto_free char *events = xasprintf("%s/cgroup.events", path);
	auto_close int fd = open(events, O_RDONLY | O_CLOEXEC);

	for (;;) {
		struct pollfd p = {fd, POLLPRI, 0};
		char text[256] = "";

		if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
			return errno == ENOENT || errno == ENODEV ? 0 : -errno;
		if (strstr(text, "populated 0"))
			return 0;
		if (poll(&p, 1, EMPTY_TIMEOUT_MS) <= 0)
			return -EBUSY;
	}
}

/* Only folders can be removed in a cgroup file system; their files go with them. */
static int remove_folder(const char *path, UNUSED const struct stat *st, int kind,
			 UNUSED struct FTW *ftw)
{
	return kind == FTW_DP && rmdir(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_group(const char *path, struct error *err)
{
	if (!io_exists(path) || nftw(path, remove_folder, 16, FTW_DEPTH | FTW_PHYS) == 0)
		return 0;
	return error_errno(err, -errno, "remove cgroup %s", path);
}

static int remove_cgroup(const char *path, struct error *err)
{
	int r;

	if (!io_exists(path))
		return 0;
	kill_cgroup(path);
	r = wait_empty(path);
	return r < 0 ? error_errno(err, r, "remove cgroup %s", path) : remove_group(path, err);
}

static int unmount(const char *path, struct error *err)
{
	while (umount2(path, MNT_DETACH) == 0)
		continue;
	if (errno == EINVAL || errno == ENOENT)
		return 0;
	return error_errno(err, -errno, "unmount %s", path);
}

static void first_error(int *r, int now)
{
	if (!*r)
		*r = now;
}

/* The kubelets keep a pod's namespace mounted in its folder. */
static int remove_pod_namespaces(const struct lab *lab, struct error *err)
{
	auto_free char *pattern = xasprintf("%s/pods/*/netns", lab->dir);
	glob_t found = {0};
	int r = 0;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			first_error(&r, netns_delete(found.gl_pathv[i], err));
	globfree(&found);
	return r;
}

int lab_network_down(const struct lab *lab, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *memory = lab_memory_cgroup(&a, lab->cgroup);
	int r = remove_cgroup(lab->cgroup, err);

	if (!r && memory)
		r = remove_group(memory, err);
	first_error(&r, remove_pod_namespaces(lab, err));
	for (unsigned i = 0; i < lab->n_nodes; i++) {
		first_error(&r, unmount(lab->nodes[i].bpf, err));
		first_error(&r, netns_delete(lab->nodes[i].netns, err));
	}
	first_error(&r, netns_delete(lab->hub_netns, err));
	return r;
}
