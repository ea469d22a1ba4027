/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "deploy/lab/istiod/review.h"
#include "lib/base/base64.h"
#include "lib/base/str.h"

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream stream;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), "test", &stream, NULL), 0);
	return stream.docs[0];
}

#define POD(meta)                                                                                  \
	"{apiVersion: v1, kind: Pod, metadata: {generateName: web-abc-, labels: {app: web, "       \
	"pod-template-hash: abc" meta                                                              \
	"}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, "                            \
	"name: web-abc, uid: u, controller: true}]}, spec: {containers: [{name: c, image: i}]}}"
#define REVIEW(pod)                                                                                \
	"{apiVersion: admission.k8s.io/v1, kind: AdmissionReview, request: {uid: 'q1', "           \
	"namespace: "                                                                              \
	"team, operation: CREATE, object: " pod "}}"

/* The pod after the answer's patch; NULL when there is none. */
static struct doc *answered(struct arena *a, const char *review, const char *ns)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct review_options o;
	struct doc *question = yaml(a, review), *answer, *patch, *pod;
	const char *text;

	review_defaults(&o);
	assert_int_equal(review_answer(a, question, ns ? yaml(a, ns) : NULL, &o, &answer, NULL), 0);
	assert_string_equal(doc_find_str(answer, "response.uid"), "q1");
	assert_true(doc_bool_or(doc_find(answer, "response.allowed"), false));
	text = doc_find_str(answer, "response.patch");
	if (!text)
		return NULL;
	assert_string_equal(doc_find_str(answer, "response.patchType"), "JSONPatch");
	assert_int_equal(base64_decode(text, strlen(text), &json), 0);
	assert_int_equal(doc_read_json(a, json.buf, json.len, NULL, &patch, NULL), 0);
	assert_int_equal(doc_json_patch(a, doc_find(question, "request.object"), patch, &pod, NULL),
			 0);
	return pod;
}

TEST(a_pod_of_a_labelled_namespace_gets_a_native_sidecar)
{
	struct arena a = ARENA_INIT;
	struct doc *pod = answered(&a, REVIEW(POD("")),
				   "{apiVersion: v1, kind: Namespace, metadata: {name: team, "
				   "labels: {istio-injection: enabled}}}");
	const struct doc *init;
	bool native = false;

	assert_non_null(pod);
	init = doc_find(pod, "spec.initContainers");
	for (size_t i = 0; i < doc_len(init); i++)
		native = native ||
			 (str_eq(doc_str(doc_get(doc_at(init, i), "name")), "istio-proxy") &&
			  str_eq(doc_str(doc_get(doc_at(init, i), "restartPolicy")), "Always"));
	assert_true(native);
	assert_string_equal(doc_find_str(pod, "metadata.labels['security.istio.io/tlsMode']"),
			    "istio");
	arena_release(&a);
}

TEST(who_is_not_asked_for_is_left_alone)
{
	static const struct {
		const char *ns, *review;
	} rows[] = {
		{NULL, REVIEW(POD(""))},
		{"{apiVersion: v1, kind: Namespace, metadata: {name: team, labels: "
		 "{istio-injection: disabled}}}",
		 REVIEW(POD(", sidecar.istio.io/inject: 'true'"))},
		{"{apiVersion: v1, kind: Namespace, metadata: {name: team, labels: "
		 "{istio-injection: enabled}}}",
		 REVIEW(POD(", sidecar.istio.io/inject: 'false'"))},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;

		if (answered(&a, rows[i].review, rows[i].ns))
			fail_msg("row %zu was injected", i);
		arena_release(&a);
	}
}

TEST(what_is_no_review_is_refused)
{
	static const char *const rows[] = {
		"{}",
		"{kind: AdmissionReview, request: {uid: x, object: {kind: Service}}}",
		"{kind: AdmissionReview, request: {object: {kind: Pod}}}",
		"[1]",
	};
	struct review_options o;

	review_defaults(&o);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc *answer;

		assert_int_equal(review_answer(&a, yaml(&a, rows[i]), NULL, &o, &answer, NULL),
				 -EINVAL);
		arena_release(&a);
	}
}

/* What the API server would ask, and what the injector would do, agree for every pair of labels. */
static bool rule_holds(const struct doc *rule, const struct doc *labels)
{
	const char *op = doc_str(doc_get(rule, "operator"));
	const char *value = doc_str(doc_get(labels, doc_str(doc_get(rule, "key"))));
	bool listed = value && str_eq(value, doc_str(doc_at(doc_get(rule, "values"), 0)));

	if (str_eq(op, "In"))
		return listed;
	if (str_eq(op, "NotIn"))
		return !listed;
	return str_eq(op, "DoesNotExist") && !value;
}

static bool all_hold(const struct doc *selector, const struct doc *labels)
{
	const struct doc *rules = doc_get(selector, "matchExpressions");

	for (size_t i = 0; i < doc_len(rules); i++)
		if (!rule_holds(doc_at(rules, i), labels))
			return false;
	return true;
}

TEST(webhook_selectors_and_truth_table_agree)
{
	static const char *const injection[] = {NULL, "enabled", "disabled"};
	static const char *const rev[] = {NULL, "default", "other"};
	static const char *const inject[] = {NULL, "true", "false"};
	struct arena a = ARENA_INIT;
	struct doc *hooks = doc_get(review_webhooks(&a, "https://x", "PEM"), "webhooks");

	for (int i = 0; i < 81; i++) {
		struct doc *ns = doc_map(&a), *pod = doc_map(&a), *nl, *pl, *review;
		struct review_options o;
		struct doc *answer, *request;
		bool asked = false;

		nl = doc_set_map(&a, doc_set_map(&a, ns, "metadata"), "labels");
		doc_set_string(&a, nl, "istio-injection", injection[i % 3]);
		doc_set_string(&a, nl, "istio.io/rev", rev[i / 3 % 3]);
		doc_set_string(&a, pod, "kind", "Pod");
		doc_set_list(&a, doc_set_map(&a, pod, "spec"), "containers");
		pl = doc_set_map(&a, doc_set_map(&a, pod, "metadata"), "labels");
		doc_set_string(&a, pl, "sidecar.istio.io/inject", inject[i / 9 % 3]);
		doc_set_string(&a, pl, "istio.io/rev", rev[i / 27]);
		for (size_t j = 0; j < doc_len(hooks); j++)
			asked = asked ||
				(all_hold(doc_get(doc_at(hooks, j), "namespaceSelector"), nl) &&
				 all_hold(doc_get(doc_at(hooks, j), "objectSelector"), pl));
		review = doc_map(&a);
		doc_set_string(&a, review, "kind", "AdmissionReview");
		request = doc_set_map(&a, review, "request");
		doc_set_string(&a, request, "uid", "x");
		doc_set_string(&a, request, "namespace", "team");
		doc_set(&a, request, "object", pod);
		review_defaults(&o);
		assert_int_equal(review_answer(&a, review, ns, &o, &answer, NULL), 0);
		if (asked != (doc_find(answer, "response.patch") != NULL))
			fail_msg("ns %s/%s pod %s/%s: asked %d", str_or_empty(injection[i % 3]),
				 str_or_empty(rev[i / 3 % 3]), str_or_empty(inject[i / 9 % 3]),
				 str_or_empty(rev[i / 27]), asked);
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_of_a_labelled_namespace_gets_a_native_sidecar),
		cmocka_unit_test(who_is_not_asked_for_is_left_alone),
		cmocka_unit_test(what_is_no_review_is_refused),
		cmocka_unit_test(webhook_selectors_and_truth_table_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
