/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/mtls.h"

#include "lib/base/str.h"
#include "lib/istio/host.h"

static bool in_namespace(const struct object_meta *meta, const char *ns)
{
	return str_eq(meta->namespace ? meta->namespace : "default", ns);
}

/* The oldest policy of one level: lists are sorted by age. workload: with a matching selector. */
static const struct istio_peer_authentication *oldest(const struct istio_mesh *m, const char *ns,
						      const struct strmap *workload)
{
	for (size_t i = 0; i < m->n_peer_authentications; i++) {
		const struct istio_peer_authentication *pa = &m->peer_authentications[i];
		bool selects = pa->selector.match_labels.n > 0;

		if (!in_namespace(&pa->meta, ns) || selects != (workload != NULL))
			continue;
		if (!workload || istio_selector_matches(&pa->selector, workload))
			return pa;
	}
	return NULL;
}

static void take(struct istio_mtls_source *out, const struct istio_peer_authentication *pa)
{
	if (!pa || pa->mode == MTLS_UNSET)
		return;
	out->mode = (enum istio_mtls_mode)pa->mode;
	out->policy = pa;
}

static void take_port(struct istio_mtls_source *out, const struct istio_peer_authentication *pa,
		      uint16_t port)
{
	for (size_t i = 0; pa && i < pa->n_ports; i++) {
		if (pa->ports[i].port != port || pa->ports[i].mode == MTLS_UNSET)
			continue;
		out->mode = (enum istio_mtls_mode)pa->ports[i].mode;
		out->policy = pa;
	}
}

struct istio_mtls_source istio_server_mtls(const struct istio_mesh *m, const char *ns,
					   const struct strmap *labels, uint16_t port)
{
	struct istio_mtls_source out = {.mode = MTLS_PERMISSIVE};
	const struct istio_peer_authentication *workload = oldest(m, ns, labels);

	take(&out, oldest(m, m->config.root_namespace, NULL));
	if (!str_eq(ns, m->config.root_namespace))
		take(&out, oldest(m, ns, NULL));
	take(&out, workload);
	take_port(&out, workload, port);
	return out;
}

/* The best rule of one namespace for host, or NULL. */
static const struct istio_destination_rule *rule_in(const struct istio_mesh *m, const char *ns,
						    const char *client_ns,
						    const struct strmap *client_labels,
						    const char *host)
{
	const struct istio_destination_rule *best = NULL;
	const char *best_host = NULL;

	for (size_t i = 0; i < m->n_destination_rules; i++) {
		const struct istio_destination_rule *dr = &m->destination_rules[i];
		const char *pattern;

		if (!in_namespace(&dr->meta, ns) || !istio_exported(&dr->export_to, ns, client_ns))
			continue;
		if (dr->workload_selector &&
		    (!str_eq(ns, client_ns) ||
		     !istio_selector_matches(dr->workload_selector, client_labels)))
			continue;
		pattern = istio_host_fqdn(m->arena, dr->host, ns, m->config.domain_suffix);
		if (!istio_host_matches(pattern, host))
			continue;
		if (best && istio_host_specificity(pattern, best_host) <= 0)
			continue;
		best = dr;
		best_host = pattern;
	}
	return best;
}

const struct istio_destination_rule *istio_destination_rule_for(const struct istio_mesh *m,
								const char *client_ns,
								const struct strmap *client_labels,
								const char *host,
								const char *service_ns)
{
	const char *levels[] = {client_ns, service_ns, m->config.root_namespace};
	const struct istio_destination_rule *rule = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(levels) && !rule; i++)
		if (levels[i])
			rule = rule_in(m, levels[i], client_ns, client_labels, host);
	return rule;
}

static const struct istio_port_policy *port_level(const struct istio_traffic_policy *p,
						  uint16_t port)
{
	for (size_t i = 0; p && i < p->n_port_level; i++)
		if (p->port_level[i].port == port)
			return &p->port_level[i];
	return NULL;
}

/* One policy's word for a port; *found says whether it had one (an empty port block has: none). */
static const struct istio_client_tls *tls_of(const struct istio_traffic_policy *p, uint16_t port,
					     bool *found)
{
	const struct istio_port_policy *pp = port_level(p, port);

	*found = pp || (p && p->tls);
	return pp ? pp->tls : p ? p->tls : NULL;
}

struct istio_client_tls_source istio_client_tls_for(const struct istio_destination_rule *rule,
						    const char *subset, uint16_t service_port)
{
	struct istio_client_tls_source out = {.rule = rule};
	bool found;

	if (!rule)
		return out;
	out.tls = tls_of(rule->policy, service_port, &found);
	for (size_t i = 0; subset && i < rule->n_subsets; i++) {
		const struct istio_client_tls *tls;

		if (!str_eq(rule->subsets[i].name, subset))
			continue;
		tls = tls_of(rule->subsets[i].policy, service_port, &found);
		if (found)
			out.tls = tls;
	}
	return out;
}

enum istio_client_mode istio_client_mode(const struct istio_mesh *m,
					 struct istio_client_tls_source tls,
					 const char *endpoint_ns,
					 const struct strmap *endpoint_labels,
					 uint16_t endpoint_port)
{
	struct istio_mtls_source server;

	if (tls.tls) {
		switch (tls.tls->mode) {
		case TLS_ISTIO_MUTUAL:
			return CLIENT_MTLS;
		case TLS_SIMPLE:
		case TLS_MUTUAL:
			return CLIENT_OTHER_TLS;
		default:
			return CLIENT_PLAINTEXT;
		}
	}
	if (!istio_mesh_config_auto_mtls(&m->config))
		return CLIENT_PLAINTEXT;
	if (!endpoint_labels ||
	    !str_eq(strmap_get(endpoint_labels, "security.istio.io/tlsMode"), "istio"))
		return CLIENT_PLAINTEXT;
	server = istio_server_mtls(m, endpoint_ns, endpoint_labels, endpoint_port);
	return server.mode == MTLS_DISABLE ? CLIENT_PLAINTEXT : CLIENT_MTLS;
}
