/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of links, and permanent neighbours. */
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <string.h>

#include "lib/net/nl.h"

static int change_address(struct netlink *nl, uint16_t type, uint16_t flags,
			  const struct net_ifaddr *a, const char *verb, struct error *err)
{
	struct nl_request rq;
	struct ifaddrmsg *ifa = nl_begin(&rq, type, flags, sizeof(*ifa));
	char text[NET_ADDR_SIZE];

	ifa->ifa_family = a->addr.family;
	ifa->ifa_prefixlen = a->bits;
	ifa->ifa_index = a->index;
	if (a->addr.family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	nl_put_addr(&rq, IFA_LOCAL, &a->addr);
	nl_put_addr(&rq, IFA_ADDRESS, &a->addr);
	return nl_ack(nl, &rq, err, "%s address %s/%u on link %u", verb,
		      net_addr_format(&a->addr, text), a->bits, a->index);
}

int net_address_add(struct netlink *nl, const struct net_ifaddr *a, struct error *err)
{
	return change_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a, "add", err);
}

int net_address_delete(struct netlink *nl, const struct net_ifaddr *a, struct error *err)
{
	return change_address(nl, RTM_DELADDR, 0, a, "delete", err);
}

struct list {
	struct arena *arena;
	uint32_t index;
	void *items;
	size_t n, cap;
};

static int on_address(void *arg, const struct nlmsghdr *nlh)
{
	struct list *l = arg;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_LOCAL + 1];
	struct net_ifaddr *a;

	if (nlh->nlmsg_type != RTM_NEWADDR || (l->index && ifa->ifa_index != l->index))
		return 0;
	nl_attrs(nlh, sizeof(*ifa), tb, IFA_LOCAL);
	a = nl_grow(l->arena, &l->items, &l->n, &l->cap, sizeof(*a));
	a->index = ifa->ifa_index;
	a->bits = ifa->ifa_prefixlen;
	a->addr = nl_get_addr(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], ifa->ifa_family);
	return 0;
}

int net_address_list(struct netlink *nl, uint32_t index, struct arena *a,
		     struct net_ifaddr **ret_items, size_t *ret_n, struct error *err)
{
	struct list l = {.arena = a, .index = index};
	struct nl_request rq;
	int r;

	nl_begin(&rq, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	r = nl_dump(nl, &rq, on_address, &l, "list addresses", err);
	if (r < 0)
		return r;
	*ret_items = l.items;
	*ret_n = l.n;
	return 0;
}

static int change_neigh(struct netlink *nl, uint16_t type, uint16_t flags,
			const struct net_neigh *n, const char *verb, struct error *err)
{
	struct nl_request rq;
	struct ndmsg *nd = nl_begin(&rq, type, flags, sizeof(*nd));
	char text[NET_ADDR_SIZE];

	nd->ndm_family = n->addr.family;
	nd->ndm_ifindex = (int)n->index;
	nd->ndm_state = type == RTM_NEWNEIGH ? NUD_PERMANENT : 0;
	nl_put_addr(&rq, NDA_DST, &n->addr);
	if (type == RTM_NEWNEIGH)
		mnl_attr_put(rq.nlh, NDA_LLADDR, sizeof(n->mac.bytes), n->mac.bytes);
	return nl_ack(nl, &rq, err, "%s neighbour %s on link %u", verb,
		      net_addr_format(&n->addr, text), n->index);
}

int net_neigh_set(struct netlink *nl, const struct net_neigh *n, struct error *err)
{
	return change_neigh(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, n, "set", err);
}

int net_neigh_delete(struct netlink *nl, const struct net_neigh *n, struct error *err)
{
	return change_neigh(nl, RTM_DELNEIGH, 0, n, "delete", err);
}

static int on_neigh(void *arg, const struct nlmsghdr *nlh)
{
	struct list *l = arg;
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_LLADDR + 1];
	struct net_neigh *n;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || (l->index && (uint32_t)nd->ndm_ifindex != l->index))
		return 0;
	nl_attrs(nlh, sizeof(*nd), tb, NDA_LLADDR);
	if (!tb[NDA_LLADDR] || mnl_attr_get_payload_len(tb[NDA_LLADDR]) != sizeof(n->mac))
		return 0;
	n = nl_grow(l->arena, &l->items, &l->n, &l->cap, sizeof(*n));
	n->index = (uint32_t)nd->ndm_ifindex;
	n->addr = nl_get_addr(tb[NDA_DST], nd->ndm_family);
	memcpy(&n->mac, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(n->mac));
	return 0;
}

int net_neigh_list(struct netlink *nl, uint32_t index, struct arena *a,
		   struct net_neigh **ret_items, size_t *ret_n, struct error *err)
{
	struct list l = {.arena = a, .index = index};
	struct nl_request rq;
	int r;

	nl_begin(&rq, RTM_GETNEIGH, NLM_F_DUMP, sizeof(struct ndmsg));
	r = nl_dump(nl, &rq, on_neigh, &l, "list neighbours", err);
	if (r < 0)
		return r;
	*ret_items = l.items;
	*ret_n = l.n;
	return 0;
}
