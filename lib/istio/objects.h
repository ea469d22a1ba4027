/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/objects.h - Istio's objects as plain structs, decoded by table.
 *
 * Only what the mesh's L4 meaning and the sidecar's routes need is a member; every object keeps the
 * document it came from (meta.raw), so that the translator can account for each field, and fields
 * that no table names are collected by the decoder. Enumerations follow Istio's names; a value that
 * Istio does not have is an error, as it is for its own validation.
 *
 * Sources: istio.io/api security/v1, networking/v1, mesh/v1alpha1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/object/meta.h"

/* Oldest first, as Istio decides between objects of one level: creation time, name, namespace. */
int istio_meta_cmp_age(const struct object_meta *a, const struct object_meta *b);

/* spec.selector.matchLabels; no labels = everything in scope. */
struct istio_selector {
	struct strmap match_labels;
};
/* Every pair of the selector is among labels. An empty one selects everything. */
bool istio_selector_matches(const struct istio_selector *s, const struct strmap *labels);

/* --- PeerAuthentication ------------------------------------------------------------------- */

/* X(symbol, name) */
#define ISTIO_MTLS_MODES(X)                                                                        \
	X(MTLS_UNSET, "UNSET")                                                                     \
	X(MTLS_DISABLE, "DISABLE")                                                                 \
	X(MTLS_PERMISSIVE, "PERMISSIVE")                                                           \
	X(MTLS_STRICT, "STRICT")
enum istio_mtls_mode {
#define ISTIO_MTLS_ENUM(symbol, name) symbol,
	ISTIO_MTLS_MODES(ISTIO_MTLS_ENUM)
#undef ISTIO_MTLS_ENUM
};
const char *istio_mtls_mode_name(enum istio_mtls_mode mode);

struct istio_port_mtls {
	uint16_t port; /* of the workload, not of the Service */
	int mode;      /* enum istio_mtls_mode */
};

struct istio_peer_authentication {
	struct object_meta meta;
	struct istio_selector selector;
	int mode; /* enum istio_mtls_mode */
	const struct doc *port_doc;
	struct istio_port_mtls *ports;
	size_t n_ports;
};

/* --- AuthorizationPolicy ------------------------------------------------------------------ */

#define ISTIO_ACTIONS(X)                                                                           \
	X(ACTION_ALLOW, "ALLOW")                                                                   \
	X(ACTION_DENY, "DENY")                                                                     \
	X(ACTION_AUDIT, "AUDIT")                                                                   \
	X(ACTION_CUSTOM, "CUSTOM")
enum istio_action {
#define ISTIO_ACTION_ENUM(symbol, name) symbol,
	ISTIO_ACTIONS(ISTIO_ACTION_ENUM)
#undef ISTIO_ACTION_ENUM
};
const char *istio_action_name(enum istio_action action);

struct istio_source {
	struct strings principals, not_principals;
	struct strings request_principals, not_request_principals;
	struct strings namespaces, not_namespaces;
	struct strings service_accounts, not_service_accounts;
	struct strings ip_blocks, not_ip_blocks;
	struct strings remote_ip_blocks, not_remote_ip_blocks;
};
struct istio_operation {
	struct strings hosts, not_hosts;
	struct strings ports, not_ports;
	struct strings methods, not_methods;
	struct strings paths, not_paths;
};
struct istio_condition {
	const char *key;
	struct strings values, not_values;
};
struct istio_from {
	struct istio_source source;
};
struct istio_to {
	struct istio_operation operation;
};
struct istio_rule {
	struct istio_from *from;
	size_t n_from;
	struct istio_to *to;
	size_t n_to;
	struct istio_condition *when;
	size_t n_when;
};
struct istio_authorization_policy {
	struct object_meta meta;
	struct istio_selector selector;
	const struct doc *target_ref, *target_refs; /* targetRef is a map, targetRefs a list */
	int action;                                 /* enum istio_action */
	const char *provider;
	struct istio_rule *rules;
	size_t n_rules;
	bool dry_run; /* annotation istio.io/dry-run: "true" */
};

/* --- DestinationRule ---------------------------------------------------------------------- */

#define ISTIO_TLS_MODES(X)                                                                         \
	X(TLS_UNSET, "")                                                                           \
	X(TLS_DISABLE, "DISABLE")                                                                  \
	X(TLS_SIMPLE, "SIMPLE")                                                                    \
	X(TLS_MUTUAL, "MUTUAL")                                                                    \
	X(TLS_ISTIO_MUTUAL, "ISTIO_MUTUAL")
enum istio_tls_mode {
#define ISTIO_TLS_ENUM(symbol, name) symbol,
	ISTIO_TLS_MODES(ISTIO_TLS_ENUM)
#undef ISTIO_TLS_ENUM
};
const char *istio_tls_mode_name(enum istio_tls_mode mode);

struct istio_client_tls {
	int mode; /* enum istio_tls_mode; a tls block without mode is DISABLE, as in Istio */
	const char *sni;
	struct strings subject_alt_names;
	const char *client_certificate, *private_key, *ca_certificates, *credential_name;
	const struct doc *named;
};
struct istio_port_policy {
	int32_t port;
	struct istio_client_tls *tls; /* NULL when the block has none */
	const struct doc *load_balancer, *connection_pool, *outlier_detection;
};
struct istio_traffic_policy {
	struct istio_client_tls *tls;
	const struct doc *load_balancer, *connection_pool, *outlier_detection;
	struct istio_port_policy *port_level;
	size_t n_port_level;
	const struct doc *named;
};
struct istio_subset {
	const char *name;
	struct strmap labels;
	struct istio_traffic_policy *policy;
};
struct istio_destination_rule {
	struct object_meta meta;
	const char *host; /* as written; istio_host_fqdn() resolves it */
	struct istio_traffic_policy *policy;
	struct istio_subset *subsets;
	size_t n_subsets;
	struct strings export_to;
	struct istio_selector *workload_selector;
};

/* --- VirtualService ----------------------------------------------------------------------- */

struct istio_destination {
	const char *host, *subset;
	int32_t port; /* 0 = not given */
};
struct istio_route_destination {
	struct istio_destination destination;
	int32_t weight;
	const struct doc *headers;
};
/* Matches and actions stay documents here; sidecar_routes.c reads the few it can render. */
struct istio_http_match {
	const char *name;
	const struct doc *doc;
};
struct istio_http_route {
	const char *name;
	const struct doc *match; /* list of HTTPMatchRequest, NULL = everything */
	struct istio_route_destination *route;
	size_t n_route;
	const char *timeout;
	const struct doc *retries;
	const struct doc *named; /* fields that exist and only the document is asked for */
	const struct doc *doc;   /* the whole route */
};
struct istio_tcp_route {
	const struct doc *match;
	struct istio_route_destination *route;
	size_t n_route;
};
struct istio_virtual_service {
	struct object_meta meta;
	struct strings hosts, gateways, export_to;
	struct istio_http_route *http;
	size_t n_http;
	struct istio_tcp_route *tcp;
	size_t n_tcp;
	const struct doc *tls;
};
/* No gateways at all, or "mesh" among them: sidecars use it. */
bool istio_virtual_service_in_mesh(const struct istio_virtual_service *vs);

/* --- what only needs to be seen ----------------------------------------------------------- */

/* Gateway, ServiceEntry, Sidecar, RequestAuthentication, Telemetry, EnvoyFilter, WasmPlugin ... */
struct istio_other {
	struct object_meta meta;
	struct istio_selector selector; /* of whichever of the usual places has one */
	bool selects;                   /* a selector (or workloadSelector) is there */
	const struct doc *spec;
};

/*
 * Decoders of one object each. doc is the whole object; unknown collects fields that no row names.
 * -EINVAL or -ERANGE with file, line and path.
 */
int istio_peer_authentication_decode(struct arena *a, const struct doc *doc,
				     struct istio_peer_authentication *ret,
				     struct bind_unknown *unknown, struct error *err);
int istio_authorization_policy_decode(struct arena *a, const struct doc *doc,
				      struct istio_authorization_policy *ret,
				      struct bind_unknown *unknown, struct error *err);
int istio_destination_rule_decode(struct arena *a, const struct doc *doc,
				  struct istio_destination_rule *ret, struct bind_unknown *unknown,
				  struct error *err);
int istio_virtual_service_decode(struct arena *a, const struct doc *doc,
				 struct istio_virtual_service *ret, struct bind_unknown *unknown,
				 struct error *err);
int istio_other_decode(struct arena *a, const struct doc *doc, struct istio_other *ret,
		       struct error *err);
/* More rules, sources or ports than this in one object is refused (-E2BIG). */
#define ISTIO_MAX_ITEMS 4096u
