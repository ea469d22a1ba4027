/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement from the counts alone, and the report as a document; page.c makes it a page. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/story/steps.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

struct judgement {
	struct counts all; /* since counting began */
	struct count_totals totals;
	/* Refused requests that got through: on edges where Istio itself lets them through (seen
	 * before the first change), and on others. */
	int64_t istio_missing, new_missing;
	int64_t istio_before; /* of istio_missing, those before the first change */
	/* On any edge while the new policies were in force and nothing of Istio's was back; -1 when
	 * nobody can say from when until when that was. */
	int64_t enforced_missing;
	int64_t announced; /* requests that the plan said would fail, at most */
	int64_t retries;
	/* What kills took is counted apart: not in totals.failed, not in lost. */
	struct doc *recent; /* of the story's time, each taken one with its kill */
	int64_t lost, lost_by_kill;
	struct doc *mismatches;
	bool steps_ok, steps_known;
	int code;
	const char *words;
};

/* --- the judgement --- */

/* Nothing was lost while a step was under way, or else it did not succeed. */
static void blame_steps(struct story *s, const struct judgement *j)
{
	const struct doc *recent = s->hits.kills.n ? j->recent : NULL;

	vec_foreach (&s->steps, step)
		step_doubt(s, &step->outcome, &step->words,
			   story_losses(s, recent, step->from_s, step->to_s));
}

static void judge_steps(const struct story *s, struct judgement *j)
{
	j->steps_ok = j->steps_known = true;
	for (size_t i = 0; i < s->steps.n; i++) {
		enum step_outcome o = s->steps.items[i].outcome;

		/* What takes something that is not here is said, and puts nothing in doubt. */
		if (o == STORY_NOT_DONE)
			continue;
		/* What is skipped follows from a step before it, which says why. */
		j->steps_ok = j->steps_ok && o != STORY_FAILED;
		j->steps_known = j->steps_known && o == STORY_OK;
	}
}

/* What got through on an edge before we changed anything: of a story that ended before, all. */
static int64_t let_through_before(const struct story *s, const struct count_edge *e)
{
	const struct count_edge *then = counts_find(&s->at_change, e);
	const struct count_edge *began = counts_find(&s->start, e);

	if (!s->changed)
		return e->refused_missing;
	return (then ? then->refused_missing : 0) - (began ? began->refused_missing : 0);
}

static double story_seconds(const struct story *s, const char *rfc3339)
{
	int64_t wall;

	if (clock_parse_rfc3339(str_or_empty(rfc3339), &wall) < 0)
		return -1;
	return (double)(wall - s->began_wall_ns) / 1e9;
}

/* When a step of the run ended, by its journal; -1: it did not. */
static double run_step_end(const struct story *s, const char *id)
{
	doc_foreach_item (doc_get(s->timeline, "steps"), step) {
		if (str_eq(doc_str(doc_get(step, "id")), id))
			return story_seconds(s, doc_str(doc_get(step, "ended")));
	}
	return -1;
}

/* A client that must be refused waits for 1.5 s: what was on its way when policies came into force
 * has its answer by then. */
#define ENFORCED_GRACE_S 2

/* From when policies are enforced until the way back begins nothing is excused: sidecars that would
 * let it through are still there at first, but what arrives at a pod the mesh refuses. */
static int64_t enforced_missing(const struct story *s)
{
	const struct window_figures *without = &s->windows[WINDOW_WITHOUT];
	double from = run_step_end(s, "N4"), to = run_step_end(s, "N14");
	const struct story_sample *first = NULL, *last = NULL;
	int64_t grown;

	if (from < 0 || to < 0)
		return -1;
	for (size_t i = 0; i < s->samples.n; i++) {
		const struct story_sample *it = &s->samples.items[i];

		if (it->at_s < from + ENFORCED_GRACE_S || it->at_s > to)
			continue;
		first = first ? first : it;
		last = it;
	}
	if (!first || first == last)
		return -1;
	grown = last->totals.refused_missing - first->totals.refused_missing;
	return grown + (without->taken ? without->totals.refused_missing : 0);
}

/*
 * An edge on which Istio let something through before we changed anything is Istio's finding, but
 * for the time in which the new policies alone answer for it.
 */
static void judge_missing(const struct story *s, struct judgement *j)
{
	for (size_t i = 0; i < j->all.edges.n; i++) {
		const struct count_edge *e = &j->all.edges.items[i];
		int64_t before = let_through_before(s, e);

		j->istio_before += before;
		if (before > 0 || !s->changed)
			j->istio_missing += e->refused_missing;
		else
			j->new_missing += e->refused_missing;
	}
	j->enforced_missing = enforced_missing(s);
	/* They are counted for all edges together: what other edges add is counted already. */
	if (j->enforced_missing > j->new_missing) {
		j->istio_missing -= j->enforced_missing - j->new_missing;
		j->new_missing = j->enforced_missing;
	}
}

static void judge_kills(struct story *s, struct judgement *j)
{
	auto_free char *dir = xasprintf("%s/counts", s->lab.dir);

	j->recent = story_recent(s, &j->all);
	kills_account(&s->hits, &s->arena, j->recent, dir, s->counting_wall_ns);
	vec_foreach (&s->hits.kills, k) {
		j->totals.by_kill += k->requests;
		j->lost_by_kill += k->connections;
	}
	j->totals.failed -= j->totals.by_kill;
	j->lost = j->all.lost - j->lost_by_kill;
}

/* What deliberate kills took is said in the same breath as that nothing else went. */
static const char *taken_words(struct story *s, const struct judgement *j)
{
	if (!s->hits.kills.n)
		return "";
	return arena_printf(&s->arena,
			    " With %zu killed sidecars and workloads went %s requests and %s "
			    "connections, counted apart.",
			    s->hits.kills.n, count_text(&s->arena, j->totals.by_kill),
			    count_text(&s->arena, j->lost_by_kill));
}

/* What the plan said in advance that classic sidecars would fail. */
static int64_t announced(const struct story *s)
{
	int64_t n = 0;

	doc_foreach_item (doc_get(s->plan, "announced"), one)
		n += doc_int_or(doc_get(one, "maximum"), 0);
	return n;
}

static const char *announced_words(struct story *s, const struct judgement *j)
{
	if (!j->announced)
		return "";
	return arena_printf(&s->arena, " The plan had announced up to %s failed requests.",
			    count_text(&s->arena, j->announced));
}

/* What was no part of it, with the reason: nobody should think that it was. */
static const char *undone_words(struct story *s)
{
	const char *words = "";

	vec_foreach (&s->steps, step)
		if (step->outcome == STORY_NOT_DONE)
			words = arena_printf(&s->arena, "%s Not done: %s (%s).", words, step->id,
					     str_or_empty(step->words));
	return words;
}

/* Why nothing can be said, although nothing went wrong; NULL when something can. */
static const char *unknown_words(const struct story *s, const struct judgement *j)
{
	if (j->totals.ok == 0)
		return "Inconclusive: no request was counted.";
	if (j->totals.refused == 0)
		return "Inconclusive: nobody tried what must be refused.";
	if (j->all.long_lived == 0)
		return "Inconclusive: no long-lived connection was counted.";
	if (doc_len(j->mismatches))
		return "Inconclusive: clients and servers counted differently.";
	if (j->istio_missing && s->changed && j->enforced_missing < 0)
		return "Inconclusive: some of what must be refused got through, and nobody knows "
		       "whether the new policies were in force.";
	return j->steps_known ? NULL : "Inconclusive: not every step could be judged.";
}

static void judge(struct story *s, const struct counts *end, struct judgement *j)
{
	struct arena *a = &s->arena;

	counts_since(end, &s->start, &j->all);
	j->totals = counts_total(&j->all);
	judge_missing(s, j);
	judge_kills(s, j);
	/* From the very first request: files are not written at one moment, but at rest they agree.
	 */
	j->mismatches = counts_mismatches(a, end, &j->retries);
	blame_steps(s, j);
	judge_steps(s, j);
	j->announced = announced(s);
	j->code = CLI_BLOCKED;
	if (j->totals.failed)
		j->words = arena_printf(a, "The promise is broken: %s requests failed.%s",
					count_text(a, j->totals.failed), announced_words(s, j));
	else if (j->new_missing > 0)
		j->words = arena_printf(
			a, "The promise is broken: %s requests got through that must be refused.",
			count_text(a, j->new_missing));
	else if (j->lost)
		j->words = arena_printf(a, "The promise is broken: %s long-lived connections lost.",
					count_text(a, j->lost));
	else if (!j->steps_ok)
		j->words = "No request failed, but a step of the story did not succeed.";
	else
		j->code = CLI_OK;
	if (j->code)
		return;
	j->words = unknown_words(s, j);
	if (j->words) {
		j->code = CLI_INCONCLUSIVE;
		return;
	}
	j->words = arena_printf(
		a,
		"The promise is kept: %s requests, none failed, %s refused as they must be, none "
		"%sgot through, no long-lived connection lost.%s%s%s",
		count_text(a, j->totals.sent), count_text(a, j->totals.refused),
		j->istio_missing ? "newly " : "", announced_words(s, j), taken_words(s, j),
		undone_words(s));
}

/* --- figures --- */

static double round2(double v)
{
	return round(v * 100) / 100;
}

/* Totals at a moment of the story, from the samples. */
static struct count_totals totals_at(const struct story *s, double at)
{
	struct count_totals t = {0};

	for (size_t i = 0; i < s->samples.n && s->samples.items[i].at_s <= at; i++)
		t = s->samples.items[i].totals;
	return t;
}

static struct doc *requests_doc(struct arena *a, const struct count_totals *t)
{
	struct doc *d = doc_map(a);

	doc_set_int(a, d, "sent", t->sent);
	doc_set_int(a, d, "ok", t->ok);
	doc_set_int(a, d, "refused", t->refused);
	doc_set_int(a, d, "refused_missing", t->refused_missing);
	doc_set_int(a, d, "failed", t->failed);
	doc_set_int(a, d, "by_kill", t->by_kill);
	return d;
}

static struct doc *requests_between(struct story *s, const struct judgement *j, double from,
				    double to)
{
	struct count_totals a = totals_at(s, from), b = totals_at(s, to);
	struct count_totals d = {b.sent - a.sent,       b.ok - a.ok,
				 b.refused - a.refused, b.refused_missing - a.refused_missing,
				 b.failed - a.failed,   0};

	/* Samples are a second apart; each failure that is told of says when it was. */
	if (j->totals.by_kill)
		d.failed = story_recent_count(s, j->recent, from, to, NULL, false);
	d.by_kill = story_recent_count(s, j->recent, from, to, NULL, true);
	return requests_doc(&s->arena, &d);
}

static void add_step(struct story *s, const struct judgement *j, struct doc *list, const char *id,
		     const char *title, const char *status, double from, double to)
{
	struct arena *a = &s->arena;
	struct doc *d = doc_append(a, list, doc_map(a));

	doc_set_string(a, d, "id", id);
	doc_set_string(a, d, "title", title);
	doc_set_string(a, d, "status", status);
	doc_set(a, d, "from", doc_real(a, round2(from)));
	doc_set(a, d, "seconds", doc_real(a, round2(to - from)));
	doc_set(a, d, "requests", requests_between(s, j, from, to));
	doc_set_int(a, d, "connections_lost", story_lost_between(s, from, to));
}

/* The run's own steps (from its journal), each with the requests of its seconds. */
static void add_run_steps(struct story *s, const struct judgement *j, struct doc *list)
{
	doc_foreach_item (doc_get(s->timeline, "steps"), step) {
		double from = story_seconds(s, doc_str(doc_get(step, "began")));
		double to = story_seconds(s, doc_str(doc_get(step, "ended")));

		if (from >= 0)
			add_step(s, j, list, str_or_empty(doc_str(doc_get(step, "id"))),
				 str_or_empty(doc_str(doc_get(step, "title"))),
				 str_or_empty(doc_str(doc_get(step, "status"))), from,
				 to < 0 ? from : to);
	}
}

static struct doc *steps_doc(struct story *s, const struct judgement *j)
{
	struct doc *list = doc_list(&s->arena);

	for (size_t i = 0; i < s->steps.n; i++) {
		const struct story_step *step = &s->steps.items[i];

		add_step(s, j, list, step->id, step->title, step_outcome_name(step->outcome),
			 step->from_s, step->to_s);
		doc_set_string(&s->arena, doc_at(list, doc_len(list) - 1), "words", step->words);
		if (str_eq(step->id, "migrate"))
			add_run_steps(s, j, list);
	}
	return list;
}

static const char *const window_names[WINDOWS] = {"with_sidecars", "without_sidecars",
						  "with_sidecars_again"};

typedef double (*figure_fn)(const struct window_figures *f);

static double memory_of(const struct window_figures *f)
{
	return f->sidecar_mib + f->app_mib;
}

static double cpu_of(const struct window_figures *f)
{
	return f->cpu_s;
}

static double start_of(const struct window_figures *f)
{
	return f->pod_start_s;
}

static struct doc *windows_doc(struct story *s, figure_fn figure)
{
	struct arena *a = &s->arena;
	struct doc *d = doc_map(a);

	for (size_t i = 0; i < WINDOWS; i++) {
		double v = s->windows[i].taken ? figure(&s->windows[i]) : -1;

		doc_set(a, d, window_names[i], v < 0 ? doc_null(a) : doc_real(a, round2(v)));
	}
	return d;
}

/* A latency is printed for the state it was measured in; states are compared only when no window
 * was short of CPU. */
static struct doc *latency_doc(struct story *s)
{
	struct arena *a = &s->arena;
	struct doc *d = doc_map(a);
	bool comparable = true;

	for (size_t i = 0; i < WINDOWS; i++) {
		const struct window_figures *f = &s->windows[i];
		struct doc *w = doc_set_map(a, d, window_names[i]);

		comparable = comparable && f->taken && !f->saturated;
		if (!f->taken || f->saturated)
			continue;
		doc_set(a, w, "p50", doc_real(a, f->p50_ms));
		doc_set(a, w, "p99", doc_real(a, f->p99_ms));
		doc_set(a, w, "fresh_p50", doc_real(a, f->fresh_p50_ms));
	}
	doc_set_bool(a, d, "comparable", comparable);
	return d;
}

static struct doc *edges_doc(struct story *s, const struct judgement *j)
{
	struct arena *a = &s->arena;
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < j->all.edges.n; i++) {
		const struct count_edge *e = &j->all.edges.items[i];
		int64_t by_kill = story_recent_count(s, j->recent, 0, 0, e, true);
		const struct count_totals t = {
			e->sent, e->ok, e->refused, e->refused_missing, e->failed - by_kill,
			by_kill};
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_string(a, d, "client", e->client);
		doc_set_string(a, d, "target", e->target);
		doc_set_string(a, d, "how", e->how);
		doc_set_string(a, d, "expect", e->refuse ? "refuse" : "pass");
		doc_set(a, d, "requests", requests_doc(a, &t));
		if (e->refused_missing)
			doc_set_int(a, d, "let_through_before_change", let_through_before(s, e));
		if (doc_len(e->kinds))
			doc_set(a, d, "failed_as", doc_clone(a, e->kinds));
		if (doc_len(e->forms))
			doc_set(a, d, "refused_as", doc_clone(a, e->forms));
	}
	return list;
}

static struct doc *equivalence_part(struct story *s)
{
	static const char *const members[] = {"compared",    "exhaustive", "approximated",
					      "differences", "widening",   "properties",
					      "factors",     "product"};
	struct arena *a = &s->arena;
	struct doc *from = doc_get(s->verify, "equivalence");
	struct doc *d = doc_map(a);

	if (!from)
		from = s->verify;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		struct doc *v = doc_get(from, members[i]);

		doc_set(a, d, members[i], v ? doc_clone(a, v) : doc_null(a));
	}
	return d;
}

static struct doc *evidence_doc(struct story *s)
{
	static const char *const names[] = {
		"preflight",       "inventory-%s",   "translate-%s",     "verify-%s",
		"plan-%s",         "migrate-run",    "migrate-rollback", "report-%s",
		"upgrade",         "upgrade-report", "config-conflict",  "config-drift-after",
		"config-rollback", "config-history"};
	struct arena *a = &s->arena;
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *percent = strchr(names[i], '%');
		const char *base = percent ? arena_printf(a, "%.*s%s", (int)(percent - names[i]),
							  names[i], s->namespace)
					   : names[i];

		if (io_exists(arena_printf(a, "%s/%s.out", s->evidence, base)))
			doc_append(a, list, doc_stringf(a, "evidence/%s.out", base));
	}
	doc_foreach_item (s->runbooks, d)
		doc_append(a, list,
			   doc_stringf(a, "evidence/runbook-after-%s.out",
				       str_or_empty(doc_find_str(d, "after"))));
	return list;
}

/* What is said of the mesh itself; of what was not done, why. */
static void put_mesh(struct story *s, struct doc *d)
{
	struct arena *a = &s->arena;
	struct doc *undone = doc_set_map(a, d, "not_done");

	vec_foreach (&s->steps, step)
		if (step->outcome == STORY_NOT_DONE)
			doc_set_string(a, undone, step->id, step->words);
	if (s->upgrade)
		doc_set(a, d, "upgrade", s->upgrade);
	doc_set(a, d, "config", s->config ? s->config : doc_null(a));
	doc_set(a, d, "bad_releases", s->bad_releases ? s->bad_releases : doc_list(a));
	doc_set(a, d, "runbooks", s->runbooks ? s->runbooks : doc_list(a));
}

static struct doc *report_doc(struct story *s, const struct judgement *j)
{
	struct arena *a = &s->arena;
	struct doc *d = doc_map(a), *m, *waivers;
	char when[CLOCK_RFC3339_SIZE];

	doc_set_string(a, d, "verdict", j->words);
	doc_set_int(a, d, "exit_code", j->code);
	doc_set_string(a, d, "began", clock_rfc3339(s->began_wall_ns, 0, when));
	doc_set_string(a, d, "namespace", s->namespace);
	doc_set_int(a, d, "nodes", s->lab.n_nodes);
	waivers = doc_find(s->plan, "waivers");
	doc_set(a, d, "waivers", waivers ? doc_clone(a, waivers) : doc_list(a));
	m = doc_set(a, d, "requests", requests_doc(a, &j->totals));
	doc_set_int(a, m, "announced", j->announced);
	doc_set_int(a, m, "refused_missing", j->new_missing);
	doc_set_int(a, m, "let_through_by_istio", j->istio_missing);
	doc_set_int(a, m, "let_through_before_change", j->istio_before);
	doc_set(a, m, "let_through_while_enforced",
		j->enforced_missing < 0 ? doc_null(a) : doc_int(a, j->enforced_missing));
	doc_set_int(a, m, "proxy_retries", j->retries);
	m = doc_set_map(a, d, "connections");
	doc_set_int(a, m, "long_lived", j->all.long_lived);
	doc_set_int(a, m, "ended_with_pod", j->all.ended_with_pod);
	doc_set_int(a, m, "lost", j->lost);
	doc_set_int(a, m, "by_kill", j->lost_by_kill);
	doc_set(a, d, "steps", steps_doc(s, j));
	m = doc_set_map(a, d, "sidecars");
	doc_set_int(a, m, "before", s->windows[WINDOW_BEFORE].sidecars);
	doc_set_int(a, m, "after",
		    s->windows[WINDOW_WITHOUT].taken ? s->windows[WINDOW_WITHOUT].sidecars : -1);
	doc_set_int(a, m, "after_rollback",
		    s->windows[WINDOW_AFTER].taken ? s->windows[WINDOW_AFTER].sidecars : -1);
	doc_set(a, d, "equivalence", equivalence_part(s));
	doc_set(a, d, "blocked", s->blocked_found ? s->blocked_found : doc_list(a));
	put_mesh(s, d);
	doc_set(a, d, "latency_ms", latency_doc(s));
	doc_set(a, d, "window_s", doc_real(a, (double)s->options->window_ns / 1e9));
	doc_set(a, d, "memory_mib", windows_doc(s, memory_of));
	doc_set(a, d, "cpu_seconds", windows_doc(s, cpu_of));
	doc_set(a, d, "pod_start_s", windows_doc(s, start_of));
	doc_set(a, d, "edges", edges_doc(s, j));
	if (s->options->kills)
		doc_set_int(a, d, "seed", s->options->seed);
	doc_set(a, d, "kills", story_kills_doc(s));
	doc_set(a, d, "mismatches", j->mismatches);
	doc_set(a, d, "recent", j->recent);
	doc_set(a, d, "evidence", evidence_doc(s));
	doc_set_string(a, doc_set_map(a, d, "not_covered"), "phase-1",
		       "Replacing the CNI that a cluster has is not part of this story.");
	return d;
}

static int write_file(struct story *s, const char *name, const struct strbuf *text,
		      struct error *err)
{
	auto_free char *path = xasprintf("%s/%s", s->options->report, name);

	return io_write_file_atomic(path, strbuf_cstr(text), text->len, 0644, err);
}

static int write_page(struct story *s, const struct doc *d, struct error *err)
{
	auto_release(strbuf) struct strbuf html = STRBUF_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct page p;
	int r;

	story_page(d, &p);
	page_render_html(&p, &html);
	page_render_text(&p, &text);
	page_release(&p);
	r = write_file(s, "report.html", &html, err);
	return r < 0 ? r : write_file(s, "report.txt", &text, err);
}

int story_report(struct story *s, const struct counts *end, struct error *err)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct judgement j = {0};
	struct doc *d;
	int r;

	judge(s, end, &j);
	d = report_doc(s, &j);
	doc_write_json(d, DOC_PRETTY, &json);
	strbuf_addc(&json, '\n');
	r = write_file(s, "report.json", &json, err);
	if (!r)
		r = write_page(s, d, err);
	progress_line(&s->progress, "%s", j.words);
	progress_line(&s->progress, "report: %s/report.html, .txt, .json", s->options->report);
	counts_release(&j.all);
	return r < 0 ? r : j.code;
}
