/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outbound clusters: one per Service port and subset. Mutual TLS is chosen per endpoint, by the
 * tlsMode that its metadata carries, unless a DestinationRule says something for the whole host.
 */
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/host.h"
#include "lib/istio/mtls.h"
#include "lib/istio/sidecar_internal.h"

const char *sidecar_cluster_name(struct arena *a, uint16_t port, const char *subset,
				 const char *host)
{
	return arena_printf(a, "outbound|%u|%s|%s", port, str_or_empty(subset), host);
}

/* --- endpoints ------------------------------------------------------------------------------ */

struct endpoint {
	const char *address;
	uint16_t port;
	const struct istio_workload *pod; /* NULL: no pod has the address */
	bool ready;
};
typedef VEC(struct endpoint) endpoint_list;

static uint16_t slice_port_number(const struct endpoint_slice *slice,
				  const struct service_port *port)
{
	for (size_t i = 0; i < slice->n_ports; i++) {
		const struct slice_port *p = &slice->ports[i];

		if (str_eq(str_or_empty(p->name), str_or_empty(port->name)) && p->port.set)
			return (uint16_t)p->port.value;
	}
	return 0;
}

static bool subset_takes(const struct strmap *labels, const struct istio_workload *pod)
{
	struct istio_selector selector;

	if (!labels)
		return true;
	selector.match_labels = *labels;
	return pod && istio_selector_matches(&selector, &pod->labels);
}

static void collect(struct sidecar *s, const struct service *svc, const struct service_port *port,
		    const struct strmap *subset, endpoint_list *out)
{
	const char *ns = sidecar_namespace_of(&svc->meta);

	for (size_t i = 0; i < s->mesh->n_slices; i++) {
		const struct endpoint_slice *slice = &s->mesh->slices[i];
		uint16_t number = slice_port_number(slice, port);

		if (!number || !str_eq(endpoint_slice_service(slice), svc->meta.name) ||
		    !str_eq(sidecar_namespace_of(&slice->meta), ns))
			continue;
		for (size_t j = 0; j < slice->n_endpoints; j++) {
			const struct slice_endpoint *e = &slice->endpoints[j];

			for (size_t k = 0; k < e->addresses.n; k++) {
				struct endpoint ep = {
					.address = e->addresses.items[k],
					.port = number,
					.pod = istio_mesh_pod_by_ip(s->mesh, e->addresses.items[k]),
					.ready = !e->ready.set || e->ready.value ||
						 svc->publish_not_ready_addresses,
				};

				if (subset_takes(subset, ep.pod))
					vec_push(out, ep);
			}
		}
	}
}

static int by_address(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order = str_cmp(x->address, y->address);

	return order ? order : (int)x->port - (int)y->port;
}

static struct doc *endpoint_doc(struct sidecar *s, const struct endpoint *e,
				struct istio_client_tls_source tls)
{
	struct arena *a = s->arena;
	struct doc *d = doc_map(a), *at = doc_map(a);
	enum istio_client_mode mode = CLIENT_PLAINTEXT;

	doc_set_string(a, at, "address", e->address);
	doc_set_int(a, at, "port_value", e->port);
	doc_set(a, doc_set_map(a, doc_set_map(a, d, "endpoint"), "address"), "socket_address", at);
	doc_set_string(a, d, "health_status", "HEALTHY");
	doc_set_int(a, d, "load_balancing_weight", 1);
	if (e->pod)
		mode = istio_client_mode(s->mesh, tls, e->pod->namespace, &e->pod->labels, e->port);
	/* Also under a rule for the whole host the label says what the endpoint could do. */
	if (mode == CLIENT_MTLS &&
	    str_eq(strmap_get(&e->pod->labels, "security.istio.io/tlsMode"), "istio"))
		doc_set_string(a,
			       doc_set_map(a,
					   doc_set_map(a, doc_set_map(a, d, "metadata"),
						       "filter_metadata"),
					   "envoy.transport_socket_match"),
			       "tlsMode", "istio");
	return d;
}

static struct doc *assignment(struct sidecar *s, const char *name, const endpoint_list *list,
			      struct istio_client_tls_source tls)
{
	struct arena *a = s->arena;
	struct doc *d = doc_map(a), *endpoints = doc_set_list(a, d, "endpoints"), *locality = NULL;

	doc_set_string(a, d, "cluster_name", name);
	for (size_t i = 0; i < list->n; i++) {
		if (!list->items[i].ready)
			continue;
		if (!locality) {
			locality = doc_append(a, endpoints, doc_map(a));
			doc_set(a, locality, "locality", doc_map(a));
			doc_set_int(a, locality, "load_balancing_weight", 1);
		}
		doc_append(a, doc_set_list(a, locality, "lb_endpoints"),
			   endpoint_doc(s, &list->items[i], tls));
	}
	return d;
}

/* The accounts behind the endpoints, ready or not: whom the client may meet. */
static struct strings sans_of(struct sidecar *s, const endpoint_list *list)
{
	struct strings out = {.items = arena_array(s->arena, list->n + 1, const char *)};

	for (size_t i = 0; i < list->n; i++) {
		const struct istio_workload *pod = list->items[i].pod;
		const char *san;
		bool seen = false;

		if (!pod)
			continue;
		san = arena_printf(s->arena, "spiffe://%s/ns/%s/sa/%s",
				   s->mesh->config.trust_domain, pod->namespace,
				   pod->service_account);
		for (size_t j = 0; j < out.n; j++)
			seen |= str_eq(out.items[j], san);
		if (!seen)
			out.items[out.n++] = san;
	}
	if (out.n > 1)
		qsort(out.items, out.n, sizeof(out.items[0]), str_cmp_ptr);
	return out;
}

/* --- clusters ------------------------------------------------------------------------------- */

static void socket_match(struct sidecar *s, struct doc *cluster, const char *name, const char *mode,
			 struct doc *socket)
{
	struct doc *m =
		doc_append(s->arena, doc_set_list(s->arena, cluster, "transport_socket_matches"),
			   doc_map(s->arena));

	doc_set_string(s->arena, m, "name", name);
	doc_set_string(s->arena, doc_set_map(s->arena, m, "match"), "tlsMode", mode);
	doc_set(s->arena, m, "transport_socket", socket);
}

static void set_transport(struct sidecar *s, struct doc *cluster, const char *sni, const char *host,
			  const endpoint_list *endpoints, bool h2,
			  struct istio_client_tls_source tls)
{
	struct strings sans = sans_of(s, endpoints);

	if (!tls.tls) {
		if (!istio_mesh_config_auto_mtls(&s->mesh->config))
			return;
		socket_match(s, cluster, "tlsMode-istio", "istio",
			     sidecar_upstream_tls(s, sni, &sans, h2));
		socket_match(s, cluster, "tlsMode-disabled", NULL, sidecar_raw_buffer(s->arena));
		return;
	}
	switch (tls.tls->mode) {
	case TLS_ISTIO_MUTUAL:
		doc_set(s->arena, cluster, "transport_socket",
			sidecar_upstream_tls(s, sni, &sans, h2));
		break;
	case TLS_SIMPLE:
	case TLS_MUTUAL:
		doc_set(s->arena, cluster, "transport_socket",
			sidecar_origination_tls(s, tls.tls, host));
		break;
	default:
		break;
	}
}

static const char common[] = "\
connect_timeout: 10s\n\
lb_policy: LEAST_REQUEST\n\
circuit_breakers:\n\
  thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295,\n\
                max_requests: 4294967295, max_retries: 4294967295}]\n\
common_lb_config: {healthy_panic_threshold: {value: 0}}\n";

static void http_options(struct sidecar *s, struct doc *cluster, enum istio_protocol protocol)
{
	struct doc *o;

	if (!istio_protocol_is_h2(protocol) && protocol != PROTO_UNKNOWN)
		return;
	o = sidecar_yaml(
		s->arena,
		istio_protocol_is_h2(protocol)
			? "{'@type': " ENVOY_EXTENSION "upstreams.http.v3.HttpProtocolOptions,\n"
			  " explicit_http_config: {http2_protocol_options: {}}}"
			: "{'@type': " ENVOY_EXTENSION "upstreams.http.v3.HttpProtocolOptions,\n"
			  " use_downstream_protocol_config: {http_protocol_options: {},"
			  " http2_protocol_options: {}}}");
	doc_set(s->arena, doc_set_map(s->arena, cluster, "typed_extension_protocol_options"),
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions", o);
}

static const struct istio_subset *find_subset(const struct istio_destination_rule *rule,
					      const char *name)
{
	for (size_t i = 0; rule && name && i < rule->n_subsets; i++)
		if (str_eq(rule->subsets[i].name, name))
			return &rule->subsets[i];
	return NULL;
}

/* A Service without an address of its own: the application's choice of pod stands. */
static void make_passthrough(struct doc *cluster, struct arena *a)
{
	doc_set_string(a, cluster, "type", "ORIGINAL_DST");
	doc_set_string(a, cluster, "lb_policy", "CLUSTER_PROVIDED");
	doc_del(cluster, "common_lb_config");
}

/* Headless: mutual TLS only when every endpoint has it (istiod's best effort for such hosts). */
static struct istio_client_tls_source headless_tls(struct sidecar *s, const endpoint_list *list,
						   struct istio_client_tls_source tls)
{
	static const struct istio_client_tls mutual = {.mode = TLS_ISTIO_MUTUAL};
	static const struct istio_client_tls off = {.mode = TLS_DISABLE};
	bool all = list->n > 0;

	if (tls.tls)
		return tls;
	for (size_t i = 0; i < list->n; i++)
		all &= list->items[i].pod &&
		       istio_client_mode(s->mesh, tls, list->items[i].pod->namespace,
					 &list->items[i].pod->labels,
					 list->items[i].port) == CLIENT_MTLS;
	tls.tls = all ? &mutual : &off;
	return tls;
}

void sidecar_service_cluster(struct sidecar *s, const struct service *svc,
			     const struct service_port *port, const char *host, const char *subset)
{
	struct arena *a = s->arena;
	const char *name = sidecar_cluster_name(a, (uint16_t)port->port, subset, host);
	const struct istio_destination_rule *rule =
		istio_destination_rule_for(s->mesh, s->pod->namespace, &s->pod->labels, host,
					   sidecar_namespace_of(&svc->meta));
	const struct istio_subset *sub = find_subset(rule, subset);
	struct istio_client_tls_source tls =
		istio_client_tls_for(rule, subset, (uint16_t)port->port);
	enum istio_protocol protocol = istio_port_protocol(port);
	struct doc *cluster = sidecar_yaml(a, common);
	endpoint_list endpoints = VEC_INIT;

	collect(s, svc, port, sub ? &sub->labels : NULL, &endpoints);
	vec_sort(&endpoints, by_address);
	doc_set_string(a, cluster, "name", name);
	doc_set_string(a, cluster, "type", "EDS");
	if (service_is_headless(svc)) {
		tls = headless_tls(s, &endpoints, tls);
		make_passthrough(cluster, a);
	} else {
		struct doc *eds = doc_set_map(a, cluster, "eds_cluster_config");

		doc_set_string(a, eds, "service_name", name);
		doc_set(a, eds, "eds_config",
			sidecar_path_source(s, arena_printf(a, "eds/%s", sidecar_folder(a, name)),
					    "eds"));
		doc_append(a, s->parts.endpoints, assignment(s, name, &endpoints, tls));
	}
	http_options(s, cluster, protocol);
	set_transport(
		s, cluster,
		arena_printf(a, "outbound_.%d_.%s_.%s", port->port, str_or_empty(subset), host),
		host, &endpoints, istio_protocol_is_h2(protocol), tls);
	doc_append(a, s->parts.clusters, cluster);
	vec_release(&endpoints);
}

void sidecar_fixed_clusters(struct sidecar *s)
{
	doc_append(s->arena, s->parts.clusters,
		   sidecar_yaml(s->arena,
				"name: BlackHoleCluster\ntype: STATIC\nconnect_timeout: 10s\n"));
	doc_append(s->arena, s->parts.clusters, sidecar_yaml(s->arena, "\
name: PassthroughCluster\n\
type: ORIGINAL_DST\n\
connect_timeout: 10s\n\
lb_policy: CLUSTER_PROVIDED\n\
circuit_breakers:\n\
  thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295,\n\
                max_requests: 4294967295, max_retries: 4294967295}]\n\
typed_extension_protocol_options:\n\
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n\
    '@type': " ENVOY_EXTENSION "upstreams.http.v3.HttpProtocolOptions\n\
    use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}\n"));
}
