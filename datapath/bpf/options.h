/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/options.h - load-time options. The verifier sees them as constants and removes what
 * they switch off; every combination loads (tests/datapath/prog).
 */
#pragma once

#include <stdbool.h>

#include "datapath/bpf/compiler.h"

/* Jiffies per second of this kernel. */
const volatile __u32 option_hz = 250;
/* The kernel has bpf_cast_to_kern_ctx (6.2): a packet's checksum state can be read. Without it
 * translated packets go through slower helpers. */
const volatile bool option_kern_ctx = true;
/* Translate services per packet (pods without socket load balancing, or none at all). */
const volatile bool option_services = true;
/* Records about refusals and decisions. */
const volatile bool option_events = true;
/* Records about live connections: answered, closing, every five seconds. */
const volatile bool option_trace = true;
/* The release before may come back: its connection maps are looked at and kept up. */
const volatile bool option_older = false;
/* Exact counts per pair of identities. */
const volatile bool option_traffic = true;
