/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/generation.h - how a remembered decision learns that it is out of date.
 *
 * Map `generation` is one array of counters (mmap-able). A conntrack entry remembers the value of
 * each counter its decision depended on; one that differs makes the next packet decide again.
 * The kernel reads a counter *before* it reads the rules that the counter covers; the agent bumps
 * it *after* the rules are written. Counters only ever grow, also over agent restarts and when a
 * slot gets a new owner. Sharing a counter (hash collision) costs a needless decision, nothing
 * else.
 */
#pragma once

#include <linux/types.h>

#include "datapath/abi/endpoint.h"

#define GENERATION_GLOBAL        0 /* devices, routes, node configuration, prefixes wider than /32 */
#define GENERATION_UNUSED        1 /* never bumped: "depends on nothing" */
#define GENERATION_ENDPOINT_BASE 16
#define GENERATION_SERVICE_BASE  (GENERATION_ENDPOINT_BASE + ENDPOINT_MAX)
#define GENERATION_SERVICE_SLOTS 16384
#define GENERATION_REMOTE_BASE   (GENERATION_SERVICE_BASE + GENERATION_SERVICE_SLOTS)
#define GENERATION_REMOTE_SLOTS  65536
#define GENERATION_MAX           (GENERATION_REMOTE_BASE + GENERATION_REMOTE_SLOTS)

/* The row of an endpoint, its policy sets and everything written in them. */
static inline __attribute__((always_inline)) __u32 generation_endpoint(__u32 slot)
{
	return GENERATION_ENDPOINT_BASE + (slot & (ENDPOINT_MAX - 1));
}

/* A frontend and its backends. */
static inline __attribute__((always_inline)) __u32 generation_service(__be32 addr, __be16 port)
{
	__u32 h = (addr ^ ((__u32)port << 16) ^ port) * 0x9e3779b1U;

	return GENERATION_SERVICE_BASE + (h >> 18);
}

/* What `ipcache` says of one address (/32), and whether `ep_addr` knows it: adding or removing an
 * endpoint bumps this for its address beside generation_endpoint() for its slot. */
static inline __attribute__((always_inline)) __u32 generation_remote(__be32 addr)
{
	return GENERATION_REMOTE_BASE + ((addr * 0x9e3779b1U) >> 16);
}
_Static_assert(GENERATION_SERVICE_SLOTS == 1 << (32 - 18), "hash fits the section");
_Static_assert(GENERATION_REMOTE_SLOTS == 1 << (32 - 16), "hash fits the section");

/* A counter and the value it had. */
struct generation_ref {
	__u32 index;
	__u32 value;
};
