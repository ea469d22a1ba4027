/* SPDX-License-Identifier: Apache-2.0 */
/* Links: changing and deleting them. */
#include <linux/if_link.h>
#include <string.h>

#include "lib/net/nl.h"

static struct ifinfomsg *begin_change(struct nl_request *rq, uint32_t index)
{
	struct ifinfomsg *ifi = nl_begin(rq, RTM_NEWLINK, 0, sizeof(*ifi));

	ifi->ifi_index = (int)index;
	return ifi;
}

int net_link_set_up(struct netlink *nl, uint32_t index, bool up, struct error *err)
{
	struct nl_request rq;
	struct ifinfomsg *ifi = begin_change(&rq, index);

	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	return nl_ack(nl, &rq, err, "set link %u %s", index, up ? "up" : "down");
}

int net_link_set_mtu(struct netlink *nl, uint32_t index, uint32_t mtu, struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	mnl_attr_put_u32(rq.nlh, IFLA_MTU, mtu);
	return nl_ack(nl, &rq, err, "set MTU %u of link %u", mtu, index);
}

int net_link_set_mac(struct netlink *nl, uint32_t index, const struct net_mac *mac,
		     struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	mnl_attr_put(rq.nlh, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
	return nl_ack(nl, &rq, err, "set MAC of link %u", index);
}

int net_link_set_alias(struct netlink *nl, uint32_t index, const char *alias, struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	if (strlen(alias) > 255)
		return error_set(err, -EINVAL, "link alias is longer than 255 bytes");
	mnl_attr_put_str(rq.nlh, IFLA_IFALIAS, alias);
	return nl_ack(nl, &rq, err, "set alias of link %u", index);
}

int net_link_rename(struct netlink *nl, uint32_t index, const char *name, struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	mnl_attr_put_strz(rq.nlh, IFLA_IFNAME, name);
	return nl_ack(nl, &rq, err, "rename link %u to %s", index, name);
}

int net_link_set_master(struct netlink *nl, uint32_t index, uint32_t master, struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	mnl_attr_put_u32(rq.nlh, IFLA_MASTER, master);
	return nl_ack(nl, &rq, err, "put link %u into bridge %u", index, master);
}

int net_link_move(struct netlink *nl, uint32_t index, int netns_fd, const char *name,
		  struct error *err)
{
	struct nl_request rq;

	begin_change(&rq, index);
	mnl_attr_put_u32(rq.nlh, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (name)
		mnl_attr_put_strz(rq.nlh, IFLA_IFNAME, name);
	return nl_ack(nl, &rq, err, "move link %u into another namespace", index);
}

int net_link_delete(struct netlink *nl, uint32_t index, struct error *err)
{
	struct nl_request rq;
	struct ifinfomsg *ifi = nl_begin(&rq, RTM_DELLINK, 0, sizeof(*ifi));

	ifi->ifi_index = (int)index;
	return nl_ack(nl, &rq, err, "delete link %u", index);
}
