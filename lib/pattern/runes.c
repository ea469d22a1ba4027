/* SPDX-License-Identifier: Apache-2.0 */
/* Code points, their encoding, and sets of them. */
#include "lib/base/macros.h"
#include "lib/pattern/pattern_internal.h"

uint32_t rune_read(const char **s, const char *end)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char first = (unsigned char)*(*s)++;
	const unsigned len = first < 0x80   ? 1
			     : first < 0xc0 ? 0
			     : first < 0xe0 ? 2
			     : first < 0xf0 ? 3
					    : 4;
	uint32_t rune = len == 1 ? first : first & (0x7fu >> len);

	if (!len || first > 0xf4)
		return UINT32_MAX;
	for (unsigned i = 1; i < len; i++) {
		if (*s >= end || ((unsigned char)**s & 0xc0) != 0x80)
			return UINT32_MAX;
		rune = rune << 6 | ((unsigned char)*(*s)++ & 0x3f);
	}
	if (rune < least[len] || rune < RUNE_MIN || rune > RUNE_MAX ||
	    (rune >= SURROGATE_LOW && rune <= SURROGATE_HIGH))
		return UINT32_MAX;
	return rune;
}

size_t rune_write(char *to, uint32_t rune)
{
	static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	const unsigned len = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;

	for (unsigned i = len; i-- > 1; rune >>= 6)
		to[i] = (char)(0x80 | (rune & 0x3f));
	to[0] = (char)(marks[len] | rune);
	return len;
}

static const struct range liked[] = {{'a', 'z'},    {'0', '9'},        {'A', 'Z'}, {'/', '/'},
				     {'-', '.'},    {'!', '~'},        {' ', ' '}, {0xa1, 0x2ff},
				     {RUNE_MIN, 8}, {0xe000, RUNE_MAX}};

unsigned rune_rank(uint32_t low, uint32_t high)
{
	unsigned i = 0;

	while (i < ARRAY_SIZE(liked) && (liked[i].low > high || low > liked[i].high))
		i++;
	return i;
}

uint32_t rune_of(uint32_t low, uint32_t high)
{
	const unsigned i = rune_rank(low, high);

	return i < ARRAY_SIZE(liked) ? MAX(low, liked[i].low) : low;
}

/* --- sets --- */

void set_add(struct set *s, uint32_t low, uint32_t high)
{
	const struct range r = {MAX(low, RUNE_MIN), high};

	if (r.low <= r.high)
		vec_push(&s->ranges, r);
}

void set_add_all(struct set *s, const struct set *from)
{
	for (size_t i = 0; i < from->ranges.n; i++)
		vec_push(&s->ranges, from->ranges.items[i]);
}

static int by_low(const void *a, const void *b)
{
	const struct range *p = a, *q = b;

	return p->low < q->low ? -1 : p->low > q->low;
}

void set_tidy(struct set *s)
{
	struct range *r = s->ranges.items;
	size_t n = 0;

	if (!s->ranges.n)
		return;
	qsort(r, s->ranges.n, sizeof(*r), by_low);
	for (size_t i = 1; i < s->ranges.n; i++) {
		if (r[i].low <= r[n].high || r[i].low == r[n].high + 1)
			r[n].high = MAX(r[n].high, r[i].high);
		else
			r[++n] = r[i];
	}
	s->ranges.n = n + 1;
}

void set_negate(struct set *s)
{
	struct set out = {0};
	uint32_t from = RUNE_MIN;

	for (size_t i = 0; i < s->ranges.n; i++) {
		const struct range *r = &s->ranges.items[i];

		if (r->low > from)
			set_add(&out, from, r->low - 1);
		from = r->high + 1;
	}
	if (from <= RUNE_MAX)
		set_add(&out, from, RUNE_MAX);
	set_release(s);
	*s = out;
}

void set_release(struct set *s)
{
	vec_release(&s->ranges);
}
