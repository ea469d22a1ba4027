/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One class of pods as a CiliumNetworkPolicy: who may reach it under mutual TLS and authorization
 * together, and everything beside, because a policy that allows one thing forbids the rest: the
 * ports that Istio never saw, UDP, SCTP and ICMP.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/mtls.h"
#include "lib/object/sidestep.h"
#include "migrate/translate_internal.h"

struct compiling {
	struct translator *t;
	const struct pod_class *class;
	struct istio_server server;
	struct port_set captured, strict;
	struct reaches allow, deny;
	bool allows; /* an ALLOW policy selects the class */
	VEC(const char *) origins;
};

static void came_from(struct compiling *c, const struct object_meta *m)
{
	const char *label = object_label(c->t->arena, m);

	for (size_t i = 0; i < c->origins.n; i++)
		if (str_eq(c->origins.items[i], label))
			return;
	vec_push(&c->origins, label);
}

/* --- what Istio asks ------------------------------------------------------------------------ */

static void find_captured(struct compiling *c)
{
	uint16_t ports[ISTIO_REDIRECT_MAX_PORTS];
	bool except;
	size_t n = istio_redirect_inbound_ports(&c->server.redirect, ports, ARRAY_SIZE(ports),
						&except);
	struct port_set named;

	port_set_none(&named);
	for (size_t i = 0; i < n; i++)
		port_set_add(&named, ports[i]);
	c->captured = named;
	if (except) {
		port_set_all(&c->captured);
		port_set_minus(&c->captured, &named);
	}
}

static void find_strict(struct compiling *c)
{
	const struct istio_mesh *m = c->t->mesh;
	struct istio_mtls_source s = istio_server_mtls(m, c->t->namespace, &c->class->labels, 0);

	port_set_none(&c->strict);
	if (s.mode == MTLS_STRICT) {
		port_set_all(&c->strict);
		came_from(c, &s.policy->meta);
	}
	for (size_t i = 0; i < m->n_peer_authentications; i++) {
		const struct istio_peer_authentication *pa = &m->peer_authentications[i];

		for (size_t k = 0; k < pa->n_ports; k++) {
			struct port_set one;

			s = istio_server_mtls(m, c->t->namespace, &c->class->labels,
					      pa->ports[k].port);
			port_set_none(&one);
			port_set_add(&one, pa->ports[k].port);
			port_set_minus(&c->strict, &one);
			if (s.mode != MTLS_STRICT)
				continue;
			port_set_or(&c->strict, &one);
			came_from(c, &s.policy->meta);
		}
	}
	port_set_and(&c->strict, &c->captured);
}

/* Adds to allow: under STRICT only callers with a certificate. */
static void allow(struct compiling *c, const struct sources *s, const struct port_set *ports)
{
	struct arena *a = c->t->arena;
	struct port_set open = *ports, strict = *ports;
	struct sources all, mesh;

	port_set_and(&open, &c->captured);
	port_set_minus(&open, &c->strict);
	port_set_and(&strict, &c->strict);
	sources_none(&all);
	sources_or(a, &all, s);
	sources_none(&mesh);
	sources_or(a, &mesh, s);
	sources_and(a, &mesh, &c->t->members);
	reaches_add(&c->allow, &mesh, &strict);
	reaches_add(&c->allow, &all, &open);
}

static void take_rule(struct compiling *c, const struct istio_authorization_policy *p,
		      const struct istio_rule *rule)
{
	bool deny = p->action == ACTION_DENY;
	struct reaches reach = {0};

	(void)rule_reach(c->t, p, rule, deny, &reach);
	for (size_t i = 0; i < reach.n; i++) {
		struct reach *r = &reach.items[i];

		if (deny) {
			struct sources s;

			sources_none(&s);
			sources_or(c->t->arena, &s, &r->sources);
			port_set_and(&r->ports, &c->captured);
			reaches_add(&c->deny, &s, &r->ports);
		} else {
			allow(c, &r->sources, &r->ports);
		}
	}
	reaches_release(&reach);
}

static void take_policies(struct compiling *c)
{
	const struct istio_mesh *m = c->t->mesh;

	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if ((p->action != ACTION_ALLOW && p->action != ACTION_DENY) || p->dry_run ||
		    !istio_policy_selects(m, p, c->t->namespace, &c->class->labels))
			continue;
		came_from(c, &p->meta);
		c->allows |= p->action == ACTION_ALLOW;
		for (size_t k = 0; k < p->n_rules; k++)
			take_rule(c, p, &p->rules[k]);
	}
	if (!c->allows) {
		struct sources all;

		sources_all(c->t->arena, &all);
		allow(c, &all, &c->captured);
		sources_release(&all);
	}
}

/* --- writing -------------------------------------------------------------------------------- */

/* Cilium takes at most so many ports in one list. */
#define PORTS_IN_A_LIST 40u

static struct doc *next_list(struct arena *a, struct doc *to_ports)
{
	size_t n = doc_len(to_ports);
	struct doc *last = n ? doc_get(doc_at(to_ports, n - 1), "ports") : NULL;

	if (last && doc_len(last) < PORTS_IN_A_LIST)
		return last;
	return doc_set_list(a, doc_append(a, to_ports, doc_map(a)), "ports");
}

static void add_port(struct arena *a, struct doc *to_ports, uint32_t first, uint32_t last,
		     const char *protocol)
{
	struct doc *p = doc_append(a, next_list(a, to_ports), doc_map(a));

	doc_setf(a, p, "port", "%u", first);
	if (last > first)
		doc_set_int(a, p, "endPort", last);
	doc_set_string(a, p, "protocol", protocol);
}

static struct doc *tcp_ports(struct arena *a, const struct port_set *ports)
{
	struct doc *out = doc_list(a);
	struct port_set all;
	uint32_t first = 0, last;

	port_set_all(&all);
	if (port_set_equal(ports, &all)) {
		add_port(a, out, 0, 0, "TCP"); /* 0 is every port */
		return out;
	}
	for (; port_set_next(ports, &first, &last); first = last + 1)
		add_port(a, out, MAX(first, 1u), last, "TCP");
	return out;
}

static void add_reach(struct arena *a, struct doc *rules, const struct reach *r, bool refuse)
{
	struct doc *peers = sources_peers(a, &r->sources, refuse);

	doc_foreach_item (peers, peer) {
		struct doc *rule = doc_append(a, rules, doc_clone(a, peer));

		doc_set(a, rule, "toPorts", tcp_ports(a, &r->ports));
	}
}

/* What Istio's sidecar never sees passes as it did. */
static void add_uncaptured(struct compiling *c, struct doc *rules)
{
	/* Echo, errors, redirects and the other types that a standard assigns (IPv4). */
	static const int64_t icmp[] = {0, 3, 5, 8, 9, 10, 11, 12, 13, 14};
	struct arena *a = c->t->arena;
	struct port_set rest;
	struct doc *rule, *fields;

	port_set_all(&rest);
	port_set_minus(&rest, &c->captured);
	rule = doc_append(a, rules, doc_map(a));
	doc_set(a, rule, "toPorts", tcp_ports(a, &rest));
	add_port(a, doc_get(rule, "toPorts"), 0, 0, "UDP");
	add_port(a, doc_get(rule, "toPorts"), 0, 0, "SCTP");
	rule = doc_append(a, rules, doc_map(a));
	fields = doc_set_list(a, doc_append(a, doc_set_list(a, rule, "icmps"), doc_map(a)),
			      "fields");
	for (size_t i = 0; i < ARRAY_SIZE(icmp); i++)
		doc_set_int(a, doc_append(a, fields, doc_map(a)), "type", icmp[i]);
}

static struct doc *write_spec(struct compiling *c, const struct doc *selector)
{
	struct arena *a = c->t->arena;
	struct doc *spec = doc_map(a), *rules;

	doc_set(a, spec, "endpointSelector", doc_clone(a, selector));
	rules = doc_set_list(a, spec, "ingress");
	for (size_t i = 0; i < c->allow.n; i++)
		add_reach(a, rules, &c->allow.items[i], false);
	add_uncaptured(c, rules);
	if (c->deny.n > 0)
		rules = doc_set_list(a, spec, "ingressDeny");
	for (size_t i = 0; i < c->deny.n; i++)
		add_reach(a, rules, &c->deny.items[i], true);
	return spec;
}

static const char *origin_text(struct compiling *c)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < c->origins.n; i++)
		strbuf_addf(&sb, "%s%s", i ? ", " : "", c->origins.items[i]);
	return arena_strdup(c->t->arena, strbuf_cstr(&sb));
}

/* The classes' names may meet (labels of other keys with the same value): then they are numbered.
 */
static const char *free_name(struct translator *t, const char *name)
{
	for (unsigned n = 1;; n++) {
		const char *try = n == 1 ? name : arena_printf(t->arena, "%s-%u", name, n);
		bool used = false;

		for (size_t i = 0; i < t->out->n_policies; i++)
			used |= str_eq(doc_find_str(t->out->policies[i], "metadata.name"), try);
		if (!used)
			return try;
	}
}

static void write_policy(struct compiling *c, const struct doc *selector)
{
	struct translator *t = c->t;
	struct arena *a = t->arena;
	struct translation *out = t->out;
	struct doc *d = doc_map(a), *meta;

	doc_set_string(a, d, "apiVersion", "cilium.io/v2");
	doc_set_string(a, d, "kind", "CiliumNetworkPolicy");
	meta = doc_set_map(a, d, "metadata");
	doc_set_string(a, meta, "name", free_name(t, c->class->name));
	doc_set_string(a, meta, "namespace", t->namespace);
	doc_set_string(a, doc_set_map(a, meta, "labels"), SIDESTEP_MANAGED_BY_LABEL,
		       SIDESTEP_MANAGED_BY);
	doc_set_string(a, doc_set_map(a, meta, "annotations"), "sidestep.dev/made-from",
		       origin_text(c));
	doc_set(a, d, "spec", write_spec(c, selector));
	if (out->n_policies == t->policies_cap) {
		struct doc **more;

		t->policies_cap = t->policies_cap ? t->policies_cap * 2 : 16;
		more = arena_array(a, t->policies_cap, struct doc *);
		if (out->n_policies)
			memcpy(more, out->policies, out->n_policies * sizeof(*more));
		out->policies = more;
	}
	out->policies[out->n_policies++] = d;
}

/* Nothing asked and nobody refused: no policy, the mesh's default is the same. */
static bool open_to_all(const struct compiling *c)
{
	return !c->allows && c->deny.n == 0 && port_set_empty(&c->strict);
}

void translate_class(struct translator *t, const struct pod_class *class)
{
	struct compiling c = {.t = t, .class = class};

	c.server = istio_server_of(t->mesh, t->arena, t->namespace, &class->labels);
	if (!c.server.sidecar)
		return; /* no proxy: Istio asks nothing */
	find_captured(&c);
	find_strict(&c);
	take_policies(&c);
	for (size_t i = 0; i < class->n_selectors && !open_to_all(&c); i++)
		write_policy(&c, class->selectors[i]);
	reaches_release(&c.allow);
	reaches_release(&c.deny);
	vec_release(&c.origins);
}
