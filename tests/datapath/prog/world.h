/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/datapath/prog/world.h - a node with three pods, a neighbour and a service, loaded into the
 * kernel for BPF_PROG_TEST_RUN. Lives in a network namespace of its own (devices must be real).
 */
#pragma once

#include <stdbool.h>

#include "datapath/abi/maps.h"
#include "pod_shim.skel.h"
#include "tests/datapath/packet.h"

enum pod { POD_A = 1, POD_B, POD_C, POD_COUNT }; /* the slot, too */

#define ADDR_A      "10.0.0.1"
#define ADDR_B      "10.0.0.2"
#define ADDR_C      "10.0.0.3"
#define ADDR_REMOTE "10.0.1.9" /* pod on the other node */
#define ADDR_NODE   "172.30.0.1"
#define ADDR_OTHER  "172.30.0.2"
#define ADDR_WORLD  "192.0.2.7"
#define ADDR_VIP    "10.96.0.7" /* TCP and UDP port 80 */
#define ADDR_LOOP   "169.254.42.1"

#define DEVICE_UNDERLAY 999 /* and 998 is some device */

#define IDENTITY_A      1001
#define IDENTITY_REMOTE 2001

struct world {
	struct pod_shim *skel;
	__u32 ifindex[POD_COUNT];
	__u32 overlay;
	struct metrics before[METRICS_MAX];
};

struct world_options {
	bool no_kern_ctx, no_services, no_events, no_trace, no_traffic;
	bool older;     /* keep up the maps of the release before */
	bool full_size; /* conntrack as large as in production */
};

/* Moves the process to a new network namespace with the devices. Exits 77 without privilege. */
void world_namespace(void);
/* Loads programs with empty policy: every pod enforces both directions and allows nothing. */
void world_open(struct world *w, const struct world_options *o);
void world_close(struct world *w);
/* Back to how world_open left it, without loading programs again. */
void world_reset(struct world *w);

int world_fd(struct world *w, const char *map);
void world_set_pod(struct world *w, enum pod pod, __u32 flags);
void world_allow(struct world *w, enum pod pod, enum direction dir, __u32 identity, __u8 proto,
		 __u16 port);
void world_rule(struct world *w, enum pod pod, enum direction dir, __u32 identity, __u8 proto,
		__u16 port, __u32 port_bits, __u8 flags);
/* Everything from everybody, for pods whose policy is not the matter. */
void world_allow_all(struct world *w);
/* Ready backends of the service; terminating ones get only their state row. */
void world_service(struct world *w, const char *const *ready, const char *const *terminating);
/* What the address table says of a block. */
void world_address(struct world *w, const char *addr, __u32 bits, __u32 identity,
		   const char *tunnel);
void world_bump(struct world *w, __u32 generation);

/* Runs a program over the frame, which becomes what the program made of it. Returns the verdict. */
int world_from_pod(struct world *w, enum pod pod, struct frame *f);
int world_to_pod(struct world *w, enum pod pod, struct frame *f);
/* The same, where the stack had the frame from a device (world_to_pod: made it itself). */
int world_routed(struct world *w, enum pod pod, __u32 ifindex, struct frame *f);
/* Out of the tunnel, from ADDR_OTHER or from another sender. */
int world_arrives(struct world *w, __u32 identity, struct frame *f);
int world_arrives_from(struct world *w, const char *node, __u32 identity, struct frame *f);
/* From the stack (as in world_routed) into the tunnel. */
int world_to_overlay(struct world *w, __u32 ifindex, struct frame *f);

/* Rounds of a program over a frame that is put back before each; nanoseconds a round, the wrapper's
 * own cost included. ports: source ports to vary (a power of two, 0 none), targets: destination
 * ports. program NULL measures the wrapper. */
double world_repeat(struct world *w, struct bpf_program *program, enum pod pod,
		    const struct frame *f, __u32 ports, __u32 targets, __u32 rounds);
/* Nanoseconds for one hit in a hash map with a 16-byte key. */
double world_unit(struct world *w);

/* Packets counted for the reason in both directions since world_mark(). */
void world_mark(struct world *w);
__u64 world_counted(struct world *w, enum reason reason);
/* Entries in a conntrack map; NULL for none. */
bool world_entry(struct world *w, const char *map, const struct conntrack_key *key,
		 struct conntrack_entry *ret);
void world_put_entry(struct world *w, const char *map, const struct conntrack_key *key,
		     const struct conntrack_entry *e);
__u64 world_decisions(struct world *w, const struct traffic_key *key);
/* Takes every record out of the ring; returns how many, the last one in *ret. */
int world_events(struct world *w, struct event *ret);
