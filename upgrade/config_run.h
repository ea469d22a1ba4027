/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_run.h - an apply as a run of lib/run: its operations, and what they look at.
 *
 * The run's plan (ConfigRun, in the SidestepRun) names operations, digests and the Secrets in which
 * everything is as it is (config_kept.h). A change of lib/step knows an object by its state alone:
 * {state: "sha256:..."} of what was there or of what is wanted, or, where it is neither, a sentence
 * that says what somebody has made of it. So a journal holds no value at all. Which of them an
 * object is in, lib/diff decides: fields that the manifest does not name are nobody's business.
 */
#pragma once

#include "lib/diff/diff.h"
#include "lib/run/session.h"
#include "upgrade/config_kind.h"
#include "upgrade/config_place.h"

#define CONFIG_RUN_KIND "ConfigRun"
/* There and back an operation takes about 2 KB of a SidestepRun, and etcd takes 1.5 MiB. */
#define CONFIG_MAX_OPS 500u

enum config_op_kind { OP_CREATE, OP_UPDATE, OP_DELETE };
const char *config_op_name(enum config_op_kind op);

/*
 * X(symbol, id, title, gate): the parts of a run, in their order; a part is one step, or several
 * when it is large.
 */
/* clang-format off */
#define CONFIG_PHASES(X)                                                                           \
	X(PHASE_NAMESPACES,  "namespaces",  "namespaces are there",             GATE_NONE)         \
	X(PHASE_DEFINITIONS, "definitions", "kinds are defined",                GATE_ESTABLISHED)  \
	X(PHASE_ACCESS,      "access",      "accounts and their rights",        GATE_NONE)         \
	X(PHASE_CONFIG,      "config",      "configuration that others read",   GATE_NONE)         \
	X(PHASE_WORKLOADS,   "workloads",   "workloads",                        GATE_NONE)         \
	X(PHASE_REST,        "rest",        "what needs all of it",             GATE_NONE)         \
	X(PHASE_REMOVALS,    "removals",    "what is not wanted any more goes", GATE_NONE)         \
	X(PHASE_READY,       "ready",       "everything became ready",          GATE_READY)
/* clang-format on */
enum config_phase {
#define CONFIG_PHASE_ENUM(symbol, ...) symbol,
	CONFIG_PHASES(CONFIG_PHASE_ENUM)
#undef CONFIG_PHASE_ENUM
		CONFIG_PHASE_COUNT
};
enum config_gate { GATE_NONE, GATE_ESTABLISHED, GATE_READY, GATE_COUNT };

struct config_op {
	size_t id; /* from 1 */
	enum config_op_kind op;
	struct doc *ref;  /* {apiVersion, kind, namespace, name, id} */
	const char *name; /* "update Deployment/shop/till" */
	bool autoscaled;
	/* As they are; NULL = absent. */
	struct doc *before, *after;
	/* Redacted; applied: what was applied last. */
	struct doc *applied, *before_hidden, *after_hidden;
	const char *before_state, *after_state; /* digests; NULL = absent */
	struct diff_object planned;             /* what it changes */
	const char *signature;                  /* of that */
	/* Fields that go, and what the server puts there then (a schema's default), as a dry run
	 * told:
	 * [{path, value, line}]; nobody's business any more. NULL: none. */
	const struct doc *given;
};

struct config_run {
	struct session *session;
	struct arena *arena; /* the session's */
	struct config_place place;
	struct config_kinds kinds;
	struct config_op *ops;
	size_t n_ops;
	struct doc *revision; /* to be recorded once it is done */
	struct gate gates[GATE_COUNT];
	const struct gate *lists[GATE_COUNT][2];
	struct step_kind step_kinds[CONFIG_PHASE_COUNT];
};

/* What our options add to lib/run's: a session is opened with &tool, the first member. */
struct config_tool {
	struct run_tool tool;
	const char *digest_key;
};
void config_tool_init(struct config_tool *t, const char *digest_key);

/* Reads the operations of what is kept; -EBADMSG when it is none. */
int config_ops_read(struct config_run *run, const struct doc *kept, struct error *err);
/* lib/step's host reads and writes through these. */
void config_world_attach(struct config_run *run, struct step_host *host);
/* The state of an object that is there, as above. */
const char *config_world_state(struct config_run *run, const struct config_op *op,
			       const struct doc *live, struct arena *a);

/*
 * Asks the server what it would make of an operation (dry run), a deletion aside. *ret_state:
 * op->after_state when all is well, else what it would do otherwise; NULL: it could not be asked,
 * because its kind is yet to be defined. *ret_given: all is well once the operation has that as its
 * `given`, in the arena; NULL: nothing.
 */
int config_world_try(struct config_run *run, const struct config_op *op, struct arena *a,
		     const char **ret_state, struct doc **ret_given, struct error *err);

/* The phase in which an operation on an object of that kind is made, and its rank within all. */
enum config_phase config_phase_of(enum config_op_kind op, const char *kind);
size_t config_rank_of(const char *kind);
const char *config_phase_name(enum config_phase phase);
int config_phase_parse(const char *name, enum config_phase *ret_phase);

/* Fills session->steps from the run's plan, with its gates. */
int config_steps_make(struct config_run *run, struct error *err);
/* Why an object is not ready yet; NULL: it is. *ret_final: and will not be. */
const char *config_not_ready(struct arena *a, const struct doc *live, bool *ret_final);
