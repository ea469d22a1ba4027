/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer. */
#include <event2/buffer.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/http/server_internal.h"

static bool split_target(struct http_exchange *x, const char *target)
{
	const char *question = strchr(target, '?');
	size_t n = question ? (size_t)(question - target) : strlen(target);
	struct strbuf path = STRBUF_INIT;

	http_query_parse(&x->query, question ? question + 1 : NULL);
	/* An absolute target (a proxy's form) is no path of ours; "*" is OPTIONS'. */
	if (target[0] != '/' || !http_unescape(target, n, &path)) {
		strbuf_release(&path);
		return false;
	}
	x->path = strbuf_take(&path);
	return true;
}

void exchange_begin(struct connection *conn)
{
	struct http_exchange *x = xcalloc(1, sizeof(*x));
	struct http_message *m = &conn->parser.message;

	x->conn = conn;
	conn->exchange = x;
	connection_deadline(conn);
	if (!split_target(x, m->target)) {
		exchange_refuse(conn, 400);
		return;
	}
	x->view = (struct http_view){
		.method = m->method,
		.target = m->target,
		.path = x->path,
		.query = &x->query,
		.headers = &m->headers,
		.body = strbuf_cstr(&m->body),
		.body_size = m->body.len,
		.peer = conn->peer,
		.peer_cn = conn->peer_cn,
		.peer_orgs = (const char *const *)conn->peer_orgs,
		.peer_uid = conn->peer_uid,
		.tls = conn->tls,
		.minor = m->minor,
	};
	conn->server->options.handle(conn->server->options.arg, x);
}

void exchange_finish(struct connection *conn, bool complete)
{
	struct http_exchange *x = TAKE(conn->exchange);

	if (x->on_close)
		x->on_close(x->on_close_arg, complete);
	http_query_release(&x->query);
	http_headers_release(&x->reply);
	free(x->path);
	free(x);
}

const struct http_view *http_view(const struct http_exchange *x)
{
	return &x->view;
}

void http_exchange_set_data(struct http_exchange *x, void *data)
{
	x->data = data;
}

void *http_exchange_data(const struct http_exchange *x)
{
	return x->data;
}

void http_exchange_on_close(struct http_exchange *x, void (*fn)(void *arg, bool complete),
			    void *arg)
{
	x->on_close = fn;
	x->on_close_arg = arg;
}

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
	/* A value with a line break would be another header. */
	if (!x->started && !strpbrk(value, "\r\n"))
		http_headers_set(&x->reply, name, value);
}

static struct evbuffer *output(const struct connection *conn)
{
	return bufferevent_get_output(conn->bev);
}

static void write_head(struct http_exchange *x, int status, const char *content_type)
{
	struct connection *conn = x->conn;
	struct evbuffer *out = output(conn);

	x->started = true;
	if (!conn->parser.message.keep_alive || conn->server->draining)
		conn->close_after = true;
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (content_type)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", content_type);
	for (size_t i = 0; i < x->reply.n; i++)
		evbuffer_add_printf(out, "%s: %s\r\n", x->reply.items[i].name,
				    x->reply.items[i].value);
	if (conn->close_after)
		evbuffer_add_printf(out, "Connection: close\r\n");
	else if (x->view.minor == 0)
		evbuffer_add_printf(out, "Connection: keep-alive\r\n");
}

static void end(struct http_exchange *x)
{
	struct connection *conn = x->conn;

	exchange_finish(conn, true);
	if (!conn->dead)
		connection_next(conn);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
		size_t n)
{
	struct evbuffer *out = output(x->conn);

	write_head(x, status, content_type);
	if (status != 204 && status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", n);
	evbuffer_add(out, "\r\n", 2);
	if (!str_eq(x->view.method, "HEAD") && status != 204 && status != 304)
		evbuffer_add(out, body, n);
	end(x);
}

void http_reply_start(struct http_exchange *x, int status, const char *content_type)
{
	x->chunked = x->view.minor == 1;
	if (!x->chunked)
		x->conn->close_after = true;
	write_head(x, status, content_type);
	if (x->chunked)
		evbuffer_add_printf(output(x->conn), "Transfer-Encoding: chunked\r\n");
	evbuffer_add(output(x->conn), "\r\n", 2);
}

void http_reply_write(struct http_exchange *x, const void *data, size_t n)
{
	struct connection *conn = x->conn;
	struct evbuffer *out = output(conn);

	if (n == 0 || conn->overflow || str_eq(x->view.method, "HEAD"))
		return;
	if (x->chunked)
		evbuffer_add_printf(out, "%zx\r\n", n);
	evbuffer_add(out, data, n);
	if (x->chunked)
		evbuffer_add(out, "\r\n", 2);
	if (evbuffer_get_length(out) > conn->server->options.limits.max_pending) {
		conn->overflow = true; /* x stays valid until the timer's turn */
		loop_timer_set(conn->deadline, 0);
	}
}

void http_reply_end(struct http_exchange *x)
{
	if (x->chunked && !str_eq(x->view.method, "HEAD"))
		evbuffer_add(output(x->conn), "0\r\n\r\n", 5);
	end(x);
}

void http_exchange_abort(struct http_exchange *x)
{
	connection_kill(x->conn, true);
}

size_t http_reply_pending(const struct http_exchange *x)
{
	return evbuffer_get_length(output(x->conn));
}

void http_reply_on_drain(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
	x->on_drain = fn;
	x->on_drain_arg = arg;
}

void exchange_drained(struct connection *conn)
{
	if (conn->exchange->on_drain)
		conn->exchange->on_drain(conn->exchange->on_drain_arg);
}

void exchange_refuse(struct connection *conn, int status)
{
	evbuffer_add_printf(output(conn),
			    "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n\r\n%s\n",
			    status, http_status_text(status), strlen(http_status_text(status)) + 1,
			    http_status_text(status));
	conn->close_after = true;
	conn->refused = true;
	if (conn->exchange)
		exchange_finish(conn, false);
	connection_deadline(conn);
}
