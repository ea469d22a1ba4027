/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipam.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

int ipam_init(struct ipam *p, const struct net_cidr *block, struct error *err)
{
	if (block->addr.family != AF_INET || block->bits < 16 || block->bits > 29)
		return error_set(err, -EINVAL, "pod block must be IPv4 and between /16 and /29");
	memset(p, 0, sizeof(*p));
	p->block = *block;
	p->size = 1u << (32 - block->bits);
	p->used = xcalloc(p->size / 64 + 1, sizeof(*p->used));
	p->next = 2;
	return 0;
}

void ipam_release(struct ipam *p)
{
	free(p->used);
	memset(p, 0, sizeof(*p));
}

static bool is_used(const struct ipam *p, uint32_t i)
{
	return p->used[i / 64] >> (i % 64) & 1;
}

static void set_used(struct ipam *p, uint32_t i, bool used)
{
	if (used)
		p->used[i / 64] |= 1ull << (i % 64);
	else
		p->used[i / 64] &= ~(1ull << (i % 64));
	p->count += used ? 1 : -1u;
}

/* The place of an address that can be handed out; false for any other. */
static bool place(const struct ipam *p, const struct net_addr *addr, uint32_t *ret)
{
	if (!p->used || !net_cidr_contains(&p->block, addr))
		return false;
	*ret = net_addr_to_v4(addr) - net_addr_to_v4(&p->block.addr);
	return *ret >= 2 && *ret < p->size - 1;
}

int ipam_take(struct ipam *p, struct net_addr *ret, struct error *err)
{
	for (uint32_t n = 0; p->used && n < p->size; n++) {
		uint32_t i = p->next;

		p->next = p->next + 1 < p->size - 1 ? p->next + 1 : 2;
		if (is_used(p, i))
			continue;
		set_used(p, i, true);
		*ret = net_addr_from_v4(net_addr_to_v4(&p->block.addr) + i);
		return 0;
	}
	return error_set(err, -ENOSPC,
			 p->used ? "every address of the node's block is used"
				 : "the node's block of addresses is not known yet");
}

int ipam_take_this(struct ipam *p, const struct net_addr *addr, struct error *err)
{
	char text[NET_ADDR_SIZE];
	uint32_t i;

	if (!place(p, addr, &i))
		return error_set(err, -ERANGE, "%s is no pod address of this node",
				 net_addr_format(addr, text));
	if (is_used(p, i))
		return error_set(err, -EEXIST, "%s is in use", net_addr_format(addr, text));
	set_used(p, i, true);
	return 0;
}

void ipam_give_back(struct ipam *p, const struct net_addr *addr)
{
	uint32_t i;

	if (place(p, addr, &i) && is_used(p, i))
		set_used(p, i, false);
}

uint32_t ipam_capacity(const struct ipam *p)
{
	return p->used ? p->size - 3 : 0;
}
