/* SPDX-License-Identifier: Apache-2.0 */
/* lib/report/render.h - one function per format. Used inside lib/report only. */
#pragma once

#include "lib/base/strbuf.h"
#include "lib/report/page.h"
#include "lib/report/report.h"

void render_table(const struct report *r, struct strbuf *out);
void render_short(const struct report *r, struct strbuf *out);
void render_json(const struct report *r, struct strbuf *out);
void render_yaml(const struct report *r, struct strbuf *out);
void render_junit(const struct report *r, struct strbuf *out);
void render_sarif(const struct report *r, struct strbuf *out);
void render_markdown(const struct report *r, struct strbuf *out);
void render_html(const struct report *r, struct strbuf *out);
void render_prometheus(const struct report *r, struct strbuf *out);

/* What a reader calls the outcome: "pass", "FAIL", "warn", "waived", "waiver expired" ... */
const char *finding_word(const struct report *r, const struct finding *f);
enum page_mood finding_mood(const struct report *r, const struct finding *f);
/* "12 pass, 1 fail, 2 unknown, 3 skip" and what that means. */
const char *report_summary(struct arena *a, const struct report *r);

/* Finding i is the first of its category: outputs group by category. */
bool category_begins(const struct report *r, size_t i);
