/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/datapath/attach/chatter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

#define PATIENCE_MS 20000

static void failure(struct chatter *t, const char *what, size_t i)
{
	if (!t->count->failed++)
		snprintf(t->count->first, sizeof(t->count->first), "%s %zu: %s", what, i,
			 strerror(errno));
}

static bool ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

static bool said(int from, int to)
{
	char byte = 0;

	return write(from, "x", 1) == 1 && ready(to, POLLIN) && read(to, &byte, 1) == 1 &&
	       byte == 'x';
}

static void talk(struct chatter *t, size_t i, bool server_first)
{
	int a = server_first ? t->server[i] : t->client[i];
	int b = server_first ? t->client[i] : t->server[i];

	if (!said(a, b) || !said(b, a))
		failure(t, server_first ? "connection, server first," : "connection", i);
}

static void talk_datagram(struct chatter *t, size_t i)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char byte;

	if (write(t->udp[i], "x", 1) != 1 || !ready(t->udp_server, POLLIN) ||
	    recvfrom(t->udp_server, &byte, 1, 0, (struct sockaddr *)&from, &len) != 1 ||
	    sendto(t->udp_server, "x", 1, 0, (struct sockaddr *)&from, len) != 1 ||
	    !ready(t->udp[i], POLLIN) || read(t->udp[i], &byte, 1) != 1)
		failure(t, "datagrams", i);
}

/* Through the service from odd ports, else from even ones: to B they are the same address, and two
 * from one port would be one connection. */
static int client(struct chatter *t, int type, bool service)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(service ? 80 : WIRE_PORT),
				 .sin_addr.s_addr =
					 inet_addr(service ? WIRE_VIP : t->to->wire[WIRE_B].addr)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = wires_socket(t->from, WIRE_A, type);

	t->port = t->port < 60000 ? t->port + 2 : 10000;
	from.sin_port = htons((uint16_t)(t->port + service));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS))
		failure(t, "connect from port", t->port);
	return fd;
}

static void open_one(struct chatter *t, size_t i)
{
	int fd = client(t, SOCK_STREAM, i & 1);
	int conn =
		ready(t->listener, POLLIN) ? accept4(t->listener, NULL, NULL, SOCK_NONBLOCK) : -1;

	if (conn >= 0 && said(fd, conn) && said(conn, fd))
		t->count->opened++;
	else
		failure(t, "new connection", i);
	close(fd);
	if (conn >= 0)
		close(conn);
}

uint64_t chatter_round(struct chatter *t)
{
	uint64_t before = t->count->failed;

	for (size_t i = 0; i < t->n_tcp; i++)
		talk(t, i, (t->count->rounds + i / 2) & 1);
	for (size_t i = 0; i < t->n_udp; i++)
		talk_datagram(t, i);
	for (size_t i = 0; i < CHATTER_NEW; i++)
		open_one(t, i);
	t->count->rounds++;
	return t->count->failed - before;
}

static int datagram_server(struct wires *w)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(WIRE_PORT)};
	int fd = wires_socket(w, WIRE_B, SOCK_DGRAM);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void chatter_want(struct wires *w, struct datapath *dp)
{
	static struct mesh_service services[2];

	wires_policy(w, dp, WIRE_PORT);
	w->rows[1] = w->rows[0];
	w->rows[1].key.proto = IPPROTO_UDP;
	w->sets[0].n = 2;
	w->sets[0].digest = mesh_set_digest(w->rows, 2);
	w->sets[1] = (struct mesh_set){.enforced = true, .digest = mesh_set_digest(NULL, 0)};
	w->want.n_sets = 2;
	w->endpoints[WIRE_B].set[DIRECTION_INGRESS] = w->sets[0].digest;
	w->endpoints[WIRE_A].set[DIRECTION_INGRESS] = w->sets[1].digest;
	w->endpoints[WIRE_A].row.flags |= ENDPOINT_ENFORCE_INGRESS;
	services[0] = services[1] = w->service;
	services[1].key.proto = IPPROTO_UDP;
	w->want.services = services;
	w->want.n_services = 2;
	wires_apply(w, dp);
}

void chatter_open(struct chatter *t, struct wires *from, struct wires *to, size_t tcp, size_t udp)
{
	const struct rlimit many = {8192, 8192};

	memset(t, 0, sizeof(*t));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	t->from = from;
	t->to = to;
	t->n_tcp = tcp;
	t->n_udp = udp;
	t->count = mmap(NULL, sizeof(*t->count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(t->count != MAP_FAILED);
	t->listener = wires_listen(to, WIRE_B, WIRE_PORT);
	t->udp_server = datagram_server(to);
	for (size_t i = 0; i < tcp; i++) {
		t->client[i] = client(t, SOCK_STREAM, i & 1);
		assert_int_equal(wires_connected(t->client[i]), 0);
		t->server[i] = wires_accept(t->listener);
	}
	for (size_t i = 0; i < udp; i++)
		t->udp[i] = client(t, SOCK_DGRAM, i & 1);
	assert_int_equal(chatter_round(t), 0);
}

static void keep_talking(struct chatter *t, int stop, int progress)
{
	struct pollfd told = {.fd = stop, .events = POLLIN};

	do {
		chatter_round(t);
		if (write(progress, "r", 1) != 1)
			break;
	} while (!poll(&told, 1, 0));
}

void chatter_start(struct chatter *t)
{
	int stop[2], progress[2];

	assert_int_equal(pipe(stop), 0);
	assert_int_equal(pipe(progress), 0);
	t->child = fork();
	if (!t->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		close(progress[0]);
		keep_talking(t, stop[0], progress[1]);
		_exit(0);
	}
	close(stop[0]);
	close(progress[1]);
	t->stop = stop[1];
	t->progress = progress[0];
}

static void next_round(struct chatter *t)
{
	char byte;

	assert_true(ready(t->progress, POLLIN));
	assert_int_equal(read(t->progress, &byte, 1), 1);
}

void chatter_rounds(struct chatter *t, unsigned n)
{
	uint64_t until = t->count->rounds + n + 1; /* the one under way began before */

	while (t->count->rounds < until)
		next_round(t);
}

void chatter_stop(struct chatter *t)
{
	char bytes[64];
	int status;

	close(t->stop);
	while (read(t->progress, bytes, sizeof(bytes)) > 0)
		;
	close(t->progress);
	assert_int_equal(waitpid(t->child, &status, 0), t->child);
	assert_true(WIFEXITED(status));
}

uint64_t chatter_retransmitted(const struct chatter *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->n_tcp * 2; i++) {
		struct tcp_info info = {0};
		socklen_t len = sizeof(info);
		int fd = i & 1 ? t->server[i / 2] : t->client[i / 2];

		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		n += info.tcpi_total_retrans;
	}
	return n;
}

void chatter_close(struct chatter *t)
{
	for (size_t i = 0; i < t->n_tcp; i++) {
		close(t->client[i]);
		close(t->server[i]);
	}
	for (size_t i = 0; i < t->n_udp; i++)
		close(t->udp[i]);
	close(t->listener);
	close(t->udp_server);
	munmap(t->count, sizeof(*t->count));
}
