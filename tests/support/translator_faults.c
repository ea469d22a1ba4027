/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/translator_faults.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

#define NAMESPACE "k8s:io.kubernetes.pod.namespace"
#define ACCOUNT   "k8s:io.cilium.k8s.policy.serviceaccount"

/* The first node that a test accepts, over rules of all policies in order. */
typedef bool (*rule_change)(struct arena *a, struct doc *rules, size_t i);

static bool first_rule(struct arena *a, struct doc **policies, size_t n, const char *list,
		       rule_change change)
{
	for (size_t p = 0; p < n; p++) {
		struct doc *rules = doc_get(doc_get(policies[p], "spec"), list);

		for (size_t i = 0; i < doc_len(rules); i++)
			if (change(a, rules, i))
				return true;
	}
	return false;
}

static struct doc *first_peer(struct doc *rules, size_t i)
{
	return doc_find(doc_at(rules, i), "fromEndpoints[0]");
}

static bool lose_namespace(struct arena *a, struct doc *rules, size_t i)
{
	struct doc *peer = first_peer(rules, i), *e;

	if (!doc_get(doc_get(peer, "matchLabels"), NAMESPACE))
		return false;
	doc_del(doc_get(peer, "matchLabels"), NAMESPACE);
	e = doc_append(a, doc_set_list(a, peer, "matchExpressions"), doc_map(a));
	doc_set_string(a, e, "key", NAMESPACE);
	doc_set_string(a, e, "operator", "Exists");
	return true;
}

static bool widened_namespace(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", lose_namespace);
}

static bool lose_account(UNUSED struct arena *a, struct doc *rules, size_t i)
{
	struct doc *labels = doc_get(first_peer(rules, i), "matchLabels");

	if (!doc_get(labels, ACCOUNT))
		return false;
	doc_del(labels, ACCOUNT);
	return true;
}

static bool lost_account(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", lose_account);
}

static bool lose_ports(UNUSED struct arena *a, struct doc *rules, size_t i)
{
	struct doc *rule = doc_at(rules, i);

	if (!first_peer(rules, i) || !doc_get(rule, "toPorts"))
		return false;
	doc_del(rule, "toPorts");
	return true;
}

static bool dropped_port(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", lose_ports);
}

static bool shift_port(struct arena *a, struct doc *rules, size_t i)
{
	struct doc *port = doc_find(doc_at(rules, i), "toPorts[0].ports[0]");
	uint64_t number;

	if (!first_peer(rules, i) || doc_get(port, "endPort") ||
	    str_to_u64(str_or_empty(doc_str(doc_get(port, "port"))), 1, 65000, &number, "port",
		       NULL) < 0)
		return false;
	doc_setf(a, port, "port", "%u", (unsigned)number + 1);
	return true;
}

static bool wrong_port(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", shift_port);
}

static bool any_protocol(struct arena *a, struct doc *rules, size_t i)
{
	struct doc *ports = doc_find(doc_at(rules, i), "toPorts[0].ports");

	/* Only where a port number has no rule of its own for UDP. */
	if (first_peer(rules, i) || !doc_find(doc_at(rules, i), "toPorts[0].ports[0].port"))
		return false;
	for (size_t k = doc_len(ports); k-- > 0;) {
		if (str_eq(doc_find_str(doc_at(ports, k), "protocol"), "UDP")) {
			doc_set_string(a, doc_at(ports, k), "protocol", "TCP");
			return true;
		}
	}
	return false;
}

static bool lost_protocol(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", any_protocol);
}

static bool remove_rule(UNUSED struct arena *a, struct doc *rules, size_t i)
{
	if (!first_peer(rules, i))
		return false;
	doc_remove_at(rules, i);
	return true;
}

static bool lost_rule(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", remove_rule);
}

static bool remove_open(UNUSED struct arena *a, struct doc *rules, size_t i)
{
	if (!doc_find(doc_at(rules, i), "toPorts[0].ports[0]") || first_peer(rules, i))
		return false;
	doc_remove_at(rules, i);
	return true;
}

static bool forgotten_uncaptured(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", remove_open);
}

static bool add_world(struct arena *a, struct doc *rules, size_t i)
{
	struct doc *rule;

	if (!first_peer(rules, i))
		return false;
	rule = doc_append(a, rules, doc_clone(a, doc_at(rules, i)));
	doc_del(rule, "fromEndpoints");
	doc_append(a, doc_set_list(a, rule, "fromEntities"), doc_string(a, "world"));
	return true;
}

static bool added_world(struct arena *a, struct doc **policies, size_t *n)
{
	return first_rule(a, policies, *n, "ingress", add_world);
}

/* "NotIn" of an endpointSelector becomes "In": pods fall out of their class. */
static bool lost_negation(struct arena *a, struct doc **policies, size_t *n)
{
	for (size_t p = 0; p < *n; p++) {
		struct doc *e = doc_find(policies[p], "spec.endpointSelector.matchExpressions[0]");

		if (!str_eq(doc_find_str(e, "operator"), "NotIn"))
			continue;
		doc_set_string(a, e, "operator", "In");
		return true;
	}
	return false;
}

/* A policy for some pods becomes one for all: its callers reach everybody. */
static bool lost_selector(struct arena *a, struct doc **policies, size_t *n)
{
	for (size_t p = 0; p < *n; p++) {
		struct doc *spec = doc_get(policies[p], "spec");

		if (!doc_find(spec, "endpointSelector.matchLabels") ||
		    !doc_find(spec, "ingress[0].fromEndpoints"))
			continue;
		doc_set(a, spec, "endpointSelector", doc_map(a));
		return true;
	}
	return false;
}

static bool lost_policy(UNUSED struct arena *a, struct doc **policies, size_t *n)
{
	if (*n == 0)
		return false;
	for (size_t p = 0; p + 1 < *n; p++)
		policies[p] = policies[p + 1];
	(*n)--;
	return true;
}

const struct translator_fault translator_faults[] = {
	{"a namespace is widened to all", true, widened_namespace},
	{"an account is lost", true, lost_account},
	{"the ports of a rule are dropped", true, dropped_port},
	{"a port is off by one", true, wrong_port},
	{"a negation is lost", true, lost_negation},
	{"a selector is lost", true, lost_selector},
	{"a policy is lost", true, lost_policy},
	{"the world joins a rule's callers", true, added_world},
	{"a rule is lost", false, lost_rule},
	{"what Istio never saw is forgotten", false, forgotten_uncaptured},
	{"UDP becomes TCP where everybody may call", true, lost_protocol},
};
const size_t n_translator_faults = ARRAY_SIZE(translator_faults);
