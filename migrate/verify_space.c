/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition: for every property the values that an object of either side names, and one more
 * that stands for everything nobody names.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/match.h"
#include "lib/object/sidestep.h"
#include "migrate/verify_space_internal.h"

#define UNNAMED_NAMESPACE "any-other-namespace"
#define UNNAMED_ACCOUNT   "any-other-account"

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
	if (naming_representative(n, &all, &addr)) {
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
		    n->blocks.items[i].bits == 0 ||
		    !naming_representative(n, &n->blocks.items[i], &addr))
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
			naming_redirect(n, &v->servers[i].istio.redirect);
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
	naming_istio(&n);
	naming_mesh(&n);
	naming_add(&n.namespaces, UNNAMED_NAMESPACE);
	naming_add(&n.accounts, UNNAMED_ACCOUNT);
	naming_places(&n);
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
