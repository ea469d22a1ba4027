/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes, two pods each, a wire between them: identities travel in the VXLAN header. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/net/netns.h"
#include "tests/datapath/attach/wires.h"
#include "tests/support/test.h"

#define REMOTE_B "10.9.1.2"

static struct wires nodes[2];
static struct datapath *dps[2];

static void open_all(enum datapath_attach mode)
{
	for (int i = 0; i < 2; i++) {
		wires_open(&nodes[i], mode, &dps[i]);
		/* B of node 1 lets A of node 0 (identity 1001) in on the port, nobody else. */
		wires_policy(&nodes[i], dps[i], WIRE_PORT);
	}
}

static void close_all(void)
{
	for (int i = 0; i < 2; i++) {
		datapath_close(dps[i]);
		dps[i] = NULL;
	}
}

static void exchange(int client, int server)
{
	int conn;

	assert_int_equal(wires_connected(client), 0);
	conn = wires_accept(server);
	for (int i = 0; i < 3; i++) {
		wires_talk(client, conn);
		wires_talk(conn, client);
	}
	close(conn);
	close(client);
}

static void allowed_across_nodes(enum datapath_attach mode)
{
	int server = wires_listen(&nodes[1], WIRE_B, WIRE_PORT), other;

	open_all(mode);
	exchange(wires_connect(&nodes[0], WIRE_A, REMOTE_B, WIRE_PORT), server);
	/* B of node 0 is somebody else. */
	other = wires_connect(&nodes[0], WIRE_B, REMOTE_B, WIRE_PORT);
	wires_expect_drop(dps[1], REASON_POLICY);
	close(other);
	close(server);
	close_all();
}

static void refused_visibly_across_nodes(enum datapath_attach mode)
{
	int other;

	open_all(mode);
	nodes[1].endpoints[WIRE_B].row.flags |= ENDPOINT_REFUSE;
	wires_apply(&nodes[1], dps[1]);
	other = wires_connect(&nodes[0], WIRE_B, REMOTE_B, WIRE_PORT);
	assert_int_equal(wires_connected(other), ECONNREFUSED);
	nodes[1].endpoints[WIRE_B].row.flags &= ~(uint32_t)ENDPOINT_REFUSE;
	close(other);
	close_all();
}

/* Whether the wire's end in node i may leave checksums to the other end. */
static void leave_checksums(int i, bool on)
{
	struct ethtool_value want = {ETHTOOL_STXCSUM, on};
	struct ifreq request = {.ifr_name = "under", .ifr_data = (void *)&want};
	int fd, back;

	assert_int_equal(netns_enter(nodes[i].netns, &back, NULL), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
	netns_leave(back);
}

/* The answer is made of the refused datagram, whose checksum may still be to be finished: by the
 * device that sends the answer, in a place that belongs to the other protocol. */
static void datagrams_refused_visibly_across_nodes(enum datapath_attach mode)
{
	open_all(mode);
	nodes[1].endpoints[WIRE_B].row.flags |= ENDPOINT_REFUSE;
	wires_apply(&nodes[1], dps[1]);
	for (int i = 0; i < 4; i++) {
		int fd;

		leave_checksums(0, i & 1);
		leave_checksums(1, i & 2);
		fd = wires_datagram(&nodes[0], WIRE_A, REMOTE_B, WIRE_PORT);
		assert_int_equal(wires_told(fd), ECONNREFUSED);
		close(fd);
	}
	leave_checksums(0, true);
	leave_checksums(1, true);
	nodes[1].endpoints[WIRE_B].row.flags &= ~(uint32_t)ENDPOINT_REFUSE;
	close_all();
}

static void service_with_a_remote_backend(enum datapath_attach mode)
{
	int server = wires_listen(&nodes[1], WIRE_B, WIRE_PORT);

	open_all(mode);
	nodes[0].backend.address.addr = inet_addr(REMOTE_B);
	wires_apply(&nodes[0], dps[0]);
	exchange(wires_connect(&nodes[0], WIRE_A, WIRE_VIP, 80), server);
	nodes[0].backend.address.addr = inet_addr(WIRE_ADDR_B);
	close(server);
	close_all();
}

/* The other node's own processes, and this node's: their packets come by way of the stack. */
static void nodes_reach_pods(enum datapath_attach mode)
{
	int server = wires_listen(&nodes[1], WIRE_A, WIRE_PORT); /* A enforces nothing */

	open_all(mode);
	exchange(wires_connect(&nodes[0], WIRE_NODE, "10.9.1.1", WIRE_PORT), server);
	exchange(wires_connect(&nodes[1], WIRE_NODE, "10.9.1.1", WIRE_PORT), server);
	close(server);
	close_all();
}

/* A datagram with any source, from the stack of node 0. */
static void forge(const char *from, const char *to)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP},
		    .udp = {.source = htons(1), .dest = htons(2), .len = htons(8)}};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(to)};
	int fd, back;

	packet.ip.saddr = inet_addr(from);
	packet.ip.daddr = inet_addr(to);
	assert_int_equal(netns_enter(nodes[0].netns, &back, NULL), 0);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	netns_leave(back);
	assert_int_equal(sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&at, sizeof(at)),
			 sizeof(packet));
	close(fd);
}

/* Node 0 reaches a pod of node 1 without the tunnel, as the agent's routes have it. */
static void route_plain(bool on)
{
	struct error err = ERROR_INIT;
	struct net_route route = {.onlink = true};
	struct netlink *nl;
	struct net_link link;

	assert_int_equal(netlink_open(nodes[0].netns, &nl, &err), 0);
	assert_int_equal(net_link_get(nl, "under", &link, &err), 0);
	assert_int_equal(net_cidr_parse("10.9.1.1/32", &route.dst, &err), 0);
	assert_int_equal(net_addr_parse("172.31.9.2", &route.gateway, &err), 0);
	route.index = link.index;
	assert_int_equal(on ? net_route_set(nl, &route, &err) : net_route_delete(nl, &route, &err),
			 0);
	netlink_close(nl);
}

/* A node's processes are let through plain, a pod's address is not. */
static void nodes_reach_pods_plain_and_nobody_else(enum datapath_attach mode)
{
	int server = wires_listen(&nodes[1], WIRE_A, WIRE_PORT), fd;

	fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC); /* of node 1 */
	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
	open_all(mode);
	route_plain(true);
	exchange(wires_connect(&nodes[0], WIRE_NODE, "10.9.1.1", WIRE_PORT), server);
	forge("10.9.0.1", "10.9.1.1"); /* a pod of node 0 */
	wires_expect_drop(dps[1], REASON_INVALID_SIP);
	forge("10.9.1.2", "10.9.1.1"); /* the pod beside it */
	wires_expect_drop(dps[1], REASON_INVALID_SIP);
	route_plain(false);
	close(server);
	close_all();
}

struct refused {
	uint32_t by; /* identity */
	bool met;
};

static void look(void *arg, const struct event *e)
{
	struct refused *x = arg;

	x->met |= e->type == EVENT_DROP && e->reason == REASON_POLICY && e->src_identity == x->by;
}

static void refused_as(uint32_t identity)
{
	struct refused x = {identity, false};

	while (!x.met) {
		struct pollfd p = {.fd = datapath_events_fd(dps[1]), .events = POLLIN};

		if (poll(&p, 1, 20000) != 1)
			fail_msg("nothing was refused as %u", identity);
		datapath_events_read(dps[1], 100, look, &x);
	}
}

/* What the stack puts into the tunnel says whose it is: a pod's is not the node's. */
static void the_stack_names_the_sender(enum datapath_attach mode)
{
	open_all(mode);
	close(wires_datagram(&nodes[0], WIRE_NODE, REMOTE_B, WIRE_PORT));
	refused_as(IDENTITY_REMOTE_NODE);
	forge("10.9.0.2", REMOTE_B);
	refused_as(1002);
	close_all();
}

static void pods_reach_nodes(enum datapath_attach mode)
{
	int server = wires_listen(&nodes[0], WIRE_NODE, WIRE_PORT);

	open_all(mode);
	exchange(wires_connect(&nodes[0], WIRE_A, "172.31.9.1", WIRE_PORT), server);
	close(server);
	close_all();
}

#define BOTH(name)                                                                                 \
	TEST(name##_both)                                                                          \
	{                                                                                          \
		name(DATAPATH_ATTACH_TCX);                                                         \
		name(DATAPATH_ATTACH_CLSACT);                                                      \
	}
BOTH(allowed_across_nodes)
BOTH(refused_visibly_across_nodes)
BOTH(service_with_a_remote_backend)
BOTH(datagrams_refused_visibly_across_nodes)
BOTH(nodes_reach_pods)
BOTH(nodes_reach_pods_plain_and_nobody_else)
BOTH(the_stack_names_the_sender)
BOTH(pods_reach_nodes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_across_nodes_both),
		cmocka_unit_test(refused_visibly_across_nodes_both),
		cmocka_unit_test(service_with_a_remote_backend_both),
		cmocka_unit_test(datagrams_refused_visibly_across_nodes_both),
		cmocka_unit_test(nodes_reach_pods_both),
		cmocka_unit_test(nodes_reach_pods_plain_and_nobody_else_both),
		cmocka_unit_test(the_stack_names_the_sender_both),
		cmocka_unit_test(pods_reach_nodes_both),
	};
	int failed;

	wires_setup(&nodes[0], "overlay", 0);
	wires_setup(&nodes[1], "overlay", 1);
	wires_join(&nodes[0], &nodes[1]);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	wires_teardown(&nodes[1]);
	wires_teardown(&nodes[0]);
	return failed;
}
