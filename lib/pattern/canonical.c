/* SPDX-License-Identifier: Apache-2.0 */
/* An automaton's one form: the fewest states, numbered as a walk from the start meets them. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/pattern/pattern_internal.h"

/* Moore's partition, a pass at a time: states that differ now, or lead to such as do. */
struct partition {
	const struct pattern *p;
	uint32_t *class_of, *next_class;
	uint32_t *buckets; /* the first state of a class, + 1, by what the class is */
	size_t n_buckets;
};

static uint32_t class_to(const struct partition *x, uint32_t state, uint32_t range)
{
	return x->class_of[x->p->next[state * x->p->n_ranges + range]];
}

static bool same_now(const struct partition *x, uint32_t s, uint32_t o)
{
	bool same = x->class_of[s] == x->class_of[o];

	for (uint32_t r = 0; r < x->p->n_ranges && same; r++)
		same = class_to(x, s, r) == class_to(x, o, r);
	return same;
}

static uint32_t refine(struct partition *x)
{
	uint32_t n = 0;

	memset(x->buckets, 0, x->n_buckets * sizeof(uint32_t));
	for (uint32_t s = 0; s < x->p->n_states; s++) {
		uint64_t h = x->class_of[s];
		size_t slot;

		for (uint32_t r = 0; r < x->p->n_ranges; r++)
			h = (h ^ class_to(x, s, r)) * 0x9e3779b97f4a7c15ULL;
		slot = (h ^ h >> 32) % x->n_buckets;
		while (x->buckets[slot] && !same_now(x, s, x->buckets[slot] - 1))
			slot = (slot + 1) % x->n_buckets;
		if (!x->buckets[slot]) {
			x->buckets[slot] = s + 1;
			x->next_class[s] = n++;
		} else {
			x->next_class[s] = x->next_class[x->buckets[slot] - 1];
		}
	}
	memcpy(x->class_of, x->next_class, x->p->n_states * sizeof(uint32_t));
	return n;
}

/* class_of[state]; how many classes. */
static uint32_t partition(const struct pattern *p, uint32_t *class_of)
{
	struct partition x = {.p = p, .class_of = class_of, .n_buckets = 2 * (size_t)p->n_states};
	uint32_t n = 0, before;

	x.next_class = xcalloc(p->n_states, sizeof(uint32_t));
	x.buckets = xcalloc(x.n_buckets, sizeof(uint32_t));
	for (uint32_t s = 0; s < p->n_states; s++)
		class_of[s] = p->accepts[s];
	do {
		before = n;
		n = refine(&x);
	} while (n != before);
	free(x.next_class);
	free(x.buckets);
	return n;
}

/* Ranges side by side that lead everywhere to the same are one. */
static uint32_t merge_ranges(const struct pattern *p, const uint32_t *class_of, uint32_t *ret_kept)
{
	uint32_t n = 0;

	for (uint32_t r = 0; r < p->n_ranges; r++) {
		bool same = r > 0;

		for (uint32_t s = 0; s < p->n_states && same; s++)
			same = class_of[p->next[s * p->n_ranges + r]] ==
			       class_of[p->next[s * p->n_ranges + r - 1]];
		if (!same)
			ret_kept[n++] = r;
	}
	return n;
}

/* Classes in the order in which a walk from the start meets them; number[class], UINT32_MAX: never
 * met. order[i] is a state of class i. */
static uint32_t walk_order(const struct pattern *p, const uint32_t *class_of, uint32_t *number,
			   uint32_t *order)
{
	uint32_t n = 0;

	number[class_of[0]] = n;
	order[n++] = 0;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t r = 0; r < p->n_ranges; r++) {
			const uint32_t to = p->next[order[i] * p->n_ranges + r];

			if (number[class_of[to]] != UINT32_MAX)
				continue;
			number[class_of[to]] = n;
			order[n++] = to;
		}
	}
	return n;
}

static struct pattern *numbered(struct arena *a, const struct pattern *p, const uint32_t *class_of,
				const uint32_t *kept, uint32_t n_kept, const uint32_t *number,
				const uint32_t *order, uint32_t n)
{
	struct pattern *out = arena_new(a, struct pattern);
	uint32_t *starts = arena_array(a, n_kept, uint32_t);
	uint16_t *next = arena_array(a, (size_t)n * n_kept, uint16_t);
	bool *accepts = arena_array(a, n, bool);

	for (uint32_t r = 0; r < n_kept; r++)
		starts[r] = p->starts[kept[r]];
	for (uint32_t i = 0; i < n; i++) {
		accepts[i] = p->accepts[order[i]];
		for (uint32_t r = 0; r < n_kept; r++)
			next[i * n_kept + r] = (uint16_t)
				number[class_of[p->next[order[i] * p->n_ranges + kept[r]]]];
	}
	*out = (struct pattern){.n_states = n,
				.n_ranges = n_kept,
				.starts = starts,
				.next = next,
				.accepts = accepts};
	return out;
}

struct pattern *pattern_canonical(struct arena *a, const struct pattern *raw)
{
	uint32_t *class_of = xcalloc(raw->n_states, sizeof(uint32_t));
	uint32_t *kept = xcalloc(raw->n_ranges, sizeof(uint32_t));
	const uint32_t n_classes = partition(raw, class_of);
	uint32_t *number = xcalloc(n_classes, sizeof(uint32_t));
	uint32_t *order = xcalloc(n_classes, sizeof(uint32_t));
	uint32_t n_kept, n;
	struct pattern *out;

	memset(number, 0xff, n_classes * sizeof(uint32_t));
	n_kept = merge_ranges(raw, class_of, kept);
	n = walk_order(raw, class_of, number, order);
	out = numbered(a, raw, class_of, kept, n_kept, number, order, n);
	free(class_of);
	free(kept);
	free(number);
	free(order);
	return out;
}
