/* SPDX-License-Identifier: Apache-2.0 */
/* lib/http/server_internal.h - what server.c (listening, reading) and exchange.c (answering) share.
 */
#pragma once

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

#include "lib/http/message.h"
#include "lib/http/server.h"

struct connection;

struct http_exchange {
	struct connection *conn;
	struct http_view view;
	struct http_query query;
	char *path;
	struct http_headers reply;
	void *data;
	void (*on_close)(void *arg, bool complete);
	void *on_close_arg;
	void (*on_drain)(void *arg);
	void *on_drain_arg;
	bool started, chunked;
};

struct listener {
	struct listener *next;
	struct http_server *server;
	struct evconnlistener *ev;
	SSL_CTX *tls;
	char *unix_path; /* removed on free */
};

struct connection {
	struct connection *next, **prev;
	struct http_server *server;
	struct bufferevent *bev;
	struct http_parser parser;
	struct http_exchange *exchange; /* the request being answered */
	struct loop_timer *deadline;
	char *peer, *peer_cn;
	char **peer_orgs;
	uid_t peer_uid;
	bool tls;
	bool continued;   /* "100 Continue" was sent for this request */
	bool close_after; /* close once the output is flushed */
	bool processing;  /* inside connection_process() */
	bool refused;     /* the input could not be parsed: its rest is thrown away */
	bool dead;        /* to be freed from the loop */
	bool overflow;    /* too much unsent: killed by the deadline timer */
};

struct http_server {
	struct loop *loop;
	struct http_server_options options;
	struct listener *listeners;
	struct connection *connections;
	unsigned n_connections;
	bool draining, paused;
	void (*on_idle)(void *arg);
	void *on_idle_arg;
};

/* Starts answering conn's parsed request. */
void exchange_begin(struct connection *conn);
/* Ends conn's exchange without another byte: on_close(complete) and free. */
void exchange_finish(struct connection *conn, bool complete);
/* Refuses unparsable input and closes. */
void exchange_refuse(struct connection *conn, int status);
/* The output is empty. */
void exchange_drained(struct connection *conn);

/* The answer ended: keep-alive goes on with what is in the input. */
void connection_next(struct connection *conn);
/* Ends it now; the struct goes from the loop. reset: RST instead of FIN. */
void connection_kill(struct connection *conn, bool reset);
/* (Re)starts the timer for what the connection waits for now. */
void connection_deadline(struct connection *conn);

/* tls_context.c */
int tls_server_context(const struct http_server_tls *tls, SSL_CTX **ret_ctx, struct error *err);
/* Subject of the verified client certificate, if any. */
void tls_peer_subject(SSL *ssl, char **ret_cn, char ***ret_orgs);
