/* SPDX-License-Identifier: Apache-2.0 */
/* The four forms of a patch, and what each refuses. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define MAPS        "/api/v1/namespaces/{ns}/configmaps"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/{ns}/deployments"

static void make_map(struct contract *c)
{
	expect(c, 201, "POST", MAPS,
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {l: x, m: z}}, data: "
	       "{k: '1', gone: soon}}");
}

static void make_deployment(struct contract *c)
{
	expect(c, 201, "POST", DEPLOYMENTS,
	       "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {selector: "
	       "{matchLabels: {app: d}},"
	       " template: {metadata: {labels: {app: d}}, spec: {containers: ["
	       "{name: one, image: 'i:1', env: [{name: A, value: a}, {name: B, value: b}]}, {name: "
	       "two, image: 'j:1'}]}}}}");
}

static void merge(void **state)
{
	struct contract *c = *state;
	struct doc *now;

	make_map(c);
	now = expect_patch(
		c, 200, "merge-patch", MAPS "/a",
		"{metadata: {labels: {m: null}}, data: {k: '2', gone: null, new: some}}");
	assert_text(now, "data.k", "2");
	assert_text(now, "data.new", "some");
	assert_null(doc_find(now, "data.gone"));
	assert_text(now, "metadata.labels.l", "x");
	assert_null(doc_find(now, "metadata.labels.m"));
	make_deployment(c);
	now = expect_patch(c, 200, "merge-patch", DEPLOYMENTS "/d",
			   "{spec: {template: {spec: {containers: [{name: two, image: 'j:2'}]}}}}");
	assert_int_equal(doc_len(doc_find(now, "spec.template.spec.containers")),
			 1); /* lists are replaced */
}

static void json(void **state)
{
	struct contract *c = *state;
	struct doc *now;

	make_map(c);
	now = expect_patch(
		c, 200, "json-patch", MAPS "/a",
		"[{op: test, path: /data/k, value: '1'}, {op: replace, path: /data/k, value: '2'},"
		" {op: remove, path: /data/gone}, {op: add, path: /metadata/labels/a~1b, value: "
		"z}]");
	assert_text(now, "data.k", "2");
	assert_null(doc_find(now, "data.gone"));
	assert_text(now, "metadata.labels['a/b']", "z");
	expect_patch(c, 422, "json-patch", MAPS "/a",
		     "[{op: test, path: /data/k, value: other}, {op: remove, path: /data/k}]");
	expect_patch(c, 422, "json-patch", MAPS "/a", "[{op: remove, path: /data/absent}]");
	assert_text(expect(c, 200, "GET", MAPS "/a", NULL), "data.k", "2");
}

static void strategic(void **state)
{
	struct contract *c = *state;
	struct doc *now;

	make_deployment(c);
	now = expect_patch(c, 200, "strategic-merge-patch", DEPLOYMENTS "/d",
			   "{spec: {template: {spec: {containers: [{name: one, image: 'i:2', env: "
			   "[{name: C, value: c}]}]}}}}");
	assert_int_equal(doc_len(doc_find(now, "spec.template.spec.containers")), 2);
	now = doc_find(now, "spec.template.spec.containers");
	doc_foreach_item (now, it) {
		assert_text(it, "image", str_eq(doc_find_str(it, "name"), "one") ? "i:2" : "j:1");
		if (str_eq(doc_find_str(it, "name"), "one"))
			assert_int_equal(doc_len(doc_get(it, "env")), 3);
	}
	now = expect_patch(
		c, 200, "strategic-merge-patch", DEPLOYMENTS "/d",
		"{spec: {template: {spec: {containers: [{name: two, $patch: delete}]}}}}");
	assert_int_equal(doc_len(doc_find(now, "spec.template.spec.containers")), 1);
	assert_text(now, "spec.template.spec.containers[0].name", "one");
	now = expect_patch(c, 200, "strategic-merge-patch", DEPLOYMENTS "/d",
			   "{spec: {template: {metadata: {annotations: {when: now}}}}}");
	assert_text(now, "spec.template.metadata.annotations.when", "now");
	assert_int_equal(doc_len(doc_find(now, "spec.template.spec.containers")), 1);
}

static void a_patch_names_a_version(void **state)
{
	struct contract *c = *state;
	const char *old;

	make_map(c);
	old = text_at(expect(c, 200, "GET", MAPS "/a", NULL), "metadata.resourceVersion");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{data: {k: '2'}}");
	assert_status(
		expect_patch(c, 409, "merge-patch", MAPS "/a",
			     arena_printf(&c->arena,
					  "{metadata: {resourceVersion: '%s'}, data: {k: '3'}}",
					  old)),
		"Conflict", NULL);
	assert_text(expect(c, 200, "GET", MAPS "/a", NULL), "data.k", "2");
}

static void what_cannot_be_patched(void **state)
{
	struct contract *c = *state;

	make_map(c);
	expect_patch(c, 404, "merge-patch", MAPS "/b", "{data: {k: '2'}}");
	expect_patch(c, 415, "unheard-of", MAPS "/a", "{data: {k: '2'}}");
	expect_patch(c, 400, "json-patch", MAPS "/a", "{data: {k: '2'}}");
	assert_status(expect_patch(c, 422, "merge-patch", MAPS "/a",
				   "{metadata: {labels: {l: 'in valid!'}}}"),
		      "Invalid", "metadata.labels");
	expect_patch(c, 400, "merge-patch", MAPS "/a", "{metadata: {name: b}}");
}

/* The lab's server refuses it and says so; a real one keeps track of who owns which field. */
static void apply(void **state)
{
	struct contract *c = *state;
	static const char type[] = "application/apply-patch+yaml";
	static const char one[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {k: '1'}}";
	static const char two[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {k: '2'}}";
	struct answer answer = send_as(c, "PATCH", MAPS "/s?fieldManager=one", type, NULL, one);

	if (!c->real) {
		assert_int_equal(answer.status, 501);
		assert_text(answer.body, "kind", "Status");
		assert_non_null(strstr(text_at(answer.body, "message"), "apply"));
		return;
	}
	assert_int_equal(answer.status, 201);
	answer = send_as(c, "PATCH", MAPS "/s?fieldManager=two", type, NULL, two);
	assert_int_equal(answer.status, 409);
	assert_text(answer.body, "details.causes[0].reason", "FieldManagerConflict");
	answer = send_as(c, "PATCH", MAPS "/s?fieldManager=two&force=true", type, NULL, two);
	assert_int_equal(answer.status, 200);
	assert_text(answer.body, "data.k", "2");
}

void patches_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(merge),
		CONTRACT_TEST(json),
		CONTRACT_TEST(strategic),
		CONTRACT_TEST(a_patch_names_a_version),
		CONTRACT_TEST(what_cannot_be_patched),
		CONTRACT_TEST(apply),
	};

	add(tests, ARRAY_SIZE(tests));
}
