/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/selector.h - label selectors, as objects write them and as query strings do.
 *
 * Semantics of k8s.io/apimachinery: all requirements must hold; NotIn and DoesNotExist hold for a
 * label that is absent; an empty selector selects everything. An absent selector (NULL) selects
 * nothing here: where absence means something else, the caller decides.
 */
#pragma once

#include <stdbool.h>

#include "lib/doc/bind.h"

enum label_operator { LABEL_OP_NONE, LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_NOT_EXISTS };

struct label_requirement {
	const char *key;
	int op; /* enum label_operator */
	struct strings values;
};

struct label_selector {
	struct strmap match_labels;
	struct label_requirement *match_expressions;
	size_t n_match_expressions;
};

extern const struct bind_table label_selector_table;

/* -EINVAL: In or NotIn without values, Exists or DoesNotExist with values, an empty key. */
int label_selector_check(const struct label_selector *s, struct error *err);

bool label_selector_matches(const struct label_selector *s, const struct strmap *labels);
bool label_requirement_matches(const struct label_requirement *r, const struct strmap *labels);
/* True for a selector without any requirement (and false for NULL). */
bool label_selector_is_empty(const struct label_selector *s);

/*
 * The query form: "app=web,tier in (a, b),!canary,env!=prod". Empty or NULL gives the selector that
 * selects everything. -EINVAL names the part that cannot be read.
 */
int label_selector_parse(struct arena *a, const char *text, struct label_selector *ret,
			 struct error *err);
/* The query form of s, sorted; in the arena. */
const char *label_selector_format(struct arena *a, const struct label_selector *s);

/* The longest query form that is read. */
#define LABEL_SELECTOR_MAX_BYTES 16384
