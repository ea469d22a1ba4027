/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/defaults.h"

#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"

static void want_int(struct arena *a, struct doc *map, const char *key, int64_t v)
{
	if (map && !doc_get(map, key))
		doc_set_int(a, map, key, v);
}

static void want_str(struct arena *a, struct doc *map, const char *key, const char *v)
{
	if (map && str_empty(doc_str(doc_get(map, key))))
		doc_set_string(a, map, key, v);
}

static void want_bool(struct arena *a, struct doc *map, const char *key, bool v)
{
	if (map && !doc_get(map, key))
		doc_set_bool(a, map, key, v);
}

/* ---- pods ---- */

static void http_action(struct arena *a, struct doc *http)
{
	want_str(a, http, "path", "/");
	want_str(a, http, "scheme", "HTTP");
}

static void probe(struct arena *a, struct doc *p)
{
	if (!p || p->kind != DOC_MAP)
		return;
	want_int(a, p, "timeoutSeconds", 1);
	want_int(a, p, "periodSeconds", 10);
	want_int(a, p, "successThreshold", 1);
	want_int(a, p, "failureThreshold", 3);
	http_action(a, doc_get(p, "httpGet"));
	if (!doc_find(p, "grpc.service"))
		doc_set_string(a, doc_get(p, "grpc"), "service", "");
}

/* ":latest" or no tag at all is pulled each time. */
static const char *pull_policy(const char *image)
{
	const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');

	if (strchr(image, '@'))
		return "IfNotPresent";
	return !tag || str_eq(tag, ":latest") ? "Always" : "IfNotPresent";
}

/* A limit without a request is also the request. */
static void resources(struct arena *a, struct doc *c)
{
	struct doc *res = doc_set_map(a, c, "resources"), *limits = doc_get(res, "limits");

	doc_foreach_entry (limits, l) {
		struct doc *requests = doc_set_map(a, res, "requests");

		if (!doc_get(requests, l->key))
			doc_set(a, requests, l->key, doc_clone(a, l->value));
	}
}

static void container(struct arena *a, struct doc *c)
{
	static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};

	if (c->kind != DOC_MAP)
		return;
	want_str(a, c, "imagePullPolicy", pull_policy(str_or_empty(doc_str(doc_get(c, "image")))));
	want_str(a, c, "terminationMessagePath", "/dev/termination-log");
	want_str(a, c, "terminationMessagePolicy", "File");
	resources(a, c);
	doc_foreach_item (doc_get(c, "ports"), p)
		want_str(a, p->kind == DOC_MAP ? p : NULL, "protocol", "TCP");
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		probe(a, doc_get(c, probes[i]));
	http_action(a, doc_find(c, "lifecycle.preStop.httpGet"));
	http_action(a, doc_find(c, "lifecycle.postStart.httpGet"));
	doc_foreach_item (doc_get(c, "env"), e)
		want_str(a, doc_find(e, "valueFrom.fieldRef"), "apiVersion", "v1");
}

static void volume(struct arena *a, struct doc *v)
{
	static const char *const modes[] = {"configMap", "secret", "projected", "downwardAPI"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		want_int(a, doc_get(v, modes[i]), "defaultMode", 420);
	if (!doc_find(v, "hostPath.type"))
		doc_set_string(a, doc_get(v, "hostPath"), "type", "");
	doc_foreach_item (doc_find(v, "downwardAPI.items"), item)
		want_str(a, doc_get(item, "fieldRef"), "apiVersion", "v1");
	doc_foreach_item (doc_find(v, "projected.sources"), src) {
		want_int(a, doc_get(src, "serviceAccountToken"), "expirationSeconds", 3600);
		doc_foreach_item (doc_find(src, "downwardAPI.items"), item)
			want_str(a, doc_get(item, "fieldRef"), "apiVersion", "v1");
	}
}

static void pod_spec(struct arena *a, struct doc *spec)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
	const char *account = doc_str(doc_get(spec, "serviceAccountName"));

	if (!spec || spec->kind != DOC_MAP)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		doc_foreach_item (doc_get(spec, lists[i]), c)
			container(a, c);
	doc_foreach_item (doc_get(spec, "volumes"), v)
		volume(a, v);
	want_str(a, spec, "restartPolicy", "Always");
	want_int(a, spec, "terminationGracePeriodSeconds", 30);
	want_str(a, spec, "dnsPolicy", "ClusterFirst");
	doc_set_map(a, spec, "securityContext");
	want_str(a, spec, "schedulerName", "default-scheduler");
	if (account) /* the old name is still filled in */
		want_str(a, spec, "serviceAccount", account);
	else if (doc_str(doc_get(spec, "serviceAccount")))
		want_str(a, spec, "serviceAccountName", doc_str(doc_get(spec, "serviceAccount")));
}

static void toleration(struct arena *a, struct doc *spec, const char *key)
{
	struct doc *list = doc_set_list(a, spec, "tolerations"), *t;

	doc_foreach_item (list, have)
		if (str_eq(doc_str(doc_get(have, "key")), key) || !doc_get(have, "key"))
			return;
	t = doc_append(a, list, doc_map(a));
	doc_set_string(a, t, "key", key);
	doc_set_string(a, t, "operator", "Exists");
	doc_set_string(a, t, "effect", "NoExecute");
	doc_set_int(a, t, "tolerationSeconds", 300);
}

/* What admission plugins of every cluster add to a pod, beside the plain defaults. */
void pod_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_get(object, "spec");

	pod_spec(a, spec);
	if (!spec || spec->kind != DOC_MAP)
		return;
	want_bool(a, spec, "enableServiceLinks", true);
	want_str(a, spec, "serviceAccountName", "default");
	want_str(a, spec, "serviceAccount", doc_str(doc_get(spec, "serviceAccountName")));
	want_str(a, spec, "preemptionPolicy", "PreemptLowerPriority");
	want_int(a, spec, "priority", 0);
	toleration(a, spec, "node.kubernetes.io/not-ready");
	toleration(a, spec, "node.kubernetes.io/unreachable");
}

/* ---- workloads ---- */

static void template_of(struct arena *a, struct doc *spec)
{
	pod_spec(a, doc_find(spec, "template.spec"));
}

void deployment_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec"), *strategy, *rolling;

	want_int(a, spec, "replicas", 1);
	want_int(a, spec, "revisionHistoryLimit", 10);
	want_int(a, spec, "progressDeadlineSeconds", 600);
	strategy = doc_set_map(a, spec, "strategy");
	want_str(a, strategy, "type", "RollingUpdate");
	if (str_eq(doc_str(doc_get(strategy, "type")), "RollingUpdate")) {
		rolling = doc_set_map(a, strategy, "rollingUpdate");
		want_str(a, doc_get(rolling, "maxUnavailable") ? NULL : rolling, "maxUnavailable",
			 "25%");
		want_str(a, doc_get(rolling, "maxSurge") ? NULL : rolling, "maxSurge", "25%");
	}
	template_of(a, spec);
}

void replicaset_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");

	want_int(a, spec, "replicas", 1);
	template_of(a, spec);
}

void daemonset_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");
	struct doc *strategy = doc_set_map(a, spec, "updateStrategy"), *rolling;

	want_int(a, spec, "revisionHistoryLimit", 10);
	want_str(a, strategy, "type", "RollingUpdate");
	if (str_eq(doc_str(doc_get(strategy, "type")), "RollingUpdate")) {
		rolling = doc_set_map(a, strategy, "rollingUpdate");
		want_int(a, rolling, "maxSurge", 0);
		want_int(a, rolling, "maxUnavailable", 1);
	}
	template_of(a, spec);
}

void statefulset_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");
	struct doc *strategy = doc_set_map(a, spec, "updateStrategy"), *keep;

	want_int(a, spec, "replicas", 1);
	want_int(a, spec, "revisionHistoryLimit", 10);
	want_str(a, spec, "podManagementPolicy", "OrderedReady");
	want_str(a, strategy, "type", "RollingUpdate");
	if (str_eq(doc_str(doc_get(strategy, "type")), "RollingUpdate"))
		want_int(a, doc_set_map(a, strategy, "rollingUpdate"), "partition", 0);
	keep = doc_set_map(a, spec, "persistentVolumeClaimRetentionPolicy");
	want_str(a, keep, "whenDeleted", "Retain");
	want_str(a, keep, "whenScaled", "Retain");
	template_of(a, spec);
}

void job_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");

	want_int(a, spec, "backoffLimit", 6);
	if (!doc_get(spec, "completions") && !doc_get(spec, "parallelism"))
		want_int(a, spec, "completions", 1);
	want_int(a, spec, "parallelism", 1);
	want_bool(a, spec, "suspend", false);
	want_str(a, spec, "completionMode", "NonIndexed");
	template_of(a, spec);
}

void cronjob_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");

	want_str(a, spec, "concurrencyPolicy", "Allow");
	want_bool(a, spec, "suspend", false);
	want_int(a, spec, "successfulJobsHistoryLimit", 3);
	want_int(a, spec, "failedJobsHistoryLimit", 1);
}

/* ---- services ---- */

static void one_family(struct arena *a, struct doc *spec)
{
	if (!doc_get(spec, "ipFamilies"))
		doc_append(a, doc_set_list(a, spec, "ipFamilies"), doc_string(a, "IPv4"));
	want_str(a, spec, "ipFamilyPolicy", "SingleStack");
}

void service_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec");
	const char *type;

	want_str(a, spec, "sessionAffinity", "None");
	want_str(a, spec, "type", "ClusterIP");
	type = doc_str(doc_get(spec, "type"));
	doc_foreach_item (doc_get(spec, "ports"), p) {
		if (p->kind != DOC_MAP)
			continue;
		want_str(a, p, "protocol", "TCP");
		if (!doc_get(p, "targetPort") && doc_get(p, "port"))
			doc_set(a, p, "targetPort", doc_clone(a, doc_get(p, "port")));
	}
	if (str_eq(doc_str(doc_get(spec, "sessionAffinity")), "ClientIP"))
		want_int(a,
			 doc_set_map(a, doc_set_map(a, spec, "sessionAffinityConfig"), "clientIP"),
			 "timeoutSeconds", 10800);
	if (str_eq(type, "ExternalName"))
		return;
	one_family(a, spec);
	want_str(a, spec, "internalTrafficPolicy", "Cluster");
	if (str_eq(type, "NodePort") || str_eq(type, "LoadBalancer"))
		want_str(a, spec, "externalTrafficPolicy", "Cluster");
	if (str_eq(type, "LoadBalancer"))
		want_bool(a, spec, "allocateLoadBalancerNodePorts", true);
}

void endpoints_defaults(struct arena *a, struct doc *object)
{
	doc_foreach_item (doc_get(object, "subsets"), set)
		doc_foreach_item (doc_get(set, "ports"), p)
			want_str(a, p->kind == DOC_MAP ? p : NULL, "protocol", "TCP");
}

void endpointslice_defaults(struct arena *a, struct doc *object)
{
	doc_foreach_item (doc_get(object, "ports"), p) {
		if (p->kind != DOC_MAP)
			continue;
		want_str(a, p, "protocol", "TCP");
		if (!doc_get(p, "name"))
			doc_set_string(a, p, "name", "");
	}
}

/* ---- policies and configuration ---- */

void netpol_defaults(struct arena *a, struct doc *object)
{
	static const char *const sides[] = {"ingress", "egress"};
	struct doc *spec = doc_set_map(a, object, "spec"), *types;

	if (!doc_get(spec, "policyTypes")) {
		types = doc_set_list(a, spec, "policyTypes");
		doc_append(a, types, doc_string(a, "Ingress"));
		if (doc_len(doc_get(spec, "egress")))
			doc_append(a, types, doc_string(a, "Egress"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		doc_foreach_item (doc_get(spec, sides[i]), rule)
			doc_foreach_item (doc_get(rule, "ports"), p)
				want_str(a, p->kind == DOC_MAP ? p : NULL, "protocol", "TCP");
}

void webhooks_defaults(struct arena *a, struct doc *object)
{
	bool mutating = str_eq(doc_str(doc_get(object, "kind")), "MutatingWebhookConfiguration");

	doc_foreach_item (doc_get(object, "webhooks"), w) {
		if (w->kind != DOC_MAP)
			continue;
		want_str(a, w, "failurePolicy", "Fail");
		want_str(a, w, "matchPolicy", "Equivalent");
		doc_set_map(a, w, "namespaceSelector");
		doc_set_map(a, w, "objectSelector");
		want_int(a, w, "timeoutSeconds", 10);
		if (mutating)
			want_str(a, w, "reinvocationPolicy", "Never");
		want_int(a, doc_find(w, "clientConfig.service"), "port", 443);
		doc_foreach_item (doc_get(w, "rules"), r)
			want_str(a, r->kind == DOC_MAP ? r : NULL, "scope", "*");
	}
}

void crd_defaults(struct arena *a, struct doc *object)
{
	struct doc *spec = doc_set_map(a, object, "spec"), *names = doc_set_map(a, spec, "names");
	const char *kind = doc_str(doc_get(names, "kind"));

	if (kind && !doc_get(names, "singular")) {
		char *lower = arena_strdup(a, kind);

		for (char *p = lower; *p; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		doc_set_string(a, names, "singular", lower);
	}
	if (kind)
		want_str(a, names, "listKind", arena_printf(a, "%sList", kind));
	want_str(a, doc_set_map(a, spec, "conversion"), "strategy", "None");
}

void namespace_defaults(struct arena *a, struct doc *object)
{
	struct doc *labels = doc_set_map(a, doc_set_map(a, object, "metadata"), "labels");

	doc_set_string(a, labels, "kubernetes.io/metadata.name",
		       doc_find_str(object, "metadata.name"));
}

void rolebinding_defaults(struct arena *a, struct doc *object)
{
	static const char group[] = "rbac.authorization.k8s.io";

	want_str(a, doc_get(object, "roleRef"), "apiGroup", group);
	doc_foreach_item (doc_get(object, "subjects"), s)
		if (s->kind == DOC_MAP && !str_eq(doc_str(doc_get(s, "kind")), "ServiceAccount"))
			want_str(a, s, "apiGroup", group);
}

/* ---- secrets: stringData becomes data ---- */

void secret_defaults(struct arena *a, struct doc *object)
{
	doc_foreach_entry (doc_get(object, "stringData"), e) {
		auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
		const char *text = str_or_empty(doc_str(e->value));

		base64_encode(text, strlen(text), &sb);
		doc_set_string(a, doc_set_map(a, object, "data"), e->key, strbuf_cstr(&sb));
	}
	doc_del(object, "stringData");
	want_str(a, object, "type", "Opaque");
}
