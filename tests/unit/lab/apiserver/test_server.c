/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the contract suite cannot ask of a real server too: crashes, faults, what the server does by
 * itself. A server on this program's loop, a client through lib/http.
 */
#include <unistd.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/client.h"
#include "lib/http/tls.h"
#include "tests/unit/lab/apiserver/json.h"

struct fixture {
	struct loop *loop;
	struct apiserver *server;
	struct http_client *http;
	struct arena arena;
	char dir[64];
	uint16_t port;
	char *token;
};

static struct apiserver_options options;

static void start(struct fixture *f)
{
	struct error err = ERROR_INIT;

	if (apiserver_new(f->loop, &options, &f->server, &err) ||
	    apiserver_listen(f->server, "127.0.0.1", f->port, &f->port, &err))
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct strbuf token = STRBUF_INIT;
	auto_free char *path = NULL;

	strcpy(f->dir, "/tmp/sidestep-apiserver-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	options = (struct apiserver_options){.dir = f->dir, .allow_faults = true};
	f->loop = loop_new(NULL);
	f->http = http_client_new(f->loop, NULL);
	start(f);
	path = xasprintf("%s/admin.token", f->dir);
	if (io_read_file(path, 100, &token, NULL))
		return -1;
	f->token = strbuf_take(&token);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_client_free(f->http);
	apiserver_free(f->server);
	loop_free(f->loop);
	io_remove_tree(f->dir, NULL);
	arena_release(&f->arena);
	free(f->token);
	free(f);
	return 0;
}

struct asked {
	struct http_request request;
	struct http_header headers[2];
	struct http_tls tls;
};

static void ask(struct fixture *f, struct asked *q, const char *method, const char *path,
		const char *type, const char *body)
{
	char *text = arena_strdup(&f->arena, body ? body : "");

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	q->tls = (struct http_tls){.ca_pem = apiserver_ca(f->server)};
	q->headers[0].name = arena_strdup(&f->arena, "Authorization");
	q->headers[0].value = arena_printf(&f->arena, "Bearer %s", f->token);
	q->headers[1].name = arena_strdup(&f->arena, "Content-Type");
	q->headers[1].value = arena_strdup(&f->arena, type ? type : "application/json");
	q->request = (struct http_request){
		.method = method,
		.url = arena_printf(&f->arena, "https://127.0.0.1:%u%s", f->port, path),
		.headers = q->headers,
		.n_headers = 2,
		.body = body ? text : NULL,
		.body_size = body ? strlen(text) : 0,
		.tls = &q->tls,
		.http1 = true,
		.fresh = true,
	};
}

/* The status; *ret_doc (may be NULL) is the answer. */
static int call_as(struct fixture *f, const char *method, const char *path, const char *type,
		   const char *body, struct doc **ret_doc)
{
	struct http_response response;
	struct error err = ERROR_INIT;
	struct asked q;
	int status;

	ask(f, &q, method, path, type, body);
	if (http_call_wait(f->loop, f->http, &q.request, &response, &err))
		fail_msg("%s %s: %s", method, path, err.msg);
	status = response.status;
	if (ret_doc &&
	    doc_read_json(&f->arena, response.body.buf, response.body.len, NULL, ret_doc, &err))
		fail_msg("%s %s: %s", method, path, err.msg);
	http_response_release(&response);
	return status;
}

static int call(struct fixture *f, const char *method, const char *path, const char *body,
		struct doc **ret_doc)
{
	return call_as(f, method, path, NULL, body, ret_doc);
}

#define CONFIG_MAPS "/api/v1/namespaces/default/configmaps"

static const char *config_map(struct fixture *f, const char *name, const char *more)
{
	return arena_printf(
		&f->arena,
		"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'%s'%s},'data':{}}", name,
		more);
}

static void make(struct fixture *f, const char *name, const char *more, struct doc **ret)
{
	assert_int_equal(call(f, "POST", CONFIG_MAPS, config_map(f, name, more), ret), 201);
}

static int status_of(struct fixture *f, const char *name)
{
	return call(f, "GET", arena_printf(&f->arena, CONFIG_MAPS "/%s", name), NULL, NULL);
}

/* Turns of the loop until the object is gone; the test's own time limit ends it otherwise. */
static void wait_gone(struct fixture *f, const char *path)
{
	while (call(f, "GET", path, NULL, NULL) != 404)
		loop_turn(f->loop, true, NULL);
}

/* ---- watches ---- */

struct stream {
	struct strbuf text;
	bool done;
	int code;
};

static void on_data(void *arg, const char *data, size_t n)
{
	struct stream *s = arg;

	strbuf_add(&s->text, data, n);
}

static void on_done(void *arg, struct http_response *response)
{
	struct stream *s = arg;

	s->done = true;
	s->code = response->code;
}

static struct http_call *watch(struct fixture *f, struct stream *s, const char *query)
{
	static const struct http_handlers handlers = {.on_data = on_data, .on_done = on_done};
	struct http_call *c;
	struct asked q;

	*s = (struct stream){.text = STRBUF_INIT};
	ask(f, &q, "GET", arena_printf(&f->arena, CONFIG_MAPS "?watch=1%s", query), NULL, NULL);
	assert_int_equal(http_start(f->http, &q.request, &handlers, s, &c, NULL), 0);
	return c;
}

static void until(struct fixture *f, const struct stream *s, const char *text)
{
	while (!strstr(strbuf_cstr(&s->text), text))
		loop_turn(f->loop, true, NULL);
}

static void until_done(struct fixture *f, const struct stream *s)
{
	while (!s->done)
		loop_turn(f->loop, true, NULL);
}

/* ---- tests ---- */

#define CASE(name) static void name(void **state)

CASE(a_watch_goes_on_over_a_crash)
{
	struct fixture *f = *state;
	struct stream s;
	struct doc *d;
	const char *version;

	make(f, "one", "", &d);
	version = arena_strdup(&f->arena, doc_find_str(d, "metadata.resourceVersion"));
	make(f, "two", "", NULL);
	apiserver_free(f->server);
	start(f);
	make(f, "three", "", NULL);
	watch(f, &s, arena_printf(&f->arena, "&resourceVersion=%s&timeoutSeconds=60", version));
	until(f, &s, "three");
	assert_null(strstr(s.text.buf, "\"one\""));
	assert_true(strstr(s.text.buf, "\"two\"") < strstr(s.text.buf, "\"three\""));
	strbuf_release(&s.text);
}

CASE(certificates_and_tokens_survive)
{
	struct fixture *f = *state;
	char *ca = arena_strdup(&f->arena, apiserver_ca(f->server));

	apiserver_free(f->server);
	start(f);
	assert_string_equal(ca, apiserver_ca(f->server));
	assert_int_equal(call(f, "GET", "/api", NULL, NULL), 200);
	f->token[0] ^= 1;
	assert_int_equal(call(f, "GET", "/api", NULL, NULL), 401);
	assert_int_equal(call(f, "GET", "/readyz", NULL, NULL), 200);
	f->token[0] ^= 1;
}

CASE(dependents_follow_their_owner)
{
	struct fixture *f = *state;
	struct doc *owner;
	const char *reference;

	make(f, "owner", "", &owner);
	reference = arena_printf(
		&f->arena,
		",'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'owner',"
		"'uid':'%s','blockOwnerDeletion':true}]",
		doc_find_str(owner, "metadata.uid"));
	/* The finalizer keeps the child, and so the owner, however quick the sweeper is. */
	make(f, "child", arena_printf(&f->arena, "%s,'finalizers':['x.io/wait']", reference), NULL);
	make(f, "other", "", NULL);
	assert_int_equal(
		call(f, "DELETE", CONFIG_MAPS "/owner?propagationPolicy=Foreground", NULL, NULL),
		200);
	assert_int_equal(status_of(f, "owner"), 200); /* it waits */
	assert_int_equal(call_as(f, "PATCH", CONFIG_MAPS "/child", "application/merge-patch+json",
				 "{'metadata':{'finalizers':null}}", NULL),
			 200);
	wait_gone(f, CONFIG_MAPS "/owner");
	assert_int_equal(status_of(f, "child"), 404);
	assert_int_equal(status_of(f, "other"), 200);
	make(f, "late", reference, NULL); /* its owner is gone already */
	wait_gone(f, CONFIG_MAPS "/late");
}

CASE(orphans_stay)
{
	struct fixture *f = *state;
	struct doc *owner, *child;

	make(f, "owner", "", &owner);
	make(f, "child",
	     arena_printf(&f->arena,
			  ",'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'owner'"
			  ",'uid':'%s'}]",
			  doc_find_str(owner, "metadata.uid")),
	     NULL);
	assert_int_equal(
		call(f, "DELETE", CONFIG_MAPS "/owner?propagationPolicy=Orphan", NULL, NULL), 200);
	wait_gone(f, CONFIG_MAPS "/owner");
	assert_int_equal(call(f, "GET", CONFIG_MAPS "/child", NULL, &child), 200);
	assert_null(doc_find(child, "metadata.ownerReferences"));
}

CASE(a_namespace_takes_its_content_along)
{
	struct fixture *f = *state;
	struct doc *d;

	assert_int_equal(
		call(f, "POST", "/api/v1/namespaces", "{'metadata':{'name':'as-n'}}", NULL), 201);
	assert_int_equal(call(f, "POST", "/api/v1/namespaces/as-n/configmaps",
			      "{'metadata':{'name':'c','finalizers':['x.io/wait']}}", NULL),
			 201);
	assert_int_equal(call(f, "DELETE", "/api/v1/namespaces/as-n", NULL, &d), 200);
	assert_string_equal(doc_find_str(d, "status.phase"), "Terminating");
	assert_int_equal(call(f, "POST", "/api/v1/namespaces/as-n/configmaps",
			      "{'metadata':{'name':'d'}}", &d),
			 403);
	assert_string_equal(doc_find_str(d, "details.causes[0].reason"), "NamespaceTerminating");
	assert_int_equal(call(f, "GET", "/api/v1/namespaces/as-n", NULL, NULL), 200);
	assert_int_equal(call_as(f, "PATCH", "/api/v1/namespaces/as-n/configmaps/c",
				 "application/merge-patch+json", "{'metadata':{'finalizers':null}}",
				 NULL),
			 200);
	wait_gone(f, "/api/v1/namespaces/as-n");
	assert_int_equal(call(f, "GET", "/api/v1/namespaces/as-n/configmaps/c", NULL, NULL), 404);
}

CASE(a_crd_takes_its_objects_along)
{
	struct fixture *f = *state;
	static const char crd[] = "{'metadata':{'name':'ws.x.io'},'spec':{'group':'x.io','scope':'"
				  "Namespaced','names':{'plural':'ws',"
				  "'kind':'W'},'versions':[{'name':'v1','served':true,'storage':"
				  "true,'schema':{'openAPIV3Schema':{'type':"
				  "'object','x-kubernetes-preserve-unknown-fields':true}}}]}}";
	static const char path[] = "/apis/x.io/v1/namespaces/default/ws";
	static const char crds[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

	assert_int_equal(call(f, "POST", crds, crd, NULL), 201);
	assert_int_equal(call(f, "POST", path, "{'metadata':{'name':'a'}}", NULL), 201);
	apiserver_free(f->server);
	start(f); /* CRDs are taken in again before anything is swept */
	assert_int_equal(apiserver_count(f->server, "x.io", "ws"), 1);
	assert_int_equal(call(f, "DELETE", arena_printf(&f->arena, "%s/ws.x.io", crds), NULL, NULL),
			 200);
	assert_int_equal(call(f, "GET", path, NULL, NULL), 404);
	while (apiserver_version(f->server) < 9) /* the sweep deletes a: a ninth change */
		loop_turn(f->loop, true, NULL);
	assert_int_equal(call(f, "POST", crds, crd, NULL), 201);
	assert_int_equal(apiserver_count(f->server, "x.io", "ws"), 0);
}

static void faults(struct fixture *f, const char *text)
{
	assert_int_equal(call(f, "PUT", "/sidestep/faults", text, NULL), 200);
}

CASE(faults_strike_as_often_as_they_should)
{
	struct fixture *f = *state;
	struct doc *d;

	faults(f, "{'faults':[{'match':{'verb':'get','resource':'configmaps'},'skip':1,'times':2,'"
		  "status':429,"
		  "'retryAfterSeconds':7,'message':'slow down'}]}");
	assert_int_equal(status_of(f, "x"), 404);
	assert_int_equal(call(f, "GET", CONFIG_MAPS "/x", NULL, &d), 429);
	assert_string_equal(doc_find_str(d, "message"), "slow down");
	assert_int_equal(doc_find_int(d, "details.retryAfterSeconds", 0), 7);
	assert_int_equal(status_of(f, "x"), 429);
	assert_int_equal(status_of(f, "x"), 404);
	assert_int_equal(call(f, "PUT", "/sidestep/faults", "{'faults':[{'status':200}]}", NULL),
			 400);
	assert_int_equal(call(f, "PUT", "/sidestep/faults", "{'fault':[]}", NULL), 400);
}

static void cut_creation(struct fixture *f, const char *name)
{
	struct http_response response;
	struct error err = ERROR_INIT;
	struct asked q;

	ask(f, &q, "POST", CONFIG_MAPS, NULL, config_map(f, name, ""));
	assert_true(http_call_wait(f->loop, f->http, &q.request, &response, &err) < 0);
}

CASE(an_answer_is_lost_before_or_after_the_deed)
{
	struct fixture *f = *state;

	faults(f, "{'faults':[{'match':{'verb':'create'},'times':1,'cut':'before'}]}");
	cut_creation(f, "x");
	assert_int_equal(status_of(f, "x"), 404);
	faults(f, "{'faults':[{'match':{'verb':'create'},'times':1,'cut':'after'}]}");
	cut_creation(f, "x");
	assert_int_equal(status_of(f, "x"), 200);
}

CASE(watches_are_cut_silenced_and_expired)
{
	struct fixture *f = *state;
	struct stream s;

	faults(f,
	       "{'faults':[{'match':{'verb':'watch'},'times':1,'watch':'cut','afterEvents':1}]}");
	watch(f, &s, "");
	make(f, "a", "", NULL);
	make(f, "b", "", NULL);
	until_done(f, &s);
	assert_true(s.code < 0);
	assert_non_null(strstr(s.text.buf, "\"a\""));
	assert_null(strstr(s.text.buf, "\"b\""));
	strbuf_release(&s.text);

	faults(f, "{'faults':[{'match':{'verb':'watch'},'times':1,'watch':'expire','afterEvents':2}"
		  "]}");
	watch(f, &s, "");
	until(f, &s, "\"b\"");
	make(f, "c", "", NULL);
	until_done(f, &s);
	assert_int_equal(s.code, 0);
	assert_non_null(strstr(s.text.buf, "\"code\":410"));
	strbuf_release(&s.text);

	faults(f, "{'faults':[{'match':{'verb':'watch'},'times':1,'watch':'silent','afterEvents':3}"
		  "]}");
	watch(f, &s, "&timeoutSeconds=1");
	until(f, &s, "\"c\"");
	make(f, "d", "", NULL);
	until_done(f, &s);
	assert_null(strstr(s.text.buf, "\"d\""));
	strbuf_release(&s.text);
}

CASE(old_versions_are_gone)
{
	struct fixture *f = *state;
	struct stream s;

	make(f, "a", "", NULL);
	faults(f, "{'forgetHistory':true}");
	watch(f, &s, "&resourceVersion=1");
	until_done(f, &s);
	assert_non_null(strstr(s.text.buf, "\"type\":\"ERROR\""));
	assert_non_null(strstr(s.text.buf, "\"code\":410"));
	strbuf_release(&s.text);
	assert_int_equal(call(f, "GET", CONFIG_MAPS "?resourceVersion=1&resourceVersionMatch=Exact",
			      NULL, NULL),
			 410);
}

CASE(no_watch_list)
{
	struct fixture *f = *state;
	const char *path =
		CONFIG_MAPS "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
			    "allowWatchBookmarks=true&timeoutSeconds=1";

	faults(f, "{'noWatchList':true}");
	assert_int_equal(call(f, "GET", path, NULL, NULL), 422);
	faults(f, "{}");
	assert_int_equal(call(f, "GET", path, NULL, NULL), 200);
}

CASE(a_pod_keeps_its_quality_of_service)
{
	static const char pods[] = "/api/v1/namespaces/default/pods";
	struct fixture *f = *state;
	struct doc *d;

	assert_int_equal(
		call(f, "POST", pods,
		     "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i',"
		     "'resources':{'requests':{'cpu':'1'}}}]}}",
		     &d),
		201);
	assert_string_equal(doc_find_str(d, "status.qosClass"), "Burstable");
	assert_int_equal(call_as(f, "PATCH", arena_printf(&f->arena, "%s/p/status", pods),
				 "application/merge-patch+json",
				 "{'status':{'qosClass':'BestEffort'}}", &d),
			 422);
	assert_string_equal(doc_find_str(d, "details.causes[0].field"), "status.qosClass");
	assert_int_equal(call_as(f, "PATCH", arena_printf(&f->arena, "%s/p/status", pods),
				 "application/merge-patch+json", "{'status':{'phase':'Running'}}",
				 NULL),
			 200);
}

/* Lists where maps belong and the reverse, in every place that defaults look at. */
CASE(wrong_kinds_are_refused_or_kept)
{
	static const char *const specs[] = {
		"{'containers':[{'name':'c','image':'i','ports':[[],'x',1],'livenessProbe':{'"
		"httpGet':[1,2],"
		"'grpc':['x']},'resources':[1],'env':[{'name':'A','valueFrom':{'fieldRef':[1]}}]}],"
		"'volumes':[{'name':'v','hostPath':'x'},{'name':'w','configMap':[1,[2]]},7]}",
		"{'containers':[[],{},7],'initContainers':'x','volumes':{'a':[]}}",
		"[[{'containers':1}]]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		const char *body = arena_printf(&f->arena, "{'metadata':{'name':'p%zu'},'spec':%s}",
						i, specs[i]);
		int status = call(f, "POST", "/api/v1/namespaces/default/pods", body, NULL);

		assert_true(status == 201 || status == 422 || status == 400);
		status = call(f, "GET", "/api/v1/namespaces/default/pods", NULL, NULL);
		assert_int_equal(status, 200);
	}
}

CASE(what_is_not_served_says_so)
{
	static const char *const rows[][2] = {
		{"PATCH", CONFIG_MAPS "/x"},
		{"POST", "/api/v1/namespaces/default/pods/x/exec"},
		{"POST", "/api/v1/namespaces/default/serviceaccounts/x/token"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *d;

		assert_int_equal(call_as(f, rows[i][0], rows[i][1], "application/apply-patch+yaml",
					 "{}", &d),
				 501);
		assert_true(strlen(doc_find_str(d, "message")) > 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		ROW(a_watch_goes_on_over_a_crash),
		ROW(certificates_and_tokens_survive),
		ROW(dependents_follow_their_owner),
		ROW(orphans_stay),
		ROW(a_namespace_takes_its_content_along),
		ROW(a_crd_takes_its_objects_along),
		ROW(faults_strike_as_often_as_they_should),
		ROW(an_answer_is_lost_before_or_after_the_deed),
		ROW(watches_are_cut_silenced_and_expired),
		ROW(old_versions_are_gone),
		ROW(no_watch_list),
		ROW(a_pod_keeps_its_quality_of_service),
		ROW(wrong_kinds_are_refused_or_kept),
		ROW(what_is_not_served_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
