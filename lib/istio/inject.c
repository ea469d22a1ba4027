/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/inject.h"

#include "lib/base/str.h"

#define INJECT_LABEL "sidecar.istio.io/inject"
#define REV_LABEL    "istio.io/rev"
#define NS_LABEL     "istio-injection"

static const struct {
	bool injects;
	const char *words;
} rules[] = {
#define RULE_ROW(symbol, injects, words) [symbol] = {injects, words},
	ISTIO_INJECTION_RULES(RULE_ROW)
#undef RULE_ROW
};

const char *istio_injection_words(enum istio_injection_rule rule)
{
	return rules[rule].words;
}

static struct istio_injection answer(enum istio_injection_rule rule, const char *revision)
{
	return (struct istio_injection){
		.inject = rules[rule].injects,
		.rule = rule,
		.revision = rules[rule].injects ? revision : NULL,
	};
}

static bool ignored(const char *ns)
{
	static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease",
					    "local-path-storage"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(ns, names[i]))
			return true;
	return false;
}

/* An injector that is not known in detail is taken to have every revision. */
static bool has_revision(const struct istio_injector *injector, const char *revision)
{
	for (size_t i = 0; i < injector->n_revisions; i++)
		if (str_eq(injector->revisions[i], revision))
			return true;
	return injector->n_revisions == 0;
}

/* Step 3: does any webhook send this pod to an injector? */
static struct istio_injection webhook(const struct istio_injector *injector,
				      const struct strmap *ns_labels, const struct strmap *labels)
{
	static const struct strmap none = {0};
	const char *ns_inject, *ns_rev, *pod_inject, *pod_rev;

	if (!ns_labels)
		ns_labels = &none;
	ns_inject = strmap_get(ns_labels, NS_LABEL);
	ns_rev = strmap_get(ns_labels, REV_LABEL);
	pod_inject = strmap_get(labels, INJECT_LABEL);
	pod_rev = strmap_get(labels, REV_LABEL);

	if (str_eq(pod_inject, "false"))
		return answer(INJECT_POD_LABEL_OFF, NULL);
	if (ns_inject) {
		if (!str_eq(ns_inject, "enabled"))
			return answer(INJECT_NAMESPACE_OFF, NULL);
		return answer(has_revision(injector, "default") ? INJECT_NAMESPACE
								: INJECT_NO_INJECTOR,
			      "default");
	}
	if (ns_rev)
		return answer(has_revision(injector, ns_rev) ? INJECT_NAMESPACE_REVISION
							     : INJECT_NO_INJECTOR,
			      ns_rev);
	if (pod_rev)
		return answer(has_revision(injector, pod_rev) ? INJECT_POD_REVISION
							      : INJECT_NO_INJECTOR,
			      pod_rev);
	if (str_eq(pod_inject, "true"))
		return answer(has_revision(injector, "default") ? INJECT_POD_LABEL
								: INJECT_NO_INJECTOR,
			      "default");
	return answer(injector->by_default ? INJECT_BY_DEFAULT : INJECT_NOTHING_ASKS, "default");
}

static bool selected(const struct label_selector *list, size_t n, const struct strmap *labels)
{
	for (size_t i = 0; i < n; i++)
		if (!label_selector_is_empty(&list[i]) && label_selector_matches(&list[i], labels))
			return true;
	return false;
}

/* Step 4: what the injector decides about a pod it was sent. */
static struct istio_injection inside(const struct istio_injector *injector,
				     const struct strmap *labels, const struct strmap *annotations,
				     struct istio_injection sent)
{
	const char *label = strmap_get(labels, INJECT_LABEL);
	const char *asked = label ? label : strmap_get(annotations, INJECT_LABEL);

	if (str_eq(asked, "true"))
		return sent;
	if (!str_empty(asked))
		return answer(label ? INJECT_POD_LABEL_OFF : INJECT_POD_ANNOTATION_OFF, NULL);
	if (selected(injector->never, injector->n_never, labels))
		return answer(INJECT_NEVER_SELECTOR, NULL);
	if (selected(injector->always, injector->n_always, labels))
		return sent;
	return injector->policy_disabled ? answer(INJECT_POLICY_OFF, NULL) : sent;
}

struct istio_injection istio_injection_decide(const struct istio_injector *injector, const char *ns,
					      const struct strmap *ns_labels,
					      const struct strmap *labels,
					      const struct strmap *annotations, bool host_network)
{
	struct istio_injection sent;

	if (host_network)
		return answer(INJECT_HOST_NETWORK, NULL);
	if (ignored(ns))
		return answer(INJECT_IGNORED_NAMESPACE, NULL);
	sent = webhook(injector, ns_labels, labels);
	return sent.inject ? inside(injector, labels, annotations, sent) : sent;
}

struct istio_injection istio_injection_of(const struct istio_mesh *m,
					  const struct istio_workload *w)
{
	const struct istio_namespace *ns = istio_mesh_namespace(m, w->namespace);

	return istio_injection_decide(&m->injector, w->namespace, ns ? &ns->labels : NULL,
				      &w->labels, &w->annotations, w->host_network);
}
