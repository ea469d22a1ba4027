/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/service.h - a frontend's backend for one connection. */
#pragma once

#include "datapath/bpf/maps_pod.h"

/* Whether a live connection may stay on the backend it has. */
static __always_inline int service_keeps(const struct service_key *key, __be32 addr, __be16 port)
{
	struct service_backend_key k = {.service = *key, .backend = {addr, port, 0}};

	return addr && bpf_map_lookup_elem(&svc_backend_v1, &k);
}

/* A ready backend at random. Returns 0, or -1 when the frontend has none. */
static __always_inline int service_pick(const struct service_key *key,
					const struct service_entry *svc,
					struct service_backend *ret)
{
	struct service_slot_key k = {.service = *key};
	struct service_backend *b;
	__u32 n = svc->slots;

	if (!n)
		return -1;
	k.slot = n > 1 ? bpf_get_prandom_u32() % n : 0;
	b = bpf_map_lookup_elem(&svc_slot_v1, &k);
	if (!b) { /* the list is being shortened: its head is always there */
		k.slot = 0;
		b = bpf_map_lookup_elem(&svc_slot_v1, &k);
	}
	if (!b)
		return -1;
	*ret = *b;
	return 0;
}
