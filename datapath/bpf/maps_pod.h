/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/maps_pod.h - the maps of the packet programs. */
#pragma once

#include "datapath/bpf/maps.h"

FOREACH_MAP_SHARED(DEFINE_MAP, DEFINE_RING)
FOREACH_MAP_PACKET(DEFINE_MAP, DEFINE_RING)
FOREACH_MAP_OLDER(DEFINE_MAP)
