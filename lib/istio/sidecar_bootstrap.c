/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/redirect.h"
#include "lib/istio/sidecar_internal.h"

/* A static listener on every address, with one virtual host of routes to `cluster`s. */
static const char listener_text[] =
	"\
filter_chains:\n\
- filters:\n\
  - name: envoy.filters.network.http_connection_manager\n\
    typed_config:\n\
      '@type': " ENVOY_EXTENSION
	"filters.network.http_connection_manager.v3.HttpConnectionManager\n\
      route_config:\n\
        virtual_hosts: [{name: all, domains: ['*'], routes: []}]\n\
      http_filters:\n\
      - name: envoy.filters.http.router\n\
        typed_config: {'@type': " ENVOY_EXTENSION "filters.http.router.v3.Router}\n";

static const char skeleton[] = "\
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}}\n\
dynamic_resources: {}\n\
static_resources:\n\
  listeners: []\n\
  clusters: []\n\
layered_runtime:\n\
  layers:\n\
  - name: static\n\
    static_layer:\n\
      re2.max_program_size.error_level: 32768\n";

struct boot {
	struct arena *arena;
	struct doc *doc, *listeners, *clusters;
};

static struct doc *add_listener(struct boot *b, const char *name, uint16_t port)
{
	struct doc *l = doc_append(b->arena, b->listeners, sidecar_yaml(b->arena, listener_text));
	struct doc *at =
		doc_set_map(b->arena, doc_set_map(b->arena, l, "address"), "socket_address");
	struct doc *config = doc_find(l, "filter_chains[0].filters[0].typed_config");

	doc_set_string(b->arena, l, "name", name);
	doc_set_string(b->arena, at, "address", "0.0.0.0");
	doc_set_int(b->arena, at, "port_value", port);
	doc_set_string(b->arena, config, "stat_prefix", name);
	return doc_find(config, "route_config.virtual_hosts[0].routes");
}

static void add_cluster(struct boot *b, const char *name, const char *address, uint16_t port,
			bool from_proxy)
{
	struct arena *a = b->arena;
	struct doc *c = doc_append(
		a, b->clusters,
		sidecar_yaml(a, "type: STATIC\nconnect_timeout: 1s\n"
				"load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address:"
				" {socket_address: {}}}}]}]}\n"));
	struct doc *at = doc_find(c, "load_assignment.endpoints[0].lb_endpoints[0].endpoint."
				     "address.socket_address");

	doc_set_string(a, c, "name", name);
	doc_set_string(a, doc_get(c, "load_assignment"), "cluster_name", name);
	doc_set_string(a, at, "address", address);
	doc_set_int(a, at, "port_value", port);
	if (from_proxy) /* the address that the redirect rules let through to the application */
		doc_set(a, c, "upstream_bind_config",
			sidecar_yaml(a, "{source_address: {address: 127.0.0.6, port_value: 0}}"));
}

static void add_route(struct boot *b, struct doc *routes, const char *kind, const char *path,
		      const char *cluster, const char *rewrite)
{
	struct arena *a = b->arena;
	struct doc *r = doc_append(a, routes, doc_map(a));
	struct doc *action = doc_map(a);

	doc_set_string(a, doc_set_map(a, r, "match"), kind, path);
	doc_set_string(a, action, "cluster", cluster);
	doc_set_string(a, action, "timeout", "0s");
	if (rewrite)
		doc_set_string(a, action, "prefix_rewrite", rewrite);
	doc_set(a, r, "route", action);
}

/* --- the application's probes, as injection rewrote them ------------------------------------ */

static struct doc *probers(struct arena *a, const struct istio_workload *pod)
{
	static const char *const keys[] = {"initContainers", "containers"};
	struct doc *d = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		doc_foreach_item (doc_get(pod->spec, keys[i]), c) {
			if (!str_eq(doc_str(doc_get(c, "name")), "istio-proxy"))
				continue;
			doc_foreach_item (doc_get(c, "env"), e) {
				const char *text = doc_str(doc_get(e, "value"));

				if (text &&
				    str_eq(doc_str(doc_get(e, "name")), "ISTIO_KUBE_APP_PROBERS"))
					(void)doc_read_json(a, text, strlen(text), NULL, &d, NULL);
			}
		}
	return d;
}

static void add_probe_routes(struct boot *b, const struct istio_workload *pod, struct doc *routes)
{
	const char *ip = pod->pod && pod->pod->pod_ip ? pod->pod->pod_ip : "127.0.0.1";

	doc_foreach_entry (probers(b->arena, pod), e) {
		const struct doc *get = doc_get(e->value, "httpGet");
		int64_t port = doc_int_or(doc_get(get, "port"), 0);
		const char *path = doc_str(doc_get(get, "path"));
		const char *cluster = arena_printf(b->arena, "app%s", e->key);

		if (port <= 0 || port > UINT16_MAX)
			continue;
		add_cluster(b, cluster, ip, (uint16_t)port, true);
		add_route(b, routes, "path", e->key, cluster, str_empty(path) ? "/" : path);
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

static void add_dynamic(struct boot *b, const struct istio_sidecar_options *o)
{
	static const char *const kinds[][2] = {
		{"lds_config", "lds"},
		{"cds_config", "cds"},
	};
	struct sidecar s = {.arena = b->arena, .options = o};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		doc_set(b->arena, doc_get(b->doc, "dynamic_resources"), kinds[i][0],
			sidecar_path_source(&s, kinds[i][1], kinds[i][1]));
}

static void add_node(struct boot *b, const struct istio_workload *pod)
{
	struct doc *node = doc_set_map(b->arena, b->doc, "node");
	const char *ip = pod->pod ? pod->pod->pod_ip : NULL;

	doc_setf(b->arena, node, "id", "sidecar~%s~%s.%s~%s.svc.cluster.local", str_or_empty(ip),
		 pod->name, pod->namespace, pod->namespace);
	doc_setf(b->arena, node, "cluster", "%s.%s", pod->service_account, pod->namespace);
}

struct doc *istio_sidecar_bootstrap(struct arena *a, const struct istio_workload *pod,
				    const struct istio_sidecar_options *o)
{
	struct boot b = {.arena = a, .doc = sidecar_yaml(a, skeleton)};
	struct doc *routes;

	b.listeners = doc_find(b.doc, "static_resources.listeners");
	b.clusters = doc_find(b.doc, "static_resources.clusters");
	add_node(&b, pod);
	add_dynamic(&b, o);
	add_cluster(&b, "agent", "127.0.0.1", ISTIO_PORT_ADMIN, false);
	routes = add_listener(&b, "health", ISTIO_PORT_HEALTH);
	add_route(&b, routes, "path", "/healthz/ready", "agent", ISTIO_READY_PATH);
	routes = add_listener(&b, "stats", ISTIO_PORT_STATS);
	add_route(&b, routes, "path", "/stats/prometheus", "agent", NULL);
	routes = add_listener(&b, "probes", ISTIO_PORT_AGENT);
	add_route(&b, routes, "path", "/stats/prometheus", "agent", NULL);
	add_route(&b, routes, "path", "/healthz/ready", "agent", ISTIO_READY_PATH);
	add_probe_routes(&b, pod, routes);
	return b.doc;
}
