/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hop over many nodes, up and back: the one object of the cluster that holds
 * plan and journal stays smaller than what its API server takes, and what a plan reckons with is
 * more than what it comes to. A plan for more is refused before anything is made.
 *
 *   test_upgrade_scale [NODES PODS]    so many pods of users on each
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/attempt.h"

#define ETCD_BYTES (1536 * 1024)

static const char profile[] = "canarySoak: 1s\n"
			      "settle: 1s\n"
			      "waveSoak: 1s\n"
			      "soak: 1s\n"
			      "prepare: 5s\n"
			      "sampleEvery: 1s\n"
			      "gateTimeout: 120s\n"
			      "waivers:\n"
			      "- {id: map-layout, reason: a test, owner: us, expires: "
			      "\"2100-01-01\"}\n"
			      "- {id: staging-proof, reason: a test, owner: us, expires: "
			      "\"2100-01-01\"}\n";

static size_t bytes_of(const struct doc *d)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(d, DOC_COMPACT, &text);
	return text.len;
}

static size_t copy_bytes(struct attempt *t, const char *when)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *run = stand_in_get(t->world, &a, KIND_SIDESTEP_RUN, NULL, t->session.run);
	size_t all = bytes_of(run), plan = bytes_of(doc_find(run, "spec.plan"));

	printf("%s: %zu KB, of them %zu KB of plan and %zu KB in %zu records\n", when, all / 1024,
	       plan / 1024, bytes_of(doc_find(run, "spec.journal")) / 1024,
	       doc_len(doc_find(run, "spec.journal")));
	return all;
}

/* What a plan reckons with. */
static size_t reckoned(const char *words)
{
	const char *about = strstr(words, "about ");

	assert_non_null(about);
	return (size_t)atol(about + strlen("about ")) * 1024;
}

static const char *size_words(const struct doc *plan, bool *ret_fits)
{
	doc_foreach_item (doc_find(plan, "findings.findings"), f)
		if (str_eq(doc_find_str(f, "id"), "size")) {
			*ret_fits = str_eq(doc_find_str(f, "result"), "pass");
			return doc_find_str(f, "message");
		}
	fail_msg("nothing is said of the size");
	return NULL;
}

/* Of as many nodes as it has time for every day; all sixty are behind `long`. */
static int n_nodes = 12, n_team = 7;

static void there_and_back(struct stand_in *w, const struct doc *plan, size_t most)
{
	static struct attempt t;

	memset(&t, 0, sizeof(t));
	attempt_open(&t, w, "mine", -1);
	attempt_start(&t, plan);
	if (attempt_go(&t) != CLI_WAITING)
		fail_msg("%s", t.said);
	assert_true(copy_bytes(&t, "up") < most);
	attempt_close(&t);
	t.back = true;
	attempt_open(&t, w, "colleague", -1);
	attempt_find(&t, true);
	if (attempt_go(&t) != CLI_OK)
		fail_msg("%s", t.said);
	assert_true(copy_bytes(&t, "up and back") < most);
	attempt_close(&t);
}

TEST(many_nodes_go_up_and_back_within_one_object)
{
	struct stand_in w;
	const struct doc *plan;
	const char *words;
	bool fits;

	stand_in_new_large(&w, (size_t)n_nodes, n_team);
	w.tells_all = true;
	stand_in_tick(&w);
	plan = stand_in_plan(&w, &w.arena, "0.3.0", profile);
	words = size_words(plan, &fits);
	printf("%s\n", words);
	assert_true(fits);
	assert_true(reckoned(words) < ETCD_BYTES * 4 / 5);
	there_and_back(&w, plan, reckoned(words));
	stand_in_free(&w);
}

TEST(a_run_that_could_outgrow_its_object_is_not_begun)
{
	auto_release(strbuf) struct strbuf status = STRBUF_INIT;
	const struct doc *plan;
	struct stand_in w;
	bool fits;

	stand_in_new_small(&w);
	strbuf_adds(&status, "{\"status\": {\"endpoints\": [");
	for (int i = 0; i < 8000; i++)
		strbuf_addf(&status, "%s{\"id\": %d, \"state\": \"ready\"}", i ? "," : "", i);
	strbuf_adds(&status, "]}}");
	stand_in_patch_status(&w, KIND_SIDESTEP_NODE, NULL, "worker-2", strbuf_cstr(&status));
	plan = stand_in_plan(&w, &w.arena, "0.3.0", profile);
	assert_non_null(strstr(size_words(plan, &fits), "8002 endpoints"));
	assert_false(fits);
	assert_int_equal(stand_in_verdict(plan), CLI_BLOCKED);
	stand_in_free(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_nodes_go_up_and_back_within_one_object),
		cmocka_unit_test(a_run_that_could_outgrow_its_object_is_not_begun),
	};

	if (argc > 2) {
		n_nodes = atoi(argv[1]);
		n_team = atoi(argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
