/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/observe.c - flows as they happen, filtered here. */
#include <signal.h>
#include <string.h>

#include "agent/cli/ask.h"
#include "agent/cli/commands.h"
#include "agent/cli/table.h"
#include "lib/base/alloc.h"
#include "lib/base/vec.h"
#include "lib/flow/filter.h"
#include "lib/http/client.h"

#define DEFAULT_LAST 20
/* All that the agent keeps: the filter is ours, so "the last 20" is counted behind it. */
#define ALL_KEPT 4096

/* One flow is a few hundred bytes; a line beyond this is not one. */
#define LINE_LIMIT (64u << 10)

const char *const observe_output_names[] = {"compact", "json", "jsonpb", NULL};
enum { OBSERVE_COMPACT, OBSERVE_JSON, OBSERVE_JSONPB };

#define OPTION(member, name, value, what)                                                          \
	CLI_OPT(struct observe_opts, member, name, 0, CLI_LIST, value, what)

const struct observe_opts observe_defaults = {.last = -1};

const struct cli_option observe_options[OBSERVE_N_OPTIONS] = {
	CLI_OPT(struct observe_opts, socket, "socket", 0, CLI_STRING, "PATH",
		"the agent's socket (else SIDESTEP_SOCKET, else the only one in /run/sidestep)"),
	CLI_CHOICE(
		struct observe_opts, output, "output", 'o', observe_output_names,
		"compact is a line a flow; json an object a line; jsonpb wraps it in {\"flow\"}"),
	CLI_NUMBER(struct observe_opts, last, "last", 0, "N", 0, 4096,
		   "the last N of those the agent kept (else 20; with --follow none)"),
	CLI_OPT(struct observe_opts, follow, "follow", 'f', CLI_FLAG, NULL,
		"go on with what happens, until interrupted"),
	CLI_NUMBER(struct observe_opts, number, "number", 'n', "N", 0, 1000000000,
		   "follow, and stop after N flows"),
	CLI_OPT(struct observe_opts, duration, "for", 0, CLI_DURATION, "TIME",
		"follow, and stop after TIME"),
	OPTION(namespaces, "namespace", "NAMESPACE", "either end is in this namespace"),
	OPTION(from_namespaces, "from-namespace", "NAMESPACE", "the source is in this namespace"),
	OPTION(to_namespaces, "to-namespace", "NAMESPACE", "the destination is in this namespace"),
	OPTION(pods, "pod", "POD", "either end is this pod: POD, NAMESPACE/POD, or a prefix"),
	OPTION(from_pods, "from-pod", "POD", "the source is this pod"),
	OPTION(to_pods, "to-pod", "POD", "the destination is this pod"),
	OPTION(labels, "label", "LABEL", "either end has this label: KEY or KEY=VALUE"),
	OPTION(from_labels, "from-label", "LABEL", "the source has this label"),
	OPTION(to_labels, "to-label", "LABEL", "the destination has this label"),
	OPTION(identities, "identity", "IDENTITY",
	       "either end has this identity: a number, or host, world ..."),
	OPTION(from_identities, "from-identity", "IDENTITY", "the source has this identity"),
	OPTION(to_identities, "to-identity", "IDENTITY", "the destination has this identity"),
	OPTION(ips, "ip", "ADDRESS", "either end is at this address or in this block"),
	OPTION(from_ips, "from-ip", "ADDRESS", "the source is at this address"),
	OPTION(to_ips, "to-ip", "ADDRESS", "the destination is at this address"),
	OPTION(ports, "port", "PORT", "either end uses this port"),
	OPTION(from_ports, "from-port", "PORT", "the source uses this port"),
	OPTION(to_ports, "to-port", "PORT", "the destination uses this port"),
	OPTION(workloads, "workload", "NAME", "either end belongs to this workload"),
	OPTION(protocols, "protocol", "PROTOCOL", "tcp, udp, icmp or a number"),
	OPTION(verdicts, "verdict", "VERDICT", "FORWARDED, DROPPED or AUDIT"),
	OPTION(types, "type", "TYPE", "drop, trace or policy-verdict"),
	OPTION(reasons, "drop-reason", "REASON", "a reason's number or name, like POLICY_DENIED"),
};

static int add_terms(struct flow_filter *f, const struct cli_list *list, enum flow_field field,
		     enum flow_side side, struct error *err)
{
	for (size_t i = 0; i < list->n; i++) {
		int r = flow_filter_add(f, field, side, list->items[i], err);

		if (r)
			return r;
	}
	return 0;
}

static int build_filter(const struct observe_opts *o, struct flow_filter *f, struct error *err)
{
	const struct {
		const struct cli_list *list;
		enum flow_field field;
		enum flow_side side;
	} rows[] = {
		{&o->namespaces, FLOW_NAMESPACE, FLOW_EITHER},
		{&o->from_namespaces, FLOW_NAMESPACE, FLOW_FROM},
		{&o->to_namespaces, FLOW_NAMESPACE, FLOW_TO},
		{&o->pods, FLOW_POD, FLOW_EITHER},
		{&o->from_pods, FLOW_POD, FLOW_FROM},
		{&o->to_pods, FLOW_POD, FLOW_TO},
		{&o->labels, FLOW_LABEL, FLOW_EITHER},
		{&o->from_labels, FLOW_LABEL, FLOW_FROM},
		{&o->to_labels, FLOW_LABEL, FLOW_TO},
		{&o->identities, FLOW_IDENTITY, FLOW_EITHER},
		{&o->from_identities, FLOW_IDENTITY, FLOW_FROM},
		{&o->to_identities, FLOW_IDENTITY, FLOW_TO},
		{&o->ips, FLOW_IP, FLOW_EITHER},
		{&o->from_ips, FLOW_IP, FLOW_FROM},
		{&o->to_ips, FLOW_IP, FLOW_TO},
		{&o->ports, FLOW_PORT, FLOW_EITHER},
		{&o->from_ports, FLOW_PORT, FLOW_FROM},
		{&o->to_ports, FLOW_PORT, FLOW_TO},
		{&o->workloads, FLOW_WORKLOAD, FLOW_EITHER},
		{&o->protocols, FLOW_PROTOCOL, FLOW_EITHER},
		{&o->verdicts, FLOW_VERDICT, FLOW_EITHER},
		{&o->types, FLOW_TYPE, FLOW_EITHER},
		{&o->reasons, FLOW_REASON, FLOW_EITHER},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(rows); i++)
		r = add_terms(f, rows[i].list, rows[i].field, rows[i].side, err);
	return r;
}

struct observer {
	const struct observe_opts *opts;
	FILE *out;
	struct loop *loop;
	struct flow_filter filter;
	struct strbuf pending; /* of a line that is not complete */
	int64_t shown;
	bool follow, enough;
	VEC(char *) kept; /* without follow: lines, printed when all have come */
	int status;
	int result;
	struct error *err;
};

static void stop(struct observer *o)
{
	o->enough = true;
	loop_stop(o->loop);
}

static void print(struct observer *o, const char *text)
{
	/* A reader that went away (head, jq) ends us as it ends any filter. */
	if (fputs(text, o->out) < 0 || fflush(o->out))
		stop(o);
	if (++o->shown == o->opts->number)
		stop(o);
}

static void show(struct observer *o, struct arena *a, struct doc *doc, const struct flow *flow)
{
	struct strbuf text = STRBUF_INIT;

	if (o->opts->output == OBSERVE_COMPACT) {
		flow_print_line(flow, &text);
	} else if (o->opts->output == OBSERVE_JSON) {
		doc_write_json(doc, DOC_COMPACT, &text);
	} else {
		struct doc *wrapped = doc_map(a);

		doc_set(a, wrapped, "flow", doc);
		doc_set_string(a, wrapped, "node_name", flow->node);
		doc_set_string(a, wrapped, "time", doc_find_str(doc, "time"));
		doc_write_json(wrapped, DOC_COMPACT, &text);
	}
	strbuf_addc(&text, '\n');
	if (o->follow)
		print(o, strbuf_cstr(&text));
	else
		vec_push(&o->kept, strbuf_take(&text));
	strbuf_release(&text);
}

/* The last ones of what came, and the end of all. */
static void print_kept(struct observer *o)
{
	size_t want = o->opts->last < 0 ? DEFAULT_LAST : (size_t)o->opts->last;

	for (size_t i = 0; i < o->kept.n; i++) {
		if (i + want >= o->kept.n)
			print(o, o->kept.items[i]);
		free(o->kept.items[i]);
	}
	vec_release(&o->kept);
}

static void take_line(struct observer *o, const char *line, size_t n)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *doc = NULL;
	struct flow flow;

	if (!n || o->enough || doc_read_json(&a, line, n, "agent", &doc, NULL) ||
	    flow_from_doc(&a, doc, &flow, NULL))
		return;
	if (flow_matches(&o->filter, &flow))
		show(o, &a, doc, &flow);
}

static void on_headers(void *arg, int status, UNUSED const struct http_headers *headers)
{
	((struct observer *)arg)->status = status;
}

static void on_data(void *arg, const char *data, size_t n)
{
	struct observer *o = arg;
	const char *newline;

	strbuf_add(&o->pending, data, n);
	while (o->pending.len && (newline = memchr(o->pending.buf, '\n', o->pending.len))) {
		size_t length = (size_t)(newline - o->pending.buf);

		if (o->status == 200)
			take_line(o, o->pending.buf, length);
		strbuf_consume(&o->pending, length + 1);
	}
	if (o->pending.len > LINE_LIMIT) /* not a flow */
		strbuf_clear(&o->pending);
}

static void on_done(void *arg, struct http_response *response)
{
	struct observer *o = arg;

	if (response->code < 0)
		o->result = error_set(o->err, response->code,
				      "the agent's stream of flows ended: %s", response->error);
	else if (response->status != 200)
		o->result =
			error_set(o->err, -EREMOTEIO, "the agent answered with status %d: %.200s",
				  response->status, strbuf_cstr(&o->pending));
	loop_stop(o->loop);
}

static void on_signal(void *arg, UNUSED int signo)
{
	stop(arg);
}

static void on_time(void *arg)
{
	stop(arg);
}

static int stream(struct observer *o, const char *socket, struct error *err)
{
	static const struct http_handlers handlers = {on_headers, on_data, on_done};
	struct http_client *client = http_client_new(o->loop, NULL);
	struct loop_signal *interrupt = loop_signal_new(o->loop, SIGINT, on_signal, o);
	struct loop_signal *terminate = loop_signal_new(o->loop, SIGTERM, on_signal, o);
	struct loop_timer *timer = loop_timer_new(o->loop, on_time, o);
	char url[128];
	struct http_request request = {.url = url, .unix_socket = socket};
	struct http_call *call;
	int r;

	snprintf(url, sizeof(url), "http://localhost/v1/events?last=%d&follow=%s",
		 !o->follow ? ALL_KEPT : (int)MAX(o->opts->last, 0), o->follow ? "true" : "false");

	if (o->opts->duration)
		loop_timer_set(timer, o->opts->duration);
	r = http_start(client, &request, &handlers, o, &call, err);
	if (!r)
		r = loop_run(o->loop, err);
	loop_timer_free(timer);
	loop_signal_free(interrupt);
	loop_signal_free(terminate);
	http_client_free(client);
	return r;
}

int cmd_observe(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct observer o = {.opts = call->opts, .out = call->out, .err = err};
	const char *socket;
	int r = build_filter(o.opts, &o.filter, err);

	o.follow = o.opts->follow || o.opts->number || o.opts->duration ||
		   !strcmp(call->command->name, "monitor");

	if (r) {
		flow_filter_release(&o.filter);
		return cli_usage(call, "%s", err->msg);
	}
	r = ask_socket(&a, o.opts->socket, &socket, err);
	if (!r) {
		o.loop = loop_new(NULL);
		r = stream(&o, socket, err);
		loop_free(o.loop);
	}
	print_kept(&o);
	flow_filter_release(&o.filter);
	strbuf_release(&o.pending);
	return r < 0 ? r : o.result;
}
