/* SPDX-License-Identifier: Apache-2.0 */
/* One rule of an AuthorizationPolicy as callers and ports. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/match.h"
#include "migrate/translate_internal.h"

void reaches_release(struct reaches *r)
{
	for (size_t i = 0; i < r->n; i++)
		sources_release(&r->items[i].sources);
	free(r->items);
	memset(r, 0, sizeof(*r));
}

void reaches_add(struct reaches *r, struct sources *sources, const struct port_set *ports)
{
	if (sources_is_empty(sources) || port_set_empty(ports)) {
		sources_release(sources);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (!sources_equal(&r->items[i].sources, sources))
			continue;
		port_set_or(&r->items[i].ports, ports);
		sources_release(sources);
		return;
	}
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		r->items = xreallocarray(r->items, r->cap, sizeof(r->items[0]));
	}
	r->items[r->n].sources = *sources;
	r->items[r->n++].ports = *ports;
}

/* --- values ------------------------------------------------------------------------------- */

enum attribute { BY_PRINCIPAL, BY_NAMESPACE, BY_ACCOUNT, BY_ADDRESS };

static const struct {
	const char *list, *negative, *condition;
	enum attribute attribute;
} attributes[] = {
	{"principals", "notPrincipals", "source.principal", BY_PRINCIPAL},
	{"namespaces", "notNamespaces", "source.namespace", BY_NAMESPACE},
	{"serviceAccounts", "notServiceAccounts", "source.serviceAccount", BY_ACCOUNT},
	{"ipBlocks", "notIpBlocks", "source.ip", BY_ADDRESS},
};

/* One namespace and account out of "td/ns/N/sa/S", with stars where Istio allows whole names. */
static const char *principal_parts(struct translator *t, const char *value, const char **ret_ns,
				   const char **ret_account)
{
	struct arena *a = t->arena;
	const char *ns = strstr(value, "/ns/"), *sa = strstr(value, "/sa/");
	const char *domain = ns ? arena_strndup(a, value, (size_t)(ns - value)) : NULL;
	const char *end;

	*ret_ns = *ret_account = NULL;
	if (str_eq(value, "*"))
		return NULL;
	if (str_starts(value, "*/sa/") && !strchr(value + 5, '*') && !strchr(value + 5, '/')) {
		*ret_account = value + 5;
		return NULL;
	}
	if (value[0] == '*' && strchr(value + 1, '*'))
		return "after a first star Istio takes the second for itself, so this matches "
		       "nobody";
	if (!ns || (!str_eq(domain, "*") && strchr(domain, '*')))
		return "a pattern that cuts through names has no form in labels";
	if (!str_eq(domain, "*") && !istio_own_trust_domain(t->mesh, domain))
		return "an identity of another trust domain has no pods here";
	end = sa ? sa : strchr(ns + 4, '/');
	*ret_ns = end ? arena_strndup(a, ns + 4, (size_t)(end - ns - 4)) : ns + 4;
	if (sa && !str_eq(sa + 4, "*"))
		*ret_account = sa + 4;
	else if (!sa && !(end && str_eq(end, "/*")))
		return "a pattern that cuts through names has no form in labels";
	if (strchr(*ret_ns, '*') || (*ret_account && strpbrk(*ret_account, "*/")))
		return "a pattern that cuts through names has no form in labels";
	return NULL;
}

/* Adds what one value means; NULL, or why it cannot be said. */
static const char *add_value(struct translator *t, enum attribute attribute, const char *policy_ns,
			     const char *value, struct sources *to)
{
	struct arena *a = t->arena;
	const char *ns = NULL, *account = NULL, *why = NULL;
	const char *slash = strchr(value, '/');
	struct sources one;
	struct net_cidr block;
	struct net_addr node;

	switch (attribute) {
	case BY_PRINCIPAL:
		why = principal_parts(t, value, &ns, &account);
		break;
	case BY_NAMESPACE:
		if (!str_eq(value, "*")) {
			ns = value;
			if (strchr(value, '*'))
				why = "a pattern that cuts through names has no form in labels";
		}
		break;
	case BY_ACCOUNT:
		ns = slash ? arena_strndup(a, value, (size_t)(slash - value)) : policy_ns;
		account = slash ? slash + 1 : value;
		break;
	case BY_ADDRESS:
		if (net_cidr_parse(value, &block, NULL) < 0 || !strchr(value, '.'))
			return "only IPv4 blocks are compared here";
		if (t->n_pod_cidrs == 0)
			return "where pods have their addresses is not known: no Node was read";
		for (size_t i = 0; i < t->n_pod_cidrs; i++)
			if (net_cidr_overlaps(&block, &t->pod_cidrs[i]))
				return "the block covers addresses of pods, which policy knows by "
				       "their labels";
		for (size_t i = 0; i < t->mesh->n_node_addresses; i++)
			if (net_addr_parse(t->mesh->node_addresses[i], &node, NULL) == 0 &&
			    net_cidr_contains(&block, &node))
				return "the block covers addresses of nodes, which policy knows as "
				       "nodes";
		sources_blocks(&block, 1, &one);
		sources_or(a, to, &one);
		sources_release(&one);
		return NULL;
	}
	if (why)
		return why;
	sources_account(a, ns, account, &one);
	sources_and(a, &one, &t->members);
	sources_or(a, to, &one);
	sources_release(&one);
	return NULL;
}

const char *source_value_blocked(struct translator *t, const char *attribute, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		struct sources ignored;
		const char *why;

		if (!str_eq(attribute, attributes[i].list) &&
		    !str_eq(attribute, attributes[i].negative) &&
		    !str_eq(attribute, attributes[i].condition))
			continue;
		sources_none(&ignored);
		why = add_value(t, attributes[i].attribute, t->namespace, value, &ignored);
		sources_release(&ignored);
		return why;
	}
	return "layer 7, or not known to the network";
}

/* --- attributes --------------------------------------------------------------------------- */

struct reading {
	struct translator *t;
	const char *policy_ns;
	bool complete; /* false: something could not be said */
};

/* s becomes what also satisfies one attribute's positive and negative values. */
static void narrow(struct reading *r, struct sources *s, enum attribute attribute,
		   const struct strings *yes, const struct strings *no)
{
	const struct strings *lists[] = {yes, no};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		struct sources any;
		bool said = true;

		if (lists[k]->n == 0)
			continue;
		sources_none(&any);
		for (size_t i = 0; i < lists[k]->n; i++)
			said &= add_value(r->t, attribute, r->policy_ns, lists[k]->items[i],
					  &any) == NULL;
		if (k == 1)
			sources_not(r->t->arena, &any);
		if (said)
			sources_and(r->t->arena, s, &any);
		r->complete &= said;
		sources_release(&any);
	}
}

static void narrow_source(struct reading *r, struct sources *s, const struct istio_source *from)
{
	narrow(r, s, BY_PRINCIPAL, &from->principals, &from->not_principals);
	narrow(r, s, BY_NAMESPACE, &from->namespaces, &from->not_namespaces);
	narrow(r, s, BY_ACCOUNT, &from->service_accounts, &from->not_service_accounts);
	narrow(r, s, BY_ADDRESS, &from->ip_blocks, &from->not_ip_blocks);
	if (from->request_principals.n || from->not_request_principals.n ||
	    from->remote_ip_blocks.n || from->not_remote_ip_blocks.n)
		r->complete = false;
}

static void narrow_ports(struct reading *r, struct port_set *s, const struct strings *yes,
			 const struct strings *no)
{
	struct port_set ports;

	port_set_none(&ports);
	if (yes->n) {
		r->complete &= port_set_parse(&ports, yes);
		port_set_and(s, &ports);
	}
	port_set_none(&ports);
	if (no->n) {
		r->complete &= port_set_parse(&ports, no);
		port_set_minus(s, &ports);
	}
}

static void narrow_conditions(struct reading *r, struct sources *s, struct port_set *ports,
			      const struct istio_rule *rule)
{
	for (size_t i = 0; i < rule->n_when; i++) {
		const struct istio_condition *when = &rule->when[i];
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(attributes); k++) {
			if (!str_eq(when->key, attributes[k].condition))
				continue;
			narrow(r, s, attributes[k].attribute, &when->values, &when->not_values);
			known = true;
		}
		if (str_eq(when->key, "destination.port")) {
			narrow_ports(r, ports, &when->values, &when->not_values);
			known = true;
		}
		r->complete &= known;
	}
}

bool rule_reach(struct translator *t, const struct istio_authorization_policy *p,
		const struct istio_rule *rule, bool lenient, struct reaches *out)
{
	static const struct istio_from no_from = {0};
	static const struct istio_to no_to = {0};
	struct reading r = {.t = t,
			    .policy_ns = p->meta.namespace ? p->meta.namespace : "default",
			    .complete = true};
	bool whole = true;

	for (size_t i = 0; i < MAX(rule->n_from, (size_t)1); i++) {
		for (size_t j = 0; j < MAX(rule->n_to, (size_t)1); j++) {
			const struct istio_from *from = rule->n_from ? &rule->from[i] : &no_from;
			const struct istio_to *to = rule->n_to ? &rule->to[j] : &no_to;
			struct sources s;
			struct port_set ports;

			r.complete = !istio_operation_has_http(&to->operation);
			sources_all(t->arena, &s);
			port_set_all(&ports);
			narrow_source(&r, &s, &from->source);
			narrow_ports(&r, &ports, &to->operation.ports, &to->operation.not_ports);
			narrow_conditions(&r, &s, &ports, rule);
			whole &= r.complete;
			if (r.complete || lenient)
				reaches_add(out, &s, &ports);
			else
				sources_release(&s);
		}
	}
	return whole;
}
