/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition: for every property the values that an object of either side names, and one more
 * that stands for everything nobody names. Patterns name a value that fits them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/match.h"
#include "lib/istio/mtls.h"
#include "lib/object/sidestep.h"
#include "migrate/verify_internal.h"

#define UNNAMED_NAMESPACE "any-other-namespace"
#define UNNAMED_ACCOUNT   "any-other-account"
#define UNNAMED_VALUE     "any-other-value"

typedef VEC(const char *) name_list;
typedef VEC(struct net_addr) addr_list;

struct label_values {
	const char *key; /* without its source */
	name_list values;
};

struct naming {
	struct verify_space *v;
	struct arena *arena;
	name_list namespaces, accounts;
	VEC(struct label_values) from, to; /* labels of callers and of servers */
	VEC(struct net_cidr) blocks;
	addr_list of_pods, of_nodes; /* one for each way to lie in blocks */
	VEC(uint32_t) cuts;          /* where a port class begins */
	VEC(uint32_t) icmp_cuts;     /* where a class of ICMP types begins */
};

static void add_name(name_list *list, const char *name)
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
		add_name(&n->namespaces,
			 witness(n->arena,
				 arena_strndup(n->arena, ns + 4,
					       end ? (size_t)(end - ns - 4) : strlen(ns + 4))));
	}
	if (sa)
		add_name(&n->accounts, witness(n->arena, sa + 4));
	else if (!ns)
		add_name(&n->accounts, witness(n->arena, value)); /* a suffix of one */
}

static void name_account(struct naming *n, const char *value)
{
	const char *slash = strchr(value, '/');

	if (slash)
		add_name(&n->namespaces, arena_strndup(n->arena, value, (size_t)(slash - value)));
	add_name(&n->accounts, slash ? slash + 1 : value);
}

static void name_block(struct naming *n, const char *value)
{
	struct net_cidr c;

	if (net_cidr_parse(value, &c, NULL) == 0 && c.addr.family == AF_INET)
		vec_push(&n->blocks, c);
}

static void name_namespace(struct naming *n, const char *value)
{
	add_name(&n->namespaces, witness(n->arena, value));
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
	add_name(&lv->values, value);
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
static void name_redirect(struct naming *n, const struct istio_redirect *r)
{
	uint16_t ports[ISTIO_REDIRECT_MAX_PORTS];
	bool except;
	size_t count = istio_redirect_inbound_ports(r, ports, ARRAY_SIZE(ports), &except);

	for (size_t i = 0; i < count; i++)
		cut(n, ports[i], ports[i]);
}

static void name_istio(struct naming *n)
{
	const struct istio_mesh *m = n->v->mesh;
	struct istio_redirect usual;

	for (size_t i = 0; i < m->n_namespaces; i++)
		add_name(&n->namespaces, m->namespaces[i].name);
	for (size_t i = 0; i < m->n_templates; i++)
		add_name(&n->accounts, m->templates[i].service_account);
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
	name_redirect(n, &usual);
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
				add_name(&n->namespaces, value);
		} else if (str_eq(key, MESH_LABEL_SERVICE_ACCOUNT) && !to) {
			if (values->n)
				add_name(&n->accounts, value);
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

static void name_mesh(struct naming *n)
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

/* --- policies of both states ---------------------------------------------------------------- */

static bool replaced(const struct doc *d, const char *ns)
{
	return str_eq(doc_find_str(d, "metadata.namespace"), ns) &&
	       str_eq(doc_find_str(d, "metadata.labels['" SIDESTEP_MANAGED_BY_LABEL "']"),
		      SIDESTEP_MANAGED_BY);
}

static void read_policies(struct verify_space *v, const struct snapshot *s,
			  struct doc *const *policies, size_t n)
{
	static const enum object_kind_id kinds[] = {KIND_CILIUM_NETWORK_POLICY,
						    KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY,
						    KIND_NETWORK_POLICY};
	size_t room = s->n + n + 1;

	v->before = arena_array(v->arena, room, struct mesh_policy);
	v->after = arena_array(v->arena, room, struct mesh_policy);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		snapshot_foreach (s, object_kind(kinds[k]), d) {
			if (!replaced(d, v->ns) &&
			    mesh_policy_from_doc(v->arena, d, &v->before[v->n_before], NULL) == 0)
				v->after[v->n_after++] = v->before[v->n_before++];
		}
	for (size_t i = 0; i < n; i++)
		if (mesh_policy_from_doc(v->arena, policies[i], &v->after[v->n_after], NULL) == 0)
			v->n_after++;
	mesh_policies_number(v->before, v->n_before);
	mesh_policies_number(v->after, v->n_after);
}

/* --- classes -------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static size_t add_targets(struct verify_space *v, uint8_t proto, uint32_t *cuts, size_t n,
			  uint32_t max)
{
	size_t made = 0;

	if (n > 1)
		qsort(cuts, n, sizeof(*cuts), by_number);
	for (size_t i = 0; i < n; i++) {
		if (cuts[i] > max || (i > 0 && cuts[i] == cuts[i - 1]))
			continue;
		v->targets[v->n_targets++] = (struct target){proto, (uint16_t)cuts[i]};
		made++;
	}
	return made;
}

static void make_targets(struct naming *n)
{
	static const uint8_t protos[] = {MESH_TCP, MESH_UDP, MESH_SCTP};
	struct verify_space *v = n->v;

	vec_push(&n->cuts, 1); /* 0 is no port */
	for (size_t i = 0; i < n->cuts.n; i++)
		n->cuts.items[i] = MAX(n->cuts.items[i], 1u);
	vec_push(&n->icmp_cuts, 0);
	v->targets = arena_array(v->arena, 3 * n->cuts.n + n->icmp_cuts.n + 1, struct target);
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		v->n_ports = add_targets(v, protos[i], n->cuts.items, n->cuts.n, UINT16_MAX);
	(void)add_targets(v, MESH_ICMP, n->icmp_cuts.items, n->icmp_cuts.n, 255);
	v->targets[v->n_targets++] = (struct target){47, 0}; /* any protocol not named */
	v->n_protocols = ARRAY_SIZE(protos) + 2;
}

/* Every combination of one value (or none of the named) for each label. */
static size_t combinations(const struct label_values *keys, size_t n)
{
	size_t product = 1;

	for (size_t i = 0; i < n && product <= VERIFY_MAX_PRODUCT; i++)
		product *= keys[i].values.n + 1;
	return product;
}

/* Combination number `which`; "not named" is the absence of the label. */
static struct strmap combination(struct arena *a, const struct label_values *keys, size_t n,
				 size_t which)
{
	struct strmap m = {.items = arena_array(a, n + 1, struct strmap_pair)};

	for (size_t i = 0; i < n; i++) {
		size_t k = which % (keys[i].values.n + 1);

		which /= keys[i].values.n + 1;
		if (k < keys[i].values.n)
			m.items[m.n++] = (struct strmap_pair){keys[i].key, keys[i].values.items[k]};
	}
	for (size_t i = 1; i < m.n; i++)
		for (size_t j = i; j > 0 && strcmp(m.items[j - 1].key, m.items[j].key) > 0; j--) {
			struct strmap_pair swap = m.items[j];

			m.items[j] = m.items[j - 1];
			m.items[j - 1] = swap;
		}
	return m;
}

static const char *labels_text(struct arena *a, const struct strmap *m)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < m->n; i++)
		strbuf_addf(&sb, "%s%s=%s", i ? "," : "", m->items[i].key, m->items[i].value);
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* An address of the block that lies in no narrower one. */
static bool representative(const struct naming *n, const struct net_cidr *block,
			   struct net_addr *ret)
{
	struct net_cidr_set rest = {0};
	bool found;

	net_cidr_set_add(&rest, block);
	vec_foreach (&n->blocks, b)
		if (b->bits > block->bits)
			net_cidr_set_remove(&rest, b);
	found = rest.blocks.n > 0;
	if (found)
		*ret = rest.blocks.items[0].addr;
	net_cidr_set_release(&rest);
	return found;
}

/* No object tells the two apart. */
static bool same_blocks(const struct naming *n, const struct net_addr *a, const struct net_addr *b)
{
	vec_foreach (&n->blocks, c)
		if (net_cidr_contains(c, a) != net_cidr_contains(c, b))
			return false;
	return true;
}

static void add_address(const struct naming *n, addr_list *list, const struct net_addr *addr)
{
	if (addr->family != AF_INET)
		return;
	vec_foreach (list, have)
		if (same_blocks(n, have, addr))
			return;
	vec_push(list, *addr);
}

/* The ways in which an address of this block lies in the named ones. */
static void add_addresses(const struct naming *n, addr_list *list, const struct net_cidr *of)
{
	struct net_addr addr;

	if (representative(n, of, &addr))
		add_address(n, list, &addr);
	vec_foreach (&n->blocks, b)
		if (net_cidr_within(b, of) && representative(n, b, &addr))
			add_address(n, list, &addr);
}

/* Where callers of the cluster have their addresses; not known: where no object looks. */
static void place_callers(struct naming *n)
{
	const struct istio_mesh *m = n->v->mesh;
	struct net_cidr all, c;
	struct net_addr addr, elsewhere;

	(void)net_cidr_parse("0.0.0.0/0", &all, NULL);
	if (!representative(n, &all, &elsewhere))
		(void)net_addr_parse("203.0.113.77", &elsewhere, NULL);
	for (size_t i = 0; i < m->n_pod_cidrs; i++)
		if (net_cidr_parse(m->pod_cidrs[i], &c, NULL) == 0)
			add_addresses(n, &n->of_pods, &c);
	for (size_t i = 0; i < m->n_pods; i++)
		if (!m->pods[i].host_network &&
		    net_addr_parse(str_or_empty(m->pods[i].pod->pod_ip), &addr, NULL) == 0)
			add_address(n, &n->of_pods, &addr);
	for (size_t i = 0; i < m->n_node_addresses; i++)
		if (net_addr_parse(m->node_addresses[i], &addr, NULL) == 0)
			add_address(n, &n->of_nodes, &addr);
	if (n->of_pods.n == 0)
		vec_push(&n->of_pods, elsewhere);
	if (n->of_nodes.n == 0)
		vec_push(&n->of_nodes, elsewhere);
}

/* --- callers -------------------------------------------------------------------------------- */

static void add_caller(struct verify_space *v, const struct caller *like,
		       const struct net_addr *addr, const char *principal)
{
	struct caller *c = &v->callers[v->n_callers++];
	char buf[NET_ADDR_SIZE];

	*c = *like;
	c->addr = *addr;
	c->address = arena_strdup(v->arena, net_addr_format(addr, buf));
	c->principal = principal;
}

/* One at each kind of address, with its certificate, without, or (pods of both sorts) each. */
static void add_pods(struct naming *n, const struct caller *like)
{
	struct verify_space *v = n->v;
	enum istio_membership member = istio_member(v->mesh, like->namespace, like->account);
	const char *principal = istio_principal_format(v->arena, v->mesh->config.trust_domain,
						       like->namespace, like->account);

	vec_foreach (&n->of_pods, addr) {
		if (member != MEMBER_NO)
			add_caller(v, like, addr, principal);
		if (member != MEMBER_YES)
			add_caller(v, like, addr, NULL);
	}
}

static int make_pods(struct naming *n, struct error *err)
{
	struct verify_space *v = n->v;
	size_t sets = combinations(n->from.items, n->from.n);
	size_t total = n->namespaces.n * n->accounts.n;
	struct mesh_identity *ids;

	if (sets > 60000 || total * sets > 60000)
		return error_set(err, -E2BIG,
				 "%zu namespaces, %zu accounts and %zu label sets of callers are "
				 "more than can be numbered",
				 n->namespaces.n, n->accounts.n, sets);
	total *= sets;
	v->callers = arena_array(
		v->arena, (2 * total + 16) * (n->of_pods.n + n->of_nodes.n) + n->blocks.n + 1,
		struct caller);
	ids = arena_array(v->arena, total + 16, struct mesh_identity);
	v->identities.items = ids;
	for (uint32_t id = 1; mesh_reserved_name(id); id++) {
		struct strmap_pair *pair = arena_new(v->arena, struct strmap_pair);

		pair->key = arena_printf(v->arena, "reserved:%s", mesh_reserved_name(id));
		pair->value = "";
		ids[v->identities.n++] = (struct mesh_identity){id, {pair, 1}};
	}
	for (size_t i = 0; i < total; i++) {
		size_t set = i % sets, account = i / sets % n->accounts.n;
		const char *ns = n->namespaces.items[i / sets / n->accounts.n];
		const struct istio_namespace *known = istio_mesh_namespace(v->mesh, ns);
		struct strmap extra = combination(v->arena, n->from.items, n->from.n, set);
		struct caller c = {
			.pod = true,
			.namespace = ns,
			.account = n->accounts.items[account],
			.labels_text = labels_text(v->arena, &extra),
			.identity = IDENTITY_FIRST_POD + (uint32_t)i,
		};

		add_pods(n, &c);
		ids[v->identities.n++] = (struct mesh_identity){
			c.identity, mesh_workload_labels(v->arena, &extra, ns,
							 known ? &known->labels : NULL, c.account)};
	}
	v->n_places = n->of_pods.n;
	v->n_namespaces = n->namespaces.n;
	v->n_accounts = n->accounts.n;
	v->n_labels = sets;
	return 0;
}

static void add_outside(struct verify_space *v, uint32_t identity, const struct net_addr *addr,
			const char *name)
{
	struct caller like = {.identity = identity, .name = name};

	add_caller(v, &like, addr, NULL);
	v->n_outside++;
}

static void make_outside(struct naming *n)
{
	static const uint32_t reserved[] = {
		IDENTITY_HOST, IDENTITY_REMOTE_NODE, IDENTITY_HEALTH, IDENTITY_KUBE_APISERVER,
		IDENTITY_INIT, IDENTITY_UNMANAGED,   IDENTITY_INGRESS};
	struct verify_space *v = n->v;
	struct net_cidr all;
	struct net_addr addr;

	(void)net_cidr_parse("0.0.0.0/0", &all, NULL);
	if (representative(n, &all, &addr)) {
		if (addr.bytes[0] == 0)
			addr.bytes[3] = 1;
		add_outside(v, 0, &addr, "an address that no object names");
	}
	for (size_t i = 0; i < n->blocks.n; i++) {
		bool seen = false;
		char buf[NET_CIDR_SIZE];

		for (size_t k = 0; k < i; k++)
			seen |= net_cidr_equal(&n->blocks.items[k], &n->blocks.items[i]);
		if (seen || n->blocks.items[i].addr.family != AF_INET ||
		    n->blocks.items[i].bits == 0 || !representative(n, &n->blocks.items[i], &addr))
			continue;
		add_outside(v, 0, &addr,
			    arena_strdup(v->arena, net_cidr_format(&n->blocks.items[i], buf)));
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		vec_foreach (&n->of_nodes, node)
			add_outside(v, reserved[i], node, mesh_reserved_name(reserved[i]));
}

static void add_server(struct verify_space *v, const struct strmap *labels, const char *account,
		       const struct istio_workload *w)
{
	const struct istio_namespace *known = istio_mesh_namespace(v->mesh, v->ns);
	struct namespace_object *ns = arena_new(v->arena, struct namespace_object);
	struct pod *pod = arena_new(v->arena, struct pod);
	struct server *s = &v->servers[v->n_servers++];

	if (known)
		ns->meta.labels = known->labels;
	pod->meta.namespace = v->ns;
	pod->meta.labels = *labels;
	pod->service_account = account;
	s->labels = *labels;
	s->istio = istio_server_of(v->mesh, v->arena, v->ns, labels);
	s->subject.labels = mesh_pod_all_labels(v->arena, pod, ns);
	s->name = w ? arena_printf(v->arena, "%s/%s", w->kind, w->name)
		  : labels->n == 0
			  ? "pods without any named label"
			  : arena_printf(v->arena, "pods with %s", labels_text(v->arena, labels));
}

static int make_servers(struct naming *n, struct error *err)
{
	struct verify_space *v = n->v;
	size_t sets = combinations(n->to.items, n->to.n);

	if (sets > 100000)
		return error_set(err, -E2BIG, "%zu label sets of servers are too many to compare",
				 sets);
	v->servers = arena_array(v->arena, sets + v->mesh->n_templates + 1, struct server);
	for (size_t i = 0; i < v->mesh->n_templates; i++) {
		const struct istio_workload *w = &v->mesh->templates[i];

		if (str_eq(w->namespace, v->ns) && !w->host_network)
			add_server(v, &w->labels, w->service_account, w);
	}
	for (size_t i = 0; i < sets; i++) {
		struct strmap labels = combination(v->arena, n->to.items, n->to.n, i);

		add_server(v, &labels, UNNAMED_ACCOUNT, NULL);
	}
	/* Their own exclusions cut the ports, too. */
	for (size_t i = 0; i < v->n_servers; i++)
		if (v->servers[i].istio.workload)
			name_redirect(n, &v->servers[i].istio.redirect);
	return 0;
}

static void release(struct naming *n)
{
	vec_foreach (&n->from, l)
		vec_release(&l->values);
	vec_foreach (&n->to, l)
		vec_release(&l->values);
	vec_release(&n->namespaces);
	vec_release(&n->accounts);
	vec_release(&n->from);
	vec_release(&n->to);
	vec_release(&n->blocks);
	vec_release(&n->of_pods);
	vec_release(&n->of_nodes);
	vec_release(&n->cuts);
	vec_release(&n->icmp_cuts);
}

int verify_space_make(struct verify_space *v, struct arena *a, const struct istio_mesh *m,
		      const struct snapshot *s, struct doc *const *policies, size_t n_policies,
		      const char *ns, struct error *err)
{
	struct naming n = {.v = v, .arena = a};
	int r;

	memset(v, 0, sizeof(*v));
	v->arena = a;
	v->mesh = m;
	v->ns = ns;
	read_policies(v, s, policies, n_policies);
	name_istio(&n);
	name_mesh(&n);
	add_name(&n.namespaces, UNNAMED_NAMESPACE);
	add_name(&n.accounts, UNNAMED_ACCOUNT);
	place_callers(&n);
	r = make_pods(&n, err);
	if (r == 0)
		r = make_servers(&n, err);
	if (r == 0) {
		make_outside(&n);
		make_targets(&n);
	}
	release(&n);
	return r;
}
