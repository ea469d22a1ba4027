/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/validate.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/match.h"

static void refuse(struct istio_refusals *r, const char *path, const char *why)
{
	vec_push(&r->list, ((struct istio_refusal){path, why}));
}

static const char *below(struct istio_refusals *r, const char *path, const char *key)
{
	return arena_printf(r->arena, "%s.%s", path, key);
}

static const char *item(struct istio_refusals *r, const char *path, size_t i)
{
	return arena_printf(r->arena, "%s[%zu]", path, i);
}

/* --- values --------------------------------------------------------------------------------- */

static const char *wrong_port(const char *value)
{
	uint64_t port;

	return str_to_u64(value, 1, UINT16_MAX, &port, "port", NULL) < 0
		       ? "a port must be a number from 1 to 65535"
		       : NULL;
}

static const char *wrong_block(const char *value)
{
	return istio_cidr_valid(value) ? NULL : "not an address or block of addresses";
}

static const char *wrong_account(const char *value)
{
	const char *slash = strchr(value, '/');

	if (strchr(value, '*'))
		return "a star means nothing in a ServiceAccount";
	return slash == value || (slash && (!slash[1] || strchr(slash + 1, '/')))
		       ? "not ACCOUNT or NAMESPACE/ACCOUNT"
		       : NULL;
}

static const char *never_wrong(UNUSED const char *value)
{
	return NULL;
}

static const struct value_rule {
	const char *list, *negative, *condition;
	const char *(*wrong)(const char *value);
} value_rules[] = {
	{"ports", "notPorts", "destination.port", wrong_port},
	{"ipBlocks", "notIpBlocks", "source.ip", wrong_block},
	{"remoteIpBlocks", "notRemoteIpBlocks", "remote.ip", wrong_block},
	{"serviceAccounts", "notServiceAccounts", "source.serviceAccount", wrong_account},
	{"", "", "destination.ip", wrong_block},
};

static void check_values(struct istio_refusals *r, const char *path, const struct doc *values,
			 const char *(*wrong)(const char *value))
{
	for (size_t i = 0; i < doc_len(values); i++) {
		const char *value = doc_str(doc_at(values, i));

		if (str_empty(value))
			refuse(r, item(r, path, i), "an empty value");
		else if (wrong(value))
			refuse(r, item(r, path, i), wrong(value));
	}
}

/* Every list of a source or an operation; it must have one. */
static void check_lists(struct istio_refusals *r, const char *path, const struct doc *d)
{
	bool any = false;

	doc_foreach_entry (d, e) {
		const char *(*wrong)(const char *) = never_wrong;

		for (size_t i = 0; i < ARRAY_SIZE(value_rules); i++)
			if (str_eq(e->key, value_rules[i].list) ||
			    str_eq(e->key, value_rules[i].negative))
				wrong = value_rules[i].wrong;
		any |= doc_len(e->value) > 0;
		if (e->value->kind == DOC_LIST)
			check_values(r, below(r, path, e->key), e->value, wrong);
	}
	if (!any)
		refuse(r, path, "it must say something");
}

/* --- AuthorizationPolicy -------------------------------------------------------------------- */

static void check_source(struct istio_refusals *r, const char *path, const struct doc *d)
{
	static const char *const beside[] = {"principals", "notPrincipals", "namespaces",
					     "notNamespaces"};
	bool account = doc_get(d, "serviceAccounts") || doc_get(d, "notServiceAccounts");

	check_lists(r, path, d);
	for (size_t i = 0; account && i < ARRAY_SIZE(beside); i++)
		if (doc_get(d, beside[i])) {
			refuse(r, below(r, path, beside[i]),
			       "cannot set serviceAccounts with namespaces or principals");
			return;
		}
}

static void check_condition(struct istio_refusals *r, const char *path, const struct doc *d)
{
	const struct doc *yes = doc_get(d, "values"), *no = doc_get(d, "notValues");
	const char *key = doc_str(doc_get(d, "key"));
	const char *(*wrong)(const char *) = never_wrong;

	if (str_empty(key))
		refuse(r, below(r, path, "key"), "a condition must name its attribute");
	if (doc_len(yes) + doc_len(no) == 0)
		refuse(r, path, "values and notValues cannot both be empty");
	for (size_t i = 0; i < ARRAY_SIZE(value_rules); i++)
		if (str_eq(key, value_rules[i].condition))
			wrong = value_rules[i].wrong;
	check_values(r, below(r, path, "values"), yes, wrong);
	check_values(r, below(r, path, "notValues"), no, wrong);
}

/* from[].source or to[].operation; present, a list must have members. */
static void check_members(struct istio_refusals *r, const char *path, const struct doc *list,
			  const char *name,
			  void (*check)(struct istio_refusals *, const char *, const struct doc *))
{
	if (list && list->kind == DOC_LIST && doc_len(list) == 0)
		refuse(r, path, "it cannot be empty; leave it out to mean anybody and anything");
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *member = doc_get(doc_at(list, i), name);

		check(r, below(r, item(r, path, i), name), member);
	}
}

static void check_rule(struct istio_refusals *r, const char *path, const struct doc *d)
{
	const struct doc *when = doc_get(d, "when");

	check_members(r, below(r, path, "from"), doc_get(d, "from"), "source", check_source);
	check_members(r, below(r, path, "to"), doc_get(d, "to"), "operation", check_lists);
	for (size_t i = 0; i < doc_len(when); i++)
		check_condition(r, item(r, below(r, path, "when"), i), doc_at(when, i));
}

static void check_selector(struct istio_refusals *r, const struct doc *spec)
{
	doc_foreach_entry (doc_find(spec, "selector.matchLabels"), e) {
		if (str_empty(e->key))
			refuse(r, "spec.selector.matchLabels", "a label without a name");
		if (strchr(e->key, '*') || strchr(str_or_empty(doc_str(e->value)), '*'))
			refuse(r, "spec.selector.matchLabels",
			       "a star means nothing in a selector");
	}
}

void istio_validate_authorization_policy(struct istio_refusals *r,
					 const struct istio_authorization_policy *p)
{
	const struct doc *spec = doc_get(p->meta.raw, "spec"), *rules = doc_get(spec, "rules");
	bool custom = p->action == ACTION_CUSTOM;

	check_selector(r, spec);
	if (doc_get(spec, "selector") && (p->target_ref || p->target_refs))
		refuse(r, "spec.selector", "selector and targetRefs exclude each other");
	if (custom && str_empty(p->provider))
		refuse(r, "spec.provider", "the action CUSTOM needs provider.name");
	if (custom && !rules)
		refuse(r, "spec.rules", "the action CUSTOM needs rules");
	if (!custom && doc_get(spec, "provider"))
		refuse(r, "spec.provider", "only the action CUSTOM has a provider");
	for (size_t i = 0; i < doc_len(rules); i++)
		check_rule(r, item(r, "spec.rules", i), doc_at(rules, i));
}

/* --- PeerAuthentication --------------------------------------------------------------------- */

void istio_validate_peer_authentication(struct istio_refusals *r,
					const struct istio_peer_authentication *p)
{
	const struct doc *spec = doc_get(p->meta.raw, "spec");
	const struct doc *ports = doc_get(spec, "portLevelMtls");

	check_selector(r, spec);
	if (ports && ports->kind == DOC_MAP && doc_len(ports) == 0)
		refuse(r, "spec.portLevelMtls", "present, it must name a port");
	if (doc_len(ports) > 0 && p->selector.match_labels.n == 0)
		refuse(r, "spec.portLevelMtls",
		       "ports need a selector: a whole namespace has none");
	doc_foreach_entry (ports, e)
		if (wrong_port(e->key))
			refuse(r, below(r, "spec.portLevelMtls", e->key), wrong_port(e->key));
}
