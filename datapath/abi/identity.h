/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/identity.h - numeric security identities, and which address has which.
 *
 * Reserved numbers are the reference's. Pods get numbers from 256 up to 65535 (CiliumIdentity
 * objects); CIDR blocks named by policy get node-local ones with the top byte 0x01. The VXLAN
 * network identifier carries the sender's identity, so 24 bits are all there are.
 */
#pragma once

#include <linux/types.h>

/* X(number, C name, label value: reserved:<text>) */
#define FOREACH_RESERVED_IDENTITY(X)                                                               \
	X(0, UNKNOWN, "unknown")                                                                   \
	X(1, HOST, "host")                                                                         \
	X(2, WORLD, "world")                                                                       \
	X(3, UNMANAGED, "unmanaged")                                                               \
	X(4, HEALTH, "health")                                                                     \
	X(5, INIT, "init")                                                                         \
	X(6, REMOTE_NODE, "remote-node")                                                           \
	X(7, KUBE_APISERVER, "kube-apiserver")                                                     \
	X(8, INGRESS, "ingress")                                                                   \
	X(9, WORLD_IPV4, "world-ipv4")                                                             \
	X(10, WORLD_IPV6, "world-ipv6")

enum reserved_identity {
#define IDENTITY_ENUM(num, name, text) IDENTITY_##name = num,
	FOREACH_RESERVED_IDENTITY(IDENTITY_ENUM)
#undef IDENTITY_ENUM
};

#define IDENTITY_FIRST_POD   256
#define IDENTITY_LAST_POD    65535
#define IDENTITY_LOCAL_SCOPE 0x01000000 /* first identity of a CIDR block */
#define IDENTITY_VNI_MASK    0x00ffffff

/* Map `ipcache`, longest prefix: who is at an address. No entry: IDENTITY_WORLD. */
struct ipcache_key {
	__u32 prefixlen; /* 0..32 */
	__be32 addr;     /* host bits zero */
};
_Static_assert(sizeof(struct ipcache_key) == 8, "pinned layout");

enum ipcache_flag {
	IPCACHE_SKIP_TUNNEL = 1 << 0, /* reach it natively although tunnel_endpoint is known */
};

struct ipcache_entry {
	__u32 identity;         /* the local node's own addresses: IDENTITY_HOST; others' nodes:
				 * IDENTITY_REMOTE_NODE */
	__be32 tunnel_endpoint; /* node address to encapsulate to; 0: the stack routes */
	__u8 flags;             /* enum ipcache_flag */
	__u8 encrypt_key;       /* 0: plain */
	__u16 reserved;
	__u32 reserved2;
};
_Static_assert(sizeof(struct ipcache_entry) == 16, "pinned layout");
