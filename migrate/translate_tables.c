/* SPDX-License-Identifier: Apache-2.0 */
/* What each field of Istio's objects becomes: a table per kind, and looks at values that decide. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "migrate/translate_fields_internal.h"

/* --- looks ---------------------------------------------------------------------------------- */

#define BY_ADDRESS                                                                                 \
	"the caller is known by its address, not by a certificate (identity by address, not "      \
	"certificate)"
#define L7 "needs layer 7, which the mesh does not have yet"

static bool look_mode(struct walk *w, UNUSED const struct field_row *row, const char *path,
		      const struct doc *node)
{
	if (!str_eq(doc_str(node), "STRICT"))
		return false;
	field_add(w->t, w->object, path, FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, node,
		  "STRICT becomes \"any identity of the mesh\": %s", BY_ADDRESS);
	return true;
}

/* The last name of "spec.rules[0].from[0].source.principals". */
static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

static bool blocked_values(struct walk *w, const char *attribute, const char *path,
			   const struct doc *list)
{
	bool any = false;

	doc_foreach_item (list, v) {
		const char *why = source_value_blocked(w->t, attribute, str_or_empty(doc_str(v)));

		if (!why)
			continue;
		field_add(w->t, w->object, path, FIELD_BLOCKED, NULL, v, "%s: %s",
			  str_or_empty(doc_str(v)), why);
		any = true;
	}
	return any;
}

static bool look_source(struct walk *w, UNUSED const struct field_row *row, const char *path,
			const struct doc *node)
{
	return blocked_values(w, last_name(path), path, node);
}

static const struct doc *sibling(struct walk *w, const char *path, const char *name)
{
	const char *dot = strrchr(path, '.');

	return doc_find(w->meta->raw,
			arena_printf(w->t->arena, "%.*s.%s", (int)(dot - path), path, name));
}

/* when[].values: what they mean depends on the key beside them. */
static bool look_condition(struct walk *w, UNUSED const struct field_row *row, const char *path,
			   const struct doc *node)
{
	const char *key = str_or_empty(doc_str(sibling(w, path, "key")));

	if (str_eq(key, "destination.port"))
		return false;
	if (blocked_values(w, key, path, node))
		return true;
	field_add(w->t, w->object, path, FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, node, "%s",
		  BY_ADDRESS);
	return true;
}

static bool look_key(struct walk *w, UNUSED const struct field_row *row, const char *path,
		     const struct doc *node)
{
	static const char *const known[] = {"source.ip", "source.principal", "source.namespace",
					    "source.serviceAccount", "destination.port"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(doc_str(node), known[i]))
			return false;
	field_add(w->t, w->object, path, FIELD_BLOCKED, NULL, node, "%s " L7,
		  str_or_empty(doc_str(node)));
	return true;
}

static bool look_action(struct walk *w, UNUSED const struct field_row *row, const char *path,
			const struct doc *node)
{
	const char *action = str_or_empty(doc_str(node));

	if (str_eq(action, "CUSTOM"))
		field_add(w->t, w->object, path, FIELD_BLOCKED, NULL, node,
			  "an external authorizer decides about requests; " L7);
	else
		return false;
	return true;
}

static bool look_tls_mode(struct walk *w, UNUSED const struct field_row *row, const char *path,
			  const struct doc *node)
{
	const char *mode = str_or_empty(doc_str(node));

	if (str_eq(mode, "ISTIO_MUTUAL"))
		field_add(
			w->t, w->object, path, FIELD_IMPLICIT, NULL, node,
			"relaxed before the first pod restarts: clients then choose per endpoint");
	else if (str_eq(mode, "DISABLE"))
		field_add(w->t, w->object, path, FIELD_EXACT, NULL, node,
			  "plain text is what a pod without a sidecar speaks");
	else
		field_add(w->t, w->object, path, FIELD_BLOCKED, NULL, node,
			  "%s: the client's sidecar adds TLS that nothing will add after it", mode);
	return true;
}

static bool look_destination_host(struct walk *w, UNUSED const struct field_row *row,
				  const char *path, const struct doc *node)
{
	const struct istio_mesh *m = w->t->mesh;
	const char *ns = w->meta->namespace, *suffix = m->config.domain_suffix;
	const char *to = istio_host_fqdn(w->t->arena, str_or_empty(doc_str(node)), ns, suffix);

	doc_foreach_item (doc_find(w->meta->raw, "spec.hosts"), h)
		if (str_eq(istio_host_fqdn(w->t->arena, str_or_empty(doc_str(h)), ns, suffix), to))
			return false;
	field_add(w->t, w->object, path, FIELD_BLOCKED, NULL, node,
		  "requests for one host go to another; " L7);
	return true;
}

/* --- tables --------------------------------------------------------------------------------- */

static const struct field_row peer_rows[] = {
	{"selector.matchLabels.*", FIELD_EXACT, NULL, "becomes the policy's endpointSelector",
	 NULL},
	{"selector", FIELD_EXACT, NULL, "an empty selector selects everything", NULL},
	{"mtls.mode", FIELD_EXACT, NULL, "callers are asked for nothing", look_mode},
	{"mtls", FIELD_EXACT, NULL, "an empty block inherits", NULL},
	{"portLevelMtls.*.mode", FIELD_EXACT, NULL, "callers of this port are asked for nothing",
	 look_mode},
	{"portLevelMtls.*", FIELD_EXACT, NULL, "an empty block inherits", NULL},
};
const struct field_table fields_peer = {peer_rows, ARRAY_SIZE(peer_rows)};

#define SOURCE    "rules[].from[].source."
#define OPERATION "rules[].to[].operation."
static const struct field_row authorization_rows[] = {
	{"selector.matchLabels.*", FIELD_EXACT, NULL, "becomes the policy's endpointSelector",
	 NULL},
	{"selector", FIELD_EXACT, NULL, "an empty selector selects everything", NULL},
	{"targetRef...", FIELD_BLOCKED, NULL, "it speaks of a gateway or waypoint, not of pods",
	 NULL},
	{"targetRefs...", FIELD_BLOCKED, NULL, "it speaks of gateways or waypoints, not of pods",
	 NULL},
	{"action", FIELD_EXACT, NULL, "becomes ingress or ingressDeny", look_action},
	{"provider...", FIELD_BLOCKED, NULL, "an external authorizer; " L7, NULL},
	{"rules", FIELD_EXACT, NULL, "no rule", NULL},
	{"rules[]", FIELD_EXACT, NULL, "an empty rule matches everything", NULL},
	{"rules[].from", FIELD_EXACT, NULL, "anybody", NULL},
	{"rules[].from[]", FIELD_EXACT, NULL, "anybody", NULL},
	{"rules[].from[].source", FIELD_EXACT, NULL, "anybody", NULL},
	{SOURCE "principals", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "notPrincipals", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "namespaces", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "notNamespaces", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "serviceAccounts", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "notServiceAccounts", FIELD_APPROXIMATED, WAIVER_IDENTITY_BY_ADDRESS, BY_ADDRESS,
	 look_source},
	{SOURCE "ipBlocks", FIELD_EXACT, NULL, "becomes fromCIDR", look_source},
	{SOURCE "notIpBlocks", FIELD_EXACT, NULL, "becomes the other blocks", look_source},
	{SOURCE "remoteIpBlocks", FIELD_BLOCKED, NULL, "addresses behind a proxy: " L7, NULL},
	{SOURCE "notRemoteIpBlocks", FIELD_BLOCKED, NULL, "addresses behind a proxy: " L7, NULL},
	{SOURCE "requestPrincipals", FIELD_BLOCKED, NULL, "a token of the request: " L7, NULL},
	{SOURCE "notRequestPrincipals", FIELD_BLOCKED, NULL, "a token of the request: " L7, NULL},
	{"rules[].to", FIELD_EXACT, NULL, "anything", NULL},
	{"rules[].to[]", FIELD_EXACT, NULL, "anything", NULL},
	{"rules[].to[].operation", FIELD_EXACT, NULL, "anything", NULL},
	{OPERATION "ports", FIELD_EXACT, NULL, "becomes toPorts", NULL},
	{OPERATION "notPorts", FIELD_EXACT, NULL, "becomes the other ports", NULL},
	{OPERATION "methods", FIELD_BLOCKED, NULL, "HTTP methods: " L7, NULL},
	{OPERATION "notMethods", FIELD_BLOCKED, NULL, "HTTP methods: " L7, NULL},
	{OPERATION "paths", FIELD_BLOCKED, NULL, "HTTP paths: " L7, NULL},
	{OPERATION "notPaths", FIELD_BLOCKED, NULL, "HTTP paths: " L7, NULL},
	{OPERATION "hosts", FIELD_BLOCKED, NULL, "HTTP hosts: " L7, NULL},
	{OPERATION "notHosts", FIELD_BLOCKED, NULL, "HTTP hosts: " L7, NULL},
	{"rules[].when", FIELD_EXACT, NULL, "no condition", NULL},
	{"rules[].when[].key", FIELD_EXACT, NULL, "known to the network", look_key},
	{"rules[].when[].values", FIELD_EXACT, NULL, "becomes peers or ports", look_condition},
	{"rules[].when[].notValues", FIELD_EXACT, NULL, "becomes the other peers or ports",
	 look_condition},
};
const struct field_table fields_authorization = {authorization_rows,
						 ARRAY_SIZE(authorization_rows)};

#define TLS_REST(prefix)                                                                           \
	{prefix "tls.mode", FIELD_IMPLICIT, NULL, "", look_tls_mode},                              \
	{                                                                                          \
		prefix "tls...", FIELD_BLOCKED, NULL,                                              \
			"TLS that the client's sidecar adds: nothing will add it after it", NULL   \
	}
#define CLIENT_LIMITS "the client's sidecar balances and limits; " L7
#define TRAFFIC(prefix)                                                                            \
	TLS_REST(prefix), {prefix "loadBalancer...", FIELD_BLOCKED, NULL, CLIENT_LIMITS, NULL},    \
		{prefix "connectionPool...", FIELD_BLOCKED, NULL, CLIENT_LIMITS, NULL},            \
	{                                                                                          \
		prefix "outlierDetection...", FIELD_BLOCKED, NULL, CLIENT_LIMITS, NULL             \
	}

static const struct field_row destination_rows[] = {
	{"host", FIELD_EXACT, NULL, "names the Service", NULL},
	{"exportTo", FIELD_IMPLICIT, NULL, "says which clients see the rule", NULL},
	{"workloadSelector...", FIELD_BLOCKED, NULL, "a rule for some clients only; " L7, NULL},
	TRAFFIC("trafficPolicy."),
	{"trafficPolicy.portLevelSettings[].port.number", FIELD_EXACT, NULL, "names a port", NULL},
	TRAFFIC("trafficPolicy.portLevelSettings[]."),
	{"trafficPolicy.tunnel...", FIELD_BLOCKED, NULL, L7, NULL},
	{"trafficPolicy.proxyProtocol...", FIELD_BLOCKED, NULL, L7, NULL},
	{"subsets[].name", FIELD_IMPLICIT, NULL, "only routes use subsets", NULL},
	{"subsets[].labels.*", FIELD_IMPLICIT, NULL, "only routes use subsets", NULL},
	{"subsets[].trafficPolicy...", FIELD_BLOCKED, NULL, CLIENT_LIMITS, NULL},
};
const struct field_table fields_destination = {destination_rows, ARRAY_SIZE(destination_rows)};

static const struct field_row virtual_rows[] = {
	{"hosts", FIELD_EXACT, NULL, "names the Service", NULL},
	{"gateways", FIELD_BLOCKED, NULL, "routes of a gateway; " L7, NULL},
	{"exportTo", FIELD_IMPLICIT, NULL, "says which clients see the routes", NULL},
	{"http[].name", FIELD_IMPLICIT, NULL, "a name for statistics", NULL},
	{"http[].match...", FIELD_BLOCKED, NULL, "requests are told apart: " L7, NULL},
	{"http[].route[].destination.host", FIELD_EXACT, NULL, "the Service itself",
	 look_destination_host},
	{"http[].route[].destination.port.number", FIELD_BLOCKED, NULL, "another port: " L7, NULL},
	{"http[].route[].destination.subset", FIELD_BLOCKED, NULL, "pods are told apart: " L7,
	 NULL},
	{"http[].route[].weight", FIELD_BLOCKED, NULL, "requests are shared out by weight: " L7,
	 NULL},
	{"http[].route[].headers...", FIELD_BLOCKED, NULL, "headers are changed: " L7, NULL},
	{"http[]...", FIELD_BLOCKED, NULL, L7, NULL},
	{"tcp[]...", FIELD_BLOCKED, NULL, "routes of connections are not built yet", NULL},
	{"tls[]...", FIELD_BLOCKED, NULL, "routes by TLS name are not built yet", NULL},
};
const struct field_table fields_virtual = {virtual_rows, ARRAY_SIZE(virtual_rows)};

static const struct field_row sidecar_rows[] = {
	{"workloadSelector...", FIELD_IMPLICIT, NULL, "says whose sidecar it is", NULL},
	{"egress[].hosts", FIELD_IMPLICIT, NULL, "narrows what a sidecar knows, not what it may",
	 NULL},
	{"egress[]...", FIELD_BLOCKED, NULL, "a listener of the sidecar itself", NULL},
	{"outboundTrafficPolicy...", FIELD_BLOCKED, NULL,
	 "what leaves the namespace needs egress policy, which is not built yet", NULL},
	{"...", FIELD_BLOCKED, NULL, "a listener of the sidecar itself", NULL},
};
const struct field_table fields_sidecar = {sidecar_rows, ARRAY_SIZE(sidecar_rows)};

static const struct field_row telemetry_rows[] = {
	{"...", FIELD_APPROXIMATED, NULL,
	 "the sidecar's metrics, logs and traces end with it; the mesh has flows and counters",
	 NULL},
};
const struct field_table fields_telemetry = {telemetry_rows, ARRAY_SIZE(telemetry_rows)};

/* Decides nothing, whatever it asks. */
static const struct field_row audit_rows[] = {
	{"...", FIELD_APPROXIMATED, NULL, "it only logs; the mesh records every verdict instead",
	 NULL},
};
const struct field_table fields_audit = {audit_rows, ARRAY_SIZE(audit_rows)};

static const struct field_row blocked_rows[] = {
	{"...", FIELD_BLOCKED, NULL, "only a proxy can do this; " L7, NULL},
};
const struct field_table fields_blocked = {blocked_rows, ARRAY_SIZE(blocked_rows)};
