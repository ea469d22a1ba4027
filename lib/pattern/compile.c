/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree to an automaton: Thompson's construction, then its subsets. Anchors are edges that need
 * no character and hold at one place only, so a state knows whether it is the beginning, and
 * whether it accepts is asked as if the text ended there.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/pattern/pattern_internal.h"

#define MAX_NODES 50000u

enum edge { EDGE_SET, EDGE_FREE, EDGE_BEGIN, EDGE_END, EDGE_ACCEPT };

struct nfa_node {
	enum edge edge;
	const struct tree *set;
	uint32_t out, other; /* UINT32_MAX: none */
};

struct nfa {
	VEC(struct nfa_node) nodes;
	struct error *err;
};

static uint32_t add(struct nfa *n, enum edge edge, uint32_t out, uint32_t other)
{
	const struct nfa_node one = {.edge = edge, .out = out, .other = other};

	vec_push(&n->nodes, one);
	return (uint32_t)n->nodes.n - 1;
}

static bool too_many(const struct nfa *n)
{
	return n->nodes.n > MAX_NODES;
}

/* Nodes that match t and go on at `to`; where they begin. Written from the end, so that every node
 * knows its successor. */
static uint32_t build(struct nfa *n, const struct tree *t, uint32_t to);

static uint32_t build_repeat(struct nfa *n, const struct tree *t, uint32_t to)
{
	uint32_t at = to;

	if (t->max == UINT32_MAX) {
		const uint32_t loop = add(n, EDGE_FREE, UINT32_MAX, to);
		const uint32_t body = build(n, t->left, loop);

		n->nodes.items[loop].out = body;
		at = loop;
	} else {
		for (uint32_t i = t->min; i < t->max && !too_many(n); i++)
			at = add(n, EDGE_FREE, build(n, t->left, at), to);
	}
	for (uint32_t i = 0; i < t->min && !too_many(n); i++)
		at = build(n, t->left, at);
	return at;
}

static uint32_t build(struct nfa *n, const struct tree *t, uint32_t to)
{
	uint32_t at;

	if (too_many(n))
		return to;
	switch (t->kind) {
	case TREE_EMPTY:
		return to;
	case TREE_SET:
		at = add(n, EDGE_SET, to, UINT32_MAX);
		n->nodes.items[at].set = t;
		return at;
	case TREE_CAT:
		return build(n, t->left, build(n, t->right, to));
	case TREE_ALT:
		at = build(n, t->left, to);
		return add(n, EDGE_FREE, at, build(n, t->right, to));
	case TREE_REPEAT:
		return build_repeat(n, t, to);
	case TREE_BEGIN:
		return add(n, EDGE_BEGIN, to, UINT32_MAX);
	case TREE_END:
		return add(n, EDGE_END, to, UINT32_MAX);
	}
	return to;
}

/* --- subsets --- */

struct subset {
	uint32_t *nodes; /* sorted; such as consume, end the text or accept */
	size_t n;
	uint64_t hash;
	bool begins, accepts;
};

struct subsets {
	const struct nfa *nfa;
	VEC(struct subset) list;
	VEC(uint16_t) next;
	uint32_t *buckets; /* index + 1 */
	size_t n_buckets;
	VEC(uint32_t) starts; /* of the ranges */
	uint32_t *seen, turn; /* per node: the turn in which it was met */
	VEC(uint32_t) stack, found;
};

static void push(struct subsets *s, uint32_t node)
{
	if (node == UINT32_MAX || s->seen[node] == s->turn)
		return;
	s->seen[node] = s->turn;
	vec_push(&s->stack, node);
}

/* Follows what needs no character from what is on the stack; true: it leads to the end. */
static bool follow(struct subsets *s, bool at_begin, bool at_end)
{
	bool accepts = false;

	s->found.n = 0;
	while (s->stack.n) {
		const uint32_t at = s->stack.items[--s->stack.n];
		const struct nfa_node *n = &s->nfa->nodes.items[at];

		accepts |= n->edge == EDGE_ACCEPT;
		if (n->edge == EDGE_FREE) {
			push(s, n->out);
			push(s, n->other);
			continue;
		}
		if ((n->edge == EDGE_BEGIN && at_begin) || (n->edge == EDGE_END && at_end))
			push(s, n->out);
		if (n->edge != EDGE_BEGIN)
			vec_push(&s->found, at);
	}
	return accepts;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;

	return p < q ? -1 : p > q;
}

static uint64_t hash_of(const uint32_t *v, size_t n, bool begins)
{
	uint64_t h = begins ? 0x9e3779b97f4a7c15ULL : 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ v[i]) * 0x100000001b3ULL;
	return h ^ (h >> 29);
}

/* The subset that was just found, known or new; UINT32_MAX: there are too many. */
static uint32_t number_of(struct subsets *s, bool begins)
{
	const size_t n = s->found.n;
	struct subset one = {.n = n, .begins = begins};
	size_t slot;

	qsort(s->found.items, n, sizeof(uint32_t), by_number);
	one.hash = hash_of(s->found.items, n, begins);
	for (slot = one.hash % s->n_buckets; s->buckets[slot]; slot = (slot + 1) % s->n_buckets) {
		const struct subset *o = &s->list.items[s->buckets[slot] - 1];

		if (o->hash == one.hash && o->n == n && o->begins == begins &&
		    !memcmp(o->nodes, s->found.items, n * sizeof(uint32_t)))
			return s->buckets[slot] - 1;
	}
	if (s->list.n >= PATTERN_MAX_STATES)
		return UINT32_MAX;
	one.nodes = xmalloc(MAX(n, 1u) * sizeof(uint32_t));
	memcpy(one.nodes, s->found.items, n * sizeof(uint32_t));
	vec_push(&s->list, one);
	s->buckets[slot] = (uint32_t)s->list.n;
	return (uint32_t)s->list.n - 1;
}

static bool has(const struct tree *set, uint32_t rune)
{
	for (size_t i = 0; i < set->n_ranges; i++)
		if (rune >= set->ranges[i].low && rune <= set->ranges[i].high)
			return true;
	return false;
}

static uint32_t step(struct subsets *s, uint32_t from, uint32_t rune)
{
	s->turn++;
	for (size_t i = 0; i < s->list.items[from].n; i++) {
		const struct nfa_node *n = &s->nfa->nodes.items[s->list.items[from].nodes[i]];

		if (n->edge == EDGE_SET && has(n->set, rune))
			push(s, n->out);
	}
	follow(s, false, false);
	return number_of(s, false);
}

/* Also what holds only where the text ends. */
static bool accepts_at(struct subsets *s, uint32_t state)
{
	const struct subset *one = &s->list.items[state];

	s->turn++;
	for (size_t i = 0; i < one->n; i++)
		push(s, one->nodes[i]);
	return follow(s, one->begins, true);
}

/* Halves of surrogate pairs are in no string: they go with what is before them. */
static void add_start(struct subsets *s, uint32_t rune)
{
	vec_push(&s->starts, rune == SURROGATE_LOW ? SURROGATE_HIGH + 1 : rune);
}

static void find_ranges(struct subsets *s)
{
	size_t n = 0;

	add_start(s, RUNE_MIN);
	for (size_t i = 0; i < s->nfa->nodes.n; i++) {
		const struct tree *set = s->nfa->nodes.items[i].set;

		for (size_t k = 0; set && k < set->n_ranges; k++) {
			add_start(s, set->ranges[k].low);
			if (set->ranges[k].high < RUNE_MAX)
				add_start(s, set->ranges[k].high + 1);
		}
	}
	qsort(s->starts.items, s->starts.n, sizeof(uint32_t), by_number);
	for (size_t i = 1; i < s->starts.n; i++)
		if (s->starts.items[i] != s->starts.items[n])
			s->starts.items[++n] = s->starts.items[i];
	s->starts.n = n + 1;
}

static int all_steps(struct subsets *s, struct error *err)
{
	for (uint32_t state = 0; state < s->list.n; state++) {
		s->list.items[state].accepts = accepts_at(s, state);
		for (size_t r = 0; r < s->starts.n; r++) {
			const uint32_t to = step(s, state, s->starts.items[r]);

			if (to == UINT32_MAX)
				return error_set(err, -E2BIG,
						 "the expression has more than %u states",
						 PATTERN_MAX_STATES);
			vec_push(&s->next, (uint16_t)to);
		}
	}
	return 0;
}

static struct pattern *collect(struct arena *a, const struct subsets *s)
{
	bool *accepts = xcalloc(s->list.n, sizeof(bool));
	const struct pattern raw = {.n_states = (uint32_t)s->list.n,
				    .n_ranges = (uint32_t)s->starts.n,
				    .starts = s->starts.items,
				    .next = s->next.items,
				    .accepts = accepts};
	struct pattern *p;

	for (size_t i = 0; i < s->list.n; i++)
		accepts[i] = s->list.items[i].accepts;
	p = pattern_canonical(a, &raw);
	free(accepts);
	return p;
}

static int determinize(struct arena *a, const struct nfa *nfa, uint32_t begin, struct pattern **ret,
		       struct error *err)
{
	struct subsets s = {.nfa = nfa, .n_buckets = 4 * PATTERN_MAX_STATES};
	int r;

	s.buckets = xcalloc(s.n_buckets, sizeof(uint32_t));
	s.seen = xcalloc(nfa->nodes.n, sizeof(uint32_t));
	find_ranges(&s);
	s.turn = 1;
	push(&s, begin);
	follow(&s, true, false);
	number_of(&s, true);
	r = all_steps(&s, err);
	if (!r)
		*ret = collect(a, &s);
	vec_foreach (&s.list, one)
		free(one->nodes);
	vec_release(&s.list);
	vec_release(&s.next);
	vec_release(&s.starts);
	vec_release(&s.stack);
	vec_release(&s.found);
	free(s.buckets);
	free(s.seen);
	return r;
}

int tree_compile(struct arena *a, const struct tree *t, struct pattern **ret, struct error *err)
{
	struct nfa nfa = {.err = err};
	const uint32_t end = add(&nfa, EDGE_ACCEPT, UINT32_MAX, UINT32_MAX);
	const uint32_t begin = build(&nfa, t, end);
	int r = too_many(&nfa) ? error_set(err, -E2BIG, "the expression, written out, is too long")
			       : determinize(a, &nfa, begin, ret, err);

	vec_release(&nfa.nodes);
	return r;
}
