/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/workload/tally.h - what became of one flow's requests: kinds, latencies, incidents. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/doc/doc.h"

enum { TALLY_KINDS = 16, TALLY_BOUNDS = 23, TALLY_RECENT = 64, POD_NAME_SIZE = 80 };

struct tally_list {
	struct {
		const char *name;
		int64_t n;
	} items[TALLY_KINDS]; /* the unused are at the end */
};

/* What went wrong, and what tells which pods it went through. */
struct incident {
	int64_t began_wall, wall_ns;
	const char *kind;
	char detail[120];
	uint64_t cookie;            /* of the socket, until it is known where it led */
	uint16_t port;              /* ours */
	struct in_addr peer;        /* where the socket led; 0: not known (yet) */
	char server[POD_NAME_SIZE]; /* the pod that answered on this connection before; "" unknown
				     */
};

struct tally {
	struct tally_list kinds; /* how requests that must pass failed */
	struct tally_list forms; /* in which form those that must not were refused */
	int64_t latency[TALLY_BOUNDS];
	struct incident recent[TALLY_RECENT];
	size_t n_recent; /* ever; the ring holds the last */
};

/* name is not copied. A seventeenth name is not counted. */
void tally_count(struct tally_list *list, const char *name);
void tally_latency(struct tally *t, uint64_t ns);
/* A new incident, zeroed, over the oldest when the ring is full. */
struct incident *tally_incident(struct tally *t);
/* The socket of this cookie led to peer; whether an incident was waiting for that. */
bool tally_peer(struct tally *t, uint64_t cookie, struct in_addr peer);
/* Adds kinds, forms, latency_us ([upper bound, n] each) and recent to d. */
void tally_write(const struct tally *t, struct arena *a, struct doc *d);
