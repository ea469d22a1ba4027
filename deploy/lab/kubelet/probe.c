/* SPDX-License-Identifier: Apache-2.0 */
/* Startup, readiness and liveness: httpGet, tcpSocket and exec, with Kubernetes' counting. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

static const char *const probe_keys[PROBE_KINDS] = {
	[PROBE_STARTUP] = "startupProbe",
	[PROBE_READINESS] = "readinessProbe",
	[PROBE_LIVENESS] = "livenessProbe",
};

struct probe {
	struct container *c;
	enum probe_kind kind;
	const struct doc *spec;
	struct loop_timer *timer; /* next attempt */
	struct loop_timer *limit; /* of the attempt at hand */
	struct loop_child *child;
	struct http_call *call;
	struct loop_fd *source;
	int fd;
	int64_t successes, failures; /* in a row */
	bool done;                   /* startup: passed once */
};

static int64_t number(const struct probe *p, const char *key, int64_t fallback)
{
	return doc_int_or(doc_get(p->spec, key), fallback);
}

static uint64_t seconds(const struct probe *p, const char *key, int64_t fallback)
{
	return (uint64_t)MAX(number(p, key, fallback), 0) * NS_PER_S;
}

bool container_has_probe(const struct container *c, enum probe_kind kind)
{
	const struct doc *d = doc_get(c->spec, probe_keys[kind]);

	return d && d->kind == DOC_MAP;
}

static void end_attempt(struct probe *p)
{
	loop_timer_stop(p->limit);
	if (p->child && loop_child_running(p->child))
		loop_child_kill(p->child, SIGKILL);
	loop_child_free(p->child);
	http_cancel(p->call);
	loop_fd_free(p->source);
	if (p->fd >= 0)
		close(p->fd);
	p->child = NULL;
	p->call = NULL;
	p->source = NULL;
	p->fd = -1;
}

static void passed(struct probe *p)
{
	struct container *c = p->c;

	if (p->kind == PROBE_STARTUP && !p->done) {
		p->done = true;
		c->started = true;
		c->ready = !container_has_probe(c, PROBE_READINESS);
		/* The others begin now. */
		for (size_t i = PROBE_READINESS; i < PROBE_KINDS; i++)
			if (c->probes[i])
				loop_timer_set(c->probes[i]->timer, 0);
	} else if (p->kind == PROBE_READINESS) {
		c->ready = true;
	}
}

static void failed(struct probe *p)
{
	struct container *c = p->c;

	if (p->kind == PROBE_READINESS) {
		c->ready = false;
		return;
	}
	if (c->liveness_failed || c->stop != STOP_NONE)
		return;
	log_warn(c->pod->k->log, "container is restarted pod=%s/%s container=%s probe=%s",
		 c->pod->ns, c->pod->name, c->name, probe_keys[p->kind]);
	c->liveness_failed = true;
	container_stop(c);
}

static void result(struct probe *p, bool ok)
{
	const bool was_ready = p->c->ready, was_started = p->c->started;

	end_attempt(p);
	p->successes = ok ? p->successes + 1 : 0;
	p->failures = ok ? 0 : p->failures + 1;
	if (!(p->kind == PROBE_STARTUP && ok))
		loop_timer_set(p->timer, MAX(seconds(p, "periodSeconds", 10), NS_PER_S));
	if (ok && p->successes >= number(p, "successThreshold", 1))
		passed(p);
	else if (!ok && p->failures >= number(p, "failureThreshold", 3))
		failed(p);
	if (p->c->ready != was_ready || p->c->started != was_started) {
		state_save(p->c->pod);
		pod_touch(p->c->pod);
	}
}

static void on_limit(void *arg)
{
	result(arg, false);
}

static void on_exec_exit(void *arg, const struct loop_child_exit *exit)
{
	result(arg, exit->code == 0);
}

static void on_http_done(void *arg, struct http_response *response)
{
	struct probe *p = arg;

	p->call = NULL;
	result(p, response->code == 0 && response->status >= 200 && response->status < 400);
}

/* A number, or the name of one of the container's ports. */
static uint16_t probe_port(const struct probe *p, const struct doc *where)
{
	const struct doc *port = doc_get(where, "port");

	if (doc_str(port))
		doc_foreach_item (doc_get(p->c->spec, "ports"), cp)
			if (str_eq(doc_str(doc_get(cp, "name")), doc_str(port)))
				return (uint16_t)doc_int_or(doc_get(cp, "containerPort"), 0);
	return (uint16_t)doc_int_or(port, 0);
}

static int begin_http(struct probe *p, const struct doc *get, struct error *err)
{
	static const struct http_handlers handlers = {.on_done = on_http_done};
	static const struct http_tls anybody = {.insecure = true};
	const char *host = doc_str(doc_get(get, "host")), *path = doc_str(doc_get(get, "path"));
	const char *scheme = str_eq(doc_str(doc_get(get, "scheme")), "HTTPS") ? "https" : "http";
	struct http_header headers[16];
	struct http_request request = {.http1 = true,
				       .fresh = true,
				       .tls = &anybody,
				       .headers = headers,
				       .timeout_ns = seconds(p, "timeoutSeconds", 1)};
	char url[1024];

	doc_foreach_item (doc_get(get, "httpHeaders"), h)
		if (request.n_headers < ARRAY_SIZE(headers))
			headers[request.n_headers++] = (struct http_header){
				(char *)(uintptr_t)str_or_empty(doc_str(doc_get(h, "name"))),
				(char *)(uintptr_t)str_or_empty(doc_str(doc_get(h, "value")))};
	snprintf(url, sizeof(url), "%s://%s:%u%s", scheme,
		 host ? host : str_or_empty(p->c->pod->ip), probe_port(p, get),
		 path && *path == '/' ? path : "/");
	request.url = url;
	return http_start(p->c->pod->k->http, &request, &handlers, p, &p->call, err);
}

static void on_connected(void *arg, UNUSED unsigned ready)
{
	struct probe *p = arg;
	int code = 0;
	socklen_t n = sizeof(code);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0)
		code = errno;
	result(p, code == 0);
}

static int begin_tcp(struct probe *p, const struct doc *tcp, struct error *err)
{
	const char *host = doc_str(doc_get(tcp, "host"));
	struct sockaddr_storage ss;
	struct net_addr addr;
	socklen_t n;
	int r = net_addr_parse(host ? host : str_or_empty(p->c->pod->ip), &addr, err);

	if (r < 0)
		return r;
	n = net_addr_to_sockaddr(&addr, probe_port(p, tcp), &ss);
	p->fd = socket(addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return error_errno(err, -errno, "socket");
	if (connect(p->fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS)
		return error_errno(err, -errno, "connect");
	p->source = loop_fd_new(p->c->pod->k->loop, p->fd, LOOP_WRITE, on_connected, p);
	return 0;
}

static bool waits_for_startup(const struct probe *p)
{
	return p->kind != PROBE_STARTUP && !p->c->started;
}

static void attempt(void *arg)
{
	struct probe *p = arg;
	struct error err = ERROR_INIT;
	int r = -ENOSYS;

	if (waits_for_startup(p) || (p->kind == PROBE_STARTUP && p->done))
		return;
	loop_timer_set(p->limit, MAX(seconds(p, "timeoutSeconds", 1), NS_PER_S));
	if (doc_get(p->spec, "exec"))
		r = container_exec(p->c, doc_find(p->spec, "exec.command"), on_exec_exit, p,
				   &p->child, &err);
	else if (doc_get(p->spec, "httpGet"))
		r = begin_http(p, doc_get(p->spec, "httpGet"), &err);
	else if (doc_get(p->spec, "tcpSocket"))
		r = begin_tcp(p, doc_get(p->spec, "tcpSocket"), &err);
	if (r < 0)
		result(p, false);
}

void probes_start(struct container *c)
{
	probes_stop(c);
	for (size_t i = 0; i < PROBE_KINDS; i++) {
		struct probe *p;

		if (!container_has_probe(c, (enum probe_kind)i))
			continue;
		p = xcalloc(1, sizeof(*p));
		*p = (struct probe){.c = c,
				    .kind = (enum probe_kind)i,
				    .fd = -1,
				    .spec = doc_get(c->spec, probe_keys[i])};
		p->timer = loop_timer_new(c->pod->k->loop, attempt, p);
		p->limit = loop_timer_new(c->pod->k->loop, on_limit, p);
		c->probes[i] = p;
		loop_timer_set(p->timer, seconds(p, "initialDelaySeconds", 0));
	}
}

void probes_had_started(struct container *c)
{
	struct probe *p = c->probes[PROBE_STARTUP];

	if (!p)
		return;
	p->done = true;
	loop_timer_stop(p->timer);
}

void probes_stop(struct container *c)
{
	for (size_t i = 0; i < PROBE_KINDS; i++) {
		struct probe *p = c->probes[i];

		if (!p)
			continue;
		end_attempt(p);
		loop_timer_free(p->timer);
		loop_timer_free(p->limit);
		free(p);
		c->probes[i] = NULL;
	}
}
