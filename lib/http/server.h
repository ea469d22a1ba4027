/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http/server.h - an HTTP/1.1 server on the event loop: TCP, TLS, unix sockets, or a listening
 * descriptor opened elsewhere (e.g. inside another network namespace).
 *
 * The handler gets each request whole (headers and body within limits) as an exchange and answers
 * it now or later, at once or piece by piece without end (a watch). Requests of one connection are
 * handled one after the other; keep-alive and pipelining work; a client that goes away is noticed
 * also while nothing is being sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/http/headers.h"
#include "lib/loop/loop.h"

struct http_server;
struct http_exchange;

struct http_server_limits {
	size_t max_headers;          /* request line and headers; 0: 64 KiB (then 431) */
	size_t max_body;             /* 0: 8 MiB (then 413) */
	unsigned max_connections;    /* 0: 4096; further ones wait in the listen queue */
	uint64_t idle_timeout_ns;    /* between requests; 0: 120 s */
	uint64_t request_timeout_ns; /* first byte to last byte of a request; 0: 30 s (then 408) */
	/* Unsent bytes of a piecewise answer above which the connection is cut (a reader that does
	 * not read); 0: 64 MiB. */
	size_t max_pending;
};

struct http_server_options {
	struct http_server_limits limits;
	/* Called with each request. Must end in http_reply*(), sooner or later. */
	void (*handle)(void *arg, struct http_exchange *x);
	void *arg;
};

struct http_server *http_server_new(struct loop *loop, const struct http_server_options *options);
/* Closes listeners and connections; exchanges end with their on_close. NULL is fine. */
void http_server_free(struct http_server *server);

/* What a TLS listener shows and asks for. PEM. */
struct http_server_tls {
	const char *cert_pem; /* chain, leaf first */
	const char *key_pem;
	const char *client_ca_pem; /* NULL: no client certificate is asked for */
	bool client_required;      /* else it is verified when one is given */
};

/* Port 0 takes a free one; *ret_port (may be NULL) is the port. tls NULL is plain text. */
int http_server_listen(struct http_server *server, const char *address, uint16_t port,
		       const struct http_server_tls *tls, uint16_t *ret_port, struct error *err);
/* Replaces a stale socket file; removes it on free. */
int http_server_listen_unix(struct http_server *server, const char *path, mode_t mode,
			    struct error *err);
/* Takes ownership of a bound, listening descriptor. */
int http_server_listen_fd(struct http_server *server, int fd, const struct http_server_tls *tls,
			  struct error *err);
/* No new connections, and each open one ends with the answer at hand (watches are not waited for:
 * end them). on_idle(arg), once, when none is left. */
void http_server_drain(struct http_server *server, void (*on_idle)(void *arg), void *arg);
unsigned http_server_connections(const struct http_server *server);

/* The request. Everything is borrowed from the exchange, which lives until the answer ended. */
struct http_view {
	const char *method; /* "GET" */
	const char *target; /* as sent: "/api/v1/pods?watch=1" */
	const char *path;   /* decoded, without the query; starts with '/', has no NUL */
	const struct http_query *query;
	const struct http_headers *headers;
	const char *body; /* NUL-terminated behind body_size */
	size_t body_size;
	const char *peer;             /* "127.0.0.1:4711", "unix" */
	const char *peer_cn;          /* common name of a verified client certificate, else NULL */
	const char *const *peer_orgs; /* its organisations, NULL-terminated; NULL without one */
	uid_t peer_uid;               /* unix sockets; else (uid_t)-1 */
	bool tls;
	int minor; /* HTTP/1.minor */
};
const struct http_view *http_view(const struct http_exchange *x);

/* For the handler's own state; freed by its on_close. */
void http_exchange_set_data(struct http_exchange *x, void *data);
void *http_exchange_data(const struct http_exchange *x);
/*
 * fn(arg, complete) exactly once when the exchange is over: after http_reply_end() (or
 * http_reply()) with complete true, or when the client went away first, with false. x is invalid
 * after it.
 */
void http_exchange_on_close(struct http_exchange *x, void (*fn)(void *arg, bool complete),
			    void *arg);

/* A response header; before the reply is started. */
void http_reply_header(struct http_exchange *x, const char *name, const char *value);
/* The whole answer. content_type NULL: none. x is invalid afterwards. */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
		size_t n);
/* The answer in pieces (chunked for HTTP/1.1). Headers are sent at once. */
void http_reply_start(struct http_exchange *x, int status, const char *content_type);
void http_reply_write(struct http_exchange *x, const void *data, size_t n);
/* x is invalid afterwards. */
void http_reply_end(struct http_exchange *x);
/* Cuts the connection in the middle (reset where possible): for scripted faults. x is invalid. */
void http_exchange_abort(struct http_exchange *x);
/* Bytes written to a piecewise answer and not yet taken by the kernel. */
size_t http_reply_pending(const struct http_exchange *x);
/* fn(arg) each time pending falls to zero (to go on with a long answer); NULL stops. */
void http_reply_on_drain(struct http_exchange *x, void (*fn)(void *arg), void *arg);
