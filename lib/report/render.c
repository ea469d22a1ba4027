/* SPDX-License-Identifier: Apache-2.0 */
/* Formats by name, and the two for terminals. */
#include "lib/report/render.h"

#include <string.h>

#include "lib/base/str.h"

const char *const report_format_names[] = {
#define REPORT_FORMAT_NAME(symbol, name, what) name,
	REPORT_FORMATS(REPORT_FORMAT_NAME)
#undef REPORT_FORMAT_NAME
		NULL,
};

void report_render(const struct report *r, enum report_format format, struct strbuf *out)
{
	static void (*const renderers[])(const struct report *, struct strbuf *) = {
		[REPORT_TABLE] = render_table,
		[REPORT_SHORT] = render_short,
		[REPORT_JSON] = render_json,
		[REPORT_YAML] = render_yaml,
		[REPORT_JUNIT] = render_junit,
		[REPORT_SARIF] = render_sarif,
		[REPORT_MARKDOWN] = render_markdown,
		[REPORT_HTML] = render_html,
		[REPORT_PROMETHEUS] = render_prometheus,
	};

	renderers[format](r, out);
}

const char *finding_word(const struct report *r, const struct finding *f)
{
	if (f->waiver)
		return waiver_expired(f->waiver, r->made_ns) ? "waiver expired" : "waived";
	if (f->result != FINDING_FAIL)
		return finding_result_name(f->result);
	switch (f->severity) {
	case SEVERITY_WARNING:
		return "warn";
	case SEVERITY_INFO:
		return "info";
	case SEVERITY_BLOCKER:
	case SEVERITY_ERROR:
		break;
	}
	return "FAIL";
}

enum page_mood finding_mood(const struct report *r, const struct finding *f)
{
	if (f->result == FINDING_PASS)
		return PAGE_GOOD;
	if (f->result == FINDING_SKIP)
		return PAGE_QUIET;
	if (f->waiver && !waiver_expired(f->waiver, r->made_ns))
		return PAGE_DOUBT;
	if (f->result == FINDING_FAIL && f->severity <= SEVERITY_ERROR)
		return PAGE_BAD;
	return f->severity == SEVERITY_INFO ? PAGE_PLAIN : PAGE_DOUBT;
}

bool category_begins(const struct report *r, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (str_eq(r->findings[j].category, r->findings[i].category))
			return false;
	return true;
}

static size_t count_waived(const struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->findings[i].waiver != NULL;
	return n;
}

/* Fails that decide nothing: "1 fail: ready" would be a contradiction. */
static size_t count_told(const struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->findings[i].result == FINDING_FAIL &&
		     r->findings[i].severity == SEVERITY_INFO;
	return n;
}

const char *report_summary(struct arena *a, const struct report *r)
{
	const char *meaning = r->ready ? r->ready : "ready";
	const size_t waived = count_waived(r), told = count_told(r);

	switch (report_verdict(r, SEVERITY_WARNING)) {
	case REPORT_OK:
		break;
	case REPORT_BLOCKED:
		meaning = r->blocked ? r->blocked : "blocked";
		break;
	case REPORT_WARNED:
		meaning = "ready, with warnings";
		break;
	case REPORT_INCONCLUSIVE:
		meaning = "inconclusive";
		break;
	case REPORT_WAIVER_EXPIRED:
		meaning = "a waiver has expired";
		break;
	}
	return arena_printf(a, "%zu pass, %zu fail, %zu unknown, %zu skip%s%s: %s",
			    report_count(r, FINDING_PASS), report_count(r, FINDING_FAIL) - told,
			    report_count(r, FINDING_UNKNOWN), report_count(r, FINDING_SKIP),
			    told ? arena_printf(a, ", %zu for information", told) : "",
			    waived ? arena_printf(a, ", %zu of them waived", waived) : "", meaning);
}

/* "scope: message", or the message alone. */
static void add_message(const struct finding *f, struct strbuf *out)
{
	if (f->scope[0])
		strbuf_addf(out, "%s: ", f->scope);
	strbuf_adds(out, f->message);
}

static void table_row(const struct report *r, const struct finding *f, int id_width,
		      struct strbuf *out)
{
	const int under = 10 + id_width + 2;

	strbuf_addf(out, "%-9s %-*s  %s: ", finding_word(r, f), id_width, f->id, f->title);
	add_message(f, out);
	strbuf_addc(out, '\n');
	if (f->result == FINDING_PASS || f->result == FINDING_SKIP)
		return;
	if (f->remedy)
		strbuf_addf(out, "%*s-> %s\n", under, "", f->remedy);
	if (f->waiver)
		strbuf_addf(out, "%*swaiver until %s by %s: %s\n", under, "", f->waiver->expires,
			    f->waiver->owner, f->waiver->reason);
}

void render_table(const struct report *r, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	size_t width = 4;

	for (size_t i = 0; i < r->n; i++)
		width = MAX(width, strlen(r->findings[i].id));
	strbuf_addf(out, "%s\n", r->title);
	for (size_t i = 0; i < r->n; i++) {
		if (!category_begins(r, i))
			continue;
		strbuf_addf(out, "\n%s\n", r->findings[i].category);
		for (size_t j = i; j < r->n; j++)
			if (str_eq(r->findings[j].category, r->findings[i].category))
				table_row(r, &r->findings[j], (int)width, out);
	}
	strbuf_addf(out, "\n%s\n", report_summary(&a, r));
}

void render_short(const struct report *r, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		if (f->result == FINDING_PASS || f->result == FINDING_SKIP)
			continue;
		strbuf_addf(out, "%s %s ", finding_word(r, f), f->id);
		add_message(f, out);
		strbuf_addc(out, '\n');
	}
	strbuf_addf(out, "%s\n", report_summary(&a, r));
}
