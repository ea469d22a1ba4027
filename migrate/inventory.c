/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/abi/identity.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/match.h"
#include "lib/mesh/identity.h"
#include "lib/object/workload.h"
#include "migrate/verify_internal.h"

/* --- workloads ------------------------------------------------------------------------------ */

static bool owns(const struct istio_workload *template, const struct istio_workload *pod)
{
	struct istio_selector selector = {.match_labels = istio_workload_labels(template)};

	if (!str_eq(template->namespace, pod->namespace))
		return false;
	if (template->pod)
		return str_eq(template->name, pod->name);
	return object_controller(&pod->pod->meta) && selector.match_labels.n > 0 &&
	       istio_selector_matches(&selector, &pod->labels);
}

static void count_pods(const struct istio_mesh *m, const struct istio_workload *template,
		       struct inventory_workload *w)
{
	for (size_t i = 0; i < m->n_pods; i++) {
		const struct istio_workload *pod = &m->pods[i];

		if (!owns(template, pod) || pod->pod->meta.deletion_timestamp ||
		    pod_is_finished(pod->pod))
			continue;
		w->pods++;
		w->ready += pod_is_ready(pod->pod);
		w->sidecars += pod->form != SIDECAR_NONE;
		w->classic += pod->form == SIDECAR_CLASSIC;
	}
}

static void find_budget(struct arena *a, const struct snapshot *s,
			const struct istio_workload *template, struct inventory_workload *w)
{
	snapshot_foreach (s, object_kind(KIND_POD_DISRUPTION_BUDGET), d) {
		struct disruption_budget b;

		if (w->budget || disruption_budget_decode(a, d, &b, NULL) < 0 ||
		    !str_eq(b.meta.namespace, w->namespace) || !b.selector ||
		    !label_selector_matches(b.selector, &template->labels))
			continue;
		w->budget = b.meta.name;
		w->disruptions_allowed = b.disruptions_allowed;
	}
}

static void add_workload(struct inventory *inv, struct arena *a,
			 const struct istio_workload *template)
{
	const struct istio_mesh *m = inv->mesh;
	struct inventory_workload *w = &inv->workloads[inv->n_workloads++];

	*w = (struct inventory_workload){
		.namespace = template->namespace,
		.kind = template->kind,
		.name = template->name,
		.service_account = template->service_account,
		.template = template,
		.replicas = 1,
		.injected = istio_workload_member(m, template),
	};
	if (template->controller && template->controller->replicas.set)
		w->replicas = (int32_t) template->controller->replicas.value;
	count_pods(m, template, w);
	find_budget(a, inv->snapshot, template, w);
	for (size_t i = 0; i < m->n_services; i++)
		w->named_by_services |= istio_service_selects(&m->services[i], template->namespace,
							      &template->labels);
}

static int by_place(const void *x, const void *y)
{
	const struct inventory_workload *a = x, *b = y;
	int order = str_cmp(a->namespace, b->namespace);

	if (order == 0)
		order = str_cmp(a->kind, b->kind);
	return order ? order : str_cmp(a->name, b->name);
}

int inventory_find(const struct inventory *inv, const char *ns, const char *kind, const char *name)
{
	for (size_t i = 0; i < inv->n_workloads; i++) {
		const struct inventory_workload *w = &inv->workloads[i];

		if (str_eq(w->namespace, ns) && str_eq(w->name, name) &&
		    (!kind || str_eq(w->kind, kind)))
			return (int)i;
	}
	return -1;
}

/* --- identities ----------------------------------------------------------------------------- */

/* The value of "k8s:key=value" among labels; NULL when it is not there. */
static const char *label_value(const struct strings *labels, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < labels->n; i++)
		if (strncmp(labels->items[i], key, n) == 0 && labels->items[i][n] == '=')
			return labels->items[i] + n + 1;
	return NULL;
}

/* Every label that takes part in identities is there with the same value. */
static bool has_labels(const struct strings *labels, const struct strmap *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const struct strmap_pair *p = &wanted->items[i];
		char key[512];

		if (!mesh_label_is_relevant(p->key))
			continue;
		if (snprintf(key, sizeof(key), "k8s:%s", p->key) >= (int)sizeof(key) ||
		    !str_eq(label_value(labels, key), p->value))
			return false;
	}
	return true;
}

int inventory_by_identity(const struct inventory *inv, const struct strings *labels)
{
	const char *ns = label_value(labels, MESH_LABEL_NAMESPACE);
	const char *account = label_value(labels, MESH_LABEL_SERVICE_ACCOUNT);
	int best = -1;

	for (size_t i = 0; i < inv->n_workloads; i++) {
		const struct inventory_workload *w = &inv->workloads[i];

		if (!str_eq(w->namespace, ns) || !str_eq(w->service_account, account) ||
		    !has_labels(labels, &w->template->labels))
			continue;
		if (best < 0 || w->template->labels.n > inv->workloads[best].template->labels.n)
			best = (int)i;
	}
	return best;
}

struct known_identity {
	int64_t id;
	struct strings labels;
};
struct counting {
	struct inventory *inv;
	struct arena *arena;
	VEC(struct known_identity) identities;
	VEC(struct inventory_edge) edges;
	size_t nodes, published;
	int64_t counted;
	bool blurred; /* calls whose ports are told as one sum */
};

static const struct strings *identity_labels(const struct counting *c, int64_t id)
{
	for (size_t i = 0; i < c->identities.n; i++)
		if (c->identities.items[i].id == id)
			return &c->identities.items[i].labels;
	return NULL;
}

static void read_identities(struct counting *c)
{
	snapshot_foreach (c->inv->snapshot, object_kind(KIND_CILIUM_IDENTITY), d) {
		struct cilium_identity ci;
		struct known_identity k = {0};
		uint64_t id;

		if (cilium_identity_decode(c->arena, d, &ci, NULL) < 0 ||
		    str_to_u64(ci.meta.name, 1, UINT32_MAX, &id, "identity", NULL) < 0)
			continue;
		k.id = (int64_t)id;
		k.labels.items = arena_array(c->arena, ci.security_labels.n + 1, const char *);
		for (size_t i = 0; i < ci.security_labels.n; i++)
			k.labels.items[k.labels.n++] =
				arena_printf(c->arena, "%s=%s", ci.security_labels.items[i].key,
					     ci.security_labels.items[i].value);
		vec_push(&c->identities, k);
	}
}

/* --- edges ---------------------------------------------------------------------------------- */

static const char *end_name(const struct counting *c, int64_t id, int workload)
{
	const struct inventory_workload *w;
	const struct strings *labels = identity_labels(c, id);
	const char *ns, *account;

	if (workload >= 0) {
		w = &c->inv->workloads[workload];
		return arena_printf(c->arena, "%s/%s", w->namespace, w->name);
	}
	if (id > 0 && id <= IDENTITY_WORLD_IPV6 && mesh_reserved_name((uint32_t)id))
		return mesh_reserved_name((uint32_t)id);
	ns = labels ? label_value(labels, MESH_LABEL_NAMESPACE) : NULL;
	account = labels ? label_value(labels, MESH_LABEL_SERVICE_ACCOUNT) : NULL;
	if (ns)
		return arena_printf(c->arena, "%s/%s (account)", ns, str_or_empty(account));
	return arena_printf(c->arena, "identity %lld", (long long)id);
}

static struct inventory_edge *edge_at(struct counting *c, int from, int to, const char *from_name,
				      const char *to_name, uint16_t port, const char *protocol)
{
	struct inventory_edge *e;

	vec_foreach (&c->edges, have)
		if (have->from == from && have->to == to && have->port == port &&
		    str_eq(have->protocol, protocol) && str_eq(have->from_name, from_name) &&
		    str_eq(have->to_name, to_name))
			return have;
	e = vec_add(&c->edges);
	*e = (struct inventory_edge){.from = from,
				     .to = to,
				     .from_name = from_name,
				     .to_name = to_name,
				     .port = port,
				     .protocol = protocol};
	return e;
}

static int workload_of(const struct counting *c, int64_t id)
{
	const struct strings *labels = identity_labels(c, id);

	return labels ? inventory_by_identity(c->inv, labels) : -1;
}

static void add_counter(struct counting *c, const struct sidestep_counter *n)
{
	int from = workload_of(c, n->source), to = workload_of(c, n->destination);
	struct inventory_edge *e;

	if (n->port == COUNTER_PORT_MANY) {
		c->blurred |= !str_eq(n->verdict, "dropped");
		return;
	}
	e = edge_at(c, from, to, end_name(c, n->source, from), end_name(c, n->destination, to),
		    (uint16_t)n->port, n->protocol ? n->protocol : "TCP");

	c->counted += n->count;
	if (str_eq(n->verdict, "dropped"))
		e->dropped += n->count;
	else if (str_eq(n->verdict, "audit"))
		e->audited += n->count;
	else
		e->forwarded += n->count;
}

static bool published(struct counting *c, const char *node)
{
	const struct doc *d =
		snapshot_find(c->inv->snapshot, object_kind(KIND_SIDESTEP_NODE), NULL, node);
	struct sidestep_node n;

	if (!d || sidestep_node_decode(c->arena, d, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n.n_identities; i++)
		if (!identity_labels(c, n.identities[i].id))
			vec_push(&c->identities, ((struct known_identity){n.identities[i].id,
									  n.identities[i].labels}));
	for (size_t i = 0; i < n.n_counters; i++)
		add_counter(c, &n.counters[i]);
	return n.ready;
}

static void read_nodes(struct counting *c)
{
	snapshot_foreach (c->inv->snapshot, object_kind(KIND_NODE), d) {
		c->nodes++;
		c->published += published(c, doc_find_str(d, "metadata.name"));
	}
}

/* Would Istio let the call pass? Ends that are no workload have no certificate. */
static void judge(struct counting *c, struct inventory_edge *e)
{
	const struct istio_mesh *m = c->inv->mesh;
	struct verify_space v = {.arena = c->arena, .mesh = m};
	struct caller from = {.address = "203.0.113.77"};
	struct target t = {(uint8_t)MAX(mesh_proto_number(e->protocol), 0), e->port};
	struct server to = {0};
	struct istio_word word;

	if (e->to < 0) {
		e->allowed = true;
		e->why = "the other end is no workload";
		return;
	}
	if (e->from >= 0) {
		const struct inventory_workload *w = &c->inv->workloads[e->from];

		if (w->injected || w->sidecars)
			from.principal = istio_principal_format(c->arena, m->config.trust_domain,
								w->namespace, w->service_account);
	}
	v.ns = c->inv->workloads[e->to].namespace;
	to.labels = c->inv->workloads[e->to].template->labels;
	to.istio = istio_server_of(m, c->arena, v.ns, &to.labels);
	word = verify_istio(&v, &to, &from, &t);
	e->allowed = word.sometimes;
	e->why = word.why;
}

static int by_ends(const void *x, const void *y)
{
	const struct inventory_edge *a = x, *b = y;
	int order = str_cmp(a->from_name, b->from_name);

	if (order == 0)
		order = str_cmp(a->to_name, b->to_name);
	return order ? order : (int)a->port - (int)b->port;
}

static void conclude(struct counting *c)
{
	struct inventory *inv = c->inv;

	inv->graph_known =
		c->nodes > 0 && c->published == c->nodes && c->counted > 0 && !c->blurred;
	if (c->nodes == 0)
		inv->graph_why = "the snapshot has no nodes, so nobody counted";
	else if (c->published < c->nodes)
		inv->graph_why = arena_printf(c->arena, "%zu of %zu nodes publish what they count",
					      c->published, c->nodes);
	else if (c->counted == 0)
		inv->graph_why = "the agents have not counted any call yet";
	else if (c->blurred)
		inv->graph_why = "somebody calls so many ports that agents tell only their sum";
	else
		inv->graph_why = arena_printf(c->arena, "%zu nodes counted %lld calls", c->nodes,
					      (long long)c->counted);
}

void inventory_make(struct inventory *inv, struct arena *a, const struct snapshot *s,
		    const struct istio_mesh *m)
{
	struct counting c = {.inv = inv, .arena = a};

	memset(inv, 0, sizeof(*inv));
	inv->mesh = m;
	inv->snapshot = s;
	inv->workloads = arena_array(a, m->n_templates + 1, struct inventory_workload);
	for (size_t i = 0; i < m->n_templates; i++)
		add_workload(inv, a, &m->templates[i]);
	if (inv->n_workloads > 1)
		qsort(inv->workloads, inv->n_workloads, sizeof(*inv->workloads), by_place);
	read_identities(&c);
	read_nodes(&c);
	vec_foreach (&c.edges, e)
		judge(&c, e);
	vec_sort(&c.edges, by_ends);
	inv->n_edges = c.edges.n;
	inv->edges = c.edges.n ? arena_memdup(a, c.edges.items, c.edges.n * sizeof(*c.edges.items))
			       : NULL;
	conclude(&c);
	vec_release(&c.edges);
	vec_release(&c.identities);
}
