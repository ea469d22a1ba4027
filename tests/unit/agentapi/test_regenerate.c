/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is in a regeneration, and how it stands. */
#include "tests/support/test.h"

#include <string.h>

#include "lib/agentapi/regenerate.h"
#include "lib/base/str.h"

static struct arena arena;

static const struct doc *yaml(const char *text)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&arena, text, strlen(text), "test.yaml", &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s.docs[0];
}

/* Nodes c, a, b and d, of which d is not ready. */
static size_t nodes(struct node ret[4])
{
	static const char *const text[] = {
		"{metadata: {name: c}}",
		"{metadata: {name: a}, status: {conditions: [{type: Ready, status: 'True'}]}}",
		"{metadata: {name: b}}",
		"{metadata: {name: d}, status: {conditions: [{type: Ready, status: Unknown}]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(text); i++)
		assert_int_equal(node_decode(&arena, yaml(text[i]), &ret[i], NULL), 0);
	return ARRAY_SIZE(text);
}

static void job_of(const char *spec, const char *status, struct regenerate_job *job)
{
	struct node items[4];
	struct sidestep_request r;
	struct error err = ERROR_INIT;
	size_t n = nodes(items);

	if (sidestep_request_decode(
		    &arena,
		    yaml(arena_printf(&arena,
				      "{metadata: {name: r, generation: 2}, spec: "
				      "{kind: Regenerate, %s}, status: {nodes: [%s]}}",
				      spec, status)),
		    &r, &err) < 0)
		fail_msg("%s", err.msg);
	regenerate_job(&arena, &r, items, n, job);
}

/* "a b! -c": in order of turns; ! is due, - is ended. */
static const char *turns(const struct regenerate_job *job)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < job->n_turns; i++) {
		const struct regenerate_turn *t = &job->turns[i];

		strbuf_addf(&sb, "%s%s%s%s%s", i ? " " : "", t->state >= REGENERATE_DONE ? "-" : "",
			    t->node, t->due ? "!" : "", t->state == REGENERATE_RUNNING ? "~" : "");
	}
	text = arena_strdup(&arena, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

#define ANSWER(node, state, failed)                                                                \
	"{node: " #node ", state: " #state ", observedGeneration: 2, selected: 3, regenerated: "   \
	"2, failed: " #failed "}"

static const struct {
	const char *spec, *status, *turns;
	bool too_many, over;
} cases[] = {
	{"nodes: []", "", "a! b c d", false, false},
	{"nodes: []", ANSWER(a, running, 0), "a~ b c d", false, false},
	{"nodes: []", ANSWER(a, done, 0), "-a b! c d", false, false},
	{"maxParallel: 2", ANSWER(a, running, 0), "a~ b! c d", false, false},
	{"maxParallel: 3", "", "a! b! c! d", false, false},
	/* Who is not ready is not waited for, and comes when it comes. */
	{"nodes: [d, c]", "", "d! c!", false, false},
	{"nodes: [d, c]", ANSWER(c, done, 0), "d! -c", false, true},
	{"nodes: [d, c]", ANSWER(d, running, 0), "d~ c", false, false},
	{"nodes: [x, c]", "", "x c!", false, false},
	{"nodes: [x, c]", ANSWER(c, stopped, 1), "x -c", true, true},
	/* Too many failed: the others say so in their turn. */
	{"nodes: [a, b]", ANSWER(a, failed, 1), "-a b!", true, false},
	{"nodes: [a, b], maxFailed: 1", ANSWER(a, failed, 1), "-a b!", false, false},
	{"nodes: [a, b]", ANSWER(a, failed, 1) ", " ANSWER(b, stopped, 0), "-a -b", true, true},
	/* What was said of an earlier generation of the request is no answer to this one. */
	{"nodes: [a]", "{node: a, state: done, observedGeneration: 1}", "a!", false, false},
};

TEST(turns_are_taken_in_order)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct regenerate_job job;

		job_of(cases[i].spec, cases[i].status, &job);
		if (!str_eq(turns(&job), cases[i].turns) || job.too_many != cases[i].too_many ||
		    job.over != cases[i].over)
			fail_msg("case %zu: %s, too many %d, over %d", i, turns(&job), job.too_many,
				 job.over);
		arena_release(&arena);
	}
}

TEST(counts_are_added_up)
{
	struct regenerate_job job;

	job_of("nodes: [a, b, c]",
	       ANSWER(a, done, 0) ", {node: b, state: failed, observedGeneration: 2, endpoints: "
				  "[{id: 2, error: refused}, {id: 3, corrupted: 2}]}",
	       &job);
	assert_int_equal(job.selected, 5);
	assert_int_equal(job.regenerated, 3);
	assert_int_equal(job.failed, 1);
	assert_int_equal(job.repaired, 1);
	assert_int_equal(job.n_states[REGENERATE_PENDING], 1);
	assert_int_equal(job.n_states[REGENERATE_FAILED], 1);
	assert_string_equal(regenerate_turn_of(&job, "b")->answer->node, "b");
	assert_null(regenerate_turn_of(&job, "z"));
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_taken_in_order),
		cmocka_unit_test(counts_are_added_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
