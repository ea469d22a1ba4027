/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes, two pods each, a wire between them: identities travel in the VXLAN header. */
#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

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
BOTH(nodes_reach_pods)
BOTH(pods_reach_nodes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_across_nodes_both),
		cmocka_unit_test(refused_visibly_across_nodes_both),
		cmocka_unit_test(service_with_a_remote_backend_both),
		cmocka_unit_test(nodes_reach_pods_both),
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
