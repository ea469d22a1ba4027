/* SPDX-License-Identifier: Apache-2.0 */
/* Objects one by one: made, read, replaced, deleted, and how each of it is refused. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define MAPS "/api/v1/namespaces/{ns}/configmaps"

static void makes_reads_replaces_deletes(void **state)
{
	struct contract *c = *state;
	struct doc *made = expect(c, 201, "POST", MAPS,
				  "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: "
				  "{l: x}}, data: {k: v}}");
	struct doc *read = expect(c, 200, "GET", MAPS "/a", NULL), *now;

	assert_string_not_equal(text_at(made, "metadata.uid"), "");
	assert_string_not_equal(text_at(made, "metadata.resourceVersion"), "");
	assert_string_not_equal(text_at(made, "metadata.creationTimestamp"), "");
	assert_text(read, "apiVersion", "v1");
	assert_text(read, "kind", "ConfigMap");
	assert_text(read, "metadata.namespace", c->ns);
	assert_text(read, "metadata.uid", text_at(made, "metadata.uid"));
	assert_text(read, "data.k", "v");
	doc_set_string(&c->arena, doc_get(read, "data"), "k", "w");
	now = expect_doc(c, 200, "PUT", MAPS "/a", read);
	assert_text(now, "data.k", "w");
	assert_text(now, "metadata.uid", text_at(made, "metadata.uid"));
	assert_string_not_equal(text_at(now, "metadata.resourceVersion"),
				text_at(made, "metadata.resourceVersion"));
	expect(c, 200, "DELETE", MAPS "/a", NULL);
	read = expect(c, 404, "GET", MAPS "/a", NULL);
	assert_status(read, "NotFound", "\"a\" not found");
	assert_text(read, "details.name", "a");
	assert_text(read, "details.kind", "configmaps");
}

static void an_update_that_changes_nothing_is_no_new_version(void **state)
{
	struct contract *c = *state;
	struct doc *made =
		expect(c, 201, "POST", MAPS,
		       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}");
	struct doc *same = expect_doc(c, 200, "PUT", MAPS "/a", made);

	assert_text(same, "metadata.resourceVersion", text_at(made, "metadata.resourceVersion"));
}

static void a_second_one_of_that_name_is_refused(void **state)
{
	static const char body[] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
	struct contract *c = *state;

	expect(c, 201, "POST", MAPS, body);
	assert_status(expect(c, 409, "POST", MAPS, body), "AlreadyExists", "already exists");
}

static void a_stale_update_is_refused(void **state)
{
	struct contract *c = *state;
	struct doc *old =
		expect(c, 201, "POST", MAPS,
		       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: '1'}}");
	struct doc *now;

	now = expect(c, 200, "PUT", MAPS "/a",
		     "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: '2'}}");
	assert_text(now, "data.k", "2"); /* without a version: unconditional */
	doc_set_string(&c->arena, doc_get(old, "data"), "k", "3");
	assert_status(expect_doc(c, 409, "PUT", MAPS "/a", old), "Conflict",
		      "object has been modified");
	assert_text(expect(c, 200, "GET", MAPS "/a", NULL), "data.k", "2");
}

static void an_update_of_another_incarnation_is_refused(void **state)
{
	struct contract *c = *state;

	expect(c, 201, "POST", MAPS, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
	assert_status(expect(c, 409, "PUT", MAPS "/a",
			     "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: other}}"),
		      "Conflict", "UID");
	assert_status(expect(c, 409, "DELETE", MAPS "/a",
			     "{apiVersion: v1, kind: DeleteOptions, preconditions: {uid: other}}"),
		      "Conflict", "UID");
	assert_status(expect(c, 404, "PUT", MAPS "/b",
			     "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"),
		      "NotFound", NULL);
}

static void the_server_makes_up_names(void **state)
{
	static const char body[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {generateName: some-}}";
	struct contract *c = *state;
	const char *one = text_at(expect(c, 201, "POST", MAPS, body), "metadata.name");
	const char *two = text_at(expect(c, 201, "POST", MAPS, body), "metadata.name");

	assert_true(str_starts(one, "some-") && str_starts(two, "some-"));
	assert_string_not_equal(one, two);
	assert_true(strlen(one) > strlen("some-"));
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct contract *c = *state;
	struct doc *status;

	status = expect(c, 422, "POST", MAPS,
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_Valid}}");
	assert_status(status, "Invalid", "Not_Valid");
	assert_text(status, "details.causes[0].field", "metadata.name");
	status = expect(
		c, 400, "POST", MAPS,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: elsewhere}}");
	assert_status(status, "BadRequest", "namespace");
	expect(c, 400, "POST", MAPS, "{apiVersion: v1, kind: Secret, metadata: {name: a}}");
	expect(c, 400, "PUT", MAPS "/a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}");
	expect(c, 404, "GET", "/api/v1/namespaces/{ns}/nothings", NULL);
	expect(c, 404, "GET", "/apis/nobody.test/v1/things", NULL);
	expect(c, 404, "POST", "/api/v1/namespaces/{ns}-not/configmaps",
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
	status = expect(
		c, 422, "POST", MAPS,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {'in valid': x}}}");
	assert_status(status, "Invalid", "metadata.labels");
}

/* A deletion that is not understood deletes nothing, least of all a whole collection. */
static void a_deletion_of_nonsense_deletes_nothing(void **state)
{
	static const struct {
		const char *type, *body;
	} rows[] = {
		{NULL, "7"},
		{NULL, "[]"},
		{NULL, "{kind: AdmissionReview, apiVersion: admission.k8s.io/v1}"},
		{NULL, "{kind: []}"},
		{NULL, "{gracePeriodSeconds: soon}"},
		{NULL, "{propagationPolicy: Nonsense}"},
		{"application/merge-patch+json", "{}"},
		{"application/unheard-of", "{}"},
	};
	struct contract *c = *state;

	expect(c, 201, "POST", MAPS, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct answer one =
			send_as(c, "DELETE", MAPS "/a", rows[i].type, NULL, rows[i].body);
		struct answer all = send_as(c, "DELETE", MAPS, rows[i].type, NULL, rows[i].body);

		if (one.status < 400 || all.status < 400)
			fail_msg("%s: %d, %d", rows[i].body, one.status, all.status);
		expect(c, 200, "GET", MAPS "/a", NULL);
	}
	expect(c, 200, "DELETE", MAPS "/a", "{kind: DeleteOptions, apiVersion: v1}");
}

static void a_dry_run_leaves_nothing(void **state)
{
	struct contract *c = *state;
	struct doc *would =
		expect(c, 201, "POST", MAPS "?dryRun=All",
		       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}");

	assert_text(would, "data.k", "v");
	expect(c, 404, "GET", MAPS "/a", NULL);
	expect(c, 201, "POST", MAPS,
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}");
	assert_text(expect_patch(c, 200, "merge-patch", MAPS "/a?dryRun=All", "{data: {k: w}}"),
		    "data.k", "w");
	assert_text(expect(c, 200, "GET", MAPS "/a", NULL), "data.k", "v");
	expect(c, 200, "DELETE", MAPS "/a?dryRun=All", NULL);
	expect(c, 200, "GET", MAPS "/a", NULL);
}

static void generation_counts_changes_of_the_spec(void **state)
{
	struct contract *c = *state;
	static const char *const path = "/apis/apps/v1/namespaces/{ns}/deployments/d";
	struct doc *d = expect(c, 201, "POST", "/apis/apps/v1/namespaces/{ns}/deployments",
			       "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: "
			       "{selector: {matchLabels: {app: d}},"
			       " template: {metadata: {labels: {app: d}}, spec: {containers: "
			       "[{name: c, image: i}]}}},"
			       " status: {replicas: 7}}");

	assert_int_equal(doc_find_int(d, "metadata.generation", 0), 1);
	assert_int_equal(doc_find_int(d, "spec.replicas", 0), 1); /* the default */
	assert_text(d, "spec.strategy.type", "RollingUpdate");
	assert_int_equal(doc_find_int(d, "status.replicas", 0), 0); /* not a client's to set here */
	d = expect_patch(c, 200, "merge-patch", path, "{metadata: {labels: {l: x}}}");
	assert_int_equal(doc_find_int(d, "metadata.generation", 0), 1);
	d = expect_patch(c, 200, "merge-patch", path, "{spec: {replicas: 3}}");
	assert_int_equal(doc_find_int(d, "metadata.generation", 0), 2);
}

static void a_selector_does_not_change(void **state)
{
	struct contract *c = *state;

	expect(c, 201, "POST", "/apis/apps/v1/namespaces/{ns}/deployments",
	       "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {selector: "
	       "{matchLabels: {app: d}},"
	       " template: {metadata: {labels: {app: d, b: c}}, spec: {containers: [{name: c, "
	       "image: i}]}}}}");
	assert_status(expect_patch(c, 422, "merge-patch",
				   "/apis/apps/v1/namespaces/{ns}/deployments/d",
				   "{spec: {selector: {matchLabels: {b: c}}}}"),
		      "Invalid", "immutable");
	assert_status(expect(c, 422, "POST", "/apis/apps/v1/namespaces/{ns}/deployments",
			     "{apiVersion: apps/v1, kind: Deployment, metadata: {name: e}, spec: "
			     "{selector: {matchLabels: {app: d}},"
			     " template: {metadata: {labels: {app: e}}, spec: {containers: [{name: "
			     "c, image: i}]}}}}"),
		      "Invalid", "selector");
}

static void services_get_an_address(void **state)
{
	struct contract *c = *state;
	struct doc *s = expect(c, 201, "POST", "/api/v1/namespaces/{ns}/services",
			       "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: "
			       "{selector: {app: s}, ports: [{port: 80}]}}");
	struct doc *headless;

	assert_true(str_starts(text_at(s, "spec.clusterIP"), "10.96."));
	assert_text(s, "spec.clusterIPs[0]", text_at(s, "spec.clusterIP"));
	assert_text(s, "spec.type", "ClusterIP");
	assert_text(s, "spec.ports[0].protocol", "TCP");
	assert_int_equal(doc_find_int(s, "spec.ports[0].targetPort", 0), 80);
	headless = expect(c, 201, "POST", "/api/v1/namespaces/{ns}/services",
			  "{apiVersion: v1, kind: Service, metadata: {name: h}, spec: {clusterIP: "
			  "None, selector: {app: s}, ports: [{port: 80}]}}");
	assert_text(headless, "spec.clusterIP", "None");
	doc_set_string(&c->arena, doc_get(s, "spec"), "clusterIP", "10.96.77.77");
	assert_status(expect_doc(c, 422, "PUT", "/api/v1/namespaces/{ns}/services/s", s), "Invalid",
		      "spec.clusterIP");
}

void objects_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(makes_reads_replaces_deletes),
		CONTRACT_TEST(an_update_that_changes_nothing_is_no_new_version),
		CONTRACT_TEST(a_second_one_of_that_name_is_refused),
		CONTRACT_TEST(a_stale_update_is_refused),
		CONTRACT_TEST(an_update_of_another_incarnation_is_refused),
		CONTRACT_TEST(the_server_makes_up_names),
		CONTRACT_TEST(what_makes_no_sense_is_refused),
		CONTRACT_TEST(a_deletion_of_nonsense_deletes_nothing),
		CONTRACT_TEST(a_dry_run_leaves_nothing),
		CONTRACT_TEST(generation_counts_changes_of_the_spec),
		CONTRACT_TEST(a_selector_does_not_change),
		CONTRACT_TEST(services_get_an_address),
	};

	add(tests, ARRAY_SIZE(tests));
}
