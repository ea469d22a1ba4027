/* SPDX-License-Identifier: Apache-2.0 */
/* What a client reads before it does anything: versions, kinds, tables. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

static const struct doc *resource(const struct doc *list, const char *name)
{
	doc_foreach_item (doc_get(list, "resources"), it)
		if (str_eq(doc_find_str(it, "name"), name))
			return it;
	fail_msg("no %s among the resources", name);
	return NULL;
}

static bool has(const struct doc *list, const char *text)
{
	doc_foreach_item (list, it)
		if (str_eq(doc_str(it), text))
			return true;
	return false;
}

static void health_and_version(void **state)
{
	struct contract *c = *state;

	assert_true(
		str_starts(text_at(expect(c, 200, "GET", "/version", NULL), "gitVersion"), "v1."));
	assert_string_equal(send_as(c, "GET", "/readyz", NULL, NULL, NULL).text, "ok");
	assert_string_equal(send_as(c, "GET", "/healthz", NULL, NULL, NULL).text, "ok");
	assert_string_equal(send_as(c, "GET", "/livez", NULL, NULL, NULL).text, "ok");
	assert_int_equal(send_as(c, "GET", "/nowhere", NULL, NULL, NULL).status, 404);
}

static void discovery(void **state)
{
	struct contract *c = *state;
	const struct doc *list, *r;
	bool apps = false;

	assert_true(has(doc_get(expect(c, 200, "GET", "/api", NULL), "versions"), "v1"));
	doc_foreach_item (doc_get(expect(c, 200, "GET", "/apis", NULL), "groups"), it)
		apps |= str_eq(doc_find_str(it, "name"), "apps") &&
			str_eq(doc_find_str(it, "preferredVersion.groupVersion"), "apps/v1");
	assert_true(apps);
	list = expect(c, 200, "GET", "/apis/apps/v1", NULL);
	assert_text(list, "kind", "APIResourceList");
	r = resource(list, "deployments");
	assert_text(r, "kind", "Deployment");
	assert_text(r, "singularName", "deployment");
	assert_true(doc_bool_or(doc_get(r, "namespaced"), false));
	assert_true(has(doc_get(r, "shortNames"), "deploy"));
	assert_true(has(doc_get(r, "verbs"), "watch"));
	resource(list, "deployments/status");
	assert_text(resource(list, "deployments/scale"), "kind", "Scale");
	list = expect(c, 200, "GET", "/api/v1", NULL);
	assert_false(doc_bool_or(doc_get(resource(list, "namespaces"), "namespaced"), true));
	resource(list, "pods/eviction");
	resource(list, "pods/binding");
	assert_true(has(doc_get(resource(list, "services"), "shortNames"), "svc"));
}

static void tables(void **state)
{
	static const char *const pod_columns[] = {"Name", "Ready", "Status", "Restarts",
						  "Age",  "IP",    "Node"};
	struct contract *c = *state;
	struct answer table;

	expect(c, 201, "POST", "/api/v1/namespaces/{ns}/pods",
	       "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: here, "
	       "containers: [{name: c, image: i}]}}");
	table = send_as(c, "GET", "/api/v1/namespaces/{ns}/pods", NULL, TABLE, NULL);
	assert_text(table.body, "kind", "Table");
	assert_text(table.body, "apiVersion", "meta.k8s.io/v1");
	for (size_t i = 0; i < ARRAY_SIZE(pod_columns); i++)
		assert_text(doc_at(doc_get(table.body, "columnDefinitions"), i), "name",
			    pod_columns[i]);
	assert_text(table.body, "rows[0].cells[0]", "p");
	assert_text(table.body, "rows[0].cells[1]", "0/1");
	assert_text(table.body, "rows[0].cells[2]", "Pending");
	assert_text(table.body, "rows[0].cells[6]", "here");
	assert_text(table.body, "rows[0].object.kind", "PartialObjectMetadata");
	assert_text(table.body, "rows[0].object.metadata.name", "p");
	table = send_as(c, "GET", "/api/v1/namespaces/{ns}/pods/p", NULL, TABLE, NULL);
	assert_int_equal(doc_len(doc_get(table.body, "rows")), 1);
}

/* 406 or JSON: never an answer that the client cannot read. */
static void what_cannot_be_written(void **state)
{
	struct contract *c = *state;
	struct answer answer =
		send_as(c, "GET", "/api/v1/namespaces/{ns}", NULL, "text/unheard-of", NULL);

	assert_int_equal(answer.status, 406);
}

static void a_body_that_is_no_json(void **state)
{
	struct contract *c = *state;
	struct answer answer =
		send_as(c, "POST", "/api/v1/namespaces/{ns}/configmaps", NULL, NULL, "just words");

	assert_int_equal(answer.status, 400);
	answer = send_as(c, "POST", "/api/v1/namespaces/{ns}/configmaps", "application/unheard-of",
			 NULL, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
	assert_int_equal(answer.status, 415);
}

void reading_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(health_and_version),
		CONTRACT_TEST(discovery),
		CONTRACT_TEST(tables),
		CONTRACT_TEST(what_cannot_be_written),
		CONTRACT_TEST(a_body_that_is_no_json),
	};

	add(tests, ARRAY_SIZE(tests));
}
