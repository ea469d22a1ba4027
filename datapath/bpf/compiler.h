/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/compiler.h - what C lacks when the same header is built for the kernel and for a
 * host. */
#pragma once

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Verified once and called, not inlined: keeps programs small and the verifier quick. */
#define GLOBAL_FUNCTION __attribute__((noinline))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "net16 and net32 swap");
#define net16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define net32(x) __builtin_bswap32(x)

#define ETHERNET_SIZE 14

static __always_inline const void *bytes_at(const void *p, unsigned long offset)
{
	return (const __u8 *)p + offset;
}
