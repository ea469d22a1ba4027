/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a saved plan and, behind it, the objects of a cluster: steps that are known, or a
 * reason. */
#include "migrate/machine.h"
#include "migrate/plan.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_steps(struct arena *a, const struct doc *plan)
{
	static struct machine m;
	struct error err = ERROR_INIT;
	struct profile defaults;
	struct step *steps;
	size_t n;

	profile_init(&defaults);
	machine_init(&m, &defaults);
	if (plan_steps(a, plan, &m, &steps, &n, &err) < 0) {
		fuzz_check(err.msg[0]);
		return;
	}
	fuzz_check(n > 0);
	for (size_t i = 0; i < n; i++)
		fuzz_check(steps[i].id && steps[i].kind);
}

static void fuzz_verdict(struct arena *a, const struct doc *plan)
{
	struct error err = ERROR_INIT;
	const char *why = NULL;
	int r = plan_verdict(a, plan, 0, &why, &err);

	fuzz_check(r >= 0 || err.msg[0]);
	fuzz_check(r <= 0 || why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream stream = {0};
	struct snapshot now;

	snapshot_init(&now, &a);
	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &stream, NULL) == 0 && stream.n) {
		for (size_t i = 1; i < stream.n; i++)
			(void)snapshot_add(&now, stream.docs[i], NULL);
		fuzz_steps(&a, stream.docs[0]);
		fuzz_verdict(&a, stream.docs[0]);
		fuzz_check(doc_len(doc_get(stream.docs[0], "inputs")) ||
			   doc_len(plan_stale(&a, stream.docs[0], &now, NULL)));
		(void)plan_stale(&a, stream.docs[0], &now, "security.istio.io/");
	}
	snapshot_release(&now);
	arena_release(&a);
	return 0;
}
