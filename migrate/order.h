/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/order.h - servers before their callers.
 *
 * The call graph of one namespace's workloads, its strongly connected parts found, in an order in
 * which every server comes before whoever calls it: then a sidecar-free client never meets a
 * sidecar'd server. A part of more than one workload has no such order. Pure.
 */
#pragma once

#include <stddef.h>

#include "lib/base/arena.h"

struct order_edge {
	size_t caller, server;
};

struct order {
	size_t *items; /* nodes, servers first; members of one part stand together */
	size_t *part;  /* of a node; parts are numbered in the same order */
	size_t n, n_parts;
	size_t *part_size;
};

/* Nodes 0..n-1; among equals the smaller number first, so the same graph gives the same order. */
void order_make(struct order *o, struct arena *a, size_t n, const struct order_edge *edges,
		size_t n_edges);

#define ORDER_MAX_NODES 10000u
