/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: from verb, place and options to HTTP, and from the answer to a result. */
#include "lib/kube/client.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/kube/kube_internal.h"

#define TOKEN_AGE_NS (60 * NS_PER_S)

struct kube_client {
	struct loop *loop;
	struct http_client *http;
	struct arena arena; /* config and options */
	struct kube_config config;
	const char *field_manager;
	uint64_t timeout_ns;
	char *authorization; /* header value, cached */
	uint64_t token_read_ns;
	struct kube_call *calls;
	struct kube_waiter *waiters;
};

struct kube_call {
	struct kube_call *next, **prev;
	struct kube_client *client;
	struct http_call *http;
	void (*done)(void *arg, struct kube_result *result);
	void *arg;
	const char *method;
	char *target, *body;
	size_t body_size;
	const char *content_type;
	bool raw, retried;
	struct error refused; /* could not even be sent */
};

static void copy_config(struct arena *a, const struct kube_config *from, struct kube_config *to)
{
	*to = *from;
#define COPY(field) to->field = arena_strdup(a, from->field)
	COPY(server);
	COPY(unix_socket);
	COPY(ca_pem);
	COPY(cert_pem);
	COPY(key_pem);
	COPY(tls_server_name);
	COPY(token);
	COPY(token_file);
	COPY(username);
	COPY(password);
	COPY(namespace_);
	COPY(context);
#undef COPY
}

struct kube_client *kube_client_new(struct loop *loop, const struct kube_config *config,
				    const struct kube_client_options *options)
{
	struct kube_client *c = xcalloc(1, sizeof(*c));
	struct http_client_options http = {0};

	c->loop = loop;
	arena_init(&c->arena);
	copy_config(&c->arena, config, &c->config);
	c->field_manager = "sidestep";
	c->timeout_ns = 30 * NS_PER_S;
	if (options) {
		http.user_agent = options->user_agent;
		if (options->field_manager)
			c->field_manager = arena_strdup(&c->arena, options->field_manager);
		if (options->timeout_ns)
			c->timeout_ns = options->timeout_ns;
	}
	c->http = http_client_new(loop, &http);
	return c;
}

static void deliver_refused(void *arg);

static void call_free(struct kube_call *call)
{
	*call->prev = call->next;
	if (call->next)
		call->next->prev = call->prev;
	free(call->target);
	free(call->body);
	free(call);
}

void kube_client_cancel_all(struct kube_client *c)
{
	while (c->calls)
		kube_cancel(c->calls);
}

void kube_client_free(struct kube_client *c)
{
	if (!c)
		return;
	kube_client_cancel_all(c);
	http_client_free(c->http);
	free(c->authorization);
	arena_release(&c->arena);
	free(c);
}

struct loop *kube_client_loop(const struct kube_client *client)
{
	return client->loop;
}

bool kube_client_idle(const struct kube_client *client)
{
	return client->calls == NULL;
}

/* Who waits for the server. */

void kube_client_wait(struct kube_client *c, struct kube_waiter *w)
{
	if (w->prev)
		return;
	w->next = c->waiters;
	w->prev = &c->waiters;
	if (w->next)
		w->next->prev = &w->next;
	c->waiters = w;
}

void kube_client_unwait(struct kube_waiter *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
}

void kube_client_heard(struct kube_client *c)
{
	while (c->waiters) {
		struct kube_waiter *w = c->waiters;

		kube_client_unwait(w);
		w->back(w->arg);
	}
}

/* Authorization. */

void kube_client_forget_token(struct kube_client *c)
{
	if (!c->config.token_file)
		return;
	free(c->authorization);
	c->authorization = NULL;
}

static char *basic(const struct kube_config *config)
{
	auto_release(strbuf) struct strbuf plain = STRBUF_INIT, out = STRBUF_INIT;

	strbuf_addf(&plain, "%s:%s", config->username, str_or_empty(config->password));
	strbuf_adds(&out, "Basic ");
	base64_encode(plain.buf, plain.len, &out);
	return strbuf_take(&out);
}

static int authorization(struct kube_client *c, const char **ret, struct error *err)
{
	auto_release(strbuf) struct strbuf token = STRBUF_INIT;
	uint64_t now = loop_now_ns(c->loop);
	int r;

	if (c->authorization && c->config.token_file && now - c->token_read_ns > TOKEN_AGE_NS)
		kube_client_forget_token(c);
	if (!c->authorization && c->config.token_file) {
		r = io_read_file(c->config.token_file, LIMIT_SYSTEM_FILE_BYTES, &token, err);
		if (r)
			return error_wrap(err, r, "token");
		while (token.len &&
		       (token.buf[token.len - 1] == '\n' || token.buf[token.len - 1] == '\r'))
			token.buf[--token.len] = '\0';
		c->authorization = xasprintf("Bearer %s", strbuf_cstr(&token));
		c->token_read_ns = now;
	} else if (!c->authorization && c->config.token) {
		c->authorization = xasprintf("Bearer %s", c->config.token);
	} else if (!c->authorization && c->config.username) {
		c->authorization = basic(&c->config);
	}
	*ret = c->authorization;
	return 0;
}

/* Paths. */

static void add_segment(struct strbuf *out, const char *s)
{
	strbuf_addc(out, '/');
	http_escape(s, false, out);
}

static void add_path(const struct kube_request *q, struct strbuf *out)
{
	if (q->path) {
		strbuf_adds(out, q->path);
		return;
	}
	if (q->kind->group[0]) {
		strbuf_adds(out, "/apis");
		add_segment(out, q->kind->group);
	} else {
		strbuf_adds(out, "/api");
	}
	add_segment(out, q->kind->version);
	if (q->kind->namespaced && q->namespace_) {
		strbuf_adds(out, "/namespaces");
		add_segment(out, q->namespace_);
	}
	add_segment(out, q->kind->plural);
	if (q->name)
		add_segment(out, q->name);
	if (q->subresource)
		add_segment(out, q->subresource);
}

void kube_request_target(const struct kube_request *q, struct strbuf *out)
{
	char limit[16];

	add_path(q, out);
	if (q->dry_run)
		http_query_add(out, "dryRun", "All");
	http_query_add(out, "labelSelector", q->label_selector);
	http_query_add(out, "fieldSelector", q->field_selector);
	if (q->limit) {
		snprintf(limit, sizeof(limit), "%u", q->limit);
		http_query_add(out, "limit", limit);
	}
	http_query_add(out, "continue", q->continue_);
	if (q->verb == KUBE_LIST || q->verb == KUBE_GET) {
		http_query_add(out, "resourceVersion", q->resource_version);
		http_query_add(out, "resourceVersionMatch", q->resource_version_match);
	}
	if (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_APPLY)
		http_query_add(out, "force", "true");
}

static const char *const methods[] = {
	[KUBE_GET] = "GET",    [KUBE_LIST] = "GET",    [KUBE_CREATE] = "POST",
	[KUBE_UPDATE] = "PUT", [KUBE_PATCH] = "PATCH", [KUBE_DELETE] = "DELETE",
};
static const char *const patch_types[] = {
	[KUBE_PATCH_MERGE] = "application/merge-patch+json",
	[KUBE_PATCH_JSON] = "application/json-patch+json",
	[KUBE_PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
	[KUBE_PATCH_APPLY] = "application/apply-patch+yaml",
};

static const struct doc *delete_options(struct arena *a, const struct kube_request *q)
{
	struct doc *d;

	if (q->body || (!q->propagation && !q->with_grace && !q->uid && !q->dry_run))
		return q->body;
	d = doc_map(a);
	doc_set_string(a, d, "apiVersion", "v1");
	doc_set_string(a, d, "kind", "DeleteOptions");
	doc_set_string(a, d, "propagationPolicy", q->propagation);
	if (q->with_grace)
		doc_set_int(a, d, "gracePeriodSeconds", q->grace_seconds);
	if (q->uid)
		doc_set_string(a, doc_set_map(a, d, "preconditions"), "uid", q->uid);
	return d;
}

/* Answers. */

void kube_result_release(struct kube_result *r)
{
	arena_release(&r->arena);
	r->object = NULL;
}

int kube_result_error(const struct kube_result *r, struct error *err)
{
	return r->code ? error_set(err, r->code, "%s", r->error) : 0;
}

bool kube_retryable(const struct kube_result *r)
{
	if (r->code == 0)
		return false;
	return r->status == 0 ? r->code != -EINVAL && r->code != -EBADMSG
			      : r->status == 429 || (r->status >= 500 && r->status != 501);
}

int kube_errno(int status, const char *reason)
{
	static const struct {
		int status, code;
	} rows[] = {
		{400, -EINVAL}, {401, -EPERM},  {403, -EACCES}, {404, -ENOENT},
		{405, -ENOSYS}, {409, -ESTALE}, {410, -EXDEV},  {415, -ENOSYS},
		{422, -EINVAL}, {429, -EBUSY},  {501, -ENOSYS}, {504, -ETIMEDOUT},
	};

	if (status == 409 && str_eq(reason, "AlreadyExists"))
		return -EEXIST;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	return status >= 500 ? -EIO : -EINVAL;
}

uint64_t kube_retry_after(const struct http_headers *headers)
{
	const char *s = http_headers_get(headers, "retry-after");
	uint64_t seconds;

	if (!s || str_to_u64(s, 0, 3600, &seconds, "Retry-After", NULL))
		return 0;
	return seconds * NS_PER_S;
}

void kube_result_refused(struct kube_result *r, int status, const char *what)
{
	const char *reason = doc_find_str(r->object, "reason");
	const char *message = doc_find_str(r->object, "message");

	r->status = status;
	r->reason = str_or_empty(reason);
	r->message = str_or_empty(message);
	r->code = kube_errno(status, r->reason);
	if (r->message[0])
		snprintf(r->error, sizeof(r->error), "%s: %s (%d %s)", what, r->message, status,
			 r->reason[0] ? r->reason : http_status_text(status));
	else
		snprintf(r->error, sizeof(r->error), "%s: %d %s", what, status,
			 http_status_text(status));
}

static void read_body(struct kube_result *r, const struct kube_call *call,
		      const struct http_response *response)
{
	const char *text = strbuf_cstr(&response->body);
	struct error err = ERROR_INIT;

	if (call->raw && response->status < 300) {
		r->text = arena_strndup(&r->arena, text, response->body.len);
		r->text_size = response->body.len;
		return;
	}
	if (response->body.len == 0)
		return;
	if (doc_read_json(&r->arena, text, response->body.len, NULL, &r->object, &err) &&
	    response->status < 300) {
		r->code = -EPROTO;
		snprintf(r->error, sizeof(r->error), "%s %s: the answer is no JSON: %.200s",
			 call->method, call->target, err.msg);
	}
}

static void fill_result(struct kube_result *r, const struct kube_call *call,
			const struct http_response *response)
{
	const char *warning = http_headers_get(&response->headers, "warning");
	auto_free char *what = xasprintf("%s %.200s", call->method, call->target);

	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	r->reason = r->message = "";
	if (response->code) {
		r->code = response->code;
		snprintf(r->error, sizeof(r->error), "%s: %s: %.200s", what,
			 call->client->config.server, response->error);
		return;
	}
	r->status = response->status;
	r->warning = arena_strdup(&r->arena, warning);
	r->retry_after_ns = kube_retry_after(&response->headers);
	read_body(r, call, response);
	if (response->status >= 300)
		kube_result_refused(r, response->status, what);
}

static int send_call(struct kube_call *call, struct error *err);

static void on_done(void *arg, struct http_response *response)
{
	struct kube_call *call = arg;
	struct kube_result result;

	call->http = NULL;
	if (response->code == 0)
		kube_client_heard(call->client);
	if (response->code == 0 && response->status == 401 && !call->retried &&
	    call->client->config.token_file) {
		call->retried = true;
		kube_client_forget_token(call->client);
		if (send_call(call, NULL) == 0)
			return;
	}
	fill_result(&result, call, response);
	call->done(call->arg, &result);
	kube_result_release(&result);
	call_free(call);
}

/* Sending. */

static void set_place(struct kube_client *c, struct http_request *q, struct http_tls *tls)
{
	*tls = (struct http_tls){
		.ca_pem = c->config.ca_pem,
		.cert_pem = c->config.cert_pem,
		.key_pem = c->config.key_pem,
		.server_name = c->config.tls_server_name,
		.insecure = c->config.insecure,
	};
	q->unix_socket = c->config.unix_socket;
	q->tls = str_starts(c->config.server, "https:") ? tls : NULL;
}

static struct http_header header(const char *name, const char *value)
{
	return (struct http_header){(char *)(uintptr_t)name, (char *)(uintptr_t)value};
}

static int send_call(struct kube_call *call, struct error *err)
{
	static const struct http_handlers handlers = {.on_done = on_done};
	struct kube_client *c = call->client;
	auto_free char *url = xasprintf("%s%s", c->config.server, call->target);
	const char *auth = NULL;
	struct http_header headers[3];
	struct http_tls tls;
	struct http_request q = {.method = call->method,
				 .url = url,
				 .headers = headers,
				 .body = call->body,
				 .body_size = call->body_size,
				 .timeout_ns = c->timeout_ns};
	int r = authorization(c, &auth, err);

	if (r)
		return r;
	headers[q.n_headers++] = header("Accept", call->raw ? "*/*" : "application/json");
	if (call->body)
		headers[q.n_headers++] = header("Content-Type", call->content_type);
	if (auth)
		headers[q.n_headers++] = header("Authorization", auth);
	set_place(c, &q, &tls);
	return http_start(c->http, &q, &handlers, call, &call->http, err);
}

int kube_stream_start(struct kube_client *c, const char *target, uint64_t idle_ns,
		      const struct http_handlers *handlers, void *arg, struct http_call **ret_call,
		      struct error *err)
{
	auto_free char *url = xasprintf("%s%s", c->config.server, target);
	const char *auth = NULL;
	struct http_header headers[2];
	struct http_tls tls;
	struct http_request q = {.url = url, .headers = headers, .idle_timeout_ns = idle_ns};
	int r = authorization(c, &auth, err);

	if (r)
		return r;
	headers[q.n_headers++] = header("Accept", "application/json");
	if (auth)
		headers[q.n_headers++] = header("Authorization", auth);
	set_place(c, &q, &tls);
	return http_start(c->http, &q, handlers, arg, ret_call, err);
}

static void deliver_refused(void *arg)
{
	struct kube_call *call = arg;
	struct http_response none = {.code = call->refused.code};
	struct kube_result result;

	snprintf(none.error, sizeof(none.error), "%.250s", call->refused.msg);
	fill_result(&result, call, &none);
	call->done(call->arg, &result);
	kube_result_release(&result);
	call_free(call);
}

static void set_body(struct kube_call *call, const struct kube_request *q)
{
	struct strbuf json = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	const struct doc *body = q->verb == KUBE_DELETE ? delete_options(&a, q) : q->body;

	if (body) {
		doc_write_json(body, DOC_COMPACT, &json);
		call->body_size = json.len;
		call->body = strbuf_take(&json);
	}
	arena_release(&a);
	call->content_type = q->verb == KUBE_PATCH ? patch_types[q->patch] : "application/json";
}

struct kube_call *kube_start(struct kube_client *c, const struct kube_request *q,
			     void (*done)(void *arg, struct kube_result *result), void *arg)
{
	struct kube_call *call = xcalloc(1, sizeof(*call));
	struct strbuf target = STRBUF_INIT;

	call->client = c;
	call->done = done;
	call->arg = arg;
	call->method = methods[q->verb];
	call->raw = q->raw;
	kube_request_target(q, &target);
	if (q->verb == KUBE_CREATE || q->verb == KUBE_UPDATE || q->verb == KUBE_PATCH)
		http_query_add(&target, "fieldManager", c->field_manager);
	call->target = strbuf_take(&target);
	set_body(call, q);
	call->next = c->calls;
	call->prev = &c->calls;
	if (call->next)
		call->next->prev = &call->next;
	c->calls = call;
	if (send_call(call, &call->refused))
		loop_defer(c->loop, deliver_refused, call);
	return call;
}

void kube_cancel(struct kube_call *call)
{
	if (!call)
		return;
	http_cancel(call->http);
	loop_undefer(call->client->loop, deliver_refused, call);
	call_free(call);
}
