/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AuthorizationPolicies as Envoy's RBAC filters, in the form istiod gives them: one policy per
 * rule, permissions from `to`, principals from `from`, `when` on whichever side it belongs.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/authz.h"
#include "lib/istio/match.h"
#include "lib/istio/sidecar_internal.h"

struct writing {
	struct sidecar *sidecar;
	struct arena *arena;
	const char *policy_ns;
	bool http;
};

static struct doc *one(struct arena *a, const char *key, struct doc *value)
{
	struct doc *d = doc_map(a);

	doc_set(a, d, key, value);
	return d;
}

static struct doc *any(struct arena *a)
{
	return one(a, "any", doc_bool(a, true));
}

/* Every character that means something to RE2 stands for itself. */
static const char *quoted(struct arena *a, const char *s)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	for (; *s; s++) {
		if (strchr("\\.+*?()|[]{}^$", *s))
			strbuf_addc(&out, '\\');
		strbuf_addc(&out, *s);
	}
	return arena_strdup(a, strbuf_cstr(&out));
}

static struct doc *regex(struct arena *a, const char *text)
{
	return one(a, "safe_regex", one(a, "regex", doc_string(a, text)));
}

/* A pattern as a StringMatcher. before stands in front of the text (a URI scheme). */
static struct doc *string_matcher(struct arena *a, const char *pattern, const char *before)
{
	struct istio_match m = istio_match_parse(a, pattern);

	switch (m.kind) {
	case MATCH_PRESENT:
		return regex(a, ".+");
	case MATCH_PREFIX:
		return one(a, "prefix", doc_stringf(a, "%s%s", before, m.text));
	case MATCH_SUFFIX:
		if (*before)
			return regex(a, arena_printf(a, "%s.*%s", before, quoted(a, m.text)));
		return one(a, "suffix", doc_string(a, m.text));
	case MATCH_EXACT:
		break;
	}
	return one(a, "exact", doc_stringf(a, "%s%s", before, m.text));
}

/* --- values of one attribute; each appends one or more alternatives to list ----------------- */

typedef void (*value_writer)(struct writing *w, struct doc *list, const char *key,
			     const char *value);

static void authenticated(struct writing *w, struct doc *list, struct doc *matcher)
{
	doc_append(w->arena, list,
		   one(w->arena, "authenticated", one(w->arena, "principal_name", matcher)));
}

/* The same account in every trust domain that is ours, the first of them the mesh's own. */
static void write_principal(struct writing *w, struct doc *list, UNUSED const char *key,
			    const char *value)
{
	const struct istio_mesh_config *config = &w->sidecar->mesh->config;
	const char *slash = strchr(value, '/');
	const char *domain = slash ? arena_strndup(w->arena, value, (size_t)(slash - value)) : NULL;

	if (!domain || value[0] == '*' || !istio_own_trust_domain(w->sidecar->mesh, domain)) {
		authenticated(w, list, string_matcher(w->arena, value, "spiffe://"));
		return;
	}
	authenticated(w, list,
		      string_matcher(w->arena,
				     arena_printf(w->arena, "%s%s", config->trust_domain, slash),
				     "spiffe://"));
	for (size_t i = 0; i < config->trust_domain_aliases.n; i++)
		authenticated(
			w, list,
			string_matcher(w->arena,
				       arena_printf(w->arena, "%s%s",
						    config->trust_domain_aliases.items[i], slash),
				       "spiffe://"));
}

/* A star anywhere is any text. */
static void write_namespace(struct writing *w, struct doc *list, UNUSED const char *key,
			    const char *value)
{
	auto_release(strbuf) struct strbuf name = STRBUF_INIT;

	for (size_t n; *value; value += n) {
		n = *value == '*' ? 1 : strcspn(value, "*");
		strbuf_adds(&name, *value == '*'
					   ? ".*"
					   : quoted(w->arena, arena_strndup(w->arena, value, n)));
	}
	authenticated(w, list,
		      regex(w->arena, arena_printf(w->arena, ".*/ns/%s/.*", strbuf_cstr(&name))));
}

static void write_account(struct writing *w, struct doc *list, UNUSED const char *key,
			  const char *value)
{
	const char *slash = strchr(value, '/');
	const char *ns =
		slash ? arena_strndup(w->arena, value, (size_t)(slash - value)) : w->policy_ns;

	authenticated(w, list,
		      regex(w->arena, arena_printf(w->arena, "spiffe://.+/ns/%s/(.+/|)sa/%s(/.+)?",
						   quoted(w->arena, ns),
						   quoted(w->arena, slash ? slash + 1 : value))));
}

static void write_cidr(struct writing *w, struct doc *list, const char *key, const char *value)
{
	const char *slash = strchr(value, '/');
	struct doc *cidr = doc_map(w->arena);
	uint64_t prefix = strchr(value, ':') ? 128 : 32;

	if (slash && str_to_u64(slash + 1, 0, prefix, &prefix, "prefix", NULL) < 0)
		prefix = strchr(value, ':') ? 128 : 32;
	doc_set_string(w->arena, cidr, "address_prefix",
		       slash ? arena_strndup(w->arena, value, (size_t)(slash - value)) : value);
	doc_set_int(w->arena, cidr, "prefix_len", (int64_t)prefix);
	doc_append(w->arena, list, one(w->arena, key, cidr));
}

static void write_source_ip(struct writing *w, struct doc *list, UNUSED const char *key,
			    const char *value)
{
	write_cidr(w, list, "direct_remote_ip", value);
}

static void write_remote_ip(struct writing *w, struct doc *list, UNUSED const char *key,
			    const char *value)
{
	write_cidr(w, list, "remote_ip", value);
}

static void write_destination_ip(struct writing *w, struct doc *list, UNUSED const char *key,
				 const char *value)
{
	write_cidr(w, list, "destination_ip", value);
}

static void write_port(struct writing *w, struct doc *list, UNUSED const char *key,
		       const char *value)
{
	uint64_t port;

	if (str_to_u64(value, 0, UINT16_MAX, &port, "port", NULL) == 0)
		doc_append(w->arena, list,
			   one(w->arena, "destination_port", doc_int(w->arena, (int64_t)port)));
}

static void write_sni(struct writing *w, struct doc *list, UNUSED const char *key,
		      const char *value)
{
	doc_append(w->arena, list,
		   one(w->arena, "requested_server_name", string_matcher(w->arena, value, "")));
}

static void write_header(struct writing *w, struct doc *list, const char *name, const char *value,
			 bool ignore_case)
{
	struct doc *header = doc_map(w->arena), *matcher = string_matcher(w->arena, value, "");

	doc_set_string(w->arena, header, "name", name);
	if (str_eq(value, "*")) {
		doc_set_bool(w->arena, header, "present_match", true);
	} else {
		if (ignore_case)
			doc_set_bool(w->arena, matcher, "ignore_case", true);
		doc_set(w->arena, header, "string_match", matcher);
	}
	doc_append(w->arena, list, one(w->arena, "header", header));
}

static void write_host(struct writing *w, struct doc *list, UNUSED const char *key,
		       const char *value)
{
	write_header(w, list, ":authority", value, true);
}

static void write_method(struct writing *w, struct doc *list, UNUSED const char *key,
			 const char *value)
{
	write_header(w, list, ":method", value, false);
}

/* "{*}" and "{**}" are a star and two of Envoy's own template. */
static struct doc *path_template(struct arena *a, const char *value)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *t = sidecar_yaml(a, "name: uri-template\n"
					"typed_config:\n"
					"  '@type': " ENVOY_EXTENSION
					"path.match.uri_template.v3.UriTemplateMatchConfig\n");

	for (; *value; value++)
		if (*value != '{' && *value != '}')
			strbuf_addc(&out, *value);
	doc_set_string(a, doc_get(t, "typed_config"), "path_template", strbuf_cstr(&out));
	return one(a, "uri_template", t);
}

static void write_path(struct writing *w, struct doc *list, UNUSED const char *key,
		       const char *value)
{
	if (istio_is_path_template(value))
		doc_append(w->arena, list, path_template(w->arena, value));
	else
		doc_append(w->arena, list,
			   one(w->arena, "url_path",
			       one(w->arena, "path", string_matcher(w->arena, value, ""))));
}

/* The part between the brackets of "request.headers[x]". */
static const char *bracketed(struct arena *a, const char *key)
{
	const char *open = strchr(key, '['), *close = strrchr(key, ']');

	return open && close > open ? arena_strndup(a, open + 1, (size_t)(close - open - 1)) : "";
}

static void write_request_header(struct writing *w, struct doc *list, const char *key,
				 const char *value)
{
	write_header(w, list, bracketed(w->arena, key), value, false);
}

static struct doc *metadata(struct arena *a, const char *filter, const char *key, const char *below,
			    struct doc *value)
{
	struct doc *d = doc_map(a), *path = doc_set_list(a, d, "path");

	doc_set_string(a, d, "filter", filter);
	doc_append(a, path, one(a, "key", doc_string(a, key)));
	if (below)
		doc_append(a, path, one(a, "key", doc_string(a, below)));
	doc_set(a, d, "value", value);
	return one(a, "metadata", d);
}

static struct doc *claim(struct arena *a, const char *name, struct doc *value)
{
	return metadata(a, "envoy.filters.http.jwt_authn", "payload", name, value);
}

/* "issuer/subject", with a star at either end. */
static void write_request_principal(struct writing *w, struct doc *list, UNUSED const char *key,
				    const char *value)
{
	struct arena *a = w->arena;
	const char *slash = strrchr(value, '/'), *issuer = value, *subject = "";
	struct doc *both = doc_list(a);

	if (slash) {
		issuer = arena_strndup(a, value, (size_t)(slash - value));
		subject = slash + 1;
	} else if (str_eq(value, "*") || str_ends(value, "*")) {
		subject = "*";
	} else if (value[0] == '*') {
		issuer = "*";
		subject = value;
	}
	doc_append(a, both, claim(a, "iss", one(a, "string_match", string_matcher(a, issuer, ""))));
	doc_append(a, both,
		   claim(a, "sub", one(a, "string_match", string_matcher(a, subject, ""))));
	doc_append(a, list, one(a, "and_ids", one(a, "ids", both)));
}

/* A claim is a string or a list of them. */
static void write_claim(struct writing *w, struct doc *list, const char *key, const char *value)
{
	struct arena *a = w->arena;
	struct doc *either = doc_list(a);
	const char *name = str_ends(key, "audiences")   ? "aud"
			   : str_ends(key, "presenter") ? "azp"
							: bracketed(a, key);
	struct doc *text = one(a, "string_match", string_matcher(a, value, ""));

	doc_append(a, either, one(a, "list_match", one(a, "one_of", text)));
	doc_append(a, either, text);
	doc_append(a, list, claim(a, name, one(a, "or_match", one(a, "value_matchers", either))));
}

/* experimental.envoy.filters.NAME[KEY] */
static void write_filter_metadata(struct writing *w, struct doc *list, const char *key,
				  const char *value)
{
	const char *name = key + strlen("experimental.");
	size_t n = strcspn(name, "[");

	doc_append(w->arena, list,
		   metadata(w->arena, arena_strndup(w->arena, name, n), bracketed(w->arena, key),
			    NULL,
			    one(w->arena, "string_match", string_matcher(w->arena, value, ""))));
}

/* --- attributes ----------------------------------------------------------------------------- */

enum side { PERMISSION, PRINCIPAL };
static const struct {
	const char *key; /* a prefix when it ends with '.' or '[' */
	enum side side;
	value_writer write;
} conditions[] = {
	{"source.ip", PRINCIPAL, write_source_ip},
	{"remote.ip", PRINCIPAL, write_remote_ip},
	{"source.namespace", PRINCIPAL, write_namespace},
	{"source.principal", PRINCIPAL, write_principal},
	{"source.serviceAccount", PRINCIPAL, write_account},
	{"destination.ip", PERMISSION, write_destination_ip},
	{"destination.port", PERMISSION, write_port},
	{"connection.sni", PERMISSION, write_sni},
	{"request.headers[", PRINCIPAL, write_request_header},
	{"request.auth.principal", PRINCIPAL, write_request_principal},
	{"request.auth.audiences", PRINCIPAL, write_claim},
	{"request.auth.presenter", PRINCIPAL, write_claim},
	{"request.auth.claims[", PRINCIPAL, write_claim},
	{"experimental.envoy.filters.", PERMISSION, write_filter_metadata},
};

static struct doc *group(struct arena *a, enum side side, const char *op, struct doc *members)
{
	const char *key = side == PERMISSION ? "rules" : "ids";

	return one(a, arena_printf(a, "%s_%s", op, key), one(a, key, members));
}

static void add_values(struct writing *w, struct doc *all, enum side side, value_writer write,
		       const char *key, const struct strings *yes, const struct strings *no)
{
	struct doc *list = doc_list(w->arena);

	for (size_t i = 0; i < yes->n; i++)
		write(w, list, key, yes->items[i]);
	if (yes->n)
		doc_append(w->arena, all, group(w->arena, side, "or", list));
	list = doc_list(w->arena);
	for (size_t i = 0; i < no->n; i++)
		write(w, list, key, no->items[i]);
	if (no->n)
		doc_append(w->arena, all,
			   one(w->arena, side == PERMISSION ? "not_rule" : "not_id",
			       group(w->arena, side, "or", list)));
}

static void add_conditions(struct writing *w, struct doc *all, enum side side,
			   const struct istio_rule *rule)
{
	for (size_t i = 0; i < rule->n_when; i++) {
		const struct istio_condition *when = &rule->when[i];

		if (!w->http && istio_condition_is_http(when->key))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(conditions); j++) {
			const char *key = conditions[j].key;
			char last = key[strlen(key) - 1];

			if (conditions[j].side != side ||
			    !(last == '.' || last == '[' ? str_starts(when->key, key)
							 : str_eq(when->key, key)))
				continue;
			add_values(w, all, side, conditions[j].write, when->key, &when->values,
				   &when->not_values);
		}
	}
}

static struct doc *permission(struct writing *w, const struct istio_operation *o,
			      const struct istio_rule *rule)
{
	struct doc *all = doc_list(w->arena);

	if (o && w->http) {
		add_values(w, all, PERMISSION, write_host, "", &o->hosts, &o->not_hosts);
		add_values(w, all, PERMISSION, write_method, "", &o->methods, &o->not_methods);
		add_values(w, all, PERMISSION, write_path, "", &o->paths, &o->not_paths);
	}
	if (o)
		add_values(w, all, PERMISSION, write_port, "", &o->ports, &o->not_ports);
	add_conditions(w, all, PERMISSION, rule);
	if (doc_len(all) == 0)
		doc_append(w->arena, all, any(w->arena));
	return group(w->arena, PERMISSION, "and", all);
}

static struct doc *principal(struct writing *w, const struct istio_source *s,
			     const struct istio_rule *rule)
{
	struct doc *all = doc_list(w->arena);

	if (s) {
		add_values(w, all, PRINCIPAL, write_principal, "", &s->principals,
			   &s->not_principals);
		if (w->http)
			add_values(w, all, PRINCIPAL, write_request_principal, "",
				   &s->request_principals, &s->not_request_principals);
		add_values(w, all, PRINCIPAL, write_account, "", &s->service_accounts,
			   &s->not_service_accounts);
		add_values(w, all, PRINCIPAL, write_namespace, "", &s->namespaces,
			   &s->not_namespaces);
		add_values(w, all, PRINCIPAL, write_remote_ip, "", &s->remote_ip_blocks,
			   &s->not_remote_ip_blocks);
		add_values(w, all, PRINCIPAL, write_source_ip, "", &s->ip_blocks,
			   &s->not_ip_blocks);
	}
	add_conditions(w, all, PRINCIPAL, rule);
	if (doc_len(all) == 0)
		doc_append(w->arena, all, any(w->arena));
	return group(w->arena, PRINCIPAL, "and", all);
}

/* --- rules, policies, filters --------------------------------------------------------------- */

static struct doc *write_rule(struct writing *w, const struct istio_rule *rule)
{
	struct doc *policy = doc_map(w->arena);
	struct doc *permissions = doc_set_list(w->arena, policy, "permissions");
	struct doc *principals = doc_set_list(w->arena, policy, "principals");

	for (size_t i = 0; i < MAX(rule->n_to, (size_t)1); i++)
		doc_append(w->arena, permissions,
			   permission(w, rule->n_to ? &rule->to[i].operation : NULL, rule));
	for (size_t i = 0; i < MAX(rule->n_from, (size_t)1); i++)
		doc_append(w->arena, principals,
			   principal(w, rule->n_from ? &rule->from[i].source : NULL, rule));
	return policy;
}

/* ALLOW without rules: a rule that nothing matches, so that the filter refuses. */
static struct doc *match_nothing(struct arena *a)
{
	struct doc *policy = doc_map(a);

	doc_append(a, doc_set_list(a, policy, "permissions"), one(a, "not_rule", any(a)));
	doc_append(a, doc_set_list(a, policy, "principals"), one(a, "not_id", any(a)));
	return policy;
}

static void write_policy(struct writing *w, struct doc *policies,
			 const struct istio_authorization_policy *p)
{
	bool lenient = p->action == ACTION_DENY || p->action == ACTION_AUDIT;

	w->policy_ns = sidecar_namespace_of(&p->meta);
	if (p->n_rules == 0 && p->action == ACTION_ALLOW)
		doc_set(w->arena, policies,
			arena_printf(w->arena, "ns[%s]-policy[%s]-rule[0]", w->policy_ns,
				     p->meta.name),
			match_nothing(w->arena));
	for (size_t i = 0; i < p->n_rules; i++) {
		const char *name = arena_printf(w->arena, "ns[%s]-policy[%s]-rule[%zu]",
						w->policy_ns, p->meta.name, i);

		if (!w->http && !lenient && istio_rule_has_http(&p->rules[i]))
			continue;
		doc_set(w->arena, policies, name, write_rule(w, &p->rules[i]));
	}
}

/* The rules of one action; NULL when no policy of it selects the pod. */
static struct doc *rules_of(struct writing *w, enum istio_action action, bool dry_run)
{
	struct sidecar *s = w->sidecar;
	struct doc *rules = NULL, *policies = NULL;

	for (size_t i = 0; i < s->mesh->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &s->mesh->authorization_policies[i];

		if (p->action != (int)action || p->dry_run != dry_run ||
		    !istio_policy_selects(s->mesh, p, s->pod->namespace, &s->pod->labels))
			continue;
		if (!rules) {
			rules = doc_map(s->arena);
			if (action == ACTION_DENY)
				doc_set_string(s->arena, rules, "action", "DENY");
			policies = doc_map(s->arena);
		}
		write_policy(w, policies, p);
	}
	if (policies && doc_len(policies) > 0)
		doc_set(s->arena, rules, "policies", policies);
	return rules;
}

static void add_filter(struct writing *w, struct doc *filters, enum istio_action action)
{
	struct arena *a = w->arena;
	struct doc *rules = rules_of(w, action, false), *shadow = rules_of(w, action, true);
	struct doc *filter, *config;

	if (!rules && !shadow)
		return;
	filter = sidecar_yaml(
		a, w->http ? "name: envoy.filters.http.rbac\n"
			     "typed_config:\n"
			     "  '@type': " ENVOY_EXTENSION "filters.http.rbac.v3.RBAC\n"
			   : "name: envoy.filters.network.rbac\n"
			     "typed_config:\n"
			     "  '@type': " ENVOY_EXTENSION "filters.network.rbac.v3.RBAC\n"
			     "  stat_prefix: tcp.\n");
	config = doc_get(filter, "typed_config");
	if (rules)
		doc_set(a, config, "rules", rules);
	if (shadow)
		doc_set(a, config, "shadow_rules", shadow);
	doc_set_string(a, config, "shadow_rules_stat_prefix",
		       action == ACTION_DENY ? "istio_dry_run_deny_" : "istio_dry_run_allow_");
	doc_append(a, filters, filter);
}

void sidecar_add_rbac(struct sidecar *s, struct doc *filters, bool http)
{
	struct writing w = {.sidecar = s, .arena = s->arena, .http = http};

	add_filter(&w, filters, ACTION_DENY);
	add_filter(&w, filters, ACTION_ALLOW);
}
