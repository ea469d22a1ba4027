/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/datapath/attach/chatter.h - live connections from pod A to pod B, which may be on another
 * node, plain and through the service, over TCP and connected UDP, that talk in a process of their
 * own while the test does something to the node; new ones are opened, used and closed in between.
 */
#pragma once

#include <sys/types.h>

#include "tests/datapath/attach/wires.h"

enum { CHATTER_MAX = 1200, CHATTER_NEW = 20 }; /* connections; new ones in a round */

/* Shared with the talking process. */
struct chatter_count {
	uint64_t rounds; /* every connection talked both ways */
	uint64_t opened; /* new ones: allowed, used, closed */
	uint64_t failed;
	char first[200]; /* failure */
};

struct chatter {
	struct wires *from, *to; /* nodes of A and B */
	int listener, udp_server;
	size_t n_tcp, n_udp;
	int client[CHATTER_MAX], server[CHATTER_MAX], udp[CHATTER_MAX];
	struct chatter_count *count;
	uint16_t port;      /* of the last client */
	int stop, progress; /* pipes */
	pid_t child;
};

/* B lets A in, nobody lets B in: whoever forgets a connection refuses its answers. */
void chatter_want(struct wires *w, struct datapath *dp);
/* Half of each go through the service. */
void chatter_open(struct chatter *t, struct wires *from, struct wires *to, size_t tcp, size_t udp);
void chatter_start(struct chatter *t);
/* Waits for so many whole rounds that begin from now on. */
void chatter_rounds(struct chatter *t, unsigned n);
void chatter_stop(struct chatter *t);
/* One round, here. Returns the failures in it. */
uint64_t chatter_round(struct chatter *t);
/* TCP segments that had to be sent again. */
uint64_t chatter_retransmitted(const struct chatter *t);
void chatter_close(struct chatter *t);
