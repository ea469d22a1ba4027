/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/decide.h - the one place where a connection is decided, for both directions.
 *
 * Works from w->opener alone, so a reply that meets a changed generation re-decides the opener's
 * direction. Fills w->entry, w->reply and w->reply_key. Generations are read before what they
 * cover.
 */
#pragma once

#include "datapath/bpf/policy.h"
#include "datapath/bpf/service.h"

static __always_inline void decide_ref(struct conntrack_entry *e, enum conntrack_ref which,
				       __u32 index)
{
	e->ref[which].index = index;
	e->ref[which].value = generation_read(index);
}

/* Service translation of the opener's tuple. Returns 0 or the reason to refuse. */
static __always_inline int decide_service(struct work *w, struct conntrack_key *to)
{
	struct opener *o = &w->opener;
	struct service_key key = {o->key.daddr, o->key.dport, o->key.proto, 0};
	struct service_backend backend = {o->keep_addr, o->keep_port, 0};
	struct service_entry *svc;

	if (!option_services || o->hook != HOOK_FROM_POD)
		return 0;
	if (o->key.proto != IPPROTO_TCP && o->key.proto != IPPROTO_UDP)
		return 0;
	decide_ref(&w->entry, CONNTRACK_REF_SERVICE, generation_service(key.addr, key.port));
	svc = bpf_map_lookup_elem(&service_v1, &key);
	if (!svc)
		return o->keep_addr ? REASON_NO_SERVICE : 0;
	w->entry.flags |= CONNTRACK_SERVICE;
	w->entry.svc_addr = key.addr;
	w->entry.svc_port = key.port;
	if (!service_keeps(&key, o->keep_addr, o->keep_port) && service_pick(&key, svc, &backend))
		return REASON_NO_SERVICE;
	to->daddr = backend.addr;
	to->dport = backend.port;
	return 0;
}

static __always_inline __u32 decide_ipcache(__be32 addr, struct ipcache_entry *ret)
{
	struct ipcache_key key = {32, addr};
	struct ipcache_entry *e = bpf_map_lookup_elem(&ipcache_v1, &key);

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->identity = IDENTITY_WORLD;
	if (e)
		*ret = *e;
	return ret->identity;
}

/* Who is at an address that came by way of the node's stack. */
static __always_inline __u32 decide_identity(__be32 addr)
{
	struct endpoint *ep = endpoint_get(endpoint_of_address(addr));
	struct ipcache_entry ignored;

	return ep && ep->ifindex && ep->addr == addr ? ep->identity
						     : decide_ipcache(addr, &ignored);
}

/* How to reach the called side: sets action, device and next hop of the opener's direction. */
static __always_inline void decide_next_hop(struct work *w, const struct ipcache_entry *remote)
{
	struct conntrack_entry *e = &w->entry;
	struct node_config *node = node_get();
	struct endpoint *dst = endpoint_get(e->dst_endpoint);

	e->verdict = CONNTRACK_STACK;
	if (e->dst_endpoint && dst) {
		if (w->opener.hook == HOOK_TO_POD)
			return; /* already on its way there */
		e->verdict = CONNTRACK_PEER;
		e->ifindex = dst->ifindex;
		__builtin_memcpy(e->dmac, dst->mac, 6);
		__builtin_memcpy(e->smac, dst->host_mac, 6);
		return;
	}
	if (!remote->tunnel_endpoint || remote->flags & IPCACHE_SKIP_TUNNEL || !node ||
	    !node->overlay_ifindex || remote->tunnel_endpoint == node->addr)
		return;
	e->verdict = CONNTRACK_OVERLAY;
	e->ifindex = node->overlay_ifindex;
	e->tunnel = remote->tunnel_endpoint;
}

/* How to answer the opener. */
static __always_inline void decide_way_back(struct work *w)
{
	struct conntrack_entry *r = &w->reply;
	struct endpoint *src = endpoint_get(w->entry.src_endpoint);
	struct node_config *node = node_get();

	r->verdict = CONNTRACK_STACK;
	if (w->opener.hook == HOOK_FROM_POD && src) {
		r->verdict = CONNTRACK_PEER;
		r->ifindex = src->ifindex;
		__builtin_memcpy(r->dmac, src->mac, 6);
		__builtin_memcpy(r->smac, src->host_mac, 6);
	} else if (w->opener.hook == HOOK_FROM_OVERLAY && node) {
		r->verdict = CONNTRACK_OVERLAY;
		r->ifindex = node->overlay_ifindex;
		r->tunnel = w->opener.tunnel;
	}
}

/* Both endpoints' policies, as far as they are here. Returns 0 or the reason. */
static __always_inline int decide_policy(struct work *w, const struct conntrack_key *to)
{
	struct conntrack_entry *e = &w->entry;
	struct question q = {
		.src_identity = e->src_identity,
		.dst_identity = e->dst_identity,
		.port = to->proto == IPPROTO_ICMP ? net16(w->opener.icmp_type) : to->dport,
		.proto = to->proto,
	};
	int reason = 0;

	if (e->flags & CONNTRACK_LOOPBACK)
		return 0;
	if (e->src_endpoint) {
		q.endpoint = e->src_endpoint;
		q.direction = DIRECTION_EGRESS;
		reason = policy_ask(&q, e, w->now);
	}
	if (!reason && e->dst_endpoint) {
		q.endpoint = e->dst_endpoint;
		q.direction = DIRECTION_INGRESS;
		reason = policy_ask(&q, e, w->now);
	}
	return reason;
}

/* Whether the packet would reach a tunnel's end, which takes the sender's identity for granted: any
 * that the stack delivers or routes, since the node has addresses that no map knows (broadcast,
 * gateways). Another pod may have the port. */
static __always_inline int decide_encapsulates(const struct conntrack_key *to, __u8 action)
{
	struct node_config *node = node_get();

	return node && node->overlay_ifindex && to->proto == IPPROTO_UDP &&
	       to->dport == net16(node->overlay_port) && action == CONNTRACK_STACK;
}

/* The called side: where it is and who it is; `to` is the tuple it will see. */
static __always_inline int decide_called(struct work *w, struct conntrack_key *to)
{
	struct conntrack_entry *e = &w->entry;
	struct ipcache_entry remote = {.identity = IDENTITY_WORLD};
	struct node_config *node = node_get();
	struct endpoint *dst;
	__u32 slot;

	if (w->opener.hook == HOOK_FROM_POD)
		decide_ref(e, CONNTRACK_REF_REMOTE, generation_remote(to->daddr));
	slot = endpoint_of_address(to->daddr);
	if (slot) {
		decide_ref(e, CONNTRACK_REF_DESTINATION, generation_endpoint(slot));
		dst = endpoint_get(slot);
		if (!dst || dst->addr != to->daddr)
			return REASON_UNROUTABLE;
		e->dst_endpoint = (__u16)slot;
		e->dst_identity = dst->identity;
		w->reply.in_ifindex = dst->ifindex;
	} else {
		e->dst_identity = decide_ipcache(to->daddr, &remote);
	}
	if (slot && slot == e->src_endpoint && node) {
		e->flags |= CONNTRACK_LOOPBACK; /* itself, through a service */
		to->saddr = node->loopback;
	}
	decide_next_hop(w, &remote);
	if (w->opener.hook == HOOK_FROM_POD && decide_encapsulates(to, e->verdict))
		return REASON_ENCAP_PROHIBITED;
	return 0;
}

/* The opener: identity, and for a pod the generation of its policy. */
static __always_inline int decide_opener(struct work *w)
{
	struct conntrack_entry *e = &w->entry;
	struct opener *o = &w->opener;
	struct endpoint *src;

	if (o->hook != HOOK_FROM_POD) {
		decide_ref(e, CONNTRACK_REF_REMOTE, generation_remote(o->key.saddr));
		e->src_identity = o->identity;
		if (o->hook == HOOK_FROM_OVERLAY)
			e->flags |= CONNTRACK_FROM_TUNNEL;
		else
			e->src_identity = decide_identity(o->key.saddr);
		return 0;
	}
	decide_ref(e, CONNTRACK_REF_SOURCE, generation_endpoint(o->endpoint));
	src = endpoint_get(o->endpoint);
	if (!src || !(src->flags & ENDPOINT_READY))
		return REASON_EP_NOT_READY;
	if (src->addr != o->key.saddr)
		return REASON_INVALID_SIP;
	e->src_endpoint = (__u16)o->endpoint;
	e->src_identity = src->identity;
	e->in_ifindex = src->ifindex;
	return 0;
}

/* The answering direction mirrors the opener's. */
static __always_inline void decide_reply(struct work *w, const struct conntrack_key *to)
{
	struct conntrack_entry *e = &w->entry, *r = &w->reply;
	struct conntrack_key back;

	e->twin_scope = e->dst_endpoint ? CONNTRACK_SCOPE_POD : CONNTRACK_SCOPE_NET;
	flow_reverse(to, e->twin_scope, &w->reply_key);
	flow_reverse(&w->opener.key, e->twin_scope, &back);
	flow_set_nat(r, &w->reply_key, &back);
	r->twin_scope = w->opener.key.scope;
	r->version = CONNTRACK_VERSION;
	r->flags |= CONNTRACK_REPLY | (e->flags & (CONNTRACK_SHARED | CONNTRACK_SERVICE |
						   CONNTRACK_LOOPBACK | CONNTRACK_FROM_TUNNEL));
	r->global = e->global;
	__builtin_memcpy(r->ref, e->ref, sizeof(r->ref));
	r->src_identity = e->dst_identity;
	r->dst_identity = e->src_identity;
	r->src_endpoint = e->dst_endpoint;
	r->dst_endpoint = e->src_endpoint;
	r->rule_id[0] = e->rule_id[0];
	r->rule_id[1] = e->rule_id[1];
	r->svc_addr = e->svc_addr;
	r->svc_port = e->svc_port;
	r->audited = e->audited;
	r->direction = e->direction;
	decide_way_back(w);
	if (conntrack_refuses(e))
		r->verdict = e->verdict; /* the way back stays known for a later decision */
}

static __always_inline void decide_begin(struct work *w)
{
	struct conntrack_entry *e = &w->entry;

	__builtin_memset(e, 0, sizeof(*e));
	__builtin_memset(&w->reply, 0, sizeof(w->reply));
	e->version = CONNTRACK_VERSION;
	e->global = generation_read(GENERATION_GLOBAL);
	for (int i = 0; i < CONNTRACK_REF_COUNT; i++)
		e->ref[i].index = GENERATION_UNUSED;
}

/* Returns 0 or the reason that w->entry refuses with. */
GLOBAL_FUNCTION int decide(struct work *w)
{
	struct conntrack_key to;
	int reason;

	if (!w)
		return REASON_INVALID;
	decide_begin(w);
	to = w->opener.key;
	reason = decide_opener(w);
	if (!reason)
		reason = decide_service(w, &to);
	if (!reason)
		reason = decide_called(w, &to);
	if (!reason)
		reason = decide_policy(w, &to);
	flow_set_nat(&w->entry, &w->opener.key, &to);
	if (!w->entry.audited)
		w->entry.direction =
			w->opener.hook == HOOK_FROM_POD && (reason || !w->entry.dst_endpoint);
	if (reason) {
		w->entry.verdict = (__u8)reason;
		w->entry.audited = 0;
	}
	decide_reply(w, &to);
	return reason;
}
