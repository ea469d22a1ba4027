/* SPDX-License-Identifier: Apache-2.0 */
/* Any YAML as each of the objects we read, and any text as a label selector. */
#include "lib/object/canonical.h"
#include "lib/object/cilium.h"
#include "lib/object/cluster.h"
#include "lib/object/cnp.h"
#include "lib/object/netpol.h"
#include "lib/object/pod.h"
#include "lib/object/service.h"
#include "lib/object/sidestep.h"
#include "lib/object/snapshot.h"
#include "lib/object/workload.h"
#include "tests/fuzz/fuzz.h"

static const struct bind_table *const tables[] = {
	&pod_table,
	&service_table,
	&endpoint_slice_table,
	&namespace_table,
	&node_table,
	&workload_table,
	&disruption_budget_table,
	&network_policy_table,
	&cilium_policy_table,
	&cilium_identity_table,
	&cilium_endpoint_table,
	&cilium_node_table,
	&sidestep_node_table,
	&sidestep_request_table,
	&sidestep_run_table,
};

static void read_objects(struct arena *a, struct doc *d)
{
	char digest[OBJECT_DIGEST_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		void *out = arena_alloc(a, tables[i]->size);

		if (object_decode(a, tables[i], d, out, NULL) == 0)
			bind_encode(a, tables[i], out);
	}
	object_digest(d, digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};
	struct snapshot snapshot;
	struct label_selector selector;

	snapshot_init(&snapshot, &a);
	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &s, NULL) == 0) {
		for (size_t i = 0; i < s.n; i++) {
			read_objects(&a, s.docs[i]);
			snapshot_add(&snapshot, s.docs[i], NULL);
		}
	}
	if (label_selector_parse(&a, arena_strndup(&a, (const char *)data, n), &selector, NULL) ==
	    0)
		label_selector_format(&a, &selector);
	snapshot_release(&snapshot);
	arena_release(&a);
	return 0;
}
