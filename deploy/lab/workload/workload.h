/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/workload/workload.h - an application that serves, calls others, and counts.
 *
 * Requests are begun on a fixed schedule, each measured from the moment it was due, never repeated.
 * Every line of the TCP protocol (of UDP: every datagram) and every HTTP request names its client,
 * so that servers count by caller too. On SIGTERM the program begins nothing new, finishes what it
 * began, answers what still comes ("Connection: close", or a line that ends in " bye") and exits
 * when nobody is connected.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/lab/ledger.h"
#include "lib/base/arena.h"
#include "lib/base/strbuf.h"
#include "lib/base/vec.h"
#include "lib/cli/cli.h"
#include "lib/doc/doc.h"
#include "lib/loop/loop.h"

struct workload_options {
	int64_t http, tcp_echo, tcp_first, udp_echo;
	const char *version;
	int64_t rate, lines;
	struct cli_list call, hold, refuse;
	bool probe;
};

enum protocol { PROTOCOL_HTTP, PROTOCOL_TCP, PROTOCOL_TCP_FIRST, PROTOCOL_UDP };

struct resolver;
struct servers;
struct clients;

struct workload {
	const struct workload_options *options;
	struct arena arena;
	struct loop *loop;
	const char *pod, *namespace, *name; /* name: of the workload, "order-service" */
	const char *client;                 /* "production/order-service" */
	const char *counts_path, *pause_path;
	struct ledger *ledger;
	struct loop_timer *write_timer;
	struct resolver *resolver;
	struct servers *servers;
	struct clients *clients;
	bool ending; /* SIGTERM came */
};

/* The counts are written a moment from now instead of within a second: something went wrong. */
void workload_write_soon(struct workload *w);

/* --- resolver.c: names to addresses, asked again in the background, never waited for --- */

struct resolver *resolver_new(struct loop *loop, const char *namespace);
void resolver_free(struct resolver *r);
struct resolved;
/* Starts to follow a host; the same host is followed once. */
struct resolved *resolver_follow(struct resolver *r, const char *host);
/* The next of its addresses in turn; false while none is known. */
bool resolved_pick(struct resolved *name, struct in_addr *ret_addr);

/* --- server.c --- */

int servers_start(struct workload *w, struct error *err);
/* Answers say goodbye from now on. */
void servers_end(struct servers *s);
unsigned servers_connections(const struct servers *s);
/* Appends {port, client, requests} of every client seen. */
void servers_count(const struct servers *s, struct arena *a, struct doc *list);
void servers_free(struct servers *s);

/* --- client.c --- */

int clients_start(struct workload *w, struct error *err);
/* Begins nothing new; what is open is closed when it is answered. */
void clients_end(struct clients *c);
bool clients_idle(const struct clients *c);
void clients_count(const struct clients *c, struct arena *a, struct doc *edges,
		   struct doc *long_lived);
void clients_free(struct clients *c);

int lab_workload_main(const struct cli_call *call, struct error *err);
