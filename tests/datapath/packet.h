/* SPDX-License-Identifier: Apache-2.0 */
/* tests/datapath/packet.h - builds frames for programs under test and reads what they became. */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "datapath/abi/conntrack.h"

#define PACKET_ROOM 256

struct frame {
	size_t len;
	__u8 lead[2]; /* as in the kernel: puts the IP header on a four-byte boundary */
	__u8 bytes[PACKET_ROOM];
};

struct frame_spec {
	__be32 saddr, daddr; /* frame_addr("10.0.0.1") */
	__u16 sport, dport;  /* host order; ICMP echo: sport is the identifier, dport the type */
	__u8 proto;
	__u8 tcp_flags;
	__u8 ttl;      /* 0: 64 */
	__u8 ihl;      /* 32-bit words, 0: 5 */
	__u16 frag;    /* as in the header: offset and more-fragments bit, host order */
	__u16 id;      /* IP identification */
	size_t data;   /* payload bytes */
	bool no_check; /* UDP without checksum */
	bool partial;  /* transport checksum is the bare pseudo-header sum */
};

__be32 frame_addr(const char *dotted);
/* A complete Ethernet frame with right checksums. */
void frame_build(const struct frame_spec *s, struct frame *ret);
/* The same in short, for the plain case. */
struct frame frame_make(const char *saddr, __u16 sport, const char *daddr, __u16 dport, __u8 proto,
			__u8 tcp_flags);
/* An ICMP error of `type`, `code` from saddr to daddr that quotes the first bytes of `about`. */
void frame_build_error(__be32 saddr, __be32 daddr, __u8 type, __u8 code, const struct frame *about,
		       struct frame *ret);
/* The five-tuple, as conntrack has it (scope 0). */
struct conntrack_key frame_tuple(const struct frame *f);
/* Whether the IPv4 header's checksum and the transport's are right. */
bool frame_sums_ok(const struct frame *f);
__u8 frame_ttl(const struct frame *f);
__u8 frame_tcp_flags(const struct frame *f);
