/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as YAML; what is read survives being written as YAML and as JSON. */
#include "lib/doc/doc.h"
#include "tests/fuzz/fuzz.h"

static void check_document(const struct doc *d)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc_stream again = {0};
	struct doc *json = NULL;

	doc_write_yaml(d, &out);
	fuzz_check(doc_read_yaml(&a, out.buf, out.len, "again", &again, NULL) == 0);
	fuzz_check(again.n == 1 && doc_equal(d, again.docs[0]));
	strbuf_clear(&out);
	doc_write_json(d, DOC_COMPACT, &out);
	fuzz_check(doc_read_json(&a, out.buf, out.len, "again", &json, NULL) == 0);
	fuzz_check(doc_equal(d, json));
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &s, &err) == 0) {
		for (size_t i = 0; i < s.n; i++)
			check_document(s.docs[i]);
	} else {
		fuzz_check(err.msg[0]);
	}
	arena_release(&a);
	return 0;
}
