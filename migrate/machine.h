/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/machine.h - the namespace's machine: its states as step kinds, its questions as gates.
 *
 * The tables are in steps.c and gates.c. A machine is those tables with a profile's durations put
 * in. Everything a step or gate looks at hangs on struct migration, which lib/step hands back as
 * `env`.
 */
#pragma once

#include "lib/run/cluster.h"
#include "lib/step/run.h"
#include "migrate/profile.h"

/* X(symbol, id, title, undo_rank): the states, in their order. */
/* clang-format off */
#define MACHINE_STATES(X)                                                                          \
	X(STATE_ASSESSED,       "N1",          "everything is well before the first change", 2)    \
	X(STATE_PROBED,         "N2",          "probe pods may look at this namespace", 2)         \
	X(STATE_AUDIT,          "N3-audit",    "policies only watch in this namespace", 2)         \
	X(STATE_POLICIES,       "N3-policies", "policies are there, in audit", 2)                  \
	X(STATE_ENFORCED,       "N4",          "policies are enforced, sidecars still run", 2)     \
	X(STATE_IDENTITY,       "N5",          "identities with certificates", 2)                  \
	X(STATE_PERMISSIVE,     "N6",          "servers elsewhere accept plain text", 2)           \
	X(STATE_RELAXED,        "N7",          "no client is forced to speak TLS", 2)              \
	X(STATE_INJECTION_OFF,  "N8",          "new pods get no sidecar", 0)                       \
	X(STATE_RESTARTED,      "N9",          "workload restarted", 1)                            \
	X(STATE_SIDECARLESS,    "N10",         "no sidecar is left", 2)                            \
	X(STATE_L7_AUDIT,       "N11",         "HTTP rules watch", 2)                              \
	X(STATE_L7_ENFORCED,    "N12",         "HTTP rules are enforced", 2)                       \
	X(STATE_MUTUAL_AUTH,    "N13",         "mutual authentication", 2)                         \
	X(STATE_SOAKED,         "N14",         "everything stayed quiet", 0)                       \
	X(STATE_CLEANED,        "N15",         "Istio's objects of the namespace are gone", 2)
/* clang-format on */
enum machine_state {
#define MACHINE_STATE_ENUM(symbol, ...) symbol,
	MACHINE_STATES(MACHINE_STATE_ENUM)
#undef MACHINE_STATE_ENUM
		MACHINE_STATE_COUNT,
};

#define MACHINE_MAX_GATES 24

struct machine {
	struct gate gates[MACHINE_MAX_GATES];
	const struct gate *lists[MACHINE_STATE_COUNT][3][4]; /* before, after, undo; NULL behind */
	struct step_kind kinds[MACHINE_STATE_COUNT];
};
void machine_init(struct machine *m, const struct profile *p);
/* NULL when there is none. */
const struct step_kind *machine_kind(const struct machine *m, const char *id);

/*
 * X(symbol, name, origin, mend): whom a gate may ask, and what to do when it does not answer. Two
 * of one origin are one opinion: Istio's rules and an admission are read from the same API as the
 * objects.
 */
/* clang-format off */
#define GATE_SOURCES(X)                                                                            \
	X(ASK_KUBERNETES, "Kubernetes",         "the API",                                         \
	  "see 'kubectl get pods' of the namespace")                                               \
	X(ASK_RULES,      "Istio's rules",      "the API",                                         \
	  "see that the plan's workloads are there")                                               \
	X(ASK_DRY_RUN,    "a pod as a dry run", "the API",                                         \
	  "see that the plan's workloads are there")                                               \
	X(ASK_AGENTS,     "agents",             "the agents",                                      \
	  "see 'kubectl get sidestepnodes' and the sidestepd of that node")                        \
	X(ASK_REQUEST,    "the request",        "the agents",                                      \
	  "see 'kubectl get sidestepnodes' and that sidestepd runs")                               \
	X(ASK_PROBE,      "probe pod",          "the sidecars and a pod's own experience",         \
	  "see that its image, quota and admission let it run, and that sidecars answer on 15090")
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

/* What the agents had counted when a gate began; see gates.c. */
struct baseline {
	const void *owner; /* the step's args and the gate that took it */
	const void *gate;
	struct arena arena;
	struct doc *counts; /* "node|epoch|source|destination|port|protocol|verdict" -> a counter */
	struct doc *nodes;  /* node -> {epoch, updated} */
	struct doc *restarts; /* "namespace/pod" -> container restarts */
};

struct migration {
	struct cluster *cluster;
	const struct doc *plan;
	const char *ns, *run;
	struct profile profile;
	struct machine machine;
	struct baseline baseline;
	const struct journal *journal; /* of the run; NULL when none is at hand */
	/* The probe pod that this process has made, and for which gate; see probe.h. */
	const char *probe_gate;
	char *probe_uid;
	/* What the last one that ended found, and whose question it was; words NULL: all well. */
	struct {
		const char *gate;
		enum finding_result result;
		char *words;
	} probe_found;
	/* A rule forces TLS, or was seen to; which configurations the sidecars had then. */
	bool forced;
	struct arena forced_arena;
	const struct doc *forced_marks; /* NULL: nobody has looked */
};
void migration_release(struct migration *m);

/* Rows of gates.c and steps.c; used by machine.c only. */
struct gate_row {
	struct gate gate;
	size_t window; /* offset of a duration in struct profile + 1; 0 = one good sample */
	enum gate_source_id asks[4]; /* each must answer; of at least two origins */
};
extern const struct gate_row machine_gates[];
extern const size_t machine_n_gates;

struct state_row {
	int (*changes)(void *env, const struct step *step, struct step_changes *out,
		       struct error *err);
	int (*undo_changes)(void *env, const struct step *step, struct step_changes *out,
			    struct error *err);
	const char *before[3], *after[3], *undo[3]; /* ids of gates */
	/* Of changes that the plan does not write down as patches: what, and its inverse. */
	const char *does;
};
extern const struct state_row machine_states[MACHINE_STATE_COUNT];

/* What a state changes and how it is taken back, for a plan; NULL: the plan's patches, or nothing.
 */
const char *machine_does(const char *state);
/* The gates of a state for a plan: list of {id, when, title, sources}. */
struct doc *machine_gates_of(struct arena *a, const char *state);

/* Names of what the machine makes, from the run's name. */
const char *machine_request_name(struct arena *a, const char *run);
/* The op of the change that creates a policy. */
const char *machine_policy_op(struct arena *a, const struct doc *policy);
/* The annotation a restart writes into a pod template. */
#define RESTART_ANNOTATION "sidestep.dev/restarted"
