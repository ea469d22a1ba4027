/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run remembers of its nodes when it is gone on with, and what it forgives: against a real
 * API server, with a fake clock.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"

/* Once the agent's pod of worker-2 is the new one. */
static void pause_behind_the_pod(struct attempt *t)
{
	const struct journal *j = t->session.journal;
	bool done = false;

	for (size_t i = 0; i < journal_count(j); i++)
		done |= str_eq(journal_at(j, i)->type, "done") &&
			str_eq(doc_find_str(journal_at(j, i)->body, "op"), "pod");
	if (done)
		t->session.cluster.pause = "interrupted";
	else
		t->at_step = "U8/worker-2";
}

static int gone_on_with(struct attempt *t, struct stand_in *w)
{
	attempt_close(t);
	attempt_open(t, w, "mine", -1);
	attempt_find(t, false);
	return attempt_go(t);
}

static void expect(const struct attempt *t, int is, int code, const char *says)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (is != code || (says && !strstr(attempt_why(t, &a), says)))
		fail_msg("%d: %s\n%s", is, attempt_why(t, &a), t->said);
}

/* Nobody of ours was there when the new agent began to refuse, and the client has given up. */
TEST(a_pause_launders_no_refusal)
{
	static struct attempt t;
	struct stand_in w;

	stand_in_new(&w);
	w.fault = AGENT_DROPS;
	w.fault_on = "worker-2";
	memset(&t, 0, sizeof(t));
	t.at_step = "U8/worker-2";
	t.then = pause_behind_the_pod;
	attempt_whole(&t, &w, "0.3.0", CLI_INTERRUPTED);
	for (int i = 0; i < 5; i++) {
		fake_clock_advance(&w.clock, 10 * NS_PER_S);
		stand_in_tick(&w);
	}
	assert_int_equal(w.nodes[2].refused, 2);
	expect(&t, gone_on_with(&t, &w), CLI_INCONCLUSIVE, "identity 1 to 2 port 80");
	/* It is mended, and somebody has tried. */
	w.nodes[2].let_again = true;
	w.fault = AGENT_WELL;
	expect(&t, gone_on_with(&t, &w), CLI_WAITING, NULL);
	attempt_close(&t);
	stand_in_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_launders_no_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
