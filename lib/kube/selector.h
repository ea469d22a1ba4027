/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/selector.h - label selectors, in their object form and as text. The rules are those of
 * k8s.io/apimachinery: an empty selector matches everything, an absent one nothing; NotIn and `!=`
 * match objects without the key.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"

struct kube_requirement {
	const char *key;
	enum { KUBE_IN, KUBE_NOT_IN, KUBE_EXISTS, KUBE_NOT_EXISTS } op;
	const char **values;
	size_t n_values;
};
struct kube_selector {
	struct kube_requirement *items;
	size_t n;
	bool none; /* an absent selector: matches nothing */
};

/* {matchLabels, matchExpressions}; NULL node: matches nothing. -EINVAL names what is wrong. */
int kube_selector_from_doc(struct arena *a, const struct doc *node, struct kube_selector *ret,
			   struct error *err);
/* A plain map of labels, as Service.spec.selector; NULL or empty: matches nothing. */
int kube_selector_from_map(struct arena *a, const struct doc *map, struct kube_selector *ret,
			   struct error *err);
/* "app=web,tier in (a,b),!legacy"; NULL or "" matches everything. -EINVAL. */
int kube_selector_parse(struct arena *a, const char *text, struct kube_selector *ret,
			struct error *err);
/* labels: metadata.labels of an object (NULL: none). */
bool kube_selector_matches(const struct kube_selector *s, const struct doc *labels);
