/* SPDX-License-Identifier: Apache-2.0 */
/* Sets made of strings, and asked about strings. */
#include "lib/pattern/pattern.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/pattern/pattern_internal.h"

uint32_t pattern_range_of(const struct pattern *p, uint32_t rune)
{
	uint32_t low = 0, high = p->n_ranges;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (p->starts[middle] <= rune)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* --- made of strings ----------------------------------------------------------------------------
 */

int pattern_regex(struct arena *a, const char *expression, struct pattern **ret, struct error *err)
{
	struct tree *t;
	int r = tree_parse(a, expression, &t, err);

	return r ? r : tree_compile(a, t, ret, err);
}

static struct tree *set_node(struct arena *a, uint32_t low, uint32_t high)
{
	const struct range one = {low, high};
	struct tree *t = arena_new(a, struct tree);

	t->kind = TREE_SET;
	t->ranges = arena_memdup(a, &one, sizeof(one));
	t->n_ranges = 1;
	return t;
}

static struct tree *pair(struct arena *a, enum tree_kind kind, struct tree *left,
			 struct tree *right)
{
	struct tree *t = arena_new(a, struct tree);

	t->kind = kind;
	t->left = left;
	t->right = right;
	t->max = UINT32_MAX;
	return t;
}

static struct tree *rune_node(struct arena *a, uint32_t rune, bool fold)
{
	const bool upper = rune >= 'A' && rune <= 'Z', lower = rune >= 'a' && rune <= 'z';

	if (!fold || !(upper || lower))
		return set_node(a, rune, rune);
	return pair(a, TREE_ALT, set_node(a, rune, rune), set_node(a, rune ^ 0x20, rune ^ 0x20));
}

/* The string, with or without something before and behind it. */
static int around(struct arena *a, bool any_before, const char *s, bool any_behind, bool fold,
		  struct pattern **ret, struct error *err)
{
	struct tree *all = pair(a, TREE_REPEAT, set_node(a, RUNE_MIN, RUNE_MAX), NULL);
	struct tree *t = pair(a, TREE_EMPTY, NULL, NULL), **tail = &t;
	const char *at = s, *end = s + strlen(s);

	if (end - s > (ptrdiff_t)PATTERN_MAX_TEXT)
		return error_set(err, -E2BIG, "a string of %zu bytes, at most %u", strlen(s),
				 PATTERN_MAX_TEXT);
	while (at < end) {
		const uint32_t rune = rune_read(&at, end);

		if (rune == UINT32_MAX)
			return error_set(err, -EINVAL, "\"%.80s\" is no UTF-8", s);
		*tail = pair(a, TREE_CAT, rune_node(a, rune, fold), *tail);
		tail = &(*tail)->right;
	}
	if (any_behind)
		*tail = all;
	return tree_compile(a, any_before ? pair(a, TREE_CAT, all, t) : t, ret, err);
}

int pattern_exact(struct arena *a, const char *s, bool fold, struct pattern **ret,
		  struct error *err)
{
	return around(a, false, s, false, fold, ret, err);
}

int pattern_prefix(struct arena *a, const char *s, bool fold, struct pattern **ret,
		   struct error *err)
{
	return around(a, false, s, true, fold, ret, err);
}

int pattern_suffix(struct arena *a, const char *s, bool fold, struct pattern **ret,
		   struct error *err)
{
	return around(a, true, s, false, fold, ret, err);
}

static struct pattern *constant(struct arena *a, bool accepts)
{
	const struct pattern raw = {.n_states = 1,
				    .n_ranges = 1,
				    .starts = (const uint32_t[]){RUNE_MIN},
				    .next = (const uint16_t[]){0},
				    .accepts = &accepts};

	return pattern_canonical(a, &raw);
}

struct pattern *pattern_all(struct arena *a)
{
	return constant(a, true);
}

struct pattern *pattern_none(struct arena *a)
{
	return constant(a, false);
}

struct pattern *pattern_not(struct arena *a, const struct pattern *p)
{
	struct pattern *out = arena_memdup(a, p, sizeof(*p));
	bool *accepts = arena_array(a, p->n_states, bool);

	for (uint32_t i = 0; i < p->n_states; i++)
		accepts[i] = !p->accepts[i];
	out->accepts = accepts;
	return out;
}

/* --- asked --------------------------------------------------------------------------------------
 */

bool pattern_matches(const struct pattern *p, const char *s, size_t n)
{
	const char *end = s + n;
	uint32_t at = 0;

	while (s < end) {
		const uint32_t rune = rune_read(&s, end);

		if (rune == UINT32_MAX)
			return false;
		at = p->next[at * p->n_ranges + pattern_range_of(p, rune)];
	}
	return p->accepts[at];
}

bool pattern_is_empty(const struct pattern *p)
{
	return p->n_states == 1 && !p->accepts[0];
}

bool pattern_equal(const struct pattern *p, const struct pattern *q)
{
	return p->n_states == q->n_states && p->n_ranges == q->n_ranges &&
	       !memcmp(p->starts, q->starts, p->n_ranges * sizeof(uint32_t)) &&
	       !memcmp(p->accepts, q->accepts, p->n_states * sizeof(bool)) &&
	       !memcmp(p->next, q->next, (size_t)p->n_states * p->n_ranges * sizeof(uint16_t));
}
