/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that tell, and ask to stop: status, pause, abort, report. */
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/run/report.h"
#include "lib/run/runs.h"
#include "upgrade/told.h"
#include "upgrade/verbs.h"
#include "upgrade/world.h"

static const char *what(const struct cli_call *call)
{
	return call->n_args ? call->args[0] : upgrade_tool.only;
}

static int open_cluster(const struct cli_call *call, struct cluster *c, struct arena *a,
			struct error *err)
{
	const struct upgrade_opts *o = call->opts;

	return cluster_open(c, a, o->kubeconfig, o->context, "sidestep-upgrade", err);
}

static int print_as_asked(const struct cli_call *call, const struct doc *d, const struct page *page,
			  struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	print_format((enum print_format)o->output, d, page, &out);
	return print_text(call->out, o->file, &out, err);
}

/* --- which node has what --- */

static void add_node(struct arena *a, struct doc *list, const struct world_node *n)
{
	struct doc *d = doc_append(a, list, doc_map(a));

	doc_set_string(a, d, "node", n->name);
	doc_set_string(a, d, "version", n->status ? n->status->version : NULL);
	doc_set_string(a, d, "image", n->image);
	doc_set_bool(a, d, "podReady", n->pod && pod_is_ready(n->pod));
	doc_set_int(a, d, "restarts", n->restarts);
	if (n->status) {
		doc_set_bool(a, d, "agentReady", n->status->ready);
		doc_set_string(a, d, "published", n->status->updated);
	}
}

static bool is_over(const struct sidestep_run *run)
{
	return str_eq(run->state, run_state_name(RUN_DONE)) ||
	       str_eq(run->state, run_state_name(RUN_ROLLED_BACK));
}

static int add_astray(struct cluster *c, struct arena *a, const struct upgrade *u,
		      const struct world *w, const struct sidestep_run *run, struct doc *d,
		      struct error *err)
{
	bool done = str_eq(run->state, run_state_name(RUN_DONE));
	enum run_state state = done ? RUN_DONE : is_over(run) ? RUN_ROLLED_BACK : RUN_RUNNING;
	struct journal *j;
	int r = session_read_copy(a, run, c->clock, &j, err);

	if (r)
		return r;
	doc_set(a, d, "astray", told_astray(a, u, w, state, j));
	journal_free(j);
	return 0;
}

static int add_world(struct cluster *c, struct arena *a, const struct sidestep_run *run,
		     struct doc *d, struct error *err)
{
	struct upgrade *u = arena_new(a, struct upgrade);
	struct doc *nodes = doc_set_list(a, d, "nodes");
	struct world w;
	int r;

	*u = (struct upgrade){.cluster = c, .run = run->meta.name};
	r = plan_take(u, a, run->plan, err);
	if (!r)
		r = world_look(&w, a, u, err);
	if (r)
		return r;
	for (size_t i = 0; i < w.n_nodes; i++)
		add_node(a, nodes, &w.nodes[i]);
	doc_set_bool(a, d, "mixed", told_mixed(u, &w));
	doc_set_string(a, d, "versions", told_versions(a, u, &w));
	doc_set_string(a, d, "safe", told_safe(a, u, &w));
	return add_astray(c, a, u, &w, run, d, err);
}

static void put_nodes(struct page *page, const struct doc *d)
{
	static const char *const columns[] = {"node", "version", "image", "pod", ">restarts", NULL};

	page_heading(page, "Nodes");
	page_table(page, columns);
	doc_foreach_item (doc_get(d, "nodes"), n) {
		bool ready = doc_bool_or(doc_get(n, "podReady"), false);

		page_row(page, ready ? PAGE_PLAIN : PAGE_BAD, doc_find_str(n, "node"),
			 doc_find_str(n, "version") ? doc_find_str(n, "version") : "not known",
			 str_or_empty(doc_find_str(n, "image")), ready ? "ready" : "not ready",
			 count_text(&page->arena, doc_find_int(n, "restarts", 0)), NULL);
	}
	page_text(page, "%s", str_or_empty(doc_find_str(d, "safe")));
	doc_foreach_item (doc_get(d, "astray"), words)
		page_text(page, "%s", doc_str(words));
}

int verb_status(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d = doc_map(&a), *list;
	struct sidestep_run *run;
	struct cluster c;
	struct page page;
	int r = open_cluster(call, &c, &a, err);

	if (r)
		return r;
	r = runs_list(&upgrade_tool, &c, &a, call->n_args ? call->args[0] : NULL, &list, err);
	if (!r && doc_len(list)) {
		r = runs_newest(&upgrade_tool, &c, &a, what(call), &run, err);
		if (!r)
			r = add_world(&c, &a, run, d, err);
	}
	if (!r) {
		doc_set(&a, d, "runs", list);
		runs_page(&upgrade_tool, &a, "Upgrades", list, &page);
		if (doc_get(d, "nodes"))
			put_nodes(&page, d);
		r = print_as_asked(call, d, &page, err);
		page_release(&page);
	}
	cluster_release(&c);
	return r;
}

/* --- pause, abort --- */

int verb_pause(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct cluster c;
	int r = open_cluster(call, &c, &a, err);

	if (r)
		return r;
	r = runs_pause(&upgrade_tool, &c, &a, what(call), call->out, err);
	cluster_release(&c);
	return r;
}

static int tell_what_stays(const struct cli_call *call, struct cluster *c, struct arena *a,
			   struct error *err)
{
	struct doc *d = doc_map(a);
	struct sidestep_run *run;
	int r = runs_newest(&upgrade_tool, c, a, what(call), &run, err);

	if (!r)
		r = add_world(c, a, run, d, err);
	if (r)
		return r;
	fprintf(call->out, "now: %s\n", doc_find_str(d, "safe"));
	doc_foreach_item (doc_get(d, "astray"), words)
		fprintf(call->out, "now: %s\n", doc_str(words));
	if (is_over(run))
		fprintf(call->out, "it has ended, nothing was under way\n");
	return 0;
}

int verb_abort(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct cluster c;
	int r = open_cluster(call, &c, &a, err);

	if (r)
		return r;
	r = runs_pause(&upgrade_tool, &c, &a, what(call), call->out, err);
	if (!r)
		r = tell_what_stays(call, &c, &a, err);
	cluster_release(&c);
	return r;
}

/* --- report --- */

static bool is_of(const struct journal_record *r, const char *type, const char *op)
{
	return str_eq(r->type, type) && (!op || str_eq(doc_find_str(r->body, "op"), op));
}

static int64_t wall_of(const char *time)
{
	int64_t ns = 0;

	clock_parse_rfc3339(str_or_empty(time), &ns);
	return ns;
}

/* A node's way back has ended: how long it had the version that was taken back. */
static void add_exposed(struct arena *a, struct doc *list, const struct journal *j,
			const struct journal_record *ended)
{
	const char *step = str_or_empty(doc_find_str(ended->body, "step")), *since = NULL;
	const char *until = doc_find_str(ended->body, "time");
	struct doc *d;

	for (size_t i = 0; i < ended->seq; i++) {
		const struct journal_record *r = journal_at(j, i);

		if (is_of(r, "done", "pod") && str_eq(doc_find_str(r->body, "step"), step))
			since = doc_find_str(r->body, "time");
	}
	if (!since)
		return;
	d = doc_append(a, list, doc_map(a));
	doc_set_string(a, d, "node", strchr(step, '/') ? strchr(step, '/') + 1 : step);
	doc_set_string(a, d, "since", since);
	doc_set_string(a, d, "until", until);
	doc_set(a, d, "seconds",
		doc_real(a, (double)(wall_of(until) - wall_of(since)) / (double)NS_PER_S));
}

/* What every endpoint's regeneration came to, and the step where a gate first said no. */
static void add_outcome(struct arena *a, struct doc *report, const struct journal *j)
{
	struct doc *exposed = doc_set_list(a, report, "taken_back");

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const struct doc *evidence = doc_get(r->body, "evidence");

		if (str_eq(doc_find_str(r->body, "gate"), "G-REGENERATED") && evidence) {
			doc_set_int(a, report, "endpoints", doc_find_int(evidence, "endpoints", 0));
			doc_set_int(a, report, "regenerated",
				    doc_find_int(evidence, "regenerated", 0));
		}
		if (str_eq(r->type, "gate") && str_eq(doc_find_str(r->body, "result"), "fail") &&
		    !doc_get(report, "stopped_at")) {
			doc_set_string(a, report, "stopped_at", doc_find_str(r->body, "step"));
			doc_set_string(a, report, "stopped_by", doc_find_str(r->body, "gate"));
		}
		if (is_of(r, "undo-end", NULL))
			add_exposed(a, exposed, j, r);
	}
}

static int report_of(struct arena *a, const struct sidestep_run *run, struct doc **ret_report,
		     struct error *err)
{
	static const char *const members[] = {"from",      "to",           "nodes",   "effects",
					      "shortened", "irreversible", "waivers", NULL};
	struct upgrade *u = arena_new(a, struct upgrade);
	struct journal *j;
	struct step *steps;
	size_t n;
	int r = plan_take(u, a, run->plan, err);

	if (!r)
		r = plan_steps(a, run->plan, &u->machine, &steps, &n, err);
	if (!r)
		r = session_read_copy(a, run, clock_system(), &j, err);
	if (r)
		return r;
	*ret_report = doc_clone(a, run_report(a, &upgrade_tool, run, j, steps, n, members));
	doc_del(doc_get(*ret_report, "from"), "template");
	doc_del(doc_get(*ret_report, "to"), "template");
	add_outcome(a, *ret_report, j);
	journal_free(j);
	return 0;
}

static void put_taken_back(struct page *page, const struct doc *report)
{
	static const char *const columns[] = {"node", "since", "until", ">seconds", NULL};
	const struct doc *list = doc_get(report, "taken_back");

	if (!doc_len(list))
		return;
	page_heading(page, "Taken back");
	page_text(page, "So long %s had %s; what it refused, lost or let through, it did then.",
		  doc_len(list) == 1 ? "this node" : "these nodes",
		  str_or_empty(doc_find_str(report, "to.version")));
	page_table(page, columns);
	doc_foreach_item (list, d)
		page_row(page, PAGE_PLAIN, doc_find_str(d, "node"), doc_find_str(d, "since"),
			 doc_find_str(d, "until"),
			 arena_printf(&page->arena, "%.1f", doc_get(d, "seconds")->real), NULL);
}

int verb_report(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sidestep_run *run;
	struct doc *report;
	struct cluster c;
	struct page page;
	int r = open_cluster(call, &c, &a, err);

	if (r)
		return r;
	r = runs_newest(&upgrade_tool, &c, &a, what(call), &run, err);
	if (!r)
		r = report_of(&a, run, &report, err);
	if (!r) {
		run_report_page(report,
				arena_printf(&a, "Upgrade from %s to %s",
					     str_or_empty(doc_find_str(report, "from.version")),
					     str_or_empty(doc_find_str(report, "to.version"))),
				&page);
		put_taken_back(&page, report);
		r = print_as_asked(call, report, &page, err);
		page_release(&page);
	}
	cluster_release(&c);
	return r;
}

int verb_back_preview(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct sidestep_run *run;
	struct doc *report, *d = doc_map(&a);
	struct cluster c;
	int r = open_cluster(call, &c, &a, err);

	if (r)
		return r;
	r = runs_newest(&upgrade_tool, &c, &a, what(call), &run, err);
	if (!r)
		r = report_of(&a, run, &report, err);
	if (!r)
		r = add_world(&c, &a, run, d, err);
	if (!r) {
		fprintf(call->out, "Run %s (%s). To be taken back, or gone on with:\n",
			run->meta.name, str_or_empty(doc_find_str(report, "state")));
		doc_foreach_item (doc_get(report, "steps"), s)
			fprintf(call->out, "  %-28s %s\n", doc_find_str(s, "id"),
				doc_find_str(s, "status"));
		fprintf(call->out, "%s\n", doc_find_str(d, "safe"));
	}
	cluster_release(&c);
	return r;
}
