/* SPDX-License-Identifier: Apache-2.0 */
/* Links: looking at them and making them. */
#include <linux/if_link.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/nl.h"

static void read_link(const struct nlmsghdr *nlh, struct net_link *l)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_LINK_NETNSID + 1], *kind;

	memset(l, 0, sizeof(*l));
	nl_attrs(nlh, sizeof(*ifi), tb, IFLA_LINK_NETNSID);
	l->index = (uint32_t)ifi->ifi_index;
	l->up = ifi->ifi_flags & IFF_UP;
	l->running = ifi->ifi_flags & IFF_RUNNING;
	if (tb[IFLA_IFNAME])
		snprintf(l->name, sizeof(l->name), "%s", mnl_attr_get_str(tb[IFLA_IFNAME]));
	if (tb[IFLA_MTU])
		l->mtu = mnl_attr_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(l->mac))
		memcpy(&l->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(l->mac));
	if (tb[IFLA_MASTER])
		l->master = mnl_attr_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_IFALIAS])
		snprintf(l->alias, sizeof(l->alias), "%s", mnl_attr_get_str(tb[IFLA_IFALIAS]));
	kind = nl_nested(tb[IFLA_LINKINFO], IFLA_INFO_KIND);
	if (kind)
		snprintf(l->kind, sizeof(l->kind), "%s", mnl_attr_get_str(kind));
	if (tb[IFLA_LINK] && strcmp(l->kind, "veth") == 0)
		l->peer_index = mnl_attr_get_u32(tb[IFLA_LINK]);
}

static int on_one_link(void *arg, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		read_link(nlh, arg);
	return 0;
}

int net_link_get(struct netlink *nl, const char *name, struct net_link *ret_link, struct error *err)
{
	struct nl_request rq;
	struct net_link l = {0};
	int r;

	nl_begin(&rq, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	if (strlen(name) >= IFNAMSIZ)
		return error_set(err, -EINVAL, "link name \"%.40s\" is too long", name);
	mnl_attr_put_strz(rq.nlh, IFLA_IFNAME, name);
	r = nl_dump(nl, &rq, on_one_link, &l, name, err);
	if (r == 0)
		*ret_link = l;
	return r;
}

int net_link_get_index(struct netlink *nl, uint32_t index, struct net_link *ret_link,
		       struct error *err)
{
	struct nl_request rq;
	struct ifinfomsg *ifi = nl_begin(&rq, RTM_GETLINK, 0, sizeof(*ifi));
	struct net_link l = {0};
	char what[32];
	int r;

	ifi->ifi_index = (int)index;
	snprintf(what, sizeof(what), "link %u", index);
	r = nl_dump(nl, &rq, on_one_link, &l, what, err);
	if (r == 0)
		*ret_link = l;
	return r;
}

struct link_list {
	struct arena *arena;
	void *items;
	size_t n, cap;
};

static int on_listed_link(void *arg, const struct nlmsghdr *nlh)
{
	struct link_list *l = arg;

	if (nlh->nlmsg_type == RTM_NEWLINK)
		read_link(nlh,
			  nl_grow(l->arena, &l->items, &l->n, &l->cap, sizeof(struct net_link)));
	return 0;
}

int net_link_list(struct netlink *nl, struct arena *a, struct net_link **ret_links, size_t *ret_n,
		  struct error *err)
{
	struct link_list l = {.arena = a};
	struct nl_request rq;
	int r;

	nl_begin(&rq, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	r = nl_dump(nl, &rq, on_listed_link, &l, "list links", err);
	if (r < 0)
		return r;
	*ret_links = l.items;
	*ret_n = l.n;
	return 0;
}

static void *begin_new(struct nl_request *rq, const char *name, uint32_t mtu)
{
	struct ifinfomsg *ifi =
		nl_begin(rq, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));

	mnl_attr_put_strz(rq->nlh, IFLA_IFNAME, name);
	if (mtu)
		mnl_attr_put_u32(rq->nlh, IFLA_MTU, mtu);
	return ifi;
}

static void put_mac(struct nl_request *rq, const struct net_mac *mac)
{
	if (mac)
		mnl_attr_put(rq->nlh, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
}

/* The kernel takes an alias only for a link that exists. */
static int name_new(struct netlink *nl, const struct net_veth *v, struct error *err)
{
	struct net_link l;
	int r = net_link_get(nl, v->name, &l, err);

	if (r < 0)
		return r;
	r = net_link_set_alias(nl, l.index, v->alias, err);
	if (r < 0)
		net_link_delete(nl, l.index, NULL);
	return r;
}

int net_link_add_veth(struct netlink *nl, const struct net_veth *v, struct error *err)
{
	struct nl_request rq;
	int r;
	struct nlattr *info, *data, *peer;

	begin_new(&rq, v->name, v->mtu);
	put_mac(&rq, v->mac);
	info = mnl_attr_nest_start(rq.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(rq.nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(rq.nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(rq.nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(rq.nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(rq.nlh, IFLA_IFNAME, v->peer_name);
	put_mac(&rq, v->peer_mac);
	if (v->mtu)
		mnl_attr_put_u32(rq.nlh, IFLA_MTU, v->mtu);
	if (v->peer_netns_fd >= 0)
		mnl_attr_put_u32(rq.nlh, IFLA_NET_NS_FD, (uint32_t)v->peer_netns_fd);
	mnl_attr_nest_end(rq.nlh, peer);
	mnl_attr_nest_end(rq.nlh, data);
	mnl_attr_nest_end(rq.nlh, info);
	r = nl_ack(nl, &rq, err, "add veth %s", v->name);
	return r == 0 && v->alias ? name_new(nl, v, err) : r;
}

int net_link_add_bridge(struct netlink *nl, const char *name, struct error *err)
{
	struct nl_request rq;
	struct nlattr *info;

	begin_new(&rq, name, 0);
	info = mnl_attr_nest_start(rq.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(rq.nlh, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(rq.nlh, info);
	return nl_ack(nl, &rq, err, "add bridge %s", name);
}

int net_link_add_vxlan(struct netlink *nl, const char *name, uint16_t udp_port, uint32_t mtu,
		       struct error *err)
{
	struct nl_request rq;
	struct nlattr *info, *data;
	struct ifinfomsg *ifi;

	ifi = begin_new(&rq, name, mtu);
	/* Its peers are in the key, not behind an Ethernet address: nobody would answer. */
	ifi->ifi_flags = ifi->ifi_change = IFF_NOARP;
	info = mnl_attr_nest_start(rq.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(rq.nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(rq.nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(rq.nlh, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(rq.nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(rq.nlh, IFLA_VXLAN_PORT, htons(udp_port));
	mnl_attr_nest_end(rq.nlh, data);
	mnl_attr_nest_end(rq.nlh, info);
	return nl_ack(nl, &rq, err, "add vxlan %s", name);
}
