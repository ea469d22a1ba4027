/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/istiod/proxy.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/client.h"
#include "lib/istio/sidecar.h"
#include "lib/loop/spawn.h"

#define ADMIN    "http://127.0.0.1:15000"
#define LOOK_NS  (20 * NS_PER_MS)
#define COUNT_NS (100 * NS_PER_MS)
#define DRAIN_NS (12 * NS_PER_S)
/* After SIGTERM Envoy ends at once; if not, it is stuck. */
#define STUCK_NS (3 * NS_PER_S)

struct proxy {
	const struct proxy_options *o;
	struct loop *loop;
	struct http_client *http;
	struct loop_child *envoy;
	struct loop_timer *timer; /* what the state waits for */
	uint64_t drain_until;
	int code;
	enum { PROXY_WAITING, PROXY_RUNNING, PROXY_DRAINING, PROXY_ENDING } state;
	struct error err;
};

static void envoy_ended(void *arg, const struct loop_child_exit *end)
{
	struct proxy *p = arg;

	p->code = p->state >= PROXY_DRAINING ? 0 : end->signal ? 128 + end->signal : end->code;
	if (p->o->log)
		log_info(p->o->log, "envoy ended code=%d signal=%d", end->code, end->signal);
	loop_stop(p->loop);
}

static void start_envoy(struct proxy *p)
{
	auto_free char *config = xasprintf("%s/bootstrap.json", p->o->dir);
	const char *argv[] = {p->o->envoy, "-c", config, "--disable-hot-restart", "--concurrency",
			      "1", "--log-level", "warning",
			      /* The access log tells of a failure soon. */
			      "--file-flush-interval-msec", "500", NULL};
	struct loop_spawn spec = {.argv = argv, .fds = {0, 1, 2}, .die_with_us = true};

	if (loop_spawn(p->loop, &spec, envoy_ended, p, &p->envoy, &p->err)) {
		p->code = p->err.code;
		loop_stop(p->loop);
		return;
	}
	p->state = PROXY_RUNNING;
}

static void end_envoy(struct proxy *p)
{
	p->state = PROXY_ENDING;
	loop_child_kill(p->envoy, SIGTERM);
	loop_timer_set(p->timer, STUCK_NS);
}

/* "listener....downstream_cx_active: 3" lines, summed. */
static uint64_t sum_counts(const char *text)
{
	uint64_t sum = 0;

	for (const char *at = strstr(text, ": "); at; at = strstr(at + 2, ": "))
		sum += strtoull(at + 2, NULL, 10);
	return sum;
}

static void counted(void *arg, struct http_response *r)
{
	struct proxy *p = arg;

	if (p->state != PROXY_DRAINING)
		return;
	if (r->code == 0 && r->status == 200 && sum_counts(strbuf_cstr(&r->body)) == 0)
		end_envoy(p);
	else if (loop_now_ns(p->loop) >= p->drain_until)
		end_envoy(p);
	else
		loop_timer_set(p->timer, COUNT_NS);
}

static void ask(struct proxy *p, const char *method, const char *path,
		void (*done)(void *arg, struct http_response *r))
{
	struct http_handlers handlers = {.on_done = done};
	auto_free char *url = xasprintf(ADMIN "%s", path);
	struct http_request q = {.method = method, .url = url, .timeout_ns = NS_PER_S};

	http_start(p->http, &q, &handlers, p, NULL, NULL);
}

static void count(struct proxy *p)
{
	auto_release(strbuf) struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, "/stats");
	http_query_add(&path, "filter", ISTIO_ACTIVE_STAT);
	ask(p, "GET", strbuf_cstr(&path), counted);
}

static void drained(void *arg, UNUSED struct http_response *r)
{
	count(arg);
}

static void timer_fired(void *arg)
{
	struct proxy *p = arg;
	auto_free char *bootstrap = xasprintf("%s/bootstrap.json", p->o->dir);

	switch (p->state) {
	case PROXY_WAITING:
		if (io_exists(bootstrap))
			start_envoy(p);
		else
			loop_timer_set(p->timer, LOOK_NS);
		break;
	case PROXY_DRAINING:
		count(p);
		break;
	case PROXY_ENDING:
		loop_child_kill(p->envoy, SIGKILL);
		break;
	case PROXY_RUNNING:
		break;
	}
}

static void on_signal(void *arg, UNUSED int signo)
{
	struct proxy *p = arg;

	if (p->state == PROXY_WAITING) {
		loop_stop(p->loop);
	} else if (p->state == PROXY_RUNNING) {
		p->state = PROXY_DRAINING;
		p->drain_until =
			loop_now_ns(p->loop) + (p->o->drain_ns ? p->o->drain_ns : DRAIN_NS);
		ask(p, "POST", ISTIO_DRAIN_PATH, drained);
	}
}

int proxy_run(const struct proxy_options *options, struct error *err)
{
	struct proxy p = {.o = options};

	p.loop = loop_new(NULL);
	p.http = http_client_new(p.loop, NULL);
	p.timer = loop_timer_new(p.loop, timer_fired, &p);
	loop_signal_new(p.loop, SIGTERM, on_signal, &p);
	loop_signal_new(p.loop, SIGINT, on_signal, &p);
	loop_timer_set(p.timer, 0);
	loop_run(p.loop, NULL);
	http_client_free(p.http);
	loop_child_free(p.envoy);
	loop_free(p.loop);
	if (p.code < 0)
		return error_set(err, p.code, "%s", p.err.msg);
	return p.code;
}

int proxy_request_drain(struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct http_client *http = http_client_new(loop, NULL);
	struct http_request q = {.method = "POST",
				 .url = ADMIN "/drain_listeners?inboundonly&graceful&skip_exit",
				 .timeout_ns = NS_PER_S};
	struct http_response response;
	int r = http_call_wait(loop, http, &q, &response, err);

	if (r == 0 && response.status != 200)
		r = error_set(err, -EIO, "Envoy answered %d to the request to drain",
			      response.status);
	http_response_release(&response);
	http_client_free(http);
	loop_free(loop);
	return r;
}
