/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/report.h"

#include "lib/base/clock.h"
#include "lib/base/str.h"

static int64_t time_of(const struct doc *record)
{
	int64_t ns = 0;

	clock_parse_rfc3339(str_or_empty(doc_find_str(record, "time")), &ns);
	return ns;
}

static double seconds(int64_t from, int64_t to)
{
	return from && to > from ? (double)(to - from) / (double)NS_PER_S : 0.0;
}

static bool is(const struct journal_record *r, const char *type, const char *step)
{
	return str_eq(r->type, type) && str_eq(doc_find_str(r->body, "step"), step);
}

/* Every gate that was asked for the step, with what each source saw. */
static void add_gate(struct arena *a, struct doc *step, struct doc *evidence,
		     const struct journal_record *r)
{
	struct doc *gate = doc_map(a), *seen = doc_clone(a, r->body);

	doc_set_string(a, gate, "gate", doc_find_str(r->body, "gate"));
	doc_set_string(a, gate, "result", doc_find_str(r->body, "result"));
	doc_set_int(a, gate, "samples", doc_find_int(r->body, "samples", 0));
	doc_append(a, doc_set_list(a, step, "gates"), gate);
	doc_del(seen, "hash");
	doc_del(seen, "prev");
	doc_append(a, evidence, seen);
}

static struct doc *step_doc(struct arena *a, const struct step *step, enum step_state state,
			    const struct journal *j, struct doc *evidence)
{
	struct doc *d = doc_map(a);
	int64_t began = 0, ended = 0, undo_began = 0, undo_ended = 0, changes = 0;

	doc_set_string(a, d, "id", step->id);
	doc_set_string(a, d, "title", step->title);
	doc_set_string(a, d, "status", step_state_name(state));
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (is(r, "begin", step->id))
			began = time_of(r->body);
		else if (is(r, "end", step->id))
			ended = time_of(r->body);
		else if (is(r, "undo-begin", step->id))
			undo_began = time_of(r->body);
		else if (is(r, "undo-end", step->id))
			undo_ended = time_of(r->body);
		else if (is(r, "skipped", step->id))
			doc_set_string(a, d, "reason", doc_find_str(r->body, "reason"));
		else if (is(r, "gate", step->id))
			add_gate(a, d, evidence, r);
		else if (is(r, "done", step->id))
			changes++;
		if (is(r, "begin", step->id))
			doc_set_string(a, d, "began", doc_find_str(r->body, "time"));
		if (is(r, "end", step->id))
			doc_set_string(a, d, "ended", doc_find_str(r->body, "time"));
	}
	doc_set(a, d, "seconds", doc_real(a, seconds(began, ended)));
	if (undo_began)
		doc_set(a, d, "undone_seconds", doc_real(a, seconds(undo_began, undo_ended)));
	doc_set_int(a, d, "changes", changes);
	return d;
}

static void add_timeline(struct arena *a, struct doc *report, const struct journal *j)
{
	struct doc *list = doc_set_list(a, report, "timeline");

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_string(a, d, "time", doc_find_str(r->body, "time"));
		doc_set_string(a, d, "type", r->type);
		doc_set_string(a, d, "step", doc_find_str(r->body, "step"));
		doc_set_string(a, d, "op", doc_find_str(r->body, "op"));
		doc_set_string(a, d, "gate", doc_find_str(r->body, "gate"));
		doc_set_string(a, d, "result", doc_find_str(r->body, "result"));
		doc_set_string(a, d, "state", doc_find_str(r->body, "state"));
		doc_set_string(a, d, "reason", doc_find_str(r->body, "reason"));
	}
}

static void copy(struct arena *a, struct doc *to, const char *key, const struct doc *value)
{
	doc_set(a, to, key, value ? doc_clone(a, value) : doc_list(a));
}

/* Why the way back was taken, when something had stopped the run; it is what a reader asks first.
 */
const struct doc *run_usual(const struct journal *j)
{
	const struct doc *usual = NULL;

	for (size_t i = 0; i < journal_count(j) && !usual; i++) {
		const struct journal_record *r = journal_at(j, i);

		if (str_eq(r->type, "gate"))
			usual = doc_get(doc_get(r->body, "evidence"), RUN_USUAL);
	}
	return usual;
}

const char *run_why_stopped(const struct journal *j)
{
	const char *reason = NULL;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (!str_eq(r->type, "state"))
			continue;
		if (str_eq(doc_find_str(r->body, "state"), run_state_name(RUN_ROLLING_BACK)))
			break;
		reason = doc_find_str(r->body, "reason");
	}
	return reason;
}

struct doc *run_report(struct arena *a, const struct run_tool *tool, const struct sidestep_run *run,
		       const struct journal *j, const struct step *steps, size_t n_steps,
		       const char *const *members)
{
	struct doc *d = doc_map(a), *list, *evidence = doc_list(a);
	size_t last = journal_count(j) - 1;
	struct run_status status;

	run_status(a, j, steps, n_steps, &status);
	doc_set_string(a, d, "run", doc_find_str(journal_header(j), "run"));
	doc_set_string(a, d, tool->subject, run->subject);
	doc_set_string(a, d, "state", run_state_name(status.state));
	if (!status.reason && status.state == RUN_ROLLED_BACK)
		status.reason = run_why_stopped(j);
	doc_set_string(a, d, "reason", status.reason);
	doc_set_string(a, d, "began", doc_find_str(journal_at(j, 0)->body, "time"));
	doc_set_string(a, d, "ended", doc_find_str(journal_at(j, last)->body, "time"));
	list = doc_set_list(a, d, "steps");
	for (size_t i = 0; i < n_steps; i++)
		doc_append(a, list, step_doc(a, &steps[i], status.steps[i], j, evidence));
	add_timeline(a, d, j);
	for (; *members; members++)
		copy(a, d, *members, doc_get(run->plan, *members));
	doc_set(a, d, "evidence", evidence);
	return d;
}

/* --- as a page --- */

static enum page_mood state_mood(const char *state)
{
	if (str_eq(state, run_state_name(RUN_DONE)) ||
	    str_eq(state, run_state_name(RUN_ROLLED_BACK)))
		return PAGE_GOOD;
	if (str_eq(state, run_state_name(RUN_PAUSED)) ||
	    str_eq(state, run_state_name(RUN_INCONCLUSIVE)) ||
	    str_eq(state, run_state_name(RUN_RUNNING)))
		return PAGE_DOUBT;
	return PAGE_BAD;
}

static bool named_before(const struct doc *list, const struct doc *waiver)
{
	doc_foreach_item (list, w) {
		if (w == waiver)
			return false;
		if (str_eq(doc_find_str(w, "id"), doc_find_str(waiver, "id")))
			return true;
	}
	return false;
}

/* One frame a waiver, however many places it covers. */
static void put_waivers(const struct doc *report, struct page *p)
{
	const struct doc *list = doc_get(report, "waivers");

	doc_foreach_item (list, w) {
		if (named_before(list, w))
			continue;
		page_note(p, PAGE_DOUBT, "Accepted: %s, by %s until %s: %s",
			  str_or_empty(doc_find_str(w, "title")),
			  str_or_empty(doc_find_str(w, "owner")),
			  str_or_empty(doc_find_str(w, "expires")),
			  str_or_empty(doc_find_str(w, "reason")));
	}
}

static const char *number(struct page *p, double v)
{
	return arena_printf(&p->arena, "%.1f", v);
}

static double real(const struct doc *d)
{
	if (!d)
		return 0;
	return d->kind == DOC_REAL ? d->real : (double)doc_int_or(d, 0);
}

static void put_steps(const struct doc *report, struct page *p)
{
	static const char *const columns[] = {"step",  "what",     "status", ">seconds",
					      ">back", ">changes", "gates",  NULL};

	page_heading(p, "Steps");
	page_table(p, columns);
	doc_foreach_item (doc_get(report, "steps"), s) {
		auto_release(strbuf) struct strbuf gates = STRBUF_INIT;
		bool back = doc_get(s, "undone_seconds") != NULL;

		doc_foreach_item (doc_get(s, "gates"), g)
			strbuf_addf(&gates, "%s%s %s", gates.len ? ", " : "",
				    str_or_empty(doc_find_str(g, "gate")),
				    str_or_empty(doc_find_str(g, "result")));
		if (doc_find_str(s, "reason"))
			strbuf_adds(&gates, doc_find_str(s, "reason"));
		page_row(p, PAGE_PLAIN, str_or_empty(doc_find_str(s, "id")),
			 str_or_empty(doc_find_str(s, "title")),
			 str_or_empty(doc_find_str(s, "status")),
			 number(p, real(doc_get(s, "seconds"))),
			 back ? number(p, real(doc_get(s, "undone_seconds"))) : "",
			 arena_printf(&p->arena, "%lld", (long long)doc_find_int(s, "changes", 0)),
			 strbuf_cstr(&gates), NULL);
	}
}

static void put_bands(const struct doc *report, struct page *p)
{
	int64_t origin = 0, at;

	clock_parse_rfc3339(str_or_empty(doc_find_str(report, "began")), &origin);
	page_heading(p, "Timeline");
	doc_foreach_item (doc_get(report, "steps"), s) {
		double from;

		if (!doc_find_str(s, "began") || clock_parse_rfc3339(doc_find_str(s, "began"), &at))
			continue;
		from = seconds(origin, at);
		page_band(p, PAGE_PLAIN, str_or_empty(doc_find_str(s, "id")), from,
			  from + real(doc_get(s, "seconds")), "");
	}
}

static void put_evidence(const struct doc *report, struct page *p)
{
	static const char *const columns[] = {"time",   "step", "when", "gate",
					      "source", "said", "saw",  NULL};

	page_heading(p, "Evidence");
	page_table(p, columns);
	doc_foreach_item (doc_get(report, "evidence"), e) {
		doc_foreach_item (doc_get(e, "sources"), s)
			page_row(p,
				 str_eq(doc_find_str(s, "result"), "pass") ? PAGE_PLAIN
									   : PAGE_DOUBT,
				 str_or_empty(doc_find_str(e, "time")),
				 str_or_empty(doc_find_str(e, "step")),
				 str_or_empty(doc_find_str(e, "when")),
				 str_or_empty(doc_find_str(e, "gate")),
				 str_or_empty(doc_find_str(s, "source")),
				 str_or_empty(doc_find_str(s, "result")),
				 str_or_empty(doc_find_str(s, "saw")), NULL);
	}
}

void run_report_page(const struct doc *report, const char *title, struct page *p)
{
	const char *state = str_or_empty(doc_find_str(report, "state"));
	const char *reason = doc_find_str(report, "reason");

	page_init(p, title, NULL);
	p->subtitle = arena_printf(&p->arena, "run %s, %s to %s",
				   str_or_empty(doc_find_str(report, "run")),
				   str_or_empty(doc_find_str(report, "began")),
				   str_or_empty(doc_find_str(report, "ended")));
	page_verdict(p, state_mood(state), "%s%s%s", state, reason ? ": " : "",
		     str_or_empty(reason));
	put_waivers(report, p);
	put_steps(report, p);
	put_bands(report, p);
	put_evidence(report, p);
}
