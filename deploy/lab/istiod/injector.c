/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/istiod/injector.h"

#include <string.h>

#include "deploy/lab/istiod/authority.h"
#include "deploy/lab/istiod/review.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/server.h"

#define ADDRESS     "127.0.0.1"
#define REGISTER_NS (10 * NS_PER_S) /* looked at again, in case somebody removed it */

struct injector {
	struct kube_client *client;
	struct loop *loop;
	const struct log *log;
	struct http_server *server;
	struct review_options review;
	char *dir;
	struct tls_pair ca, cert;
	uint16_t port;
	struct loop_timer *again;
	struct kube_call *registering;
};

/* One question: the review, waiting for its namespace. */
struct question {
	struct injector *in;
	struct http_exchange *x; /* NULL once the caller has gone */
	struct arena arena;
	struct doc *review;
};

static void question_free(struct question *q)
{
	struct arena a = q->arena;

	arena_release(&a); /* q lives in it */
}

static void caller_gone(void *arg, bool complete)
{
	struct question *q = arg;

	if (!complete)
		q->x = NULL;
}

static void answer(struct question *q, const struct doc *ns)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc *body;
	struct http_exchange *x = q->x;

	if (!x)
		return;
	if (review_answer(&q->arena, q->review, ns, &q->in->review, &body, &err)) {
		http_reply(x, 400, "text/plain", err.msg, strlen(err.msg));
		return;
	}
	doc_write_json(body, DOC_COMPACT, &json);
	http_reply(x, 200, "application/json", json.buf, json.len);
}

static void namespace_came(void *arg, struct kube_result *result)
{
	struct question *q = arg;

	if (result->code && result->code != -ENOENT) {
		/* Not knowing is not "no": the server asks again or refuses the pod. */
		if (q->x)
			http_reply(q->x, 503, "text/plain", result->error, strlen(result->error));
	} else {
		answer(q, result->code ? NULL : result->object);
	}
	question_free(q);
}

static void handle(void *arg, struct http_exchange *x)
{
	struct injector *in = arg;
	const struct http_view *v = http_view(x);
	struct arena a = ARENA_INIT;
	struct question *q = arena_new(&a, struct question);
	struct error err = ERROR_INIT;
	struct kube_request request = {.verb = KUBE_GET, .kind = object_kind(KIND_NAMESPACE)};

	if (!str_starts(v->path, "/inject")) {
		http_reply(x, 404, "text/plain", "not here", 8);
		arena_release(&a);
		return;
	}
	if (doc_read_json(&a, v->body, v->body_size, "review", &q->review, &err) ||
	    !review_namespace(q->review)) {
		http_reply(x, 400, "text/plain", "want an AdmissionReview of a Pod", 32);
		arena_release(&a);
		return;
	}
	q->in = in;
	q->x = x;
	q->arena = a;
	http_exchange_on_close(x, caller_gone, q);
	request.name = review_namespace(q->review);
	kube_start(in->client, &request, namespace_came, q);
}

/* Registration: put, and put again from time to time. */

static void registered(void *arg, struct kube_result *result)
{
	struct injector *in = arg;
	bool ok = result->code == 0 || result->code == -EEXIST;

	in->registering = NULL;
	if (!ok && in->log)
		log_warn(in->log, "webhook not registered: %s, trying again", result->error);
	loop_timer_set(in->again, ok ? REGISTER_NS : 300 * NS_PER_MS);
}

static void was_read(void *arg, struct kube_result *result)
{
	struct injector *in = arg;
	struct arena *a = &result->arena;
	auto_free char *url = xasprintf("https://" ADDRESS ":%u/inject", in->port);
	struct doc *object = review_webhooks(a, url, in->ca.cert_pem);
	struct kube_request q = {
		.verb = KUBE_CREATE, .kind = object_kind(KIND_MUTATING_WEBHOOK), .body = object};

	in->registering = NULL;
	if (result->code && result->code != -ENOENT) {
		registered(in, result);
		return;
	}
	if (result->code == 0) {
		if (str_eq(doc_find_str(result->object, "webhooks[0].clientConfig.url"), url) &&
		    str_eq(doc_find_str(result->object, "webhooks[0].clientConfig.caBundle"),
			   doc_find_str(object, "webhooks[0].clientConfig.caBundle"))) {
			loop_timer_set(in->again, REGISTER_NS);
			return;
		}
		q.verb = KUBE_UPDATE;
		q.name = kube_name(object);
		doc_set_string(a, doc_get(object, "metadata"), "resourceVersion",
			       kube_resource_version(result->object));
	}
	in->registering = kube_start(in->client, &q, registered, in);
}

static void register_webhook(void *arg)
{
	struct injector *in = arg;
	struct kube_request q = {.verb = KUBE_GET,
				 .kind = object_kind(KIND_MUTATING_WEBHOOK),
				 .name = "istio-sidecar-injector"};

	in->registering = kube_start(in->client, &q, was_read, in);
}

/* Starting: the port of last time if it is still free. */

static uint16_t last_port(const struct injector *in)
{
	auto_free char *path = xasprintf("%s/port", in->dir);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	uint64_t port = 0;

	if (io_read_file(path, 16, &text, NULL) == 0)
		str_to_u64(strbuf_cstr(&text), 1, 65535, &port, "port", NULL);
	return (uint16_t)port;
}

static int listen_tls(struct injector *in, struct error *err)
{
	struct http_server_options o = {.handle = handle, .arg = in};
	struct http_server_tls tls = {.cert_pem = in->cert.cert_pem, .key_pem = in->cert.key_pem};
	auto_free char *path = xasprintf("%s/port", in->dir);
	uint16_t want = last_port(in);
	char text[8];
	int r;

	in->server = http_server_new(in->loop, &o);
	r = http_server_listen(in->server, ADDRESS, want, &tls, &in->port, err);
	if (r && want)
		r = http_server_listen(in->server, ADDRESS, 0, &tls, &in->port, err);
	if (r)
		return r;
	snprintf(text, sizeof(text), "%u", in->port);
	return io_write_file_atomic(path, text, strlen(text), 0644, err);
}

static int get_certificate(struct injector *in, struct error *err)
{
	static const char *const dns[] = {"localhost", "istiod.istio-system.svc", NULL};
	static const char *const ip[] = {ADDRESS, NULL};
	int64_t now = clock_wall_ns(loop_clock(in->loop));
	struct tls_request request = {.common_name = "istiod",
				      .dns = dns,
				      .ip = ip,
				      .server = true,
				      .not_before_wall_ns = now};
	auto_free char *dir = xasprintf("%s/server", in->dir);
	int r = authority_load(in->dir, "sidecar-injector", now, &in->ca, err);

	return r ? r : authority_issue(&in->ca, dir, &request, -1, &in->cert, err);
}

int injector_new(struct kube_client *client, const struct injector_options *options,
		 struct injector **ret_injector, struct error *err)
{
	struct injector *in = xcalloc(1, sizeof(*in));
	int r;

	in->client = client;
	in->loop = kube_client_loop(client);
	in->log = options->log;
	in->dir = xstrdup(options->dir);
	review_defaults(&in->review);
	in->again = loop_timer_new(in->loop, register_webhook, in);
	r = get_certificate(in, err);
	if (r == 0)
		r = listen_tls(in, err);
	if (r) {
		injector_free(in);
		return r;
	}
	loop_timer_set(in->again, 0);
	*ret_injector = in;
	return 0;
}

void injector_free(struct injector *in)
{
	if (!in)
		return;
	http_server_free(in->server);
	kube_cancel(in->registering);
	loop_timer_free(in->again);
	tls_pair_release(&in->ca);
	tls_pair_release(&in->cert);
	free(in->dir);
	free(in);
}
