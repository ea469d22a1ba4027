/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/datapath/attach/wires.h - a node namespace with two pods on veths, as the CNI plugin leaves
 * them, and what lib/mesh would want of them. The calling process lives in the node.
 */
#pragma once

#include "agent/datapath/datapath.h"
#include "lib/net/netlink.h"

enum { WIRE_NODE = -1, WIRE_A, WIRE_B, WIRES };

/* Pods of node 0; those of node n are 10.9.n.1 and 10.9.n.2. */
#define WIRE_ADDR_A "10.9.0.1"
#define WIRE_ADDR_B "10.9.0.2"
#define WIRE_VIP    "10.96.9.9" /* port 80 is B's 8080 */
#define WIRE_PORT   8080

struct wire {
	int netns;
	uint32_t ifindex; /* host side */
	struct net_mac mac, host_mac;
	uint64_t cookie;
	char addr[32];
	uint32_t identity; /* 1001 + 10 * node + pod */
};

struct wires {
	int number;       /* of the node */
	int netns;        /* of the node */
	uint32_t overlay; /* VXLAN device, 0 none */
	char root[128];   /* pins */
	char cgroup[128]; /* "" when there is no cgroup2 */
	enum datapath_term term;
	struct wire wire[WIRES];
	struct mesh_row rows[2]; /* what B lets in */
	struct mesh_set sets[2]; /* B's ingress; the set that allows nothing */
	struct mesh_endpoint endpoints[WIRES];
	struct mesh_backend backend;
	struct mesh_service service;
	struct mesh_address addresses[WIRES * 2 + 2];
	struct mesh_desired want;
};

/* Removes what tests that were killed have left of theirs. */
void wires_sweep(void);
/* Makes a node and moves into it. Exits 77 where it cannot be done. tag keeps tests apart, and has
 * no dash. Sweeps first. */
void wires_setup(struct wires *w, const char *tag, int number);
/* A wire between two nodes with addresses 172.31.9.1 and .2, and a VXLAN device on each; both know
 * the other's pods. */
void wires_join(struct wires *a, struct wires *b);
void wires_teardown(struct wires *w);
void wires_open(struct wires *w, enum datapath_attach attach, struct datapath **ret);
/* B lets A in on port (0: nothing); applies. */
void wires_policy(struct wires *w, struct datapath *dp, uint16_t port);
void wires_apply(struct wires *w, struct datapath *dp);

/* Sockets inside a pod, or (WIRE_NODE) of the node itself. connect is started, not waited for. */
int wires_socket(struct wires *w, int pod, int type);
int wires_listen(struct wires *w, int pod, uint16_t port);
int wires_connect(struct wires *w, int pod, const char *addr, uint16_t port);
/* A datagram socket of the pod that talks to addr only; its first datagram is sent. */
int wires_datagram(struct wires *w, int pod, const char *addr, uint16_t port);
/* Waits (generously) for the end of a connect: 0 or the errno it ended with. */
int wires_connected(int fd);
/* Waits until a datagram socket was told that nobody listens; returns that errno. */
int wires_told(int fd);
int wires_accept(int fd);
/* Writes at one end, waits for it at the other. */
void wires_hear(int fd, char want);
void wires_talk(int from, int to);
/* Waits until a record of a drop for `reason` arrives. */
void wires_expect_drop(struct datapath *dp, uint8_t reason);
