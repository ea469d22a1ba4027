/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses stand for the blocks that objects name: one for each way to lie in them. */
#include <netinet/in.h>

#include "lib/base/str.h"
#include "migrate/verify_space_internal.h"

/* An address of the block that lies in no narrower one. */
bool naming_representative(const struct naming *n, const struct net_cidr *block,
			   struct net_addr *ret)
{
	struct net_cidr_set rest = {0};
	bool found;

	net_cidr_set_add(&rest, block);
	vec_foreach (&n->blocks, b)
		if (b->bits > block->bits)
			net_cidr_set_remove(&rest, b);
	found = rest.blocks.n > 0;
	if (found)
		*ret = rest.blocks.items[0].addr;
	net_cidr_set_release(&rest);
	return found;
}

/* No object tells the two apart. */
static bool same_blocks(const struct naming *n, const struct net_addr *a, const struct net_addr *b)
{
	vec_foreach (&n->blocks, c)
		if (net_cidr_contains(c, a) != net_cidr_contains(c, b))
			return false;
	return true;
}

static void add_address(const struct naming *n, addr_list *list, const struct net_addr *addr)
{
	if (addr->family != AF_INET)
		return;
	vec_foreach (list, have)
		if (same_blocks(n, have, addr))
			return;
	vec_push(list, *addr);
}

/* The ways in which an address of this block lies in the named ones. */
static void add_addresses(const struct naming *n, addr_list *list, const struct net_cidr *of)
{
	struct net_addr addr;

	if (naming_representative(n, of, &addr))
		add_address(n, list, &addr);
	vec_foreach (&n->blocks, b)
		if (net_cidr_within(b, of) && naming_representative(n, b, &addr))
			add_address(n, list, &addr);
}

/* Where callers of the cluster have their addresses; not known: where no object looks. */
void naming_places(struct naming *n)
{
	const struct istio_mesh *m = n->v->mesh;
	struct net_cidr all, c;
	struct net_addr addr, elsewhere;

	(void)net_cidr_parse("0.0.0.0/0", &all, NULL);
	if (!naming_representative(n, &all, &elsewhere))
		(void)net_addr_parse("203.0.113.77", &elsewhere, NULL);
	for (size_t i = 0; i < m->n_pod_cidrs; i++)
		if (net_cidr_parse(m->pod_cidrs[i], &c, NULL) == 0)
			add_addresses(n, &n->of_pods, &c);
	for (size_t i = 0; i < m->n_pods; i++)
		if (!m->pods[i].host_network &&
		    net_addr_parse(str_or_empty(m->pods[i].pod->pod_ip), &addr, NULL) == 0)
			add_address(n, &n->of_pods, &addr);
	for (size_t i = 0; i < m->n_node_addresses; i++)
		if (net_addr_parse(m->node_addresses[i], &addr, NULL) == 0)
			add_address(n, &n->of_nodes, &addr);
	if (n->of_pods.n == 0)
		vec_push(&n->of_pods, elsewhere);
	if (n->of_nodes.n == 0)
		vec_push(&n->of_nodes, elsewhere);
}
