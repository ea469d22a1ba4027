/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler: rules to rows. */
#include "lib/mesh/policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/abi/verdict.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/net/port.h"

/* One row before it is one: host order, prefix lengths apart. */
struct draft {
	uint32_t identity;
	uint8_t proto;
	uint8_t port_bits;
	uint16_t port;
	bool deny;
	uint32_t rule;
};

struct compiler {
	const struct mesh_universe *u;
	const struct mesh_subject *subject;
	enum mesh_direction direction;
	VEC(struct draft) drafts;
};

static int cmp_block(const void *a, const void *b)
{
	return net_cidr_cmp(&((const struct mesh_block *)a)->cidr,
			    &((const struct mesh_block *)b)->cidr);
}

static uint32_t block_number(const struct net_cidr *c, uint32_t attempt)
{
	uint8_t bytes[5];
	uint64_t h;

	memcpy(bytes, c->addr.bytes, 4);
	bytes[4] = c->bits;
	h = str_hash(bytes, sizeof(bytes), STR_HASH_SEED);
	h ^= h >> 24;
	return IDENTITY_LOCAL_SCOPE | ((uint32_t)(h + attempt) & 0x00ffffff);
}

static bool number_taken(const struct mesh_universe *u, size_t n, uint32_t id)
{
	if (id == IDENTITY_LOCAL_SCOPE)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (u->blocks[i].identity == id)
			return true;
	}
	return false;
}

static void add_block(struct mesh_universe *u, const struct net_cidr *c)
{
	/* A default route is the world itself. */
	if (c->addr.family == AF_INET && c->bits > 0)
		u->blocks[u->n_blocks++].cidr = *c;
}

static void walk_blocks(const struct mesh_policy *p, size_t *count, struct mesh_universe *u)
{
	for (size_t s = 0; s < p->n_specs; s++) {
		for (size_t r = 0; r < p->specs[s].n_rules; r++) {
			const struct mesh_rule *rule = &p->specs[s].rules[r];

			for (size_t i = 0; i < rule->n_peers; i++) {
				const struct mesh_peer *peer = &rule->peers[i];

				if (peer->kind != MESH_PEER_CIDR)
					continue;
				*count += 1 + peer->n_except;
				if (!u)
					continue;
				add_block(u, &peer->cidr);
				for (size_t k = 0; k < peer->n_except; k++)
					add_block(u, &peer->except[k]);
			}
		}
	}
}

void mesh_universe_build(struct arena *a, const struct mesh_identities *identities,
			 const struct mesh_policy *policies, size_t n, struct mesh_universe *ret)
{
	size_t count = 1, kept = 0;

	memset(ret, 0, sizeof(*ret));
	ret->identities = identities;
	for (size_t i = 0; i < n; i++)
		walk_blocks(&policies[i], &count, NULL);
	ret->blocks = arena_array(a, count, struct mesh_block);
	for (size_t i = 0; i < n; i++)
		walk_blocks(&policies[i], &count, ret);
	qsort(ret->blocks, ret->n_blocks, sizeof(*ret->blocks), cmp_block);
	for (size_t i = 0; i < ret->n_blocks; i++) {
		struct net_cidr cidr = ret->blocks[i].cidr;
		uint32_t attempt = 0;

		if (kept && net_cidr_equal(&ret->blocks[kept - 1].cidr, &cidr))
			continue;
		while (number_taken(ret, kept, block_number(&cidr, attempt)))
			attempt++;
		ret->blocks[kept++] = (struct mesh_block){cidr, block_number(&cidr, attempt)};
	}
	ret->n_blocks = kept;
}

uint32_t mesh_universe_address(const struct mesh_universe *u, const struct net_addr *addr)
{
	uint32_t id = IDENTITY_WORLD;
	unsigned bits = 0;

	for (size_t i = 0; i < u->n_blocks; i++) {
		if (u->blocks[i].cidr.bits > bits && net_cidr_contains(&u->blocks[i].cidr, addr)) {
			bits = u->blocks[i].cidr.bits;
			id = u->blocks[i].identity;
		}
	}
	return id;
}

static bool excepted(const struct mesh_peer *peer, const struct net_cidr *block)
{
	for (size_t i = 0; i < peer->n_except; i++) {
		if (net_cidr_within(block, &peer->except[i]))
			return true;
	}
	return false;
}

/* Adds the ports of one rule towards one identity. */
static void add_ports(struct compiler *c, const struct mesh_rule *r, uint32_t identity);

static void add_range(struct compiler *c, const struct mesh_rule *r, uint32_t identity,
		      uint8_t proto, uint16_t first, uint16_t last)
{
	struct net_port_prefix prefixes[NET_PORT_PREFIXES_MAX];
	size_t n = net_port_prefixes(first, last, prefixes);

	for (size_t i = 0; i < n; i++)
		vec_push(&c->drafts, ((struct draft){identity, proto, prefixes[i].bits,
						     prefixes[i].port, r->deny, r->id}));
}

static bool names(const struct mesh_port_name *have, const struct mesh_port_match *want)
{
	return str_eq(have->name, want->name) && (!want->proto || have->proto == want->proto);
}

/* A named port is the subject's own when it is called, the peer's when it calls. */
static void add_named(struct compiler *c, const struct mesh_rule *r, uint32_t identity,
		      const struct mesh_port_match *m)
{
	if (c->direction == MESH_INGRESS) {
		for (size_t i = 0; i < c->subject->n_ports; i++) {
			const struct mesh_port_name *p = &c->subject->ports[i];

			if (names(p, m))
				add_range(c, r, identity, p->proto, p->port, p->port);
		}
		return;
	}
	for (size_t i = 0; i < c->u->n_ports; i++) {
		const struct mesh_peer_port *p = &c->u->ports[i];

		if ((identity == 0 || p->identity == identity) && names(&p->port, m))
			add_range(c, r, p->identity, p->port.proto, p->port.port, p->port.port);
	}
}

static void add_ports(struct compiler *c, const struct mesh_rule *r, uint32_t identity)
{
	if (r->n_ports == 0)
		vec_push(&c->drafts, ((struct draft){identity, 0, 0, 0, r->deny, r->id}));
	for (size_t i = 0; i < r->n_ports; i++) {
		const struct mesh_port_match *m = &r->ports[i];

		if (m->name)
			add_named(c, r, identity, m);
		else if (m->proto == MESH_PROTO_ANY)
			vec_push(&c->drafts, ((struct draft){identity, 0, 0, 0, r->deny, r->id}));
		else
			add_range(c, r, identity, m->proto, m->first, m->last);
	}
}

static void add_world(struct compiler *c, const struct mesh_rule *r, const struct mesh_peer *peer)
{
	const struct mesh_universe *u = c->u;
	bool all = peer->kind == MESH_PEER_WORLD;

	for (size_t i = 0; i < u->n_blocks; i++) {
		if (all || (net_cidr_within(&u->blocks[i].cidr, &peer->cidr) &&
			    !excepted(peer, &u->blocks[i].cidr)))
			add_ports(c, r, u->blocks[i].identity);
	}
	if (all || (peer->cidr.addr.family == AF_INET && peer->cidr.bits == 0 &&
		    !excepted(peer, &peer->cidr)))
		add_ports(c, r, IDENTITY_WORLD);
	if (all) {
		add_ports(c, r, IDENTITY_WORLD_IPV4);
		add_ports(c, r, IDENTITY_WORLD_IPV6);
	}
}

static void add_peer(struct compiler *c, const struct mesh_rule *r, const struct mesh_peer *peer)
{
	const struct mesh_identities *t = c->u->identities;

	switch (peer->kind) {
	case MESH_PEER_ANY:
		add_ports(c, r, 0);
		break;
	case MESH_PEER_RESERVED:
		add_ports(c, r, peer->reserved);
		break;
	case MESH_PEER_SELECTOR:
		for (size_t i = 0; i < t->n; i++) {
			if (label_selector_matches(&peer->selector, &t->items[i].labels))
				add_ports(c, r, t->items[i].id);
		}
		break;
	case MESH_PEER_WORLD:
	case MESH_PEER_CIDR:
		add_world(c, r, peer);
		break;
	}
}

/* By key (wider ports first), then deny first, then rule. */
static int cmp_draft(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;

	if (a->identity != b->identity)
		return a->identity < b->identity ? -1 : 1;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->port_bits != b->port_bits)
		return a->port_bits < b->port_bits ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->deny != b->deny)
		return a->deny ? -1 : 1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

static bool same_key(const struct draft *a, const struct draft *b)
{
	return a->identity == b->identity && a->proto == b->proto && a->port_bits == b->port_bits &&
	       a->port == b->port;
}

static uint16_t port_mask(uint8_t bits)
{
	return (uint16_t)(bits ? 0xffffu << (16 - bits) : 0u);
}

/* Whether every packet of in, from whatever identity, also matches out's protocol and ports. */
static bool covers(const struct draft *out, const struct draft *in)
{
	if (out->proto == 0)
		return true;
	return out->proto == in->proto && out->port_bits <= in->port_bits &&
	       (in->port & port_mask(out->port_bits)) == out->port;
}

/*
 * The trie prefers the longest row, so an allow inside a deny would hide it: such allows go. Drafts
 * are sorted, so the denies that can cover one are those of identity 0 and of its own.
 */
static bool hidden_by_deny(const struct compiler *c, size_t n, const struct draft *d,
			   size_t first_of_identity)
{
	for (size_t i = 0; i < n && c->drafts.items[i].identity == 0; i++) {
		if (c->drafts.items[i].deny && covers(&c->drafts.items[i], d))
			return true;
	}
	for (size_t i = first_of_identity; i < n && c->drafts.items[i].identity == d->identity;
	     i++) {
		if (c->drafts.items[i].deny && covers(&c->drafts.items[i], d))
			return true;
	}
	return false;
}

static void fill_row(struct mesh_row *row, const struct draft *d, enum mesh_direction dir)
{
	memset(row, 0, sizeof(*row));
	row->key.prefixlen = policy_prefixlen(d->proto, d->port_bits);
	row->key.identity = d->identity;
	row->key.direction = dir == MESH_INGRESS ? DIRECTION_INGRESS : DIRECTION_EGRESS;
	row->key.proto = d->proto;
	row->key.port = htons(d->port);
	row->entry.flags = d->deny ? POLICY_DENY : POLICY_ALLOW;
	row->entry.rule_id = d->rule;
}

int mesh_row_cmp(const void *pa, const void *pb)
{
	const struct policy_key *a = &((const struct mesh_row *)pa)->key;
	const struct policy_key *b = &((const struct mesh_row *)pb)->key;

	if (a->direction != b->direction)
		return a->direction < b->direction ? -1 : 1;
	if (a->identity != b->identity)
		return a->identity < b->identity ? -1 : 1;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->prefixlen != b->prefixlen)
		return a->prefixlen < b->prefixlen ? -1 : 1;
	return (ntohs(a->port) > ntohs(b->port)) - (ntohs(a->port) < ntohs(b->port));
}

uint64_t mesh_set_digest(const struct mesh_row *rows, size_t n)
{
	uint64_t h = STR_HASH_SEED;

	for (size_t i = 0; i < n; i++) {
		struct mesh_row row = rows[i];

		row.key.set = 0;
		h = str_hash(&row, sizeof(row), h);
	}
	return h ? h : 1;
}

/* Sorted drafts to rows: one per key, no allow under a deny. */
static void finish(struct compiler *c, struct arena *a, struct mesh_set *ret)
{
	size_t first = 0, n;

	vec_sort(&c->drafts, cmp_draft);
	n = c->drafts.n;
	ret->rows = arena_array(a, n + 1, struct mesh_row);
	for (size_t i = 0; i < n; i++) {
		const struct draft *d = &c->drafts.items[i];

		if (i && c->drafts.items[i - 1].identity != d->identity)
			first = i;
		if (i && same_key(&c->drafts.items[i - 1], d))
			continue;
		if (!d->deny && hidden_by_deny(c, n, d, first))
			continue;
		fill_row(&ret->rows[ret->n++], d, c->direction);
	}
	ret->digest = mesh_set_digest(ret->rows, ret->n);
	vec_release(&c->drafts);
}

static void add_local_host(struct compiler *c)
{
	if (c->direction == MESH_INGRESS)
		vec_push(&c->drafts, ((struct draft){.identity = IDENTITY_HOST,
						     .rule = POLICY_RULE_LOCAL_HOST}));
}

void mesh_set_default_deny(struct arena *a, enum mesh_direction d, struct mesh_set *ret)
{
	struct compiler c = {.direction = d};

	memset(ret, 0, sizeof(*ret));
	ret->enforced = true;
	add_local_host(&c);
	finish(&c, a, ret);
}

void mesh_policy_compile(struct arena *a, const struct mesh_universe *u,
			 const struct mesh_policy *policies, size_t n,
			 const struct mesh_subject *subject, enum mesh_direction d,
			 struct mesh_set *ret)
{
	struct compiler c = {.u = u, .subject = subject, .direction = d};
	bool denied = false, any = false;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		for (size_t s = 0; s < policies[i].n_specs; s++) {
			const struct mesh_spec *spec = &policies[i].specs[s];

			if (!label_selector_matches(&spec->subject, &subject->labels))
				continue;
			denied |= spec->default_deny[d];
			for (size_t r = 0; r < spec->n_rules; r++) {
				if (spec->rules[r].direction != d)
					continue;
				any = true;
				for (size_t k = 0; k < spec->rules[r].n_peers; k++)
					add_peer(&c, &spec->rules[r], &spec->rules[r].peers[k]);
			}
		}
	}
	if (!denied && !any) {
		vec_release(&c.drafts);
		return;
	}
	ret->enforced = true;
	if (!denied)
		vec_push(&c.drafts, ((struct draft){.rule = POLICY_RULE_ALLOW_ALL}));
	add_local_host(&c);
	finish(&c, a, ret);
}
