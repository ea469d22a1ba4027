/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a probe pod's termination message: an answer that names only whom it was told of, or why
 * not. */
#include "lib/base/str.h"
#include "migrate/probe.h"
#include "tests/fuzz/fuzz.h"

static struct doc *pod_that_said(struct arena *a, const char *words, size_t n)
{
	struct doc *pod = doc_map(a), *c, *command;

	c = doc_append(a, doc_set_list(a, doc_set_map(a, pod, "spec"), "containers"), doc_map(a));
	doc_set_string(a, c, "name", PROBE_CONTAINER);
	command = doc_set_list(a, c, "command");
	doc_append(a, command, doc_string(a, "ns/one=10.0.0.1"));
	doc_append(a, command, doc_string(a, "ns/two=10.0.0.2@abc"));
	c = doc_append(a, doc_set_list(a, doc_set_map(a, pod, "status"), "containerStatuses"),
		       doc_map(a));
	doc_set_string(a, c, "name", PROBE_CONTAINER);
	doc_set_string(a, doc_set_map(a, doc_set_map(a, c, "state"), "terminated"), "message",
		       arena_strndup(a, words, n));
	return pod;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct probe_answer answer = {0};
	const struct doc *pod = pod_that_said(&a, (const char *)data, n);

	if (!probe_read_answer(&a, pod, &answer)) {
		fuzz_check(answer.says);
		doc_foreach_entry (answer.marks, e)
			fuzz_check(str_eq(e->key, "ns/one") || str_eq(e->key, "ns/two"));
		fuzz_check(doc_len(answer.marks) <= 2);
	} else {
		fuzz_check(!answer.says);
	}
	arena_release(&a);
	return 0;
}
