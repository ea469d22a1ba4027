/* SPDX-License-Identifier: Apache-2.0 */
/* Any YAML as a runbook and as a fixture of it: the lint ends, judges every rule, and whatever it
 * takes for a runbook can be shown and walked. */
#include "lib/base/clock.h"
#include "runbooks/lint.h"
#include "runbooks/show.h"
#include "runbooks/walk.h"
#include "tests/fuzz/fuzz.h"

static void look_at(struct report *r, const struct doc *root)
{
	struct strbuf out = STRBUF_INIT;
	struct fixture f;
	const bool is_fixture = fixture_decode(&r->arena, root, &f, NULL, NULL) == 0;
	const struct runbook *rb = lint_runbook(r, root, &f, is_fixture);
	size_t n;

	lint_rules(&n);
	fuzz_check(r->n >= n);
	if (rb) {
		struct walk w;

		runbook_show(rb, &out);
		runbook_walk(&r->arena, rb, MODE_EXECUTE, NULL, root, &w);
		fuzz_check(w.n_ran <= rb->n_steps && w.n_taken <= rb->n_steps);
	}
	fuzz_check(!rb || out.len > 0);
	strbuf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct report r;
	struct doc_stream s = {0};
	struct strbuf out = STRBUF_INIT;

	report_init(&r, "fuzz", "fuzz", clock_system());
	if (doc_read_yaml(&r.arena, (const char *)data, n, "fuzz", &s, NULL) == 0 && s.n > 0)
		look_at(&r, s.docs[0]);
	report_finish(&r);
	report_render(&r, REPORT_JUNIT, &out);
	strbuf_release(&out);
	report_release(&r);
	return 0;
}
