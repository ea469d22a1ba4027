/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/peers/contract/contract.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/kube/frames.h"

#define PATIENCE_NS (20 * NS_PER_S)

static void replace_all(struct strbuf *sb, const char *text, const char *ns, const char *one)
{
	for (const char *p = text; *p;) {
		if (str_starts(p, "{ns}")) {
			strbuf_adds(sb, ns);
			p += 4;
		} else if (one && str_starts(p, "{1}")) {
			strbuf_adds(sb, one);
			p += 3;
		} else {
			strbuf_addc(sb, *p++);
		}
	}
}

const char *fill(struct contract *c, const char *text, const char *one)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	replace_all(&sb, text, str_or_empty(c->ns), one);
	return arena_strdup(&c->arena, strbuf_cstr(&sb));
}

/* ---- requests ---- */

/* url and trust of a request to path. */
static void aim(struct contract *c, const char *path, struct http_request *request,
		struct http_tls *tls)
{
	*tls = (struct http_tls){.ca_pem = c->config.ca_pem,
				 .cert_pem = c->config.cert_pem,
				 .key_pem = c->config.key_pem,
				 .server_name = c->config.tls_server_name};
	request->url = arena_printf(&c->arena, "%s%s", c->config.server, fill(c, path, NULL));
	request->unix_socket = c->config.unix_socket;
	request->tls = tls;
}

static struct answer exchange(struct contract *c, const char *method, const char *path,
			      const char *type, const char *accept, const char *body, size_t n)
{
	const struct http_header headers[] = {
		{(char *)(uintptr_t) "Accept",
		 (char *)(uintptr_t)(accept ? accept : "application/json")},
		{(char *)(uintptr_t) "Content-Type",
		 (char *)(uintptr_t)(type ? type : "application/json")},
	};
	struct http_request request = {.method = method,
				       .headers = headers,
				       .n_headers = body ? 2 : 1,
				       .body = body,
				       .body_size = n};
	struct http_response response;
	struct http_tls tls;
	struct error err = ERROR_INIT;
	struct answer answer;

	memset(&response, 0, sizeof(response));
	aim(c, path, &request, &tls);
	if (http_call_wait(c->loop, c->http, &request, &response, &err) < 0)
		fail_msg("%s %s: %s", method, request.url, err.msg);
	answer.status = response.status;
	answer.text = arena_strdup(&c->arena, strbuf_cstr(&response.body));
	if (doc_read_json(&c->arena, answer.text, strlen(answer.text), NULL, &answer.body, NULL) <
	    0)
		answer.body = NULL;
	http_response_release(&response);
	return answer;
}

static struct doc *parse(struct contract *c, const char *yaml)
{
	struct doc_stream in;
	struct error err = ERROR_INIT;
	const char *text = fill(c, yaml, NULL);

	if (doc_read_yaml(&c->arena, text, strlen(text), "body", &in, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(in.n, 1);
	return in.docs[0];
}

struct answer send_as(struct contract *c, const char *method, const char *path, const char *type,
		      const char *accept, const char *body)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;

	if (body)
		doc_write_json(parse(c, body), DOC_COMPACT, &json);
	return exchange(c, method, path, type, accept, body ? strbuf_cstr(&json) : NULL, json.len);
}

static struct doc *must_be(struct contract *c, int status, const char *method, const char *path,
			   struct answer answer)
{
	if (answer.status != status)
		fail_msg("%s %s: want %d, got %d: %s", method, fill(c, path, NULL), status,
			 answer.status, answer.text);
	return answer.body;
}

struct doc *expect(struct contract *c, int status, const char *method, const char *path,
		   const char *body)
{
	return must_be(c, status, method, path, send_as(c, method, path, NULL, NULL, body));
}

struct doc *expect_patch(struct contract *c, int status, const char *type, const char *path,
			 const char *body)
{
	const char *full = arena_printf(&c->arena, "application/%s+json", type);

	return must_be(c, status, "PATCH", path, send_as(c, "PATCH", path, full, NULL, body));
}

struct doc *expect_doc(struct contract *c, int status, const char *method, const char *path,
		       const struct doc *body)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;

	doc_write_json(body, DOC_COMPACT, &json);
	return must_be(c, status, method, path,
		       exchange(c, method, path, NULL, NULL, strbuf_cstr(&json), json.len));
}

/* ---- what an answer says ---- */

const char *text_at(const struct doc *d, const char *path)
{
	return str_or_empty(doc_find_str(d, path));
}

void assert_text(const struct doc *d, const char *path, const char *want)
{
	if (!str_eq(doc_find_str(d, path), want))
		fail_msg("%s: want \"%s\", got \"%s\"", path, want, text_at(d, path));
}

void assert_status(const struct doc *status, const char *reason, const char *words)
{
	assert_text(status, "kind", "Status");
	assert_text(status, "status", "Failure");
	assert_text(status, "reason", reason);
	if (words && !strstr(text_at(status, "message"), words))
		fail_msg("message: want \"%s\" in \"%s\"", words, text_at(status, "message"));
}

/* ---- waiting ---- */

static void ring(void *arg)
{
	*(bool *)arg = true;
}

void await(struct contract *c, const char *what, bool (*done)(void *arg), void *arg)
{
	bool late = false;
	struct loop_timer *timer = loop_timer_new(c->loop, ring, &late);
	struct error err = ERROR_INIT;

	loop_timer_set(timer, PATIENCE_NS);
	while (!done(arg) && !late)
		if (loop_turn(c->loop, true, &err) < 0)
			fail_msg("%s", err.msg);
	loop_timer_free(timer);
	if (!done(arg))
		fail_msg("waited in vain for %s", what);
}

static bool rung(void *arg)
{
	return *(bool *)arg;
}

void pause_ms(struct contract *c, unsigned ms)
{
	bool over = false;
	struct loop_timer *timer = loop_timer_new(c->loop, ring, &over);

	loop_timer_set(timer, ms * NS_PER_MS);
	await(c, "a pause", rung, &over);
	loop_timer_free(timer);
}

/* ---- watches ---- */

struct watch {
	struct contract *c;
	struct http_call *call; /* NULL when it is over */
	struct kube_frames frames;
	struct strbuf refusal; /* the body of a refusal */
	int status;
};

static void on_watch_headers(void *arg, int status, const struct http_headers *headers UNUSED)
{
	((struct watch *)arg)->status = status;
}

static void on_watch_data(void *arg, const char *data, size_t n)
{
	struct watch *w = arg;

	if (w->status == 200)
		kube_frames_feed(&w->frames, data, n, NULL);
	else
		strbuf_add(&w->refusal, data, n);
}

static void on_watch_done(void *arg, struct http_response *response UNUSED)
{
	((struct watch *)arg)->call = NULL;
}

struct watch *watch_open(struct contract *c, const char *path)
{
	static const struct http_handlers handlers = {on_watch_headers, on_watch_data,
						      on_watch_done};
	struct watch *w = xcalloc(1, sizeof(*w));
	struct http_request request = {.method = "GET"};
	struct http_tls tls;
	struct error err = ERROR_INIT;

	w->c = c;
	aim(c, path, &request, &tls);
	if (http_start(c->http, &request, &handlers, w, &w->call, &err) < 0)
		fail_msg("watch %s: %s", path, err.msg);
	return w;
}

void watch_close(struct watch *w)
{
	http_cancel(w->call);
	kube_frames_release(&w->frames);
	strbuf_release(&w->refusal);
	free(w);
}

static bool watch_answered(void *arg)
{
	const struct watch *w = arg;

	return w->status != 0 || !w->call;
}

int watch_status(struct watch *w)
{
	await(w->c, "the answer to a watch", watch_answered, w);
	return w->status;
}

/* One frame, or the end of the watch. */
struct frame {
	struct watch *w;
	struct doc *event;
	bool over;
};

static bool frame_come(void *arg)
{
	static const char *const types[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
	struct frame *f = arg;
	struct arena *a = &f->w->c->arena;
	enum kube_frame_type type;
	struct doc *object;
	struct error err = ERROR_INIT;
	int rc;

	if (f->event || f->over)
		return true;
	rc = kube_frames_next(&f->w->frames, a, &type, &object, &err);
	if (rc < 0)
		fail_msg("watch: %s", err.msg);
	if (rc > 0) {
		f->event = doc_map(a);
		doc_set_string(a, f->event, "type", types[type]);
		doc_set(a, f->event, "object", object);
	}
	f->over = rc == 0 && !f->w->call;
	return f->event || f->over;
}

struct doc *watch_next(struct watch *w)
{
	struct frame f = {.w = w};

	await(w->c, "an event of a watch", frame_come, &f);
	return f.event;
}

struct doc *watch_expect(struct watch *w, const char *type, const char *name)
{
	struct doc *event = watch_next(w);

	if (!event)
		fail_msg("the watch ended; want %s of %s", type, name);
	if (!str_eq(doc_find_str(event, "type"), type) ||
	    !str_eq(doc_find_str(event, "object.metadata.name"), name))
		fail_msg("want %s of %s, got %s of %s", type, name, text_at(event, "type"),
			 text_at(event, "object.metadata.name"));
	return doc_get(event, "object");
}

/* ---- each test ---- */

int contract_begin(void **state)
{
	struct contract *c = *state;

	arena_init(&c->arena);
	c->ns = arena_printf(&c->arena, "contract-%u-%llx", ++c->serial,
			     (unsigned long long)clock_wall_ns(clock_system()) & 0xffffff);
	expect(c, 201, "POST", "/api/v1/namespaces",
	       "{apiVersion: v1, kind: Namespace, metadata: {name: '{ns}', labels: {contract: "
	       "'{ns}'}}}");
	send_as(c, "POST", "/api/v1/namespaces/{ns}/serviceaccounts", NULL, NULL,
		"{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}");
	return 0;
}

int contract_end(void **state)
{
	struct contract *c = *state;

	send_as(c, "DELETE", "/api/v1/namespaces/{ns}", NULL, NULL, NULL);
	arena_release(&c->arena);
	return 0;
}
