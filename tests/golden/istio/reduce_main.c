/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envoy-reduce - standard input: {"NS/POD": Envoy configuration, ...}; standard output: the same,
 * each reduced. Called by tests/peers/istio/istiod; not installed.
 */
#include <stdio.h>

#include "tests/golden/istio/reduce.h"

int main(void)
{
	struct arena a = ARENA_INIT;
	struct strbuf out = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc_stream in;
	struct doc *all = doc_map(&a);
	int rc = 1;

	if (doc_read_file(&a, "-", &in, &err) < 0 || in.n != 1) {
		fprintf(stderr, "envoy-reduce: %s\n", err.code ? err.msg : "want one document");
		goto out;
	}
	doc_foreach_entry (in.docs[0], it)
		doc_set(&a, all, it->key, envoy_reduce(&a, it->value));
	doc_sort_keys(all);
	doc_write_json(all, DOC_PRETTY, &out);
	rc = puts(strbuf_cstr(&out)) < 0;
out:
	strbuf_release(&out);
	arena_release(&a);
	return rc;
}
