/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a store's log: frames are read until one does not hold; what is written reads back. */
#include <string.h>

#include "deploy/lab/apiserver/storelog.h"
#include "lib/base/str.h"
#include "tests/fuzz/fuzz.h"

static void write_and_read(const uint8_t *data, size_t n)
{
	struct strbuf out = STRBUF_INIT;
	struct storelog_entry e = {STORELOG_PUT, 7, "/pods", "n", "x", "u", (const char *)data, n},
			      back;

	storelog_write(&out, &e);
	fuzz_check(storelog_read(out.buf, out.len, &back, NULL) == (int64_t)out.len);
	fuzz_check(back.rv == 7 && str_eq(back.shelf, "/pods") && back.json_len == n);
	fuzz_check(!n || !memcmp(back.json, data, n));
	for (size_t cut = 1; cut < 8 && cut < out.len; cut++)
		fuzz_check(!storelog_read(out.buf, out.len - cut, &back, NULL));
	strbuf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct storelog_entry e;
	size_t at = 0;
	int64_t len;

	while ((len = storelog_read((const char *)data + at, n - at, &e, NULL)) > 0) {
		fuzz_check(strlen(e.name) < n && e.json_len <= n);
		at += (size_t)len;
	}
	write_and_read(data, n);
	return 0;
}
