/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for people: what is shortened and accepted, what happens to whom, every step. */
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cli/cli.h"
#include "upgrade/plan.h"

static const char *str(const struct doc *d, const char *path)
{
	return str_or_empty(doc_find_str(d, path));
}

/* First of all: what a profile makes shorter, and what somebody accepts, by name. */
static void put_profile(const struct doc *plan, struct page *page)
{
	const char *name = str(plan, "profile.name");

	doc_foreach_item (doc_get(plan, "shortened"), d)
		page_note(page, PAGE_DOUBT, "Shortened by profile %s: %s", name,
			  str_or_empty(doc_str(d)));
	doc_foreach_item (doc_get(plan, "waivers"), w)
		page_note(page, PAGE_DOUBT, "Waived by profile %s: %s, by %s until %s: %s", name,
			  str(w, "id"), str(w, "owner"), str(w, "expires"), str(w, "reason"));
}

static void put_findings(const struct plan *p, struct page *page)
{
	static const char *const columns[] = {"result", "finding", "where", "seen", "to do", NULL};

	page_heading(page, "Findings");
	page_table(page, columns);
	for (size_t i = 0; i < p->report.n; i++) {
		const struct finding *f = &p->report.findings[i];
		bool bad = f->result == FINDING_FAIL || f->result == FINDING_UNKNOWN;
		const char *word = f->waiver ? "waived" : finding_result_name(f->result);
		enum page_mood mood = PAGE_GOOD;

		if (bad)
			mood = f->waiver || f->severity >= SEVERITY_WARNING ? PAGE_DOUBT : PAGE_BAD;
		page_row(page, mood, word, f->id, f->scope, f->message,
			 bad ? str_or_empty(f->remedy) : "", NULL);
	}
}

static const char *number(struct page *page, const struct doc *d, const char *key)
{
	return doc_get(d, key) ? count_text(&page->arena, doc_find_int(d, key, 0)) : "?";
}

static void put_nodes(const struct doc *plan, struct page *page)
{
	static const char *const columns[] = {"node", "turn", ">endpoints", ">connections", NULL};

	page_heading(page, "Nodes, in the order of their turns");
	page_table(page, columns);
	doc_foreach_item (doc_get(plan, "nodes"), n) {
		int64_t wave = doc_find_int(n, "wave", 0);

		page_row(page, PAGE_PLAIN, str(n, "name"),
			 wave ? arena_printf(&page->arena, "wave %lld", (long long)wave) : "canary",
			 number(page, n, "endpoints"), number(page, n, "connections"), NULL);
	}
}

static void put_effects(const struct doc *plan, struct page *page)
{
	static const char *const columns[] = {"what", "whom", "how", NULL};
	auto_release(strbuf) struct strbuf time = STRBUF_INIT;

	page_heading(page, "What will happen to whom");
	page_table(page, columns);
	doc_foreach_item (doc_get(plan, "effects"), e)
		page_row(page, PAGE_PLAIN, str(e, "what"), str(e, "whom"), str(e, "effect"), NULL);
	cli_duration_text((uint64_t)doc_find_int(plan, "seconds", 0) * NS_PER_S, &time);
	page_text(page, "It takes %s at least: the windows of the profile, one after the other.",
		  strbuf_cstr(&time));
	page_heading(page, "What cannot be taken back");
	doc_foreach_item (doc_get(plan, "irreversible"), d)
		page_text(page, "%s", str_or_empty(doc_str(d)));
}

/* "G-NODE after (Kubernetes, agents)" for every gate of the step. */
static const char *what_is_asked(struct page *page, const struct doc *step)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_get(step, "gates"), g) {
		const char *comma = "";

		strbuf_addf(&sb, "%s%s %s (", sb.len ? "; " : "", str(g, "id"), str(g, "when"));
		doc_foreach_item (doc_get(g, "sources"), source) {
			strbuf_addf(&sb, "%s%s", comma, str_or_empty(doc_str(source)));
			comma = ", ";
		}
		strbuf_addc(&sb, ')');
	}
	return arena_strdup(&page->arena, strbuf_cstr(&sb));
}

static void put_steps(const struct doc *plan, struct page *page)
{
	static const char *const columns[] = {"step", "what for", "what it does",
					      "gates and whom they ask", NULL};

	page_heading(page, "Steps");
	page_table(page, columns);
	doc_foreach_item (doc_get(plan, "steps"), s) {
		const char *skip = doc_find_str(s, "args.skip"), *does = doc_find_str(s, "does");

		page_row(page, skip ? PAGE_QUIET : PAGE_PLAIN, str(s, "id"), str(s, "title"),
			 skip   ? skip
			 : does ? does
				: "only looks",
			 what_is_asked(page, s), NULL);
	}
}

void plan_page(const struct plan *p, struct page *page)
{
	enum report_verdict v = report_verdict(&p->report, SEVERITY_ERROR);
	const struct doc *plan = p->doc;

	page_init(page, p->report.title, doc_find_str(plan, "made"));
	put_profile(plan, page);
	if (doc_get(plan, "to"))
		page_text(page, "From %s to %s: %s becomes %s in DaemonSet %s.",
			  str(plan, "from.version"), str(plan, "to.version"),
			  str(plan, "from.image"), str(plan, "to.image"), str(plan, "mesh"));
	if (v == REPORT_OK)
		page_verdict(page, PAGE_GOOD, "This plan can be carried out.");
	else if (v == REPORT_BLOCKED)
		page_verdict(page, PAGE_BAD, "Blocked: see the findings.");
	else if (v == REPORT_WAIVER_EXPIRED)
		page_verdict(page, PAGE_BAD, "A waiver that it needs has expired.");
	else
		page_verdict(page, PAGE_DOUBT, "Inconclusive: something could not be determined.");
	put_findings(p, page);
	if (!doc_get(plan, "steps"))
		return;
	put_nodes(plan, page);
	put_effects(plan, page);
	put_steps(plan, page);
}
