/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/istiod/review.h"

#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/kube/client.h"

void review_defaults(struct review_options *o)
{
	static const char *revisions[] = {"default"};

	memset(o, 0, sizeof(*o));
	o->injector.revisions = revisions;
	o->injector.n_revisions = ARRAY_SIZE(revisions);
	o->inject = (struct istio_inject_options){
		.revision = "default",
		.proxy_image = "sidestep.dev/lab/istio-proxy:1",
		.init_image = "sidestep.dev/lab/istio-init:1",
		.trust_domain = "cluster.local",
	};
}

const char *review_namespace(const struct doc *review)
{
	const struct doc *request = doc_get(review, "request");

	if (!str_eq(doc_str(doc_get(review, "kind")), "AdmissionReview") ||
	    !str_eq(doc_find_str(request, "object.kind"), "Pod") ||
	    str_empty(doc_str(doc_get(request, "uid"))))
		return NULL;
	return doc_str(doc_get(request, "namespace"));
}

/* The Deployment behind a pod of a ReplicaSet is its name without the template's hash. */
static const char *workload_name(struct arena *a, const struct doc *pod)
{
	const struct doc *owner = kube_controller(pod);
	const char *name = doc_str(doc_get(owner, "name"));
	const char *hash = kube_label(pod, "pod-template-hash");
	const char *generate = doc_find_str(pod, "metadata.generateName");
	auto_release(strbuf) struct strbuf suffix = STRBUF_INIT;

	if (str_eq(doc_str(doc_get(owner, "kind")), "ReplicaSet") && name && hash) {
		strbuf_addf(&suffix, "-%s", hash);
		if (str_ends(name, strbuf_cstr(&suffix)))
			return arena_strndup(a, name, strlen(name) - suffix.len);
	}
	if (!str_empty(name))
		return name;
	if (!str_empty(kube_name(pod)))
		return kube_name(pod);
	return str_empty(generate) ? "" : arena_strndup(a, generate, strlen(generate) - 1);
}

static bool decide(struct arena *a, const struct doc *pod, const char *namespace_,
		   const struct doc *ns, const struct review_options *o)
{
	struct plain_object p, n = {0};

	if (object_decode(a, &plain_object_table, pod, &p, NULL) ||
	    (ns && object_decode(a, &plain_object_table, ns, &n, NULL)))
		return false;
	return istio_injection_decide(&o->injector, namespace_, ns ? &n.meta.labels : NULL,
				      &p.meta.labels, &p.meta.annotations,
				      doc_bool_or(doc_find(pod, "spec.hostNetwork"), false))
		.inject;
}

int review_answer(struct arena *a, const struct doc *review, const struct doc *ns,
		  const struct review_options *o, struct doc **ret_answer, struct error *err)
{
	const char *namespace_ = review_namespace(review);
	const struct doc *request = doc_get(review, "request"), *pod = doc_get(request, "object");
	struct doc *answer = doc_map(a), *response, *patch = NULL;
	auto_release(strbuf) struct strbuf json = STRBUF_INIT, base64 = STRBUF_INIT;

	if (!namespace_)
		return error_set(err, -EINVAL, "want an AdmissionReview of a Pod");
	doc_set_string(a, answer, "apiVersion", "admission.k8s.io/v1");
	doc_set_string(a, answer, "kind", "AdmissionReview");
	response = doc_set_map(a, answer, "response");
	doc_set_string(a, response, "uid", doc_str(doc_get(request, "uid")));
	doc_set_bool(a, response, "allowed", true);
	if (decide(a, pod, namespace_, ns, o))
		patch = istio_inject_patch(a, pod, namespace_, workload_name(a, pod), &o->inject);
	if (patch) {
		doc_write_json(patch, DOC_COMPACT, &json);
		base64_encode(json.buf, json.len, &base64);
		doc_set_string(a, response, "patchType", "JSONPatch");
		doc_set_string(a, response, "patch", strbuf_cstr(&base64));
	}
	*ret_answer = answer;
	return 0;
}

struct rule {
	const char *key, *op, *value;
};
struct webhook {
	const char *name;
	struct rule ns[3], object[3];
};
static const struct webhook webhooks[] = {
	{"rev.namespace.sidecar-injector.istio.io",
	 {{"istio.io/rev", "In", "default"}, {"istio-injection", "DoesNotExist", NULL}},
	 {{"sidecar.istio.io/inject", "NotIn", "false"}}},
	{"rev.object.sidecar-injector.istio.io",
	 {{"istio.io/rev", "DoesNotExist", NULL}, {"istio-injection", "DoesNotExist", NULL}},
	 {{"sidecar.istio.io/inject", "NotIn", "false"}, {"istio.io/rev", "In", "default"}}},
	{"namespace.sidecar-injector.istio.io",
	 {{"istio-injection", "In", "enabled"}},
	 {{"sidecar.istio.io/inject", "NotIn", "false"}}},
	{"object.sidecar-injector.istio.io",
	 {{"istio-injection", "DoesNotExist", NULL}, {"istio.io/rev", "DoesNotExist", NULL}},
	 {{"sidecar.istio.io/inject", "In", "true"}, {"istio.io/rev", "DoesNotExist", NULL}}},
};

static void add_selector(struct arena *a, struct doc *hook, const char *field,
			 const struct rule rules[3])
{
	struct doc *list = doc_set_list(a, doc_set_map(a, hook, field), "matchExpressions");

	for (size_t i = 0; i < 3 && rules[i].key; i++) {
		struct doc *row = doc_append(a, list, doc_map(a));

		doc_set_string(a, row, "key", rules[i].key);
		doc_set_string(a, row, "operator", rules[i].op);
		if (rules[i].value)
			doc_append(a, doc_set_list(a, row, "values"),
				   doc_string(a, rules[i].value));
	}
}

static void add_text_list(struct arena *a, struct doc *map, const char *key, const char *value)
{
	doc_append(a, doc_set_list(a, map, key), doc_string(a, value));
}

static void add_webhook(struct arena *a, struct doc *list, const struct webhook *w, const char *url,
			const char *ca_pem)
{
	struct doc *hook = doc_append(a, list, doc_map(a)), *client, *rule;
	auto_release(strbuf) struct strbuf bundle = STRBUF_INIT;

	base64_encode(ca_pem, strlen(ca_pem), &bundle);
	doc_set_string(a, hook, "name", w->name);
	client = doc_set_map(a, hook, "clientConfig");
	doc_set_string(a, client, "url", url);
	doc_set_string(a, client, "caBundle", strbuf_cstr(&bundle));
	doc_set_string(a, hook, "sideEffects", "None");
	add_text_list(a, hook, "admissionReviewVersions", "v1");
	doc_set_string(a, hook, "failurePolicy", "Fail");
	doc_set_string(a, hook, "reinvocationPolicy", "Never");
	doc_set_int(a, hook, "timeoutSeconds", 10);
	rule = doc_append(a, doc_set_list(a, hook, "rules"), doc_map(a));
	add_text_list(a, rule, "operations", "CREATE");
	add_text_list(a, rule, "apiGroups", "");
	add_text_list(a, rule, "apiVersions", "v1");
	add_text_list(a, rule, "resources", "pods");
	add_selector(a, hook, "namespaceSelector", w->ns);
	add_selector(a, hook, "objectSelector", w->object);
}

struct doc *review_webhooks(struct arena *a, const char *url, const char *ca_pem)
{
	struct doc *object = kube_object_new(a, object_kind(KIND_MUTATING_WEBHOOK), NULL,
					     "istio-sidecar-injector");
	struct doc *labels, *list = doc_set_list(a, object, "webhooks");

	labels = doc_set_map(a, doc_get(object, "metadata"), "labels");
	doc_set_string(a, labels, "app", "sidecar-injector");
	doc_set_string(a, labels, "istio.io/rev", "default");
	for (size_t i = 0; i < ARRAY_SIZE(webhooks); i++)
		add_webhook(a, list, &webhooks[i], url, ca_pem);
	return object;
}
