/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, accepting and reading; answers are exchange.c's. */
#include "lib/http/server.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/http/server_internal.h"

/* Input that waits behind the request at hand (pipelining) is at most this. */
#define MAX_WAITING_INPUT (256u << 10)

#define LINGER_NS (2 * NS_PER_S)

static const struct http_server_limits default_limits = {
	.max_headers = 64u << 10,
	.max_body = 8u << 20,
	.max_connections = 4096,
	.idle_timeout_ns = 120 * NS_PER_S,
	.request_timeout_ns = 30 * NS_PER_S,
	.max_pending = 64u << 20,
};

struct http_server *http_server_new(struct loop *loop, const struct http_server_options *options)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	struct http_server_limits *l = &s->options.limits;

	s->loop = loop;
	s->options = *options;
#define DEFAULT(field)                                                                             \
	if (!l->field)                                                                             \
	l->field = default_limits.field
	DEFAULT(max_headers);
	DEFAULT(max_body);
	DEFAULT(max_connections);
	DEFAULT(idle_timeout_ns);
	DEFAULT(request_timeout_ns);
	DEFAULT(max_pending);
#undef DEFAULT
	return s;
}

static void pause_listeners(struct http_server *s, bool pause)
{
	if (s->paused == pause)
		return;
	s->paused = pause;
	for (struct listener *l = s->listeners; l; l = l->next) {
		if (pause)
			evconnlistener_disable(l->ev);
		else
			evconnlistener_enable(l->ev);
	}
}

static void connection_reap(void *arg)
{
	struct connection *conn = arg;
	struct http_server *s = conn->server;

	*conn->prev = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	s->n_connections--;
	loop_timer_free(conn->deadline);
	bufferevent_free(conn->bev);
	http_parser_release(&conn->parser);
	free(conn->peer);
	free(conn->peer_cn);
	for (char **o = conn->peer_orgs; o && *o; o++)
		free(*o);
	free(conn->peer_orgs);
	free(conn);
	if (!s->draining)
		pause_listeners(s, false);
	else if (s->n_connections == 0 && s->on_idle)
		s->on_idle(s->on_idle_arg);
}

void connection_kill(struct connection *conn, bool reset)
{
	struct linger hard = {1, 0};
	evutil_socket_t fd = bufferevent_getfd(conn->bev);

	if (conn->dead)
		return;
	conn->dead = true;
	loop_timer_stop(conn->deadline);
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
	if (reset && fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (conn->exchange)
		exchange_finish(conn, false);
	loop_defer(conn->server->loop, connection_reap, conn);
}

void connection_deadline(struct connection *conn)
{
	const struct http_server_limits *l = &conn->server->options.limits;

	if (conn->exchange)
		loop_timer_stop(conn->deadline);
	else if (http_parser_busy(&conn->parser))
		loop_timer_set(conn->deadline, l->request_timeout_ns);
	else
		loop_timer_set(conn->deadline, l->idle_timeout_ns);
}

static void deadline_passed(void *arg)
{
	struct connection *conn = arg;

	if (!conn->overflow && !conn->close_after && http_parser_busy(&conn->parser))
		exchange_refuse(conn, 408);
	else
		connection_kill(conn, conn->overflow);
}

/* Feeds the parser what has come; 1 when a request is whole. */
static int parse_input(struct connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);
	bool was_busy = http_parser_busy(&conn->parser);
	int r = 0;

	while (r == 0 && evbuffer_get_length(in)) {
		size_t n = evbuffer_get_contiguous_space(in), used = 0;
		const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);

		r = http_parser_feed(&conn->parser, data, n, &used);
		evbuffer_drain(in, used);
	}
	if (r == 0 && conn->parser.message.expect_continue && !conn->continued) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		conn->continued = true;
		bufferevent_write(conn->bev, go_on, sizeof(go_on) - 1);
	}
	if (r == 0 && was_busy != http_parser_busy(&conn->parser))
		connection_deadline(conn);
	return r;
}

static void connection_process(struct connection *conn)
{
	if (conn->processing)
		return;
	conn->processing = true;
	while (!conn->dead && !conn->exchange && !conn->close_after) {
		int r = parse_input(conn);

		if (r == 0)
			break;
		if (r < 0) {
			exchange_refuse(conn, -r);
			break;
		}
		conn->continued = false;
		if (conn->tls && !conn->peer_cn)
			tls_peer_subject(bufferevent_openssl_get_ssl(conn->bev), &conn->peer_cn,
					 &conn->peer_orgs);
		exchange_begin(conn);
	}
	conn->processing = false;
}

void connection_next(struct connection *conn)
{
	if (conn->server->draining)
		conn->close_after = true;
	if (conn->overflow) {
		connection_kill(conn, true);
		return;
	}
	if (conn->close_after) {
		if (!evbuffer_get_length(bufferevent_get_output(conn->bev)))
			connection_kill(conn, false);
		else
			connection_deadline(conn);
		return;
	}
	http_parser_next(&conn->parser);
	connection_deadline(conn);
	connection_process(conn);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct connection *conn = arg;

	if (conn->refused) {
		struct evbuffer *in = bufferevent_get_input(bev);

		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	connection_process(conn);
}

/* Closing with unread input would reset the connection and take the refusal with it (RFC 9112
 * 9.6): say that we are done, and read what still comes for a moment. */
static void linger(struct connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);

	evbuffer_drain(in, evbuffer_get_length(in));
	shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
	loop_timer_set(conn->deadline, LINGER_NS);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct connection *conn = arg;

	if (evbuffer_get_length(bufferevent_get_output(bev)))
		return;
	if (conn->exchange)
		exchange_drained(conn);
	else if (conn->refused)
		linger(conn);
	else if (conn->close_after)
		connection_kill(conn, false);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct connection *conn = arg;

	if (what & BEV_EVENT_CONNECTED)
		return;
	/* A client that only shut down its sending side still gets the end of its answer. */
	if ((what & BEV_EVENT_EOF) && !conn->exchange && !conn->dead &&
	    evbuffer_get_length(bufferevent_get_output(bev))) {
		conn->close_after = true;
		return;
	}
	connection_kill(conn, false);
}

static char *peer_name(const struct sockaddr *sa)
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char text[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
		return xasprintf("%s:%u", text, ntohs(in4->sin_port));
	}
	if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		return xasprintf("[%s]:%u", text, ntohs(in6->sin6_port));
	}
	return xstrdup("unix");
}

static uid_t peer_uid(int fd, const struct sockaddr *sa)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (sa->sa_family != AF_UNIX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return (uid_t)-1;
	return cred.uid;
}

static struct bufferevent *wrap(struct listener *l, evutil_socket_t fd)
{
	struct event_base *base = loop_base(l->server->loop);
	struct bufferevent *bev;
	SSL *ssl;

	if (!l->tls)
		return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	ssl = SSL_new(l->tls);
	if (!ssl)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static void on_accept(UNUSED struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa,
		      UNUSED int len, void *arg)
{
	struct listener *l = arg;
	struct http_server *s = l->server;
	struct bufferevent *bev = wrap(l, fd);
	struct connection *conn;
	int one = 1;

	if (!bev) {
		close(fd);
		return;
	}
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn = xcalloc(1, sizeof(*conn));
	conn->server = s;
	conn->bev = bev;
	conn->tls = l->tls != NULL;
	conn->peer = peer_name(sa);
	conn->peer_uid = peer_uid(fd, sa);
	conn->deadline = loop_timer_new(s->loop, deadline_passed, conn);
	http_parser_init(&conn->parser, s->options.limits.max_headers, s->options.limits.max_body);
	conn->next = s->connections;
	conn->prev = &s->connections;
	if (conn->next)
		conn->next->prev = &conn->next;
	s->connections = conn;
	if (++s->n_connections >= s->options.limits.max_connections)
		pause_listeners(s, true);
	bufferevent_setcb(bev, on_read, on_write, on_event, conn);
	bufferevent_setwatermark(bev, EV_READ, 0, MAX_WAITING_INPUT);
	connection_deadline(conn);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static int add_listener(struct http_server *s, int fd, SSL_CTX *tls, const char *unix_path,
			struct error *err)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	evutil_make_socket_nonblocking(fd);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	l->ev = evconnlistener_new(loop_base(s->loop), on_accept, l,
				   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!l->ev) {
		free(l);
		SSL_CTX_free(tls);
		close(fd);
		return error_set(err, -EIO, "cannot listen");
	}
	l->server = s;
	l->tls = tls;
	l->unix_path = xstrdup(unix_path);
	l->next = s->listeners;
	s->listeners = l;
	return 0;
}

int http_server_listen_fd(struct http_server *s, int fd, const struct http_server_tls *tls,
			  struct error *err)
{
	SSL_CTX *ctx = NULL;
	int r = tls ? tls_server_context(tls, &ctx, err) : 0;

	if (r) {
		close(fd);
		return r;
	}
	return add_listener(s, fd, ctx, NULL, err);
}

static int bind_tcp(const char *address, uint16_t port, struct error *err)
{
	struct sockaddr_storage sa;
	int len = sizeof(sa), one = 1, fd;
	char text[80];

	memset(&sa, 0, sizeof(sa));
	snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]:1" : "%s:1", address);
	if (strlen(address) > 64 || evutil_parse_sockaddr_port(text, (struct sockaddr *)&sa, &len))
		return error_set(err, -EINVAL, "%.64s is not an address to listen on", address);
	/* The port stands at the same place in both families. */
	((struct sockaddr_in *)&sa)->sin_port = htons(port);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, -errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, (socklen_t)len) < 0 || listen(fd, 1024) < 0) {
		int code = -errno;

		close(fd);
		return error_errno(err, code, "cannot listen on %s port %u", address, port);
	}
	return fd;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

int http_server_listen(struct http_server *s, const char *address, uint16_t port,
		       const struct http_server_tls *tls, uint16_t *ret_port, struct error *err)
{
	int fd = bind_tcp(address, port, err), r;
	uint16_t bound;

	if (fd < 0)
		return fd;
	bound = bound_port(fd);
	r = http_server_listen_fd(s, fd, tls, err);
	if (r == 0 && ret_port)
		*ret_port = bound;
	return r;
}

int http_server_listen_unix(struct http_server *s, const char *path, mode_t mode, struct error *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, code;

	if (strlen(path) >= sizeof(sa.sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: longer than a socket's path may be",
				 path);
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, -errno, "socket");
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, 1024) < 0) {
		code = -errno;
		close(fd);
		return error_errno(err, code, "cannot listen on %s", path);
	}
	return add_listener(s, fd, NULL, path, err);
}

static void free_listeners(struct http_server *s)
{
	while (s->listeners) {
		struct listener *l = s->listeners;

		s->listeners = l->next;
		evconnlistener_free(l->ev);
		SSL_CTX_free(l->tls);
		if (l->unix_path)
			unlink(l->unix_path);
		free(l->unix_path);
		free(l);
	}
}

void http_server_drain(struct http_server *s, void (*on_idle)(void *arg), void *arg)
{
	free_listeners(s);
	s->draining = true;
	s->on_idle = on_idle;
	s->on_idle_arg = arg;
	for (struct connection *c = s->connections, *next; c; c = next) {
		next = c->next;
		if (!c->exchange && !http_parser_busy(&c->parser) &&
		    !evbuffer_get_length(bufferevent_get_output(c->bev)))
			connection_kill(c, false);
		else
			c->close_after |= !c->exchange && !http_parser_busy(&c->parser);
	}
	if (!s->n_connections && on_idle)
		loop_defer(s->loop, on_idle, arg);
}

unsigned http_server_connections(const struct http_server *s)
{
	return s->n_connections;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	free_listeners(s);
	if (s->on_idle)
		loop_undefer(s->loop, s->on_idle, s->on_idle_arg);
	s->on_idle = NULL;
	s->draining = true;
	while (s->connections) {
		struct connection *conn = s->connections;

		connection_kill(conn, false);
		loop_undefer(s->loop, connection_reap, conn);
		connection_reap(conn);
	}
	free(s);
}
