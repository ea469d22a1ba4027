/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/request.h"

#include <stdio.h>

#include "deploy/lab/apiserver/protobuf.h"
#include "deploy/lab/apiserver/server.h"
#include "lib/base/str.h"

static void on_close(void *arg, bool complete)
{
	struct request *r = arg;

	(void)complete;
	r->x = NULL;
	request_unref(r);
}

struct request *request_new(struct apiserver *s, struct http_exchange *x)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->server = s;
	r->x = x;
	r->view = http_view(x);
	r->refs = 1;
	r->refusal.arena = &r->arena;
	http_exchange_on_close(x, on_close, r);
	return r;
}

void request_ref(struct request *r)
{
	r->refs++;
}

void request_unref(struct request *r)
{
	if (--r->refs)
		return;
	revision_unref(r->old);
	arena_release(&r->arena);
	free(r);
}

static bool is_yaml(const char *type)
{
	return str_starts(type, "application/yaml");
}

/* "application/merge-patch+json" and its like are forms of a patch, not of an object. */
static bool is_json(const char *type, const char *method)
{
	return !*type || str_eq(type, "application/json") ||
	       str_starts(type, "application/json;") ||
	       (str_eq(method, "PATCH") && str_starts(type, "application/") &&
		strstr(type, "+json"));
}

int request_body(struct request *r, struct doc **ret)
{
	const struct http_view *v = r->view;
	const char *type = str_or_empty(http_headers_get(v->headers, "content-type"));
	struct error err = ERROR_INIT;
	struct doc_stream stream;
	int e;

	if (is_yaml(type)) {
		e = doc_read_yaml(&r->arena, v->body, v->body_size, NULL, &stream, &err);
		if (!e && stream.n != 1)
			return refuse_bad_request(&r->refusal, "want one document in the body");
		if (!e)
			*ret = stream.docs[0];
	} else if (is_json(type, v->method)) {
		e = doc_read_json(&r->arena, v->body, v->body_size, NULL, ret, &err);
	} else if (str_starts(type, PROTOBUF_TYPE)) {
		e = protobuf_read(&r->arena, v->body, v->body_size, ret, &err);
		if (e == -ENOSYS)
			return refuse(&r->refusal, 415, "UnsupportedMediaType", "%s", err.msg);
	} else {
		return refuse(
			&r->refusal, 415, "UnsupportedMediaType",
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json, application/yaml, " PROTOBUF_TYPE);
	}
	if (e)
		return refuse_bad_request(&r->refusal, "the object provided is unrecognized: %s",
					  err.msg);
	return 0;
}

void request_warn(struct request *r, const char *fmt, ...)
{
	const char **more = arena_array(&r->arena, r->n_warnings + 1, const char *);
	va_list ap;

	if (r->n_warnings)
		memcpy(more, r->warnings, r->n_warnings * sizeof(*more));
	va_start(ap, fmt);
	more[r->n_warnings++] = arena_vprintf(&r->arena, fmt, ap);
	va_end(ap);
	r->warnings = more;
}

/* RFC 7234: 299 - "text", quotes and backslashes escaped, no line breaks. */
static void send_warnings(struct request *r)
{
	for (size_t i = 0; i < r->n_warnings; i++) {
		auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

		strbuf_adds(&sb, "299 - \"");
		for (const char *p = r->warnings[i]; *p && sb.len < 1024; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_addc(&sb, '\\');
			strbuf_addc(&sb, *p < ' ' ? ' ' : *p);
		}
		strbuf_addc(&sb, '"');
		http_reply_header(r->x, "Warning", strbuf_cstr(&sb));
	}
}

static void log_request(struct request *r, int status)
{
	if (r->server->log)
		log_debug(r->server->log, "%d %s %s user=%s", status, r->view->method,
			  r->view->target, r->user ? r->user : "-");
}

static void reply(struct request *r, int status, const char *type, const void *body, size_t n)
{
	if (!r->x)
		return;
	log_request(r, status);
	if (r->cut) {
		http_exchange_abort(TAKE(r->x));
		return;
	}
	send_warnings(r);
	if (status == 429 && r->refusal.retry_after_s) {
		char seconds[16];

		snprintf(seconds, sizeof(seconds), "%d", r->refusal.retry_after_s);
		http_reply_header(r->x, "Retry-After", seconds);
	}
	http_reply(TAKE(r->x), status, type, body, n);
}

void request_reply_json(struct request *r, int status, const char *json, size_t n)
{
	reply(r, status, "application/json", json, n);
}

void request_reply_doc(struct request *r, int status, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!r->x)
		return;
	if (r->yaml)
		doc_write_yaml(d, &sb);
	else
		doc_write_json(d, DOC_COMPACT, &sb);
	reply(r, status, r->yaml ? "application/yaml" : "application/json", strbuf_cstr(&sb),
	      sb.len);
}

void request_reply_object(struct request *r, int status, const struct doc *object)
{
	struct doc *table;

	if (r->output == AS_OBJECT) {
		request_reply_doc(r, status, object);
	} else if (r->output == AS_METADATA) {
		request_reply_doc(r, status, partial_metadata(&r->arena, object));
	} else {
		table = table_new(&r->arena, r->res, true);
		doc_set_string(&r->arena, doc_get(table, "metadata"), "resourceVersion",
			       doc_find_str(object, "metadata.resourceVersion"));
		table_add_row(&r->arena, table, r->res, object, r->include,
			      server_now_s(r->server));
		request_reply_doc(r, status, table);
	}
}

const struct doc *request_versioned(struct request *r, const struct revision *rev)
{
	const struct doc *d = revision_doc(rev);
	const char *want = resource_api_version(&r->arena, r->res);
	struct doc *copy;

	if (str_eq(doc_str(doc_get(d, "apiVersion")), want))
		return d;
	copy = doc_clone(&r->arena, d);
	doc_set_string(&r->arena, copy, "apiVersion", want);
	return copy;
}

void request_reply_revision(struct request *r, int status, const struct revision *rev)
{
	if (r->output == AS_OBJECT && !r->yaml && !(r->res->flags & RES_CUSTOM))
		request_reply_json(r, status, rev->json, rev->json_len);
	else
		request_reply_object(r, status, request_versioned(r, rev));
}

void request_reply_refusal(struct request *r)
{
	request_reply_doc(r, r->refusal.code, refusal_status(&r->refusal));
}

static struct doc *success(struct arena *a)
{
	struct doc *st = doc_map(a);

	doc_set_string(a, st, "kind", "Status");
	doc_set_string(a, st, "apiVersion", "v1");
	doc_set_map(a, st, "metadata");
	doc_set_string(a, st, "status", "Success");
	return st;
}

void request_reply_created(struct request *r)
{
	struct doc *st = success(&r->arena);

	doc_set_int(&r->arena, st, "code", 201);
	request_reply_doc(r, 201, st);
}

void request_reply_success(struct request *r, const char *name, const char *uid)
{
	struct arena *a = &r->arena;
	struct doc *st = success(a), *details;

	details = doc_set_map(a, st, "details");
	doc_set_string(a, details, "name", name);
	if (*r->res->group)
		doc_set_string(a, details, "group", r->res->group);
	doc_set_string(a, details, "kind", r->res->plural);
	doc_set_string(a, details, "uid", uid);
	request_reply_doc(r, 200, st);
}
