/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http/client.h - asynchronous HTTP requests on the event loop (libcurl multi).
 *
 * One client per program shares connections between its calls (HTTP/2 where the server speaks it).
 * A call ends with exactly one on_done, unless it is cancelled, and its handle is invalid after
 * either. No redirect is followed and nothing is retried (callers know what may be repeated), but
 * for one case of libcurl's: a kept-alive connection that turns out to be dead before any byte of
 * the answer came is replaced and the request sent again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/http/headers.h"
#include "lib/loop/loop.h"

struct http_client;
struct http_call;

/* A response body kept whole is at most this, unless the request says otherwise. 64 MiB. */
#define HTTP_CLIENT_MAX_BODY (64u << 20)
/* All response headers together. 256 KiB. */
#define HTTP_CLIENT_MAX_HEADERS (256u << 10)

struct http_client_options {
	const char *user_agent;        /* NULL: "sidestep/<version>" */
	unsigned max_host_connections; /* 0: 8; watches of HTTP/1.1 do not count against calls */
};

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options);
/* Cancels what runs. NULL is fine. */
void http_client_free(struct http_client *client);

/* How to trust and be trusted. All strings borrowed until http_start() returns. PEM, in memory. */
struct http_tls {
	const char *ca_pem;   /* NULL: the system's */
	const char *cert_pem; /* client certificate (chain) and key; NULL: none */
	const char *key_pem;
	const char *server_name; /* verify (and SNI) this name instead of the URL's host */
	/* Hex SHA-256 of the server's public key (SPKI), checked besides the chain; NULL: none. */
	const char *pin_sha256;
	bool insecure; /* do not verify the server at all */
};

/* Strings and body are copied where the call outlives http_start(). */
struct http_request {
	const char *method; /* NULL: "GET", or "POST" with a body */
	const char *url;
	const char *unix_socket; /* path; the URL's host is then only the Host header */
	const struct http_header *headers;
	size_t n_headers;
	const void *body;
	size_t body_size;
	const struct http_tls *tls;  /* for https URLs; NULL: the system's trust */
	uint64_t connect_timeout_ns; /* 0: 10 s */
	uint64_t timeout_ns;         /* the whole call; 0: 30 s without on_data, none with it */
	uint64_t idle_timeout_ns;    /* no byte received for so long: -ETIMEDOUT; 0: none */
	size_t max_body;             /* 0: HTTP_CLIENT_MAX_BODY; does not count with on_data */
	bool http1;                  /* never HTTP/2; a connection of its own with fresh */
	bool fresh;                  /* a new connection, closed afterwards */
};

struct http_response {
	int code;        /* 0: an HTTP answer was received whole; else negative errno */
	char error[256]; /* what went wrong when code < 0 */
	int status;      /* 0 when no answer came */
	struct http_headers headers;
	struct strbuf body; /* empty with on_data */
};

struct http_handlers {
	/* Optional: status and headers are there, body follows. */
	void (*on_headers)(void *arg, int status, const struct http_headers *headers);
	/* Optional: body pieces as they come, instead of collecting them. Never after cancel. */
	void (*on_data)(void *arg, const char *data, size_t n);
	/* Required. response belongs to the call; take with http_response_take() to keep it. */
	void (*on_done)(void *arg, struct http_response *response);
};

/*
 * Starts a call; never calls back before it returns. -EINVAL (URL, header with a line break ...)
 * is the only failure reported here; all others come through on_done: -ECONNREFUSED,
 * -EHOSTUNREACH (resolve), -ETIMEDOUT, -ECONNRESET, -EPROTO, -EBADMSG (TLS), -EFBIG (limits), -EIO.
 */
int http_start(struct http_client *client, const struct http_request *request,
	       const struct http_handlers *handlers, void *arg, struct http_call **ret_call,
	       struct error *err);
/* No callback after this. NULL is fine. Allowed inside the call's own on_headers and on_data. */
void http_cancel(struct http_call *call);

void http_response_release(struct http_response *r);

/*
 * For command-line tools: runs the loop until the call is done. *ret_response is the caller's to
 * release, also when code < 0 (returned and set in err).
 */
int http_call_wait(struct loop *loop, struct http_client *client,
		   const struct http_request *request, struct http_response *ret_response,
		   struct error *err);
