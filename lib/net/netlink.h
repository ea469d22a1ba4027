/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/net/netlink.h - links, addresses, routes, neighbours and rules of one network namespace.
 *
 * A handle is a socket opened in a namespace and stays there. Calls are a question and the kernel's
 * answer (microseconds; nothing on the network is waited for). Errors carry the kernel's own
 * sentence where it has one. Adding what is already there exactly so is -EEXIST; deleting what is
 * absent is -ENOENT, -ENODEV or -ESRCH as the kernel says.
 */
#pragma once

#include <linux/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/net/addr.h"
#include "lib/net/cidr.h"

struct netlink;

/* netns_fd -1 is the namespace of the calling thread. */
int netlink_open(int netns_fd, struct netlink **ret_nl, struct error *err);
/* NULL is fine. */
void netlink_close(struct netlink *nl);
/* For auto_release(netlink_ptr). */
static inline void netlink_ptr_release(struct netlink **nl)
{
	netlink_close(*nl);
}

struct net_link {
	uint32_t index;
	char name[IFNAMSIZ];
	char kind[16]; /* "veth", "bridge", "vxlan", "" for hardware and loopback */
	struct net_mac mac;
	uint32_t mtu;
	bool up;             /* administratively */
	bool running;        /* carrier */
	uint32_t peer_index; /* of a veth: its other end, in that one's namespace; else 0 */
	uint32_t master;     /* bridge it is a port of; 0 = none */
	char alias[64];      /* cut when longer */
};
int net_link_get(struct netlink *nl, const char *name, struct net_link *ret_link,
		 struct error *err);
int net_link_get_index(struct netlink *nl, uint32_t index, struct net_link *ret_link,
		       struct error *err);
/* All, by index. */
int net_link_list(struct netlink *nl, struct arena *a, struct net_link **ret_links, size_t *ret_n,
		  struct error *err);

struct net_veth {
	const char *name, *peer_name;
	int peer_netns_fd;                    /* the peer is born there; -1: here */
	uint32_t mtu;                         /* of both; 0: the kernel's */
	const struct net_mac *mac, *peer_mac; /* NULL: random */
	const char *alias;                    /* of the end here; NULL none */
};
int net_link_add_veth(struct netlink *nl, const struct net_veth *veth, struct error *err);
int net_link_add_bridge(struct netlink *nl, const char *name, struct error *err);
/* A VXLAN device whose keys come with each packet (collect metadata). */
int net_link_add_vxlan(struct netlink *nl, const char *name, uint16_t udp_port, uint32_t mtu,
		       struct error *err);
int net_link_set_up(struct netlink *nl, uint32_t index, bool up, struct error *err);
int net_link_set_mtu(struct netlink *nl, uint32_t index, uint32_t mtu, struct error *err);
int net_link_set_mac(struct netlink *nl, uint32_t index, const struct net_mac *mac,
		     struct error *err);
int net_link_set_alias(struct netlink *nl, uint32_t index, const char *alias, struct error *err);
int net_link_rename(struct netlink *nl, uint32_t index, const char *name, struct error *err);
/* master 0 takes it out of its bridge. */
int net_link_set_master(struct netlink *nl, uint32_t index, uint32_t master, struct error *err);
/* Into another namespace; name NULL keeps the name. */
int net_link_move(struct netlink *nl, uint32_t index, int netns_fd, const char *name,
		  struct error *err);
int net_link_delete(struct netlink *nl, uint32_t index, struct error *err);

/* An address on a link: 10.0.0.5 with prefix length 24. IPv6 ones skip duplicate detection. */
struct net_ifaddr {
	uint32_t index;
	struct net_addr addr;
	uint8_t bits;
};
int net_address_add(struct netlink *nl, const struct net_ifaddr *a, struct error *err);
int net_address_delete(struct netlink *nl, const struct net_ifaddr *a, struct error *err);
/* index 0: of every link. */
int net_address_list(struct netlink *nl, uint32_t index, struct arena *a,
		     struct net_ifaddr **ret_items, size_t *ret_n, struct error *err);

struct net_route {
	struct net_cidr dst;     /* bits 0 is the default route; its family must be set */
	struct net_addr gateway; /* not set: on the link itself */
	struct net_addr source;  /* preferred source; may be unset */
	uint32_t index;          /* device; 0 none (blackhole) */
	uint32_t table;          /* 0: main */
	uint32_t metric;         /* 0: the kernel's */
	uint32_t mtu;            /* 0: the device's */
	bool onlink;             /* gateway is reachable on the device whatever addresses it has */
	bool blackhole, local;   /* local: delivered here (RTN_LOCAL) */
};
/* Adds, or replaces the one with the same destination, metric and table. */
int net_route_set(struct netlink *nl, const struct net_route *route, struct error *err);
int net_route_delete(struct netlink *nl, const struct net_route *route, struct error *err);
/* Unicast, blackhole and local routes of one family and table (0: main). */
int net_route_list(struct netlink *nl, int family, uint32_t table, struct arena *a,
		   struct net_route **ret_items, size_t *ret_n, struct error *err);

/* A permanent neighbour entry. */
struct net_neigh {
	uint32_t index;
	struct net_addr addr;
	struct net_mac mac;
};
/* Adds or replaces. */
int net_neigh_set(struct netlink *nl, const struct net_neigh *n, struct error *err);
int net_neigh_delete(struct netlink *nl, const struct net_neigh *n, struct error *err);
/* Entries that have a MAC, permanent or learnt. index 0: of every link. */
int net_neigh_list(struct netlink *nl, uint32_t index, struct arena *a,
		   struct net_neigh **ret_items, size_t *ret_n, struct error *err);

struct net_rule {
	int family;
	uint32_t priority;
	struct net_cidr src, dst; /* bits 0: any */
	uint32_t mark, mask;      /* mask 0: any */
	uint32_t table;
};
int net_rule_add(struct netlink *nl, const struct net_rule *rule, struct error *err);
int net_rule_delete(struct netlink *nl, const struct net_rule *rule, struct error *err);
