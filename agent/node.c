/* SPDX-License-Identifier: Apache-2.0 */
/* What the node itself needs: forwarding, the tunnel device, routes, and its configuration row. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* Bytes that VXLAN over IPv4 puts before a packet. */
enum { TUNNEL_OVERHEAD = 50, MTU_DEFAULT = 1500 };
/* What a pod sees as source when it reaches itself through a service. */
static const uint32_t service_loopback = 0xa9fe2a01; /* 169.254.42.1 */

static const struct {
	const char *path, *value;
} sysctls[] = {
	{"/proc/sys/net/ipv4/ip_forward", "1"},
	/* Packets of pods leave by a device that no route names. */
	{"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
	{"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
};

static int write_sysctl(const char *path, const char *value, struct error *err)
{
	FILE *f = fopen(path, "we");
	int r = 0;

	if (!f)
		return error_errno(err, -errno, "%s", path);
	if (fputs(value, f) < 0)
		r = -EIO;
	if (fclose(f) != 0 || r < 0)
		return error_set(err, -EIO, "%s cannot be written", path);
	return 0;
}

static int make_tunnel(struct agent *agent, struct error *err)
{
	const char *name = agent->options.tunnel_device;
	struct net_link link;
	int r;

	r = net_link_add_vxlan(agent->nl, name, (uint16_t)agent->options.tunnel_port, 0, err);
	if (r < 0 && r != -EEXIST)
		return error_wrap(err, r, "tunnel device %s", name);
	r = net_link_get(agent->nl, name, &link, err);
	if (r == 0)
		r = net_link_set_up(agent->nl, link.index, true, err);
	if (r == 0)
		r = datapath_attach_overlay(agent->dp, link.index, err);
	if (r < 0)
		return error_wrap(err, r, "tunnel device %s", name);
	agent->overlay_ifindex = link.index;
	return 0;
}

int node_prepare(struct agent *agent, struct error *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		r = write_sysctl(sysctls[i].path, sysctls[i].value, err);
		if (r < 0)
			return r;
	}
	return agent->options.tunnel == AGENT_TUNNEL_VXLAN ? make_tunnel(agent, err) : 0;
}

static const struct node *own_node(const struct agent *agent, const struct mesh_input *in)
{
	for (size_t i = 0; i < in->n_nodes; i++) {
		if (str_eq(in->nodes[i].meta.name, agent->options.node))
			return &in->nodes[i];
	}
	return NULL;
}

/* The device that has the node's address, 0 if none has. */
static uint32_t find_underlay(struct agent *agent)
{
	struct arena a = ARENA_INIT;
	struct net_ifaddr *addrs;
	uint32_t found = 0;
	size_t n;

	if (net_address_list(agent->nl, 0, &a, &addrs, &n, NULL) == 0) {
		for (size_t i = 0; i < n; i++) {
			if (net_addr_equal(&addrs[i].addr, &agent->node_addr))
				found = addrs[i].index;
		}
	}
	arena_release(&a);
	return found;
}

/* That device's MTU, less the tunnel's header. */
static uint32_t find_mtu(struct agent *agent)
{
	uint32_t mtu = MTU_DEFAULT;
	struct net_link link;

	if (agent->underlay_ifindex &&
	    net_link_get_index(agent->nl, agent->underlay_ifindex, &link, NULL) == 0)
		mtu = link.mtu;
	return agent->options.tunnel == AGENT_TUNNEL_VXLAN ? mtu - TUNNEL_OVERHEAD : mtu;
}

/* What becomes known with the Node object: its address, its block of pod addresses, the MTU. */
static int learn_node(struct agent *agent, const struct mesh_input *in, struct error *err)
{
	const struct node *n = own_node(agent, in);
	const char *addr = n ? node_address_of(n, "InternalIP") : NULL;
	const char *cidr = agent->options.pod_cidr;
	struct net_cidr block;
	int r;

	if (!n || !addr)
		return error_set(err, -EAGAIN, "Node %s has no InternalIP yet",
				 agent->options.node);
	r = net_addr_parse(addr, &agent->node_addr, err);
	if (r < 0)
		return r;
	agent->underlay_ifindex = find_underlay(agent);
	if (!agent->mtu)
		agent->mtu = agent->options.mtu ? (uint32_t)agent->options.mtu : find_mtu(agent);
	if (agent->ipam.used)
		return 0;
	if (!cidr)
		cidr = n->pod_cidr;
	if (!cidr)
		return error_set(err, -EAGAIN, "Node %s has no podCIDR yet", agent->options.node);
	r = net_cidr_parse(cidr, &block, err);
	if (r == 0)
		r = ipam_init(&agent->ipam, &block, err);
	if (r < 0)
		return r;
	vec_foreach (&agent->endpoints.list, ep) {
		if (!(*ep)->addr_given)
			ipam_take_this(&agent->ipam, &(*ep)->addr, NULL);
	}
	vec_foreach (&agent->endpoints.bad, b) {
		/* An address that another endpoint has is not its to give back. */
		if (b->addr.family && ipam_take_this(&agent->ipam, &b->addr, NULL) < 0)
			b->addr.family = 0;
	}
	return 0;
}

static int set_config(struct agent *agent, const struct mesh_desired *d, struct error *err)
{
	struct node_config config = {
		.flags = NODE_READY,
		.addr = htonl(net_addr_to_v4(&agent->node_addr)),
		.overlay_ifindex = agent->overlay_ifindex,
		.underlay_ifindex = agent->underlay_ifindex,
		.loopback = htonl(service_loopback),
		.overlay_port = agent->overlay_ifindex ? (uint16_t)agent->options.tunnel_port : 0,
		.event_rate = (uint32_t)agent->options.event_rate,
		.event_burst = (uint32_t)agent->options.event_rate * 2,
	};

	for (size_t i = 0; i < d->n_endpoints; i++) {
		if (d->endpoints[i].sock_optout)
			config.flags |= NODE_SOCK_OPTOUT;
	}
	return datapath_set_node(agent->dp, &config, err);
}

/* The node's own traffic to pods of other nodes, and what the programs hand to the stack. */
static void set_routes(struct agent *agent, const struct mesh_desired *d)
{
	for (size_t i = 0; i < d->n_nodes; i++) {
		struct net_route route = {.dst = d->nodes[i].pod_cidr, .gateway = d->nodes[i].addr};
		struct error err = ERROR_INIT;

		if (net_route_set(agent->nl, &route, &err) < 0)
			log_warn(&agent->log, "no route to the pods of %s: %s", d->nodes[i].name,
				 err.msg);
	}
}

int node_apply(struct agent *agent, const struct mesh_input *in, const struct mesh_desired *d,
	       struct error *err)
{
	int r = learn_node(agent, in, err);

	if (r == 0)
		r = set_config(agent, d, err);
	if (r == 0)
		set_routes(agent, d);
	return r;
}
