/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/inject.h - whether Istio would inject a sidecar, and what an injected pod looks like.
 *
 * The truth table of the webhooks and of the code behind them (reference/operations.md 3.6): a
 * namespace label alone proves nothing, and removing it does not turn injection off. Every answer
 * carries the rule that gave it, for reports and for the gate that proves injection off.
 */
#pragma once

#include "lib/istio/mesh.h"

/* The rule that decided. X(symbol, injects, words) */
#define ISTIO_INJECTION_RULES(X)                                                                   \
	X(INJECT_HOST_NETWORK, false, "the pod uses the host's network")                           \
	X(INJECT_IGNORED_NAMESPACE, false, "the namespace is never injected")                      \
	X(INJECT_POD_LABEL_OFF, false, "pod label sidecar.istio.io/inject=false")                  \
	X(INJECT_NAMESPACE_OFF, false, "namespace label istio-injection is not \"enabled\"")       \
	X(INJECT_NO_INJECTOR, false, "no injector has this revision or tag")                       \
	X(INJECT_NOTHING_ASKS, false, "neither the namespace nor the pod asks for it")             \
	X(INJECT_POD_ANNOTATION_OFF, false, "pod annotation sidecar.istio.io/inject=false")        \
	X(INJECT_NEVER_SELECTOR, false, "neverInjectSelector of the injector")                     \
	X(INJECT_POLICY_OFF, false, "the injector's policy is disabled")                           \
	X(INJECT_NAMESPACE, true, "namespace label istio-injection=enabled")                       \
	X(INJECT_NAMESPACE_REVISION, true, "namespace label istio.io/rev")                         \
	X(INJECT_POD_LABEL, true, "pod label sidecar.istio.io/inject=true")                        \
	X(INJECT_POD_REVISION, true, "pod label istio.io/rev")                                     \
	X(INJECT_BY_DEFAULT, true, "the injector takes every namespace by default")
enum istio_injection_rule {
#define ISTIO_INJECTION_ENUM(symbol, injects, words) symbol,
	ISTIO_INJECTION_RULES(ISTIO_INJECTION_ENUM)
#undef ISTIO_INJECTION_ENUM
};

struct istio_injection {
	bool inject;
	enum istio_injection_rule rule;
	const char *revision; /* that would inject; NULL when none does */
};
const char *istio_injection_words(enum istio_injection_rule rule);

/*
 * For a pod with these labels and annotations created in a namespace with ns_labels (NULL: the
 * namespace is not known, taken as without labels).
 */
struct istio_injection istio_injection_decide(const struct istio_injector *injector, const char *ns,
					      const struct strmap *ns_labels,
					      const struct strmap *labels,
					      const struct strmap *annotations, bool host_network);
/* The same for a template or pod of the mesh. */
struct istio_injection istio_injection_of(const struct istio_mesh *m,
					  const struct istio_workload *w);

struct istio_inject_options {
	const char *revision;     /* "default" */
	const char *proxy_image;  /* of istio-proxy */
	const char *init_image;   /* of istio-init; NULL = proxy_image */
	const char *trust_domain; /* "cluster.local" */
	const char *mesh_config;  /* extra JSON of PROXY_CONFIG; NULL = {} */
	bool classic;             /* sidecar among the containers instead of the native form */
};
/*
 * The pod (or pod template: anything with metadata and spec) with its sidecar, as Istio's template
 * makes it: istio-init, istio-proxy, labels, annotations, volumes, probes rewritten. ns and the
 * controller's name (or the pod's) go into the sidecar's environment. The original is not changed.
 * A pod that already has a sidecar comes back as it was.
 */
struct doc *istio_inject_pod(struct arena *a, const struct doc *pod, const char *ns,
			     const char *workload, const struct istio_inject_options *o);
/* The same as an RFC 6902 patch (what an admission answer carries); NULL when nothing changes. */
struct doc *istio_inject_patch(struct arena *a, const struct doc *pod, const char *ns,
			       const char *workload, const struct istio_inject_options *o);
/*
 * The inverse for manifests with the sidecar written in (istioctl kube-inject): everything that
 * injection added is taken out and rewritten probes are restored.
 */
struct doc *istio_strip_pod(struct arena *a, const struct doc *pod);
