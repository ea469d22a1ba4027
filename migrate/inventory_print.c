/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory as a document and as a page. */
#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "migrate/inventory.h"

static bool concerns(const struct inventory *inv, const struct inventory_edge *e, const char *ns)
{
	return !ns || (e->from >= 0 && str_eq(inv->workloads[e->from].namespace, ns)) ||
	       (e->to >= 0 && str_eq(inv->workloads[e->to].namespace, ns));
}

/* "registry/proxyv2:1.28.0" of the container named so, wherever it stands. */
static const char *image_of(const struct doc *spec, const char *name)
{
	static const char *const lists[] = {"initContainers", "containers"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		doc_foreach_item (doc_get(spec, lists[i]), c)
			if (str_eq(doc_str(doc_get(c, "name")), name))
				return doc_str(doc_get(c, "image"));
	return NULL;
}

/* The control planes, and every version of the proxy that runs, with how many pods have it. */
static void add_versions(struct arena *a, struct doc *istio, const struct istio_mesh *m)
{
	struct doc *planes = doc_set_list(a, istio, "controlPlanes");
	struct doc *proxies = doc_set_map(a, istio, "proxyImages");

	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];
		const char *rev = strmap_get(&w->labels, "istio.io/rev");
		struct doc *d;

		if (!str_eq(strmap_get(&w->labels, "app"), "istiod"))
			continue;
		d = doc_append(a, planes, doc_map(a));
		doc_set_string(a, d, "namespace", w->namespace);
		doc_set_string(a, d, "name", w->name);
		doc_set_string(a, d, "revision", rev ? rev : "default");
		doc_set_string(a, d, "image", image_of(w->spec, "discovery"));
	}
	for (size_t i = 0; i < m->n_pods; i++) {
		const char *image = image_of(m->pods[i].spec, "istio-proxy");

		if (image)
			doc_set_int(a, proxies, image, doc_int_or(doc_get(proxies, image), 0) + 1);
	}
}

static struct doc *workload_doc(struct arena *a, const struct inventory *inv,
				const struct inventory_workload *w)
{
	struct doc *d = doc_map(a);
	struct istio_injection why = istio_injection_of(inv->mesh, w->template);

	doc_set_string(a, d, "namespace", w->namespace);
	doc_set_string(a, d, "kind", w->kind);
	doc_set_string(a, d, "name", w->name);
	doc_set_string(a, d, "serviceAccount", w->service_account);
	doc_set_int(a, d, "replicas", w->replicas);
	doc_set_int(a, d, "pods", w->pods);
	doc_set_int(a, d, "ready", w->ready);
	doc_set_int(a, d, "sidecars", w->sidecars);
	doc_set_int(a, d, "classicSidecars", w->classic);
	doc_set_bool(a, d, "injected", w->injected);
	doc_set_string(a, d, "injectionRule", istio_injection_words(why.rule));
	doc_set_string(a, d, "revision", why.revision);
	doc_set_string(a, d, "budget", w->budget);
	if (w->budget)
		doc_set_int(a, d, "disruptionsAllowed", w->disruptions_allowed);
	doc_set_bool(a, d, "namedByServices", w->named_by_services);
	return d;
}

static struct doc *edge_doc(struct arena *a, const struct inventory_edge *e)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "from", e->from_name);
	doc_set_string(a, d, "to", e->to_name);
	doc_set_int(a, d, "port", e->port);
	doc_set_string(a, d, "protocol", e->protocol);
	doc_set_int(a, d, "forwarded", e->forwarded);
	doc_set_int(a, d, "dropped", e->dropped);
	doc_set_int(a, d, "audited", e->audited);
	doc_set_bool(a, d, "allowed", e->allowed);
	doc_set_string(a, d, "why", e->why);
	return d;
}

/* Who an object of Istio is about, as far as one can count. */
static size_t selected(const struct inventory *inv, const char *ns,
		       const struct istio_selector *selector)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n_workloads; i++) {
		const struct inventory_workload *w = &inv->workloads[i];

		n += (str_eq(w->namespace, ns) || str_eq(ns, inv->mesh->config.root_namespace)) &&
		     (!selector || istio_selector_matches(selector, &w->template->labels));
	}
	return n;
}

static void add_object(struct arena *a, struct doc *list, const struct inventory *inv,
		       const struct object_meta *m, const struct istio_selector *selector,
		       const char *ns)
{
	const char *own = m->namespace ? m->namespace : "default";
	struct doc *d;

	if (ns && !str_eq(own, ns) && !str_eq(own, inv->mesh->config.root_namespace))
		return;
	d = doc_append(a, list, doc_map(a));
	doc_set_string(a, d, "kind", m->kind);
	doc_set_string(a, d, "namespace", own);
	doc_set_string(a, d, "name", m->name);
	doc_set_int(a, d, "workloads", (int64_t)selected(inv, own, selector));
}

static struct doc *objects_doc(struct arena *a, const struct inventory *inv, const char *ns)
{
	const struct istio_mesh *m = inv->mesh;
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < m->n_peer_authentications; i++)
		add_object(a, list, inv, &m->peer_authentications[i].meta,
			   &m->peer_authentications[i].selector, ns);
	for (size_t i = 0; i < m->n_authorization_policies; i++)
		add_object(a, list, inv, &m->authorization_policies[i].meta,
			   &m->authorization_policies[i].selector, ns);
	for (size_t i = 0; i < m->n_destination_rules; i++)
		add_object(a, list, inv, &m->destination_rules[i].meta, NULL, ns);
	for (size_t i = 0; i < m->n_virtual_services; i++)
		add_object(a, list, inv, &m->virtual_services[i].meta, NULL, ns);
	for (size_t i = 0; i < m->n_others; i++)
		add_object(a, list, inv, &m->others[i].meta, &m->others[i].selector, ns);
	return list;
}

struct doc *inventory_doc(struct arena *a, const struct inventory *inv, const char *ns)
{
	const struct istio_mesh *m = inv->mesh;
	struct doc *d = doc_map(a), *istio = doc_set_map(a, d, "istio"), *list;

	doc_set_bool(a, istio, "meshConfigRead", m->config.given);
	doc_set_string(a, istio, "trustDomain", m->config.trust_domain);
	doc_set_string(a, istio, "rootNamespace", m->config.root_namespace);
	add_versions(a, istio, m);
	list = doc_set_list(a, istio, "revisions");
	for (size_t i = 0; i < m->injector.n_revisions; i++)
		doc_append(a, list, doc_string(a, m->injector.revisions[i]));
	doc_set(a, istio, "objects", objects_doc(a, inv, ns));
	list = doc_set_list(a, istio, "problems");
	for (size_t i = 0; i < m->n_problems; i++)
		doc_append(a, list,
			   doc_stringf(a, "%s/%s/%s%s%s: %s",
				       str_or_empty(doc_find_str(m->problems[i].object, "kind")),
				       str_or_empty(doc_find_str(m->problems[i].object,
								 "metadata.namespace")),
				       str_or_empty(doc_find_str(m->problems[i].object,
								 "metadata.name")),
				       *m->problems[i].path ? " " : "", m->problems[i].path,
				       m->problems[i].message));
	list = doc_set_list(a, d, "workloads");
	for (size_t i = 0; i < inv->n_workloads; i++)
		if (!ns || str_eq(inv->workloads[i].namespace, ns))
			doc_append(a, list, workload_doc(a, inv, &inv->workloads[i]));
	list = doc_set_list(a, d, "calls");
	for (size_t i = 0; i < inv->n_edges; i++)
		if (concerns(inv, &inv->edges[i], ns))
			doc_append(a, list, edge_doc(a, &inv->edges[i]));
	doc_set_bool(a, d, "callGraphKnown", inv->graph_known);
	doc_set_string(a, d, "callGraphWhy", inv->graph_why);
	return d;
}

void inventory_page(const struct inventory *inv, const char *ns, struct page *p)
{
	static const char *const workloads[] = {"NAMESPACE", "WORKLOAD", ">PODS",     ">READY",
						">SIDECARS", "FORM",     "A NEW POD", NULL};
	static const char *const calls[] = {
		"FROM", "TO", ">PORT", ">PASSED", ">REFUSED", "BY ISTIO'S RULES", NULL};
	struct arena *a = &p->arena;

	page_heading(p, "Workloads");
	page_table(p, workloads);
	for (size_t i = 0; i < inv->n_workloads; i++) {
		const struct inventory_workload *w = &inv->workloads[i];

		if (ns && !str_eq(w->namespace, ns))
			continue;
		page_row(p, w->sidecars ? PAGE_PLAIN : PAGE_QUIET, w->namespace,
			 arena_printf(a, "%s/%s", w->kind, w->name), arena_printf(a, "%u", w->pods),
			 arena_printf(a, "%u", w->ready), arena_printf(a, "%u", w->sidecars),
			 !w->sidecars ? "-"
			 : w->classic ? "classic"
				      : "native",
			 w->injected ? "gets a sidecar" : "gets none", NULL);
	}
	page_heading(p, "Who calls whom");
	page_note(p, inv->graph_known ? PAGE_QUIET : PAGE_DOUBT, "%s.", inv->graph_why);
	page_table(p, calls);
	for (size_t i = 0; i < inv->n_edges; i++) {
		const struct inventory_edge *e = &inv->edges[i];

		if (!concerns(inv, e, ns))
			continue;
		page_row(p, e->allowed ? PAGE_PLAIN : PAGE_DOUBT, e->from_name, e->to_name,
			 arena_printf(a, "%u", e->port),
			 count_text(a, (int64_t)(e->forwarded + e->audited)),
			 count_text(a, (int64_t)e->dropped),
			 arena_printf(a, "%s: %s", e->allowed ? "allowed" : "refused",
				      str_or_empty(e->why)),
			 NULL);
	}
}
