/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/maps.h - the table of datapath/abi/maps.h as map definitions. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "datapath/abi/maps.h"

#define DEFINE_MAP(name, ver, kind, ktype, vtype, entries, flags, class, what)                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_##kind);                                                 \
		__uint(max_entries, entries);                                                      \
		__uint(map_flags, flags);                                                          \
		__type(key, ktype);                                                                \
		__type(value, vtype);                                                              \
	} name##_v##ver SEC(".maps");
#define DEFINE_RING(name, ver, entries, class, what)                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, entries);                                                      \
	} name##_v##ver SEC(".maps");
