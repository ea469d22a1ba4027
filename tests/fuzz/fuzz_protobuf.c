/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: an object, or an error; what was read can be written and read back as JSON. */
#include "deploy/lab/apiserver/protobuf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc *object, *again;

	if (protobuf_read(&a, (const char *)data, n, &object, &err) == 0) {
		fuzz_check(object->kind == DOC_MAP);
		doc_write_json(object, DOC_COMPACT, &text);
		fuzz_check(doc_read_json(&a, text.buf, text.len, NULL, &again, NULL) == 0);
		fuzz_check(doc_equal(object, again));
	} else {
		fuzz_check(err.msg[0]);
	}
	arena_release(&a);
	return 0;
}
