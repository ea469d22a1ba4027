/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to ask: from compiled rows as the kernel does, and from the rules as people do. */
#include <arpa/inet.h>
#include <string.h>

#include "datapath/abi/verdict.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/policy.h"

/* The longest row of an identity that matches, as a trie would find it; NULL when none. */
static const struct mesh_row *longest(const struct mesh_set *set, uint32_t identity, uint8_t proto,
				      uint16_t port)
{
	const struct mesh_row *best = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct mesh_row *row = &set->rows[i];
		uint32_t bits = row->key.prefixlen;

		if (row->key.identity != identity)
			continue;
		if (bits >= POLICY_PREFIX_PROTO && row->key.proto != proto)
			continue;
		if (bits > POLICY_PREFIX_PROTO &&
		    (port ^ ntohs(row->key.port)) >> (POLICY_PREFIX_PORT - bits))
			continue;
		if (!best || bits > best->key.prefixlen)
			best = row;
	}
	return best;
}

struct mesh_decision mesh_set_decide(const struct mesh_set *set, uint32_t identity, uint8_t proto,
				     uint16_t port)
{
	const struct mesh_row *own, *any;

	if (!set->enforced)
		return (struct mesh_decision){true, POLICY_RULE_NONE};
	own = identity ? longest(set, identity, proto, port) : NULL;
	any = longest(set, 0, proto, port);
	if (own && own->entry.flags != POLICY_ALLOW)
		return (struct mesh_decision){false, own->entry.rule_id};
	if (any && any->entry.flags != POLICY_ALLOW)
		return (struct mesh_decision){false, any->entry.rule_id};
	if (own)
		return (struct mesh_decision){true, own->entry.rule_id};
	if (any)
		return (struct mesh_decision){true, any->entry.rule_id};
	return (struct mesh_decision){false, POLICY_RULE_NONE};
}

static bool is_world(uint32_t identity)
{
	return identity == IDENTITY_WORLD || identity == IDENTITY_WORLD_IPV4 ||
	       identity == IDENTITY_WORLD_IPV6 || mesh_is_cidr_identity(identity);
}

static bool cidr_matches(const struct mesh_peer *peer, const struct mesh_other *other)
{
	if (!is_world(other->identity) || !other->addr ||
	    !net_cidr_contains(&peer->cidr, other->addr))
		return false;
	for (size_t i = 0; i < peer->n_except; i++) {
		if (net_cidr_contains(&peer->except[i], other->addr))
			return false;
	}
	return true;
}

static bool peer_matches(const struct mesh_universe *u, const struct mesh_peer *peer,
			 const struct mesh_other *other)
{
	const struct mesh_identity *id;

	switch (peer->kind) {
	case MESH_PEER_ANY:
		return true;
	case MESH_PEER_RESERVED:
		return other->identity == peer->reserved;
	case MESH_PEER_SELECTOR:
		id = mesh_identity_get(u->identities, other->identity);
		return id && label_selector_matches(&peer->selector, &id->labels);
	case MESH_PEER_WORLD:
		return is_world(other->identity);
	case MESH_PEER_CIDR:
		return cidr_matches(peer, other);
	}
	return false;
}

static bool name_matches(const struct mesh_port_name *ports, size_t n,
			 const struct mesh_port_match *m, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(ports[i].name, m->name) && ports[i].proto == proto &&
		    ports[i].port == port && (!m->proto || m->proto == proto))
			return true;
	}
	return false;
}

static bool port_matches(const struct mesh_rule *r, const struct mesh_subject *subject,
			 const struct mesh_other *other, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < r->n_ports; i++) {
		const struct mesh_port_match *m = &r->ports[i];

		if (m->name) {
			if (r->direction == MESH_INGRESS
				    ? name_matches(subject->ports, subject->n_ports, m, proto, port)
				    : name_matches(other->ports, other->n_ports, m, proto, port))
				return true;
			continue;
		}
		if (m->proto == MESH_PROTO_ANY ||
		    (m->proto == proto && port >= m->first && port <= m->last))
			return true;
	}
	return r->n_ports == 0;
}

bool mesh_rule_matches(const struct mesh_universe *u, const struct mesh_rule *r,
		       const struct mesh_subject *subject, const struct mesh_other *other,
		       uint8_t proto, uint16_t port)
{
	if (!port_matches(r, subject, other, proto, port))
		return false;
	for (size_t i = 0; i < r->n_peers; i++) {
		if (peer_matches(u, &r->peers[i], other))
			return true;
	}
	return false;
}

/* What the rules seen so far say. */
struct tally {
	bool selected, denied, defaults, allowed;
	uint32_t deny_rule, allow_rule;
};

static void count_spec(struct tally *t, const struct mesh_universe *u, const struct mesh_spec *spec,
		       const struct mesh_subject *subject, enum mesh_direction d,
		       const struct mesh_other *other, uint8_t proto, uint16_t port)
{
	t->defaults |= spec->default_deny[d];
	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct mesh_rule *r = &spec->rules[i];

		if (r->direction != d)
			continue;
		t->selected = true;
		if (!mesh_rule_matches(u, r, subject, other, proto, port))
			continue;
		if (r->deny && !t->denied)
			t->deny_rule = r->id;
		if (!r->deny && !t->allowed)
			t->allow_rule = r->id;
		t->denied |= r->deny;
		t->allowed |= !r->deny;
	}
}

struct mesh_decision mesh_rules_decide(const struct mesh_universe *u,
				       const struct mesh_policy *policies, size_t n,
				       const struct mesh_subject *subject, enum mesh_direction d,
				       const struct mesh_other *other, uint8_t proto, uint16_t port)
{
	struct tally t = {0};

	for (size_t i = 0; i < n; i++) {
		for (size_t s = 0; s < policies[i].n_specs; s++) {
			const struct mesh_spec *spec = &policies[i].specs[s];

			if (label_selector_matches(&spec->subject, &subject->labels))
				count_spec(&t, u, spec, subject, d, other, proto, port);
		}
	}
	if (t.denied)
		return (struct mesh_decision){false, t.deny_rule};
	if (t.allowed)
		return (struct mesh_decision){true, t.allow_rule};
	if (!t.defaults)
		return (struct mesh_decision){true, t.selected ? POLICY_RULE_ALLOW_ALL
							       : POLICY_RULE_NONE};
	if (d == MESH_INGRESS && other->identity == IDENTITY_HOST)
		return (struct mesh_decision){true, POLICY_RULE_LOCAL_HOST};
	return (struct mesh_decision){false, POLICY_RULE_NONE};
}
