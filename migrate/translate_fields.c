/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of every Istio object that concerns the namespace, classified. A table per kind says
 * what a field becomes; a field that no row names is blocked, because nobody has thought about it.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "lib/istio/mtls.h"
#include "migrate/translate_internal.h"

const char *object_label(struct arena *a, const struct object_meta *m)
{
	return arena_printf(a, "%s/%s/%s", m->kind, m->namespace ? m->namespace : "default",
			    m->name);
}

void field_add(struct translator *t, const char *object, const char *path, enum field_class class,
	       const char *waiver, const struct doc *node, const char *fmt, ...)
{
	struct translation *out = t->out;
	struct field_verdict *f;
	const char *where = node ? doc_where(t->arena, node) : "";
	va_list ap;

	if (out->n_fields == t->fields_cap) {
		struct field_verdict *more;

		t->fields_cap = t->fields_cap ? t->fields_cap * 2 : 64;
		more = arena_array(t->arena, t->fields_cap, struct field_verdict);
		if (out->n_fields)
			memcpy(more, out->fields, out->n_fields * sizeof(*more));
		out->fields = more;
	}
	f = &out->fields[out->n_fields++];
	va_start(ap, fmt);
	*f = (struct field_verdict){
		.namespace = t->namespace,
		.object = object,
		.path = path,
		.class = class,
		.reason = arena_vprintf(t->arena, fmt, ap),
		.waiver = waiver,
		.where = *where ? where : NULL,
	};
	va_end(ap);
	out->n_blocked += class == FIELD_BLOCKED;
}

/* --- walking -------------------------------------------------------------------------------- */

struct walk {
	struct translator *t;
	const char *object;
	const struct object_meta *meta;
	const void *rows; /* of the kind's table */
	size_t n_rows;
};

struct field_row {
	const char *pattern; /* "[]" any item, "*" any key; "..." at the end: everything below */
	enum field_class class;
	const char *waiver;
	const char *reason;
	/* Looks at the value itself; returns false to leave the row's own verdict. */
	bool (*look)(struct walk *w, const struct field_row *row, const char *path,
		     const struct doc *node);
};

/* "rules[3].to" against "rules[].to". */
static bool fits(const char *pattern, const char *path)
{
	while (*pattern) {
		if (str_eq(pattern, "..."))
			return true;
		if (str_starts(pattern, "[]") && *path == '[') {
			pattern += 2;
			path = strchr(path, ']') + 1;
			continue;
		}
		if (*pattern == '*' && *path && *path != '.') {
			pattern++;
			if (*path == '[') /* a quoted key */
				path = strchr(path, ']') + 1;
			else
				path += strcspn(path, ".[");
			continue;
		}
		if (*pattern != *path)
			return false;
		pattern++;
		path++;
	}
	return *path == '\0';
}

/* A list of plain values is one field. */
static bool is_leaf(const struct doc *d)
{
	if (!d || d->kind != DOC_LIST)
		return !d || d->kind != DOC_MAP || doc_len(d) == 0;
	doc_foreach_item (d, item)
		if (item->kind == DOC_MAP || item->kind == DOC_LIST)
			return false;
	return true;
}

static void judge(struct walk *w, const char *path, const struct doc *node)
{
	const struct field_row *rows = w->rows;
	const char *full = arena_printf(w->t->arena, "spec.%s", path);

	for (size_t i = 0; i < w->n_rows; i++) {
		if (!fits(rows[i].pattern, path))
			continue;
		if (rows[i].look && rows[i].look(w, &rows[i], full, node))
			return;
		field_add(w->t, w->object, full, rows[i].class, rows[i].waiver, node, "%s",
			  rows[i].reason);
		return;
	}
	field_add(w->t, w->object, full, FIELD_BLOCKED, NULL, node,
		  "this field is not known to the translator");
}

static void visit(struct walk *w, const char *path, const struct doc *node)
{
	struct arena *a = w->t->arena;

	if (is_leaf(node)) {
		if (*path)
			judge(w, path, node);
		return;
	}
	if (node->kind == DOC_LIST) {
		for (size_t i = 0; i < doc_len(node); i++)
			visit(w, arena_printf(a, "%s[%zu]", path, i), doc_at(node, i));
		return;
	}
	doc_foreach_entry (node, e)
		visit(w,
		      strpbrk(e->key, "./[") ? arena_printf(a, "%s['%s']", path, e->key)
		      : *path                ? arena_printf(a, "%s.%s", path, e->key)
					     : e->key,
		      e->value);
}

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

static const struct field_row sidecar_rows[] = {
	{"workloadSelector...", FIELD_IMPLICIT, NULL, "says whose sidecar it is", NULL},
	{"egress[].hosts", FIELD_IMPLICIT, NULL, "narrows what a sidecar knows, not what it may",
	 NULL},
	{"egress[]...", FIELD_BLOCKED, NULL, "a listener of the sidecar itself", NULL},
	{"outboundTrafficPolicy...", FIELD_BLOCKED, NULL,
	 "what leaves the namespace needs egress policy, which is not built yet", NULL},
	{"...", FIELD_BLOCKED, NULL, "a listener of the sidecar itself", NULL},
};

static const struct field_row telemetry_rows[] = {
	{"...", FIELD_APPROXIMATED, NULL,
	 "the sidecar's metrics, logs and traces end with it; the mesh has flows and counters",
	 NULL},
};

/* Decides nothing, whatever it asks. */
static const struct field_row audit_rows[] = {
	{"...", FIELD_APPROXIMATED, NULL, "it only logs; the mesh records every verdict instead",
	 NULL},
};

static const struct field_row blocked_rows[] = {
	{"...", FIELD_BLOCKED, NULL, "only a proxy can do this; " L7, NULL},
};

static void walk(struct translator *t, const struct object_meta *meta, const struct field_row *rows,
		 size_t n_rows)
{
	struct walk w = {.t = t,
			 .object = object_label(t->arena, meta),
			 .meta = meta,
			 .rows = rows,
			 .n_rows = n_rows};

	if (doc_len(doc_get(meta->raw, "spec")) > 0)
		visit(&w, "", doc_get(meta->raw, "spec"));
	else if (rows == blocked_rows || rows == destination_rows || rows == virtual_rows)
		field_add(t, w.object, "spec", FIELD_BLOCKED, NULL, meta->raw,
			  "Istio refuses this: a spec is required");
	else
		field_add(t, w.object, "spec", FIELD_EXACT, NULL, NULL,
			  "it says nothing (an AuthorizationPolicy then allows nothing)");
}

/* --- which objects concern the namespace ---------------------------------------------------- */

static bool own(const struct translator *t, const struct object_meta *m)
{
	return str_eq(m->namespace ? m->namespace : "default", t->namespace);
}

static bool own_or_root(const struct translator *t, const struct object_meta *m)
{
	return own(t, m) || str_eq(m->namespace, t->mesh->config.root_namespace);
}

/* host (as an object of meta writes it) may be a Service of the namespace. */
static bool speaks_of_ours(struct translator *t, const struct object_meta *meta, const char *host)
{
	const char *pattern = istio_host_fqdn(t->arena, str_or_empty(host), meta->namespace,
					      t->mesh->config.domain_suffix);

	for (size_t i = 0; i < t->mesh->n_services; i++) {
		const struct service *s = &t->mesh->services[i];

		if (str_eq(s->meta.namespace, t->namespace) &&
		    istio_host_matches(pattern,
				       istio_service_fqdn(t->arena, s->meta.name, t->namespace,
							  t->mesh->config.domain_suffix)))
			return true;
	}
	return false;
}

static void policies(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_peer_authentications; i++)
		if (own_or_root(t, &m->peer_authentications[i].meta))
			walk(t, &m->peer_authentications[i].meta, peer_rows, ARRAY_SIZE(peer_rows));
	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if (!own_or_root(t, &p->meta))
			continue;
		if (p->dry_run)
			field_add(t, object_label(t->arena, &p->meta), "metadata.annotations",
				  FIELD_APPROXIMATED, NULL, NULL,
				  "a dry run decides nothing and is left out");
		else if (p->action == ACTION_AUDIT)
			walk(t, &p->meta, audit_rows, ARRAY_SIZE(audit_rows));
		else
			walk(t, &p->meta, authorization_rows, ARRAY_SIZE(authorization_rows));
	}
}

static void routes(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_destination_rules; i++) {
		const struct istio_destination_rule *dr = &m->destination_rules[i];

		if (own(t, &dr->meta) || speaks_of_ours(t, &dr->meta, dr->host))
			walk(t, &dr->meta, destination_rows, ARRAY_SIZE(destination_rows));
	}
	for (size_t i = 0; i < m->n_virtual_services; i++) {
		const struct istio_virtual_service *vs = &m->virtual_services[i];
		bool ours = own(t, &vs->meta);

		for (size_t k = 0; k < vs->hosts.n && !ours; k++)
			ours = speaks_of_ours(t, &vs->meta, vs->hosts.items[k]);
		if (ours)
			walk(t, &vs->meta, virtual_rows, ARRAY_SIZE(virtual_rows));
	}
}

static void others(struct translator *t)
{
	static const struct {
		const char *kind;
		const struct field_row *rows;
		size_t n;
	} kinds[] = {
		{"Sidecar", sidecar_rows, ARRAY_SIZE(sidecar_rows)},
		{"Telemetry", telemetry_rows, ARRAY_SIZE(telemetry_rows)},
	};

	for (size_t i = 0; i < t->mesh->n_others; i++) {
		const struct istio_other *o = &t->mesh->others[i];
		const struct field_row *rows = blocked_rows;
		size_t n = ARRAY_SIZE(blocked_rows);

		if (!own_or_root(t, &o->meta))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (!str_eq(o->meta.kind, kinds[k].kind))
				continue;
			rows = kinds[k].rows;
			n = kinds[k].n;
		}
		walk(t, &o->meta, rows, n);
	}
}

/* Objects that could not be read, or say something that nobody knows. */
static void problems(struct translator *t)
{
	for (size_t i = 0; i < t->mesh->n_problems; i++) {
		const struct istio_problem *p = &t->mesh->problems[i];
		const char *ns = doc_find_str(p->object, "metadata.namespace");
		const struct doc *at = *p->path ? doc_find(p->object, p->path) : NULL;
		const char *before = "", *after = " outside of spec; an API server would drop it";

		if (!istio_problem_concerns(t->mesh, p, t->namespace))
			continue;
		if (!*p->path)
			before = "the object cannot be read: ";
		if (!*p->path || p->refused || str_starts(p->path, "data."))
			after = "";
		field_add(t,
			  arena_printf(t->arena, "%s/%s%s%s",
				       str_or_empty(doc_find_str(p->object, "kind")),
				       str_or_empty(ns), ns ? "/" : "",
				       str_or_empty(doc_find_str(p->object, "metadata.name"))),
			  p->path, FIELD_BLOCKED, NULL, at ? at : p->object, "%s%s%s", before,
			  p->message, after);
	}
}

/* Accounts that are used with and without a sidecar: their certificate tells them apart, labels
 * cannot. */
static void mixed_accounts(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first &= !str_eq(m->templates[k].namespace, w->namespace) ||
				 !str_eq(m->templates[k].service_account, w->service_account);
		if (first && istio_member(m, w->namespace, w->service_account) == MEMBER_MIXED)
			field_add(t,
				  arena_printf(t->arena, "ServiceAccount/%s/%s", w->namespace,
					       w->service_account),
				  "", FIELD_BLOCKED, NULL, NULL,
				  "pods with and without a sidecar share this account, so labels "
				  "cannot say who has a certificate");
	}
}

/* Selectors overlap, and the proxy makes a difference that labels do not. */
static void rival_workloads(struct translator *t)
{
	for (size_t i = 0; i < t->mesh->n_templates; i++) {
		const struct istio_workload *w = &t->mesh->templates[i], *other;

		other = str_eq(w->namespace, t->namespace)
				? istio_workload_rival(t->mesh, t->arena, w)
				: NULL;
		if (other)
			field_add(
				t,
				arena_printf(t->arena, "%s/%s/%s", w->kind, w->namespace, w->name),
				"spec.selector", FIELD_BLOCKED, NULL, NULL,
				"the selector of %s/%s takes these pods as well, but its sidecars "
				"see other ports or are not there: labels cannot say which",
				other->kind, other->name);
	}
}

static bool assumed(const struct translator *t)
{
	const struct istio_namespace *ns = istio_mesh_namespace(t->mesh, t->namespace);

	return ns && strmap_get(&ns->labels, SNAPSHOT_ASSUMED);
}

/* No sidecar, no questions: then everything below is history, and no policy is needed. */
static void without_sidecars(struct translator *t)
{
	bool any = istio_namespace_member(t->mesh, t->namespace);

	for (size_t i = 0; i < t->mesh->n_templates && !any; i++)
		any = str_eq(t->mesh->templates[i].namespace, t->namespace) &&
		      istio_workload_member(t->mesh, &t->mesh->templates[i]);
	if (assumed(t))
		field_add(t, arena_printf(t->arena, "Namespace/%s", t->namespace), "injection",
			  FIELD_IMPLICIT, NULL, NULL,
			  "not in the snapshot: taken as istio-injection=enabled, so that there is "
			  "something to enforce Istio's objects");
	else if (!any)
		field_add(t, arena_printf(t->arena, "Namespace/%s", t->namespace), "injection",
			  FIELD_IMPLICIT, NULL, NULL,
			  "no pod here gets a sidecar, so nothing enforces Istio's objects and no "
			  "policy is made from them");
}

/* What nobody wrote and everybody gets. */
static void defaults(struct translator *t)
{
	static const struct {
		const char *path, *reason;
	} rows[] = {
		{"retries", "sidecars repeat a failed request twice; nothing will"},
		{"uncaptured traffic",
		 "UDP, SCTP, ICMP (the types that a standard assigns) and the ports that the "
		 "sidecar never saw stay open, as they were"},
		{"kubelet",
		 "the node itself may always reach its own pods, as probes without a sidecar must"},
		{"headers and traces",
		 "x-request-id, trace spans and client certificates in headers "
		 "were the sidecar's"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		field_add(t, "Istio/defaults", rows[i].path, FIELD_IMPLICIT, NULL, NULL, "%s",
			  rows[i].reason);
	if (t->mesh->config.outbound_policy == OUTBOUND_REGISTRY_ONLY)
		field_add(t, "ConfigMap/istio-system/istio", "outboundTrafficPolicy.mode",
			  FIELD_BLOCKED, NULL, t->mesh->config.doc,
			  "what leaves the namespace needs egress policy, which is not built yet");
}

void translate_fields(struct translator *t)
{
	without_sidecars(t);
	problems(t);
	policies(t);
	routes(t);
	others(t);
	mixed_accounts(t);
	rival_workloads(t);
	defaults(t);
}
