/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"
#include "lib/istio/sidecar_internal.h"

/* As istiod does with accessLogEncoding JSON: a line for each request, or each TCP connection. */
static void access_log(struct sidecar *s, struct doc *config)
{
	struct doc *log;

	if (str_empty(s->options->access_log))
		return;
	log = sidecar_yaml(s->arena,
			   "name: envoy.access_loggers.file\n"
			   "typed_config:\n"
			   "  '@type': " ENVOY_EXTENSION "access_loggers.file.v3.FileAccessLog\n"
			   "  log_format:\n"
			   "    json_format:\n"
			   "      start_time: '%START_TIME%'\n"
			   "      duration: '%DURATION%'\n"
			   "      response_code: '%RESPONSE_CODE%'\n"
			   "      response_flags: '%RESPONSE_FLAGS%'\n"
			   "      upstream_cluster: '%UPSTREAM_CLUSTER%'\n"
			   "      upstream_host: '%UPSTREAM_HOST%'\n"
			   "      downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%'\n");
	doc_set_string(s->arena, doc_get(log, "typed_config"), "path", s->options->access_log);
	doc_append(s->arena, doc_set_list(s->arena, config, "access_log"), log);
}

struct doc *sidecar_tcp_proxy(struct sidecar *s, const char *stat_prefix, const char *cluster)
{
	struct doc *filter = sidecar_yaml(s->arena, "name: envoy.filters.network.tcp_proxy\n"
						    "typed_config:\n"
						    "  '@type': " ENVOY_EXTENSION
						    "filters.network.tcp_proxy.v3.TcpProxy\n");
	struct doc *config = doc_get(filter, "typed_config");

	doc_set_string(s->arena, config, "stat_prefix", stat_prefix);
	doc_set_string(s->arena, config, "cluster", cluster);
	/* A server that is slow to speak is no idle connection. */
	doc_set_string(s->arena, config, "idle_timeout", "0s");
	access_log(s, config);
	return filter;
}

static const char manager[] = "\
name: envoy.filters.network.http_connection_manager\n\
typed_config:\n\
  '@type': " ENVOY_EXTENSION "filters.network.http_connection_manager.v3.HttpConnectionManager\n\
  stream_idle_timeout: 0s\n\
  use_remote_address: false\n\
  proxy_100_continue: true\n\
  upgrade_configs: [{upgrade_type: websocket}]\n\
  normalize_path: true\n\
  path_with_escaped_slashes_action: KEEP_UNCHANGED\n";

static const char *const plain_filters[] = {
	"name: envoy.filters.http.fault\n"
	"typed_config: {'@type': " ENVOY_EXTENSION "filters.http.fault.v3.HTTPFault}\n",
	"name: envoy.filters.http.cors\n"
	"typed_config: {'@type': " ENVOY_EXTENSION "filters.http.cors.v3.Cors}\n",
	"name: envoy.filters.http.router\n"
	"typed_config: {'@type': " ENVOY_EXTENSION "filters.http.router.v3.Router}\n",
};

struct doc *sidecar_http(struct sidecar *s, const char *stat_prefix, struct doc *routes,
			 const char *rds_name, bool inbound)
{
	struct doc *filter = sidecar_yaml(s->arena, manager);
	struct doc *config = doc_get(filter, "typed_config");
	struct doc *filters = doc_set_list(s->arena, config, "http_filters");

	doc_set_string(s->arena, config, "stat_prefix", stat_prefix);
	if (routes) {
		doc_set(s->arena, config, "route_config", routes);
	} else {
		struct doc *rds = doc_set_map(s->arena, config, "rds");

		doc_set_string(s->arena, rds, "route_config_name", rds_name);
		doc_set(s->arena, rds, "config_source",
			sidecar_path_source(s,
					    arena_printf(s->arena, "rds/%s",
							 sidecar_folder(s->arena, rds_name)),
					    "rds"));
	}
	if (inbound) {
		doc_set_string(s->arena, config, "server_name", "istio-envoy");
		doc_set_string(s->arena, config, "forward_client_cert_details", "APPEND_FORWARD");
		doc_set(s->arena, config, "set_current_client_cert_details",
			sidecar_yaml(s->arena, "{subject: true, dns: true, uri: true}"));
		sidecar_add_rbac(s, filters, true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(plain_filters); i++)
		doc_append(s->arena, filters, sidecar_yaml(s->arena, plain_filters[i]));
	access_log(s, config);
	return filter;
}
