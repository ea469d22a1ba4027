/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/member.h"

#include "lib/base/str.h"

bool istio_namespace_member(const struct istio_mesh *m, const char *ns)
{
	static const struct strmap none = {0};
	const struct istio_namespace *n = istio_mesh_namespace(m, ns);

	return istio_injection_decide(&m->injector, ns, n ? &n->labels : NULL, &none, &none, false)
		.inject;
}

bool istio_workload_member(const struct istio_mesh *m, const struct istio_workload *w)
{
	return w->form != SIDECAR_NONE || istio_injection_of(m, w).inject;
}

enum istio_membership istio_member(const struct istio_mesh *m, const char *ns,
				   const char *service_account)
{
	size_t with = 0, without = 0;

	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];

		/* In its node's network a pod is the node, whatever its account. */
		if (w->host_network || !str_eq(w->namespace, ns) ||
		    !str_eq(w->service_account, service_account))
			continue;
		if (istio_workload_member(m, w))
			with++;
		else
			without++;
	}
	if (with && without)
		return MEMBER_MIXED;
	if (!with && !without)
		return istio_namespace_member(m, ns) ? MEMBER_YES : MEMBER_NO;
	return with ? MEMBER_YES : MEMBER_NO;
}

struct strmap istio_workload_labels(const struct istio_workload *w)
{
	if (w->controller && w->controller->selector && w->controller->selector->match_labels.n > 0)
		return w->controller->selector->match_labels;
	return w->labels;
}

bool istio_workload_stands_out(const struct istio_mesh *m, struct arena *a,
			       const struct istio_workload *w)
{
	struct istio_redirect usual, own;

	if (istio_workload_member(m, w) != istio_namespace_member(m, w->namespace))
		return true;
	istio_redirect_defaults(&usual);
	istio_redirect_from_annotations(a, &w->annotations, &own);
	return !str_eq(usual.include_inbound, own.include_inbound) ||
	       !str_eq(usual.exclude_inbound, own.exclude_inbound);
}

struct istio_server istio_server_of(const struct istio_mesh *m, struct arena *a, const char *ns,
				    const struct strmap *labels)
{
	struct istio_server s = {.sidecar = istio_namespace_member(m, ns)};
	bool unusual = false;

	istio_redirect_defaults(&s.redirect);
	for (size_t i = 0; i < m->n_templates && !unusual; i++) {
		const struct istio_workload *w = &m->templates[i];
		struct istio_selector selector = {.match_labels = istio_workload_labels(w)};

		if (w->host_network || !str_eq(w->namespace, ns) || selector.match_labels.n == 0 ||
		    !istio_selector_matches(&selector, labels))
			continue;
		unusual = istio_workload_stands_out(m, a, w);
		if (s.workload && !unusual)
			continue;
		s.workload = w;
		s.sidecar = istio_workload_member(m, w);
		istio_redirect_from_annotations(a, &w->annotations, &s.redirect);
	}
	return s;
}

static bool treated_alike(const struct istio_mesh *m, struct arena *a,
			  const struct istio_workload *w, const struct istio_workload *other)
{
	struct istio_redirect r, s;

	if (istio_workload_member(m, w) != istio_workload_member(m, other))
		return false;
	istio_redirect_from_annotations(a, &w->annotations, &r);
	istio_redirect_from_annotations(a, &other->annotations, &s);
	return str_eq(r.include_inbound, s.include_inbound) &&
	       str_eq(r.exclude_inbound, s.exclude_inbound);
}

const struct istio_workload *istio_workload_rival(const struct istio_mesh *m, struct arena *a,
						  const struct istio_workload *w)
{
	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *o = &m->templates[i];
		struct istio_selector selector = {.match_labels = istio_workload_labels(o)};

		if (o != w && !o->host_network && !w->host_network &&
		    str_eq(o->namespace, w->namespace) && selector.match_labels.n > 0 &&
		    istio_selector_matches(&selector, &w->labels) && !treated_alike(m, a, w, o))
			return o;
	}
	return NULL;
}
