/* SPDX-License-Identifier: Apache-2.0 */
/* html and markdown: the findings as a page. */
#include "lib/base/str.h"
#include "lib/report/render.h"

static enum page_mood verdict_mood(const struct report *r)
{
	switch (report_verdict(r, SEVERITY_WARNING)) {
	case REPORT_OK:
		return PAGE_GOOD;
	case REPORT_BLOCKED:
		return PAGE_BAD;
	case REPORT_WARNED:
	case REPORT_INCONCLUSIVE:
	case REPORT_WAIVER_EXPIRED:
		break;
	}
	return PAGE_DOUBT;
}

static void put_counts(struct page *p, const struct report *r)
{
	static const enum page_mood moods[] = {
		[FINDING_PASS] = PAGE_GOOD,
		[FINDING_FAIL] = PAGE_BAD,
		[FINDING_UNKNOWN] = PAGE_DOUBT,
		[FINDING_SKIP] = PAGE_QUIET,
	};

	for (enum finding_result i = FINDING_PASS; i <= FINDING_SKIP; i++) {
		size_t n = report_count(r, i);

		page_figure(p, n ? moods[i] : PAGE_PLAIN, finding_result_name(i), "%zu", n);
	}
}

static void put_category(struct page *p, const struct report *r, const char *category)
{
	static const char *const columns[] = {"result", "id",    "check", "where",
					      "seen",   "to do", NULL};

	page_heading(p, "%s", category);
	page_table(p, columns);
	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		if (str_eq(f->category, category))
			page_row(p, finding_mood(r, f), finding_word(r, f), f->id, f->title,
				 f->scope, f->message, str_or_empty(f->remedy), NULL);
	}
}

static void put_waivers(struct page *p, const struct report *r)
{
	static const char *const columns[] = {"check", "scope",  "owner", "until",
					      "state", "reason", NULL};

	if (!r->waivers.n)
		return;
	page_heading(p, "Waivers");
	page_table(p, columns);
	for (size_t i = 0; i < r->waivers.n; i++) {
		const struct waiver *w = &r->waivers.items[i];
		bool expired = waiver_expired(w, r->made_ns);

		page_row(p, expired ? PAGE_BAD : PAGE_PLAIN, w->id, str_or_empty(w->scope),
			 w->owner, w->expires,
			 expired   ? "expired"
			 : w->used ? "used"
				   : "not used",
			 w->reason, NULL);
	}
}

static void put_evidence(struct page *p, const struct report *r)
{
	static const char *const columns[] = {"id", "source", "observed", "expected", NULL};
	bool any = false;

	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		if (f->n_evidence && !any) {
			page_heading(p, "Evidence");
			page_table(p, columns);
			any = true;
		}
		for (size_t j = 0; j < f->n_evidence; j++)
			page_row(p, PAGE_PLAIN, f->id, f->evidence[j].source,
				 f->evidence[j].observed, str_or_empty(f->evidence[j].expected),
				 NULL);
	}
}

static void build(struct page *p, const struct report *r)
{
	char when[CLOCK_RFC3339_SIZE];

	page_init(p, r->title, NULL);
	p->subtitle = arena_printf(&p->arena, "%s %s, %s", r->tool, SIDESTEP_VERSION,
				   clock_rfc3339(r->made_ns, 0, when));
	page_verdict(p, verdict_mood(r), "%s", report_summary(&p->arena, r));
	put_counts(p, r);
	for (size_t i = 0; i < r->n; i++)
		if (category_begins(r, i))
			put_category(p, r, r->findings[i].category);
	put_waivers(p, r);
	put_evidence(p, r);
}

void render_html(const struct report *r, struct strbuf *out)
{
	struct page p;

	build(&p, r);
	page_render_html(&p, out);
	page_release(&p);
}

void render_markdown(const struct report *r, struct strbuf *out)
{
	struct page p;

	build(&p, r);
	page_render_markdown(&p, out);
	page_release(&p);
}
