/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is told new kinds, and one that asks others before it writes. */
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/http/server.h"
#include "lib/http/tls.h"
#include "tests/peers/contract/contract.h"

#define MAPS    "/api/v1/namespaces/{ns}/configmaps"
#define CRDS    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS "/apis/{ns}.test/v1/namespaces/{ns}/widgets"
#define HOOKS   "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

/* ---- kinds of our own ---- */

static void define_widgets(struct contract *c)
{
	struct watch *w;
	struct doc *event;

	expect(c, 201, "POST", CRDS,
	       "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: "
	       "{name: 'widgets.{ns}.test'}, spec: {"
	       "group: '{ns}.test', scope: Namespaced, names: {plural: widgets, singular: widget, "
	       "kind: Widget, listKind: WidgetList, shortNames: [wd]},"
	       "versions: [{name: v1, served: true, storage: true, subresources: {status: {}},"
	       " additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}],"
	       " schema: {openAPIV3Schema: {type: object, properties: {"
	       "  spec: {type: object, required: [size], properties: {size: {type: integer, "
	       "maximum: 9}, colour: {type: string, default: grey}}},"
	       "  status: {type: object, properties: {seen: {type: integer}}}}}}}]}}");
	w = watch_open(
		c,
		CRDS "?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dwidgets.{ns}.test");
	for (bool served = false; !served;) {
		event = watch_next(w);
		assert_non_null(event);
		doc_foreach_item (doc_find(event, "object.status.conditions"), it)
			served |= str_eq(doc_find_str(it, "type"), "Established") &&
				  str_eq(doc_find_str(it, "status"), "True");
	}
	watch_close(w);
}

static void undefine_widgets(struct contract *c)
{
	expect(c, 200, "DELETE", CRDS "/widgets.{ns}.test", NULL);
}

/* A real server serves a new kind a moment after it says so. */
static struct doc *make_widget(struct contract *c, const char *body)
{
	struct answer answer;

	for (int i = 0; i < 100; i++) {
		answer = send_as(c, "POST", WIDGETS, NULL, NULL, body);
		if (answer.status != 404)
			break;
		pause_ms(c, 50);
	}
	if (answer.status != 201)
		fail_msg("POST " WIDGETS ": %d: %s", answer.status, answer.text);
	return answer.body;
}

static void a_kind_of_our_own(void **state)
{
	struct contract *c = *state;
	struct doc *w;

	define_widgets(c);
	w = make_widget(c, "{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: w}, spec: "
			   "{size: 3, unheard: of}}");
	assert_int_equal(doc_find_int(w, "metadata.generation", 0), 1);
	assert_text(w, "spec.colour", "grey");    /* the schema's default */
	assert_null(doc_find(w, "spec.unheard")); /* pruned */
	assert_status(expect(c, 422, "POST", WIDGETS,
			     "{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: x}, "
			     "spec: {size: 30}}"),
		      "Invalid", "spec.size");
	assert_status(
		expect(c, 422, "POST", WIDGETS,
		       "{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: x}, spec: {}}"),
		"Invalid", "spec.size");
	w = expect_patch(c, 200, "merge-patch", WIDGETS "/w",
			 "{spec: {size: 4}, status: {seen: 7}}");
	assert_null(doc_find(w, "status.seen"));
	assert_int_equal(doc_find_int(w, "metadata.generation", 0), 2);
	w = expect_patch(c, 200, "merge-patch", WIDGETS "/w/status",
			 "{spec: {size: 5}, status: {seen: 7}}");
	assert_int_equal(doc_find_int(w, "status.seen", 0), 7);
	assert_int_equal(doc_find_int(w, "spec.size", 0), 4);
	assert_int_equal(doc_find_int(w, "metadata.generation", 0), 2);
	expect_patch(c, 415, "strategic-merge-patch", WIDGETS "/w", "{spec: {size: 5}}");
	w = expect(c, 200, "GET", WIDGETS, NULL);
	assert_text(w, "kind", "WidgetList");
	undefine_widgets(c);
}

static void its_columns_are_its_own(void **state)
{
	struct contract *c = *state;
	struct answer table;

	define_widgets(c);
	make_widget(
		c,
		"{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: w}, spec: {size: 3}}");
	table = send_as(c, "GET", WIDGETS, NULL,
			"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", NULL);
	assert_int_equal(table.status, 200);
	assert_text(table.body, "kind", "Table");
	assert_text(table.body, "columnDefinitions[0].name", "Name");
	assert_text(table.body, "columnDefinitions[1].name", "Size");
	assert_int_equal(doc_find_int(table.body, "rows[0].cells[1]", 0), 3);
	undefine_widgets(c);
}

static void it_ends_with_its_definition(void **state)
{
	struct contract *c = *state;
	struct answer answer;

	define_widgets(c);
	make_widget(
		c,
		"{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: w}, spec: {size: 3}}");
	undefine_widgets(c);
	for (int i = 0; i < 100; i++) {
		answer = send_as(c, "GET", WIDGETS "/w", NULL, NULL, NULL);
		if (answer.status == 404)
			return;
		pause_ms(c, 50);
	}
	fail_msg("still there: %d %s", answer.status, answer.text);
}

/*
 * More changes than the lab's server is told to remember (lab.c), and on a real one a version from
 * before the kind was defined.
 */
static void the_forgotten_past_is_410(void **state)
{
	struct contract *c = *state;
	struct watch *w;

	define_widgets(c);
	make_widget(
		c,
		"{apiVersion: '{ns}.test/v1', kind: Widget, metadata: {name: w}, spec: {size: 3}}");
	for (int i = 0; i < 80; i++)
		expect_patch(c, 200, "merge-patch", WIDGETS "/w",
			     arena_printf(&c->arena, "{spec: {colour: c%d}}", i));
	w = watch_open(c, WIDGETS "?watch=1&resourceVersion=1");
	if (watch_status(w) == 200) { /* either form is in use */
		struct doc *event = watch_next(w);

		assert_text(event, "type", "ERROR");
		assert_int_equal(doc_find_int(event, "object.code", 0), 410);
		assert_text(event, "object.reason", "Expired");
	} else {
		assert_int_equal(watch_status(w), 410);
	}
	watch_close(w);
	undefine_widgets(c);
}

/* ---- admission ---- */

struct hook {
	struct contract *c;
	struct http_server *server;
	struct tls_pair ca, pair;
	uint16_t port;
	unsigned asked;
	const char *deny;    /* a message: everything is refused with it */
	int deny_code;       /* and with this status; 0 leaves it to the server */
	struct doc *request; /* of the last review */
};

/* [{"op": "add", "path": "/data/seen", "value": "yes"}] */
#define HOOK_PATCH "W3sib3AiOiAiYWRkIiwgInBhdGgiOiAiL2RhdGEvc2VlbiIsICJ2YWx1ZSI6ICJ5ZXMifV0="

static void review(void *arg, struct http_exchange *x)
{
	struct hook *h = arg;
	struct arena *a = &h->c->arena;
	const struct http_view *view = http_view(x);
	struct doc *in, *out = doc_map(a), *response;
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;

	h->asked++;
	if (doc_read_json(a, view->body, view->body_size, NULL, &in, NULL) < 0) {
		http_reply(x, 400, NULL, "", 0);
		return;
	}
	h->request = doc_get(in, "request");
	doc_set_string(a, out, "apiVersion", doc_find_str(in, "apiVersion"));
	doc_set_string(a, out, "kind", "AdmissionReview");
	response = doc_set_map(a, out, "response");
	doc_set_string(a, response, "uid", doc_find_str(h->request, "uid"));
	doc_set_bool(a, response, "allowed", !h->deny);
	if (h->deny) {
		doc_set_string(a, doc_set_map(a, response, "status"), "message", h->deny);
		if (h->deny_code)
			doc_set_int(a, doc_get(response, "status"), "code", h->deny_code);
	} else {
		doc_set_string(a, response, "patchType", "JSONPatch");
		doc_set_string(a, response, "patch", HOOK_PATCH);
	}
	doc_write_json(out, DOC_COMPACT, &json);
	http_reply(x, 200, "application/json", strbuf_cstr(&json), json.len);
}

static void hook_open(struct hook *h, struct contract *c)
{
	static const char *const ips[] = {"127.0.0.1", NULL};
	struct tls_request ca = {.common_name = "contract-ca"};
	struct tls_request leaf = {.common_name = "contract", .ip = ips, .server = true};
	struct http_server_options options = {.handle = review, .arg = h};
	struct error err = ERROR_INIT;

	memset(h, 0, sizeof(*h));
	h->c = c;
	ca.not_before_wall_ns = leaf.not_before_wall_ns = clock_wall_ns(clock_system());
	if (tls_authority(&ca, &h->ca, &err) < 0 || tls_sign(&h->ca, &leaf, &h->pair, &err) < 0)
		fail_msg("%s", err.msg);
	h->server = http_server_new(c->loop, &options);
	if (http_server_listen(h->server, "127.0.0.1", 0,
			       &(struct http_server_tls){.cert_pem = h->pair.cert_pem,
							 .key_pem = h->pair.key_pem},
			       &h->port, &err) < 0)
		fail_msg("%s", err.msg);
}

static void hook_close(struct hook *h)
{
	http_server_free(h->server);
	tls_pair_release(&h->ca);
	tls_pair_release(&h->pair);
}

static void hook_register(struct hook *h, const char *policy)
{
	struct contract *c = h->c;
	struct doc_stream in;
	const char *yaml =
		fill(c,
		     "{apiVersion: admissionregistration.k8s.io/v1, kind: "
		     "MutatingWebhookConfiguration, metadata: {name: '{ns}'}, webhooks: [{"
		     "name: hook.contract.test, admissionReviewVersions: [v1], sideEffects: None, "
		     "failurePolicy: '{1}', timeoutSeconds: 5, clientConfig: {},"
		     "rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], "
		     "resources: [configmaps]}],"
		     "namespaceSelector: {matchLabels: {contract: '{ns}'}}, objectSelector: "
		     "{matchExpressions: [{key: skip, operator: DoesNotExist}]}}]}",
		     policy);
	auto_release(strbuf) struct strbuf ca = STRBUF_INIT;
	struct doc *client;

	assert_int_equal(doc_read_yaml(&c->arena, yaml, strlen(yaml), NULL, &in, NULL), 0);
	client = doc_find(in.docs[0], "webhooks[0].clientConfig");
	doc_setf(&c->arena, client, "url", "https://127.0.0.1:%u/", h->port);
	base64_encode(h->ca.cert_pem, strlen(h->ca.cert_pem), &ca);
	doc_set_string(&c->arena, client, "caBundle", strbuf_cstr(&ca));
	expect_doc(c, 201, "POST", HOOKS, in.docs[0]);
}

/* A real server learns of webhooks by a watch of its own: ask until the answer is the wanted one.
 */
static struct answer ask_until(struct contract *c, int status, const char *path_of_text,
			       const char *body)
{
	struct answer answer;

	for (int i = 0; i < 100; i++) {
		answer = send_as(c, "POST", MAPS "?dryRun=All", NULL, NULL, body);
		if (answer.status == status &&
		    (!path_of_text || doc_find(answer.body, path_of_text)))
			return answer;
		pause_ms(c, 50);
	}
	fail_msg("want %d, got %d: %s", status, answer.status, answer.text);
	return answer;
}

static void a_webhook_changes_what_is_made(void **state)
{
	static const char body[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}";
	struct contract *c = *state;
	struct doc *made;
	struct hook h;

	hook_open(&h, c);
	hook_register(&h, "Fail");
	ask_until(c, 201, "data.seen", body);
	assert_text(h.request, "operation", "CREATE");
	assert_true(doc_bool_or(doc_get(h.request, "dryRun"), false));
	made = expect(c, 201, "POST", MAPS, body);
	assert_text(made, "data.seen", "yes");
	assert_text(made, "data.k", "v");
	assert_text(h.request, "namespace", c->ns);
	assert_text(h.request, "name", "a");
	assert_text(h.request, "resource.resource", "configmaps");
	assert_text(h.request, "kind.kind", "ConfigMap");
	assert_text(h.request, "object.data.k", "v");
	assert_string_not_equal(text_at(h.request, "userInfo.username"), "");
	made = expect(c, 201, "POST", MAPS,
		      "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, labels: {skip: "
		      "'yes'}}, data: {k: v}}");
	assert_null(doc_find(made, "data.seen"));
	made = expect_patch(c, 200, "merge-patch", MAPS "/b",
			    "{data: {k: w}}"); /* not one of its operations */
	assert_null(doc_find(made, "data.seen"));
	expect(c, 200, "DELETE", HOOKS "/{ns}", NULL);
	hook_close(&h);
}

static void a_webhook_refuses(void **state)
{
	static const char body[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}";
	struct contract *c = *state;
	struct answer answer;
	struct hook h;

	hook_open(&h, c);
	hook_register(&h, "Fail");
	ask_until(c, 201, "data.seen", body);
	h.deny = "not on my watch";
	answer = send_as(c, "POST", MAPS, NULL, NULL, body);
	assert_int_equal(answer.status, 400);
	h.deny_code = 403;
	answer = send_as(c, "POST", MAPS, NULL, NULL, body);
	assert_int_equal(answer.status, 403);
	assert_non_null(strstr(text_at(answer.body, "message"), "not on my watch"));
	assert_non_null(strstr(text_at(answer.body, "message"), "hook.contract.test"));
	expect(c, 404, "GET", MAPS "/a", NULL);
	expect(c, 200, "DELETE", HOOKS "/{ns}", NULL);
	hook_close(&h);
}

static void a_webhook_that_is_away(void **state)
{
	static const char body[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}";
	struct contract *c = *state;
	struct answer answer;
	struct hook h;

	hook_open(&h, c);
	hook_register(&h, "Fail");
	ask_until(c, 201, "data.seen", body);
	http_server_free(TAKE(h.server));
	answer = ask_until(c, 500, NULL, body);
	assert_non_null(strstr(text_at(answer.body, "message"), "hook.contract.test"));
	expect_patch(c, 200, "json-patch", HOOKS "/{ns}",
		     "[{op: replace, path: /webhooks/0/failurePolicy, value: Ignore}]");
	ask_until(c, 201, NULL, body);
	expect(c, 200, "DELETE", HOOKS "/{ns}", NULL);
	hook_close(&h);
}

void extensions_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(a_kind_of_our_own),
		CONTRACT_TEST(its_columns_are_its_own),
		CONTRACT_TEST(it_ends_with_its_definition),
		CONTRACT_TEST(the_forgotten_past_is_410),
		CONTRACT_TEST(a_webhook_changes_what_is_made),
		CONTRACT_TEST(a_webhook_refuses),
		CONTRACT_TEST(a_webhook_that_is_away),
	};

	add(tests, ARRAY_SIZE(tests));
}
