/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/kills.h - what a kill of a sidecar or of a workload took with it, and nothing else.
 *
 * A failure is a kill's only if it is known to have gone through the very pod that was hit, and
 * while it was hit. Its own client's pod is known. The server's pod is known from what it answered
 * on that connection before, from the address where the client's socket led (the kernel's word,
 * also of a connect() that was refused), or, where the client's sidecar chose it, from that
 * sidecar's access log. Where none of these says, the failure stays a failure. Pure but for reading
 * the logs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/vec.h"
#include "lib/doc/doc.h"

/*
 * Out of the endpoints is what the API says; agents and sidecars follow, and one that was itself
 * ended is there again within a second.
 */
#define KILLS_FOLLOW_NS (2 * INT64_C(1000000000))

/*
 * Of a kill by somebody else only the second is told in which its kubelet noticed it, which may be
 * a moment after clients did.
 */
#define KILLS_NOTICE_NS (1 * INT64_C(1000000000))

enum kill_what { KILL_SIDECAR, KILL_WORKLOAD };
const char *kill_what_name(enum kill_what what);

/* Wall times; 0: it did not happen (yet). */
struct kill_record {
	enum kill_what what;
	bool foreign; /* somebody else's: known from the pod's status */
	const char *namespace, *pod, *uid, *container, *address;
	int64_t pid;
	int64_t restarts;   /* of the container before it */
	int64_t killed_ns;  /* just before; of a foreign one the earliest it can have been */
	int64_t noticed_ns; /* not later than this */
	int64_t out_ns;     /* no Service of its namespace has it as ready endpoint */
	int64_t ready_ns;   /* started again, and the pod Ready */
	int64_t gone_ns;    /* the pod was deleted instead */
	int64_t requests, connections; /* taken with it */
};
typedef VEC(struct kill_record) kill_records;

/* A Service without any ready endpoint, because its pods were killed one after the other. */
struct kill_outage {
	const char *namespace, *service;
	size_t kill;               /* the last of them */
	int64_t from_ns, until_ns; /* wall; until 0: not over */
};
typedef VEC(struct kill_outage) kill_outages;

struct kill_log {
	kill_records kills;
	kill_outages outages;
};
void kill_log_release(struct kill_log *log);

/* One failed request or lost connection. */
struct kill_incident {
	const char *namespace, *pod; /* the client's */
	const char *server;          /* pod, in the same namespace or elsewhere; NULL: not known */
	const char *server_address;  /* NULL: not known */
	const char *service_namespace, *service; /* what it was meant for */
	bool nowhere; /* it was sent to no server at all: there was none to be had */
	int64_t began_ns, ended_ns;
	bool unfinished; /* its client's process ended under it */
};

/* The kill that took it, the first of several; NULL: none, it is a failure. */
struct kill_record *kills_blame(const struct kill_log *log, const struct kill_incident *i);

/*
 * Blames every incident of a list (struct counts' recent) that began at or after since_ns, counts
 * them into kills, and sets `kill` (its index) in those that were taken. Where a sidecar chose the
 * server, `server_address` and `flags` are added from its access log in folder dir.
 */
void kills_account(struct kill_log *log, struct arena *a, struct doc *incidents, const char *dir,
		   int64_t since_ns);

/* Where a sidecar sent what came from address:port of its pod while [began, ended]; its last
 * attempt. */
struct kill_route {
	const char *address; /* of the pod; NULL: nowhere */
	const char *flags;   /* Envoy's response flags */
};
/* text: an access log (JSON lines). False when it does not say. */
bool kills_route(struct arena *a, const char *text, size_t n, uint16_t port, int64_t began_ns,
		 int64_t ended_ns, struct kill_route *ret_route);
