/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/world.h - what a gate sees at one moment: nodes, their agents' pods, and what the agents
 * publish. Read anew for every sample.
 */
#pragma once

#include "lib/object/cluster.h"
#include "lib/object/pod.h"
#include "lib/object/sidestep.h"
#include "upgrade/machine.h"

/* Agents publish every few seconds; older than this is silence. */
#define AGENT_SILENT_NS (60 * NS_PER_S)

struct world_pod {
	const char *uid, *name; /* "namespace/name" */
};

struct world_node {
	const char *name;
	bool ready, control_plane;
	bool left_out; /* the DaemonSet is not meant to run here (any more) */
	/* Its agent's pod that is not on its way out; NULL: none. */
	const struct pod *pod;
	const struct doc *pod_object;
	const char *image;   /* that pod's, of the agent's container */
	unsigned pods;       /* of the DaemonSet here, also those that are ending */
	bool ending;         /* one of them is */
	int64_t restarts;    /* of its containers */
	const char *waiting; /* why a container of it does not run ("CrashLoopBackOff"); or NULL */
	/* What its agent publishes; NULL: nothing. */
	const struct sidestep_node *status;
	const struct doc *status_object;
	struct strings uids;       /* of all pods here that have not finished */
	struct world_pod *unready; /* those of them that are not ready */
	size_t n_unready;
};

struct world {
	struct arena *arena;
	const struct upgrade *upgrade;
	const struct doc *daemonset; /* NULL: there is none */
	/* By name; without those that are meant to have no agent, but for nodes of the plan. */
	struct world_node *nodes;
	size_t n_nodes;
	struct strings left_out; /* names of those */
};

int world_look(struct world *w, struct arena *a, const struct upgrade *u, struct error *err);
/* The same of objects at hand. */
int world_of(struct world *w, struct arena *a, const struct upgrade *u, const struct doc *daemonset,
	     const struct doc *nodes, const struct doc *pods, const struct doc *statuses,
	     struct error *err);
/*
 * Whether a SidestepRun is of somebody who changes the cluster and has not ended. A runbook changes
 * it through such a tool, this one among them, so its own run stands in nobody's way.
 */
bool world_is_rival(const struct doc *run);
/*
 * It has published nothing for long, or nobody knows when: what there is to say of it ("is silent
 * since ..."), with both clocks. NULL: it speaks.
 */
const char *world_silence(struct arena *a, const struct sidestep_node *s, int64_t wall_ns);
bool world_is_silent(const struct sidestep_node *s, int64_t wall_ns);
/* The plan of the run names it. */
bool world_is_planned(const struct world *w, const char *node);
/* Beside node `last`, with which a way back ends: it has the version of the other end. */
bool world_is_astray(const struct world *w, const struct world_node *n, const char *last);
/* NULL: it is not there (any more). */
const struct world_node *world_node(const struct world *w, const char *name);
