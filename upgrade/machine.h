/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/machine.h - the mesh's machine: its states as step kinds, its questions as gates.
 *
 * The tables are in steps.c and gates.c. A machine is those tables with a profile's durations put
 * in. Everything a step or gate looks at hangs on struct upgrade, which lib/step hands back as
 * `env`.
 */
#pragma once

#include "lib/run/session.h"
#include "upgrade/profile.h"

/* X(symbol, id, title, undo_rank): the states, in their order (reference/operations.md 4.2). */
/* clang-format off */
#define MACHINE_STATES(X)                                                                          \
	X(STATE_PLANNED,    "U0",        "the plan is made", 1)                                    \
	X(STATE_PREFLIGHT,  "U1",        "everything is well before the first change", 1)          \
	X(STATE_STAGING,    "U2",        "the same hop was done elsewhere", 1)                     \
	X(STATE_BACKUP,     "U3",        "what is there is saved, and read back", 1)               \
	X(STATE_PULLED,     "U4",        "every node has the image, and it starts there", 1)       \
	X(STATE_APPROVED,   "U5",        "the differences were shown and approved", 1)             \
	X(STATE_CRDS,       "U6",        "definitions of our objects", 1)                          \
	X(STATE_OPERATOR,   "U7",        "operator", 1)                                            \
	X(STATE_CANARY,     "U8",        "one node takes the new version", 0)                      \
	X(STATE_CANARY_SOAK,"U9",        "that node stays well, and so does every other", 1)       \
	X(STATE_NODE,       "U10",       "a node takes the new version", 0)                        \
	X(STATE_WAVE,       "U10-wave",  "a wave stays well", 1)                                   \
	X(STATE_ENVOY,      "U11",       "node Envoy", 1)                                          \
	X(STATE_RELAY,      "U12",       "relay", 1)                                               \
	X(STATE_VERIFIED,   "U13",       "every endpoint was built anew, all versions are equal", 1)\
	X(STATE_SOAKED,     "U14",       "everything stayed well", 1)                              \
	X(STATE_FINAL,      "U15",       "what the old version needs is removed", 1)
/* clang-format on */
enum machine_state {
#define MACHINE_STATE_ENUM(symbol, ...) symbol,
	MACHINE_STATES(MACHINE_STATE_ENUM)
#undef MACHINE_STATE_ENUM
		MACHINE_STATE_COUNT,
};

/*
 * X(symbol, name, origin, mend): whom a gate may ask, and what to do when it does not answer. Two
 * of one origin are one opinion.
 */
/* clang-format off */
#define GATE_SOURCES(X)                                                                            \
	X(ASK_KUBERNETES, "Kubernetes",     "the API",                                             \
	  "see 'kubectl -n kube-system get pods -o wide' and 'kubectl get nodes'")                 \
	X(ASK_AGENTS,     "agents",         "the agents",                                          \
	  "see 'kubectl get sidestepnodes' and the agent's log on that node")                      \
	X(ASK_HEALTH,     "agents' health", "the agents",                                          \
	  "see status.health of that node's SidestepNode")                                         \
	X(ASK_REQUEST,    "the request",    "the agents",                                          \
	  "see 'kubectl get sidesteprequests -o yaml' and the agent's log on that node")           \
	X(ASK_POD,        "a pod of it",    "a pod's own experience",                              \
	  "see the pods labelled sidestep.dev/upgrade, their events and the nodes' disks")         \
	X(ASK_PROBE,      "a new pod",      "a pod's own experience",                              \
	  "see the pod labelled sidestep.dev/upgrade on that node, and its events")                \
	X(ASK_DISK,       "the backup",     "this machine's disk",                                 \
	  "see that the state folder can be written and has room")
/* clang-format on */
enum gate_source_id {
	ASK_NOBODY,
#define GATE_SOURCE_ENUM(symbol, ...) symbol,
	GATE_SOURCES(GATE_SOURCE_ENUM)
#undef GATE_SOURCE_ENUM
};
const char *gate_source_name(enum gate_source_id id);
const char *gate_source_origin(enum gate_source_id id);
const char *gate_source_mend(enum gate_source_id id);

#define MACHINE_MAX_GATES 24

/* When a state's gates are asked. */
enum gate_when { GATE_BEFORE, GATE_AFTER, GATE_UNDO_BEFORE, GATE_UNDO_AFTER, GATE_WHENS };

struct machine {
	struct gate gates[MACHINE_MAX_GATES];
	const struct gate *lists[MACHINE_STATE_COUNT][GATE_WHENS][4]; /* NULL behind */
	struct step_kind kinds[MACHINE_STATE_COUNT];
};
void machine_init(struct machine *m, const struct profile *p);
/* NULL when there is none. */
const struct step_kind *machine_kind(const struct machine *m, const char *id);

/* One end of the hop. */
struct side {
	const char *version, *image;
	int64_t layout;             /* of the connection map; 0: not told */
	bool tells_no_health;       /* its agents do not */
	const struct doc *template; /* merge patch of the DaemonSet that asks for it */
};

/* Statuses of agents as JSON documents by node, of one moment. */
struct statuses {
	struct arena arena;
	struct doc *by_node;
};

struct upgrade {
	struct cluster *cluster;
	const struct doc *plan;
	const char *run;
	const char *folder; /* of the run on this machine */
	struct side from, to;
	const char *namespace, *daemonset; /* of the agents */
	const char *container;
	struct profile profile;
	struct machine machine;
	const struct journal *journal; /* of the run; NULL when none is at hand */
	bool may_finalize;             /* somebody has approved U15 */
	/* See recall.h. The first two belong to one gate of one step. */
	struct statuses first, previous, before, usual, again;
	const void *asked_for, *asked_by;
	/* The way back that agents prepare for, and since when by our own clock. */
	const void *preparing;
	uint64_t preparing_since;
	/* Looks of an hour ago or more (the second), and since. */
	struct statuses aged[2];
	uint64_t aged_at;
	char failed_pod[256]; /* why the last pod of a run failed; "": none did */
};
void upgrade_release(struct upgrade *u);

/* Rows of gates.c and steps.c; used by machine.c only. */
struct gate_row {
	struct gate gate;
	/* Offsets of durations in struct profile + 1: everything must be well for so long (0: two
	 * samples), and the answer may take so much longer than the profile's gateTimeout. */
	size_t window, patience;
	/* It lasts while things pass by: what is not well counts, and ends it, when it has stood
	 * for the profile's gateTimeout, or at_most_ns where that is not 0 and shorter. */
	bool bears;
	uint64_t at_most_ns;
	enum gate_source_id asks[4];  /* each must answer; of at least two origins */
	enum gate_source_id hears[2]; /* asked too, and left out where it is not present */
};
extern const struct gate_row machine_gates[];
extern const size_t machine_n_gates;

struct state_row {
	int (*changes)(void *env, const struct step *step, struct step_changes *out,
		       struct error *err);
	int (*undo_changes)(void *env, const struct step *step, struct step_changes *out,
			    struct error *err);
	const char *(*skip)(void *env, const struct step *step, struct arena *a);
	const char *gates[GATE_WHENS][3]; /* ids */
	const char *does;                 /* what it changes and how that is taken back */
	/* A gate of it that says no takes the run back by itself. */
	bool takes_back;
};
extern const struct state_row machine_states[MACHINE_STATE_COUNT];

/* NULL: it only looks. */
const char *machine_does(const char *state);
bool machine_takes_back(const char *state);
/* The gates of a state for a plan: list of {id, when, title, sources}. */
struct doc *machine_gates_of(struct arena *a, const char *state);

/*
 * X(symbol, what, state, kind, name): parts of a mesh that no release of ours brings yet, found by
 * kind and name in any namespace. Absent: "not present". There: nobody knows how to follow it,
 * which is inconclusive. A Helm release is seen by what Helm writes into the DaemonSet.
 */
#define COMPONENTS(X)                                                                              \
	X(OPERATOR, "operator", "U7", KIND_DEPLOYMENT, "sidestep-operator")                        \
	X(ENVOY, "node Envoy", "U11", KIND_DAEMON_SET, "sidestep-envoy")                           \
	X(RELAY, "relay", "U12", KIND_DEPLOYMENT, "sidestep-relay")                                \
	X(SPIRE, "SPIRE server", "U13", KIND_STATEFUL_SET, "spire-server")                         \
	X(HELM, "Helm release", "U13", OBJECT_KIND_COUNT, NULL)

enum component {
#define COMPONENT_ENUM(symbol, ...) COMPONENT_##symbol,
	COMPONENTS(COMPONENT_ENUM)
#undef COMPONENT_ENUM
		COMPONENT_COUNT,
};
extern const struct component_row {
	const char *what, *state;
	int kind; /* OBJECT_KIND_COUNT: Helm */
	const char *name;
} components[COMPONENT_COUNT];

/* Whether it is there; also for a plan, whose DaemonSet is at hand. */
int component_look(enum component id, struct cluster *c, struct arena *a,
		   const struct doc *daemonset, bool *ret_present, struct error *err);

/* Requests a run makes, by its name. */
const char *machine_prepare_name(struct arena *a, const char *run, const char *node);
const char *machine_regenerate_name(struct arena *a, const char *run);
const char *machine_finalize_name(struct arena *a, const char *run);
/*
 * A new pod on the node that needs a network of its own, so that whoever makes pods' networks there
 * must answer: its container ran and ended well since `since` (RFC 3339; NULL: ever). NULL, or what
 * is missing; the pod is made when there is none. In a. It has the image of that side: a way back
 * needs nothing of a release that may not even be there any more.
 */
const char *upgrade_probe(struct upgrade *u, struct arena *a, const struct side *side,
			  const char *node, const char *since);
/* Removes pods that the run has made; best effort: who looks next tries again. */
void upgrade_sweep(struct upgrade *u);
/* Why U15 pauses. */
#define WAITS_FOR_APPROVAL                                                                         \
	"waits for an approval: afterwards there is no way back but a hop of its own; 'sidestep "  \
	"upgrade resume --finalize' gives it"
/* Of pods that a run makes. */
#define UPGRADE_LABEL "sidestep.dev/upgrade"
