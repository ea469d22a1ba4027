/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath/bpf/sock.h - frontend to backend for sockets, and back for what datagrams show. */
#pragma once

#include <linux/errno.h>
#include <linux/in.h>

#include "datapath/bpf/compiler.h"
#include "datapath/bpf/maps_sock.h"
#include "datapath/bpf/options.h"

/* Remember frontends of TCP sockets too, so that getpeername shows them; costs more than the rest.
 */
const volatile bool option_peername = false;

#define SOCK_REFUSED 0
#define SOCK_ALLOWED 1

/* Whether the socket's namespace keeps its ClusterIPs (it has a sidecar that wants to see them). */
static __always_inline int sock_opted_out(struct bpf_sock_addr *ctx)
{
	__u32 zero = 0, *out;
	struct node_config *node = bpf_map_lookup_elem(&node_config_v1, &zero);
	__u64 cookie;

	if (!node || !(node->flags & NODE_SOCK_OPTOUT))
		return 0;
	cookie = bpf_get_netns_cookie(ctx);
	out = bpf_map_lookup_elem(&sock_optout_v1, &cookie);
	return out && *out;
}

static __always_inline void sock_remember(struct bpf_sock_addr *ctx, const struct service_key *key,
					  const struct service_backend *b)
{
	struct sock_rev_key k = {.cookie = bpf_get_socket_cookie(ctx), .backend = *b};
	struct service_backend front = {key->addr, key->port, 0};
	struct service_backend *known = bpf_map_lookup_elem(&sock_rev_v1, &k);

	/* The usual case, since a datagram socket asks for every message: six times cheaper. */
	if (known && known->addr == front.addr && known->port == front.port)
		return;
	bpf_map_update_elem(&sock_rev_v1, &k, &front, BPF_ANY);
}

/* Datagrams of one socket go to one backend: the socket picks, not chance. */
static __always_inline __u32 sock_slot(struct bpf_sock_addr *ctx, __u32 n, int datagram)
{
	if (n <= 1)
		return 0;
	return (datagram ? (__u32)bpf_get_socket_cookie(ctx) : bpf_get_prandom_u32()) % n;
}

static __always_inline int sock_translate(struct bpf_sock_addr *ctx, int datagram)
{
	struct service_slot_key slot = {
		.service = {ctx->user_ip4, (__be16)ctx->user_port, (__u8)ctx->protocol, 0},
	};
	struct service_entry *svc = bpf_map_lookup_elem(&service_v1, &slot.service);
	struct service_backend *b;

	if (!svc || sock_opted_out(ctx))
		return SOCK_ALLOWED;
	slot.slot = sock_slot(ctx, svc->slots, datagram);
	b = svc->slots ? bpf_map_lookup_elem(&svc_slot_v1, &slot) : NULL;
	if (!b && svc->slots) { /* the list is being shortened: its head is always there */
		slot.slot = 0;
		b = bpf_map_lookup_elem(&svc_slot_v1, &slot);
	}
	if (!b) {
		bpf_set_retval(-ECONNREFUSED);
		return SOCK_REFUSED;
	}
	if (datagram || option_peername)
		sock_remember(ctx, &slot.service, b);
	ctx->user_ip4 = b->addr;
	ctx->user_port = b->port;
	return SOCK_ALLOWED;
}

static __always_inline void sock_untranslate(struct bpf_sock_addr *ctx)
{
	struct sock_rev_key k = {
		.cookie = bpf_get_socket_cookie(ctx),
		.backend = {ctx->user_ip4, (__be16)ctx->user_port, 0},
	};
	struct service_backend *front = bpf_map_lookup_elem(&sock_rev_v1, &k);

	if (!front)
		return;
	ctx->user_ip4 = front->addr;
	ctx->user_port = front->port;
}
