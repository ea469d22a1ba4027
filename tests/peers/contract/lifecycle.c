/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an object: finalizers, grace, owners, namespaces. */
#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define MAPS "/api/v1/namespaces/{ns}/configmaps"
#define PODS "/api/v1/namespaces/{ns}/pods"

static void a_finalizer_holds_an_object(void **state)
{
	struct contract *c = *state;
	struct doc *going, *again;

	expect(c, 201, "POST", MAPS,
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: "
	       "[contract.test/hold]}, data: {k: v}}");
	going = expect(c, 200, "DELETE", MAPS "/a", NULL);
	assert_string_not_equal(text_at(going, "metadata.deletionTimestamp"), "");
	assert_text(going, "data.k", "v");
	again = expect(c, 200, "DELETE", MAPS "/a", NULL);
	assert_text(again, "metadata.deletionTimestamp",
		    text_at(going, "metadata.deletionTimestamp"));
	assert_status(
		expect_patch(c, 422, "merge-patch", MAPS "/a",
			     "{metadata: {finalizers: [contract.test/hold, contract.test/more]}}"),
		"Invalid", "finalizers");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{metadata: {finalizers: null}}");
	expect(c, 404, "GET", MAPS "/a", NULL);
}

static void a_pod_on_a_node_gets_its_grace(void **state)
{
	struct contract *c = *state;
	struct doc *pod;

	expect(c, 201, "POST", PODS,
	       "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: here, "
	       "terminationGracePeriodSeconds: 20, containers: [{name: c, image: i}]}}");
	pod = expect(c, 200, "DELETE", PODS "/p", NULL);
	assert_string_not_equal(text_at(pod, "metadata.deletionTimestamp"), "");
	assert_int_equal(doc_find_int(pod, "metadata.deletionGracePeriodSeconds", 0), 20);
	pod = expect(c, 200, "GET", PODS "/p", NULL);
	assert_string_not_equal(text_at(pod, "metadata.deletionTimestamp"), "");
	expect(c, 200, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL);
	expect(c, 404, "GET", PODS "/p", NULL);
}

static void a_pod_on_no_node_goes_at_once(void **state)
{
	struct contract *c = *state;

	expect(c, 201, "POST", PODS,
	       "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, "
	       "image: i}]}}");
	expect(c, 200, "DELETE", PODS "/p", NULL);
	expect(c, 404, "GET", PODS "/p", NULL);
}

static void make_family(struct contract *c)
{
	struct doc *owner = expect(c, 201, "POST", MAPS,
				   "{apiVersion: v1, kind: ConfigMap, metadata: {name: owner}}");

	expect(c, 201, "POST", MAPS,
	       fill(c,
		    "{apiVersion: v1, kind: ConfigMap, metadata: {name: owned, labels: {family: "
		    "'yes'},"
		    " ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: "
		    "'{1}'}]}}",
		    text_at(owner, "metadata.uid")));
}

/* Collecting is a controller's work; where none runs the reference is kept and that is all. */
static void what_is_owned_goes_with_its_owner(void **state)
{
	struct contract *c = *state;
	struct watch *w;

	make_family(c);
	assert_text(expect(c, 200, "GET", MAPS "/owned", NULL), "metadata.ownerReferences[0].name",
		    "owner");
	if (c->real)
		return;
	w = watch_open(
		c, fill(c, MAPS "?watch=1&resourceVersion={1}&labelSelector=family",
			text_at(expect(c, 200, "GET", MAPS, NULL), "metadata.resourceVersion")));
	expect(c, 200, "DELETE", MAPS "/owner?propagationPolicy=Background", NULL);
	watch_expect(w, "DELETED", "owned");
	watch_close(w);
	expect(c, 404, "GET", MAPS "/owned", NULL);
}

static void an_orphan_stays(void **state)
{
	struct contract *c = *state;
	struct watch *w;

	if (c->real)
		return;
	make_family(c);
	w = watch_open(
		c, fill(c, MAPS "?watch=1&resourceVersion={1}&fieldSelector=metadata.name%3Downer",
			text_at(expect(c, 200, "GET", MAPS, NULL), "metadata.resourceVersion")));
	expect(c, 200, "DELETE", MAPS "/owner?propagationPolicy=Orphan", NULL);
	while (!str_eq(doc_find_str(watch_next(w), "type"), "DELETED"))
		;
	watch_close(w);
	assert_int_equal(doc_len(doc_find(expect(c, 200, "GET", MAPS "/owned", NULL),
					  "metadata.ownerReferences")),
			 0);
}

static void a_namespace_that_goes_takes_no_more(void **state)
{
	struct contract *c = *state;
	struct doc *ns;

	expect(c, 201, "POST", MAPS,
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: "
	       "[contract.test/hold]}}");
	ns = expect(c, 200, "DELETE", "/api/v1/namespaces/{ns}", NULL);
	ns = expect(c, 200, "GET", "/api/v1/namespaces/{ns}", NULL);
	assert_text(ns, "status.phase", "Terminating");
	assert_status(expect(c, 403, "POST", MAPS,
			     "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"),
		      "Forbidden", "terminated");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{metadata: {finalizers: null}}");
}

void lifecycle_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(a_finalizer_holds_an_object),
		CONTRACT_TEST(a_pod_on_a_node_gets_its_grace),
		CONTRACT_TEST(a_pod_on_no_node_goes_at_once),
		CONTRACT_TEST(what_is_owned_goes_with_its_owner),
		CONTRACT_TEST(an_orphan_stays),
		CONTRACT_TEST(a_namespace_that_goes_takes_no_more),
	};

	add(tests, ARRAY_SIZE(tests));
}
