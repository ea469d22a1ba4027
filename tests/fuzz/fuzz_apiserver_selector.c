/* SPDX-License-Identifier: Apache-2.0 */
/* A label selector, a field selector, a path, a JSONPath: one line each. */
#include <string.h>

#include "deploy/lab/apiserver/jsonpath.h"
#include "deploy/lab/apiserver/request.h"
#include "deploy/lab/apiserver/selector.h"
#include "tests/fuzz/fuzz.h"

static void check_line(struct arena *a, const char *line, const struct doc *object)
{
	struct selector s;
	struct target t;

	if (!selector_parse(a, line, &s, NULL)) {
		fuzz_check(s.n <= SELECTOR_MAX_REQUIREMENTS);
		selector_matches(&s, doc_find(object, "metadata.labels"));
	}
	if (!field_selector_parse(a, line, &s, NULL))
		field_selector_matches(&s, object);
	if (!target_parse(a, line, &t))
		fuzz_check(*t.plural && t.group && t.name && t.subresource);
	if (jsonpath_check(line, NULL))
		fuzz_check(!jsonpath_first(object, line) || strstr(line, "["));
	else
		jsonpath_first(object, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"b\",\"n\":\"3\"}},"
		"\"spec\":{\"list\":[{\"type\":\"Ready\",\"v\":1},[1,2]],\"on\":true}}";
	struct arena a = ARENA_INIT;
	struct doc *object;

	fuzz_check(!doc_read_json(&a, text, strlen(text), NULL, &object, NULL));
	while (n) {
		const uint8_t *end = memchr(data, '\n', n);
		size_t len = end ? (size_t)(end - data) : n;

		check_line(&a, arena_strndup(&a, (const char *)data, len), object);
		n -= len + (end != NULL);
		data += len + (end != NULL);
	}
	arena_release(&a);
	return 0;
}
