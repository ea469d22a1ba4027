/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/lint_internal.h - a runbook laid out for the rules, and the rules. Used by lint*.c. */
#pragma once

#include "runbooks/expr.h"
#include "runbooks/lint.h"

/* One step, wherever it stands. */
struct site {
	const struct runbook_step *step;
	const char *path; /* "steps[2].do[0]" */
	/* The list it stands in, and where. */
	const struct runbook_step *list;
	size_t n_list, index;
	const struct site *parent; /* the step that holds the list, or NULL */
	const struct site *first;  /* of the list */
	bool undoes;               /* it stands in a rollback, however deep */
	bool finally;
};

struct lint {
	struct arena *arena;
	struct report *report;
	const struct check *rule; /* the one at work */
	size_t said;              /* complaints of it so far */
	const struct doc *root;
	const char *name; /* of the runbook, or its file */
	bool decoded;
	const char *why_not;
	struct bind_unknown unknown;
	struct runbook rb;
	struct site *sites;
	size_t n_sites;
	bool **reached; /* by site: lint_reached()'s answers so far */
	const struct fixture *fixtures;
	size_t n_fixtures;
};

/* More complaints of one rule than this are left out, and that is said. */
#define LINT_MAX_COMPLAINTS 100u

/* A fail of the rule at work at a path of the document. */
void lint_fail(struct lint *l, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *lint_path(struct lint *l, const struct site *s, const char *below);
void lint_lay_out(struct lint *l);
/* It changes something by itself; what stands within it does not count. */
bool lint_changes(const struct site *s);

/* An approve step by at least so many, that no way leads around. */
bool lint_binds(const struct runbook_step *s, int64_t min);

/* --- the texts of a runbook --------------------------------------------------------------------
 */

enum text_kind { TEXT_EXPR, TEXT_TEMPLATE };
struct text {
	const char *text, *path;
	enum text_kind kind;
	const struct site *site; /* NULL: outside the steps */
	bool sees_own;           /* what the step itself registers is known there */
};
void lint_each_text(struct lint *l, void (*see)(struct lint *l, const struct text *t));
/* Every expression of a text that parses. */
void lint_each_expr(struct lint *l, const struct text *t,
		    void (*see)(struct lint *l, const struct text *t, const struct expr *e));

/* --- the graph of a list of steps ---------------------------------------------------------------
 */

/* The index of id in the list; n for "end"; -1 when it is none. */
ssize_t lint_target(const struct runbook_step *list, size_t n, const char *id);
/* Calls see for every step that may follow step i (n: the end). */
void lint_each_edge(const struct runbook_step *list, size_t n, size_t i,
		    void (*see)(void *ctx, size_t to), void *ctx);
/* mark[to] for everything that can be reached from `from` (itself too), not going through blocked
 * ones (may be NULL). mark has n + 1 places. */
void lint_reach(const struct runbook_step *list, size_t n, size_t from, const bool *blocked,
		bool *mark);
/* What can be reached from a step (itself too), by index in its list; worked out once. */
const bool *lint_reached(struct lint *l, const struct site *s);
/* What `site` may know by that name: a step registered it before. */
const struct site *lint_registered(struct lint *l, const struct text *t, const char *name);
/* A word of the language, or a name that is always known. */
bool lint_reserved(const char *name);
const struct param *lint_param(const struct runbook *rb, const char *name);

/* --- the rules ----------------------------------------------------------------------------------
 */

#define LINT_RULE(name) int name(const struct check *, void *, struct report *, struct error *)
LINT_RULE(rule_schema);
LINT_RULE(rule_metadata);
LINT_RULE(rule_ids);
LINT_RULE(rule_bodies);
LINT_RULE(rule_targets);
LINT_RULE(rule_reachable);
LINT_RULE(rule_cycles);
LINT_RULE(rule_branches);
LINT_RULE(rule_expressions);
LINT_RULE(rule_names);
LINT_RULE(rule_known);
LINT_RULE(rule_outcomes);
LINT_RULE(rule_params);
LINT_RULE(rule_modes);
LINT_RULE(rule_mutates);
LINT_RULE(rule_verify);
LINT_RULE(rule_rollback);
LINT_RULE(rule_idempotent);
LINT_RULE(rule_approved);
LINT_RULE(rule_approvers);
LINT_RULE(rule_foreseen);
LINT_RULE(rule_built);
LINT_RULE(rule_argv);
LINT_RULE(rule_dashes);
LINT_RULE(rule_timeouts);
LINT_RULE(rule_sizes);
LINT_RULE(rule_evidence);
LINT_RULE(rule_secrets);
LINT_RULE(rule_unsafe);
LINT_RULE(rule_refs);
LINT_RULE(rule_urls);
LINT_RULE(rule_hidden);
LINT_RULE(rule_values);
LINT_RULE(rule_coverage);
LINT_RULE(rule_walks);
