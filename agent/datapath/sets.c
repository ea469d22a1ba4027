/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "agent/datapath/sets.h"
#include "lib/base/alloc.h"

struct numbered {
	uint32_t number;
	struct mesh_row row; /* number removed, as the compiler has it */
};

static int by_number(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return mesh_row_cmp(&x->row, &y->row);
}

static struct set_item *add_item(struct sets *s, uint32_t number, uint64_t digest)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->items = xreallocarray(s->items, s->cap, sizeof(*s->items));
	}
	s->items[s->n] = (struct set_item){.digest = digest, .number = number};
	return &s->items[s->n++];
}

void sets_read(struct sets *s, const struct rows *policy)
{
	auto_free struct numbered *all = xcalloc(policy->n + 1, sizeof(*all));
	auto_free struct mesh_row *rows = xcalloc(policy->n + 1, sizeof(*rows));
	size_t n;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < policy->n; i++) {
		memcpy(&all[i].row.key, rows_key(policy, i), sizeof(all[i].row.key));
		memcpy(&all[i].row.entry, rows_value(policy, i), sizeof(all[i].row.entry));
		all[i].number = all[i].row.key.set;
		all[i].row.key.set = 0;
	}
	qsort(all, policy->n, sizeof(*all), by_number);
	for (size_t i = 0; i < policy->n; i += n) {
		for (n = 0; i + n < policy->n && all[i + n].number == all[i].number; n++)
			rows[n] = all[i + n].row;
		add_item(s, all[i].number, mesh_set_digest(rows, n));
	}
}

void sets_release(struct sets *s)
{
	free(s->items);
	memset(s, 0, sizeof(*s));
}

uint32_t sets_find(struct sets *s, uint64_t digest)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->items[i].digest == digest) {
			s->items[i].wanted = true;
			return s->items[i].number;
		}
	}
	return 0;
}

uint32_t sets_add(struct sets *s, uint64_t digest)
{
	uint32_t number = 1;

	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].number >= number)
			number = s->items[i].number + 1;
	add_item(s, number, digest)->wanted = true;
	return number;
}

bool sets_is_wanted(const struct sets *s, uint32_t number)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].number == number)
			return s->items[i].wanted;
	return false;
}
