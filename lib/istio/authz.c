/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/authz.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/match.h"

const char *istio_verdict_name(enum istio_verdict v)
{
	static const char *const names[] = {"allow", "deny", "ask"};

	return names[v];
}

bool istio_condition_is_http(const char *key)
{
	return str_starts(key, "request.headers") || str_starts(key, "request.auth.");
}

bool istio_source_has_http(const struct istio_source *s)
{
	return s->request_principals.n || s->not_request_principals.n;
}

bool istio_operation_has_http(const struct istio_operation *o)
{
	return o->hosts.n || o->not_hosts.n || o->methods.n || o->not_methods.n || o->paths.n ||
	       o->not_paths.n;
}

bool istio_rule_has_http(const struct istio_rule *r)
{
	for (size_t i = 0; i < r->n_from; i++)
		if (istio_source_has_http(&r->from[i].source))
			return true;
	for (size_t i = 0; i < r->n_to; i++)
		if (istio_operation_has_http(&r->to[i].operation))
			return true;
	for (size_t i = 0; i < r->n_when; i++)
		if (istio_condition_is_http(r->when[i].key))
			return true;
	return false;
}

bool istio_own_trust_domain(const struct istio_mesh *m, const char *trust_domain)
{
	if (str_eq(trust_domain, m->config.trust_domain) || str_eq(trust_domain, "cluster.local"))
		return true;
	for (size_t i = 0; i < m->config.trust_domain_aliases.n; i++)
		if (str_eq(trust_domain, m->config.trust_domain_aliases.items[i]))
			return true;
	return false;
}

/* --- values ------------------------------------------------------------------------------- */

struct context {
	const struct istio_mesh *mesh;
	const struct istio_request *request;
	const char *policy_ns;
};
typedef bool (*value_test)(const struct context *c, const char *value);

static bool any_of(const struct context *c, const struct strings *values, value_test test)
{
	for (size_t i = 0; i < values->n; i++)
		if (test(c, values->items[i]))
			return true;
	return false;
}

/* A positive and a negative list of one attribute; an absent list says nothing. */
static bool both(const struct context *c, const struct strings *yes, const struct strings *no,
		 value_test test)
{
	if (yes->n && !any_of(c, yes, test))
		return false;
	return !no->n || !any_of(c, no, test);
}

/* The part of principal after its trust domain, with the slash. */
static const char *after_domain(const char *principal)
{
	const char *slash = principal ? strchr(principal, '/') : NULL;

	return slash ? slash : "";
}

static bool same_domain(const struct context *c, const char *a, const char *b)
{
	size_t na = strcspn(a, "/"), nb = strcspn(b, "/");
	char da[256], db[256];

	if (na >= sizeof(da) || nb >= sizeof(db))
		return false;
	memcpy(da, a, na);
	da[na] = '\0';
	memcpy(db, b, nb);
	db[nb] = '\0';
	return str_eq(da, db) ||
	       (istio_own_trust_domain(c->mesh, da) && istio_own_trust_domain(c->mesh, db));
}

static bool test_principal(const struct context *c, const char *value)
{
	const char *have = c->request->principal;

	if (!have)
		return false;
	if (istio_pattern_matches(value, have, false))
		return true;
	/* Aliases: the same path in another of our trust domains. */
	return value[0] != '*' && same_domain(c, value, have) &&
	       istio_pattern_matches(after_domain(value), after_domain(have), false);
}

/* Between "/ns/" and "/sa/", which may cut names short or long as the pattern says. */
static bool test_namespace(const struct context *c, const char *value)
{
	const char *ns = c->request->principal ? strstr(c->request->principal, "/ns/") : NULL;
	const char *end = ns ? strchr(ns + 4, '/') : NULL;
	char name[256];

	if (!end || (size_t)(end - ns - 4) >= sizeof(name))
		return false;
	memcpy(name, ns + 4, (size_t)(end - ns - 4));
	name[end - ns - 4] = '\0';
	return istio_glob_matches(value, name);
}

/* "ns/account", or "account" in the policy's own namespace. */
static bool test_account(const struct context *c, const char *value)
{
	const char *slash = strchr(value, '/');
	const char *have = c->request->principal ? strstr(c->request->principal, "/ns/") : NULL;
	size_t ns_n = slash ? (size_t)(slash - value) : strlen(c->policy_ns);
	const char *ns = slash ? value : c->policy_ns;
	const char *account = slash ? slash + 1 : value;

	if (!have)
		return false;
	have += 4;
	return strncmp(have, ns, ns_n) == 0 && str_starts(have + ns_n, "/sa/") &&
	       str_eq(have + ns_n + 4, account);
}

static bool test_source_ip(const struct context *c, const char *value)
{
	return istio_cidr_contains(value, c->request->source_ip);
}

static bool test_remote_ip(const struct context *c, const char *value)
{
	const char *ip = c->request->remote_ip ? c->request->remote_ip : c->request->source_ip;

	return istio_cidr_contains(value, ip);
}

static bool test_destination_ip(const struct context *c, const char *value)
{
	return istio_cidr_contains(value, c->request->destination_ip);
}

static bool test_port(const struct context *c, const char *value)
{
	uint64_t port;

	return str_to_u64(value, 0, UINT16_MAX, &port, "port", NULL) == 0 &&
	       port == c->request->port;
}

static bool test_host(const struct context *c, const char *value)
{
	return istio_pattern_matches(value, c->request->host, true);
}

static bool test_method(const struct context *c, const char *value)
{
	return istio_pattern_matches(value, c->request->method, false);
}

static bool test_path(const struct context *c, const char *value)
{
	char path[8192];
	size_t n;

	if (!c->request->path)
		return false;
	n = strcspn(c->request->path, "?#");
	if (n >= sizeof(path))
		return false;
	memcpy(path, c->request->path, n);
	path[n] = '\0';
	if (istio_is_path_template(value))
		return istio_path_template_matches(value, path);
	return istio_pattern_matches(value, path, false);
}

static bool test_sni(const struct context *c, const char *value)
{
	return istio_pattern_matches(value, c->request->sni, false);
}

static bool test_request_principal(const struct context *c, const char *value)
{
	return istio_pattern_matches(
		value, strmap_get(&c->request->attributes, "request.auth.principal"), false);
}

/* --- rules -------------------------------------------------------------------------------- */

static bool source_matches(const struct context *c, const struct istio_source *s)
{
	if (!both(c, &s->principals, &s->not_principals, test_principal) ||
	    !both(c, &s->namespaces, &s->not_namespaces, test_namespace) ||
	    !both(c, &s->service_accounts, &s->not_service_accounts, test_account) ||
	    !both(c, &s->ip_blocks, &s->not_ip_blocks, test_source_ip) ||
	    !both(c, &s->remote_ip_blocks, &s->not_remote_ip_blocks, test_remote_ip))
		return false;
	return !c->request->http ||
	       both(c, &s->request_principals, &s->not_request_principals, test_request_principal);
}

static bool operation_matches(const struct context *c, const struct istio_operation *o)
{
	if (!both(c, &o->ports, &o->not_ports, test_port))
		return false;
	if (!c->request->http)
		return true;
	return both(c, &o->hosts, &o->not_hosts, test_host) &&
	       both(c, &o->methods, &o->not_methods, test_method) &&
	       both(c, &o->paths, &o->not_paths, test_path);
}

static const struct {
	const char *key;
	value_test test;
} condition_tests[] = {
	{"source.ip", test_source_ip},           {"remote.ip", test_remote_ip},
	{"source.namespace", test_namespace},    {"source.principal", test_principal},
	{"source.serviceAccount", test_account}, {"destination.ip", test_destination_ip},
	{"destination.port", test_port},         {"connection.sni", test_sni},
};

static bool attribute_matches(const struct context *c, const struct istio_condition *when)
{
	const char *have = strmap_get(&c->request->attributes, when->key);
	bool yes = when->values.n == 0;

	for (size_t i = 0; i < when->values.n && !yes; i++)
		yes = istio_pattern_matches(when->values.items[i], have, false);
	for (size_t i = 0; i < when->not_values.n && yes; i++)
		yes = !istio_pattern_matches(when->not_values.items[i], have, false);
	return yes;
}

static bool condition_matches(const struct context *c, const struct istio_condition *when)
{
	for (size_t i = 0; i < ARRAY_SIZE(condition_tests); i++)
		if (str_eq(when->key, condition_tests[i].key))
			return both(c, &when->values, &when->not_values, condition_tests[i].test);
	if (!c->request->http && istio_condition_is_http(when->key))
		return true;
	return attribute_matches(c, when);
}

bool istio_rule_matches(const struct istio_mesh *m, const struct istio_authorization_policy *p,
			const struct istio_rule *rule, const struct istio_request *request)
{
	struct context c = {
		.mesh = m,
		.request = request,
		.policy_ns = p->meta.namespace ? p->meta.namespace : "default",
	};
	bool from = rule->n_from == 0, to = rule->n_to == 0;

	if (!request->http && p->action != ACTION_DENY && p->action != ACTION_AUDIT &&
	    istio_rule_has_http(rule))
		return false;
	for (size_t i = 0; i < rule->n_from && !from; i++)
		from = source_matches(&c, &rule->from[i].source);
	for (size_t i = 0; i < rule->n_to && !to; i++)
		to = operation_matches(&c, &rule->to[i].operation);
	if (!from || !to)
		return false;
	for (size_t i = 0; i < rule->n_when; i++)
		if (!condition_matches(&c, &rule->when[i]))
			return false;
	return true;
}

/* --- policies ----------------------------------------------------------------------------- */

bool istio_policy_selects(const struct istio_mesh *m, const struct istio_authorization_policy *p,
			  const char *ns, const struct strmap *labels)
{
	const char *own = p->meta.namespace ? p->meta.namespace : "default";

	if (p->target_ref || p->target_refs)
		return false;
	if (!str_eq(own, ns) && !str_eq(own, m->config.root_namespace))
		return false;
	return istio_selector_matches(&p->selector, labels);
}

/* The first policy of action with a matching rule; *selected counts those that apply at all. */
static bool first_match(const struct istio_mesh *m, enum istio_action action, const char *ns,
			const struct strmap *labels, const struct istio_request *request,
			size_t *selected, struct istio_decision *out)
{
	*selected = 0;
	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if (p->action != (int)action || p->dry_run ||
		    !istio_policy_selects(m, p, ns, labels))
			continue;
		(*selected)++;
		for (size_t j = 0; j < p->n_rules; j++) {
			if (!istio_rule_matches(m, p, &p->rules[j], request))
				continue;
			out->policy = p;
			out->rule = j;
			return true;
		}
	}
	return false;
}

struct istio_decision istio_authorize(const struct istio_mesh *m, const char *ns,
				      const struct strmap *labels,
				      const struct istio_request *request)
{
	struct istio_decision d = {.verdict = VERDICT_ALLOW};
	size_t selected;

	if (first_match(m, ACTION_CUSTOM, ns, labels, request, &selected, &d)) {
		d.verdict = VERDICT_ASK;
		d.why = "an external authorizer decides";
	} else if (first_match(m, ACTION_DENY, ns, labels, request, &selected, &d)) {
		d.verdict = VERDICT_DENY;
		d.why = "a DENY rule matches";
	} else if (first_match(m, ACTION_ALLOW, ns, labels, request, &selected, &d)) {
		d.why = "an ALLOW rule matches";
	} else if (selected > 0) {
		d.verdict = VERDICT_DENY;
		d.why = "no ALLOW rule matches";
	} else {
		d.why = "no ALLOW policy selects the workload";
	}
	return d;
}
