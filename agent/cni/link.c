/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cni/link.h"

#include <stdio.h>
#include <string.h>

#include "lib/net/netns.h"

static int system_failure(struct cni_failure *f, const struct error *err)
{
	return cni_fail(f, CNI_ERR_SYSTEM, "%s", err->msg);
}

int cni_link_open(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f)
{
	struct error err = ERROR_INIT;

	memset(l, 0, sizeof(*l));
	l->netns_fd = -1;
	if (netns_open(rq->netns, &l->netns_fd, &err) < 0)
		return cni_fail(f, CNI_ERR_UNKNOWN_CONTAINER, "%s", err.msg);
	if (netlink_open(-1, &l->host, &err) < 0 || netlink_open(l->netns_fd, &l->pod, &err) < 0)
		return system_failure(f, &err);
	return 0;
}

void cni_link_close(struct cni_link *l)
{
	netlink_close(l->host);
	netlink_close(l->pod);
	if (l->netns_fd >= 0)
		close(l->netns_fd);
}

static int look_up_ends(struct cni_link *l, const char *host_ifname, const char *ifname,
			struct cni_failure *f)
{
	struct error err = ERROR_INIT;

	if (net_link_get(l->host, host_ifname, &l->host_end, &err) < 0 ||
	    net_link_get(l->pod, ifname, &l->pod_end, &err) < 0 ||
	    net_link_set_up(l->host, l->host_end.index, true, &err) < 0 ||
	    net_link_set_up(l->pod, l->pod_end.index, true, &err) < 0)
		return system_failure(f, &err);
	return 0;
}

int cni_link_make(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	char host_ifname[16], alias[64];
	struct net_veth veth = {.name = host_ifname,
				.peer_name = rq->ifname,
				.peer_netns_fd = l->netns_fd,
				.alias = alias};
	struct net_link old;

	cni_host_ifname(rq->container_id, rq->ifname, host_ifname);
	snprintf(alias, sizeof(alias), "sidestep %.26s/%.26s", rq->pod_namespace, rq->pod_name);
	if (net_link_get(l->host, host_ifname, &old, NULL) == 0)
		net_link_delete(l->host, old.index, NULL);
	if (net_link_add_veth(l->host, &veth, &err) < 0)
		return system_failure(f, &err);
	return look_up_ends(l, host_ifname, rq->ifname, f);
}

int cni_link_find(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	struct net_link pod_end;

	if (net_link_get(l->pod, rq->ifname, &pod_end, &err) < 0)
		return system_failure(f, &err);
	if (!pod_end.peer_index)
		return cni_fail(f, CNI_ERR_CONFIG,
				"%s is no veth; chainingMode generic-veth needs one", rq->ifname);
	if (net_link_get_index(l->host, pod_end.peer_index, &l->host_end, &err) < 0)
		return system_failure(f, &err);
	l->pod_end = pod_end;
	return 0;
}

static int give_address(struct cni_link *l, const struct net_addr *addr, struct error *err)
{
	const struct net_ifaddr in_pod = {l->pod_end.index, *addr, (uint8_t)net_addr_bits(addr)};
	const struct net_route on_node = {.dst = net_cidr_make(addr, 128),
					  .index = l->host_end.index};
	const struct net_neigh pod = {l->host_end.index, *addr, l->pod_end.mac};
	int r = net_address_add(l->pod, &in_pod, err);

	if (r < 0 && r != -EEXIST)
		return r;
	r = net_route_set(l->host, &on_node, err);
	return r < 0 ? r : net_neigh_set(l->host, &pod, err);
}

static int give_gateway(struct cni_link *l, const struct net_addr *gateway, struct error *err)
{
	const struct net_neigh node = {l->pod_end.index, *gateway, l->host_end.mac};
	const struct net_route link = {.dst = net_cidr_make(gateway, 128),
				       .index = l->pod_end.index};
	struct net_route all = {.dst = {.addr = {.family = gateway->family}},
				.gateway = *gateway,
				.index = l->pod_end.index};
	int r = net_neigh_set(l->pod, &node, err);

	if (r == 0)
		r = net_route_set(l->pod, &link, err);
	return r < 0 ? r : net_route_set(l->pod, &all, err);
}

int cni_link_address(struct cni_link *l, const struct cni_attached *at, struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	int r = 0;

	if (at->mtu) {
		r = net_link_set_mtu(l->host, l->host_end.index, at->mtu, &err);
		r = r < 0 ? r : net_link_set_mtu(l->pod, l->pod_end.index, at->mtu, &err);
	}
	for (size_t i = 0; r == 0 && i < at->n_addrs; i++)
		r = give_address(l, &at->addrs[i], &err);
	if (r == 0)
		r = give_gateway(l, &at->gateway, &err);
	return r < 0 ? system_failure(f, &err) : 0;
}

static bool has_address(const struct net_ifaddr *items, size_t n, const struct net_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (net_addr_equal(&items[i].addr, addr))
			return true;
	return false;
}

int cni_link_check(struct cni_link *l, const struct cni_request *rq, const struct cni_attached *at,
		   struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	struct net_ifaddr *items = NULL;
	size_t n = 0;
	int r = 0;

	if (net_link_get(l->pod, rq->ifname, &l->pod_end, &err) < 0 ||
	    net_address_list(l->pod, l->pod_end.index, &a, &items, &n, &err) < 0) {
		arena_release(&a);
		return cni_fail(f, CNI_ERR_CHECK, "%s", err.msg);
	}
	for (size_t i = 0; r == 0 && i < at->n_addrs; i++) {
		char text[NET_ADDR_SIZE];

		if (!has_address(items, n, &at->addrs[i]))
			r = cni_fail(f, CNI_ERR_CHECK, "%s has lost its address %s", rq->ifname,
				     net_addr_format(&at->addrs[i], text));
	}
	arena_release(&a);
	if (r == 0 && !l->pod_end.up)
		r = cni_fail(f, CNI_ERR_CHECK, "%s is down", rq->ifname);
	return r;
}

int cni_link_delete(const struct cni_request *rq, struct cni_failure *f)
{
	auto_release(netlink_ptr) struct netlink *nl = NULL;
	struct error err = ERROR_INIT;
	struct net_link l;
	char host_ifname[16];
	int r;

	cni_host_ifname(rq->container_id, rq->ifname, host_ifname);
	if (netlink_open(-1, &nl, &err) < 0)
		return system_failure(f, &err);
	if (net_link_get(nl, host_ifname, &l, &err) < 0)
		return 0;
	r = net_link_delete(nl, l.index, &err);
	return r < 0 && r != -ENODEV ? system_failure(f, &err) : 0;
}
