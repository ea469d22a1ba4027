/* SPDX-License-Identifier: Apache-2.0 */
/* Two JSON documents, one a line: a target and its patch; then a schema and its object. */
#include <string.h>

#include "deploy/lab/apiserver/schema.h"
#include "deploy/lab/apiserver/strategic.h"
#include "tests/fuzz/fuzz.h"

static void as_patch(struct arena *a, const struct doc *target, const struct doc *patch)
{
	struct doc *before = doc_clone(a, target), *out;

	if (!strategic_merge(a, "Deployment", target, patch, &out, NULL))
		fuzz_check(out->kind == DOC_MAP);
	if (!strategic_merge(a, "Pod", target, patch, &out, NULL))
		fuzz_check(out->kind == DOC_MAP);
	fuzz_check(doc_equal(before, target));
}

static void as_schema(struct arena *a, const struct doc *schema, const struct doc *object)
{
	struct causes c = {.arena = a};
	struct doc *d = doc_clone(a, object), *unknown = doc_list(a);

	schema_prune(a, schema, d, unknown);
	schema_default(a, schema, d);
	schema_validate(&c, schema, d);
	fuzz_check(doc_len(c.list) <= CAUSES_MAX);
	unknown = doc_list(a);
	schema_prune(a, schema, d, unknown); /* only defaults can bring in what is not known */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *line = memchr(data, '\n', n);
	struct arena a = ARENA_INIT;
	struct doc *first, *second;

	if (line &&
	    !doc_read_json(&a, (const char *)data, (size_t)(line - data), NULL, &first, NULL) &&
	    !doc_read_json(&a, (const char *)line + 1, n - (size_t)(line - data) - 1, NULL, &second,
			   NULL)) {
		as_patch(&a, first, second);
		as_schema(&a, first, second);
	}
	arena_release(&a);
	return 0;
}
