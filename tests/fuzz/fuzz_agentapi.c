/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gates conclude from what agents publish: {"statuses": [baseline, before, previous, now],
 * "request": a SidestepRequest, "nodes": [Node]}. Numbers are anybody's.
 */
#include "lib/agentapi/health.h"
#include "lib/agentapi/regenerate.h"
#include "tests/fuzz/fuzz.h"

static const struct sidestep_node *status(struct arena *a, const struct doc *list, size_t i)
{
	struct sidestep_node *n = arena_new(a, struct sidestep_node);

	return doc_at(list, i) && !sidestep_node_decode(a, doc_at(list, i), n, NULL) ? n : NULL;
}

static void ask_health(struct arena *a, const struct doc *list)
{
	struct health_item items[HEALTH_ITEM_COUNT];
	struct health_question q = {.baseline = status(a, list, 0),
				    .before = status(a, list, 1),
				    .previous = status(a, list, 2),
				    .now = status(a, list, 3),
				    .regenerated = true,
				    .wall_ns = 1};

	health_ask(a, &q, items);
	for (int i = 0; i < HEALTH_ITEM_COUNT; i++) {
		fuzz_check(items[i].words && items[i].words[0]);
		fuzz_check(items[i].result <= FINDING_SKIP);
		/* Who publishes nothing passes nothing. */
		fuzz_check(q.now || items[i].result == FINDING_UNKNOWN);
	}
}

static void view_job(struct arena *a, const struct doc *request, const struct doc *nodes)
{
	struct node *items = arena_array(a, doc_len(nodes) + 1, struct node);
	struct sidestep_request r;
	struct regenerate_job job;
	size_t n = 0;

	for (size_t i = 0; i < doc_len(nodes); i++)
		n += !node_decode(a, doc_at(nodes, i), &items[n], NULL) && items[n].meta.name;
	if (!request || sidestep_request_decode(a, request, &r, NULL))
		return;
	regenerate_job(a, &r, items, n, &job);
	for (size_t i = 0; i < job.n_turns; i++)
		fuzz_check(!job.turns[i].due || job.turns[i].state == REGENERATE_PENDING);
	for (size_t i = 0; i < r.n_status; i++)
		regenerate_trim(a, bind_encode(a, &sidestep_request_node_table, &r.status[i]),
				i << 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc *d;

	if (!doc_read_json(&a, (const char *)data, n, "fuzz", &d, NULL)) {
		ask_health(&a, doc_get(d, "statuses"));
		view_job(&a, doc_get(d, "request"), doc_get(d, "nodes"));
	}
	arena_release(&a);
	return 0;
}
