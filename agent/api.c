/* SPDX-License-Identifier: Apache-2.0 */
/* The unix socket: which path does what, and ADDs that wait until their policy is in force. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* An ADD is answered "try again" when its policy is not in force by then. */
static const uint64_t add_patience_ns = 20 * NS_PER_S;

/* One PUT that waits; ends with an answer, the client going away, or the time running out. */
struct pending {
	struct pending *next;
	struct agent *agent;
	struct http_exchange *x; /* NULL once answered or gone */
	char *container;
	struct loop_timer *timer;
};

static void reply_doc(struct http_exchange *x, int status, const struct doc *d)
{
	struct strbuf sb = STRBUF_INIT;

	doc_write_json(d, DOC_COMPACT, &sb);
	strbuf_addc(&sb, '\n');
	http_reply(x, status, "application/json", sb.buf, sb.len);
	strbuf_release(&sb);
}

static void reply_error(struct http_exchange *x, int status, const char *what)
{
	struct arena a = ARENA_INIT;
	struct doc *d = doc_map(&a);

	doc_set_string(&a, d, "error", what);
	reply_doc(x, status, d);
	arena_release(&a);
}

/* Which failures will not get better (4xx) and which may (5xx). */
static int status_of(int code)
{
	switch (code) {
	case -EINVAL:
	case -ERANGE:
	case -E2BIG:
		return 400;
	case -ENOENT:
	case -ENODEV:
		return 404;
	case -EEXIST:
		return 409;
	case -ENOSPC:
	case -EAGAIN:
		return 503;
	default:
		return 500;
	}
}

static void reply_attached(struct agent *agent, struct http_exchange *x, const struct agent_ep *ep)
{
	struct arena a = ARENA_INIT;

	reply_doc(x, 200, show_endpoint(agent, &a, ep));
	arena_release(&a);
}

static void pending_free(struct pending *p)
{
	struct pending **at = &p->agent->pending;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	loop_timer_free(p->timer);
	free(p->container);
	free(p);
}

static void on_gone(void *arg, UNUSED bool complete)
{
	pending_free(arg);
}

static void on_too_late(void *arg)
{
	struct pending *p = arg;
	struct agent *agent = p->agent;
	struct arena a = ARENA_INIT;

	/* The answer ends the exchange, and that frees p. */
	reply_error(p->x, 503,
		    arena_printf(&a, "policy is not in force yet%s%s", *agent->problem ? ": " : "",
				 agent->problem));
	arena_release(&a);
}

static void wait_for_policy(struct agent *agent, struct http_exchange *x, const char *container)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->agent = agent;
	p->x = x;
	p->container = xstrdup(container);
	p->timer = loop_timer_new(agent->loop, on_too_late, p);
	p->next = agent->pending;
	agent->pending = p;
	loop_timer_set(p->timer, add_patience_ns);
	http_exchange_on_close(x, on_gone, p);
}

static bool in_force(const struct agent *agent, const struct agent_ep *ep)
{
	return ep->state == ENDPOINT_STATE_READY && ep->built && !endpoint_shown_error(ep) &&
	       ep->identity && mesh_desired_endpoint(&agent->applied->desired, ep->id);
}

void api_endpoints_changed(struct agent *agent)
{
	struct pending *p = agent->pending;

	while (p) {
		struct pending *next = p->next;
		const struct agent_ep *ep =
			endpoints_find_container(&agent->endpoints, p->container);

		if (!ep)
			reply_error(p->x, 404, "the endpoint was deleted meanwhile");
		else if (in_force(agent, ep))
			reply_attached(agent, p->x, ep);
		p = next;
	}
}

static void put_endpoint(struct agent *agent, struct http_exchange *x, const char *container)
{
	const struct http_view *v = http_view(x);
	struct arena a = ARENA_INIT;
	struct attach_request rq;
	struct error err = ERROR_INIT;
	struct agent_ep *ep = NULL;
	struct doc *d;
	int r;

	r = doc_read_json(&a, v->body, v->body_size, "request", &d, &err);
	if (r == 0)
		r = bind_decode(&a, &attach_request_table, d, "", &rq, NULL, &err);
	if (r == 0)
		r = agent_attach(agent, container, &rq, &ep, &err);
	if (r < 0)
		reply_error(x, status_of(r), err.msg);
	else
		wait_for_policy(agent, x, container);
	arena_release(&a);
}

static void get_endpoint(struct agent *agent, struct http_exchange *x, const char *id)
{
	struct agent_ep *ep = endpoints_find_container(&agent->endpoints, id);
	uint64_t number;

	if (!ep && str_to_u64(id, 1, ENDPOINT_ID_MAX, &number, "id", NULL) == 0)
		ep = endpoints_find(&agent->endpoints, (uint32_t)number);
	if (ep)
		reply_attached(agent, x, ep);
	else
		reply_error(x, 404, "no such endpoint");
}

static void post_regenerate(struct agent *agent, struct http_exchange *x, const char *id)
{
	struct arena a = ARENA_INIT;
	struct doc *answer, *items = NULL;
	uint64_t number = 0;
	bool all = str_eq(id, "all"), found = all;

	if (!all && str_to_u64(id, 1, ENDPOINT_ID_MAX, &number, "id", NULL) < 0) {
		reply_error(x, 400, "endpoint must be a number or \"all\"");
		return;
	}
	answer = doc_map(&a);
	items = doc_set_list(&a, answer, "items");
	vec_foreach (&agent->endpoints.list, ep) {
		if (all || (*ep)->id == number) {
			found = true;
			doc_append(&a, items, show_regenerated(agent, &a, *ep));
		}
	}
	if (found)
		reply_doc(x, 200, all ? answer : doc_at(items, 0));
	else
		reply_error(x, 404, "no such endpoint");
	arena_release(&a);
}

/* /v1/endpoint/ID[/regenerate] */
static void endpoint_path(struct agent *agent, struct http_exchange *x, const char *rest)
{
	const char *method = http_view(x)->method;
	const char *slash = strchr(rest, '/');
	char id[160];

	snprintf(id, sizeof(id), "%.*s", (int)(slash ? slash - rest : (long)strlen(rest)), rest);
	if (slash && str_eq(slash, "/regenerate") && str_eq(method, "POST"))
		post_regenerate(agent, x, id);
	else if (slash)
		reply_error(x, 404, "no such path");
	else if (str_eq(method, "PUT"))
		put_endpoint(agent, x, id);
	else if (str_eq(method, "GET"))
		get_endpoint(agent, x, id);
	else if (str_eq(method, "DELETE")) {
		agent_detach(agent, id);
		http_reply(x, 204, NULL, NULL, 0);
	} else
		reply_error(x, 405, "use GET, PUT, DELETE or POST .../regenerate");
}

static const struct {
	const char *path;
	struct doc *(*show)(struct agent *agent, struct arena *a);
} pages[] = {
	{"/v1/status", show_status},         {"/v1/endpoint", show_endpoints},
	{"/v1/endpoints", show_endpoints},   {"/v1/identity", show_identities},
	{"/v1/identities", show_identities}, {"/v1/policy", show_policies},
	{"/v1/service", show_services},      {"/v1/config", show_config},
};

static void trace(struct agent *agent, struct http_exchange *x)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc *d = show_trace(agent, &a, http_view(x)->query, &err);

	if (d)
		reply_doc(x, 200, d);
	else
		reply_error(x, status_of(err.code), err.msg);
	arena_release(&a);
}

static void metrics(struct agent *agent, struct http_exchange *x)
{
	struct strbuf sb = STRBUF_INIT;

	show_metrics(agent, &sb);
	http_reply(x, 200, "text/plain; version=0.0.4", sb.buf, sb.len);
	strbuf_release(&sb);
}

static void handle(void *arg, struct http_exchange *x)
{
	struct agent *agent = arg;
	const struct http_view *v = http_view(x);
	struct arena a = ARENA_INIT;

	if (str_starts(v->path, "/v1/endpoint/")) {
		endpoint_path(agent, x, v->path + strlen("/v1/endpoint/"));
		return;
	}
	if (!str_eq(v->method, "GET")) {
		reply_error(x, 405, "use GET");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (str_eq(v->path, pages[i].path)) {
			reply_doc(x, 200, pages[i].show(agent, &a));
			arena_release(&a);
			return;
		}
	}
	if (str_eq(v->path, "/v1/policy/trace"))
		trace(agent, x);
	else if (str_eq(v->path, "/v1/events"))
		events_subscribe(agent, x);
	else if (str_eq(v->path, "/metrics"))
		metrics(agent, x);
	else
		reply_error(x, 404, "no such path");
}

int api_start(struct agent *agent, struct error *err)
{
	const struct http_server_options o = {
		.limits = {.max_body = AGENT_MAX_BODY}, .handle = handle, .arg = agent};
	char *slash;
	char dir[4096];
	int r = 0;

	snprintf(dir, sizeof(dir), "%s", agent->options.socket);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		r = io_mkdirs(dir, 0755, err);
	}
	if (r < 0)
		return r;
	agent->server = http_server_new(agent->loop, &o);
	return http_server_listen_unix(agent->server, agent->options.socket, 0660, err);
}

void api_stop(struct agent *agent)
{
	http_server_free(agent->server);
	agent->server = NULL;
}
