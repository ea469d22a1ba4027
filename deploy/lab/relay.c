/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/relay.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "lib/base/vec.h"
#include "lib/net/netns.h"

struct pair;

/* One end of a pair; out is what it still has to send. */
struct side {
	struct pair *pair;
	int fd;
	struct loop_fd *source;
	struct strbuf out;
	bool ended; /* it sent its last byte */
	bool shut;  /* we told it that the other ended */
	bool connecting;
};

struct pair {
	struct relay *relay;
	struct side side[2]; /* client, server */
};

struct relay {
	struct loop *loop;
	const struct log *log;
	struct sockaddr_storage to;
	socklen_t to_len;
	int fd;
	uint16_t port;
	struct loop_fd *source;
	VEC(struct pair *) pairs;
};

static void side_release(struct side *s)
{
	if (s->source)
		loop_fd_free(s->source);
	if (s->fd >= 0)
		close(s->fd);
	strbuf_release(&s->out);
}

static void pair_free(struct pair *p)
{
	struct relay *r = p->relay;

	for (size_t i = 0; i < r->pairs.n; i++) {
		if (r->pairs.items[i] == p) {
			vec_remove(&r->pairs, i);
			break;
		}
	}
	side_release(&p->side[0]);
	side_release(&p->side[1]);
	free(p);
}

static struct side *other(struct side *s)
{
	return s == &s->pair->side[0] ? &s->pair->side[1] : &s->pair->side[0];
}

/* Reads while the other side keeps up, writes while there is something to write. */
static void wait_for(struct side *s)
{
	unsigned events = 0;

	if (!s->ended && !s->connecting && other(s)->out.len < RELAY_BUFFER)
		events |= LOOP_READ;
	if (s->connecting || s->out.len)
		events |= LOOP_WRITE;
	loop_fd_set(s->source, events);
}

/* False when the connection is broken. */
static bool pull(struct side *s)
{
	char buf[32 << 10];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		s->ended = true;
	else
		strbuf_add(&other(s)->out, buf, (size_t)n);
	return true;
}

static bool push(struct side *s)
{
	while (s->out.len) {
		ssize_t n = send(s->fd, s->out.buf, s->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		strbuf_consume(&s->out, (size_t)n);
	}
	if (other(s)->ended && !s->shut) {
		s->shut = true;
		shutdown(s->fd, SHUT_WR);
	}
	return true;
}

static bool connected(struct side *s)
{
	int e = 0;
	socklen_t len = sizeof(e);

	s->connecting = false;
	return !getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) && !e;
}

static void on_ready(void *arg, unsigned ready)
{
	struct side *s = arg;
	struct pair *p = s->pair;
	bool good = true;

	if (s->connecting && ready)
		good = connected(s);
	else if (ready & LOOP_READ)
		good = pull(s);
	for (int i = 0; good && i < 2; i++)
		if (!p->side[i].connecting)
			good = push(&p->side[i]);
	if (!good || (p->side[0].shut && p->side[1].shut)) {
		pair_free(p);
		return;
	}
	wait_for(&p->side[0]);
	wait_for(&p->side[1]);
}

static void begin(struct relay *r, int client, int server)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->relay = r;
	p->side[0] = (struct side){.pair = p, .fd = client};
	p->side[1] = (struct side){.pair = p, .fd = server, .connecting = true};
	for (int i = 0; i < 2; i++)
		p->side[i].source = loop_fd_new(r->loop, p->side[i].fd, 0, on_ready, &p->side[i]);
	wait_for(&p->side[0]);
	wait_for(&p->side[1]);
	vec_push(&r->pairs, p);
}

static void on_accept(void *arg, UNUSED unsigned ready)
{
	struct relay *r = arg;
	auto_close int client = accept4(r->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	auto_close int server = -1;

	if (client < 0 || r->pairs.n == RELAY_MAX_CONNECTIONS)
		return;
	server = socket(r->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server < 0)
		return;
	if (connect(server, (struct sockaddr *)&r->to, r->to_len) && errno != EINPROGRESS) {
		if (r->log)
			log_warn(r->log, "the API server is not reached: %s", strerror(errno));
		return;
	}
	begin(r, TAKE_FD(client), TAKE_FD(server));
}

/* ---- life ---- */

static int resolve(struct relay *r, const struct relay_options *o, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char port[8];
	int e;

	snprintf(port, sizeof(port), "%u", o->port);
	e = getaddrinfo(o->host, port, &hints, &found);
	if (e)
		return error_set(err, -EHOSTUNREACH, "%s: %s", o->host, gai_strerror(e));
	memcpy(&r->to, found->ai_addr, found->ai_addrlen);
	r->to_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

struct wanted {
	struct relay *relay;
	const struct relay_options *o;
};

static int listen_here(void *arg, struct error *err)
{
	struct wanted *w = arg;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(w->o->listen_port)};
	const int one = 1;
	socklen_t len = sizeof(at);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, w->o->address, &at.sin_addr) != 1)
		return error_set(err, -EINVAL, "\"%s\" is no IPv4 address", w->o->address);
	if (fd < 0)
		return error_errno(err, -errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return error_errno(err, -errno, "%s:%u", w->o->address, w->o->listen_port);
	w->relay->fd = TAKE_FD(fd);
	w->relay->port = ntohs(at.sin_port);
	return 0;
}

static int listen_there(struct relay *r, const struct relay_options *o, struct error *err)
{
	struct wanted w = {r, o};
	auto_close int netns = -1;
	int e;

	if (!o->netns)
		return listen_here(&w, err);
	e = netns_open(o->netns, &netns, err);
	return e ? e : netns_run(netns, listen_here, &w, err);
}

int relay_new(struct loop *loop, const struct relay_options *o, struct relay **ret_relay,
	      struct error *err)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	int e;

	r->loop = loop;
	r->log = o->log;
	r->fd = -1;
	e = resolve(r, o, err);
	if (!e)
		e = listen_there(r, o, err);
	if (e) {
		relay_free(r);
		return e;
	}
	r->source = loop_fd_new(loop, r->fd, LOOP_READ, on_accept, r);
	*ret_relay = r;
	return 0;
}

uint16_t relay_port(const struct relay *r)
{
	return r->port;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	while (r->pairs.n)
		pair_free(r->pairs.items[r->pairs.n - 1]);
	vec_release(&r->pairs);
	if (r->source)
		loop_fd_free(r->source);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}
