/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of a workload: one connection type for HTTP/1.1, echo, and echo that greets first;
 * datagrams are answered as they come. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/lab/workload/workload.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum { MAX_INPUT = 16384, BACKLOG = 256 };

struct listener {
	struct servers *servers;
	enum protocol protocol;
	uint16_t port;
	int fd;
	struct loop_fd *source;
};

struct connection {
	struct listener *listener;
	int fd;
	struct loop_fd *source;
	struct strbuf in, out;
	char peer[INET_ADDRSTRLEN + 8];
	bool close_when_sent;
	struct connection *next, **link;
};

struct servers {
	struct workload *w;
	struct listener listeners[4];
	size_t n_listeners;
	struct connection *connections;
	unsigned n_connections;
	bool ending;
};

static void connection_free(struct connection *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->listener->servers->n_connections--;
	loop_fd_free(c->source);
	close(c->fd);
	strbuf_release(&c->in);
	strbuf_release(&c->out);
	free(c);
}

/* The row of a client; when the table is full the last row takes all others. */
static struct ledger_served *served_row(struct ledger *ledger, uint16_t port, const char *client,
					size_t n)
{
	struct ledger_served *row;

	n = MIN(n, sizeof(row->client) - 1);
	for (uint32_t i = 0; i < ledger->n_served; i++) {
		row = &ledger->served[i];
		if (row->port == port && strlen(row->client) == n &&
		    memcmp(row->client, client, n) == 0)
			return row;
	}
	if (ledger->n_served == LEDGER_SERVED)
		return &ledger->served[LEDGER_SERVED - 1];
	row = &ledger->served[ledger->n_served];
	memcpy(row->client, client, n);
	row->port = port;
	ledger->n_served++;
	return row;
}

static void count(struct listener *l, const char *client, size_t n)
{
	served_row(l->servers->w->ledger, l->port, client, n)->requests++;
}

/* The value of a header in a request's text, or "". */
static const char *header(const char *request, const char *name, size_t *ret_n)
{
	size_t len = strlen(name);

	for (const char *p = strstr(request, "\r\n"); p; p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, len) == 0 && p[2 + len] == ':') {
			const char *value = p + 3 + len;

			value += strspn(value, " ");
			*ret_n = strcspn(value, "\r");
			return value;
		}
	}
	*ret_n = 0;
	return "";
}

static void answer_http(struct connection *c, const char *request)
{
	const struct workload *w = c->listener->servers->w;
	auto_release(strbuf) struct strbuf body = STRBUF_INIT;
	bool closing = c->listener->servers->ending;
	const char *client, *connection, *path = strchr(request, ' ');
	size_t n_client, n_connection;

	client = header(request, "X-Sidestep-Client", &n_client);
	connection = header(request, "Connection", &n_connection);
	if (n_connection == 5 && strncasecmp(connection, "close", 5) == 0)
		closing = true;
	count(c->listener, client, n_client);
	path = path ? path + 1 : "/";
	strbuf_addf(&body, "workload=%s version=%s pod=%s peer=%s path=%.*s client=%.*s\n", w->name,
		    str_or_empty(w->options->version), w->pod, c->peer, (int)strcspn(path, " \r"),
		    path, (int)n_client, client);
	strbuf_addf(&c->out,
		    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
		    "X-Sidestep-Pod: %s\r\n%s\r\n%s",
		    body.len, w->pod, closing ? "Connection: close\r\n" : "", strbuf_cstr(&body));
	c->close_when_sent = c->close_when_sent || closing;
}

/* "hello CLIENT SEQ" comes back with who answered. */
static void answer_line(struct listener *l, const char *line, struct strbuf *out)
{
	const struct servers *s = l->servers;
	const char *client = str_starts(line, "hello ") ? line + 6 : "";

	count(l, client, strcspn(client, " "));
	strbuf_addf(out, "%s pod=%s version=%s%s\n", line, s->w->pod,
		    str_or_empty(s->w->options->version), s->ending ? " bye" : "");
}

static void answer_all(struct connection *c)
{
	bool http = c->listener->protocol == PROTOCOL_HTTP;
	const char *end_mark = http ? "\r\n\r\n" : "\n";
	char *end;

	while (c->in.len && (end = strstr(c->in.buf, end_mark))) {
		*end = '\0';
		if (http)
			answer_http(c, c->in.buf);
		else
			answer_line(c->listener, c->in.buf, &c->out);
		strbuf_consume(&c->in, (size_t)(end - c->in.buf) + strlen(end_mark));
	}
}

/* False when the connection is gone. */
static bool flush(struct connection *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.buf, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			connection_free(c);
			return false;
		}
		strbuf_consume(&c->out, (size_t)n);
	}
	/* The client closes after it read "Connection: close"; our FIN tells one that does not. */
	if (!c->out.len && c->close_when_sent)
		shutdown(c->fd, SHUT_WR);
	loop_fd_set(c->source, LOOP_READ | (c->out.len ? LOOP_WRITE : 0));
	return true;
}

static void on_connection(void *arg, unsigned ready)
{
	struct connection *c = arg;
	char data[4096];
	ssize_t n = -1;

	if (ready & LOOP_READ) {
		n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN) || c->in.len > MAX_INPUT) {
			connection_free(c);
			return;
		}
		if (n > 0) {
			strbuf_add(&c->in, data, (size_t)n);
			answer_all(c);
		}
	}
	flush(c);
}

static void on_accept(void *arg, UNUSED unsigned ready)
{
	struct listener *l = arg;
	struct servers *s = l->servers;
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(peer);
	struct connection *c;
	int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->listener = l;
	c->fd = fd;
	inet_ntop(AF_INET, &peer.sin_addr, c->peer, INET_ADDRSTRLEN);
	c->next = s->connections;
	c->link = &s->connections;
	if (c->next)
		c->next->link = &c->next;
	s->connections = c;
	s->n_connections++;
	c->source = loop_fd_new(s->w->loop, fd, LOOP_READ, on_connection, c);
	if (l->protocol == PROTOCOL_TCP_FIRST)
		strbuf_addf(&c->out, "ready pod=%s version=%s\n", s->w->pod,
			    str_or_empty(s->w->options->version));
	flush(c);
}

static void on_datagram(void *arg, UNUSED unsigned ready)
{
	struct listener *l = arg;
	struct sockaddr_in peer;
	char line[1024];

	for (;;) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(l->fd, line, sizeof(line) - 1, MSG_DONTWAIT,
				     (struct sockaddr *)&peer, &len);

		if (n < 0)
			return;
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		answer_line(l, line, &out);
		sendto(l->fd, out.buf, out.len, MSG_DONTWAIT, (struct sockaddr *)&peer, len);
	}
}

static int listen_on(struct servers *s, enum protocol protocol, int64_t port, struct error *err)
{
	struct listener *l = &s->listeners[s->n_listeners];
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	bool udp = protocol == PROTOCOL_UDP;
	int one = 1;

	if (!port)
		return 0;
	l->servers = s;
	l->protocol = protocol;
	l->port = (uint16_t)port;
	l->fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(l->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    (!udp && listen(l->fd, BACKLOG) < 0))
		return error_errno(err, -errno, "listen on port %lld", (long long)port);
	l->source = loop_fd_new(s->w->loop, l->fd, LOOP_READ, udp ? on_datagram : on_accept, l);
	s->n_listeners++;
	return 0;
}

int servers_start(struct workload *w, struct error *err)
{
	struct servers *s = xcalloc(1, sizeof(*s));
	int r;

	s->w = w;
	w->servers = s;
	r = listen_on(s, PROTOCOL_HTTP, w->options->http, err);
	if (!r)
		r = listen_on(s, PROTOCOL_TCP, w->options->tcp_echo, err);
	if (!r)
		r = listen_on(s, PROTOCOL_TCP_FIRST, w->options->tcp_first, err);
	if (!r)
		r = listen_on(s, PROTOCOL_UDP, w->options->udp_echo, err);
	return r;
}

void servers_end(struct servers *s)
{
	s->ending = true;
}

unsigned servers_connections(const struct servers *s)
{
	return s->n_connections;
}

void servers_count(const struct servers *s, struct arena *a, struct doc *list)
{
	const struct ledger *l = s->w->ledger;

	for (uint32_t i = 0; i < l->n_served; i++) {
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_int(a, d, "port", l->served[i].port);
		doc_set_string(a, d, "client", l->served[i].client);
		doc_set_int(a, d, "requests", l->served[i].requests);
	}
}

void servers_free(struct servers *s)
{
	if (!s)
		return;
	while (s->connections)
		connection_free(s->connections);
	for (size_t i = 0; i < s->n_listeners; i++) {
		loop_fd_free(s->listeners[i].source);
		close(s->listeners[i].fd);
	}
	free(s);
}
