/* SPDX-License-Identifier: Apache-2.0 */
/* JUnit: a suite per category, a case per finding; unknown is <error>, waived and skip <skipped>.
 */
#include "lib/base/str.h"
#include "lib/report/markup.h"
#include "lib/report/render.h"

enum junit_kind { JUNIT_PASS, JUNIT_FAILURE, JUNIT_ERROR, JUNIT_SKIPPED };

static enum junit_kind kind_of(const struct report *r, const struct finding *f)
{
	if (f->result == FINDING_SKIP || (f->waiver && !waiver_expired(f->waiver, r->made_ns)))
		return JUNIT_SKIPPED;
	if (f->result == FINDING_PASS || f->severity >= SEVERITY_WARNING)
		return JUNIT_PASS;
	return f->result == FINDING_FAIL ? JUNIT_FAILURE : JUNIT_ERROR;
}

static size_t count(const struct report *r, const char *category, enum junit_kind kind, bool any)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += (!category || str_eq(r->findings[i].category, category)) &&
		     (any || kind_of(r, &r->findings[i]) == kind);
	return n;
}

static void counts(struct markup *m, const struct report *r, const char *category)
{
	markup_attrf(m, "tests", "%zu", count(r, category, JUNIT_PASS, true));
	markup_attrf(m, "failures", "%zu", count(r, category, JUNIT_FAILURE, false));
	markup_attrf(m, "errors", "%zu", count(r, category, JUNIT_ERROR, false));
	markup_attrf(m, "skipped", "%zu", count(r, category, JUNIT_SKIPPED, false));
}

static void put_case(struct markup *m, const struct report *r, const struct finding *f)
{
	static const char *const elements[] = {
		[JUNIT_PASS] = "system-out",
		[JUNIT_FAILURE] = "failure",
		[JUNIT_ERROR] = "error",
		[JUNIT_SKIPPED] = "skipped",
	};
	enum junit_kind kind = kind_of(r, f);

	markup_open(m, "testcase");
	markup_attrf(m, "classname", "%s.%s", r->tool, f->category);
	markup_attrf(m, "name", "%s%s%s %s", f->id, f->scope[0] ? "@" : "", f->scope, f->title);
	markup_open(m, elements[kind]);
	if (kind != JUNIT_PASS)
		markup_attr(m, "message", f->message);
	markup_textf(m, "%s: %s%s%s", finding_word(r, f), f->message, f->remedy ? " -> " : "",
		     str_or_empty(f->remedy));
	markup_close(m);
	markup_close(m);
}

void render_junit(const struct report *r, struct strbuf *out)
{
	struct markup m;
	char when[CLOCK_RFC3339_SIZE];

	strbuf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
	markup_init(&m, out);
	markup_open(&m, "testsuites");
	markup_attr(&m, "name", r->title);
	counts(&m, r, NULL);
	for (size_t i = 0; i < r->n; i++) {
		const char *category = r->findings[i].category;

		if (!category_begins(r, i))
			continue;
		markup_open(&m, "testsuite");
		markup_attr(&m, "name", category);
		counts(&m, r, category);
		markup_attr(&m, "timestamp", clock_rfc3339(r->made_ns, 0, when));
		for (size_t j = i; j < r->n; j++)
			if (str_eq(r->findings[j].category, category))
				put_case(&m, r, &r->findings[j]);
		markup_close(&m);
	}
	markup_close(&m);
	strbuf_addc(out, '\n');
}
