/* SPDX-License-Identifier: Apache-2.0 */
/* preStop: sleep, exec or httpGet; it runs before SIGTERM and never longer than the grace period.
 */
#include <signal.h>
#include <stdio.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

struct hook {
	struct container *c;
	struct loop_timer *timer; /* end of the sleep, or the limit of the others */
	struct loop_child *child;
	struct http_call *call;
	void (*done)(void *arg);
	void *arg;
};

void hook_free(struct hook *h)
{
	if (!h)
		return;
	loop_timer_free(h->timer);
	if (h->child && loop_child_running(h->child))
		loop_child_kill(h->child, SIGKILL);
	loop_child_free(h->child);
	http_cancel(h->call);
	free(h);
}

static void finish(void *arg)
{
	struct hook *h = arg;

	h->done(h->arg);
}

static void on_exec_exit(void *arg, const struct loop_child_exit *exit)
{
	struct hook *h = arg;

	if (exit->code != 0)
		log_warn(h->c->pod->k->log, "preStop failed pod=%s/%s container=%s code=%d",
			 h->c->pod->ns, h->c->pod->name, h->c->name, exit->code);
	finish(h);
}

static void on_http_done(void *arg, UNUSED struct http_response *response)
{
	struct hook *h = arg;

	h->call = NULL;
	finish(h);
}

static int start_http(struct hook *h, const struct doc *get, uint64_t limit_ns, struct error *err)
{
	const char *host = doc_str(doc_get(get, "host")), *path = doc_str(doc_get(get, "path"));
	char url[1024];
	struct http_request request = {
		.url = url, .http1 = true, .fresh = true, .timeout_ns = limit_ns};
	static const struct http_handlers handlers = {.on_done = on_http_done};

	snprintf(url, sizeof(url), "http://%s:%lld%s", host ? host : str_or_empty(h->c->pod->ip),
		 (long long)doc_int_or(doc_get(get, "port"), 80), path ? path : "/");
	return http_start(h->c->pod->k->http, &request, &handlers, h, &h->call, err);
}

struct hook *hook_start(struct container *c, void (*done)(void *arg), void *arg)
{
	const struct doc *spec = doc_get(doc_get(c->spec, "lifecycle"), "preStop");
	const struct doc *sleep_for = doc_get(doc_get(spec, "sleep"), "seconds");
	const uint64_t limit = pod_stop_left_ns(c->pod);
	struct error err = ERROR_INIT;
	struct hook *h;
	int r = 0;

	if (doc_len(spec) == 0 || limit == 0)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	*h = (struct hook){.c = c, .done = done, .arg = arg};
	h->timer = loop_timer_new(c->pod->k->loop, finish, h);
	loop_timer_set(h->timer, sleep_for
					 ? MIN((uint64_t)doc_int_or(sleep_for, 0) * NS_PER_S, limit)
					 : limit);
	if (doc_get(spec, "exec"))
		r = container_exec(c, doc_find(spec, "exec.command"), on_exec_exit, h, &h->child,
				   &err);
	else if (doc_get(spec, "httpGet"))
		r = start_http(h, doc_get(spec, "httpGet"), limit, &err);
	if (r < 0) {
		log_warn(c->pod->k->log, "preStop cannot run pod=%s/%s container=%s error=%s",
			 c->pod->ns, c->pod->name, c->name, err.msg);
		loop_timer_set(h->timer, 0);
	}
	return h;
}
