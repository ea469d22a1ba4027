/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs inside a probe pod: asks every sidecar it is told of for its statistics, again and
 * again until each has taken a configuration (or another than before) or time is over, and leaves
 * its findings.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/client.h"
#include "migrate/probe.h"
#include "migrate/prometheus.h"
#include "migrate/verbs.h"

#define OWN_SIDECAR "http://127.0.0.1:15021/healthz/ready"
#define STATS_PORT  15090
#define AT_ONCE     8
#define AGAIN_NS    (300 * NS_PER_MS)
#define ANSWER_NS   (2 * NS_PER_S)
/* Findings leave room for what Kubernetes may still put around them. */
#define MAX_FINDINGS (PROBE_MAX_MESSAGE - 64)
#define MAX_WORD     120

struct looking {
	struct loop *loop;
	struct http_client *http;
	struct loop_timer *again;
	uint64_t until;
	bool expect_sidecar;
	struct target *targets;
	size_t n, running;
	unsigned round;
	const char *own; /* "none", "answers"; "silent": it is there and does not get ready */
};

/* One sidecar. */
struct target {
	struct looking *l;
	const char *name; /* "namespace/pod" */
	const char *url;
	const char *not_this; /* mark of the configuration that does not count; NULL: any counts */
	char mark[PROBE_MARK_LEN + 1];
	unsigned round; /* asked last in */
	bool taken, answers;
	char why[MAX_WORD];
};

static void go_on(struct looking *l);

static void judge(struct target *t, const struct http_response *r)
{
	struct sidecar_stats stats;
	char when[CLOCK_RFC3339_SIZE];

	if (r->code || r->status != 200) {
		snprintf(t->why, sizeof(t->why), "cannot be asked: %.80s",
			 r->code ? r->error : "no statistics there");
		return;
	}
	sidecar_stats_read(strbuf_cstr(&r->body), r->body.len, &stats);
	t->answers = stats.known;
	if (stats.known && stats.updated_ms > 0)
		probe_mark(stats.updated_ms, t->mark);
	t->taken = stats.known && stats.updated_ms > 0 && !str_eq(t->mark, t->not_this);
	if (!stats.known || !stats.updated_ms)
		snprintf(t->why, sizeof(t->why), "does not say when it took its configuration");
	else
		snprintf(t->why, sizeof(t->why), "last took one at %s by its clock, refused %llu",
			 clock_rfc3339((int64_t)(stats.updated_ms * NS_PER_MS), 3, when),
			 (unsigned long long)stats.rejected);
}

static void answered(void *arg, struct http_response *r)
{
	struct target *t = arg;

	judge(t, r);
	t->l->running--;
	go_on(t->l);
}

static void ask(struct target *t)
{
	static const struct http_handlers handlers = {.on_done = answered};
	const struct http_request request = {
		.url = t->url, .timeout_ns = ANSWER_NS, .max_body = PROMETHEUS_MAX_BYTES};
	struct error why = ERROR_INIT;

	t->round = t->l->round;
	if (http_start(t->l->http, &request, &handlers, t, NULL, &why))
		snprintf(t->why, sizeof(t->why), "cannot be asked: %.80s", why.msg);
	else
		t->l->running++;
}

static void own_answered(void *arg, struct http_response *r)
{
	struct looking *l = arg;

	l->own = !r->code && r->status == 200 ? "answers"
		 : r->code == -ECONNREFUSED   ? "none"
					      : "silent";
	l->running--;
	go_on(l);
}

static void ask_own(struct looking *l)
{
	static const struct http_handlers handlers = {.on_done = own_answered};
	const struct http_request request = {
		.url = OWN_SIDECAR, .timeout_ns = ANSWER_NS, .fresh = true};

	if (!http_start(l->http, &request, &handlers, l, NULL, NULL))
		l->running++;
}

static bool own_is_known(const struct looking *l)
{
	return str_eq(l->own, "answers") || (str_eq(l->own, "none") && !l->expect_sidecar);
}

/* Asks whom this round has not asked; when it is through: another one, or the end. */
static void go_on(struct looking *l)
{
	bool open = !own_is_known(l);

	for (size_t i = 0; i < l->n; i++) {
		struct target *t = &l->targets[i];

		open |= !t->taken;
		if (!t->taken && t->round != l->round && l->running < AT_ONCE)
			ask(t);
	}
	if (l->running)
		return;
	if (!open || loop_now_ns(l->loop) >= l->until)
		loop_stop(l->loop);
	else
		loop_timer_set(l->again, AGAIN_NS);
}

static void next_round(void *arg)
{
	struct looking *l = arg;

	l->round++;
	if (!own_is_known(l))
		ask_own(l);
	go_on(l);
}

static struct doc *findings(struct arena *a, const struct looking *l)
{
	struct doc *d = doc_map(a), *late;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	auto_release(strbuf) struct strbuf marks = STRBUF_INIT;
	int64_t taken = 0, more = 0;

	doc_set_string(a, d, "schema", PROBE_SCHEMA);
	doc_set_string(a, d, "sidecar", l->own);
	doc_set_int(a, d, "asked", (int64_t)l->n);
	for (size_t i = 0; i < l->n; i++) {
		taken += l->targets[i].taken;
		strbuf_adds(&marks, l->targets[i].mark);
	}
	doc_set_int(a, d, "taken", taken);
	doc_set_string(a, d, "marks", strbuf_cstr(&marks));
	late = doc_set_list(a, d, "late");
	for (size_t i = 0; i < l->n; i++) {
		const struct target *t = &l->targets[i];
		struct doc *one = doc_map(a);

		if (t->taken)
			continue;
		doc_set_string(a, one, "pod", t->name);
		doc_set_string(a, one, "why", t->why);
		doc_set_bool(a, one, "silent", !t->answers);
		strbuf_clear(&text);
		doc_write_json(d, DOC_COMPACT, &text);
		if (text.len + strlen(t->name) + 6 * MAX_WORD > MAX_FINDINGS)
			more++;
		else
			doc_append(a, late, one);
	}
	doc_set_int(a, d, "more", more);
	return d;
}

static int read_target(struct arena *a, struct looking *l, const char *word, struct target *t,
		       struct error *err)
{
	const char *address = strchr(word, '='), *mark = strchr(word, '@');
	const char *host = address && mark
				   ? arena_strndup(a, address + 1, (size_t)(mark - address - 1))
			   : address ? address + 1
				     : NULL;
	auto_release(strbuf) struct strbuf url = STRBUF_INIT;

	if (!host || address == word || str_empty(host) ||
	    strspn(host, "0123456789abcdefABCDEF.:") != strlen(host) ||
	    (mark && strlen(mark + 1) != PROBE_MARK_LEN))
		return error_set(err, -EINVAL, "'%s' is no NAMESPACE/POD=ADDRESS[@MARK]", word);
	strbuf_addf(&url,
		    strchr(host, ':') ? "http://[%s]:%d/stats/prometheus"
				      : "http://%s:%d/stats/prometheus",
		    host, STATS_PORT);
	http_query_add(&url, "filter", SIDECAR_STATS_FILTER);
	*t = (struct target){.l = l,
			     .name = arena_strndup(a, word, (size_t)(address - word)),
			     .url = arena_strdup(a, strbuf_cstr(&url)),
			     .not_this = mark ? arena_strdup(a, mark + 1) : NULL,
			     .mark = PROBE_NO_MARK,
			     .why = "was not asked"};
	return 0;
}

/* The file is the container runtime's: it is there, and is not replaced. */
static int leave(const char *path, const struct strbuf *text, struct error *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	return io_write_all(fd, text->buf, text->len, err);
}

static void look(struct looking *l)
{
	l->loop = loop_new(NULL);
	l->http = http_client_new(l->loop, NULL);
	l->again = loop_timer_new(l->loop, next_round, l);
	l->until += loop_now_ns(l->loop);
	loop_timer_set(l->again, 0);
	loop_run(l->loop, NULL);
	loop_timer_free(l->again);
	http_client_free(l->http);
	loop_free(l->loop);
}

int verb_probe(const struct cli_call *call, struct error *err)
{
	const struct probe_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct looking l = {
		.until = o->within, .expect_sidecar = o->expect_sidecar, .own = "silent"};
	int r = 0;

	l.targets = arena_array(&a, (size_t)call->n_args + 1, struct target);
	for (; !r && l.n < (size_t)call->n_args; l.n++)
		r = read_target(&a, &l, call->args[l.n], &l.targets[l.n], err);
	if (r)
		return r;
	look(&l);
	doc_write_json(findings(&a, &l), DOC_COMPACT, &text);
	strbuf_addc(&text, '\n');
	return leave(o->result, &text, err);
}
