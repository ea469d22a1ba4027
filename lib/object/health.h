/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/health.h - what an agent says of itself for gates: status.health of its SidestepNode,
 * and the member of that name in what its socket answers.
 *
 * A number that is not there is not known; nobody may take it for zero. Counters only grow while
 * what is named beside them stays the same: started for those of the process, metrics_epoch for
 * those of the kernel's map, and the node's boot id for all. That map is pinned: drops go on over
 * every agent and release that takes the pins over, and begin anew, in another epoch, with new pins
 * (a reboot, an unload). lib/agentapi/health.h asks the questions of an upgrade over it.
 */
#pragma once

#include "lib/object/meta.h"

/* So many of each are named; counts go on. */
#define SIDESTEP_MAX_NOT_READY   32
#define SIDESTEP_MAX_MISSING     32
#define SIDESTEP_MAX_CONTROLLERS 32
#define SIDESTEP_MAX_DROPS       128
/* Of one error; the rest is cut. */
#define SIDESTEP_MAX_ERROR 512

/* An endpoint that is not "ready". */
struct sidestep_not_ready {
	int64_t id;
	const char *namespace, *pod, *state;
	const char *error; /* of the last build; NULL: it has not failed, only not ended */
	const char *since; /* RFC 3339 */
};

struct sidestep_health_endpoints {
	struct opt_int expected; /* endpoints, and pods of this node that should have one */
	struct opt_int ready;
	struct opt_int restored; /* found on disk when this agent started, and still there then */
	struct opt_int not_ready;
	struct sidestep_not_ready *items; /* the first of not_ready */
	size_t n_items;
	struct opt_int missing;      /* running pods of this node without an endpoint */
	struct strings missing_pods; /* "namespace/pod" of the first */
};

/* Whole endpoints, not rounds: on request, by a job, or by the recovery of one that failed. */
struct sidestep_regenerations {
	struct opt_int done, failed; /* of this process */
};

/* Packets of one reason and direction; without a row there was none since metrics_epoch. */
struct sidestep_drop {
	int64_t reason;   /* number of datapath/abi/verdict.h */
	const char *name; /* "POLICY_DENIED" */
	const char *direction;
	int64_t packets, bytes;
};

/* A map that can fill, and how full it is. */
struct sidestep_map {
	const char *name;       /* "conntrack" */
	int64_t layout;         /* its version */
	struct opt_int entries; /* not there: not counted yet */
	int64_t max;
	bool evicts; /* forgets its oldest row instead of refusing a new one */
};

struct sidestep_programs {
	const char *tag;        /* of the packet program that is loaded, hexadecimal */
	struct strings ids;     /* "from_pod=412" */
	struct opt_int devices; /* of pods, looked at the last time */
	struct opt_int wrong;   /* of them: with another program than ours, or none */
};

/* Something that has failed and is tried again. */
struct sidestep_controller {
	const char *name; /* "reconcile", "endpoint-12-regeneration-recovery" */
	int64_t failures; /* in a row */
	const char *error;
	const char *since;        /* of the first of them */
	const char *next_attempt; /* NULL: when something changes */
};

struct sidestep_process {
	struct opt_int cpu_ms; /* of this process, user and system */
	struct opt_int rss_bytes;
	struct opt_int limit_bytes; /* the smallest above it in its cgroup; not there: none known */
};

struct sidestep_health {
	const char *started; /* RFC 3339: when this process began */
	struct opt_int
		starts; /* agents that ever began on this node's state folder, this one too */
	struct opt_int clock_ms;  /* the machine's monotonic clock at this status; with bootID */
	struct opt_int uptime_ms; /* of this process */
	struct sidestep_health_endpoints endpoints;
	struct sidestep_regenerations regenerations;
	const char *metrics_epoch; /* NULL: drops are not known */
	struct sidestep_drop *drops;
	size_t n_drops;
	struct sidestep_map *maps;
	size_t n_maps;
	struct opt_int map_errors; /* writes and deletions the kernel refused; of this process */
	struct opt_int lost_events;
	struct sidestep_programs programs;
	/* Whether controllers is meant: an empty list of it is good news. */
	struct opt_int failing_controllers;
	struct sidestep_controller *controllers;
	size_t n_controllers;
	struct sidestep_process process;
};

extern const struct bind_table sidestep_health_table;
