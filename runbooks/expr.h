/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/expr.h - the conditions of a runbook: a small total language with three values.
 *
 * Total: there is no loop, no function of the user's own, no input or output; an expression has at
 * most EXPR_MAX_NODES nodes and evaluating visits each once, so it always ends, and soon. Every
 * text either parses or is refused with "line:column: ...".
 *
 * Three values: true, false, unknown. What is missing from the data (or null, or of a type that
 * the operator does not take) is unknown and never false; it stays unknown through comparisons and
 * arithmetic, with the first reason kept. `and`, `or`, `not` are Kleene's: false and unknown is
 * false, true or unknown is true, everything else with an unknown is unknown. Only known(x) turns
 * unknown into an answer: whether x is known.
 *
 *   expr    = and { "or" and }
 *   and     = not { "and" not }
 *   not     = "not" not | compare
 *   compare = sum [ op sum ]                    comparisons do not chain
 *   op      = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" | "matches"
 *   sum     = product { ("+" | "-") product }
 *   product = unary { ("*" | "/") unary }
 *   unary   = "-" unary | postfix
 *   postfix = NAME { "." NAME | "[" INTEGER "]" | "[" STRING "]" } | primary
 *   primary = literal | call | list | "(" expr ")"
 *   call    = ("length" | "known" | "min" | "max") "(" expr ")"
 *   list    = "[" [ expr { "," expr } ] "]"
 *   literal = "true" | "false" | INTEGER | DECIMAL | PERCENT | SIZE | DURATION | STRING
 *
 *   NAME      [A-Za-z_][A-Za-z0-9_]*, no keyword        drops.count, pod.labels["app"]
 *   DECIMAL   at most 9 places, no exponent             0.25
 *   PERCENT   the number over 100                       5%  12.5%
 *   SIZE      an integer of bytes: Ki Mi Gi Ti          512Mi
 *   DURATION  parts of ns us ms s m h                   90s  1h30m
 *   STRING    "..." or '...', with \\ \" \' \n \t
 *
 * Numbers: integers stay integers under + - * and are unknown past 64 bits; "/" gives a real
 * (1/4 is 0.25), by zero it is unknown. Durations add, subtract and compare with durations; a
 * duration times or over a number is a duration, over a duration a number. Next to a duration a
 * string of the data is read as one ("15m"), next to a number one that ends in % is. `in` asks
 * whether a list has an equal item; `matches` is a glob over the whole string (* any run, ? any one
 * character, \ takes the next as it is). length() of a string (bytes), list or map; min() and max()
 * of a list of numbers or of durations, of an empty one unknown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/doc/doc.h"

#define EXPR_MAX_BYTES 4096u /* of the text */
#define EXPR_MAX_NODES 512u  /* of the tree */
#define EXPR_MAX_DEPTH 32u   /* of brackets, `not` and unary minus within each other */
#define EXPR_MAX_GLOB  4096u /* of a string that `matches` looks at; longer is unknown */

/* X(symbol, text, how tight it binds; 9 = never needs brackets) */
#define EXPR_NODES(X)                                                                              \
	X(EXPR_OR, "or", 1)                                                                        \
	X(EXPR_AND, "and", 2)                                                                      \
	X(EXPR_NOT, "not", 3)                                                                      \
	X(EXPR_EQ, "==", 4)                                                                        \
	X(EXPR_NE, "!=", 4)                                                                        \
	X(EXPR_LT, "<", 4)                                                                         \
	X(EXPR_LE, "<=", 4)                                                                        \
	X(EXPR_GT, ">", 4)                                                                         \
	X(EXPR_GE, ">=", 4)                                                                        \
	X(EXPR_IN, "in", 4)                                                                        \
	X(EXPR_MATCHES, "matches", 4)                                                              \
	X(EXPR_ADD, "+", 5)                                                                        \
	X(EXPR_SUB, "-", 5)                                                                        \
	X(EXPR_MUL, "*", 6)                                                                        \
	X(EXPR_DIV, "/", 6)                                                                        \
	X(EXPR_NEG, "-", 7)                                                                        \
	X(EXPR_CALL, "call", 9)                                                                    \
	X(EXPR_LIST, "list", 9)                                                                    \
	X(EXPR_NAME, "name", 9)   /* text; the first part of a path */                             \
	X(EXPR_FIELD, "field", 9) /* text of items[0] */                                           \
	X(EXPR_INDEX, "index", 9) /* number of items[0] */                                         \
	X(EXPR_BOOL, "bool", 9)                                                                    \
	X(EXPR_INT, "integer", 9)                                                                  \
	X(EXPR_DECIMAL, "decimal", 9) /* number / 10^places */                                     \
	X(EXPR_PERCENT, "percent", 9) /* number / 10^places / 100 */                               \
	X(EXPR_DURATION, "duration", 9)                                                            \
	X(EXPR_STRING, "string", 9)
enum expr_op {
#define EXPR_NODE_ENUM(symbol, text, binds) symbol,
	EXPR_NODES(EXPR_NODE_ENUM)
#undef EXPR_NODE_ENUM
};

enum expr_function { EXPR_LENGTH, EXPR_KNOWN, EXPR_MIN, EXPR_MAX, EXPR_N_FUNCTIONS };
extern const char *const expr_function_names[EXPR_N_FUNCTIONS];

struct expr {
	enum expr_op op;
	uint32_t line, col; /* in the text, 1-based */
	int64_t number;     /* INT, DECIMAL, PERCENT, DURATION (ns), INDEX, BOOL, CALL's function */
	unsigned places;    /* DECIMAL, PERCENT */
	const char *text;   /* NAME, FIELD, STRING */
	const struct expr **items;
	size_t n;
};

/* Tree and strings in the arena. -EINVAL or -E2BIG with "line:column: what is wrong". */
int expr_parse(struct arena *a, const char *text, const struct expr **ret_expr, struct error *err);
/* As the parser reads it, with no brackets but the needed ones: parsing it gives an equal tree. */
void expr_print(const struct expr *e, struct strbuf *out);
/* Places in the text do not count. */
bool expr_equal(const struct expr *a, const struct expr *b);

enum expr_type {
	EXPR_T_UNKNOWN,
	EXPR_T_BOOL,
	EXPR_T_INT,
	EXPR_T_REAL,
	EXPR_T_DURATION,
	EXPR_T_STRING,
	EXPR_T_LIST,
	EXPR_T_MAP,
};
const char *expr_type_name(enum expr_type t);

struct expr_value {
	enum expr_type type;
	int64_t number; /* BOOL (0, 1), INT, DURATION in ns */
	double real;
	const char *text;      /* STRING; UNKNOWN: why, one sentence without a full stop */
	const struct doc *doc; /* LIST of the data, MAP */
	const struct expr_value *values; /* LIST written in the expression */
	size_t n;
};

/* data is a map of what is known by name (params, vars, registered results); NULL knows nothing.
 * Strings point into data, e or a. */
struct expr_value expr_eval(struct arena *a, const struct expr *e, const struct doc *data);

enum expr_truth { EXPR_FALSE, EXPR_TRUE, EXPR_UNKNOWN };
/* "false", "true", "unknown". */
const char *expr_truth_name(enum expr_truth t);
/* *ret_why (may be NULL) is set with EXPR_UNKNOWN. A value that is no truth value is unknown. */
enum expr_truth expr_decide(struct arena *a, const struct expr *e, const struct doc *data,
			    const char **ret_why);

/* Calls see(ctx, node) for every EXPR_NAME in the tree: what the expression asks the data for. */
void expr_walk_names(const struct expr *e, void (*see)(void *ctx, const struct expr *name),
		     void *ctx);
