/* SPDX-License-Identifier: Apache-2.0 */
/* lib/net/cidr.h - address blocks and sets of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/vec.h"
#include "lib/net/addr.h"

/* addr has no bits beyond the prefix. */
struct net_cidr {
	struct net_addr addr;
	uint8_t bits;
};

#define NET_CIDR_SIZE (NET_ADDR_SIZE + 4)
/* "10.0.0.0/8"; bits beyond the prefix are cleared; without "/" it is one address. -EINVAL. */
int net_cidr_parse(const char *s, struct net_cidr *ret_cidr, struct error *err);
/* The same, but bits beyond the prefix are an error (where a user surely meant another block). */
int net_cidr_parse_strict(const char *s, struct net_cidr *ret_cidr, struct error *err);
char *net_cidr_format(const struct net_cidr *cidr, char buf[NET_CIDR_SIZE]);
/* The block of that prefix length around addr. */
struct net_cidr net_cidr_make(const struct net_addr *addr, unsigned bits);
bool net_cidr_contains(const struct net_cidr *cidr, const struct net_addr *addr);
/* Whether inner lies wholly in outer. */
bool net_cidr_within(const struct net_cidr *inner, const struct net_cidr *outer);
bool net_cidr_overlaps(const struct net_cidr *a, const struct net_cidr *b);
bool net_cidr_equal(const struct net_cidr *a, const struct net_cidr *b);
/* By address, then wider first. */
int net_cidr_cmp(const struct net_cidr *a, const struct net_cidr *b);
/* Address number n of the block (0 = its first), false past its end. */
bool net_cidr_nth(const struct net_cidr *cidr, uint64_t n, struct net_addr *ret_addr);
/* How many addresses, at most UINT64_MAX. */
uint64_t net_cidr_count(const struct net_cidr *cidr);

/*
 * A set of addresses of both families, kept as the fewest blocks, sorted. Equal sets have equal
 * items. Zeroed is empty.
 */
struct net_cidr_set {
	VEC(struct net_cidr) blocks;
};
void net_cidr_set_release(struct net_cidr_set *set);
void net_cidr_set_add(struct net_cidr_set *set, const struct net_cidr *cidr);
void net_cidr_set_remove(struct net_cidr_set *set, const struct net_cidr *cidr);
/* Removes what is not in other. */
void net_cidr_set_intersect(struct net_cidr_set *set, const struct net_cidr_set *other);
bool net_cidr_set_contains(const struct net_cidr_set *set, const struct net_addr *addr);
/* Whether every address of cidr is in the set. */
bool net_cidr_set_covers(const struct net_cidr_set *set, const struct net_cidr *cidr);
bool net_cidr_set_equal(const struct net_cidr_set *a, const struct net_cidr_set *b);
