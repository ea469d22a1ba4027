/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON; and [target, patch] as a merge patch and a JSON patch. */
#include "lib/doc/doc.h"
#include "tests/fuzz/fuzz.h"

static void check_document(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *again = NULL, *result = NULL, *before = doc_clone(a, d);

	doc_write_json(d, DOC_PRETTY, &out);
	fuzz_check(doc_read_json(a, out.buf, out.len, "again", &again, NULL) == 0);
	fuzz_check(doc_equal(d, again));
	if (doc_len(d) != 2 || d->kind != DOC_LIST)
		return;
	fuzz_check(doc_equal(doc_merge_patch(a, doc_at(d, 0), doc_at(d, 1)),
			     doc_merge_patch(a, doc_at(d, 0), doc_at(d, 1))));
	doc_json_patch(a, doc_at(d, 0), doc_at(d, 1), &result, NULL);
	/* Patching never changes what it was given. */
	fuzz_check(doc_equal(d, before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc *d = NULL;
	struct error err = ERROR_INIT;

	if (doc_read_json(&a, (const char *)data, n, "fuzz", &d, &err) == 0)
		check_document(&a, d);
	else
		fuzz_check(err.msg[0]);
	arena_release(&a);
	return 0;
}
