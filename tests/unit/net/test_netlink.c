/* SPDX-License-Identifier: Apache-2.0 */
/* A real kernel, in two namespaces of our own: what is set is what is read back. */
#include "lib/net/netlink.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/net/netns.h"
#include "tests/support/test.h"

struct env {
	char folder[64], a_path[96], b_path[96];
	int a_fd, b_fd;
	struct netlink *a, *b;
	struct arena arena;
};

static struct error err;
#define ok(call)                                                                                   \
	do {                                                                                       \
		err = (struct error)ERROR_INIT;                                                    \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	snprintf(e->folder, sizeof(e->folder), "/run/sidestep-test-net-%d", (int)getpid());
	snprintf(e->a_path, sizeof(e->a_path), "%s/a", e->folder);
	snprintf(e->b_path, sizeof(e->b_path), "%s/b", e->folder);
	ok(netns_create(e->a_path, &err));
	ok(netns_create(e->b_path, &err));
	ok(netns_open(e->a_path, &e->a_fd, &err));
	ok(netns_open(e->b_path, &e->b_fd, &err));
	ok(netlink_open(e->a_fd, &e->a, &err));
	ok(netlink_open(e->b_fd, &e->b, &err));
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	netlink_close(e->a);
	netlink_close(e->b);
	close(e->a_fd);
	close(e->b_fd);
	ok(netns_delete(e->a_path, &err));
	ok(netns_delete(e->b_path, &err));
	ok(netns_delete(e->b_path, &err));
	assert_false(io_exists(e->a_path));
	rmdir(e->folder);
	arena_release(&e->arena);
	free(e);
	return 0;
}

static void namespaces(void **state)
{
	struct env *e = *state;
	uint64_t here, a, b, again;
	int self;

	ok(netns_open_self(&self, &err));
	ok(netns_cookie(self, &here, &err));
	ok(netns_cookie(e->a_fd, &a, &err));
	ok(netns_cookie(e->b_fd, &b, &err));
	ok(netns_cookie(e->a_fd, &again, &err));
	assert_true(a != here && a != b && a == again);
	ok(netns_inode(e->a_fd, &a, &err));
	ok(netns_inode(e->b_fd, &b, &err));
	assert_true(a != b);
	assert_int_equal(netns_open("/proc/self/ns/mnt", &self, &err), -EINVAL);
	assert_int_equal(netns_open("/nowhere", &self, &err), -ENOENT);
	assert_int_equal(netns_create(e->a_path, &err), -EEXIST);
}

static void veth_across_namespaces(void **state)
{
	struct env *e = *state;
	struct net_mac mac;
	struct net_link here, there, found;

	ok(net_mac_parse("02:11:22:33:44:55", &mac, &err));
	ok(net_link_add_veth(e->a,
			     &(struct net_veth){.name = "host0",
						.peer_name = "eth0",
						.peer_netns_fd = e->b_fd,
						.mtu = 1400,
						.peer_mac = &mac,
						.alias = "pod x/y"},
			     &err));
	ok(net_link_get(e->a, "host0", &here, &err));
	ok(net_link_get(e->b, "eth0", &there, &err));
	assert_string_equal(here.kind, "veth");
	assert_string_equal(here.alias, "pod x/y");
	assert_int_equal(here.mtu, 1400);
	assert_int_equal(here.peer_index, there.index);
	assert_int_equal(there.peer_index, here.index);
	assert_memory_equal(&there.mac, &mac, sizeof(mac));
	assert_false(here.up);
	ok(net_link_set_up(e->a, here.index, true, &err));
	ok(net_link_set_up(e->b, there.index, true, &err));
	ok(net_link_get_index(e->a, here.index, &here, &err));
	assert_true(here.up && here.running);
	assert_int_equal(
		net_link_add_veth(
			e->a,
			&(struct net_veth){.name = "host0", .peer_name = "x", .peer_netns_fd = -1},
			&err),
		-EEXIST);
	ok(net_link_delete(e->a, here.index, &err));
	assert_int_equal(net_link_get(e->b, "eth0", &found, &err), -ENODEV);
	assert_int_equal(net_link_delete(e->a, here.index, &err), -ENODEV);
}

static void changes(void **state)
{
	struct env *e = *state;
	struct net_link l, br, *all;
	struct net_mac mac;
	size_t n;

	ok(net_link_add_veth(
		e->a, &(struct net_veth){.name = "v0", .peer_name = "v1", .peer_netns_fd = -1},
		&err));
	ok(net_link_add_bridge(e->a, "br0", &err));
	ok(net_link_get(e->a, "v0", &l, &err));
	ok(net_link_get(e->a, "br0", &br, &err));
	assert_string_equal(br.kind, "bridge");
	ok(net_mac_parse("02:00:00:00:00:09", &mac, &err));
	ok(net_link_set_mtu(e->a, l.index, 1300, &err));
	ok(net_link_set_mac(e->a, l.index, &mac, &err));
	ok(net_link_set_alias(e->a, l.index, "alias", &err));
	ok(net_link_rename(e->a, l.index, "renamed", &err));
	ok(net_link_set_master(e->a, l.index, br.index, &err));
	ok(net_link_get(e->a, "renamed", &l, &err));
	assert_int_equal(l.mtu, 1300);
	assert_int_equal(l.master, br.index);
	assert_string_equal(l.alias, "alias");
	assert_memory_equal(&l.mac, &mac, sizeof(mac));
	ok(net_link_set_master(e->a, l.index, 0, &err));
	ok(net_link_list(e->a, &e->arena, &all, &n, &err));
	assert_int_equal(n, 4);
	assert_string_equal(all[0].name, "lo");
	ok(net_link_move(e->a, l.index, e->b_fd, "moved", &err));
	ok(net_link_get(e->b, "moved", &l, &err));
	assert_int_equal(net_link_get(e->a, "renamed", &l, &err), -ENODEV);
	assert_int_equal(net_link_get(e->a, "a-name-that-is-too-long", &l, &err), -EINVAL);
}

static void vxlan(void **state)
{
	struct env *e = *state;
	struct net_link l;

	ok(net_link_add_vxlan(e->a, "vx0", 8472, 1450, &err));
	ok(net_link_get(e->a, "vx0", &l, &err));
	assert_string_equal(l.kind, "vxlan");
	ok(net_link_set_up(e->a, l.index, true, &err));
}

static struct net_route route_of(uint32_t index, const char *dst, const char *gateway)
{
	struct net_route r = {.index = index};

	ok(net_cidr_parse(dst, &r.dst, &err));
	if (gateway)
		ok(net_addr_parse(gateway, &r.gateway, &err));
	return r;
}

static void addresses_routes_neighbours_rules(void **state)
{
	struct env *e = *state;
	struct net_link l;
	struct net_ifaddr a = {.bits = 32}, *as;
	struct net_route gw, def, hole, *rs;
	struct net_neigh nb, *ns;
	struct net_rule rule = {
		.family = AF_INET, .priority = 77, .table = 100, .mark = 1, .mask = 0xf};
	size_t n;

	ok(net_link_add_veth(
		e->a, &(struct net_veth){.name = "v0", .peer_name = "v1", .peer_netns_fd = -1},
		&err));
	ok(net_link_get(e->a, "v0", &l, &err));
	ok(net_link_set_up(e->a, l.index, true, &err));
	a.index = l.index;
	ok(net_addr_parse("10.244.1.5", &a.addr, &err));
	ok(net_address_add(e->a, &a, &err));
	assert_int_equal(net_address_add(e->a, &a, &err), -EEXIST);
	ok(net_address_list(e->a, l.index, &e->arena, &as, &n, &err));
	assert_true(n >= 1 && net_addr_equal(&as[0].addr, &a.addr) && as[0].bits == 32);

	gw = route_of(l.index, "169.254.1.1/32", NULL);
	def = route_of(l.index, "0.0.0.0/0", "169.254.1.1");
	def.onlink = true;
	def.mtu = 1400;
	def.source = a.addr;
	hole = route_of(0, "10.244.1.0/24", NULL);
	hole.blackhole = true;
	ok(net_route_set(e->a, &gw, &err));
	ok(net_route_set(e->a, &def, &err));
	ok(net_route_set(e->a, &def, &err));
	ok(net_route_set(e->a, &hole, &err));
	ok(net_route_list(e->a, AF_INET, 0, &e->arena, &rs, &n, &err));
	assert_int_equal(n, 3);
	assert_true(rs[0].dst.bits == 0 && rs[0].mtu == 1400 && rs[0].onlink &&
		    net_addr_equal(&rs[0].gateway, &def.gateway) &&
		    net_addr_equal(&rs[0].source, &a.addr));
	assert_true(rs[1].blackhole && rs[2].index == l.index);
	ok(net_route_delete(e->a, &def, &err));
	assert_int_equal(net_route_delete(e->a, &def, &err), -ESRCH);

	nb = (struct net_neigh){.index = l.index, .addr = gw.dst.addr, .mac = l.mac};
	ok(net_neigh_set(e->a, &nb, &err));
	ok(net_neigh_list(e->a, l.index, &e->arena, &ns, &n, &err));
	assert_true(n >= 1 && net_addr_equal(&ns[0].addr, &nb.addr));
	ok(net_neigh_delete(e->a, &nb, &err));
	assert_int_equal(net_neigh_delete(e->a, &nb, &err), -ENOENT);

	ok(net_rule_add(e->a, &rule, &err));
	assert_int_equal(net_rule_add(e->a, &rule, &err), -EEXIST);
	ok(net_rule_delete(e->a, &rule, &err));
	assert_int_equal(net_rule_delete(e->a, &rule, &err), -ENOENT);
	ok(net_address_delete(e->a, &a, &err));
	assert_int_equal(net_address_delete(e->a, &a, &err), -EADDRNOTAVAIL);
}

static void the_kernels_words_reach_the_error(void **state)
{
	struct env *e = *state;
	struct net_route r = route_of(1, "10.0.0.0/8", "10.9.9.9");

	assert_true(net_route_set(e->a, &r, &err) < 0);
	assert_non_null(strstr(err.msg, "set route 10.0.0.0/8: "));
}

#define with_env(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_env(namespaces),
		with_env(veth_across_namespaces),
		with_env(changes),
		with_env(vxlan),
		with_env(addresses_routes_neighbours_rules),
		with_env(the_kernels_words_reach_the_error),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
