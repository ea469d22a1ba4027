/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/status.c - is this node's mesh well? */
#include <string.h>

#include "agent/cli/ask.h"
#include "agent/cli/commands.h"
#include "agent/cli/table.h"
#include "lib/base/str.h"
#include "lib/loop/loop.h"

#define RETRY_MS 200

static void print_informers(FILE *out, const struct doc *list)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *d = doc_at(list, i);
		const char *why = doc_find_str(d, "error");

		if (!doc_bool_or(doc_get(d, "synced"), false) || why)
			fprintf(out, "  %-24s %s\n", str_or_empty(doc_find_str(d, "kind")),
				why ? why : "not synchronised yet");
	}
}

static void line(FILE *out, const char *title, const struct doc *value, const char *fallback)
{
	if (value && value->kind == DOC_INT)
		fprintf(out, "%-16s %lld\n", title, (long long)value->integer);
	else
		fprintf(out, "%-16s %s\n", title, doc_str(value) ? doc_str(value) : fallback);
}

/* What is not well, and what is tried again. */
static void print_health(FILE *out, const struct doc *h)
{
	const struct doc *list = doc_find(h, "endpoints.items");
	int64_t rss = doc_find_int(h, "process.rssBytes", -1),
		limit = doc_find_int(h, "process.limitBytes", -1);
	char of[48] = "";

	if (limit >= 0)
		snprintf(of, sizeof(of), " of %lld", (long long)(limit >> 20));
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *e = doc_at(list, i);

		fprintf(out, "  %s/%s is %s since %s%s%s\n",
			str_or_empty(doc_find_str(e, "namespace")),
			str_or_empty(doc_find_str(e, "pod")),
			str_or_empty(doc_find_str(e, "state")),
			doc_find_str(e, "since") ? doc_find_str(e, "since") : "-",
			doc_find_str(e, "error") ? ": " : "",
			str_or_empty(doc_find_str(e, "error")));
	}
	list = doc_find(h, "endpoints.missingPods");
	for (size_t i = 0; i < doc_len(list); i++)
		fprintf(out, "  %s runs here without an endpoint\n",
			str_or_empty(doc_str(doc_at(list, i))));
	list = doc_get(h, "controllers");
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *c = doc_at(list, i);

		fprintf(out, "%-16s %s, %lld times since %s: %s\n",
			i ? "" : "Failing:", str_or_empty(doc_find_str(c, "name")),
			(long long)doc_find_int(c, "failures", 0),
			str_or_empty(doc_find_str(c, "since")),
			str_or_empty(doc_find_str(c, "error")));
	}
	line(out, "Started:", doc_get(h, "started"), "-");
	if (rss >= 0)
		fprintf(out, "%-16s %lld MiB%s\n", "Memory:", (long long)(rss >> 20), of);
}

static void print_status(FILE *out, const struct doc *d)
{
	bool ready = doc_bool_or(doc_get(d, "ready"), false);

	line(out, "Node:", doc_get(d, "node"), "-");
	fprintf(out, "%-16s %s%s%s\n", "Agent:", ready ? "OK" : "not ready",
		doc_find_str(d, "message") ? ": " : "", str_or_empty(doc_find_str(d, "message")));
	line(out, "Version:", doc_get(d, "version"), "-");
	line(out, "Attached by:", doc_get(d, "attachMode"), "-");
	line(out, "Maps pinned:", doc_get(d, "pinRoot"), "-");
	line(out, "Pod network:", doc_get(d, "podCidr"), "-");
	fprintf(out, "%-16s %lld of %lld in use\n",
		"Addresses:", (long long)doc_find_int(d, "addressesUsed", 0),
		(long long)doc_find_int(d, "addressesTotal", 0));
	fprintf(out, "%-16s %lld of %lld ready\n",
		"Endpoints:", (long long)doc_find_int(d, "endpointsReady", 0),
		(long long)doc_find_int(d, "endpoints", 0));
	fprintf(out, "%-16s %lld, %lld of them not enforceable\n",
		"Policies:", (long long)doc_find_int(d, "policies", 0),
		(long long)doc_find_int(d, "policiesUnsupported", 0));
	line(out, "Services:", doc_get(d, "services"), "0");
	line(out, "Identities:", doc_get(d, "identities"), "0");
	line(out, "Events lost:", doc_get(d, "eventsLost"), "0");
	if (doc_get(d, "health"))
		print_health(out, doc_get(d, "health"));
	print_informers(out, doc_get(d, "informers"));
}

struct waiting {
	struct loop *loop;
	struct loop_timer *again;
	struct arena *arena;
	const struct status_opts *opts;
	uint64_t end;
	struct doc *answer;
	int r;
	struct error *err;
};

/* Asks; again a little later until the agent is ready or time is up. */
static void ask(void *arg)
{
	struct waiting *w = arg;
	const struct status_opts *o = w->opts;
	const char *socket;

	w->r = ask_socket(w->arena, o->node.socket, &socket, w->err);
	if (!w->r)
		w->r = ask_agent(w->arena, socket, "GET", "/v1/status", &w->answer, NULL, w->err);
	if ((!w->r && (!o->wait || doc_bool_or(doc_get(w->answer, "ready"), false))) ||
	    loop_now_ns(w->loop) >= w->end)
		loop_stop(w->loop);
	else
		loop_timer_set(w->again, RETRY_MS * NS_PER_MS);
}

static int wait_ready(struct arena *a, const struct status_opts *o, struct doc **ret_doc,
		      struct error *err)
{
	struct waiting w = {.loop = loop_new(NULL), .arena = a, .opts = o, .err = err};
	int r;

	w.end = loop_now_ns(w.loop) + (o->wait ? o->wait_for : 0);
	w.again = loop_timer_new(w.loop, ask, &w);
	loop_timer_set(w.again, 0);
	r = loop_run(w.loop, err);
	loop_timer_free(w.again);
	loop_free(w.loop);
	*ret_doc = w.answer;
	return r < 0 ? r : w.r;
}

int cmd_status(const struct cli_call *call, struct error *err)
{
	const struct status_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *answer = NULL;
	int r = wait_ready(&a, o, &answer, err);

	if (r)
		return r;
	if (o->node.output == OUTPUT_TABLE)
		print_status(call->out, answer);
	else
		table_print_doc(call->out, answer, o->node.output);
	return doc_bool_or(doc_get(answer, "ready"), false) ? CLI_OK : CLI_FAILED;
}
