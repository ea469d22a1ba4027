/* SPDX-License-Identifier: Apache-2.0 */
/* Automata side by side: what is in both, in one, in none; and words that show it. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/pattern/pattern_internal.h"

/* Walks n automata side by side. */
struct product {
	const struct pattern *const *p;
	size_t n;
	VEC(uint32_t) starts;
	VEC(uint32_t) order;  /* of the ranges: what people can read first */
	VEC(uint16_t) states; /* [state * n + i]: where automaton i stands */
	VEC(uint16_t) next;
	VEC(uint32_t) from; /* [state]: the one before, and by which range: the way to a witness */
	VEC(uint32_t) by;
	uint32_t *buckets; /* index + 1 */
	size_t n_buckets, n_states;
};

static int by_number(const void *a, const void *b)
{
	const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;

	return p < q ? -1 : p > q;
}

static uint32_t product_state(struct product *x, const uint16_t *tuple, uint32_t from, uint32_t by)
{
	const size_t bytes = x->n * sizeof(uint16_t);
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t slot;

	for (size_t i = 0; i < x->n; i++)
		h = (h ^ tuple[i]) * 0x100000001b3ULL;
	h ^= h >> 29;
	for (slot = h % x->n_buckets; x->buckets[slot]; slot = (slot + 1) % x->n_buckets)
		if (!memcmp(x->states.items + (x->buckets[slot] - 1) * x->n, tuple, bytes))
			return x->buckets[slot] - 1;
	if (x->n_states >= PATTERN_MAX_STATES)
		return UINT32_MAX;
	for (size_t i = 0; i < x->n; i++)
		vec_push(&x->states, tuple[i]);
	vec_push(&x->from, from);
	vec_push(&x->by, by);
	x->buckets[slot] = (uint32_t)++x->n_states;
	return (uint32_t)x->n_states - 1;
}

static void product_ranges(struct product *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++)
		for (uint32_t r = 0; r < x->p[i]->n_ranges; r++)
			vec_push(&x->starts, x->p[i]->starts[r]);
	qsort(x->starts.items, x->starts.n, sizeof(uint32_t), by_number);
	for (size_t i = 1; i < x->starts.n; i++)
		if (x->starts.items[i] != x->starts.items[n])
			x->starts.items[++n] = x->starts.items[i];
	x->starts.n = n + 1;
}

static uint32_t range_end(const struct product *x, uint32_t r)
{
	return r + 1 < x->starts.n ? x->starts.items[r + 1] - 1 : RUNE_MAX;
}

static void product_order(struct product *x)
{
	for (unsigned rank = 0; x->order.n < x->starts.n; rank++)
		for (uint32_t r = 0; r < x->starts.n; r++)
			if (rune_rank(x->starts.items[r], range_end(x, r)) == rank)
				vec_push(&x->order, r);
}

static int product_step(struct product *x, uint32_t state, uint32_t r, struct error *err)
{
	uint16_t *tuple = xcalloc(x->n, sizeof(uint16_t));
	uint32_t to;

	for (size_t i = 0; i < x->n; i++) {
		const struct pattern *p = x->p[i];
		const uint32_t at = x->states.items[state * x->n + i];

		tuple[i] = p->next[at * p->n_ranges + pattern_range_of(p, x->starts.items[r])];
	}
	to = product_state(x, tuple, state, r);
	free(tuple);
	if (to == UINT32_MAX)
		return error_set(err, -E2BIG, "together they have more than %u states",
				 PATTERN_MAX_STATES);
	x->next.items[state * x->starts.n + r] = (uint16_t)to;
	return 0;
}

/* n is at least 1. Breadth first, so the way to each state is a shortest one. */
static int product_walk(struct product *x, struct error *err)
{
	uint16_t *begin = xcalloc(x->n, sizeof(uint16_t));
	int result = 0;

	x->n_buckets = 4 * PATTERN_MAX_STATES;
	x->buckets = xcalloc(x->n_buckets, sizeof(uint32_t));
	product_ranges(x);
	product_order(x);
	product_state(x, begin, UINT32_MAX, 0);
	free(begin);
	for (uint32_t s = 0; s < x->n_states && !result; s++) {
		vec_reserve(&x->next, (s + 1) * x->starts.n);
		x->next.n = (s + 1) * x->starts.n;
		for (uint32_t i = 0; i < x->starts.n && !result; i++)
			result = product_step(x, s, x->order.items[i], err);
	}
	return result;
}

static void product_release(struct product *x)
{
	vec_release(&x->starts);
	vec_release(&x->order);
	vec_release(&x->states);
	vec_release(&x->next);
	vec_release(&x->from);
	vec_release(&x->by);
	free(x->buckets);
}

/* truth: bit (in p) + 2 (in q) says whether both together are in it. */
static int combine(struct arena *a, const struct pattern *p, const struct pattern *q,
		   unsigned truth, struct pattern **ret, struct error *err)
{
	const struct pattern *const both[] = {p, q};
	struct product x = {.p = both, .n = 2};
	struct pattern raw;
	bool *accepts;
	int r = product_walk(&x, err);

	if (!r) {
		accepts = xcalloc(x.n_states, sizeof(bool));
		for (size_t s = 0; s < x.n_states; s++)
			accepts[s] = truth >> (p->accepts[x.states.items[2 * s]] +
					       2 * q->accepts[x.states.items[2 * s + 1]]) &
				     1;
		raw = (struct pattern){.n_states = (uint32_t)x.n_states,
				       .n_ranges = (uint32_t)x.starts.n,
				       .starts = x.starts.items,
				       .next = x.next.items,
				       .accepts = accepts};
		*ret = pattern_canonical(a, &raw);
		free(accepts);
	}
	product_release(&x);
	return r;
}

int pattern_and(struct arena *a, const struct pattern *p, const struct pattern *q,
		struct pattern **ret, struct error *err)
{
	return combine(a, p, q, 1 << 3, ret, err);
}

int pattern_or(struct arena *a, const struct pattern *p, const struct pattern *q,
	       struct pattern **ret, struct error *err)
{
	return combine(a, p, q, 1 << 1 | 1 << 2 | 1 << 3, ret, err);
}

int pattern_minus(struct arena *a, const struct pattern *p, const struct pattern *q,
		  struct pattern **ret, struct error *err)
{
	return combine(a, p, q, 1 << 1, ret, err);
}

static const char *way_to(struct arena *a, const struct product *x, uint32_t state)
{
	size_t n = 0;
	char *text, *at;

	for (uint32_t s = state; x->from.items[s] != UINT32_MAX; s = x->from.items[s])
		n++;
	at = text = arena_alloc(a, 4 * n + 1);
	at += 4 * n;
	for (uint32_t s = state; x->from.items[s] != UINT32_MAX; s = x->from.items[s]) {
		const uint32_t r = x->by.items[s];
		const uint32_t high = r + 1 < x->starts.n ? x->starts.items[r + 1] - 1 : RUNE_MAX;
		char one[4];
		const size_t len = rune_write(one, rune_of(x->starts.items[r], high));

		at -= len;
		memcpy(at, one, len);
	}
	return at;
}

int pattern_cells(struct arena *a, const struct pattern *const *patterns, size_t n, size_t max,
		  struct pattern_cell **ret, size_t *ret_n, struct error *err)
{
	struct pattern *all = pattern_all(a);
	struct product x = {.p = n ? patterns : (const struct pattern *const[]){all},
			    .n = n ? n : 1};
	struct pattern_cell *cells = arena_array(a, MAX(max, 1u), struct pattern_cell);
	size_t n_cells = 0;
	int r = n > PATTERN_MAX_ATOMS
			? error_set(err, -E2BIG, "more than %u patterns at once", PATTERN_MAX_ATOMS)
			: product_walk(&x, err);

	for (uint32_t s = 0; !r && s < x.n_states; s++) {
		uint64_t in = 0;
		size_t c = 0;

		for (size_t i = 0; i < n; i++)
			in |= (uint64_t)patterns[i]->accepts[x.states.items[s * n + i]] << i;
		while (c < n_cells && cells[c].in != in)
			c++;
		if (c < n_cells)
			continue;
		if (n_cells == max)
			r = error_set(err, -E2BIG, "they tell more than %zu kinds of strings apart",
				      max);
		else
			cells[n_cells++] = (struct pattern_cell){in, way_to(a, &x, s)};
	}
	product_release(&x);
	if (r)
		return r;
	*ret = cells;
	*ret_n = n_cells;
	return 0;
}

const char *pattern_witness(struct arena *a, const struct pattern *p)
{
	const struct pattern *const one[] = {p};
	struct product x = {.p = one, .n = 1};
	const char *text = NULL;
	int r = product_walk(&x, NULL);

	for (uint32_t s = 0; !r && s < x.n_states && !text; s++)
		if (p->accepts[x.states.items[s]])
			text = way_to(a, &x, s);
	product_release(&x);
	return text;
}
