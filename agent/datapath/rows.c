/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/datapath/rows.h"
#include "lib/base/alloc.h"

void rows_init(struct rows *r, enum map_id map)
{
	*r = (struct rows){.map = map,
			   .key_size = map_specs[map].key_size,
			   .value_size = map_specs[map].value_size};
}

void rows_release(struct rows *r)
{
	free(r->data);
	r->data = NULL;
	r->n = r->cap = 0;
}

/* Keys and values are read in place as structs: both start where any of them may. */
static size_t aligned(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static size_t row_size(const struct rows *r)
{
	return aligned(r->key_size) + aligned(r->value_size);
}

void rows_add(struct rows *r, const void *key, const void *value)
{
	uint8_t *at;

	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 32;
		r->data = xreallocarray(r->data, r->cap, row_size(r));
	}
	at = r->data + r->n++ * row_size(r);
	memcpy(at, key, r->key_size);
	memcpy(at + aligned(r->key_size), value, r->value_size);
}

const void *rows_key(const struct rows *r, size_t i)
{
	return r->data + i * row_size(r);
}

const void *rows_value(const struct rows *r, size_t i)
{
	return r->data + i * row_size(r) + aligned(r->key_size);
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	const struct rows *r = arg;

	return memcmp(a, b, r->key_size);
}

void rows_sort(struct rows *r)
{
	if (r->n > 1)
		qsort_r(r->data, r->n, row_size(r), compare_keys, r);
}

static void add_row(void *arg, const void *key, const void *value)
{
	rows_add(arg, key, value);
}

int rows_read(struct rows *r, const struct maps *m, struct error *err)
{
	int n = maps_each(m, r->map, add_row, r, err);

	if (!map_is_array(r->map))
		rows_sort(r);
	return n < 0 ? n : 0;
}

const void *rows_find(const struct rows *r, const void *key)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(rows_key(r, middle), key, r->key_size);

		if (!order)
			return rows_value(r, middle);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int rows_compare(const struct rows *have, const struct rows *want,
		 int (*fn)(void *arg, const void *key, const void *have_value,
			   const void *want_value),
		 void *arg)
{
	size_t h = 0, w = 0;
	int code = 0;

	while (!code && (h < have->n || w < want->n)) {
		int order = h == have->n ? 1
			    : w == want->n
				    ? -1
				    : memcmp(rows_key(have, h), rows_key(want, w), have->key_size);

		if (order < 0) {
			code = fn(arg, rows_key(have, h), rows_value(have, h), NULL);
		} else if (order > 0) {
			code = fn(arg, rows_key(want, w), NULL, rows_value(want, w));
		} else if (memcmp(rows_value(have, h), rows_value(want, w), have->value_size)) {
			code = fn(arg, rows_key(want, w), rows_value(have, h), rows_value(want, w));
		}
		h += order <= 0;
		w += order >= 0;
	}
	return code;
}
