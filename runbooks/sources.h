/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/sources.h - the sources of known.h, asked.
 *
 * Answers come from the Kubernetes API: what agents publish in their SidestepNode, and the
 * cluster's own objects. Without a cluster this node's agent is asked by its own command, and tells
 * of one node. A source answers a map {count, rows, ...}; what it cannot see is not in it (so an
 * expression on it is unknown), and `unseen` says why, field by field. A source that sees nothing
 * at all fails with the reason, and the step is unknown.
 *
 * What agents publish stays there when they are gone. While one is silent, not ready or missing on
 * a node of the cluster (missing_nodes, unheard_nodes), no count over it is known; a map that an
 * agent has just not counted yet is waited for, for at most half the question's timeout.
 *
 * Counters have no times. "In the last 15m" is answered from them where that can be known: all of
 * it, because they began later; more now than at a look of this run (or at the beginning of a hop,
 * which its journal notes) within that time, which is at least so many; as many as at one before
 * that time, which is none. A time of at most half the question's timeout is watched through. Else
 * the count is unknown and the total given.
 */
#pragma once

#include "lib/run/cluster.h"

struct source_env {
	struct cluster *cluster; /* client NULL: none */
	const char *no_cluster;  /* why there is none */
	/* Earlier looks at counters in this run, by question: {at (monotonic ns), total} each. */
	struct arena *arena;
	struct doc *looks;
};
struct source_question {
	const char *source;
	const struct doc *filter; /* strings, filled in */
	uint64_t since_ns;        /* 0: all there is */
	int64_t limit;
	uint64_t timeout_ns;
};
/* -ENODATA: it cannot be seen; every error says why in one sentence. */
int source_ask(struct source_env *env, const struct source_question *q, struct arena *a,
	       struct doc **ret_answer, struct error *err);
/* What `default: {discover: KEY}` finds; -ENODATA with the reason. */
int source_discover(struct source_env *env, const char *key, struct arena *a,
		    const char **ret_value, struct error *err);
/* Not ready, or not built by the agent that runs now. */
struct sidestep_endpoint;
bool source_endpoint_unwell(const struct sidestep_endpoint *e);
/* Every SidestepNode, decoded. -ENODATA when there is none. */
struct sidestep_node;
int source_nodes(struct source_env *env, struct arena *a, struct sidestep_node **ret_nodes,
		 size_t *ret_n, struct error *err);
