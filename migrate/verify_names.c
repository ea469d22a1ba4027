/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects of either side name: of each property the values that the classes must tell apart.
 * A pattern names a value that fits it.
 */
#include <netinet/in.h>
#include <string.h>

#include "lib/base/str.h"
#include "migrate/verify_space_internal.h"

#define UNNAMED_VALUE "any-other-value"

void naming_add(name_list *list, const char *name)
{
	if (str_empty(name))
		return;
	vec_foreach (list, have)
		if (str_eq(*have, name))
			return;
	vec_push(list, name);
}

/* A value that fits a pattern. */
static const char *witness(struct arena *a, const char *pattern)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (; *pattern; pattern++)
		strbuf_addc(&sb, *pattern == '*' ? 'x' : *pattern);
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* --- what Istio names ----------------------------------------------------------------------- */

static void name_principal(struct naming *n, const char *value)
{
	const char *ns = strstr(value, "/ns/"), *sa = strstr(value, "/sa/"), *end;

	if (ns) {
		end = strchr(ns + 4, '/');
		naming_add(&n->namespaces,
			   witness(n->arena,
				   arena_strndup(n->arena, ns + 4,
						 end ? (size_t)(end - ns - 4) : strlen(ns + 4))));
	}
	if (sa)
		naming_add(&n->accounts, witness(n->arena, sa + 4));
	else if (!ns)
		naming_add(&n->accounts, witness(n->arena, value)); /* a suffix of one */
}

static void name_account(struct naming *n, const char *value)
{
	const char *slash = strchr(value, '/');

	if (slash)
		naming_add(&n->namespaces, arena_strndup(n->arena, value, (size_t)(slash - value)));
	naming_add(&n->accounts, slash ? slash + 1 : value);
}

static void name_block(struct naming *n, const char *value)
{
	struct net_cidr c;

	if (net_cidr_parse(value, &c, NULL) == 0 && c.addr.family == AF_INET)
		vec_push(&n->blocks, c);
}

static void name_namespace(struct naming *n, const char *value)
{
	naming_add(&n->namespaces, witness(n->arena, value));
}

static void cut(struct naming *n, uint32_t first, uint32_t last)
{
	vec_push(&n->cuts, first);
	vec_push(&n->cuts, last + 1);
}

static void name_port(struct naming *n, const char *value)
{
	uint64_t port;

	if (str_to_u64(value, 0, UINT16_MAX, &port, "port", NULL) == 0)
		cut(n, (uint32_t)port, (uint32_t)port);
}

static void each(struct naming *n, const struct strings *a, const struct strings *b,
		 void (*name)(struct naming *n, const char *value))
{
	for (size_t i = 0; i < a->n; i++)
		name(n, a->items[i]);
	for (size_t i = 0; i < b->n; i++)
		name(n, b->items[i]);
}

static void name_condition(struct naming *n, const struct istio_condition *w)
{
	static const struct {
		const char *key;
		void (*name)(struct naming *n, const char *value);
	} rows[] = {
		{"source.principal", name_principal},    {"source.namespace", name_namespace},
		{"source.serviceAccount", name_account}, {"source.ip", name_block},
		{"destination.port", name_port},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(w->key, rows[i].key))
			each(n, &w->values, &w->not_values, rows[i].name);
}

static void name_rule(struct naming *n, const struct istio_rule *r)
{
	for (size_t i = 0; i < r->n_from; i++) {
		const struct istio_source *s = &r->from[i].source;

		each(n, &s->principals, &s->not_principals, name_principal);
		each(n, &s->namespaces, &s->not_namespaces, name_namespace);
		each(n, &s->service_accounts, &s->not_service_accounts, name_account);
		each(n, &s->ip_blocks, &s->not_ip_blocks, name_block);
	}
	for (size_t i = 0; i < r->n_to; i++)
		each(n, &r->to[i].operation.ports, &r->to[i].operation.not_ports, name_port);
	for (size_t i = 0; i < r->n_when; i++)
		name_condition(n, &r->when[i]);
}

static void add_label(struct naming *n, bool to, const char *key, const char *value)
{
	struct label_values *lv = NULL;

	if (str_starts(key, "k8s:"))
		key += 4;
	if (to) {
		vec_foreach (&n->to, l)
			if (str_eq(l->key, key))
				lv = l;
	} else {
		vec_foreach (&n->from, l)
			if (str_eq(l->key, key))
				lv = l;
	}
	if (!lv) {
		lv = to ? vec_add(&n->to) : vec_add(&n->from);
		lv->key = key;
	}
	naming_add(&lv->values, value);
}

static void name_selector(struct naming *n, const struct istio_selector *s)
{
	for (size_t i = 0; i < s->match_labels.n; i++)
		add_label(n, true, s->match_labels.items[i].key, s->match_labels.items[i].value);
}

static bool concerns(const struct naming *n, const struct object_meta *m)
{
	const char *ns = m->namespace ? m->namespace : "default";

	return str_eq(ns, n->v->ns) || str_eq(ns, n->v->mesh->config.root_namespace);
}

/* The ports that the proxy leaves alone are named by its redirect rules. */
void naming_redirect(struct naming *n, const struct istio_redirect *r)
{
	uint16_t ports[ISTIO_REDIRECT_MAX_PORTS];
	bool except;
	size_t count = istio_redirect_inbound_ports(r, ports, ARRAY_SIZE(ports), &except);

	for (size_t i = 0; i < count; i++)
		cut(n, ports[i], ports[i]);
}

void naming_istio(struct naming *n)
{
	const struct istio_mesh *m = n->v->mesh;
	struct istio_redirect usual;

	for (size_t i = 0; i < m->n_namespaces; i++)
		naming_add(&n->namespaces, m->namespaces[i].name);
	for (size_t i = 0; i < m->n_templates; i++)
		naming_add(&n->accounts, m->templates[i].service_account);
	for (size_t i = 0; i < m->n_peer_authentications; i++) {
		const struct istio_peer_authentication *pa = &m->peer_authentications[i];

		if (!concerns(n, &pa->meta))
			continue;
		name_selector(n, &pa->selector);
		for (size_t k = 0; k < pa->n_ports; k++)
			cut(n, pa->ports[k].port, pa->ports[k].port);
	}
	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if (!concerns(n, &p->meta))
			continue;
		name_selector(n, &p->selector);
		for (size_t k = 0; k < p->n_rules; k++)
			name_rule(n, &p->rules[k]);
	}
	istio_redirect_defaults(&usual);
	naming_redirect(n, &usual);
}

/* --- what the mesh's policies name ---------------------------------------------------------- */

static void name_requirement(struct naming *n, bool to, const char *key,
			     const struct strings *values)
{
	if (str_starts(key, "reserved:"))
		return;
	for (size_t i = 0; i < MAX(values->n, (size_t)1); i++) {
		const char *value = values->n ? values->items[i] : UNNAMED_VALUE;

		if (str_eq(key, MESH_LABEL_NAMESPACE)) {
			if (!to && values->n)
				naming_add(&n->namespaces, value);
		} else if (str_eq(key, MESH_LABEL_SERVICE_ACCOUNT) && !to) {
			if (values->n)
				naming_add(&n->accounts, value);
		} else if (!str_eq(key, MESH_LABEL_CLUSTER)) {
			add_label(n, to, key, value);
		}
	}
}

static void name_label_selector(struct naming *n, bool to, const struct label_selector *s)
{
	for (size_t i = 0; i < s->match_labels.n; i++) {
		struct strings one = {&s->match_labels.items[i].value, 1};

		name_requirement(n, to, s->match_labels.items[i].key, &one);
	}
	for (size_t i = 0; i < s->n_match_expressions; i++)
		name_requirement(n, to, s->match_expressions[i].key,
				 &s->match_expressions[i].values);
}

static void name_mesh_rule(struct naming *n, const struct mesh_rule *r)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		const struct mesh_peer *p = &r->peers[i];

		if (p->kind == MESH_PEER_SELECTOR)
			name_label_selector(n, false, &p->selector);
		if (p->kind == MESH_PEER_CIDR)
			vec_push(&n->blocks, p->cidr);
		for (size_t k = 0; p->kind == MESH_PEER_CIDR && k < p->n_except; k++)
			vec_push(&n->blocks, p->except[k]);
	}
	for (size_t i = 0; i < r->n_ports; i++) {
		const struct mesh_port_match *p = &r->ports[i];

		if (p->proto == MESH_ICMP) {
			vec_push(&n->icmp_cuts, p->first);
			vec_push(&n->icmp_cuts, (uint32_t)p->last + 1);
		} else if (!p->name) {
			cut(n, p->first, p->last);
		}
	}
}

/* A policy that can select a pod of the namespace at all. */
static bool selects_here(const struct naming *n, const struct mesh_policy *p)
{
	return !p->namespace || str_eq(p->namespace, n->v->ns);
}

void naming_mesh(struct naming *n)
{
	const struct verify_space *v = n->v;

	for (size_t i = 0; i < v->n_after; i++) {
		if (!selects_here(n, &v->after[i]))
			continue;
		for (size_t s = 0; s < v->after[i].n_specs; s++) {
			const struct mesh_spec *spec = &v->after[i].specs[s];

			name_label_selector(n, true, &spec->subject);
			for (size_t r = 0; r < spec->n_rules; r++)
				if (spec->rules[r].direction == MESH_INGRESS)
					name_mesh_rule(n, &spec->rules[r]);
		}
	}
}
