/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inbound: one listener on 15006, a filter chain per port and way of connecting. Which ways a port
 * has is the table below, istiod's own (STRICT, PERMISSIVE and no mTLS, by the port's protocol).
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/mtls.h"
#include "lib/istio/redirect.h"
#include "lib/istio/sidecar_internal.h"

static const char *const mesh_http[] = {"istio-http/1.0", "istio-http/1.1", "istio-h2", NULL};
static const char *const mesh_all[] = {"istio", "istio-http/1.0", "istio-http/1.1", "istio-h2",
				       NULL};
static const char *const mesh_tcp[] = {"istio", NULL};
static const char *const plain_http[] = {"http/1.1", "h2c", NULL};

enum { WAY_HTTP = 1, WAY_TCP = 2, WAY_ANY = 4 };

static const struct way {
	enum istio_mtls_mode mode;
	unsigned ports; /* declared HTTP, declared TCP, or neither (sniffed) */
	bool tls;       /* matches TLS */
	bool terminate; /* and ends it, asking for a certificate of the mesh */
	const char *const *alpn;
	bool http;
} ways[] = {
	{MTLS_STRICT, WAY_HTTP, true, true, NULL, true},
	{MTLS_STRICT, WAY_TCP, true, true, NULL, false},
	{MTLS_STRICT, WAY_ANY, true, true, mesh_http, true},
	{MTLS_STRICT, WAY_ANY, true, true, NULL, false},
	{MTLS_PERMISSIVE, WAY_HTTP, true, true, mesh_all, true},
	{MTLS_PERMISSIVE, WAY_HTTP, false, false, NULL, true},
	{MTLS_PERMISSIVE, WAY_TCP, true, true, mesh_all, false},
	{MTLS_PERMISSIVE, WAY_TCP, true, false, NULL, false},
	{MTLS_PERMISSIVE, WAY_TCP, false, false, NULL, false},
	{MTLS_PERMISSIVE, WAY_ANY, true, true, mesh_http, true},
	{MTLS_PERMISSIVE, WAY_ANY, false, false, plain_http, true},
	{MTLS_PERMISSIVE, WAY_ANY, true, true, mesh_tcp, false},
	{MTLS_PERMISSIVE, WAY_ANY, false, false, NULL, false},
	{MTLS_PERMISSIVE, WAY_ANY, true, false, NULL, false},
	{MTLS_DISABLE, WAY_HTTP, false, false, NULL, true},
	{MTLS_DISABLE, WAY_TCP, false, false, NULL, false},
	{MTLS_DISABLE, WAY_ANY, false, false, plain_http, true},
	{MTLS_DISABLE, WAY_ANY, false, false, NULL, false},
};

/* A pod port that some Service names. */
struct target {
	uint16_t port;
	enum istio_protocol protocol;
};

struct inbound {
	struct sidecar *s;
	struct doc *chains;
	bool sniffs_http, sniffs_tls;
};

static struct doc *match_of(struct arena *a, uint16_t port, const struct way *way)
{
	struct doc *match = doc_map(a);

	if (port)
		doc_set_int(a, match, "destination_port", port);
	doc_set_string(a, match, "transport_protocol", way->tls ? "tls" : "raw_buffer");
	for (size_t i = 0; way->alpn && way->alpn[i]; i++)
		doc_append(a, doc_set_list(a, match, "application_protocols"),
			   doc_string(a, way->alpn[i]));
	return match;
}

/* One virtual host that sends everything to the application. */
static struct doc *inbound_routes(struct arena *a, const char *cluster, uint16_t port, bool grpc)
{
	struct doc *config = sidecar_yaml(a, "\
virtual_hosts:\n\
- domains: ['*']\n\
  routes:\n\
  - name: default\n\
    match: {prefix: /}\n\
    route:\n\
      timeout: 0s\n\
      retry_policy: {retry_on: reset-before-request, num_retries: 2}\n\
      max_stream_duration: {max_stream_duration: 0s, grpc_timeout_header_max: 0s}\n\
validate_clusters: false\n");

	if (grpc) /* a stream may have begun to answer: nothing is sent twice */
		doc_del(doc_find(config, "virtual_hosts[0].routes[0].route"), "retry_policy");
	doc_set_string(a, config, "name", cluster);
	doc_setf(a, doc_find(config, "virtual_hosts[0]"), "name", "inbound|http|%u", port);
	doc_set_string(a, doc_find(config, "virtual_hosts[0].routes[0].route"), "cluster", cluster);
	return config;
}

static void add_way(struct inbound *in, const struct target *t, const struct way *way,
		    const char *name, const char *cluster)
{
	struct arena *a = in->s->arena;
	struct doc *chain = doc_append(a, in->chains, doc_map(a));
	struct doc *filters = doc_set_list(a, chain, "filters");
	const char *prefix = t->port ? arena_printf(a, "inbound_0.0.0.0_%u;", t->port) : cluster;

	doc_set_string(a, chain, "name", name);
	doc_set(a, chain, "filter_chain_match", match_of(a, t->port, way));
	if (way->terminate)
		doc_set(a, chain, "transport_socket", sidecar_downstream_tls(in->s));
	if (way->http) {
		doc_append(
			a, filters,
			sidecar_http(in->s, prefix,
				     inbound_routes(a, cluster, t->port, t->protocol == PROTO_GRPC),
				     NULL, true));
	} else {
		sidecar_add_rbac(in->s, filters, false);
		doc_append(a, filters, sidecar_tcp_proxy(in->s, cluster, cluster));
	}
	in->sniffs_tls |= way->tls;
	in->sniffs_http |= way->alpn == plain_http;
}

static void add_ways(struct inbound *in, const struct target *t, enum istio_mtls_mode mode,
		     const char *cluster)
{
	struct arena *a = in->s->arena;
	const char *name = t->port ? arena_printf(a, "0.0.0.0_%u", t->port) : "virtualInbound";
	unsigned kind = istio_protocol_is_http(t->protocol) ? WAY_HTTP
			: t->protocol == PROTO_UNKNOWN      ? WAY_ANY
							    : WAY_TCP;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].mode != mode || ways[i].ports != kind)
			continue;
		add_way(in, t, &ways[i], n ? arena_printf(a, "%s-%zu", name, n) : name, cluster);
		n++;
	}
}

/* The cluster that hands a connection to the application, from an address the rules let pass. */
static void inbound_cluster(struct sidecar *s, const char *name, enum istio_protocol protocol)
{
	struct doc *c = sidecar_yaml(s->arena, "\
type: ORIGINAL_DST\n\
connect_timeout: 10s\n\
lb_policy: CLUSTER_PROVIDED\n\
circuit_breakers:\n\
  thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295,\n\
                max_requests: 4294967295, max_retries: 4294967295}]\n\
upstream_bind_config: {source_address: {address: 127.0.0.6, port_value: 0}}\n");

	doc_set_string(s->arena, c, "name", name);
	if (protocol != PROTO_HTTP && protocol != PROTO_TCP && protocol != PROTO_TLS) {
		struct doc *options = sidecar_yaml(
			s->arena, istio_protocol_is_h2(protocol)
					  ? "{'@type': " ENVOY_EXTENSION
					    "upstreams.http.v3.HttpProtocolOptions,\n"
					    " explicit_http_config: {http2_protocol_options: {}}}"
					  : "{'@type': " ENVOY_EXTENSION
					    "upstreams.http.v3.HttpProtocolOptions,\n"
					    " use_downstream_protocol_config:"
					    " {http_protocol_options: {},"
					    " http2_protocol_options: {}}}");

		doc_set(s->arena, doc_set_map(s->arena, c, "typed_extension_protocol_options"),
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options);
	}
	doc_append(s->arena, s->parts.clusters, c);
}

/* The first Service (they are sorted by age) says what a port speaks. */
static size_t targets_of(struct sidecar *s, struct target *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->mesh->n_services; i++) {
		const struct service *svc = &s->mesh->services[i];

		if (!istio_service_selects(svc, s->pod->namespace, &s->pod->labels))
			continue;
		for (size_t j = 0; j < svc->n_ports && n < max; j++) {
			struct target t = {
				.port = istio_target_port(&svc->ports[j], s->pod->spec),
				.protocol = istio_port_protocol(&svc->ports[j]),
			};
			bool seen = t.port == 0 || t.protocol == PROTO_UDP;

			for (size_t k = 0; k < n; k++)
				seen |= out[k].port == t.port;
			if (!seen)
				out[n++] = t;
		}
	}
	return n;
}

#define MAX_TARGETS 256

static void add_targets(struct inbound *in)
{
	struct sidecar *s = in->s;
	struct target *targets = arena_array(s->arena, MAX_TARGETS, struct target);
	size_t n = targets_of(s, targets, MAX_TARGETS);

	for (size_t i = 0; i < n; i++) {
		const struct target *t = &targets[i];
		enum istio_mtls_mode mode =
			istio_server_mtls(s->mesh, s->pod->namespace, &s->pod->labels, t->port)
				.mode;
		const char *cluster = arena_printf(s->arena, "inbound|%u||", t->port);

		add_ways(in, t, mode, cluster);
		inbound_cluster(s, cluster, t->protocol);
	}
}

static void add_listener_filters(struct inbound *in, struct doc *listener)
{
	struct arena *a = in->s->arena;
	struct doc *list = doc_set_list(a, listener, "listener_filters");

	doc_append(a, list,
		   sidecar_yaml(a, "name: envoy.filters.listener.original_dst\n"
				   "typed_config: {'@type': " ENVOY_EXTENSION
				   "filters.listener.original_dst.v3.OriginalDst}\n"));
	doc_append(a, list,
		   sidecar_yaml(a, "name: envoy.filters.listener.tls_inspector\n"
				   "typed_config: {'@type': " ENVOY_EXTENSION
				   "filters.listener.tls_inspector.v3.TlsInspector,"
				   " initial_read_buffer_size: 512}\n"
				   "filter_disabled: {destination_port_range:"
				   " {start: 15006, end: 15007}}\n"));
	if (in->sniffs_http)
		doc_append(a, list,
			   sidecar_yaml(a, "name: envoy.filters.listener.http_inspector\n"
					   "typed_config: {'@type': " ENVOY_EXTENSION
					   "filters.listener.http_inspector.v3.HttpInspector}\n"
					   "filter_disabled: {destination_port_range:"
					   " {start: 15006, end: 15007}}\n"));
}

void sidecar_inbound(struct sidecar *s)
{
	struct arena *a = s->arena;
	struct doc *listener =
		sidecar_yaml(a, "name: virtualInbound\n"
				"address: {socket_address: {address: 0.0.0.0, port_value: 15006}}\n"
				"traffic_direction: INBOUND\n"
				"max_connections_to_accept_per_socket_event: 1\n"
				"listener_filters_timeout: 0s\n"
				"continue_on_listener_filters_timeout: true\n"
				"filter_chains:\n"
				"- name: virtualInbound-blackhole\n"
				"  filter_chain_match: {destination_port: 15006}\n");
	struct inbound in = {.s = s, .chains = doc_get(listener, "filter_chains")};
	enum istio_mtls_mode mode =
		istio_server_mtls(s->mesh, s->pod->namespace, &s->pod->labels, 0).mode;
	struct target any = {.port = 0, .protocol = PROTO_UNKNOWN};

	doc_append(a, doc_set_list(a, doc_at(in.chains, 0), "filters"),
		   sidecar_tcp_proxy(s, "BlackHoleCluster", "BlackHoleCluster"));
	add_ways(&in, &any, mode, "InboundPassthroughCluster");
	add_targets(&in);
	inbound_cluster(s, "InboundPassthroughCluster", PROTO_UNKNOWN);
	add_listener_filters(&in, listener);
	doc_append(a, s->parts.listeners, listener);
}
