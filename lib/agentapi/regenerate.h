/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/agentapi/regenerate.h - how a regeneration of endpoints stands, from its request and the
 * cluster's nodes. Pure; the agents take their turns by it, tools show and judge by it.
 *
 * Turns: nodes stand in the order of spec.nodes, or by name. A node begins when fewer than
 * maxParallel before it have not ended. One that is not ready by its Node's condition is not waited
 * for: it has its turn when it comes back. When more than maxFailed endpoints have failed, whoever
 * has not ended stops, and says so in its turn. A node that is ready and silent holds up all behind
 * it, on purpose: what it carries is not known to be well.
 */
#pragma once

#include "lib/base/map.h"
#include "lib/object/cluster.h"
#include "lib/object/sidestep.h"

enum regenerate_state {
	REGENERATE_PENDING, /* has not answered */
	REGENERATE_RUNNING,
	REGENERATE_DONE,
	REGENERATE_FAILED,  /* all endpoints were tried, some failed */
	REGENERATE_STOPPED, /* some endpoints were not tried: too many had failed */
	REGENERATE_STATE_COUNT
};
/* "pending" ... "stopped", as in a request's status. */
const char *regenerate_state_name(enum regenerate_state s);

struct regenerate_turn {
	const char *node;
	enum regenerate_state state;
	bool due;       /* pending, and nobody before it holds it up */
	bool absent;    /* named in the request, but no node of the cluster has that name */
	bool not_ready; /* by its Node's condition; nobody waits for it */
	const struct sidestep_request_node *answer; /* of this generation; NULL while pending */
};

struct regenerate_job {
	struct regenerate_turn *turns; /* in their order */
	size_t n_turns;
	size_t n_states[REGENERATE_STATE_COUNT];
	/* Sums of what the nodes say. */
	int64_t selected, regenerated, failed, repaired, omitted;
	int64_t max_failed;
	bool too_many; /* failed more than max_failed: nobody begins another endpoint */
	bool over;     /* every node that is there has ended; nothing more will happen by itself */
};

/* In the arena; borrows from *r. nodes in any order. */
void regenerate_job(struct arena *a, const struct sidestep_request *r, const struct node *nodes,
		    size_t n_nodes, struct regenerate_job *ret);
/* NULL when the node is not concerned. */
const struct regenerate_turn *regenerate_turn_of(const struct regenerate_job *job,
						 const char *node);

/*
 * How many of the endpoints that a node has published (NULL: nothing) a request would take: of that
 * namespace (NULL: of all), and of pods that are selected; uids has their uids, as strings, by
 * "namespace/pod" (NULL: every pod). An endpoint of a pod that is gone may have the name of one
 * that is there; one whose pod's uid is not known goes by its name.
 */
int64_t regenerate_count(const struct sidestep_node *agent, const char *namespace,
			 const struct map *uids);

/*
 * Leaves as many endpoints named in a node's answer (an item of status.nodes) as the limits of
 * lib/object/sidestep.h allow, when the answers of the other nodes take others_bytes: all, some
 * (those that failed or were repaired; of an audit the first), or none; what is left out is added
 * to "omitted".
 */
void regenerate_trim(struct arena *a, struct doc *item, size_t others_bytes);
