/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/counters.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"

/* Of more ports than this each is a row of its own only when there is room; then of fewer. */
enum { MANY_PORTS = 256 };

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_pair(const struct sidestep_counter *a, const struct sidestep_counter *b)
{
	int r = compare(a->source, b->source);

	if (!r)
		r = compare(a->destination, b->destination);
	if (!r)
		r = str_cmp(a->protocol, b->protocol);
	return r ? r : str_cmp(a->verdict, b->verdict);
}

static int by_key(const void *x, const void *y)
{
	const struct sidestep_counter *a = x, *b = y;
	int r = by_pair(a, b);

	return r ? r : compare(a->port, b->port);
}

static size_t add_up(struct sidestep_counter *items, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept && by_key(&items[kept - 1], &items[i]) == 0)
			items[kept - 1].count += items[i].count;
		else
			items[kept++] = items[i];
	}
	return kept;
}

static size_t fold(struct sidestep_counter *items, size_t n, size_t limit, bool forwarded)
{
	size_t kept = 0, end;

	for (size_t i = 0; i < n; i = end) {
		bool many;

		for (end = i + 1; end < n && by_pair(&items[i], &items[end]) == 0; end++)
			;
		many = end - i > limit && str_eq(items[i].verdict, "forwarded") == forwarded;
		for (size_t k = i; k < end; k++) {
			if (many)
				items[k].port = COUNTER_PORT_MANY;
			items[kept++] = items[k];
		}
	}
	return add_up(items, kept);
}

size_t counters_fit(struct sidestep_counter *items, size_t n, size_t max)
{
	if (n)
		qsort(items, n, sizeof(*items), by_key);
	n = add_up(items, n);
	for (int forwarded = 0; forwarded < 2; forwarded++)
		for (size_t limit = MANY_PORTS; n >= max && limit; limit /= 4)
			n = fold(items, n, limit, forwarded);
	return MIN(n, max);
}

static const char *verdict_text(uint8_t verdict)
{
	switch (verdict) {
	case VERDICT_FORWARDED:
		return "forwarded";
	case VERDICT_DROPPED:
		return "dropped";
	case VERDICT_AUDIT:
		return "audit";
	default:
		return NULL;
	}
}

/*
 * A connection between pods is decided at both ends. It counts as forwarded where it arrives (or,
 * when it leaves the cluster, where it leaves); what is refused or audited counts where that is.
 */
static bool counts(const struct traffic_key *k)
{
	if (k->verdict != VERDICT_FORWARDED)
		return true;
	return k->direction == DIRECTION_INGRESS || !mesh_is_cluster_identity(k->dst_identity);
}

static struct sidestep_counter counter_of(const struct datapath_traffic *row)
{
	const struct traffic_key *k = &row->key;

	return (struct sidestep_counter){.source = k->src_identity,
					 .destination = k->dst_identity,
					 .port = ntohs(k->port),
					 .protocol = mesh_proto_name(k->proto),
					 .verdict = verdict_text(k->verdict),
					 .count = (int64_t)row->value.decisions};
}

void counters_list(struct arena *a, const struct datapath_traffic *rows, size_t n_rows,
		   struct sidestep_node *ret)
{
	struct sidestep_sent *sent = arena_new(a, struct sidestep_sent);

	ret->sent = sent;
	ret->counters = arena_array(a, n_rows + 1, struct sidestep_counter);
	sent->items = arena_array(a, n_rows + 1, struct sidestep_counter);
	for (size_t i = 0; i < n_rows; i++) {
		if (!verdict_text(rows[i].key.verdict))
			continue;
		if (counts(&rows[i].key))
			ret->counters[ret->n_counters++] = counter_of(&rows[i]);
		else
			sent->items[sent->n_items++] = counter_of(&rows[i]);
	}
	ret->n_counters = counters_fit(ret->counters, ret->n_counters, SIDESTEP_NODE_MAX_COUNTERS);
	/* One more than there may be, and some are missing. */
	sent->n_items = counters_fit(sent->items, sent->n_items, SIDESTEP_NODE_MAX_SENT + 1);
	sent->rows = (int64_t)sent->n_items;
	sent->n_items = MIN(sent->n_items, (size_t)SIDESTEP_NODE_MAX_SENT);
}
