/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h - what cluster.local says: names of Services, of their endpoints and of pods, from the
 * objects themselves. Pure.
 */
#pragma once

#include "deploy/lab/dns/message.h"
#include "lib/doc/doc.h"

#define ZONE_DOMAIN   "cluster.local"
#define ZONE_ALL_PODS "_pods" /* before a Service's name: every pod behind it, ready or not */
#define ZONE_TTL      5       /* seconds, as CoreDNS has it */

/* Where objects come from. */
struct zone_source {
	/* NULL when there is none. */
	const struct doc *(*service)(void *arg, const char *ns, const char *name);
	/* Calls fn for each EndpointSlice of the Service. */
	void (*slices)(void *arg, const char *ns, const char *service,
		       void (*fn)(void *fn_arg, const struct doc *slice), void *fn_arg);
	bool (*has_namespace)(void *arg, const char *ns);
	void *arg;
};

/* The answer's addresses lie in the arena. Names outside of cluster.local do not exist. */
void zone_answer(struct arena *a, const struct zone_source *source, const struct dns_query *q,
		 struct dns_answer *ret);
