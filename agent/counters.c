/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/counters.h"

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
