/* SPDX-License-Identifier: Apache-2.0 */
/* Routes and the rules that choose between their tables. */
#include <linux/fib_rules.h>
#include <string.h>

#include "lib/net/nl.h"

static void put_metrics(struct nl_request *rq, const struct net_route *route)
{
	struct nlattr *nest;

	if (!route->mtu)
		return;
	nest = mnl_attr_nest_start(rq->nlh, RTA_METRICS);
	mnl_attr_put_u32(rq->nlh, RTAX_MTU, route->mtu);
	mnl_attr_nest_end(rq->nlh, nest);
}

static uint8_t scope_of(const struct net_route *route)
{
	if (route->local)
		return RT_SCOPE_HOST;
	if (route->dst.addr.family == AF_INET && !net_addr_is_set(&route->gateway) &&
	    !route->blackhole)
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

static int change_route(struct netlink *nl, uint16_t type, uint16_t flags,
			const struct net_route *route, const char *verb, struct error *err)
{
	struct nl_request rq;
	struct rtmsg *rtm = nl_begin(&rq, type, flags, sizeof(*rtm));
	char text[NET_CIDR_SIZE];

	rtm->rtm_family = route->dst.addr.family;
	rtm->rtm_dst_len = route->dst.bits;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_type = route->blackhole ? RTN_BLACKHOLE : route->local ? RTN_LOCAL : RTN_UNICAST;
	rtm->rtm_scope = scope_of(route);
	rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(rq.nlh, RTA_TABLE, route->table ? route->table : RT_TABLE_MAIN);
	if (route->dst.bits)
		nl_put_addr(&rq, RTA_DST, &route->dst.addr);
	if (net_addr_is_set(&route->gateway))
		nl_put_addr(&rq, RTA_GATEWAY, &route->gateway);
	if (net_addr_is_set(&route->source))
		nl_put_addr(&rq, RTA_PREFSRC, &route->source);
	if (route->index)
		mnl_attr_put_u32(rq.nlh, RTA_OIF, route->index);
	if (route->metric)
		mnl_attr_put_u32(rq.nlh, RTA_PRIORITY, route->metric);
	put_metrics(&rq, route);
	return nl_ack(nl, &rq, err, "%s route %s", verb, net_cidr_format(&route->dst, text));
}

int net_route_set(struct netlink *nl, const struct net_route *route, struct error *err)
{
	return change_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, "set", err);
}

int net_route_delete(struct netlink *nl, const struct net_route *route, struct error *err)
{
	return change_route(nl, RTM_DELROUTE, 0, route, "delete", err);
}

struct route_list {
	struct arena *arena;
	uint32_t table;
	void *items;
	size_t n, cap;
};

static uint32_t u32_or_0(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_u32(attr) : 0;
}

static int on_route(void *arg, const struct nlmsghdr *nlh)
{
	struct route_list *l = arg;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_TABLE + 1];
	struct net_route *r;
	struct net_addr dst;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm->rtm_flags & RTM_F_CLONED ||
	    (rtm->rtm_type != RTN_UNICAST && rtm->rtm_type != RTN_BLACKHOLE &&
	     rtm->rtm_type != RTN_LOCAL))
		return 0;
	nl_attrs(nlh, sizeof(*rtm), tb, RTA_TABLE);
	if ((tb[RTA_TABLE] ? u32_or_0(tb[RTA_TABLE]) : rtm->rtm_table) != l->table)
		return 0;
	r = nl_grow(l->arena, &l->items, &l->n, &l->cap, sizeof(*r));
	dst = nl_get_addr(tb[RTA_DST], rtm->rtm_family);
	dst.family = rtm->rtm_family;
	r->dst = net_cidr_make(&dst, rtm->rtm_dst_len);
	r->gateway = nl_get_addr(tb[RTA_GATEWAY], rtm->rtm_family);
	r->source = nl_get_addr(tb[RTA_PREFSRC], rtm->rtm_family);
	r->index = u32_or_0(tb[RTA_OIF]);
	r->table = l->table;
	r->metric = u32_or_0(tb[RTA_PRIORITY]);
	r->mtu = u32_or_0(nl_nested(tb[RTA_METRICS], RTAX_MTU));
	r->onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	r->blackhole = rtm->rtm_type == RTN_BLACKHOLE;
	r->local = rtm->rtm_type == RTN_LOCAL;
	return 0;
}

int net_route_list(struct netlink *nl, int family, uint32_t table, struct arena *a,
		   struct net_route **ret_items, size_t *ret_n, struct error *err)
{
	struct route_list l = {.arena = a, .table = table ? table : RT_TABLE_MAIN};
	struct nl_request rq;
	struct rtmsg *rtm = nl_begin(&rq, RTM_GETROUTE, NLM_F_DUMP, sizeof(*rtm));
	int r;

	rtm->rtm_family = (unsigned char)family;
	r = nl_dump(nl, &rq, on_route, &l, "list routes", err);
	if (r < 0)
		return r;
	*ret_items = l.items;
	*ret_n = l.n;
	return 0;
}

static int change_rule(struct netlink *nl, uint16_t type, uint16_t flags,
		       const struct net_rule *rule, const char *verb, struct error *err)
{
	struct nl_request rq;
	struct fib_rule_hdr *h = nl_begin(&rq, type, flags, sizeof(*h));

	h->family = (uint8_t)rule->family;
	h->action = FR_ACT_TO_TBL;
	h->src_len = rule->src.bits;
	h->dst_len = rule->dst.bits;
	mnl_attr_put_u32(rq.nlh, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u32(rq.nlh, FRA_TABLE, rule->table);
	if (rule->src.bits)
		nl_put_addr(&rq, FRA_SRC, &rule->src.addr);
	if (rule->dst.bits)
		nl_put_addr(&rq, FRA_DST, &rule->dst.addr);
	if (rule->mask) {
		mnl_attr_put_u32(rq.nlh, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(rq.nlh, FRA_FWMASK, rule->mask);
	}
	return nl_ack(nl, &rq, err, "%s rule %u", verb, rule->priority);
}

int net_rule_add(struct netlink *nl, const struct net_rule *rule, struct error *err)
{
	return change_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, "add", err);
}

int net_rule_delete(struct netlink *nl, const struct net_rule *rule, struct error *err)
{
	return change_rule(nl, RTM_DELRULE, 0, rule, "delete", err);
}
