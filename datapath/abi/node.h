/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/abi/node.h - what the programs know about their node, and what tools read without it. */
#pragma once

#include <linux/types.h>

enum node_flag {
	NODE_READY = 1 << 0,       /* clear: pods' packets are dropped, reason HOST_NOT_READY */
	NODE_SOCK_OPTOUT = 1 << 1, /* sock_optout is not empty */
};

/* Map `node_config`, slot 0. Bump GENERATION_GLOBAL after a change. */
struct node_config {
	__u32 flags;           /* enum node_flag */
	__be32 addr;           /* the node's address on the underlay */
	__u32 overlay_ifindex; /* collect-metadata VXLAN device; 0: none, remote pods by the stack
				*/
	__be32 loopback;       /* source a pod sees when it calls itself through a service */
	__u16 overlay_port;    /* UDP, host order; pods may not send to it */
	__u16 reserved0;
	__u32 event_rate; /* records per second and CPU; 0: none */
	__u32 event_burst;
	__u32 underlay_ifindex; /* device that has `addr`; 0: not known */
	__u32 reserved[8];
};
_Static_assert(sizeof(struct node_config) == 64, "pinned layout");

#define META_MAGIC  0x53494445 /* "SIDE" */
#define META_SCHEMA 1

/* Map `meta`, slot 0: written by the loader, read by every tool, also with the agent dead. */
struct meta {
	__u32 magic;
	__u32 schema;    /* META_SCHEMA: another one cannot be read; layouts of maps do not count */
	__u32 hz;        /* jiffies per second */
	__u32 conntrack; /* layout that the writer's programs decide with; 0: 1, by old writers */
	__u64 loaded_ns; /* wall clock, nanoseconds since 1970 */
	char writer[32]; /* version of the program that wrote it, NUL-terminated */
	__u8 boot_id[16];  /* /proc/sys/kernel/random/boot_id; another one: the pins are stale */
	__u64 program_tag; /* of from_pod, as bpf_prog_info reports it */
	__u32 reserved[12];
};
_Static_assert(sizeof(struct meta) == 128, "pinned layout");
