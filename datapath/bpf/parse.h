/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/parse.h - IPv4 frames into tuples. Pure: reads between data and end, nothing else.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "datapath/abi/conntrack.h"
#include "datapath/abi/verdict.h"
#include "datapath/bpf/compiler.h"

/* <linux/icmp.h> pulls in libc. */
enum icmp_type {
	ICMP_ECHOREPLY = 0,
	ICMP_DEST_UNREACH = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETERPROB = 12,
	ICMP_TIMESTAMP = 13, /* questions are odd up to 17, each answer is one more */
	ICMP_ADDRESSREPLY = 18,
};
#define ICMP_FRAG_NEEDED 4 /* code of ICMP_DEST_UNREACH */

struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id; /* of an echo */
	__be16 seq;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET_MASK    0x1fff

#define IP_OPTIONS_MAX 40 /* bytes */
enum ip_option {
	IP_OPTION_END = 0,
	IP_OPTION_NOTHING = 1,
	IP_OPTION_LOOSE_ROUTE = 131,
	IP_OPTION_STRICT_ROUTE = 137,
};

/* Largest header stack parsed: Ethernet, IPv4 with options, ICMP, quoted IPv4 with options, ports.
 */
#define PACKET_HEADERS (ETHERNET_SIZE + 60 + 8 + 60 + 8)

enum packet_flag {
	PACKET_FRAGMENT = 1 << 0,   /* part of a fragmented datagram */
	PACKET_LATER = 1 << 1,      /* not its first part: no L4 header here */
	PACKET_OPTIONS = 1 << 2,    /* IP options present */
	PACKET_ICMP_ERROR = 1 << 3, /* quotes `inner` */
};

struct packet {
	struct conntrack_key tuple; /* scope is left 0 */
	struct conntrack_key inner; /* of the datagram an ICMP error complains about */
	__u16 l4_off;               /* from the start of the frame */
	__u16 inner_off;            /* quoted IP header */
	__u16 inner_l4_off;
	__be16 id;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 flags; /* enum packet_flag */
};
_Static_assert(sizeof(struct packet) == 44, "no padding: compared by tests");

static __always_inline __be16 packet_ethertype(const void *data, const void *end)
{
	const struct ethhdr *eth = data;

	return (const void *)(eth + 1) > end ? 0 : eth->h_proto;
}

static __always_inline __u8 packet_tcp_flags(const struct tcphdr *tcp)
{
	return ((const __u8 *)tcp)[13];
}

/* Ports and kind of an ICMP message: the identifier stands where the requester's port would. */
static __always_inline void packet_icmp_ports(struct conntrack_key *t, __u8 type, __be16 id)
{
	int pair = type >= ICMP_TIMESTAMP && type <= ICMP_ADDRESSREPLY;

	t->sport = type == ICMP_ECHO || (pair && type & 1) ? id : 0;
	t->dport = type == ICMP_ECHOREPLY || (pair && !(type & 1)) ? id : 0;
	t->icmp = type == ICMP_ECHO || type == ICMP_ECHOREPLY ? 0 : pair ? (type - 1) | 1 : type;
}

static __always_inline int packet_is_icmp_error(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* The quoted header of an ICMP error; only its first eight bytes of L4 are sure to be there. */
static __always_inline int packet_parse_quoted(const void *data, const void *end, struct packet *p)
{
	const struct iphdr *ip = bytes_at(data, (p->l4_off & 0x7fU) + sizeof(struct icmp_header));
	__u32 ihl;

	if ((const void *)(ip + 1) > end)
		return REASON_CT_INVALID_HDR;
	ihl = (__u32)ip->ihl * 4;
	if (ihl < sizeof(*ip) || ip->version != 4)
		return REASON_INVALID;
	p->inner_off = (__u16)(p->l4_off + sizeof(struct icmp_header));
	p->inner_l4_off = (__u16)(p->inner_off + ihl);
	p->inner.saddr = ip->saddr;
	p->inner.daddr = ip->daddr;
	p->inner.proto = ip->protocol;
	const __be16 *ports = bytes_at(ip, ihl);
	if ((const void *)(ports + 4) > end)
		return REASON_CT_INVALID_HDR;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		p->inner.sport = ports[0];
		p->inner.dport = ports[1];
	} else if (ip->protocol == IPPROTO_ICMP) {
		packet_icmp_ports(&p->inner, ((const __u8 *)ports)[0], ports[2]);
	}
	return 0;
}

/*
 * Looks through a frame's IP options, which packet_parse found complete. A source route would take
 * the packet on from the address that was judged to another one; what no stack can read goes
 * nowhere either. Byte by byte, for the verifier's sake. Returns 0 or the reason.
 */
static __always_inline int packet_check_options(const void *data, const void *end)
{
	const struct iphdr *ip = bytes_at(data, ETHERNET_SIZE);
	const __u8 *option = (const __u8 *)(ip + 1);
	__u32 size, next = 0;

	if ((const void *)(ip + 1) > end)
		return REASON_INVALID;
	size = (__u32)ip->ihl * 4 - (__u32)sizeof(*ip);
	for (__u32 i = 0; i < IP_OPTIONS_MAX && i < size; i++, option++) {
		if ((const void *)(option + 1) > end)
			return REASON_INVALID;
		if (i != next)
			continue;
		if (*option == IP_OPTION_END)
			return 0;
		next = i + 1;
		if (*option == IP_OPTION_NOTHING)
			continue;
		if (*option == IP_OPTION_LOOSE_ROUTE || *option == IP_OPTION_STRICT_ROUTE ||
		    next == size || (const void *)(option + 2) > end || option[1] < 2)
			return REASON_INVALID;
		next = i + option[1];
	}
	return next > size ? REASON_INVALID : 0;
}

static __always_inline int packet_parse_l4(const void *data, const void *end, struct packet *p)
{
	const void *l4 = bytes_at(data, p->l4_off & 0x7fU);

	if (p->tuple.proto == IPPROTO_TCP) {
		const struct tcphdr *tcp = l4;

		if ((const void *)(tcp + 1) > end)
			return REASON_CT_INVALID_HDR;
		p->tuple.sport = tcp->source;
		p->tuple.dport = tcp->dest;
		p->tcp_flags = packet_tcp_flags(tcp);
	} else if (p->tuple.proto == IPPROTO_UDP) {
		const struct udphdr *udp = l4;

		if ((const void *)(udp + 1) > end)
			return REASON_CT_INVALID_HDR;
		p->tuple.sport = udp->source;
		p->tuple.dport = udp->dest;
	} else if (p->tuple.proto == IPPROTO_ICMP) {
		const struct icmp_header *icmp = l4;

		if ((const void *)(icmp + 1) > end)
			return REASON_CT_INVALID_HDR;
		p->icmp_type = icmp->type;
		p->icmp_code = icmp->code;
		packet_icmp_ports(&p->tuple, icmp->type, icmp->id);
		if (packet_is_icmp_error(icmp->type)) {
			p->flags |= PACKET_ICMP_ERROR;
			return packet_parse_quoted(data, end, p);
		}
	}
	return 0;
}

/*
 * Fills *p (zeroed by the caller) from an Ethernet frame whose type is IPv4. Returns 0 or the enum
 * reason to drop it for. A later fragment yields zero ports; protocols without ports do too.
 */
static __always_inline int packet_parse(const void *data, const void *end, struct packet *p)
{
	const struct iphdr *ip = bytes_at(data, ETHERNET_SIZE);
	__u32 ihl;

	if ((const void *)(ip + 1) > end)
		return REASON_INVALID;
	ihl = (__u32)ip->ihl * 4;
	if (ihl < sizeof(*ip) || ip->version != 4 || net16(ip->tot_len) < ihl)
		return REASON_INVALID;
	if (bytes_at(ip, ihl) > end)
		return REASON_INVALID;
	if (ihl > sizeof(*ip))
		p->flags |= PACKET_OPTIONS;
	p->tuple.saddr = ip->saddr;
	p->tuple.daddr = ip->daddr;
	p->tuple.proto = ip->protocol;
	p->l4_off = (__u16)(ETHERNET_SIZE + ihl);
	p->id = ip->id;
	if (ip->frag_off & net16(IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) {
		p->flags |= PACKET_FRAGMENT;
		if (ip->frag_off & net16(IP_OFFSET_MASK)) {
			p->flags |= PACKET_LATER;
			return 0;
		}
	}
	return packet_parse_l4(data, end, p);
}

/*
 * The common case in few instructions: IPv4 without options or fragments, TCP without SYN, FIN or
 * RST, or UDP. Fills *t but for its scope and returns 1; anything else 0, *t undefined.
 */
static __always_inline int packet_fast(const void *data, const void *end, struct conntrack_key *t)
{
	const struct ethhdr *eth = data;
	const struct iphdr *ip = bytes_at(data, ETHERNET_SIZE);
	const struct udphdr *udp = bytes_at(data, ETHERNET_SIZE + sizeof(*ip));

	if ((const void *)(udp + 1) > end)
		return 0;
	if (eth->h_proto != net16(ETH_P_IP) || *(const __u8 *)ip != 0x45)
		return 0;
	if ((ip->frag_off & net16(IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) || ip->ttl <= 1)
		return 0;
	if (ip->protocol == IPPROTO_TCP) {
		const struct tcphdr *tcp = (const void *)udp;

		if ((const void *)(tcp + 1) > end)
			return 0;
		if (packet_tcp_flags(tcp) & (TCP_SYN | TCP_FIN | TCP_RST))
			return 0;
	} else if (ip->protocol != IPPROTO_UDP) {
		return 0;
	}
	t->saddr = ip->saddr;
	t->daddr = ip->daddr;
	t->sport = udp->source;
	t->dport = udp->dest;
	t->proto = ip->protocol;
	t->icmp = 0;
	t->zero = 0;
	return 1;
}
