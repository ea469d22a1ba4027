/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden/istio/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/strbuf.h"

/* Lists whose order means nothing are put in the order of their text. */
struct keyed {
	char *text;
	struct doc *item;
};

static int keyed_cmp(const void *x, const void *y)
{
	return strcmp(((const struct keyed *)x)->text, ((const struct keyed *)y)->text);
}

static struct doc *sorted(struct arena *a, struct doc *list)
{
	size_t n = doc_len(list);
	struct keyed *keys = arena_array(a, n + 1, struct keyed);
	struct doc *out = doc_list(a);

	for (size_t i = 0; i < n; i++) {
		auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

		keys[i].item = doc_at(list, i);
		doc_sort_keys(keys[i].item);
		doc_write_json(keys[i].item, DOC_COMPACT, &sb);
		keys[i].text = arena_strdup(a, strbuf_cstr(&sb));
	}
	qsort(keys, n, sizeof(*keys), keyed_cmp);
	for (size_t i = 0; i < n; i++)
		doc_append(a, out, keys[i].item);
	return out;
}

static void copy(struct arena *a, struct doc *to, const struct doc *from, const char *key)
{
	const struct doc *v = doc_get(from, key);

	if (v)
		doc_set(a, to, key, doc_clone(a, v));
}

/* ---- transport sockets ---- */

/* Only Istio's own Envoy speaks istio-peer-exchange; a stock one must not offer it. */
static struct doc *reduce_alpn(struct arena *a, const struct doc *list)
{
	struct doc *out = doc_list(a);

	doc_foreach_item (list, it)
		if (!str_eq(doc_str(it), "istio-peer-exchange"))
			doc_append(a, out, doc_clone(a, it));
	return out;
}

/* Which names the peer's certificate may carry, wherever the configuration says it. */
static struct doc *reduce_peers(struct arena *a, const struct doc *common)
{
	const struct doc *context = doc_get(common, "validation_context");
	struct doc *out = doc_list(a);

	if (!context)
		context =
			doc_find(common, "combined_validation_context.default_validation_context");
	doc_foreach_item (doc_get(context, "match_subject_alt_names"), it)
		doc_append(a, out, doc_clone(a, it));
	doc_foreach_item (doc_get(context, "match_typed_subject_alt_names"), it)
		doc_append(a, out, doc_clone(a, doc_get(it, "matcher")));
	return sorted(a, out);
}

static struct doc *reduce_socket(struct arena *a, const struct doc *socket)
{
	const struct doc *tls = doc_get(socket, "typed_config"), *common;
	struct doc *out;

	if (!str_eq(doc_find_str(socket, "name"), "envoy.transport_sockets.tls"))
		return doc_string(a, "plain");
	common = doc_get(tls, "common_tls_context");
	out = doc_map(a);
	doc_set(a, out, "peers", reduce_peers(a, common));
	doc_set(a, out, "alpn", reduce_alpn(a, doc_get(common, "alpn_protocols")));
	copy(a, out, tls, "sni");
	if (doc_bool_or(doc_get(tls, "require_client_certificate"), false))
		doc_set_bool(a, out, "require_client_certificate", true);
	return out;
}

/* ---- authorization ---- */

/* and/or of one thing is that thing; inside a list the order means nothing. */
static struct doc *reduce_rule(struct arena *a, const struct doc *rule)
{
	static const char *const groups[][2] = {
		{"and_rules", "rules"},
		{"or_rules", "rules"},
		{"and_ids", "ids"},
		{"or_ids", "ids"},
	};
	struct doc *out, *list;

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		const struct doc *members = doc_get(doc_get(rule, groups[g][0]), groups[g][1]);

		if (!members)
			continue;
		list = doc_list(a);
		doc_foreach_item (members, it)
			doc_append(a, list, reduce_rule(a, it));
		if (doc_len(list) == 1)
			return doc_at(list, 0);
		out = doc_map(a);
		doc_set(a, out, groups[g][0], sorted(a, list));
		return out;
	}
	if (doc_get(rule, "not_rule") || doc_get(rule, "not_id")) {
		const char *key = doc_get(rule, "not_rule") ? "not_rule" : "not_id";

		out = doc_map(a);
		doc_set(a, out, key, reduce_rule(a, doc_get(rule, key)));
		return out;
	}
	return doc_clone(a, rule);
}

static struct doc *reduce_rules(struct arena *a, const struct doc *rules)
{
	struct doc *out = doc_map(a), *policies = doc_set_map(a, out, "policies");
	const char *action = doc_find_str(rules, "action");

	doc_set_string(a, out, "action", action ? action : "ALLOW");
	doc_foreach_entry (doc_get(rules, "policies"), policy) {
		struct doc *to = doc_set_map(a, policies, policy->key);
		static const char *const lists[] = {"permissions", "principals"};

		for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
			struct doc *list = doc_list(a);

			doc_foreach_item (doc_get(policy->value, lists[i]), it)
				doc_append(a, list, reduce_rule(a, it));
			doc_set(a, to, lists[i], sorted(a, list));
		}
	}
	return out;
}

static void add_rbac(struct arena *a, struct doc *chain, const struct doc *filter)
{
	const struct doc *config = doc_get(filter, "typed_config");

	if (doc_get(config, "rules"))
		doc_append(a, doc_set_list(a, chain, "rbac"),
			   reduce_rules(a, doc_get(config, "rules")));
	if (doc_get(config, "shadow_rules"))
		doc_append(a, doc_set_list(a, chain, "rbac_dry_run"),
			   reduce_rules(a, doc_get(config, "shadow_rules")));
}

/* ---- routes ---- */

static struct doc *reduce_target(struct arena *a, const struct doc *action)
{
	const struct doc *weighted = doc_find(action, "weighted_clusters.clusters");
	struct doc *out;

	if (!weighted)
		return doc_string(a, doc_find_str(action, "cluster"));
	out = doc_map(a);
	doc_foreach_item (weighted, it)
		doc_set(a, out, str_or_empty(doc_find_str(it, "name")),
			doc_clone(a, doc_get(it, "weight")));
	return out;
}

static struct doc *reduce_route(struct arena *a, const struct doc *route)
{
	static const char *const kept[] = {"redirect", "direct_response", "request_headers_to_add",
					   "request_headers_to_remove", "typed_per_filter_config"};
	const struct doc *action = doc_get(route, "route"),
			 *retry = doc_get(action, "retry_policy");
	struct doc *out = doc_map(a), *match;

	copy(a, out, route, "match");
	match = doc_get(out, "match");
	if (doc_bool_or(doc_get(match, "case_sensitive"), false))
		doc_del(match, "case_sensitive"); /* true is Envoy's default */
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		copy(a, out, route, kept[i]);
	if (!action)
		return out;
	doc_set(a, out, "to", reduce_target(a, action));
	copy(a, out, action, "timeout");
	copy(a, out, action, "prefix_rewrite");
	copy(a, out, action, "host_rewrite_literal");
	if (retry) {
		struct doc *to = doc_set_map(a, out, "retries");

		copy(a, to, retry, "retry_on");
		copy(a, to, retry, "num_retries");
	}
	return out;
}

static struct doc *reduce_route_config(struct arena *a, const struct doc *config)
{
	struct doc *hosts = doc_list(a);

	doc_foreach_item (doc_get(config, "virtual_hosts"), host) {
		struct doc *to = doc_map(a), *routes = doc_set_list(a, to, "routes");

		doc_set(a, to, "domains", sorted(a, doc_clone(a, doc_get(host, "domains"))));
		doc_foreach_item (doc_get(host, "routes"), it)
			doc_append(a, routes, reduce_route(a, it));
		doc_append(a, hosts, to);
	}
	return sorted(a, hosts);
}

/* ---- listeners ---- */

/* A filter of Envoy's that is there to be switched on by a route, and is not, does nothing. */
static bool idle(const struct doc *filter)
{
	const char *name = str_or_empty(doc_find_str(filter, "name"));

	return str_starts(name, "istio.") || str_eq(name, "envoy.filters.http.grpc_stats") ||
	       doc_len(doc_get(filter, "typed_config")) <= 1;
}

static void reduce_http(struct arena *a, struct doc *chain, const struct doc *hcm)
{
	static const char *const kept[] = {"normalize_path", "path_with_escaped_slashes_action",
					   "merge_slashes", "forward_client_cert_details",
					   "use_remote_address"};
	struct doc *http = doc_set_map(a, chain, "http");
	const char *rds = doc_find_str(hcm, "rds.route_config_name");

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		copy(a, http, hcm, kept[i]);
	if (rds)
		doc_set_string(a, http, "routes_named", rds);
	else
		doc_set(a, http, "routes", reduce_route_config(a, doc_get(hcm, "route_config")));
	doc_foreach_item (doc_get(hcm, "http_filters"), it) {
		const char *name = doc_find_str(it, "name");

		if (str_eq(name, "envoy.filters.http.rbac"))
			add_rbac(a, chain, it);
		else if (!idle(it))
			doc_append(a, doc_set_list(a, http, "filters"), doc_string(a, name));
	}
}

static struct doc *reduce_chain(struct arena *a, const struct doc *chain)
{
	struct doc *out = doc_map(a);

	if (doc_len(doc_get(chain, "filter_chain_match"))) {
		const struct doc *protocols =
			doc_find(chain, "filter_chain_match.application_protocols");

		copy(a, out, chain, "filter_chain_match");
		if (protocols)
			doc_set(a, doc_get(out, "filter_chain_match"), "application_protocols",
				reduce_alpn(a, protocols));
	}
	doc_set(a, out, "transport", reduce_socket(a, doc_get(chain, "transport_socket")));
	doc_foreach_item (doc_get(chain, "filters"), it) {
		const char *name = str_or_empty(doc_find_str(it, "name"));

		if (str_ends(name, ".rbac"))
			add_rbac(a, out, it);
		else if (str_ends(name, ".http_connection_manager"))
			reduce_http(a, out, doc_get(it, "typed_config"));
		else if (str_ends(name, ".tcp_proxy"))
			doc_set(a, out, "tcp", reduce_target(a, doc_get(it, "typed_config")));
		else if (!str_starts(name, "istio."))
			doc_append(a, doc_set_list(a, out, "filters"), doc_string(a, name));
	}
	return out;
}

static struct doc *reduce_listener(struct arena *a, const struct doc *listener)
{
	struct doc *out = doc_map(a), *chains = doc_list(a), *inspectors = doc_list(a);

	copy(a, out, listener, "traffic_direction");
	copy(a, out, listener, "bind_to_port");
	copy(a, out, listener, "use_original_dst");
	doc_foreach_item (doc_get(listener, "listener_filters"), it)
		doc_append(a, inspectors, doc_string(a, doc_find_str(it, "name")));
	doc_set(a, out, "listener_filters", sorted(a, inspectors));
	doc_foreach_item (doc_get(listener, "filter_chains"), it)
		doc_append(a, chains, reduce_chain(a, it));
	doc_set(a, out, "chains", sorted(a, chains));
	if (doc_get(listener, "default_filter_chain"))
		doc_set(a, out, "default",
			reduce_chain(a, doc_get(listener, "default_filter_chain")));
	return out;
}

/* ---- clusters and endpoints ---- */

static struct doc *reduce_cluster(struct arena *a, const struct doc *cluster)
{
	struct doc *out = doc_map(a);
	const struct doc *matches = doc_get(cluster, "transport_socket_matches");

	copy(a, out, cluster, "type");
	if (doc_find(cluster, "upstream_bind_config.source_address.address"))
		doc_set_string(
			a, out, "source",
			doc_find_str(cluster, "upstream_bind_config.source_address.address"));
	if (!matches) {
		doc_set(a, out, "transport",
			reduce_socket(a, doc_get(cluster, "transport_socket")));
		return out;
	}
	doc_foreach_item (matches, it) {
		struct doc *to =
			doc_append(a, doc_set_list(a, out, "transport_by_endpoint"), doc_map(a));

		doc_set(a, to, "match", doc_clone(a, doc_get(it, "match")));
		doc_set(a, to, "transport", reduce_socket(a, doc_get(it, "transport_socket")));
	}
	return out;
}

static struct doc *reduce_endpoints(struct arena *a, const struct doc *assignment)
{
	struct doc *out = doc_list(a);

	doc_foreach_item (doc_get(assignment, "endpoints"), locality) {
		doc_foreach_item (doc_get(locality, "lb_endpoints"), it) {
			struct doc *to = doc_append(a, out, doc_map(a));
			const struct doc *at = doc_find(it, "endpoint.address.socket_address");

			doc_setf(a, to, "address", "%s:%lld",
				 str_or_empty(doc_find_str(at, "address")),
				 (long long)doc_find_int(at, "port_value", 0));
			doc_set_string(a, to, "tlsMode",
				       doc_find_str(it,
						    "metadata.filter_metadata"
						    "['envoy.transport_socket_match'].tlsMode"));
		}
	}
	return sorted(a, out);
}

/* ---- the whole ---- */

static const char *listener_key(struct arena *a, const struct doc *listener)
{
	const struct doc *at = doc_find(listener, "address.socket_address");

	return arena_printf(a, "%s:%lld", str_or_empty(doc_find_str(at, "address")),
			    (long long)doc_find_int(at, "port_value", 0));
}

struct doc *envoy_reduce(struct arena *a, const struct doc *config)
{
	struct doc *out = doc_map(a), *to = doc_set_map(a, out, "listeners");

	doc_foreach_item (doc_get(config, "listeners"), it)
		doc_set(a, to, listener_key(a, it), reduce_listener(a, it));
	to = doc_set_map(a, out, "routes");
	doc_foreach_item (doc_get(config, "routes"), it)
		doc_set(a, to, str_or_empty(doc_find_str(it, "name")), reduce_route_config(a, it));
	to = doc_set_map(a, out, "clusters");
	doc_foreach_item (doc_get(config, "clusters"), it)
		doc_set(a, to, str_or_empty(doc_find_str(it, "name")), reduce_cluster(a, it));
	to = doc_set_map(a, out, "endpoints");
	doc_foreach_item (doc_get(config, "endpoints"), it)
		doc_set(a, to, str_or_empty(doc_find_str(it, "cluster_name")),
			reduce_endpoints(a, it));
	doc_sort_keys(out);
	return out;
}
