/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/agentapi/health.h - is a node as well after a change as it was before? The questions that an
 * upgrade's node gate asks of a SidestepNode (reference/operations.md 4.6), as one table. Pure.
 *
 * Statuses of one node at up to four moments are compared:
 *
 *     baseline ------ before | the change | previous ----- now
 *     usual rates                           the last sample, of the changed agent
 *
 * What a status does not say is unknown, and so is what cannot be compared: another boot, counters
 * that began anew, a clock that went back. Unknown is never pass. Skip is said of what does not
 * arise (no regeneration was asked for), never of what is silent.
 */
#pragma once

#include "lib/object/sidestep.h"
#include "lib/report/finding.h"

/* id, what is asked */
#define HEALTH_ITEMS(X)                                                                            \
	X(READY, "ready", "the agent is ready, and has said so lately")                            \
	X(VERSION, "version", "the agent has the version it should have")                          \
	X(RESTARTS, "restarts", "the agent was started as often as it was meant to")               \
	X(ENDPOINTS, "endpoints", "every endpoint is ready, and no pod is without one")            \
	X(CONTROLLERS, "controllers", "nothing in the agent is failing and tried again")           \
	X(RESTORED, "restored", "every endpoint from before is there, minus pods that went")       \
	X(GENERATION, "generation", "every endpoint's generation advanced")                        \
	X(REGENERATIONS, "regenerations", "no regeneration failed")                                \
	X(DROPS, "drops", "drops are as rare as before, and none is of a new, serious reason")     \
	X(DENIED, "denied", "nobody is refused who was let through before")                        \
	X(MAP_ERRORS, "map-errors", "the kernel refused no row")                                   \
	X(MAP_PRESSURE, "map-pressure", "no map is nearly full")                                   \
	X(CONNTRACK, "conntrack", "remembered connections were not lost")                          \
	X(PROGRAMS, "programs", "every device runs the agent's programs")                          \
	X(CPU, "cpu", "the agent takes no more than twice the processor time it took")             \
	X(MEMORY, "memory", "the agent's memory does not grow towards its limit")

enum health_item_id {
#define X(symbol, ...) HEALTH_##symbol,
	HEALTH_ITEMS(X)
#undef X
		HEALTH_ITEM_COUNT
};

/* Drops by reason: the rate may be so much of what it was, plus so much. */
#define HEALTH_DROP_FACTOR_PERCENT 150
#define HEALTH_DROP_FLOOR_PER_MIN  60
#define HEALTH_PRESSURE_PERCENT    90
/* Fewer remembered connections than this percentage of before are lost ones, from so many on. */
#define HEALTH_CONNTRACK_PERCENT 50
#define HEALTH_CONNTRACK_FLOOR   100
/* Processor time: so much of what it was, and less than the floor is always well. */
#define HEALTH_CPU_FACTOR_PERCENT  200
#define HEALTH_CPU_FLOOR_PER_MILLE 100 /* of one processor */
/* So much is never well where what it took before is not known. */
#define HEALTH_CPU_CEILING_PER_MILLE 800
/* Memory: below that share of its limit; not to be reached within the horizon at its growth. */
#define HEALTH_MEMORY_PERCENT     90
#define HEALTH_MEMORY_HORIZON_MS  (60 * 60 * 1000)
#define HEALTH_MEMORY_SLACK_BYTES (64 << 20) /* without a limit: above twice what it took */
#define HEALTH_MEMORY_STEP_BYTES  (8 << 20)  /* growth less than this between samples is none */
/* The same of a look that was an hour or more ago, of an agent that had filled itself by then. */
#define HEALTH_MEMORY_FAR_MS  (24 * 60 * 60 * 1000)
#define HEALTH_MEMORY_FULL_MS (30 * 60 * 1000)

struct health_question {
	const struct sidestep_node *baseline; /* NULL: rates before the change are not known */
	const struct sidestep_node *before;   /* NULL: nothing is known of before */
	/* Set when the machine was started anew since the change: what was said before the change.
	 * *before is then what was said first after the start, and counted_later is set. */
	const struct sidestep_node *origin;
	const struct sidestep_node *previous; /* NULL: this is the first sample after the change */
	const struct sidestep_node *long_ago; /* an earlier sample than that; NULL: there is none */
	const struct sidestep_node *now;      /* NULL: there is none; everything is unknown */
	const char *version;                  /* NULL: that of before */
	int64_t starts;                       /* of the agent that were meant to be, since before */
	bool regenerated; /* all endpoints were regenerated since before, or should have been */
	bool unchanged;   /* nothing was changed between before and now: only what is new counts */
	/* Known to have been refused just before the change, where before does not say when. */
	const struct sidestep_counter *refusing;
	size_t n_refusing;
	/* The counters of *before were counted only after the change (that look is all that is left
	 * of it): what had been refused by the change is what `refused` tells, with its count then.
	 */
	bool counted_later;
	const struct sidestep_counter *refused;
	size_t n_refused;
	/* Uids of the node's pods at this moment, so that one that went is not missed. */
	const struct strings *pods; /* NULL: not known */
	int64_t wall_ns;            /* the caller's time; 0: do not ask how old *now is */
	uint64_t max_age_ns;        /* older is silence */
};

struct health_item {
	const char *id, *title;
	enum finding_result result;
	const char *words;    /* one sentence with the numbers it rests on; in the arena */
	const char *forgiven; /* what is over and so counts no more; NULL: nothing */
};

/* All of HEALTH_ITEMS, in their order. */
void health_ask(struct arena *a, const struct health_question *q,
		struct health_item ret_items[HEALTH_ITEM_COUNT]);
/*
 * The pairs that were refused between two statuses of one node before its change, among those that
 * have ever been let through: what question.refusing wants. At most HEALTH_MAX_REFUSING; in a.
 */
#define HEALTH_MAX_REFUSING 64
/* Whether an earlier look's row of that map is compared with a later one; all others need not be
 * kept. */
bool health_compares_map(const char *name);
struct sidestep_counter *health_refusing(struct arena *a, const struct sidestep_node *earlier,
					 const struct sidestep_node *before, size_t *ret_n);
/*
 * What question.refused wants of a status just before a change: pairs that were ever refused, those
 * that were let through, too, before all others.
 */
#define HEALTH_MAX_REFUSED_BOTH 64
#define HEALTH_MAX_REFUSED      32 /* with those that never were let through */
struct sidestep_counter *health_refused(struct arena *a, const struct sidestep_node *before,
					size_t *ret_n);
/* The pairs for which DENIED of that question is not well; at most HEALTH_MAX_REFUSED. */
struct sidestep_counter *health_denied(struct arena *a, const struct health_question *q,
				       size_t *ret_n);
/* Whether there is such a pair at all, refused at whatever time. */
bool health_may_refuse(const struct sidestep_node *n);
/* Fail when one fails, else unknown when one is unknown, else pass. */
enum finding_result health_judge(const struct health_item items[HEALTH_ITEM_COUNT]);
