/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/objects.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

#define NAME_ROW(symbol, name) [symbol] = (name),
static const char *const mtls_names[] = {ISTIO_MTLS_MODES(NAME_ROW) NULL};
static const char *const action_names[] = {ISTIO_ACTIONS(NAME_ROW) NULL};
static const char *const tls_names[] = {ISTIO_TLS_MODES(NAME_ROW) NULL};
/* In a document the first name is no value: an absent mode is what the code makes of it. */
static const char *const tls_doc_names[] = {[TLS_UNSET] = "DISABLE", "DISABLE", "SIMPLE", "MUTUAL",
					    "ISTIO_MUTUAL",          NULL};
#undef NAME_ROW

const char *istio_mtls_mode_name(enum istio_mtls_mode mode)
{
	return mtls_names[mode];
}

const char *istio_action_name(enum istio_action action)
{
	return action_names[action];
}

const char *istio_tls_mode_name(enum istio_tls_mode mode)
{
	return tls_names[mode];
}

int istio_meta_cmp_age(const struct object_meta *a, const struct object_meta *b)
{
	int order = str_cmp(a->creation_timestamp, b->creation_timestamp);

	/* No timestamp (a manifest, not an object of a server) sorts by name alone. */
	if (order == 0)
		order = str_cmp(a->name, b->name);
	if (order == 0)
		order = str_cmp(a->namespace, b->namespace);
	return order;
}

bool istio_selector_matches(const struct istio_selector *s, const struct strmap *labels)
{
	for (size_t i = 0; i < s->match_labels.n; i++) {
		const struct strmap_pair *want = &s->match_labels.items[i];

		if (!str_eq(strmap_get(labels, want->key), want->value))
			return false;
	}
	return true;
}

bool istio_virtual_service_in_mesh(const struct istio_virtual_service *vs)
{
	if (vs->gateways.n == 0)
		return true;
	for (size_t i = 0; i < vs->gateways.n; i++)
		if (str_eq(vs->gateways.items[i], "mesh"))
			return true;
	return false;
}

/* --- PeerAuthentication ------------------------------------------------------------------- */

static const struct bind_field peer_fields[] = {
	OBJECT_META_ROWS(struct istio_peer_authentication),
	BIND(struct istio_peer_authentication, selector.match_labels, "spec.selector.matchLabels",
	     BIND_STRMAP, 0),
	BIND_NAMED(struct istio_peer_authentication, mode, "spec.mtls.mode", 0, mtls_names),
	BIND(struct istio_peer_authentication, port_doc, "spec.portLevelMtls", BIND_DOC, 0),
};
static BIND_TABLE(peer_table, struct istio_peer_authentication, peer_fields);

static int mode_of(const char *name, int *ret_mode)
{
	for (int i = 0; mtls_names[i]; i++) {
		if (!str_eq(name, mtls_names[i]))
			continue;
		*ret_mode = i;
		return 0;
	}
	return -EINVAL;
}

static int decode_port_mtls(struct arena *a, struct istio_peer_authentication *pa,
			    struct error *err)
{
	size_t n = doc_len(pa->port_doc);

	if (n > ISTIO_MAX_ITEMS)
		return error_set(err, -E2BIG, "%s: portLevelMtls has %zu ports", pa->meta.name, n);
	if (n == 0)
		return 0;
	pa->ports = arena_array(a, n, struct istio_port_mtls);
	doc_foreach_entry (pa->port_doc, e) {
		struct istio_port_mtls *p = &pa->ports[pa->n_ports++];
		const struct doc *mode = doc_get(e->value, "mode");
		uint64_t port;
		int r;

		r = str_to_u64(e->key, 1, UINT16_MAX, &port, "portLevelMtls", err);
		if (r < 0)
			return error_wrap(err, r, "%s", doc_where(a, e->value));
		p->port = (uint16_t)port;
		p->mode = MTLS_UNSET;
		if (mode && mode_of(doc_str(mode), &p->mode) < 0)
			return error_set(err, -EINVAL,
					 "%s: spec.portLevelMtls[%s].mode: want one of UNSET, "
					 "DISABLE, PERMISSIVE, STRICT",
					 doc_where(a, mode), e->key);
	}
	return 0;
}

int istio_peer_authentication_decode(struct arena *a, const struct doc *doc,
				     struct istio_peer_authentication *ret,
				     struct bind_unknown *unknown, struct error *err)
{
	int r = object_decode_strict(a, &peer_table, doc, ret, unknown, err);

	return r < 0 ? r : decode_port_mtls(a, ret, err);
}

/* --- AuthorizationPolicy ------------------------------------------------------------------ */

/* A field that exists in Istio and that no member needs: it is not "unknown". */
#define NAMED_ROW(type, path_)        BIND(type, named, path_, BIND_DOC, 0)
#define LIST_ROW(type, member, path_) BIND(type, member, path_, BIND_STRINGS, 0)

static const struct bind_field from_fields[] = {
	LIST_ROW(struct istio_from, source.principals, "source.principals"),
	LIST_ROW(struct istio_from, source.not_principals, "source.notPrincipals"),
	LIST_ROW(struct istio_from, source.request_principals, "source.requestPrincipals"),
	LIST_ROW(struct istio_from, source.not_request_principals, "source.notRequestPrincipals"),
	LIST_ROW(struct istio_from, source.namespaces, "source.namespaces"),
	LIST_ROW(struct istio_from, source.not_namespaces, "source.notNamespaces"),
	LIST_ROW(struct istio_from, source.service_accounts, "source.serviceAccounts"),
	LIST_ROW(struct istio_from, source.not_service_accounts, "source.notServiceAccounts"),
	LIST_ROW(struct istio_from, source.ip_blocks, "source.ipBlocks"),
	LIST_ROW(struct istio_from, source.not_ip_blocks, "source.notIpBlocks"),
	LIST_ROW(struct istio_from, source.remote_ip_blocks, "source.remoteIpBlocks"),
	LIST_ROW(struct istio_from, source.not_remote_ip_blocks, "source.notRemoteIpBlocks"),
};
static BIND_TABLE(from_table, struct istio_from, from_fields);

static const struct bind_field to_fields[] = {
	LIST_ROW(struct istio_to, operation.hosts, "operation.hosts"),
	LIST_ROW(struct istio_to, operation.not_hosts, "operation.notHosts"),
	LIST_ROW(struct istio_to, operation.ports, "operation.ports"),
	LIST_ROW(struct istio_to, operation.not_ports, "operation.notPorts"),
	LIST_ROW(struct istio_to, operation.methods, "operation.methods"),
	LIST_ROW(struct istio_to, operation.not_methods, "operation.notMethods"),
	LIST_ROW(struct istio_to, operation.paths, "operation.paths"),
	LIST_ROW(struct istio_to, operation.not_paths, "operation.notPaths"),
};
static BIND_TABLE(to_table, struct istio_to, to_fields);

static const struct bind_field when_fields[] = {
	BIND(struct istio_condition, key, "key", BIND_STRING, BIND_REQUIRED),
	LIST_ROW(struct istio_condition, values, "values"),
	LIST_ROW(struct istio_condition, not_values, "notValues"),
};
static BIND_TABLE(when_table, struct istio_condition, when_fields);

static const struct bind_field rule_fields[] = {
	BIND_ITEMS(struct istio_rule, from, "from", 0, &from_table),
	BIND_ITEMS(struct istio_rule, to, "to", 0, &to_table),
	BIND_ITEMS(struct istio_rule, when, "when", 0, &when_table),
};
static BIND_TABLE(rule_table, struct istio_rule, rule_fields);

static const struct bind_field authorization_fields[] = {
	OBJECT_META_ROWS(struct istio_authorization_policy),
	BIND(struct istio_authorization_policy, selector.match_labels, "spec.selector.matchLabels",
	     BIND_STRMAP, 0),
	BIND(struct istio_authorization_policy, target_ref, "spec.targetRef", BIND_DOC, 0),
	BIND(struct istio_authorization_policy, target_refs, "spec.targetRefs", BIND_DOC, 0),
	BIND_NAMED(struct istio_authorization_policy, action, "spec.action", 0, action_names),
	BIND(struct istio_authorization_policy, provider, "spec.provider.name", BIND_STRING, 0),
	BIND_ITEMS(struct istio_authorization_policy, rules, "spec.rules", 0, &rule_table),
};
static BIND_TABLE(authorization_table, struct istio_authorization_policy, authorization_fields);

int istio_authorization_policy_decode(struct arena *a, const struct doc *doc,
				      struct istio_authorization_policy *ret,
				      struct bind_unknown *unknown, struct error *err)
{
	int r = object_decode_strict(a, &authorization_table, doc, ret, unknown, err);

	if (r < 0)
		return r;
	if (ret->n_rules > ISTIO_MAX_ITEMS)
		return error_set(err, -E2BIG, "%s: %zu rules", ret->meta.name, ret->n_rules);
	ret->dry_run = str_eq(strmap_get(&ret->meta.annotations, "istio.io/dry-run"), "true");
	return 0;
}

/* --- DestinationRule ---------------------------------------------------------------------- */

static const struct bind_field tls_fields[] = {
	BIND_NAMED(struct istio_client_tls, mode, "mode", 0, tls_doc_names),
	BIND(struct istio_client_tls, sni, "sni", BIND_STRING, 0),
	LIST_ROW(struct istio_client_tls, subject_alt_names, "subjectAltNames"),
	BIND(struct istio_client_tls, client_certificate, "clientCertificate", BIND_STRING, 0),
	BIND(struct istio_client_tls, private_key, "privateKey", BIND_STRING, 0),
	BIND(struct istio_client_tls, ca_certificates, "caCertificates", BIND_STRING, 0),
	BIND(struct istio_client_tls, credential_name, "credentialName", BIND_STRING, 0),
	NAMED_ROW(struct istio_client_tls, "insecureSkipVerify"),
	NAMED_ROW(struct istio_client_tls, "caCrl"),
};
static BIND_TABLE(tls_table, struct istio_client_tls, tls_fields);

static const struct bind_field port_policy_fields[] = {
	BIND_RANGE(struct istio_port_policy, port, "port.number", BIND_INT32, 0, 0, 65535),
	BIND_NESTED(struct istio_port_policy, tls, "tls", BIND_PTR, 0, &tls_table),
	BIND(struct istio_port_policy, load_balancer, "loadBalancer", BIND_DOC, 0),
	BIND(struct istio_port_policy, connection_pool, "connectionPool", BIND_DOC, 0),
	BIND(struct istio_port_policy, outlier_detection, "outlierDetection", BIND_DOC, 0),
};
static BIND_TABLE(port_policy_table, struct istio_port_policy, port_policy_fields);

static const struct bind_field policy_fields[] = {
	BIND_NESTED(struct istio_traffic_policy, tls, "tls", BIND_PTR, 0, &tls_table),
	BIND(struct istio_traffic_policy, load_balancer, "loadBalancer", BIND_DOC, 0),
	BIND(struct istio_traffic_policy, connection_pool, "connectionPool", BIND_DOC, 0),
	BIND(struct istio_traffic_policy, outlier_detection, "outlierDetection", BIND_DOC, 0),
	BIND_ITEMS(struct istio_traffic_policy, port_level, "portLevelSettings", 0,
		   &port_policy_table),
	NAMED_ROW(struct istio_traffic_policy, "tunnel"),
	NAMED_ROW(struct istio_traffic_policy, "proxyProtocol"),
	NAMED_ROW(struct istio_traffic_policy, "retryBudget"),
};
static BIND_TABLE(policy_table, struct istio_traffic_policy, policy_fields);

static const struct bind_field subset_fields[] = {
	BIND(struct istio_subset, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND(struct istio_subset, labels, "labels", BIND_STRMAP, 0),
	BIND_NESTED(struct istio_subset, policy, "trafficPolicy", BIND_PTR, 0, &policy_table),
};
static BIND_TABLE(subset_table, struct istio_subset, subset_fields);

static const struct bind_field selector_fields[] = {
	BIND(struct istio_selector, match_labels, "matchLabels", BIND_STRMAP, 0),
};
static BIND_TABLE(selector_table, struct istio_selector, selector_fields);

static const struct bind_field destination_rule_fields[] = {
	OBJECT_META_ROWS(struct istio_destination_rule),
	BIND(struct istio_destination_rule, host, "spec.host", BIND_STRING, BIND_REQUIRED),
	BIND_NESTED(struct istio_destination_rule, policy, "spec.trafficPolicy", BIND_PTR, 0,
		    &policy_table),
	BIND_ITEMS(struct istio_destination_rule, subsets, "spec.subsets", 0, &subset_table),
	LIST_ROW(struct istio_destination_rule, export_to, "spec.exportTo"),
	BIND_NESTED(struct istio_destination_rule, workload_selector, "spec.workloadSelector",
		    BIND_PTR, 0, &selector_table),
};
static BIND_TABLE(destination_rule_table, struct istio_destination_rule, destination_rule_fields);

static void default_tls_mode(struct istio_traffic_policy *p)
{
	if (!p)
		return;
	if (p->tls && p->tls->mode == TLS_UNSET)
		p->tls->mode = TLS_DISABLE;
	for (size_t i = 0; i < p->n_port_level; i++)
		if (p->port_level[i].tls && p->port_level[i].tls->mode == TLS_UNSET)
			p->port_level[i].tls->mode = TLS_DISABLE;
}

int istio_destination_rule_decode(struct arena *a, const struct doc *doc,
				  struct istio_destination_rule *ret, struct bind_unknown *unknown,
				  struct error *err)
{
	int r = object_decode_strict(a, &destination_rule_table, doc, ret, unknown, err);

	if (r < 0)
		return r;
	default_tls_mode(ret->policy);
	for (size_t i = 0; i < ret->n_subsets; i++)
		default_tls_mode(ret->subsets[i].policy);
	return 0;
}

/* --- VirtualService ----------------------------------------------------------------------- */

static const struct bind_field route_destination_fields[] = {
	BIND(struct istio_route_destination, destination.host, "destination.host", BIND_STRING, 0),
	BIND(struct istio_route_destination, destination.subset, "destination.subset", BIND_STRING,
	     0),
	BIND_RANGE(struct istio_route_destination, destination.port, "destination.port.number",
		   BIND_INT32, 0, 0, 65535),
	BIND_RANGE(struct istio_route_destination, weight, "weight", BIND_INT32, 0, 0, INT32_MAX),
	BIND(struct istio_route_destination, headers, "headers", BIND_DOC, 0),
};
static BIND_TABLE(route_destination_table, struct istio_route_destination,
		  route_destination_fields);

static const struct bind_field http_fields[] = {
	BIND(struct istio_http_route, name, "name", BIND_STRING, 0),
	BIND(struct istio_http_route, match, "match", BIND_DOC, 0),
	BIND_ITEMS(struct istio_http_route, route, "route", 0, &route_destination_table),
	BIND(struct istio_http_route, timeout, "timeout", BIND_STRING, 0),
	BIND(struct istio_http_route, retries, "retries", BIND_DOC, 0),
	NAMED_ROW(struct istio_http_route, "redirect"),
	NAMED_ROW(struct istio_http_route, "directResponse"),
	NAMED_ROW(struct istio_http_route, "rewrite"),
	NAMED_ROW(struct istio_http_route, "fault"),
	NAMED_ROW(struct istio_http_route, "mirror"),
	NAMED_ROW(struct istio_http_route, "mirrors"),
	NAMED_ROW(struct istio_http_route, "mirrorPercent"),
	NAMED_ROW(struct istio_http_route, "mirrorPercentage"),
	NAMED_ROW(struct istio_http_route, "corsPolicy"),
	NAMED_ROW(struct istio_http_route, "headers"),
	NAMED_ROW(struct istio_http_route, "delegate"),
};
static BIND_TABLE(http_table, struct istio_http_route, http_fields);

static const struct bind_field tcp_fields[] = {
	BIND(struct istio_tcp_route, match, "match", BIND_DOC, 0),
	BIND_ITEMS(struct istio_tcp_route, route, "route", 0, &route_destination_table),
};
static BIND_TABLE(tcp_table, struct istio_tcp_route, tcp_fields);

static const struct bind_field virtual_service_fields[] = {
	OBJECT_META_ROWS(struct istio_virtual_service),
	LIST_ROW(struct istio_virtual_service, hosts, "spec.hosts"),
	LIST_ROW(struct istio_virtual_service, gateways, "spec.gateways"),
	LIST_ROW(struct istio_virtual_service, export_to, "spec.exportTo"),
	BIND_ITEMS(struct istio_virtual_service, http, "spec.http", 0, &http_table),
	BIND_ITEMS(struct istio_virtual_service, tcp, "spec.tcp", 0, &tcp_table),
	BIND(struct istio_virtual_service, tls, "spec.tls", BIND_DOC, 0),
};
static BIND_TABLE(virtual_service_table, struct istio_virtual_service, virtual_service_fields);

int istio_virtual_service_decode(struct arena *a, const struct doc *doc,
				 struct istio_virtual_service *ret, struct bind_unknown *unknown,
				 struct error *err)
{
	const struct doc *http = doc_find(doc, "spec.http");
	int r = object_decode_strict(a, &virtual_service_table, doc, ret, unknown, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->n_http; i++)
		ret->http[i].doc = doc_at(http, i);
	return 0;
}

/* --- what only needs to be seen ----------------------------------------------------------- */

static const struct bind_field selector_map_fields[] = {
	BIND(struct istio_selector, match_labels, "labels", BIND_STRMAP, 0),
};
static BIND_TABLE(selector_map_table, struct istio_selector, selector_map_fields);

/* matchLabels, or (Sidecar, EnvoyFilter, ServiceEntry) workloadSelector.labels. */
static int decode_selector(struct arena *a, struct istio_other *o, struct error *err)
{
	const struct doc *d = doc_get(o->spec, "selector");
	const struct bind_table *table = &selector_table;

	if (!doc_get(d, "matchLabels")) {
		d = doc_get(o->spec, "workloadSelector");
		table = doc_get(d, "labels") ? &selector_map_table : &selector_table;
	}
	if (!d)
		return 0;
	o->selects = true;
	return bind_decode(a, table, d, "spec.selector", &o->selector, NULL, err);
}

int istio_other_decode(struct arena *a, const struct doc *doc, struct istio_other *ret,
		       struct error *err)
{
	struct plain_object plain;
	int r = object_decode(a, &plain_object_table, doc, &plain, err);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->meta = plain.meta;
	ret->spec = doc_get(doc, "spec");
	return decode_selector(a, ret, err);
}
