/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of addresses as the fewest blocks: inserted, cut and merged, always sorted and disjoint. */
#include <string.h>

#include "lib/net/cidr.h"

void net_cidr_set_release(struct net_cidr_set *set)
{
	vec_release(&set->blocks);
}

/* First block that does not lie wholly before cidr. */
static size_t lower_bound(const struct net_cidr_set *set, const struct net_cidr *cidr)
{
	size_t lo = 0, hi = set->blocks.n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		const struct net_cidr *b = &set->blocks.items[mid];

		if (net_addr_cmp(&b->addr, &cidr->addr) < 0 && !net_cidr_overlaps(b, cidr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void insert_at(struct net_cidr_set *set, size_t i, const struct net_cidr *cidr)
{
	const struct net_cidr copy = *cidr;

	vec_push(&set->blocks, copy);
	memmove(&set->blocks.items[i + 1], &set->blocks.items[i],
		(set->blocks.n - 1 - i) * sizeof(copy));
	set->blocks.items[i] = copy;
}

/* The other half of the block one bit wider. */
static struct net_cidr sibling(const struct net_cidr *c)
{
	struct net_cidr s = *c;

	s.addr.bytes[(c->bits - 1) / 8] ^= (uint8_t)(0x80u >> ((c->bits - 1) % 8));
	return s;
}

/* Joins block i with its sibling as long as that is in the set too. */
static void merge_up(struct net_cidr_set *set, size_t i)
{
	for (;;) {
		struct net_cidr *c = &set->blocks.items[i], s;

		if (c->bits == 0)
			return;
		s = sibling(c);
		if (i + 1 < set->blocks.n && net_cidr_equal(&set->blocks.items[i + 1], &s)) {
			vec_remove(&set->blocks, i + 1);
		} else if (i > 0 && net_cidr_equal(&set->blocks.items[i - 1], &s)) {
			vec_remove(&set->blocks, i - 1);
			i--;
		} else {
			return;
		}
		c = &set->blocks.items[i];
		*c = net_cidr_make(&c->addr, c->bits - 1u);
	}
}

void net_cidr_set_add(struct net_cidr_set *set, const struct net_cidr *cidr)
{
	const size_t i = lower_bound(set, cidr);

	if (i < set->blocks.n && net_cidr_within(cidr, &set->blocks.items[i]))
		return;
	while (i < set->blocks.n && net_cidr_within(&set->blocks.items[i], cidr))
		vec_remove(&set->blocks, i);
	insert_at(set, i, cidr);
	merge_up(set, i);
}

/* Replaces block i, which contains hole, by what is left of it. */
static void cut(struct net_cidr_set *set, size_t i, const struct net_cidr *hole)
{
	struct net_cidr c = set->blocks.items[i];

	vec_remove(&set->blocks, i);
	while (c.bits < hole->bits) {
		struct net_cidr half = net_cidr_make(&hole->addr, c.bits + 1u);
		const struct net_cidr keep = sibling(&half);

		/* Kept halves before the hole come first, those behind it last. */
		insert_at(set, i, &keep);
		if (net_addr_cmp(&keep.addr, &hole->addr) < 0)
			i++;
		c = half;
	}
}

void net_cidr_set_remove(struct net_cidr_set *set, const struct net_cidr *cidr)
{
	const size_t i = lower_bound(set, cidr);

	while (i < set->blocks.n && net_cidr_within(&set->blocks.items[i], cidr))
		vec_remove(&set->blocks, i);
	if (i < set->blocks.n && net_cidr_within(cidr, &set->blocks.items[i]))
		cut(set, i, cidr);
}

void net_cidr_set_intersect(struct net_cidr_set *set, const struct net_cidr_set *other)
{
	struct net_cidr_set both = {VEC_INIT};

	vec_foreach (&set->blocks, a) {
		for (size_t i = 0; i < other->blocks.n; i++) {
			const struct net_cidr *b = &other->blocks.items[i];

			if (net_cidr_within(a, b))
				net_cidr_set_add(&both, a);
			else if (net_cidr_within(b, a))
				net_cidr_set_add(&both, b);
		}
	}
	net_cidr_set_release(set);
	*set = both;
}

bool net_cidr_set_covers(const struct net_cidr_set *set, const struct net_cidr *cidr)
{
	const size_t i = lower_bound(set, cidr);

	/* Merged blocks: a covered block lies in a single one. */
	return i < set->blocks.n && net_cidr_within(cidr, &set->blocks.items[i]);
}

bool net_cidr_set_contains(const struct net_cidr_set *set, const struct net_addr *addr)
{
	const struct net_cidr one = net_cidr_make(addr, 128);

	return net_cidr_set_covers(set, &one);
}

bool net_cidr_set_equal(const struct net_cidr_set *a, const struct net_cidr_set *b)
{
	if (a->blocks.n != b->blocks.n)
		return false;
	for (size_t i = 0; i < a->blocks.n; i++)
		if (!net_cidr_equal(&a->blocks.items[i], &b->blocks.items[i]))
			return false;
	return true;
}
