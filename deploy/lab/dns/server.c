/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/dns/server.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/lab/dns/zone.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/kube/informer.h"

#define IDLE_NS UINT64_C(10000000000)

enum { UDP_BATCH = 64 };
enum { SERVICE, SLICE, NAMESPACE, N_KINDS };
#define SERVICE_LABEL "kubernetes.io/service-name"

struct connection {
	struct dns_server *server;
	int fd;
	struct loop_fd *source;
	struct loop_timer *idle;
	struct strbuf in, out;
};

struct dns_server {
	struct loop *loop;
	const struct log *log;
	struct kube_informer *informers[N_KINDS];
	int udp, tcp;
	struct loop_fd *udp_source, *tcp_source;
	VEC(struct connection *) connections;
};

static struct kube_informer *informer(const struct dns_server *s, int which)
{
	return s->informers[which];
}

/* ---- objects ---- */

static const struct doc *find_service(void *arg, const char *ns, const char *name)
{
	const struct kube_object *o = kube_informer_get(informer(arg, SERVICE), ns, name);

	return o ? o->doc : NULL;
}

static bool has_namespace(void *arg, const char *ns)
{
	return kube_informer_get(informer(arg, NAMESPACE), NULL, ns) != NULL;
}

static void each_slice(void *arg, const char *ns, const char *service,
		       void (*fn)(void *fn_arg, const struct doc *slice), void *fn_arg)
{
	kube_informer_foreach (informer(arg, SLICE), o)
		if (str_eq(o->namespace_, ns) && str_eq(kube_label(o->doc, SERVICE_LABEL), service))
			fn(fn_arg, o->doc);
}

bool dns_server_ready(const struct dns_server *s)
{
	for (int i = 0; i < N_KINDS; i++)
		if (!kube_informer_synced(s->informers[i]))
			return false;
	return true;
}

/* ---- one question ---- */

static void answer(struct dns_server *s, const uint8_t *data, size_t n, bool tcp,
		   struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct zone_source source = {find_service, each_slice, has_namespace, s};
	struct dns_answer ans = {.code = DNS_FORMAT};
	struct dns_query q;

	if (n < 12 || data[2] & 0x80) /* nothing to answer to, or an answer: never answered */
		return;
	if (dns_parse(data, n, &q)) {
		if (dns_server_ready(s))
			zone_answer(&a, &source, &q, &ans);
		else
			ans.code = DNS_FAILED;
	}
	dns_write(&q, &ans, tcp ? DNS_TCP_MAX : q.udp_size, out);
}

static void on_udp(void *arg, UNUSED unsigned ready)
{
	struct dns_server *s = arg;

	for (int i = 0; i < UDP_BATCH; i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		uint8_t buf[4096];
		ssize_t n = recvfrom(s->udp, buf, sizeof(buf), MSG_DONTWAIT, (void *)&from, &len);

		if (n < 0)
			return;
		answer(s, buf, (size_t)n, false, &out);
		if (out.len)
			sendto(s->udp, out.buf, out.len, MSG_DONTWAIT, (void *)&from, len);
	}
}

/* ---- TCP: each message behind its length ---- */

static void connection_free(struct connection *c)
{
	struct dns_server *s = c->server;

	for (size_t i = 0; i < s->connections.n; i++) {
		if (s->connections.items[i] == c) {
			vec_remove(&s->connections, i);
			break;
		}
	}
	loop_fd_free(c->source);
	loop_timer_free(c->idle);
	close(c->fd);
	strbuf_release(&c->in);
	strbuf_release(&c->out);
	free(c);
}

static void on_idle(void *arg)
{
	connection_free(arg);
}

static void answer_all(struct connection *c)
{
	while (c->in.len >= 2) {
		const uint8_t *p = (const uint8_t *)c->in.buf;
		size_t n = (size_t)p[0] << 8 | p[1];
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;

		if (c->in.len < n + 2)
			return;
		answer(c->server, p + 2, n, true, &out);
		strbuf_consume(&c->in, n + 2);
		strbuf_addc(&c->out, (char)(out.len >> 8 & 255));
		strbuf_addc(&c->out, (char)(out.len & 255));
		strbuf_add(&c->out, out.buf ? out.buf : "", out.len);
	}
}

/* False when the connection is over. */
static bool flush(struct connection *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.buf, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		strbuf_consume(&c->out, (size_t)n);
	}
	return true;
}

/* A client that does not read its answers is not read either. */
static void on_tcp(void *arg, unsigned ready)
{
	struct connection *c = arg;
	char buf[4096];
	ssize_t n;

	loop_timer_set(c->idle, IDLE_NS);
	if (ready & LOOP_READ) {
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			connection_free(c);
			return;
		}
		if (n > 0)
			strbuf_add(&c->in, buf, (size_t)n);
		answer_all(c);
	}
	if (flush(c))
		loop_fd_set(c->source, c->out.len ? LOOP_WRITE : LOOP_READ);
	else
		connection_free(c);
}

static void on_accept(void *arg, UNUSED unsigned ready)
{
	struct dns_server *s = arg;
	struct connection *c;
	int fd = accept4(s->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (s->connections.n == DNS_MAX_CONNECTIONS) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->fd = fd;
	c->source = loop_fd_new(s->loop, fd, LOOP_READ, on_tcp, c);
	c->idle = loop_timer_new(s->loop, on_idle, c);
	loop_timer_set(c->idle, IDLE_NS);
	vec_push(&s->connections, c);
}

/* ---- life ---- */

static int bind_socket(int type, struct sockaddr_in *at, int *ret_fd, struct error *err)
{
	const int one = 1;
	socklen_t len = sizeof(*at);
	auto_close int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_errno(err, -errno, "dns: socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)) ||
	    (type == SOCK_STREAM && listen(fd, DNS_MAX_CONNECTIONS)) ||
	    getsockname(fd, (struct sockaddr *)at, &len))
		return error_errno(err, -errno, "dns: bind");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dns_server_listen(struct dns_server *s, const char *address, uint16_t port, uint16_t *ret_port,
		      struct error *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int e;

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return error_set(err, -EINVAL, "dns: \"%s\" is no IPv4 address", address);
	e = bind_socket(SOCK_DGRAM, &at, &s->udp, err);
	if (!e)
		e = bind_socket(SOCK_STREAM, &at, &s->tcp, err);
	if (e)
		return e;
	s->udp_source = loop_fd_new(s->loop, s->udp, LOOP_READ, on_udp, s);
	s->tcp_source = loop_fd_new(s->loop, s->tcp, LOOP_READ, on_accept, s);
	if (ret_port)
		*ret_port = ntohs(at.sin_port);
	return 0;
}

struct dns_server *dns_server_new(struct kube_client *client, const struct log *log)
{
	static const enum object_kind_id kinds[] = {KIND_SERVICE, KIND_ENDPOINT_SLICE,
						    KIND_NAMESPACE};
	static const struct kube_informer_handlers handlers = {0};
	struct dns_server *s = xcalloc(1, sizeof(*s));

	s->loop = kube_client_loop(client);
	s->log = log;
	s->udp = s->tcp = -1;
	for (int i = 0; i < N_KINDS; i++)
		s->informers[i] = kube_informer_new(
			client,
			&(struct kube_informer_options){.kind = object_kind(kinds[i]), .log = log},
			&handlers, s);
	return s;
}

void dns_server_free(struct dns_server *s)
{
	if (!s)
		return;
	while (s->connections.n)
		connection_free(s->connections.items[s->connections.n - 1]);
	vec_release(&s->connections);
	for (int i = 0; i < N_KINDS; i++)
		kube_informer_free(s->informers[i]);
	if (s->udp_source)
		loop_fd_free(s->udp_source);
	if (s->tcp_source)
		loop_fd_free(s->tcp_source);
	if (s->udp >= 0)
		close(s->udp);
	if (s->tcp >= 0)
		close(s->tcp);
	free(s);
}
