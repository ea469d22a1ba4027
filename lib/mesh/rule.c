/* SPDX-License-Identifier: Apache-2.0 */
/* Names and numbers of rules, and the parts all dialects share. */
#include "lib/mesh/rule.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "datapath/abi/policy.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/rule_build.h"
#include "lib/object/kinds.h"

const char *mesh_direction_name(enum mesh_direction d)
{
	return d == MESH_INGRESS ? "ingress" : "egress";
}

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{MESH_PROTO_ANY, "ANY"}, {MESH_ICMP, "ICMP"},     {MESH_TCP, "TCP"},
	{MESH_UDP, "UDP"},       {MESH_ICMPV6, "ICMPV6"}, {MESH_SCTP, "SCTP"},
};

const char *mesh_proto_name(uint8_t proto)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].number == proto)
			return protocols[i].name;
	}
	return "?";
}

int mesh_proto_number(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(protocols); i++) {
		if (strcasecmp(protocols[i].name, name) == 0)
			return protocols[i].number;
	}
	return -1;
}

void rule_builder_init(struct rule_builder *b, struct arena *a, const struct bind_unknown *unknown)
{
	memset(b, 0, sizeof(*b));
	b->a = a;
	b->unknown = unknown;
	b->unknown_taken = arena_array(a, unknown ? unknown->n + 1 : 1, bool);
}

bool rule_unsupported(struct rule_builder *b, const char *path, const char *reason)
{
	vec_push(&b->unsupported, ((struct mesh_unsupported){path, reason}));
	return false;
}

static bool below(const char *path, const char *root)
{
	size_t n = strlen(root);

	return strncmp(path, root, n) == 0 && (path[n] == '.' || path[n] == '[' || !path[n]);
}

bool rule_unknown_below(struct rule_builder *b, const char *path)
{
	bool clean = true;

	for (size_t i = 0; b->unknown && i < b->unknown->n; i++) {
		if (b->unknown_taken[i] || !below(b->unknown->items[i].path, path))
			continue;
		b->unknown_taken[i] = true;
		clean = rule_unsupported(b, b->unknown->items[i].path, "nobody knows this field");
	}
	return clean;
}

void rule_broken(struct rule_builder *b, struct mesh_rule *r)
{
	b->broken[r->direction] = true;
	r->n_peers = r->n_ports = 0;
	if (r->deny) {
		r->peers = arena_new(b->a, struct mesh_peer);
		r->peers->kind = MESH_PEER_ANY;
		r->n_peers = 1;
	}
}

static void drop_broken_allows(const struct rule_builder *b, struct mesh_spec *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_rules; i++) {
		if (s->rules[i].deny || !b->broken[s->rules[i].direction])
			s->rules[kept++] = s->rules[i];
	}
	s->n_rules = kept;
}

void rule_builder_finish(struct rule_builder *b, struct mesh_policy *p)
{
	if (!rule_unknown_below(b, "spec") || !rule_unknown_below(b, "specs"))
		b->broken[MESH_INGRESS] = b->broken[MESH_EGRESS] = true;
	for (size_t i = 0; b->unknown && i < b->unknown->n; i++) {
		/* Outside spec only the server's own parts may be more than we know. */
		if (b->unknown_taken[i] || below(b->unknown->items[i].path, "metadata") ||
		    below(b->unknown->items[i].path, "status"))
			continue;
		rule_unsupported(b, b->unknown->items[i].path, "nobody knows this field");
		b->broken[MESH_INGRESS] = b->broken[MESH_EGRESS] = true;
	}
	for (size_t i = 0; i < p->n_specs; i++)
		drop_broken_allows(b, &p->specs[i]);
	p->n_unsupported = b->unsupported.n;
	if (b->unsupported.n)
		p->unsupported = arena_memdup(b->a, b->unsupported.items,
					      b->unsupported.n * sizeof(*b->unsupported.items));
	vec_release(&b->unsupported);
}

void selector_require(struct arena *a, struct label_selector *s, const char *key,
		      enum label_operator op, const char *value)
{
	size_t n = s->n_match_expressions;
	struct label_requirement *items = arena_array(a, n + 1, struct label_requirement);

	if (n)
		memcpy(items, s->match_expressions, n * sizeof(*items));
	items[n].key = key;
	items[n].op = op;
	if (value) {
		items[n].values.items = arena_array(a, 1, const char *);
		items[n].values.items[0] = value;
		items[n].values.n = 1;
	}
	s->match_expressions = items;
	s->n_match_expressions = n + 1;
}

/* A policy that cannot be decoded: what it selects, if that much can be read, is closed. */
static void undecodable(struct arena *a, const struct doc *d, const char *reason,
			struct mesh_policy *ret)
{
	struct cnp_spec only_selector = {0};
	struct cilium_policy p = {.spec = &only_selector};
	const struct doc *selector = doc_find(d, "spec.endpointSelector");
	bool kubernetes =
		object_kind_find(doc_find_str(d, "apiVersion"), doc_find_str(d, "kind")) ==
		object_kind(KIND_NETWORK_POLICY);

	if (kubernetes)
		selector = doc_find(d, "spec.podSelector");
	p.meta.kind = doc_find_str(d, "kind");
	p.meta.name = doc_find_str(d, "metadata.name");
	p.meta.namespace = doc_find_str(d, "metadata.namespace");
	p.meta.uid = doc_find_str(d, "metadata.uid");
	p.meta.generation = doc_find_int(d, "metadata.generation", 0);
	only_selector.endpoint_selector = arena_new(a, struct label_selector);
	if (!selector || bind_decode(a, &label_selector_table, selector, "spec",
				     only_selector.endpoint_selector, NULL, NULL) < 0)
		p.spec = NULL;
	only_selector.default_deny_ingress = (struct opt_bool){true, true};
	only_selector.default_deny_egress = (struct opt_bool){true, true};
	mesh_policy_from_cilium(a, &p, NULL, ret);
	ret->unsupported = arena_new(a, struct mesh_unsupported);
	ret->unsupported->path = "spec";
	ret->unsupported->reason = arena_strdup(a, reason);
	ret->n_unsupported = 1;
}

int mesh_policy_from_doc(struct arena *a, const struct doc *d, struct mesh_policy *ret,
			 struct error *err)
{
	const struct object_kind *k =
		object_kind_find(doc_find_str(d, "apiVersion"), doc_find_str(d, "kind"));
	struct bind_unknown unknown = {.arena = a};
	struct error why = ERROR_INIT;
	struct network_policy netpol;
	struct cilium_policy cilium;

	if (k == object_kind(KIND_NETWORK_POLICY)) {
		if (object_decode_strict(a, &network_policy_table, d, &netpol, &unknown, &why) < 0)
			undecodable(a, d, why.msg, ret);
		else
			mesh_policy_from_kubernetes(a, &netpol, &unknown, ret);
		return 0;
	}
	if (k != object_kind(KIND_CILIUM_NETWORK_POLICY) &&
	    k != object_kind(KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY))
		return error_set(err, -EINVAL, "%s is not a policy",
				 str_or_empty(doc_find_str(d, "kind")));
	if (cilium_policy_decode(a, d, &cilium, &unknown, &why) < 0)
		undecodable(a, d, why.msg, ret);
	else
		mesh_policy_from_cilium(a, &cilium, &unknown, ret);
	return 0;
}

static int cmp_policy(const void *pa, const void *pb)
{
	const struct mesh_policy *a = pa, *b = pb;
	int c = str_cmp(a->kind, b->kind);

	if (!c)
		c = str_cmp(a->namespace, b->namespace);
	return c ? c : str_cmp(a->name, b->name);
}

static uint32_t hash_rule(const struct mesh_policy *p, const struct mesh_rule *r)
{
	const char *parts[] = {p->kind, p->namespace, p->name, r->path};
	uint64_t h = STR_HASH_SEED;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		h = str_hash(str_or_empty(parts[i]), strlen(str_or_empty(parts[i])) + 1, h);
	return (uint32_t)(h ^ (h >> 32)) & 0x7fffffff;
}

static int cmp_u32(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return (a > b) - (a < b);
}

void mesh_policies_number(struct mesh_policy *policies, size_t n)
{
	VEC(uint32_t) taken = {0};

	if (n > 1)
		qsort(policies, n, sizeof(*policies), cmp_policy);
	for (size_t i = 0; i < n; i++) {
		for (size_t s = 0; s < policies[i].n_specs; s++) {
			struct mesh_spec *spec = &policies[i].specs[s];

			for (size_t r = 0; r < spec->n_rules; r++) {
				spec->rules[r].id = hash_rule(&policies[i], &spec->rules[r]);
				vec_push(&taken, spec->rules[r].id);
			}
		}
	}
	vec_sort(&taken, cmp_u32);
	/* Two of 2^31 rarely meet; when they do (or hit 0), the later rule moves to a free number.
	 */
	for (size_t i = 0; i < n; i++) {
		for (size_t s = 0; s < policies[i].n_specs; s++) {
			for (size_t r = 0; r < policies[i].specs[s].n_rules; r++) {
				uint32_t *id = &policies[i].specs[s].rules[r].id;
				uint32_t *at =
					bsearch(id, taken.items, taken.n, sizeof(*id), cmp_u32);
				bool twice =
					at && ((at > taken.items && at[-1] == *id) ||
					       (at + 1 < taken.items + taken.n && at[1] == *id));

				if (!twice && *id)
					continue;
				*at = 0x7fffffff;
				do
					*id = (*id + 0x9e3779b1u) & 0x7fffffff;
				while (!*id ||
				       bsearch(id, taken.items, taken.n, sizeof(*id), cmp_u32));
				*at = *id;
				vec_sort(&taken, cmp_u32);
			}
		}
	}
	vec_release(&taken);
}

const char *mesh_rule_describe(struct arena *a, const struct mesh_policy *policies, size_t n,
			       uint32_t rule)
{
	if (rule == POLICY_RULE_LOCAL_HOST)
		return "built-in: a node reaches its own pods";
	if (rule == POLICY_RULE_ALLOW_ALL)
		return "built-in: default deny is turned off";
	for (size_t i = 0; rule && i < n; i++) {
		const struct mesh_policy *p = &policies[i];

		for (size_t s = 0; s < p->n_specs; s++) {
			for (size_t r = 0; r < p->specs[s].n_rules; r++) {
				if (p->specs[s].rules[r].id == rule)
					return arena_printf(
						a, "%s %s%s%s %s", str_or_empty(p->kind),
						str_or_empty(p->namespace),
						str_empty(p->namespace) ? "" : "/",
						str_or_empty(p->name), p->specs[s].rules[r].path);
			}
		}
	}
	return "";
}
