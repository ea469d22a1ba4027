/* SPDX-License-Identifier: Apache-2.0 */
/* The textfile collector's format: one gauge per finding, one per result. */
#include "lib/report/render.h"

static void label(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addf(out, "%s=\"", name);
	for (const char *c = value ? value : ""; *c; c++) {
		if (*c == '\\' || *c == '"')
			strbuf_addf(out, "\\%c", *c);
		else if (*c == '\n')
			strbuf_adds(out, "\\n");
		else
			strbuf_addc(out, *c);
	}
	strbuf_addc(out, '"');
}

void render_prometheus(const struct report *r, struct strbuf *out)
{
	strbuf_adds(out, "# HELP sidestep_check_result 1 for the result a check came to.\n"
			 "# TYPE sidestep_check_result gauge\n");
	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		strbuf_adds(out, "sidestep_check_result{");
		label(out, "tool", r->tool);
		strbuf_addc(out, ',');
		label(out, "id", f->id);
		strbuf_addc(out, ',');
		label(out, "scope", f->scope);
		strbuf_addc(out, ',');
		label(out, "severity", severity_name(f->severity));
		strbuf_addc(out, ',');
		label(out, "result", finding_result_name(f->result));
		strbuf_addc(out, ',');
		label(out, "waived",
		      f->waiver && !waiver_expired(f->waiver, r->made_ns) ? "true" : "false");
		strbuf_adds(out, "} 1\n");
	}
	strbuf_adds(out, "# HELP sidestep_checks Findings by result.\n"
			 "# TYPE sidestep_checks gauge\n");
	for (enum finding_result i = FINDING_PASS; i <= FINDING_SKIP; i++) {
		strbuf_adds(out, "sidestep_checks{");
		label(out, "tool", r->tool);
		strbuf_addc(out, ',');
		label(out, "result", finding_result_name(i));
		strbuf_addf(out, "} %zu\n", report_count(r, i));
	}
	strbuf_adds(out, "# HELP sidestep_checks_time_seconds When the checks ran.\n"
			 "# TYPE sidestep_checks_time_seconds gauge\n");
	strbuf_addf(out, "sidestep_checks_time_seconds{tool=\"%s\"} %lld\n", r->tool,
		    (long long)(r->made_ns / (int64_t)NS_PER_S));
}
