/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/ipam.h - the addresses of this node's pods: one bit for each address of its block.
 *
 * Addresses are handed out in a circle, so that one just given back is not somebody else's at once.
 * The network's own, the first (the node's) and the broadcast address are never handed out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/net/cidr.h"

struct ipam {
	struct net_cidr block; /* family 0: none yet */
	uint64_t *used;
	uint32_t size, count, next;
};

/* A /16 is the widest block that is taken. */
int ipam_init(struct ipam *p, const struct net_cidr *block, struct error *err);
void ipam_release(struct ipam *p);
/* -ENOSPC when all are used. */
int ipam_take(struct ipam *p, struct net_addr *ret, struct error *err);
/* A known address: -EEXIST when used, -ERANGE outside the block. */
int ipam_take_this(struct ipam *p, const struct net_addr *addr, struct error *err);
/* One that is not used or not ours is ignored. */
void ipam_give_back(struct ipam *p, const struct net_addr *addr);
/* How many can be handed out in all. */
uint32_t ipam_capacity(const struct ipam *p);
