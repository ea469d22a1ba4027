/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/order.h"

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/macros.h"

/* Tarjan's algorithm: parts come out callees first, which is the order wanted. */
struct tarjan {
	const struct order_edge *edges;
	size_t n_edges, next_index, depth;
	size_t *index, *low, *stack;
	bool *on_stack;
	struct order *out;
};
#define UNSEEN SIZE_MAX

/* Takes one finished part off the stack, its members by number. */
static void take_part(struct tarjan *t, size_t root)
{
	size_t part = t->out->n_parts++, first = t->out->n, node;

	do {
		size_t at = t->out->n++;

		node = t->stack[--t->depth];
		t->on_stack[node] = false;
		t->out->part[node] = part;
		for (; at > first && t->out->items[at - 1] > node; at--)
			t->out->items[at] = t->out->items[at - 1];
		t->out->items[at] = node;
	} while (node != root);
	t->out->part_size[part] = t->out->n - first;
}

/* Recursion is bounded by the number of workloads in one namespace (ORDER_MAX_NODES). */
static void visit(struct tarjan *t, size_t node)
{
	t->index[node] = t->low[node] = t->next_index++;
	t->stack[t->depth++] = node;
	t->on_stack[node] = true;
	for (size_t i = 0; i < t->n_edges; i++) {
		size_t server = t->edges[i].server;

		if (t->edges[i].caller != node || server == node)
			continue;
		if (t->index[server] == UNSEEN) {
			visit(t, server);
			t->low[node] = MIN(t->low[node], t->low[server]);
		} else if (t->on_stack[server]) {
			t->low[node] = MIN(t->low[node], t->index[server]);
		}
	}
	if (t->low[node] == t->index[node])
		take_part(t, node);
}

void order_make(struct order *o, struct arena *a, size_t n, const struct order_edge *edges,
		size_t n_edges)
{
	struct tarjan t = {.edges = edges, .n_edges = n_edges, .out = o};

	*o = (struct order){
		.items = arena_array(a, n + 1, size_t),
		.part = arena_array(a, n + 1, size_t),
		.part_size = arena_array(a, n + 1, size_t),
	};
	if (n > ORDER_MAX_NODES)
		return;
	t.index = arena_array(a, n + 1, size_t);
	t.low = arena_array(a, n + 1, size_t);
	t.stack = arena_array(a, n + 1, size_t);
	t.on_stack = arena_array(a, n + 1, bool);
	for (size_t i = 0; i < n; i++)
		t.index[i] = UNSEEN;
	for (size_t i = 0; i < n; i++)
		if (t.index[i] == UNSEEN)
			visit(&t, i);
}
