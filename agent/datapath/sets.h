/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/sets.h - which number a policy set has in the kernel, found again by its rows.
 *
 * Numbers live only in the kernel's maps. A set is known by the digest of its rows, so a restarted
 * agent finds its sets, and a set that somebody changed is simply not found any more.
 */
#pragma once

#include "agent/datapath/rows.h"
#include "lib/mesh/policy.h"

#define SET_NOT_ENFORCED 0
#define SET_EMPTY        0xffffffffU /* enforced, allows nothing: needs no rows and no number */

struct set_item {
	uint64_t digest;
	uint32_t number;
	bool wanted;
};

struct sets {
	struct set_item *items;
	size_t n, cap;
};

/* What the rows of map `policy` amount to. */
void sets_read(struct sets *s, const struct rows *policy);
void sets_release(struct sets *s);
/* The number of a set in the kernel, marking it wanted; 0 when there is none with these rows. */
uint32_t sets_find(struct sets *s, uint64_t digest);
/* A number nobody uses, for rows with this digest that will be written; marked wanted. */
uint32_t sets_add(struct sets *s, uint64_t digest);
bool sets_is_wanted(const struct sets *s, uint32_t number);
