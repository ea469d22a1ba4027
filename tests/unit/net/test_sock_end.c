/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel tells where sockets led that getpeername() says nothing of any more. */
#include "lib/net/sock_end.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

struct wanted {
	uint64_t cookie;
	struct net_sock_end end;
	bool found;
};

static void each(void *arg, const struct net_sock_end *end)
{
	struct wanted *w = arg;

	if (end->cookie != w->cookie)
		return;
	w->end = *end;
	w->found = true;
}

/* Connects to a port of this machine on which nobody listens, and closes. */
static void be_refused(struct wanted *w, uint16_t *ret_port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}, own;
	socklen_t n = sizeof(own), n_cookie = sizeof(w->cookie);
	int taken = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(taken, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&to, &n), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	n = sizeof(own);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&own, &n), -1);
	n = sizeof(own);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &n), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &w->cookie, &n_cookie), 0);
	*ret_port = ntohs(own.sin_port);
	close(fd);
	close(taken);
}

TEST(a_refused_connection_is_told_with_its_address)
{
	struct net_sock_ends *ends;
	struct wanted w = {0};
	char text[NET_ADDR_SIZE];
	struct pollfd p;
	uint16_t port;

	if (net_sock_ends_open(&ends, NULL) < 0)
		skip();
	be_refused(&w, &port);
	p = (struct pollfd){.fd = net_sock_ends_fd(ends), .events = POLLIN};
	while (!w.found && poll(&p, 1, 10000) > 0)
		net_sock_ends_read(ends, each, &w, NULL);
	assert_true(w.found);
	assert_int_equal(w.end.local_port, port);
	assert_string_equal(net_addr_format(&w.end.peer, text), "127.0.0.1");
	net_sock_ends_close(ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_connection_is_told_with_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
