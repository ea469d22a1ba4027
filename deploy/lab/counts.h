/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/counts.h - what the lab's clients and servers counted, summed over every pod that ever
 * ran.
 *
 * Each run of a workload container writes DIR/counts/NAMESPACE_POD.json (environment
 * SIDESTEP_LAB_COUNTS), whole, about once a second and once more at its end; the file outlives the
 * pod. Numbers only grow (a run that kill -9 ended keeps its last ones by ledger.h; what it had on
 * its way then is failed), so the difference of two readings is what happened in between. While
 * DIR/counts/pause exists clients begin nothing new, so that both sides can be compared at rest.
 *
 * Gates never read this: they have what a user has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/vec.h"
#include "lib/doc/doc.h"

#define COUNTS_MAX_FILES  4096u
#define COUNTS_FILE_BYTES (4u << 20)
#define COUNTS_BUCKETS    64

struct count_bucket {
	int64_t upper_us, n;
};

/* One client workload, one target, one way of connecting; all its pods together. */
struct count_edge {
	const char *client; /* "production/frontend" */
	const char *target; /* "http://order-service:8080/" */
	const char *how;    /* "fresh", "kept", "hold" */
	bool refuse;        /* these requests must be refused */
	int64_t sent, ok, refused, refused_missing, failed;
	struct doc *kinds, *forms; /* maps: failures by kind, refusals by form */
	struct count_bucket latency[COUNTS_BUCKETS];
	size_t n_latency; /* by upper bound */
};

/* What one server workload says it received from one client workload. */
struct count_served {
	const char *server, *client;
	int64_t port, requests;
};

struct counts {
	struct arena arena;
	VEC(struct count_edge) edges; /* by client, target, how */
	VEC(struct count_served) served;
	/* long_lived: opened; of a span of time, open in it, whenever that was opened. */
	int64_t long_lived, ended_with_pod, lost;
	/* Failures, refusals missing and lost connections, newest readings last: {at, began, kind,
	 * detail, client, pod, target, how, port?, peer?, server?, unfinished?}. */
	struct doc *recent;
	size_t files;
};

int counts_read(const char *dir, struct counts *out, struct error *err);
void counts_release(struct counts *c);
/* NULL when there is none. */
const struct count_edge *counts_find(const struct counts *c, const struct count_edge *like);
/* out = now - before, edge by edge; out keeps pointers into now, which must live as long. */
void counts_since(const struct counts *now, const struct counts *before, struct counts *out);

struct count_totals {
	int64_t sent, ok, refused, refused_missing, failed;
	int64_t by_kill; /* of the failed: taken by kills (kills.h); the reader's own sum */
};
struct count_totals counts_total(const struct counts *c);
/* Latency in milliseconds below which a share (0..1) of the passing requests of all edges ended; of
 * connections how ("fresh", "kept"), NULL for both. Negative when there were none. */
double counts_latency_ms(const struct counts *c, double share, const char *how);

/*
 * Servers against clients at rest: list of {client, server, ok, served} where a server
 * received fewer requests than its client had answered, and of {client, server, got_through,
 * served} where it received more than got through of a client that it must refuse altogether;
 * *ret_retries is what servers received beyond what clients sent (a proxy's retries).
 */
struct doc *counts_mismatches(struct arena *a, const struct counts *c, int64_t *ret_retries);
