/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a node is without an agent when its container is replaced: from the moment that the old
 * process is told to end (or is killed) until the new one says that it is ready, which is when its
 * socket answers, its endpoints are restored, the cluster is known and the kernel is as wanted. An
 * image's pull and the kubelet's share are not in it. JSON on standard output.
 */
#include "tests/unit/agent/nodes.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/macros.h"

enum { PODS = 30, TIMES = 7 };

static uint64_t now(void)
{
	return clock_now_ns(clock_system());
}

static void again(struct nodes *n, bool killed)
{
	const char *wrong = NULL;

	if (killed)
		agent_kill(n, 0);
	else
		wrong = agent_end(n, 0);
	if (wrong)
		fail_msg("%s", wrong);
	agent_begin(n, 0);
	agent_wait(n, 0);
}

static int by_size(const void *x, const void *y)
{
	const double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

static void measure(struct nodes *n, struct doc *out, const char *what, bool killed)
{
	struct doc *d = doc_set_map(&n->arena, out, what);
	double seconds[TIMES];

	for (int i = 0; i < TIMES; i++) {
		const uint64_t at = now();

		again(n, killed);
		seconds[i] = (double)(now() - at) / NS_PER_S;
	}
	qsort(seconds, TIMES, sizeof(seconds[0]), by_size);
	doc_set(&n->arena, d, "least", doc_real(&n->arena, seconds[0]));
	doc_set(&n->arena, d, "median", doc_real(&n->arena, seconds[TIMES / 2]));
	doc_set(&n->arena, d, "most", doc_real(&n->arena, seconds[TIMES - 1]));
}

static void a_node_without_an_agent(void **state)
{
	struct nodes *n = *state;
	struct doc *out = doc_map(&n->arena), *times;
	struct strbuf text = STRBUF_INIT;
	const struct doc *is;

	for (int i = 0; i < PODS; i++)
		pod_make(n, 0, arena_printf(&n->arena, "pod%d", i));
	doc_set_int(&n->arena, out, "pods", PODS);
	times = doc_set_map(&n->arena, out, "secondsWithoutAgent");
	measure(n, times, "ended", false);
	measure(n, times, "killed", true);
	is = agent_ask(n, 0, "GET", "/v1/status", NULL);
	assert_int_equal(doc_find_int(is, "health.endpoints.ready", -1), PODS);
	doc_set_int(&n->arena, out, "agentResidentBytes",
		    doc_find_int(is, "health.process.rssBytes", -1));
	doc_write_json(out, DOC_PRETTY, &text);
	puts(strbuf_cstr(&text));
	strbuf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_node_without_an_agent)};

	return cmocka_run_group_tests(tests, nodes_setup, nodes_teardown);
}
