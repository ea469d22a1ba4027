/* SPDX-License-Identifier: Apache-2.0 */
/* status, scale, binding, eviction: the doors beside the main one. */
#include "tests/peers/contract/contract.h"

#define DEPLOYMENTS "/apis/apps/v1/namespaces/{ns}/deployments"
#define PODS        "/api/v1/namespaces/{ns}/pods"
#define BUDGETS     "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"

static void make_deployment(struct contract *c)
{
	expect(c, 201, "POST", DEPLOYMENTS,
	       "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 2, "
	       "selector: {matchLabels: {app: d}},"
	       " template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: "
	       "i}]}}}}");
}

static void make_pod(struct contract *c, const char *name, bool on_a_node)
{
	static const char placed[] =
		"{apiVersion: v1, kind: Pod, metadata: {name: '{1}', labels: {app: p}}, spec: "
		"{nodeName: here, containers: [{name: c, image: i}]}}";
	static const char open[] = "{apiVersion: v1, kind: Pod, metadata: {name: '{1}', labels: "
				   "{app: p}}, spec: {containers: [{name: c, image: i}]}}";

	expect(c, 201, "POST", PODS, fill(c, on_a_node ? placed : open, name));
}

static void status_and_the_rest_are_apart(void **state)
{
	struct contract *c = *state;
	struct doc *d;

	make_deployment(c);
	d = expect(c, 200, "GET", DEPLOYMENTS "/d/status", NULL);
	doc_set_int(&c->arena, doc_set_map(&c->arena, d, "status"), "replicas", 2);
	doc_set_int(&c->arena, doc_get(d, "status"), "observedGeneration", 1);
	doc_set_int(&c->arena, doc_get(d, "spec"), "replicas", 9);
	d = expect_doc(c, 200, "PUT", DEPLOYMENTS "/d/status", d);
	assert_int_equal(doc_find_int(d, "status.replicas", 0), 2);
	assert_int_equal(doc_find_int(d, "spec.replicas", 0), 2);
	assert_int_equal(doc_find_int(d, "metadata.generation", 0), 1);
	d = expect_patch(c, 200, "merge-patch", DEPLOYMENTS "/d",
			 "{spec: {replicas: 3}, status: {replicas: 8}}");
	assert_int_equal(doc_find_int(d, "status.replicas", 0), 2);
	assert_int_equal(doc_find_int(d, "spec.replicas", 0), 3);
	d = expect_patch(c, 200, "strategic-merge-patch", DEPLOYMENTS "/d/status",
			 "{status: {conditions: [{type: Available, status: 'True', reason: r}]}}");
	d = expect_patch(
		c, 200, "strategic-merge-patch", DEPLOYMENTS "/d/status",
		"{status: {conditions: [{type: Progressing, status: 'True', reason: r}]}}");
	assert_int_equal(doc_len(doc_find(d, "status.conditions")), 2); /* merged by type */
}

static void scale(void **state)
{
	struct contract *c = *state;
	struct doc *s;

	make_deployment(c);
	s = expect(c, 200, "GET", DEPLOYMENTS "/d/scale", NULL);
	assert_text(s, "kind", "Scale");
	assert_text(s, "apiVersion", "autoscaling/v1");
	assert_int_equal(doc_find_int(s, "spec.replicas", 0), 2);
	assert_text(s, "status.selector", "app=d");
	doc_set_int(&c->arena, doc_get(s, "spec"), "replicas", 4);
	s = expect_doc(c, 200, "PUT", DEPLOYMENTS "/d/scale", s);
	assert_int_equal(doc_find_int(s, "spec.replicas", 0), 4);
	assert_int_equal(
		doc_find_int(expect(c, 200, "GET", DEPLOYMENTS "/d", NULL), "spec.replicas", 0), 4);
	s = expect_patch(c, 200, "merge-patch", DEPLOYMENTS "/d/scale", "{spec: {replicas: 0}}");
	s = expect(c, 200, "GET", DEPLOYMENTS "/d", NULL);
	assert_int_equal(doc_find_int(s, "spec.replicas", -1), 0);
	expect(c, 404, "GET", DEPLOYMENTS "/e/scale", NULL);
}

static void a_pod_is_bound_once(void **state)
{
	static const char body[] = "{apiVersion: v1, kind: Binding, metadata: {name: p}, target: "
				   "{apiVersion: v1, kind: Node, name: here}}";
	struct contract *c = *state;
	struct doc *pod;

	make_pod(c, "p", false);
	expect(c, 201, "POST", PODS "/p/binding", body);
	pod = expect(c, 200, "GET", PODS "/p", NULL);
	assert_text(pod, "spec.nodeName", "here");
	assert_status(expect(c, 409, "POST", PODS "/p/binding", body), "Conflict",
		      "already assigned");
	expect(c, 404, "POST", PODS "/q/binding",
	       "{apiVersion: v1, kind: Binding, metadata: {name: q}, target: {kind: Node, name: "
	       "here}}");
}

static void a_pods_status(void **state)
{
	struct contract *c = *state;
	struct doc *pod;

	make_pod(c, "p", true);
	pod = expect(c, 200, "GET", PODS "/p", NULL);
	assert_text(pod, "status.phase", "Pending");
	assert_text(pod, "spec.restartPolicy", "Always");
	pod = expect_patch(c, 200, "strategic-merge-patch", PODS "/p/status",
			   "{status: {phase: Running, podIP: 10.244.1.9, podIPs: [{ip: "
			   "10.244.1.9}], conditions: [{type: Ready, status: 'True'}]}}");
	assert_text(pod, "status.phase", "Running");
	assert_text(pod, "status.podIP", "10.244.1.9");
	assert_status(expect_patch(c, 422, "merge-patch", PODS "/p", "{spec: {nodeName: there}}"),
		      "Invalid", NULL);
	pod = expect_patch(c, 200, "merge-patch", PODS "/p", "{metadata: {labels: {more: 'yes'}}}");
	assert_text(pod, "metadata.labels.more", "yes");
}

static void set_budget(struct contract *c, int allowed)
{
	struct doc *b = expect(c, 200, "GET", BUDGETS "/b", NULL);
	struct doc *status = doc_set_map(&c->arena, b, "status");

	doc_set_int(&c->arena, status, "observedGeneration",
		    doc_find_int(b, "metadata.generation", 0));
	doc_set_int(&c->arena, status, "disruptionsAllowed", allowed);
	doc_set_int(&c->arena, status, "currentHealthy", 1 + allowed);
	doc_set_int(&c->arena, status, "desiredHealthy", 1);
	doc_set_int(&c->arena, status, "expectedPods", 2);
	expect_doc(c, 200, "PUT", BUDGETS "/b/status", b);
}

static void eviction_asks_the_budget(void **state)
{
	static const char body[] = "{apiVersion: policy/v1, kind: Eviction, metadata: {name: p}}";
	struct contract *c = *state;
	struct doc *refusal;

	make_pod(c, "p", true);
	make_pod(c, "free", true);
	expect_patch(c, 200, "merge-patch", PODS "/free", "{metadata: {labels: {app: other}}}");
	expect_patch(c, 200, "merge-patch", PODS "/p/status",
		     "{status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}");
	expect(c, 201, "POST", BUDGETS,
	       "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: "
	       "{minAvailable: 1, selector: {matchLabels: {app: p}}}}");
	set_budget(c, 0);
	refusal = expect(c, 429, "POST", PODS "/p/eviction", body);
	assert_status(refusal, "TooManyRequests", "disruption budget");
	assert_text(refusal, "details.causes[0].reason", "DisruptionBudget");
	expect(c, 200, "GET", PODS "/p", NULL);
	set_budget(c, 1);
	expect(c, 201, "POST", PODS "/p/eviction", body);
	assert_string_not_equal(
		text_at(expect(c, 200, "GET", PODS "/p", NULL), "metadata.deletionTimestamp"), "");
	assert_int_equal(doc_find_int(expect(c, 200, "GET", BUDGETS "/b", NULL),
				      "status.disruptionsAllowed", -1),
			 0);
	expect(c, 201, "POST", PODS "/free/eviction", /* no budget selects it */
	       "{apiVersion: policy/v1, kind: Eviction, metadata: {name: free}}");
	expect(c, 404, "POST", PODS "/absent/eviction",
	       "{apiVersion: policy/v1, kind: Eviction, metadata: {name: absent}}");
}

void subresources_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(status_and_the_rest_are_apart), CONTRACT_TEST(scale),
		CONTRACT_TEST(a_pod_is_bound_once),           CONTRACT_TEST(a_pods_status),
		CONTRACT_TEST(eviction_asks_the_budget),
	};

	add(tests, ARRAY_SIZE(tests));
}
