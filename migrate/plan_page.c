/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for people: what is decided, what is accepted, every step with its changes. */
#include "lib/base/str.h"
#include "migrate/plan.h"

static void put_findings(const struct plan *p, struct page *page)
{
	static const char *const columns[] = {"result", "finding", "where", "seen", "to do", NULL};

	page_heading(page, "Findings");
	page_table(page, columns);
	for (size_t i = 0; i < p->report.n; i++) {
		const struct finding *f = &p->report.findings[i];
		const char *word = f->waiver ? "waived" : finding_result_name(f->result);
		enum page_mood mood = PAGE_GOOD;

		if (f->result == FINDING_FAIL || f->result == FINDING_UNKNOWN)
			mood = f->waiver || f->severity >= SEVERITY_WARNING ? PAGE_DOUBT : PAGE_BAD;
		page_row(page, mood, word, f->title, f->scope, f->message, str_or_empty(f->remedy),
			 NULL);
	}
}

/* One frame a waiver: what it accepts, in how many places; the findings' table has them all. */
static void put_waivers(const struct plan *p, struct page *page)
{
	for (size_t k = 0; k < p->report.waivers.n; k++) {
		const struct waiver *w = &p->report.waivers.items[k];
		const char *title = w->id;
		size_t n = 0;

		for (size_t i = 0; i < p->report.n; i++) {
			if (p->report.findings[i].waiver != w)
				continue;
			title = p->report.findings[i].title;
			n++;
		}
		if (n)
			page_note(page, PAGE_DOUBT,
				  "Accepted: %s (%zu of the findings), by %s until "
				  "%s: %s",
				  title, n, w->owner, w->expires, w->reason);
	}
}

static void put_order(const struct plan *p, struct page *page)
{
	static const char *const columns[] = {">", "workload", ">replicas", ">sidecars", NULL};
	int n = 0;

	page_heading(page, "Order: servers before their callers");
	page_table(page, columns);
	doc_foreach_item (doc_get(p->doc, "workloads"), w)
		page_row(page, PAGE_PLAIN, arena_printf(&page->arena, "%d", ++n),
			 doc_find_str(w, "name"),
			 arena_printf(&page->arena, "%lld",
				      (long long)doc_find_int(w, "replicas", 0)),
			 arena_printf(&page->arena, "%lld",
				      (long long)doc_find_int(w, "sidecars", 0)),
			 NULL);
}

static const char *compact(struct page *page, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_write_json(d, DOC_COMPACT, &sb);
	return arena_strdup(&page->arena, strbuf_cstr(&sb));
}

/* What a step does, in words and as the patch that will be sent. */
static const char *what_it_does(struct page *page, const struct doc *step)
{
	const char *skip = doc_find_str(step, "args.skip"), *does = doc_find_str(step, "does");
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (skip || does)
		return skip ? skip : does;
	doc_foreach_item (doc_find(step, "args.patches"), patch) {
		const char *ns = doc_find_str(patch, "ref.namespace");

		strbuf_addf(&sb, "%spatch %s %s%s%s with %s; inverse: its values before",
			    sb.len ? "; " : "", str_or_empty(doc_find_str(patch, "ref.kind")),
			    str_or_empty(ns), ns ? "/" : "",
			    str_or_empty(doc_find_str(patch, "ref.name")),
			    compact(page, doc_get(patch, "forward")));
	}
	return sb.len ? arena_strdup(&page->arena, strbuf_cstr(&sb)) : "only looks";
}

/* "G-RELAXED before (Kubernetes, probe pod)" for every gate of the step. */
static const char *what_is_asked(struct page *page, const struct doc *step)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_get(step, "gates"), g) {
		const char *comma = "";

		strbuf_addf(&sb, "%s%s %s (", sb.len ? "; " : "",
			    str_or_empty(doc_find_str(g, "id")),
			    str_or_empty(doc_find_str(g, "when")));
		doc_foreach_item (doc_get(g, "sources"), source) {
			strbuf_addf(&sb, "%s%s", comma, str_or_empty(doc_str(source)));
			comma = ", ";
		}
		strbuf_addc(&sb, ')');
	}
	return arena_strdup(&page->arena, strbuf_cstr(&sb));
}

static void put_steps(const struct plan *p, struct page *page)
{
	static const char *const columns[] = {"step", "what for", "what it does",
					      "gates and whom they ask", NULL};

	page_heading(page, "Steps");
	page_table(page, columns);
	doc_foreach_item (doc_get(p->doc, "steps"), s)
		page_row(page, doc_find_str(s, "args.skip") ? PAGE_QUIET : PAGE_PLAIN,
			 doc_find_str(s, "id"), doc_find_str(s, "title"), what_it_does(page, s),
			 what_is_asked(page, s), NULL);
}

void plan_page(const struct plan *p, struct page *page)
{
	enum report_verdict v = report_verdict(&p->report, SEVERITY_ERROR);

	page_init(page, p->report.title, doc_find_str(p->doc, "made"));
	if (v == REPORT_OK)
		page_verdict(page, PAGE_GOOD, "This plan can be carried out.");
	else if (v == REPORT_BLOCKED)
		page_verdict(page, PAGE_BAD, "Blocked: see the findings.");
	else if (v == REPORT_WAIVER_EXPIRED)
		page_verdict(page, PAGE_BAD, "A waiver that it needs has expired.");
	else
		page_verdict(page, PAGE_DOUBT, "Inconclusive: something could not be determined.");
	put_waivers(p, page);
	put_findings(p, page);
	put_order(p, page);
	put_steps(p, page);
	if (p->equivalence)
		equivalence_page(p->equivalence, page);
	if (p->translation)
		translation_page(p->translation, page);
}
