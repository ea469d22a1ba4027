/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any YAML as a runbook, its case, a run's answers and an index of evidence: what decodes can be
 * walked as recorded and as live, and told; an index that is taken names only plain files of its
 * folder; what is redacted holds no planted secret; a parameter that is taken holds no control
 * character.
 */
#include <string.h>

#include "runbooks/evidence.h"
#include "runbooks/params.h"
#include "runbooks/transcript.h"
#include "tests/fuzz/fuzz.h"

static void walk(struct arena *a, const struct doc *book, const struct doc *doc)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct runbook rb;
	struct fixture f;
	struct walk w;

	if (runbook_decode(a, book, &rb, NULL, NULL) < 0)
		return;
	if (fixture_decode(a, doc, &f, NULL, NULL) == 0) {
		runbook_walk(a, &rb, (enum runbook_mode)f.mode, f.params, f.answers, &w);
		fuzz_check(w.n_ran <= rb.n_steps && w.n_met <= rb.n_steps);
		transcript_case(&f, &w, &out);
	}
	for (int mode = MODE_DIAGNOSE; mode <= MODE_EXECUTE; mode++) {
		const struct walk_live live = {
			.rb = &rb,
			.steps = rb.steps,
			.n_steps = rb.n_steps,
			.mode = (enum runbook_mode)mode,
			.data = walk_data(a, &rb, (enum runbook_mode)mode, doc, "run"),
			.answers = doc,
			.prefix = "",
			.concludes = true,
		};

		walk_live(a, &live, &w);
		fuzz_check(w.n_met <= rb.n_steps && (!w.pending || !w.outcome));
		transcript_steps(&w, &out);
		transcript_end(&w, &out);
	}
}

static void index_of(struct arena *a, const struct doc *d)
{
	if (evidence_index_check(d, NULL) < 0)
		return;
	doc_foreach_item (doc_get(d, "files"), f) {
		const char *path = doc_find_str(f, "file");

		fuzz_check(path && path[0] != '/' && path[0] != '.' && !strstr(path, ".."));
	}
	(void)a;
}

static void redact(struct arena *a, struct doc *d)
{
	static const char planted[] = "https://user:hunter2-planted@host/";
	struct evidence_store e = {.arena = a};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *all = doc_map(a);

	doc_set(a, all, "document", d);
	doc_set_string(a, all, "password", "hunter2-planted");
	doc_set_string(a, doc_set_map(a, all, "deep"), "url", planted);
	doc_write_json(evidence_redact(&e, a, all, NULL), DOC_COMPACT, &out);
	/* The document itself may have the word in a place that is none of a secret. */
	fuzz_check(!strstr(strbuf_cstr(&out), planted));
}

static void values(struct arena *a, const char *text)
{
	for (int type = PARAM_STRING; type <= PARAM_CHOICE; type++) {
		const struct param p = {.name = "p", .type = type};
		struct doc *v = NULL;

		if (param_check(a, &p, text, &v, NULL) < 0)
			continue;
		fuzz_check(!strpbrk(text, "\n\r\x1b\x7f") && (text[0] != '-' || type == PARAM_INT));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};

	values(&a, arena_strndup(&a, (const char *)data, n));
	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &s, NULL) == 0) {
		for (size_t i = 0; i < s.n; i++) {
			index_of(&a, s.docs[i]);
			redact(&a, s.docs[i]);
		}
		if (s.n > 1)
			walk(&a, s.docs[0], s.docs[1]);
	}
	arena_release(&a);
	return 0;
}
