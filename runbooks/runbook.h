/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/runbook.h - a runbook as it is written: one YAML document, decoded into plain structs.
 *
 * apiVersion sidestep.dev/v1alpha1, kind Runbook. Field names are the schema's (snake_case); a
 * field that no table names is an error, so a misspelt `verfy:` is never a missing verify. Decoding
 * checks shape (types, ranges, names of enumerations); what a runbook must be beyond that is the
 * lint's (lint.h). Strings that are expressions or templates stay strings here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/doc/bind.h"
#include "lib/doc/doc.h"

#define RUNBOOK_API_VERSION "sidestep.dev/v1alpha1"
#define RUNBOOK_KIND        "Runbook"
#define RUNBOOK_FIXTURE     "RunbookFixture"

#define RUNBOOK_MAX_STEPS   200u /* with those within foreach, parallel, rollback and finally */
#define RUNBOOK_MAX_NESTING 4u   /* of steps within steps */

/* diagnose only reads; propose shows what it would change; execute changes. */
enum runbook_mode { MODE_NONE, MODE_DIAGNOSE, MODE_PROPOSE, MODE_EXECUTE };
extern const char *const runbook_mode_names[];

/*
 * X(symbol, name, body, flags, what it does). body is the field that only this kind has, and needs;
 * NULL: none. Flags: what the lint asks of the kind.
 */
enum {
	STEP_TIMED = 1,      /* asks somebody else: needs a timeout */
	STEP_MAY_MUTATE = 2, /* `mutates: true` is allowed */
	STEP_MUST_MUTATE = 4,
	STEP_NESTS = 8, /* has steps in `do` */
};
/* clang-format off */
#define STEP_KINDS(X)                                                                              \
	X(STEP_QUERY, "query", "query", STEP_TIMED, "asks one source of the mesh's state")         \
	X(STEP_CHECK, "check", "check", STEP_TIMED, "runs a preflight check by its id")            \
	X(STEP_COMMAND, "command", "command", STEP_TIMED | STEP_MAY_MUTATE,                        \
	  "runs one allowed program on this node, without a shell")                                \
	X(STEP_K8S, "k8s", "k8s", STEP_TIMED, "reads objects of the cluster")                      \
	X(STEP_HTTP, "http", "http", STEP_TIMED, "gets one URL")                                   \
	X(STEP_PROM, "prom", "prom", STEP_TIMED, "asks Prometheus")                                \
	X(STEP_FLOWS, "flows", "flows", STEP_TIMED, "reads flows of the mesh")                     \
	X(STEP_WAIT, "wait", "wait", 0, "waits until a condition holds, for a bounded time")       \
	X(STEP_APPROVE, "approve", "approvers", 0, "waits until others agree")                     \
	X(STEP_ASK, "ask", "ask", 0, "asks a person for a typed answer")                           \
	X(STEP_DECIDE, "decide", NULL, 0, "chooses the way by what is known")                      \
	X(STEP_FOREACH, "foreach", "items", STEP_NESTS, "does its steps for every item of a list") \
	X(STEP_PARALLEL, "parallel", NULL, STEP_NESTS, "does its steps beside each other")         \
	X(STEP_CALL, "call", "call", STEP_TIMED, "runs another runbook")                           \
	X(STEP_NOTE, "note", "note", 0, "says something")                                          \
	X(STEP_GATE, "gate", "gate", STEP_TIMED, "asks a gate of the upgrade or the migration")    \
	X(STEP_MUTATE, "mutate", "op", STEP_MUST_MUTATE, "changes something, verified and undoable")
/* clang-format on */
enum runbook_step_kind {
	STEP_NONE,
#define STEP_KIND_ENUM(symbol, name, body, flags, what) symbol,
	STEP_KINDS(STEP_KIND_ENUM)
#undef STEP_KIND_ENUM
		STEP_N_KINDS,
};
struct step_kind_row {
	const char *name, *body, *what;
	unsigned flags;
};
/* By enum runbook_step_kind; the row of STEP_NONE is empty. */
extern const struct step_kind_row step_kinds[STEP_N_KINDS];

enum risk { RISK_UNSAID, RISK_NONE, RISK_LOW, RISK_MEDIUM, RISK_HIGH };
extern const char *const risk_names[];

struct step_query {
	const char *source;       /* of the table in known.h */
	const struct doc *filter; /* map of field to template or list of them */
	const char *since;
	struct opt_int limit;
};
struct step_command {
	struct strings argv;
	const char *output; /* how many bytes of output are kept: "1MiB" */
};
struct step_k8s {
	const char *get, *list; /* one of: "apps/v1 DaemonSet ns/name", "v1 Pod" */
	const char *namespace, *selector;
	struct opt_int limit;
};
struct step_http {
	const char *url;
	struct opt_int expect;
	const char *output;
};
struct step_prom {
	const char *query;
};
struct step_wait {
	const char *until, *poll, *within;
};
struct step_ask {
	const char *prompt;
	int type; /* enum param_type */
	struct strings choices;
	const char *expires;
};
struct step_call {
	const char *runbook;
	struct strmap params;
};
struct approvers {
	struct opt_int min;
	struct strings groups;
	struct opt_bool not_requester;
	const char *expires;
};
struct precheck {
	const char *expr;
};
struct verify {
	const char *expr, *poll, *within;
	struct opt_int stable, sources;
};
enum inverse { INVERSE_UNSAID, INVERSE_AUTO, INVERSE_NONE };
struct runbook_step;
struct rollback {
	int inverse;        /* enum inverse */
	const char *reason; /* why there is no way back, with none */
	struct runbook_step *steps;
	size_t n_steps;
};
struct evidence_item {
	const char *name, *from, *redact, *max;
};
struct retry {
	struct opt_int attempts;
	const char *backoff, *base;
	struct strings on;
};
struct on_error {
	const char *action; /* fail, continue, goto:ID, rollback, ask */
	const char *mark;   /* failed, inconclusive */
};
struct next {
	const char *when; /* NULL: in any case */
	const char *to;   /* a step's id, or "end" */
};

struct runbook_step {
	const char *id, *title;
	int kind; /* enum runbook_step_kind */
	struct opt_bool mutates;
	int risk;         /* enum risk */
	const char *when; /* else the step is skipped */
	/* bodies, by kind */
	struct step_query *query;
	const char *check;
	struct step_command *command;
	struct step_k8s *k8s;
	struct step_http *http;
	struct step_prom *prom;
	struct step_query *flows;
	struct step_wait *wait;
	struct approvers *approvers;
	struct strings shows;
	const char *on_timeout;
	struct step_ask *ask;
	const char *items, *as;
	struct opt_int parallel, max_fail;
	struct runbook_step *steps; /* do: */
	size_t n_steps;
	struct step_call *call;
	const char *note, *gate;
	const struct doc *op; /* one entry: the operation's name and its arguments */
	/* around it */
	const char *reg; /* register: the result's name in later expressions */
	struct evidence_item *evidence;
	size_t n_evidence;
	const char *timeout;
	struct retry *retry;
	struct on_error *on_error;
	struct precheck *precheck;
	size_t n_precheck;
	struct verify *verify;
	struct rollback *rollback;
	const char *idempotency_key;
	struct next *next;
	size_t n_next;
};

enum param_type {
	PARAM_UNSAID,
	PARAM_STRING,
	PARAM_INT,
	PARAM_BOOL,
	PARAM_DURATION,
	PARAM_K8S_NAME,
	PARAM_CHOICE,
};
extern const char *const param_type_names[];

struct param {
	const char *name, *prompt;
	int type; /* enum param_type */
	bool required, secret;
	const char *from;           /* of a secret: env or file */
	const struct doc *fallback; /* default: a scalar, or {discover: KEY} */
	const struct doc *min, *max;
	struct strings choices;
};

struct runbook {
	const char *api_version, *kind;
	const char *name, *id, *summary, *severity, *docs, *reviewed; /* id: short, "RB-3" */
	int64_t version;
	struct strings owners, tags;
	struct strmap applies_to;
	struct param *params;
	size_t n_params;
	struct strings rbac, tools, capabilities, checks;
	const char *lock; /* none, namespace, cluster */
	int default_mode; /* enum runbook_mode */
	struct strings allowed_modes;
	struct strmap vars;
	struct runbook_step *steps, *finally;
	size_t n_steps, n_finally;
	struct outcome {
		const char *id, *when, *cause, *confidence;
		struct strings next;
		bool fallback; /* default: true */
	} * outcomes;
	size_t n_outcomes;
	struct strings report_formats, report_include;

	const struct doc *root; /* the document, for places and for printing */
};

/*
 * -EINVAL with file:line:col and path when the document is no runbook. Unknown fields are not an
 * error here: they are collected in unknown, when not NULL.
 */
int runbook_decode(struct arena *a, const struct doc *root, struct runbook *ret_runbook,
		   struct bind_unknown *unknown, struct error *err);
/* The mode that is allowed, as named in the file. */
bool runbook_allows(const struct runbook *rb, enum runbook_mode mode);
/* Any step, however deep, that changes something. */
bool runbook_mutates(const struct runbook *rb);
/* Every field there is, with its type and bounds, as decoding asks for it. */
void runbook_schema(struct strbuf *out);

/* A recorded case: what the sources answered, and where that must lead. */
struct fixture {
	const char *api_version, *kind, *name, *runbook;
	int mode; /* enum runbook_mode */
	const struct doc *params;
	const struct doc *answers; /* by step id: what it registered */
	struct strings path;       /* ids of the steps in the order they ran */
	const char *outcome;
	struct opt_int exit;
	const struct doc *root;
};
int fixture_decode(struct arena *a, const struct doc *root, struct fixture *ret_fixture,
		   struct bind_unknown *unknown, struct error *err);
