/* SPDX-License-Identifier: Apache-2.0 */
/* What reaches the injection webhook: any JSON as a review, and the patch must fit the pod. */
#include <string.h>

#include "deploy/lab/istiod/review.h"
#include "lib/base/base64.h"
#include "tests/fuzz/fuzz.h"

static void check_patch(struct arena *a, const struct doc *review, const char *base64)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct doc *patch, *pod;

	fuzz_check(base64_decode(base64, strlen(base64), &json) == 0);
	fuzz_check(doc_read_json(a, json.buf, json.len, NULL, &patch, NULL) == 0);
	fuzz_check(doc_json_patch(a, doc_find(review, "request.object"), patch, &pod, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc *review, *answer, *ns = doc_map(&a);
	struct review_options o;
	const char *patch;

	doc_set_string(&a, doc_set_map(&a, doc_set_map(&a, ns, "metadata"), "labels"),
		       "istio-injection", "enabled");
	review_defaults(&o);
	if (doc_read_json(&a, (const char *)data, n, NULL, &review, NULL) == 0 &&
	    review_answer(&a, review, ns, &o, &answer, NULL) == 0) {
		patch = doc_find_str(answer, "response.patch");
		if (patch)
			check_patch(&a, review, patch);
	}
	arena_release(&a);
	return 0;
}
