/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outbound: everything arrives on 15001 and is handed, by its original destination, to a listener
 * that does not bind: one for all Services with an HTTP port of that number (the Host header
 * chooses), one per address for TCP. What no listener takes goes where it was going.
 */
#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "lib/istio/mtls.h"
#include "lib/istio/sidecar_internal.h"

#define MAX_HTTP_PORTS 512

struct http_port {
	uint16_t port;
	struct doc *hosts; /* of its RouteConfiguration */
};

struct outbound {
	struct sidecar *s;
	struct http_port *http;
	size_t n_http;
};

static void virtual_outbound(struct sidecar *s)
{
	struct arena *a = s->arena;
	struct doc *l =
		sidecar_yaml(a, "name: virtualOutbound\n"
				"address: {socket_address: {address: 0.0.0.0, port_value: 15001}}\n"
				"use_original_dst: true\n"
				"traffic_direction: OUTBOUND\n"
				"max_connections_to_accept_per_socket_event: 1\n"
				"filter_chains:\n"
				"- name: virtualOutbound-blackhole\n"
				"  filter_chain_match: {destination_port: 15001}\n"
				"- name: virtualOutbound-catchall-tcp\n");
	/* REGISTRY_ONLY: what no Service knows goes nowhere. */
	const char *rest = s->mesh->config.outbound_policy == OUTBOUND_REGISTRY_ONLY
				   ? "BlackHoleCluster"
				   : "PassthroughCluster";

	doc_append(a, doc_set_list(a, doc_find(l, "filter_chains[0]"), "filters"),
		   sidecar_tcp_proxy(s, "BlackHoleCluster", "BlackHoleCluster"));
	doc_append(a, doc_set_list(a, doc_find(l, "filter_chains[1]"), "filters"),
		   sidecar_tcp_proxy(s, rest, rest));
	doc_append(a, s->parts.listeners, l);
}

static struct doc *listener(struct sidecar *s, const char *address, uint16_t port)
{
	struct arena *a = s->arena;
	struct doc *l = sidecar_yaml(a, "traffic_direction: OUTBOUND\nbind_to_port: false\n");
	struct doc *at = doc_set_map(a, doc_set_map(a, l, "address"), "socket_address");

	doc_setf(a, l, "name", "%s_%u", address, port);
	doc_set_string(a, at, "address", address);
	doc_set_int(a, at, "port_value", port);
	return doc_append(a, s->parts.listeners, l);
}

/* Bytes that turn out to be no HTTP still pass: HTTP by inspection, the rest to `rest`. */
static void sniffing_chains(struct sidecar *s, struct doc *l, const char *stat_prefix,
			    const char *rds_name, const char *rest)
{
	struct arena *a = s->arena;
	struct doc *chain =
		doc_append(a, doc_set_list(a, l, "filter_chains"),
			   sidecar_yaml(a, "filter_chain_match: {transport_protocol: raw_buffer,"
					   " application_protocols: [http/1.1, h2c]}\n"));
	struct doc *other = doc_set_map(a, l, "default_filter_chain");

	doc_append(a, doc_set_list(a, l, "listener_filters"),
		   sidecar_yaml(a, "name: envoy.filters.listener.http_inspector\n"
				   "typed_config: {'@type': " ENVOY_EXTENSION
				   "filters.listener.http_inspector.v3.HttpInspector}\n"));
	doc_set_string(a, l, "listener_filters_timeout", "0s");
	doc_set_bool(a, l, "continue_on_listener_filters_timeout", true);
	doc_append(a, doc_set_list(a, chain, "filters"),
		   sidecar_http(s, stat_prefix, NULL, rds_name, false));
	doc_set_string(a, other, "name", "PassthroughFilterChain");
	doc_append(a, doc_set_list(a, other, "filters"), sidecar_tcp_proxy(s, rest, rest));
}

static struct doc *route_config(struct sidecar *s, const char *name)
{
	struct arena *a = s->arena;
	struct doc *r = sidecar_yaml(a, "validate_clusters: false\n"
					"ignore_port_in_host_matching: true\n"
					"max_direct_response_body_size_bytes: 1048576\n");

	doc_set_string(a, r, "name", name);
	return doc_append(a, s->parts.routes, r);
}

static struct http_port *http_port(struct outbound *o, uint16_t port)
{
	struct arena *a = o->s->arena;
	const char *name = arena_printf(a, "%u", port);
	const char *stat_prefix = arena_printf(a, "outbound_0.0.0.0_%u;", port);
	struct http_port *hp;

	for (size_t i = 0; i < o->n_http; i++)
		if (o->http[i].port == port)
			return &o->http[i];
	if (o->n_http == MAX_HTTP_PORTS)
		return NULL;
	hp = &o->http[o->n_http++];
	hp->port = port;
	hp->hosts = doc_set_list(a, route_config(o->s, name), "virtual_hosts");
	sniffing_chains(o->s, listener(o->s, "0.0.0.0", port), stat_prefix, name,
			o->s->mesh->config.outbound_policy == OUTBOUND_REGISTRY_ONLY
				? "BlackHoleCluster"
				: "PassthroughCluster");
	return hp;
}

/* Every name under which a client in this pod's namespace may call the Service. */
static struct doc *domains(struct sidecar *s, const struct service *svc, const char *host)
{
	struct arena *a = s->arena;
	struct doc *list = doc_list(a);
	const char *name = svc->meta.name, *ns = sidecar_namespace_of(&svc->meta);

	doc_append(a, list, doc_string(a, host));
	doc_append(a, list, doc_stringf(a, "%s.", host));
	if (str_eq(ns, s->pod->namespace))
		doc_append(a, list, doc_string(a, name));
	doc_append(a, list, doc_stringf(a, "%s.%s.svc", name, ns));
	doc_append(a, list, doc_stringf(a, "%s.%s", name, ns));
	if (svc->cluster_ip && !service_is_headless(svc))
		doc_append(a, list, doc_string(a, svc->cluster_ip));
	return list;
}

static void add_virtual_host(struct outbound *o, struct doc *hosts, const struct service *svc,
			     const struct service_port *port, const char *host)
{
	struct arena *a = o->s->arena;
	struct doc *vh = doc_append(a, hosts, doc_map(a));

	doc_setf(a, vh, "name", "%s:%d", host, port->port);
	doc_set(a, vh, "domains", domains(o->s, svc, host));
	doc_set(a, vh, "routes", sidecar_routes(o->s, port, host));
	doc_set_bool(a, vh, "include_request_attempt_count", true);
}

/* One plain TCP listener on an address. */
static void tcp_listener(struct outbound *o, const char *address, uint16_t port,
			 const char *cluster)
{
	struct arena *a = o->s->arena;
	struct doc *l = listener(o->s, address, port);
	struct doc *chain = doc_append(a, doc_set_list(a, l, "filter_chains"), doc_map(a));

	doc_append(a, doc_set_list(a, chain, "filters"), sidecar_tcp_proxy(o->s, cluster, cluster));
}

/* Protocol not declared: the listener of the address looks at the first bytes. */
static void sniffing_listener(struct outbound *o, const struct service *svc,
			      const struct service_port *port, const char *host,
			      const char *cluster)
{
	struct arena *a = o->s->arena;
	const char *name = arena_printf(a, "%s:%d", host, port->port);

	sniffing_chains(o->s, listener(o->s, svc->cluster_ip, (uint16_t)port->port),
			arena_printf(a, "outbound_%s_%d;", svc->cluster_ip, port->port), name,
			cluster);
	add_virtual_host(o, doc_set_list(a, route_config(o->s, name), "virtual_hosts"), svc, port,
			 host);
}

/* A headless Service has no address: each of its pods is one. */
static void headless_listeners(struct outbound *o, const struct service *svc,
			       const struct service_port *port, const char *cluster)
{
	const struct istio_mesh *m = o->s->mesh;

	for (size_t i = 0; i < m->n_pods; i++) {
		const struct istio_workload *pod = &m->pods[i];

		if (!istio_service_selects(svc, pod->namespace, &pod->labels) ||
		    !pod->pod->pod_ip || pod->host_network || pod == o->s->pod)
			continue;
		tcp_listener(o, pod->pod->pod_ip, (uint16_t)port->port, cluster);
	}
}

static void add_subsets(struct outbound *o, const struct service *svc,
			const struct service_port *port, const char *host)
{
	const struct istio_destination_rule *rule =
		istio_destination_rule_for(o->s->mesh, o->s->pod->namespace, &o->s->pod->labels,
					   host, sidecar_namespace_of(&svc->meta));

	for (size_t i = 0; rule && i < rule->n_subsets; i++)
		sidecar_service_cluster(o->s, svc, port, host, rule->subsets[i].name);
}

static void add_port(struct outbound *o, const struct service *svc, const struct service_port *port,
		     const char *host)
{
	struct arena *a = o->s->arena;
	enum istio_protocol protocol = istio_port_protocol(port);
	const char *cluster = sidecar_cluster_name(a, (uint16_t)port->port, NULL, host);

	if (protocol == PROTO_UDP)
		return;
	sidecar_service_cluster(o->s, svc, port, host, NULL);
	add_subsets(o, svc, port, host);
	if (istio_protocol_is_http(protocol)) {
		struct http_port *hp = http_port(o, (uint16_t)port->port);

		if (hp)
			add_virtual_host(o, hp->hosts, svc, port, host);
	} else if (service_is_headless(svc)) {
		headless_listeners(o, svc, port, cluster);
	} else if (svc->cluster_ip && protocol == PROTO_UNKNOWN) {
		sniffing_listener(o, svc, port, host, cluster);
	} else if (svc->cluster_ip) {
		tcp_listener(o, svc->cluster_ip, (uint16_t)port->port, cluster);
	}
}

static bool has_domain(const struct doc *hosts, const char *host)
{
	doc_foreach_item (hosts, vh)
		doc_foreach_item (doc_get(vh, "domains"), d)
			if (str_eq(doc_str(d), host))
				return true;
	return false;
}

/* Hosts of VirtualServices that no Service has on this port: istiod takes them on port 80. */
static void add_virtual_only(struct outbound *o, struct http_port *hp)
{
	static const struct service_port port = {.port = 80};
	struct sidecar *s = o->s;
	struct arena *a = s->arena;

	for (size_t i = 0; i < s->mesh->n_virtual_services; i++) {
		const struct istio_virtual_service *vs = &s->mesh->virtual_services[i];
		const char *ns = sidecar_namespace_of(&vs->meta);

		if (!istio_virtual_service_in_mesh(vs) || vs->n_http == 0 ||
		    !istio_exported(&vs->export_to, ns, s->pod->namespace))
			continue;
		for (size_t j = 0; j < vs->hosts.n; j++) {
			const char *host = istio_host_fqdn(a, vs->hosts.items[j], ns,
							   s->mesh->config.domain_suffix);
			struct doc *vh;

			if (has_domain(hp->hosts, host) || str_eq(host, "*"))
				continue;
			vh = doc_append(a, hp->hosts, doc_map(a));
			doc_setf(a, vh, "name", "%s:80", host);
			doc_append(a, doc_set_list(a, vh, "domains"), doc_string(a, host));
			doc_set(a, vh, "routes", sidecar_routes(s, &port, host));
			doc_set_bool(a, vh, "include_request_attempt_count", true);
		}
	}
}

/* What no virtual host takes. */
static void add_fallbacks(struct outbound *o)
{
	struct arena *a = o->s->arena;
	bool any = o->s->mesh->config.outbound_policy == OUTBOUND_ALLOW_ANY;

	for (size_t i = 0; i < o->n_http; i++) {
		if (o->http[i].port == 80)
			add_virtual_only(o, &o->http[i]);
		doc_append(a, o->http[i].hosts,
			   sidecar_yaml(
				   a, any ? "name: allow_any\n"
					    "domains: ['*']\n"
					    "routes:\n"
					    "- name: allow_any\n"
					    "  match: {prefix: /}\n"
					    "  route: {cluster: PassthroughCluster, timeout: 0s}\n"
					    "include_request_attempt_count: true\n"
					  : "name: block_all\n"
					    "domains: ['*']\n"
					    "routes:\n"
					    "- name: block_all\n"
					    "  match: {prefix: /}\n"
					    "  direct_response: {status: 502}\n"));
	}
}

void sidecar_outbound(struct sidecar *s)
{
	struct outbound o = {.s = s,
			     .http = arena_array(s->arena, MAX_HTTP_PORTS, struct http_port)};

	virtual_outbound(s);
	for (size_t i = 0; i < s->mesh->n_services; i++) {
		const struct service *svc = &s->mesh->services[i];
		const char *host;

		if (svc->external_name || !svc->cluster_ip)
			continue;
		host = istio_service_fqdn(s->arena, svc->meta.name,
					  sidecar_namespace_of(&svc->meta),
					  s->mesh->config.domain_suffix);
		for (size_t j = 0; j < svc->n_ports; j++)
			add_port(&o, svc, &svc->ports[j], host);
	}
	add_fallbacks(&o);
}
