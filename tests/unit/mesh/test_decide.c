/* SPDX-License-Identifier: Apache-2.0 */
/* Random rules and random connections: compiled rows decide as the rules do, in any order. */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/mesh/policy.h"

static uint32_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % n;
}

static const char *const values[] = {"a", "b", "c"};
static const uint8_t protos[] = {MESH_TCP, MESH_UDP, MESH_ICMP, MESH_PROTO_ANY};

static struct label_selector random_selector(struct arena *a)
{
	struct label_selector s = {{NULL, 0}, NULL, 0};
	struct label_requirement *r;

	s.n_match_expressions = roll(3);
	s.match_expressions = arena_array(a, 3, struct label_requirement);
	for (size_t i = 0; i < s.n_match_expressions; i++) {
		r = &s.match_expressions[i];
		r->key = roll(2) ? "k8s:x" : "k8s:y";
		r->op = LABEL_IN + (int)roll(4);
		r->values.items = arena_array(a, 2, const char *);
		for (r->values.n = 0; r->values.n < 2; r->values.n++)
			r->values.items[r->values.n] = values[roll(3)];
	}
	return s;
}

static struct net_cidr random_cidr(void)
{
	struct net_addr addr = net_addr_from_v4(roll(4) << 30 | roll(4) << 8 | roll(4));
	static const unsigned bits[] = {0, 2, 8, 24, 30, 32};

	return net_cidr_make(&addr, bits[roll(6)]);
}

static void random_peer(struct arena *a, struct mesh_peer *p)
{
	p->kind = (enum mesh_peer_kind)roll(5);
	if (p->kind == MESH_PEER_SELECTOR)
		p->selector = random_selector(a);
	if (p->kind == MESH_PEER_RESERVED)
		p->reserved = 1 + roll(8);
	if (p->kind == MESH_PEER_CIDR) {
		p->cidr = random_cidr();
		p->n_except = roll(3);
		p->except = arena_array(a, 3, struct net_cidr);
		for (size_t i = 0; i < p->n_except; i++)
			p->except[i] = random_cidr();
	}
}

static void random_port(struct mesh_port_match *m)
{
	m->proto = protos[roll(4)];
	m->first = (uint16_t)roll(70);
	m->last = (uint16_t)(m->first + roll(3) * roll(40));
	if (roll(4) == 0 || m->proto == MESH_PROTO_ANY) {
		m->first = 0;
		m->last = 65535;
	}
	if (roll(8) == 0)
		m->name = roll(2) ? "web" : "other";
}

static void random_policy(struct arena *a, struct mesh_policy *p, unsigned i)
{
	struct mesh_spec *s = arena_new(a, struct mesh_spec);

	memset(p, 0, sizeof(*p));
	p->kind = "CiliumNetworkPolicy";
	p->namespace = "n";
	p->name = arena_printf(a, "p%u", i);
	p->specs = s;
	p->n_specs = 1;
	if (roll(4) == 0)
		s->subject = random_selector(a);
	s->default_deny[MESH_INGRESS] = roll(4) > 0;
	s->default_deny[MESH_EGRESS] = roll(4) > 0;
	s->n_rules = roll(4);
	s->rules = arena_array(a, 4, struct mesh_rule);
	for (size_t k = 0; k < s->n_rules; k++) {
		struct mesh_rule *r = &s->rules[k];

		r->path = arena_printf(a, "spec.rule[%zu]", k);
		r->direction = roll(2) ? MESH_INGRESS : MESH_EGRESS;
		r->deny = roll(3) == 0;
		r->n_peers = roll(3);
		r->peers = arena_array(a, 3, struct mesh_peer);
		for (size_t j = 0; j < r->n_peers; j++)
			random_peer(a, &r->peers[j]);
		r->n_ports = roll(3);
		r->ports = arena_array(a, 3, struct mesh_port_match);
		for (size_t j = 0; j < r->n_ports; j++)
			random_port(&r->ports[j]);
	}
}

static void random_identities(struct arena *a, struct mesh_identities *ret)
{
	struct cilium_identity objects[9] = {{.meta = {.name = NULL}}};

	for (unsigned i = 0; i < 9; i++) {
		struct strmap *m = &objects[i].security_labels;

		objects[i].meta.name = arena_printf(a, "%u", 256 + i);
		m->items = arena_array(a, 2, struct strmap_pair);
		m->items[m->n++] = (struct strmap_pair){"k8s:x", values[i % 3]};
		if (i % 2)
			m->items[m->n++] = (struct strmap_pair){"k8s:y", values[i / 3]};
	}
	mesh_identities_build(a, objects, 9, ret);
}

static const struct mesh_port_name names[] = {{"web", MESH_TCP, 40}, {"web", MESH_UDP, 41}};

struct scene {
	struct arena a;
	struct mesh_identities identities;
	struct mesh_universe u;
	struct mesh_policy policies[5];
	size_t n;
	struct mesh_subject subject;
	struct mesh_peer_port peer_ports[2];
};

static void scene_init(struct scene *s, uint32_t seed)
{
	memset(s, 0, sizeof(*s));
	dice = seed;
	random_identities(&s->a, &s->identities);
	s->n = 1 + roll(4);
	for (unsigned i = 0; i < s->n; i++)
		random_policy(&s->a, &s->policies[i], i);
	mesh_policies_number(s->policies, s->n);
	mesh_universe_build(&s->a, &s->identities, s->policies, s->n, &s->u);
	s->peer_ports[0] = (struct mesh_peer_port){260, names[0]};
	s->peer_ports[1] = (struct mesh_peer_port){261, names[1]};
	s->u.ports = s->peer_ports;
	s->u.n_ports = 2;
	s->subject.labels = s->identities.items[s->identities.n - 1 - roll(9)].labels;
	s->subject.ports = names;
	s->subject.n_ports = roll(3);
}

static void random_other(struct scene *s, struct mesh_other *o, struct net_addr *addr)
{
	memset(o, 0, sizeof(*o));
	if (roll(3) == 0) {
		*addr = net_addr_from_v4(roll(4) << 30 | roll(5) << 8 | roll(5));
		o->addr = addr;
		o->identity = mesh_universe_address(&s->u, addr);
		return;
	}
	o->identity = roll(2) ? 256 + roll(9) : 1 + roll(8);
	if (o->identity == IDENTITY_WORLD) { /* the world always has an address */
		*addr = net_addr_from_v4(0x7f000001);
		o->addr = addr;
		o->identity = mesh_universe_address(&s->u, addr);
	}
	for (size_t i = 0; i < 2; i++) {
		if (s->peer_ports[i].identity == o->identity) {
			o->ports = &s->peer_ports[i].port;
			o->n_ports = 1;
		}
	}
}

static void compare(uint32_t seed)
{
	struct scene s;
	struct mesh_set sets[MESH_DIRECTIONS];

	scene_init(&s, seed);
	for (int d = 0; d < MESH_DIRECTIONS; d++)
		mesh_policy_compile(&s.a, &s.u, s.policies, s.n, &s.subject, (enum mesh_direction)d,
				    &sets[d]);
	for (int i = 0; i < 60; i++) {
		enum mesh_direction d = roll(2) ? MESH_INGRESS : MESH_EGRESS;
		uint8_t proto = protos[roll(3)];
		uint16_t port = (uint16_t)roll(150);
		struct mesh_decision kernel, rules;
		struct mesh_other other;
		struct net_addr addr;

		random_other(&s, &other, &addr);
		kernel = mesh_set_decide(&sets[d], other.identity, proto, port);
		rules = mesh_rules_decide(&s.u, s.policies, s.n, &s.subject, d, &other, proto,
					  port);
		if (kernel.allowed != rules.allowed)
			fail_msg("seed %u: %s identity %u proto %u port %u: rows say %d (rule %u), "
				 "rules say %d (rule %u)",
				 seed, mesh_direction_name(d), other.identity, proto, port,
				 kernel.allowed, kernel.rule, rules.allowed, rules.rule);
	}
	arena_release(&s.a);
}

TEST(rows_decide_as_the_rules_do)
{
	for (uint32_t seed = 1; seed <= 3000; seed++)
		compare(seed);
}

TEST(the_order_of_policies_does_not_matter)
{
	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct scene s;
		struct mesh_set before, after;
		struct mesh_policy first;

		scene_init(&s, seed);
		mesh_policy_compile(&s.a, &s.u, s.policies, s.n, &s.subject, MESH_INGRESS, &before);
		first = s.policies[0];
		memmove(&s.policies[0], &s.policies[1], (s.n - 1) * sizeof(first));
		s.policies[s.n - 1] = first;
		mesh_policies_number(s.policies, s.n);
		mesh_policy_compile(&s.a, &s.u, s.policies, s.n, &s.subject, MESH_INGRESS, &after);
		assert_int_equal(before.digest, after.digest);
		assert_int_equal(before.n, after.n);
		arena_release(&s.a);
	}
}

TEST(rows_are_what_the_trie_needs)
{
	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct scene s;
		struct mesh_set set;

		scene_init(&s, seed);
		mesh_policy_compile(&s.a, &s.u, s.policies, s.n, &s.subject, MESH_EGRESS, &set);
		for (size_t i = 0; i < set.n; i++) {
			assert_true(set.rows[i].entry.flags == POLICY_ALLOW ||
				    set.rows[i].entry.flags == POLICY_DENY);
			assert_int_equal(set.rows[i].key.set, 0);
			if (i)
				assert_true(mesh_row_cmp(&set.rows[i - 1], &set.rows[i]) < 0);
		}
		arena_release(&s.a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_decide_as_the_rules_do),
		cmocka_unit_test(the_order_of_policies_does_not_matter),
		cmocka_unit_test(rows_are_what_the_trie_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
