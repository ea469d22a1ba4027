/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight/probe.h - what the running kernel can do, asked by doing it.
 *
 * Versions lie (distributions backport, sandboxes forbid), so every feature is tried: a program or
 * map is loaded and thrown away; attach points are tried in a network namespace or control group
 * made for the purpose.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/error.h"

/*
 * X(symbol, name, check, required, since, what for): the features, and the check that reports each.
 * Optional ones only cost something when absent.
 */
/* clang-format off */
#define FEATURES(X)                                                                                                    \
	X(FEATURE_BPF, "bpf", "BPF-001", true, "4.4", "load any program")                                              \
	X(FEATURE_JIT, "jit", "BPF-002", true, "3.16", "run programs as machine code")                                 \
	X(FEATURE_PROG_SCHED_CLS, "prog.sched_cls", "BPF-004", true, "4.1", "see every packet of a pod")               \
	X(FEATURE_PROG_SOCK_ADDR, "prog.cgroup_sock_addr", "BPF-004", true, "4.17", "translate services at connect()") \
	X(FEATURE_PROG_CGROUP_SOCK, "prog.cgroup_sock", "BPF-004", true, "4.10", "guard bind()")                       \
	X(FEATURE_PROG_SK_LOOKUP, "prog.sk_lookup", "BPF-004", false, "5.9", "hand connections to a proxy")            \
	X(FEATURE_PROG_XDP, "prog.xdp", "BPF-004", false, "4.8", "accelerate node ports")                              \
	X(FEATURE_MAP_HASH, "map.hash", "BPF-005", true, "3.19", "connections and policy")                             \
	X(FEATURE_MAP_LRU_HASH, "map.lru_hash", "BPF-005", true, "4.10", "tables that make room")                      \
	X(FEATURE_MAP_PERCPU_ARRAY, "map.percpu_array", "BPF-005", true, "4.6", "counters")                            \
	X(FEATURE_MAP_LPM, "map.lpm_trie", "BPF-005", true, "4.11", "address ranges")                                  \
	X(FEATURE_MAP_RINGBUF, "map.ringbuf", "BPF-005", true, "5.8", "events")                                        \
	X(FEATURE_MAP_HASH_OF_MAPS, "map.hash_of_maps", "BPF-005", false, "4.12", "shared policy sets")                \
	X(FEATURE_MAP_SOCKMAP, "map.sockmap", "BPF-005", false, "4.14", "a proxy's listeners")                         \
	X(FEATURE_HELPER_REDIRECT_PEER, "helper.redirect_peer", "BPF-006", true, "5.10", "deliver straight to a pod")  \
	X(FEATURE_HELPER_JIFFIES, "helper.jiffies64", "BPF-006", true, "5.6", "a clock that costs nothing")            \
	X(FEATURE_HELPER_TUNNEL_KEY, "helper.skb_set_tunnel_key", "BPF-006", true, "4.3", "reach other nodes")         \
	X(FEATURE_HELPER_FIB_LOOKUP, "helper.fib_lookup", "BPF-006", false, "4.18", "routes of the host")              \
	X(FEATURE_HELPER_NETNS_COOKIE, "helper.get_netns_cookie", "BPF-006", true, "5.7", "spare pods with sidecars")  \
	X(FEATURE_ATTACH_TCX, "attach.tcx", "BPF-009", false, "6.6", "replace programs without a gap")                 \
	X(FEATURE_ATTACH_CLSACT, "attach.clsact", "BPF-009", false, "4.5", "attach where tcx is missing")              \
	X(FEATURE_ATTACH_CONNECT4, "attach.cgroup_connect4", "BPF-010", true, "4.17", "translate services at connect()") \
	X(FEATURE_LINK_VXLAN, "link.vxlan", "NET-002", true, "4.3", "reach pods of other nodes")
/* clang-format on */

enum feature {
#define FEATURE_ENUM(symbol, ...) symbol,
	FEATURES(FEATURE_ENUM)
#undef FEATURE_ENUM
		FEATURE_COUNT,
};

struct feature_row {
	const char *name, *check;
	bool required;
	const char *since, *what_for;
};
extern const struct feature_row feature_rows[FEATURE_COUNT];

/* 1 it can, 0 it cannot, negative when that could not be found out. */
typedef int (*probe_fn)(void *arg, enum feature feature, struct error *err);

/* The running kernel; root is needed. arg is not used. Loads and removes, leaves nothing behind. */
int probe_kernel(void *arg, enum feature feature, struct error *err);
