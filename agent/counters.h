/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/counters.h - counters as rows that fit into a SidestepNode. Pure.
 *
 * Who calls every port of a pod makes a row a port, and must not crowd out the rows that gates ask
 * for: then the ports of one source, destination, protocol and verdict are told as one sum.
 */
#pragma once

#include "agent/datapath/datapath.h"
#include "lib/object/sidestep.h"

/*
 * Sorts items and adds up those of one key. While max or more are left, what has most ports becomes
 * one row of port COUNTER_PORT_MANY: first of what was refused or audited, then of what passed.
 * Returns how many are left; max: some are missing.
 */
size_t counters_fit(struct sidestep_counter *items, size_t n, size_t max);

/*
 * The kernel's decisions as ret->counters and ret->sent. A connection between pods is decided at
 * both ends: it counts as forwarded where it arrives (or, when it leaves the cluster, where it
 * leaves), and stands in `sent` where it leaves; what is refused or audited counts where that is.
 */
void counters_list(struct arena *a, const struct datapath_traffic *rows, size_t n_rows,
		   struct sidestep_node *ret);
