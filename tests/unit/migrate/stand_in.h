/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/migrate/stand_in.h - a cluster in this process: the lab's API server on a fake clock,
 * with stand-ins for what would live in it.
 *
 * Real: the API server with its webhooks, the migration's requests, its journal on disk. Stand-ins,
 * moved by one call per waiting: the Deployment controller and kubelets (pods made anew when a
 * template changed, with a sidecar if the real injector's patch says so), budgets, one agent that
 * publishes endpoints and answers requests, and what a probe pod leaves behind.
 */
#pragma once

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/http/server.h"
#include "migrate/tool.h"

enum probe_fault {
	PROBE_WELL,
	PROBE_NEVER_ENDS,
	PROBE_WORDLESS,     /* ends and leaves no findings */
	PROBE_GARBAGE,      /* leaves something else */
	PROBE_LATE_SIDECAR, /* a sidecar has not taken its configuration */
	PROBE_LATE_SINCE,   /* sidecars take no new one */
	PROBE_MISCOUNTS,    /* does not account for one sidecar */
	PROBE_IS_INJECTED,  /* has a sidecar though it asked for none */
	PROBE_CONTRADICTS,  /* its own sidecar answers where it has none, or the other way */
};

struct stand_in {
	struct arena arena;
	char dir[64];
	struct fake_clock clock;
	struct loop *loop;
	struct apiserver *server;
	struct http_server *injector;
	struct cluster cluster; /* as the world itself; not the migration's */
	unsigned pods_made;
	/* Faults a test asks for. */
	int64_t refused; /* calls on the plan's edge that the agent claims to have refused so far */
	bool agent_silent;
	/* In audit: every third look finds it not ready; then it counts so many would-be refusals.
	 */
	bool agent_falters;
	int64_t refuses_faltering;
	unsigned looks;
	int64_t refused_port; /* of those calls; 0: the edge's */
	int64_t scanned;    /* refused calls that the agent counts of somebody who is on no edge */
	bool agent_forgets; /* its list of counters is empty */
	bool agent_stale; /* it lives, and its clock too, but nothing it saw is new: same "updated"
			   */
	unsigned epoch;   /* of the agent's counters */
	int64_t skew_ns;  /* how far the sidecars' clocks are ahead */
	int64_t agent_skew_ns;
	int64_t took_ms;   /* by their clocks: when the sidecars took their configuration */
	const char *rules; /* what was in it */
	enum probe_fault probe;
};

void stand_in_new(struct stand_in *w);
void stand_in_free(struct stand_in *w);
/* One round of everything that lives in the cluster. */
void stand_in_tick(struct stand_in *w);

/* The agent's object, which it does not make again. */
void stand_in_remove_node(struct stand_in *w);
void stand_in_remove(struct stand_in *w, const struct object_kind *kind, const char *ns,
		     const char *name);
void stand_in_create(struct stand_in *w, const struct doc *object);

/* A cluster for a migration: a client of its own on the same loop and clock. */
struct cluster stand_in_cluster(struct stand_in *w);

struct doc *stand_in_get(struct stand_in *w, struct arena *a, const struct object_kind *kind,
			 const char *ns, const char *name);
void stand_in_patch(struct stand_in *w, const struct object_kind *kind, const char *ns,
		    const char *name, const char *merge_patch_json);
/*
 * The state as text: every object a migration may touch in its canonical form, and of the pods how
 * many of each workload have a sidecar. What a restart leaves behind (its stamp) is not in it.
 */
const char *stand_in_state(struct stand_in *w, struct arena *a);
