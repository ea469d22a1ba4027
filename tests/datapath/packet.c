/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "datapath/bpf/parse.h"
#include "lib/base/macros.h"
#include "tests/datapath/packet.h"

__be32 frame_addr(const char *dotted)
{
	return inet_addr(dotted);
}

static __u32 add_bytes(__u32 sum, const __u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += (i & 1) ? (__u32)p[i] : (__u32)p[i] << 8;
	return sum;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

static __u32 pseudo_sum(const struct iphdr *ip, size_t len)
{
	__u32 sum = add_bytes(0, (const __u8 *)&ip->saddr, 8);

	return sum + ip->protocol + (__u32)len;
}

static size_t check_offset(__u8 proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

static void finish_l4(struct iphdr *ip, __u8 *l4, size_t len, bool partial, bool none)
{
	__u32 sum = ip->protocol == IPPROTO_ICMP ? 0 : pseudo_sum(ip, len);
	__u16 check;

	if (none)
		return;
	check = partial ? fold(sum) : (__u16)~fold(add_bytes(sum, l4, len));
	check = htons(check);
	memcpy(l4 + check_offset(ip->protocol), &check, 2);
}

static size_t l4_header(const struct frame_spec *s, __u8 *l4)
{
	if (s->proto == IPPROTO_TCP) {
		struct tcphdr tcp = {.source = htons(s->sport),
				     .dest = htons(s->dport),
				     .seq = htonl(1000),
				     .ack_seq = s->tcp_flags & TCP_ACK ? htonl(2000) : 0,
				     .doff = 5,
				     .window = htons(1000)};

		memcpy(l4, &tcp, sizeof(tcp));
		l4[13] = s->tcp_flags;
		return sizeof(tcp);
	}
	if (s->proto == IPPROTO_ICMP) {
		struct icmp_header icmp = {.type = (__u8)s->dport, .id = htons(s->sport)};

		memcpy(l4, &icmp, sizeof(icmp));
		return sizeof(icmp);
	}
	struct udphdr udp = {.source = htons(s->sport),
			     .dest = htons(s->dport),
			     .len = htons((__u16)(sizeof(udp) + s->data))};

	memcpy(l4, &udp, sizeof(udp));
	return sizeof(udp);
}

static void start_ip(struct iphdr *ip, const struct frame_spec *s, size_t total)
{
	*ip = (struct iphdr){.version = 4,
			     .ihl = (__u8)((s->ihl ? s->ihl : 5) & 0xf),
			     .protocol = s->proto,
			     .ttl = s->ttl ? s->ttl : 64,
			     .id = htons(s->id),
			     .frag_off = htons(s->frag),
			     .saddr = s->saddr,
			     .daddr = s->daddr,
			     .tot_len = htons((__u16)total)};
}

static void finish_ip(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = htons((__u16)~fold(add_bytes(0, (const __u8 *)ip, (size_t)ip->ihl * 4)));
}

void frame_build(const struct frame_spec *s, struct frame *ret)
{
	struct ethhdr eth = {.h_dest = {2, 0, 0, 0, 0, 1},
			     .h_source = {2, 0, 0, 0, 0, 2},
			     .h_proto = htons(ETH_P_IP)};
	size_t ihl = (s->ihl ? s->ihl : 5) * 4u, n;
	__u8 *l3 = ret->bytes + sizeof(eth), *l4 = l3 + ihl;
	struct iphdr ip;

	memset(ret->bytes, 0, sizeof(ret->bytes));
	memcpy(ret->bytes, &eth, sizeof(eth));
	memset(l3 + sizeof(ip), 1, ihl - sizeof(ip)); /* options: no-op */
	n = s->frag & IP_OFFSET_MASK ? 0 : l4_header(s, l4);
	memset(l4 + n, 'x', s->data);
	n += s->data;
	start_ip(&ip, s, ihl + n);
	memcpy(l3, &ip, sizeof(ip));
	finish_ip((struct iphdr *)(void *)l3);
	if (!(s->frag & IP_OFFSET_MASK))
		finish_l4(&ip, l4, n, s->partial, s->no_check);
	ret->len = sizeof(eth) + ihl + n;
}

struct frame frame_make(const char *saddr, __u16 sport, const char *daddr, __u16 dport, __u8 proto,
			__u8 tcp_flags)
{
	struct frame_spec s = {.saddr = frame_addr(saddr),
			       .daddr = frame_addr(daddr),
			       .sport = sport,
			       .dport = dport,
			       .proto = proto,
			       .tcp_flags = tcp_flags};
	struct frame f;

	frame_build(&s, &f);
	return f;
}

void frame_build_error(__be32 saddr, __be32 daddr, __u8 type, __u8 code, const struct frame *about,
		       struct frame *ret)
{
	struct frame_spec s = {
		.saddr = saddr, .daddr = daddr, .dport = type, .proto = IPPROTO_ICMP, .data = 28};
	__u8 *l4 = ret->bytes + ETHERNET_SIZE + 20;

	frame_build(&s, ret);
	l4[1] = code;
	l4[2] = l4[3] = 0;
	memcpy(l4 + 8, about->bytes + ETHERNET_SIZE, 28);
	finish_l4(&(struct iphdr){.protocol = IPPROTO_ICMP}, l4, 36, false, false);
}

struct conntrack_key frame_tuple(const struct frame *f)
{
	struct packet p = {.tuple = {0}};

	packet_parse(f->bytes, f->bytes + f->len, &p);
	return p.tuple;
}

bool frame_sums_ok(const struct frame *f)
{
	const __u8 *l3 = f->bytes + ETHERNET_SIZE, *l4;
	struct iphdr ip;
	size_t len;

	memcpy(&ip, l3, sizeof(ip));
	if (fold(add_bytes(0, l3, (size_t)ip.ihl * 4)) != 0xffff)
		return false;
	l4 = l3 + (size_t)ip.ihl * 4;
	len = ntohs(ip.tot_len) - (size_t)ip.ihl * 4;
	if (ip.protocol == IPPROTO_UDP && !l4[6] && !l4[7])
		return true;
	return fold(add_bytes(ip.protocol == IPPROTO_ICMP ? 0 : pseudo_sum(&ip, len), l4, len)) ==
	       0xffff;
}

__u8 frame_ttl(const struct frame *f)
{
	return f->bytes[ETHERNET_SIZE + 8];
}

__u8 frame_tcp_flags(const struct frame *f)
{
	return f->bytes[ETHERNET_SIZE + 20 + 13];
}
