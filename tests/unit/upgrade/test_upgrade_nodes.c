/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh's machine, and nodes on which the DaemonSet's agents are meant to be no more. */
#include <stdio.h>
#include <string.h>

#include "lib/cli/exit.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"

#define THE_OTHERS "control=0.3.0 worker-1=0.3.0 worker-2=0.3.0 worker-3="

static void label(struct stand_in *w, const char *value)
{
	char patch[128];

	snprintf(patch, sizeof(patch),
		 "{\"metadata\": {\"labels\": {\"" OTHER_KIND_LABEL "\": %s}}}", value);
	stand_in_patch(w, KIND_NODE, NULL, "worker-3", patch);
}

static void keep_off(struct attempt *t)
{
	label(t->world, "\"yes\"");
}

static void begin(struct attempt *t, struct stand_in *w)
{
	stand_in_new(w);
	memset(t, 0, sizeof(*t));
	t->world = w;
	stand_in_patch(
		w, KIND_DAEMON_SET, "kube-system", "sidestep",
		"{\"spec\": {\"template\": {\"spec\": {\"affinity\": {\"nodeAffinity\": "
		"{\"requiredDuringSchedulingIgnoredDuringExecution\": {\"nodeSelectorTerms\": "
		"[{\"matchExpressions\": [{\"key\": \"" OTHER_KIND_LABEL
		"\", \"operator\": \"DoesNotExist\"}]}]}}}}}}}");
}

/*
 * Somebody labels a node of the plan: its agent goes, its pods stay. That is no node that left, for
 * nobody knows what those pods may do now; nor is it the release's fault.
 */
TEST(a_node_that_is_kept_from_the_agents_pauses_until_that_is_undone)
{
	static const char *const at[] = {"U10/worker-3", "U14"};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		static struct attempt t;
		struct stand_in w;

		begin(&t, &w);
		t.finalize = true;
		t.at_step = at[i];
		t.then = keep_off;
		attempt_whole(&t, &w, "0.3.0", CLI_INCONCLUSIVE);
		if (!strstr(attempt_why(&t, &a), "worker-3 is there"))
			fail_msg("%s: %s", at[i], attempt_why(&t, &a));
		attempt_close(&t);
		/* Before its turn it was not looked at, and comes back with the new version: whom
		 * that refuses stays unknown. */
		if (i == 0) {
			stand_in_free(&w);
			continue;
		}
		label(&w, "null");
		stand_in_tick(&w);
		attempt_open(&t, &w, "mine", -1);
		attempt_find(&t, false);
		if (attempt_go(&t) != CLI_OK)
			fail_msg("%s: %s", at[i], attempt_why(&t, &a));
		attempt_expect_state(&w, THE_OTHERS "0.3.0 template=0.3.0 pulls=0 requests=0");
		attempt_close(&t);
		stand_in_free(&w);
	}
}

/* On the way back it is named, and leaves nobody else on what is fled. */
TEST(a_node_that_is_kept_from_the_agents_holds_no_way_back_up)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct attempt t;
	struct stand_in w;

	begin(&t, &w);
	attempt_whole(&t, &w, "0.3.0", CLI_WAITING);
	attempt_close(&t);
	keep_off(&t);
	stand_in_tick(&w);
	t.back = true;
	attempt_open(&t, &w, "mine", -1);
	attempt_find(&t, true);
	assert_int_equal(attempt_go(&t), CLI_ROLLBACK_FAILED);
	if (!strstr(attempt_why(&t, &a), "worker-3"))
		fail_msg("%s", attempt_why(&t, &a));
	attempt_expect_state(&w, "control=0.2.0 worker-1=0.2.0 worker-2=0.2.0 worker-3=none");
	attempt_close(&t);
	stand_in_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_is_kept_from_the_agents_pauses_until_that_is_undone),
		cmocka_unit_test(a_node_that_is_kept_from_the_agents_holds_no_way_back_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
