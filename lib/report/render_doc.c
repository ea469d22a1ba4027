/* SPDX-License-Identifier: Apache-2.0 */
/* json and yaml: the findings as one document. */
#include "lib/report/render.h"

static struct doc *evidence_doc(struct arena *a, const struct evidence *e)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "source", e->source);
	doc_set_string(a, d, "observed", e->observed);
	doc_set_string(a, d, "expected", e->expected);
	return d;
}

struct doc *finding_doc(struct arena *a, const struct finding *f)
{
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "id", f->id);
	doc_set_string(a, d, "title", f->title);
	doc_set_string(a, d, "category", f->category);
	doc_set_string(a, d, "severity", severity_name(f->severity));
	doc_set_string(a, d, "result", finding_result_name(f->result));
	doc_set_string(a, d, "scope", f->scope);
	doc_set_string(a, d, "message", f->message);
	doc_set_string(a, d, "remedy", f->remedy);
	doc_set_string(a, d, "source", f->source);
	doc_set_string(a, d, "where", f->where);
	if (f->waiver)
		doc_set(a, d, "waiver", waiver_doc(a, f->waiver));
	list = doc_set_list(a, d, "evidence");
	for (size_t i = 0; i < f->n_evidence; i++)
		doc_append(a, list, evidence_doc(a, &f->evidence[i]));
	return d;
}

struct doc *report_doc(struct arena *a, const struct report *r)
{
	struct doc *d = doc_map(a), *summary, *list;
	char when[CLOCK_RFC3339_SIZE];

	doc_set_string(a, d, "tool", r->tool);
	doc_set_string(a, d, "title", r->title);
	doc_set_string(a, d, "time", clock_rfc3339(r->made_ns, 0, when));
	summary = doc_set_map(a, d, "summary");
	for (enum finding_result i = FINDING_PASS; i <= FINDING_SKIP; i++)
		doc_set_int(a, summary, finding_result_name(i), (int64_t)report_count(r, i));
	doc_set_int(a, summary, "exit_code", report_verdict(r, SEVERITY_ERROR));
	list = doc_set_list(a, d, "findings");
	for (size_t i = 0; i < r->n; i++)
		doc_append(a, list, finding_doc(a, &r->findings[i]));
	list = doc_set_list(a, d, "waivers");
	for (size_t i = 0; i < r->waivers.n; i++) {
		struct doc *w = doc_append(a, list, waiver_doc(a, &r->waivers.items[i]));

		doc_set_bool(a, w, "used", r->waivers.items[i].used);
	}
	return d;
}

void render_json(const struct report *r, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	doc_write_json(report_doc(&a, r), DOC_PRETTY, out);
	strbuf_addc(out, '\n');
}

void render_yaml(const struct report *r, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	doc_write_yaml(report_doc(&a, r), out);
}
