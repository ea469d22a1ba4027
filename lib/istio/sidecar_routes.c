/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of one Service port: the VirtualService of its host, or everything to the Service.
 * Rendered are matches, weighted destinations, time-outs, retries, rewrites and request headers;
 * faults, mirrors, CORS, redirects and direct answers are not (the lab has none).
 */
#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "lib/istio/sidecar_internal.h"

static const char default_retries[] = "\
retry_on: connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes\n\
num_retries: 2\n\
retry_host_predicate:\n\
- name: envoy.retry_host_predicates.previous_hosts\n\
  typed_config: {'@type': " ENVOY_EXTENSION "retry.host.previous_hosts.v3.PreviousHostsPredicate}\n\
host_selection_retry_max_attempts: 5\n";

/* --- matches -------------------------------------------------------------------------------- */

/* Istio's StringMatch as Envoy's StringMatcher; NULL when it says nothing (present). */
static struct doc *string_match(struct arena *a, const struct doc *d)
{
	static const char *const same[] = {"exact", "prefix"};
	struct doc *out = doc_map(a);

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (doc_get(d, same[i]))
			doc_set_string(a, out, same[i], doc_str(doc_get(d, same[i])));
	if (doc_get(d, "regex"))
		doc_set_string(a, doc_set_map(a, out, "safe_regex"), "regex",
			       doc_str(doc_get(d, "regex")));
	return doc_len(out) ? out : NULL;
}

static void add_header(struct arena *a, struct doc *match, const char *name, const struct doc *d,
		       bool invert)
{
	struct doc *h = doc_append(a, doc_set_list(a, match, "headers"), doc_map(a));
	struct doc *matcher = string_match(a, d);

	doc_set_string(a, h, "name", name);
	if (matcher)
		doc_set(a, h, "string_match", matcher);
	else
		doc_set_bool(a, h, "present_match", true);
	if (invert) {
		doc_set_bool(a, h, "invert_match", true);
		doc_set_bool(a, h, "treat_missing_header_as_empty", true);
	}
}

static void set_path(struct arena *a, struct doc *match, const struct doc *uri, bool ignore_case)
{
	if (doc_get(uri, "exact"))
		doc_set_string(a, match, "path", doc_str(doc_get(uri, "exact")));
	else if (doc_get(uri, "regex"))
		doc_set_string(a, doc_set_map(a, match, "safe_regex"), "regex",
			       doc_str(doc_get(uri, "regex")));
	else
		doc_set_string(a, match, "prefix",
			       doc_get(uri, "prefix") ? doc_str(doc_get(uri, "prefix")) : "/");
	if (ignore_case)
		doc_set_bool(a, match, "case_sensitive", false);
}

static struct doc *route_match(struct arena *a, const struct doc *m)
{
	static const char *const pseudo[][2] = {
		{"method", ":method"},
		{"authority", ":authority"},
		{"scheme", ":scheme"},
	};
	struct doc *match = doc_map(a);

	set_path(a, match, doc_get(m, "uri"), doc_bool_or(doc_get(m, "ignoreUriCase"), false));
	doc_foreach_entry (doc_get(m, "headers"), e)
		add_header(a, match, e->key, e->value, false);
	doc_foreach_entry (doc_get(m, "withoutHeaders"), e)
		add_header(a, match, e->key, e->value, true);
	for (size_t i = 0; i < ARRAY_SIZE(pseudo); i++)
		if (doc_get(m, pseudo[i][0]))
			add_header(a, match, pseudo[i][1], doc_get(m, pseudo[i][0]), false);
	doc_foreach_entry (doc_get(m, "queryParams"), e) {
		struct doc *q =
			doc_append(a, doc_set_list(a, match, "query_parameters"), doc_map(a));
		struct doc *matcher = string_match(a, e->value);

		doc_set_string(a, q, "name", e->key);
		if (matcher)
			doc_set(a, q, "string_match", matcher);
		else
			doc_set_bool(a, q, "present_match", true);
	}
	return match;
}

/* What is decided while rendering, because it is about this client: port, namespace, labels. */
static bool match_is_ours(struct sidecar *s, const struct doc *m, int32_t port)
{
	const struct doc *gateways = doc_get(m, "gateways");
	const char *ns = doc_str(doc_get(m, "sourceNamespace"));
	bool mesh = doc_len(gateways) == 0;

	doc_foreach_item (gateways, g)
		mesh |= str_eq(doc_str(g), "mesh");
	if (!mesh || doc_int_or(doc_get(m, "port"), port) != port)
		return false;
	if (doc_len(gateways) > 0) /* then the source is not looked at */
		return true;
	if (ns && !str_eq(ns, s->pod->namespace))
		return false;
	doc_foreach_entry (doc_get(m, "sourceLabels"), e)
		if (!str_eq(strmap_get(&s->pod->labels, e->key), doc_str(e->value)))
			return false;
	return true;
}

/* --- actions -------------------------------------------------------------------------------- */

struct route_context {
	struct sidecar *s;
	const struct istio_virtual_service *vs;
	const struct service_port *port;
	const char *ns; /* of the VirtualService */
};

static const char *destination_cluster(struct route_context *c,
				       const struct istio_route_destination *to)
{
	struct arena *a = c->s->arena;
	const char *host =
		istio_host_fqdn(a, to->destination.host, c->ns, c->s->mesh->config.domain_suffix);
	int32_t port = to->destination.port ? to->destination.port : c->port->port;

	return sidecar_cluster_name(a, (uint16_t)port, to->destination.subset, host);
}

static void set_destinations(struct route_context *c, const struct istio_http_route *r,
			     struct doc *action)
{
	struct arena *a = c->s->arena;
	struct doc *clusters;

	if (r->n_route == 1) { /* a single one takes everything, whatever its weight */
		doc_set_string(a, action, "cluster", destination_cluster(c, &r->route[0]));
		return;
	}
	clusters = doc_set_list(a, doc_set_map(a, action, "weighted_clusters"), "clusters");
	for (size_t i = 0; i < r->n_route; i++) {
		struct doc *w;

		if (r->route[i].weight == 0)
			continue;
		w = doc_append(a, clusters, doc_map(a));
		doc_set_string(a, w, "name", destination_cluster(c, &r->route[i]));
		doc_set_int(a, w, "weight", r->route[i].weight);
	}
}

static void set_retries(struct arena *a, const struct doc *retries, struct doc *action)
{
	struct doc *policy;
	const char *per_try = doc_str(doc_get(retries, "perTryTimeout"));
	const char *on = doc_str(doc_get(retries, "retryOn"));

	if (retries && doc_int_or(doc_get(retries, "attempts"), 2) == 0)
		return;
	policy = doc_set(a, action, "retry_policy", sidecar_yaml(a, default_retries));
	if (!retries)
		return;
	doc_set_int(a, policy, "num_retries", doc_int_or(doc_get(retries, "attempts"), 2));
	if (per_try)
		doc_set_string(a, policy, "per_try_timeout", per_try);
	if (on)
		doc_set_string(a, policy, "retry_on", on);
}

/* Envoy's Duration is seconds; Istio writes Go's ("1m30s"). */
static const char *seconds(struct arena *a, const char *duration)
{
	uint64_t ns;

	if (!duration || str_to_duration_ns(duration, &ns, NULL) < 0)
		return "0s";
	return ns % 1000000000
		       ? arena_printf(a, "%llu.%09llus", (unsigned long long)(ns / 1000000000),
				      (unsigned long long)(ns % 1000000000))
		       : arena_printf(a, "%llus", (unsigned long long)(ns / 1000000000));
}

static void set_rewrite(struct arena *a, const struct doc *rewrite, struct doc *action)
{
	const char *uri = doc_str(doc_get(rewrite, "uri"));
	const char *authority = doc_str(doc_get(rewrite, "authority"));

	if (uri)
		doc_set_string(a, action, "prefix_rewrite", uri);
	if (authority)
		doc_set_string(a, action, "host_rewrite_literal", authority);
}

static void set_headers(struct arena *a, const struct doc *request, struct doc *route)
{
	static const struct {
		const char *key, *action;
	} kinds[] = {
		{"set", "OVERWRITE_IF_EXISTS_OR_ADD"},
		{"add", "APPEND_IF_EXISTS_OR_ADD"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		doc_foreach_entry (doc_get(request, kinds[i].key), e) {
			struct doc *h = doc_append(
				a, doc_set_list(a, route, "request_headers_to_add"), doc_map(a));
			struct doc *pair = doc_set_map(a, h, "header");

			doc_set_string(a, pair, "key", e->key);
			doc_set_string(a, pair, "value", str_or_empty(doc_str(e->value)));
			doc_set_string(a, h, "append_action", kinds[i].action);
		}
	doc_foreach_item (doc_get(request, "remove"), name)
		doc_append(a, doc_set_list(a, route, "request_headers_to_remove"),
			   doc_clone(a, name));
}

static struct doc *make_route(struct route_context *c, const struct istio_http_route *r,
			      const struct doc *match)
{
	struct arena *a = c->s->arena;
	struct doc *route = doc_map(a), *action = doc_map(a);

	doc_set(a, route, "match", route_match(a, match));
	set_destinations(c, r, action);
	doc_set_string(a, action, "timeout", seconds(a, r->timeout));
	set_retries(a, r->retries, action);
	set_rewrite(a, doc_get(r->doc, "rewrite"), action);
	set_headers(a, doc_find(r->doc, "headers.request"), route);
	doc_set(a, route, "route", action);
	return route;
}

static void virtual_routes(struct route_context *c, struct doc *out)
{
	for (size_t i = 0; i < c->vs->n_http; i++) {
		const struct istio_http_route *r = &c->vs->http[i];

		if (r->n_route == 0)
			continue;
		if (doc_len(r->match) == 0)
			doc_append(c->s->arena, out, make_route(c, r, NULL));
		doc_foreach_item (r->match, m)
			if (match_is_ours(c->s, m, c->port->port))
				doc_append(c->s->arena, out, make_route(c, r, m));
	}
}

/* Exact hosts before wildcards, then the oldest (the list is sorted by age). */
static const struct istio_virtual_service *find_virtual(struct sidecar *s, const char *host)
{
	const struct istio_virtual_service *best = NULL;
	const char *best_host = NULL;

	for (size_t i = 0; i < s->mesh->n_virtual_services; i++) {
		const struct istio_virtual_service *vs = &s->mesh->virtual_services[i];
		const char *ns = sidecar_namespace_of(&vs->meta);

		if (!istio_virtual_service_in_mesh(vs) || vs->n_http == 0 ||
		    !istio_exported(&vs->export_to, ns, s->pod->namespace))
			continue;
		for (size_t j = 0; j < vs->hosts.n; j++) {
			const char *pattern = istio_host_fqdn(s->arena, vs->hosts.items[j], ns,
							      s->mesh->config.domain_suffix);

			if (!istio_host_matches(pattern, host) ||
			    (best && istio_host_specificity(pattern, best_host) <= 0))
				continue;
			best = vs;
			best_host = pattern;
		}
	}
	return best;
}

struct doc *sidecar_default_route(struct sidecar *s, const char *cluster)
{
	struct doc *route = sidecar_yaml(s->arena, "name: default\nmatch: {prefix: /}\n");
	struct doc *action = doc_set_map(s->arena, route, "route");

	doc_set_string(s->arena, action, "cluster", cluster);
	doc_set_string(s->arena, action, "timeout", "0s");
	doc_set(s->arena, action, "retry_policy", sidecar_yaml(s->arena, default_retries));
	return route;
}

struct doc *sidecar_routes(struct sidecar *s, const struct service_port *port, const char *host)
{
	struct doc *out = doc_list(s->arena);
	struct route_context c = {.s = s, .vs = find_virtual(s, host), .port = port};

	if (c.vs) {
		c.ns = sidecar_namespace_of(&c.vs->meta);
		virtual_routes(&c, out);
		return out;
	}
	doc_append(s->arena, out,
		   sidecar_default_route(
			   s, sidecar_cluster_name(s->arena, (uint16_t)port->port, NULL, host)));
	return out;
}
