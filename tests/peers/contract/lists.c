/* SPDX-License-Identifier: Apache-2.0 */
/* Many objects at once: selectors, pages, versions, deletion of a collection. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define MAPS "/api/v1/namespaces/{ns}/configmaps"
/* A real server with controllers puts a ConfigMap of its own into each namespace. */
#define OURS "labelSelector=ours"

static void make(struct contract *c, const char *name, const char *labels)
{
	const char *body = arena_printf(
		&c->arena,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, labels: {ours: x%s%s}}}",
		name, *labels ? ", " : "", labels);

	expect(c, 201, "POST", MAPS, body);
}

/* The names in a list, in order, with a comma after each. */
static const char *names(struct contract *c, const struct doc *list)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_get(list, "items"), it)
		strbuf_addf(&sb, "%s,", text_at(it, "metadata.name"));
	return arena_strdup(&c->arena, strbuf_cstr(&sb));
}

static void select_and_compare(struct contract *c, const char *query, const char *want)
{
	const struct doc *list =
		expect(c, 200, "GET", arena_printf(&c->arena, MAPS "?%s", query), NULL);

	if (!str_eq(names(c, list), want))
		fail_msg("%s: want %s, got %s", query, want, names(c, list));
}

static void a_list_says_what_it_is(void **state)
{
	struct contract *c = *state;
	struct doc *list;

	make(c, "b", "");
	make(c, "a", "");
	list = expect(c, 200, "GET", MAPS "?" OURS, NULL);
	assert_text(list, "kind", "ConfigMapList");
	assert_text(list, "apiVersion", "v1");
	assert_string_not_equal(text_at(list, "metadata.resourceVersion"), "");
	assert_string_equal(names(c, list), "a,b,");
	list = expect(c, 200, "GET",
		      "/api/v1/configmaps?" OURS "&fieldSelector=metadata.namespace%3D{ns}", NULL);
	assert_string_equal(names(c, list), "a,b,");
	list = expect(c, 200, "GET", "/api/v1/namespaces/{ns}/secrets", NULL);
	assert_int_equal(doc_get(list, "items")->kind, DOC_LIST); /* empty, not absent */
}

static void label_selectors(void **state)
{
	static const struct {
		const char *query, *want;
	} rows[] = {
		{OURS ",tier%3Dfront", "a,"},
		{OURS ",tier%3D%3Dfront", "a,"},
		{OURS ",tier%21%3Dfront", "b,c,"}, /* also those without the label */
		{OURS ",tier+in+(front,back)", "a,b,"},
		{OURS ",tier+notin+(front)", "b,c,"},
		{OURS ",tier", "a,b,"},
		{OURS ",!tier", "c,"},
		{OURS ",tier%3Dfront,v%3D1", "a,"},
		{OURS ",tier%3Dfront,v%3D2", ""},
	};
	struct contract *c = *state;

	make(c, "a", "tier: front, v: '1'");
	make(c, "b", "tier: back");
	make(c, "c", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		select_and_compare(c, rows[i].query, rows[i].want);
	assert_status(expect(c, 400, "GET", MAPS "?labelSelector=a%3D%3D%3Db", NULL), "BadRequest",
		      NULL);
}

static void field_selectors(void **state)
{
	struct contract *c = *state;
	struct doc *list;

	make(c, "a", "");
	make(c, "b", "");
	select_and_compare(c, OURS "&fieldSelector=metadata.name%3Db", "b,");
	select_and_compare(c, OURS "&fieldSelector=metadata.name%21%3Db", "a,");
	assert_status(expect(c, 400, "GET", MAPS "?fieldSelector=data.k%3Dv", NULL), "BadRequest",
		      "field");
	expect(c, 201, "POST", "/api/v1/namespaces/{ns}/pods",
	       "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: here, "
	       "containers: [{name: c, image: i}]}}");
	list = expect(c, 200, "GET",
		      "/api/v1/namespaces/{ns}/pods?fieldSelector=spec.nodeName%3Dhere", NULL);
	assert_string_equal(names(c, list), "p,");
	list = expect(c, 200, "GET",
		      "/api/v1/namespaces/{ns}/pods?fieldSelector=spec.nodeName%3Dthere", NULL);
	assert_string_equal(names(c, list), "");
	list = expect(c, 200, "GET",
		      "/api/v1/namespaces/{ns}/pods?fieldSelector=status.phase%3DPending", NULL);
	assert_string_equal(names(c, list), "p,");
}

static void pages(void **state)
{
	static const char *const all[] = {"a", "b", "c", "d", "e"};
	struct contract *c = *state;
	const char *token = "", *version = NULL;
	auto_release(strbuf) struct strbuf seen = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		make(c, all[i], "");
	for (int page = 0; page == 0 || *token; page++) {
		struct strbuf url = STRBUF_INIT;
		struct doc *list;

		assert_true(page < 3);
		strbuf_adds(&url, MAPS "?" OURS "&limit=2");
		http_query_add(&url, "continue", *token ? token : NULL);
		list = expect(c, 200, "GET", strbuf_cstr(&url), NULL);
		strbuf_release(&url);
		assert_true(doc_len(doc_get(list, "items")) <= 2);
		strbuf_adds(&seen, names(c, list));
		token = text_at(list, "metadata.continue");
		if (!version)
			version = text_at(list, "metadata.resourceVersion");
		assert_text(list, "metadata.resourceVersion",
			    version); /* all pages are of one moment */
		if (page == 0)        /* what comes between the pages is not in them */
			make(c, "bb", "");
	}
	assert_string_equal(strbuf_cstr(&seen), "a,b,c,d,e,");
	expect(c, 400, "GET", MAPS "?limit=2&continue=nonsense", NULL);
}

static void a_list_no_older_than_a_version(void **state)
{
	struct contract *c = *state;
	struct doc *list, *made;

	make(c, "a", "");
	made = expect(c, 200, "GET", MAPS "/a", NULL);
	list = expect(c, 200, "GET",
		      arena_printf(&c->arena,
				   MAPS "?" OURS
					"&resourceVersion=%s&resourceVersionMatch=NotOlderThan",
				   text_at(made, "metadata.resourceVersion")),
		      NULL);
	assert_string_equal(names(c, list), "a,");
	list = expect(c, 200, "GET", MAPS "?" OURS "&resourceVersion=0", NULL);
	assert_text(list, "kind", "ConfigMapList");
	expect(c, 422, "GET", MAPS "?resourceVersionMatch=NotOlderThan", NULL);
}

static void deletes_a_collection(void **state)
{
	struct contract *c = *state;

	make(c, "a", "tier: front");
	make(c, "b", "tier: front");
	make(c, "c", "tier: back");
	expect(c, 200, "DELETE", MAPS "?labelSelector=tier%3Dfront", NULL);
	select_and_compare(c, OURS, "c,");
}

void lists_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(a_list_says_what_it_is),
		CONTRACT_TEST(label_selectors),
		CONTRACT_TEST(field_selectors),
		CONTRACT_TEST(pages),
		CONTRACT_TEST(a_list_no_older_than_a_version),
		CONTRACT_TEST(deletes_a_collection),
	};

	add(tests, ARRAY_SIZE(tests));
}
