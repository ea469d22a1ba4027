/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/world.h - what a gate sees at one moment: pods, rollouts, and what agents publish.
 *
 * Read anew for every sample. Agents that have not published lately count as silent, and a silent
 * source is unknown, never good.
 */
#pragma once

#include "lib/object/sidestep.h"
#include "lib/object/workload.h"
#include "migrate/machine.h"

/* Agents publish every few seconds; older than this is silence. */
#define AGENT_SILENT_NS (60 * NS_PER_S)

struct world_pod {
	const char *namespace, *name, *workload; /* "Deployment/shop/web", or "Pod/..." */
	const struct pod *pod;
	bool sidecar, ready, ending;
	int64_t restarts;
};

struct world {
	struct arena *arena;
	struct migration *migration;
	struct world_pod *pods; /* of all namespaces at an end of an edge; not the finished */
	size_t n_pods;
	struct sidestep_node *agents;
	size_t n_agents;
};

int world_look(struct world *w, struct arena *a, struct migration *m, struct error *err);

/* A sentence about the first agent that is not ready or silent; NULL when all are well. */
const char *world_silent_agent(const struct world *w);
/*
 * Why the agents' counters do not tell what became of the calls that must pass since the gate
 * (args, gate) first looked: an agent is gone, its counters began anew or shrank, or some may be
 * missing; who an end of an edge is, no agent knows; with ends, which closes the window, also when
 * an agent has not published since. NULL: they tell. *ret_missed: some of it will never be told,
 * and the gate looks from now on.
 */
const char *world_uncounted(const struct world *w, const void *gate, const struct doc *args,
			    const char *verdict, bool ends, bool *ret_missed);
/* The endpoint that an agent publishes for a pod, or NULL. */
const struct sidestep_endpoint *world_endpoint(const struct world *w, const struct world_pod *pod);
/* One object by the plan's ref, decoded. NULL when absent. */
int world_workload(const struct world *w, const struct doc *ref, struct workload **ret_workload,
		   struct error *err);
/*
 * How often the agents saw `verdict` on an edge of the plan since the gate (args, gate) first
 * looked, or last saw some; *ret_where names the first such edge. So a gate passes when its whole
 * window was quiet.
 */
int64_t world_counted(const struct world *w, const void *gate, const struct doc *args,
		      const char *verdict, const char **ret_where);
/* Containers of the namespace's pods that restarted, counted in the same way. */
int64_t world_restarts(const struct world *w, const void *gate, const struct doc *args,
		       const char **ret_where);
