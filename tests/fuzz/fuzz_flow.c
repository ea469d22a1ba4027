/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the ring, and flows read from JSON: whatever comes can be printed, and written again.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/flow/flow.h"
#include "tests/fuzz/fuzz.h"

static void show(struct arena *a, const struct flow *f)
{
	struct strbuf line = STRBUF_INIT;
	struct doc *d = flow_to_doc(a, f);
	struct flow again;

	flow_print_line(f, &line);
	strbuf_release(&line);
	if (flow_from_doc(a, d, &again, NULL) || !doc_equal(d, flow_to_doc(a, &again)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct doc *doc = NULL;
	struct event e = {0};
	struct flow f;

	if (size && data[0] == '{') {
		if (!doc_read_json(&a, (const char *)data, size, "fuzz", &doc, NULL) &&
		    !flow_from_doc(&a, doc, &f, NULL))
			show(&a, &f);
	} else {
		memcpy(&e, data, size < sizeof(e) ? size : sizeof(e));
		e.version = EVENT_VERSION;
		e.time_ns &= INT64_MAX >> 1;
		if (!flow_decode(&e, 0, &f, NULL))
			show(&a, &f);
	}
	arena_release(&a);
	return 0;
}
