/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/endpoint.h - a pod's interface on this node, from ADD to DEL, across restarts.
 *
 *   (new) -> waiting-for-identity -> ready -> waiting-to-regenerate -> regenerating -> ready
 *   (found on disk) -> restoring -> regenerating -> ready
 *   any -> disconnecting -> disconnected
 *
 * The states and the moves between them are Cilium's (reference/operations.md 4.3), so that what
 * tools and gates know of them holds here. What is served as "not-ready" is an endpoint that is
 * ready for a build but whose last build, regeneration or attaching failed; it is tried again by
 * itself, later each time (recovery.c). An endpoint on disk is one file, written before
 * the first row and removed after the last, so that a killed agent finds what the kernel may hold.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/agentapi/attach.h"
#include "lib/base/vec.h"
#include "lib/net/addr.h"

/* state, name */
#define ENDPOINT_STATES(X)                                                                         \
	X(WAITING_FOR_IDENTITY, "waiting-for-identity")                                            \
	X(READY, "ready")                                                                          \
	X(WAITING_TO_REGENERATE, "waiting-to-regenerate")                                          \
	X(REGENERATING, "regenerating")                                                            \
	X(RESTORING, "restoring")                                                                  \
	X(DISCONNECTING, "disconnecting")                                                          \
	X(DISCONNECTED, "disconnected")                                                            \
	X(INVALID, "invalid")

enum endpoint_state {
#define X(symbol, name) ENDPOINT_STATE_##symbol,
	ENDPOINT_STATES(X)
#undef X
		ENDPOINT_STATE_COUNT
};

const char *endpoint_state_name(enum endpoint_state s);
/* Whether the table allows the move; builder: the caller is the builder. */
bool endpoint_may_move(enum endpoint_state from, enum endpoint_state to, bool builder);

/* Something that failed and is tried again. */
struct failing {
	char *error;      /* of the last time; NULL: it works */
	unsigned times;   /* in a row */
	int64_t since;    /* wall clock, of the first of them */
	uint64_t next_ns; /* loop time of the next attempt */
	int64_t next;     /* the same, on the wall */
};
/* now: both clocks. The waits double, from 2 s to at most max_ns. */
void failing_again(struct failing *f, const char *error, uint64_t now_ns, int64_t wall_ns,
		   uint64_t max_ns);
void failing_no_more(struct failing *f);

/* The agent's endpoint. Strings are owned. */
struct agent_ep {
	uint32_t id;
	enum endpoint_state state;
	char *container, *netns, *ifname, *host_ifname;
	char *namespace, *pod, *uid;
	uint32_t ifindex;
	struct net_addr addr;
	bool addr_given; /* not from our block: chaining */
	struct net_mac mac, host_mac;
	uint64_t netns_cookie;
	uint32_t identity;      /* 0: not known */
	char *error;            /* of the last build; NULL when it worked */
	uint64_t revision;      /* of the last build in force */
	bool built;             /* at least one build is in force */
	bool asked;             /* an identity for it is being made */
	struct failing failure; /* of its own: regenerating or attaching; cleared by success only */
	int64_t not_ready_since; /* wall clock; 0: it is ready, or nobody has looked */
};

/* A file that is no endpoint any more: kept, for its pod may run. */
struct bad_record {
	char *path;           /* ID.json.bad */
	char *container;      /* "" when it cannot be told */
	struct net_addr addr; /* family 0 when it cannot be told */
};

struct endpoints {
	VEC(struct agent_ep *) list; /* in order of id */
	VEC(struct bad_record) bad;
	uint32_t next_id;
};

void endpoints_release(struct endpoints *e);
struct agent_ep *endpoints_find(const struct endpoints *e, uint32_t id);
struct agent_ep *endpoints_find_container(const struct endpoints *e, const char *container);
/* A new one with a number of its own, waiting-for-identity. */
struct agent_ep *endpoints_add(struct endpoints *e, const char *container,
			       const struct attach_request *rq, struct error *err);
void endpoints_remove(struct endpoints *e, struct agent_ep *ep);
/* Moves when the table allows it; says whether it did. */
bool endpoint_move(struct agent_ep *ep, enum endpoint_state to, bool builder);
/* The state, or "not-ready" when it is ready but something failed. */
const char *endpoint_shown_state(const struct agent_ep *ep);
/* What failed, or NULL. */
const char *endpoint_shown_error(const struct agent_ep *ep);
/* Notes since when it is not ready. */
void endpoint_settle(struct agent_ep *ep, int64_t wall_ns);

/* One file for each endpoint in dir. */
int endpoint_save(const struct agent_ep *ep, const char *dir, struct error *err);
int endpoint_forget(const struct agent_ep *ep, const char *dir, struct error *err);
/* Every file that can be read; others are renamed to ID.json.bad and stand in e->bad, as do those
 * that were renamed before. */
int endpoints_load(struct endpoints *e, const char *dir, struct error *err);
/* The container is no more: its bad record goes, if it has one; says whether, and its address. */
bool endpoints_forget_bad(struct endpoints *e, const char *container, struct net_addr *ret_addr);

enum { ENDPOINT_ID_MAX = 65535 };
