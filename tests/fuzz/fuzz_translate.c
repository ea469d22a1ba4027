/* SPDX-License-Identifier: Apache-2.0 */
/* Any objects translated: it ends, and what no field blocks is equal by the proof. */
#include "migrate/verify.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream stream = {0};
	struct snapshot s;
	struct istio_mesh m;
	struct translation t;
	struct equivalence e;

	if (n > 8192)
		return 0;
	snapshot_init(&s, &a);
	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &stream, NULL) == 0)
		for (size_t i = 0; i < stream.n; i++)
			(void)snapshot_add(&s, stream.docs[i], NULL);
	istio_mesh_load(&m, &a, &s);
	if (translate_namespace(&t, &a, &m, "ns", NULL) == 0 &&
	    verify_namespace(&e, &a, &m, &s, t.policies, t.n_policies, "ns", NULL) == 0)
		fuzz_check(t.n_blocked > 0 || e.widening == 0);
	snapshot_release(&s);
	arena_release(&a);
	return 0;
}
