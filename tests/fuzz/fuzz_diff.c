/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any YAML as what was applied, what is there and what is wanted: redacted, compared, applied; then
 * nothing is left to do, and nothing differs from itself.
 */
#include "lib/diff/diff.h"
#include "lib/diff/lines.h"
#include "lib/diff/secret.h"
#include "tests/fuzz/fuzz.h"

static const struct secret_key key = {{7}};

static bool pending(struct arena *a, const struct doc *applied, const struct doc *live,
		    const struct doc *desired)
{
	struct diff_object o;

	diff_object_make(&o, a, applied, live, desired, false, NULL);
	return diff_object_pending(&o);
}

static void compare(struct arena *a, const struct doc *applied, const struct doc *live,
		    const struct doc *desired)
{
	auto_release(strbuf) struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	auto_release(strbuf) struct strbuf hunks = STRBUF_INIT;
	struct diff_object o;
	struct doc *done, *owners = doc_find(live, "metadata.managedFields");

	diff_object_make(&o, a, applied, live, desired, false, NULL);
	for (size_t i = 0; i < o.n; i++)
		diff_path_text(a, o.changes[i].path);
	done = diff_apply(a, &o);
	if (owners)
		doc_set(a, doc_get(done, "metadata"), "managedFields", owners);
	fuzz_check(!pending(a, desired, done, desired));
	fuzz_check(!pending(a, desired, desired, desired));
	doc_write_yaml(live, &before);
	doc_write_yaml(done, &after);
	lines_diff(strbuf_cstr(&before), strbuf_cstr(&after), 3, &hunks);
}

static bool is_map(const struct doc *d)
{
	return d && d->kind == DOC_MAP;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};
	struct doc *d[3] = {0};

	/* A list with thousands of items is compared in more time than a fuzzer has. */
	if (n < 20000 && doc_read_yaml(&a, (const char *)data, n, "fuzz", &s, NULL) == 0) {
		for (size_t i = 0; i < s.n && i < ARRAY_SIZE(d); i++)
			d[i] = is_map(s.docs[i]) ? secret_redact(&a, &key, s.docs[i]) : NULL;
		compare(&a, d[0], d[1], d[2]);
	}
	arena_release(&a);
	return 0;
}
