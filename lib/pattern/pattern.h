/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/pattern/pattern.h - sets of strings: what a path, a method or a header may be.
 *
 * A string matcher of any dialect (exact, prefix, suffix, an RE2 expression that must match all of
 * the string) is a regular language, so "not", "and", "are they the same" and "show me one" have
 * answers, and they are computed, not sampled. A set is a minimal deterministic automaton over
 * Unicode code points; it has one form, and equal sets are equal structs.
 *
 * Strings are UTF-8 without NUL. One that is not is in no set, nor in a set's complement: RE2 (with
 * the options Envoy and Kubernetes compile it with) matches no such bytes either.
 *
 * Everything lives in the caller's arena. Pure. What grows beyond its limit is an error (-E2BIG),
 * never an approximation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"

#define PATTERN_MAX_TEXT   2048u /* bytes of an expression, or of a string in exact and the like */
#define PATTERN_MAX_STATES 4096u /* of one automaton, also on the way to a smaller one */
#define PATTERN_MAX_ATOMS  64u   /* patterns that are told apart at once */

struct pattern {
	uint32_t n_states, n_ranges;
	/* Range r is the code points from starts[r] to before starts[r + 1]; the first is 1. */
	const uint32_t *starts;
	const uint16_t *next; /* [state * n_ranges + range]; state 0 begins */
	const bool *accepts;  /* [state] */
};

/*
 * The strings that an RE2 expression matches whole (as Envoy's safe_regex and Istio's regex do).
 * Syntax: RE2's, with its flags i, s and U, groups, classes, anchors, repeats up to 1000. -EINVAL:
 * RE2 refuses it too; -ENOTSUP: a word boundary, (?m), \C, Unicode classes, or i on a letter
 * outside ASCII, which this cannot decide. Both say at which byte.
 */
int pattern_regex(struct arena *a, const char *expression, struct pattern **ret, struct error *err);
/* fold: the case of ASCII letters does not matter (Envoy's ignore_case). */
int pattern_exact(struct arena *a, const char *s, bool fold, struct pattern **ret,
		  struct error *err);
int pattern_prefix(struct arena *a, const char *s, bool fold, struct pattern **ret,
		   struct error *err);
int pattern_suffix(struct arena *a, const char *s, bool fold, struct pattern **ret,
		   struct error *err);
struct pattern *pattern_all(struct arena *a);
struct pattern *pattern_none(struct arena *a);

struct pattern *pattern_not(struct arena *a, const struct pattern *p);
int pattern_and(struct arena *a, const struct pattern *p, const struct pattern *q,
		struct pattern **ret, struct error *err);
int pattern_or(struct arena *a, const struct pattern *p, const struct pattern *q,
	       struct pattern **ret, struct error *err);
/* In p and not in q. */
int pattern_minus(struct arena *a, const struct pattern *p, const struct pattern *q,
		  struct pattern **ret, struct error *err);

bool pattern_matches(const struct pattern *p, const char *s, size_t n);
bool pattern_is_empty(const struct pattern *p);
bool pattern_equal(const struct pattern *p, const struct pattern *q);
/* A shortest member, of letters where there is a choice; NULL when there is none. */
const char *pattern_witness(struct arena *a, const struct pattern *p);

/*
 * An expression for exactly this set, in the syntax that RE2 and Go's regexp share, to be matched
 * whole; "" for the empty string alone. -ENOENT: the set is empty, and no expression says that;
 * -E2BIG: longer than max bytes. It was read back and compared before it is returned.
 */
int pattern_print(struct arena *a, const struct pattern *p, size_t max, const char **ret,
		  struct error *err);

/*
 * The cells into which n patterns divide all strings: who is in which, with a shortest member of
 * each. Every string is in exactly one cell, so what depends on these patterns alone is decided by
 * trying the witnesses. -E2BIG: more than max cells, or more states than an automaton may have.
 */
struct pattern_cell {
	uint64_t in; /* bit i: patterns[i] has its strings */
	const char *witness;
};
int pattern_cells(struct arena *a, const struct pattern *const *patterns, size_t n, size_t max,
		  struct pattern_cell **ret, size_t *ret_n, struct error *err);
