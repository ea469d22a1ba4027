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

/* A pod was made again under its name, and the endpoint of the one before is still there. */
TEST(who_is_selected_is_told_by_uid)
{
	static char uid[] = "u2", other[] = "u9";
	struct sidestep_endpoint endpoints[] = {
		{.namespace = "shop", .pod = "web", .uid = "u1"},
		{.namespace = "shop", .pod = "web", .uid = "u2"},
		{.namespace = "shop", .pod = "web"}, /* not told: by its name */
		{.namespace = "shop", .pod = "cart", .uid = "u2"},
		{.namespace = "bank", .pod = "web", .uid = "u2"},
	};
	struct sidestep_node n = {.endpoints = endpoints, .n_endpoints = ARRAY_SIZE(endpoints)};
	struct map uids = MAP_INIT;

	map_set(&uids, "shop/web", uid);
	map_set(&uids, "shop/none", other);
	assert_int_equal(regenerate_count(&n, NULL, &uids), 2);
	assert_int_equal(regenerate_count(&n, "bank", &uids), 0);
	assert_int_equal(regenerate_count(&n, "shop", NULL), 4);
	assert_int_equal(regenerate_count(&n, NULL, NULL), 5);
	assert_int_equal(regenerate_count(NULL, NULL, NULL), 0);
	map_release(&uids);
}

static struct doc *answer_of(size_t node, size_t n_endpoints, bool failed)
{
	struct sidestep_request_endpoint *e =
		arena_array(&arena, n_endpoints, struct sidestep_request_endpoint);
	static const char *rows[REQUEST_MAX_CORRUPTED_ROWS];
	char long_text[SIDESTEP_MAX_ERROR] = {0};
	struct sidestep_request_node n = {
		.node = arena_printf(&arena, "ip-10-131-%zu-%zu.eu-central-1.compute.internal",
				     node / 250, node % 250),
		.state = "failed",
		.observed_generation = 1,
		.updated = "2026-11-23T12:00:00Z",
		.message = failed ? "110 of 110 endpoints failed" : NULL,
		.selected = {true, 110},
		.regenerated = {true, 110},
		.failed = {true, failed ? 110 : 0},
		.repaired = {true, 0},
		.duration_ms = {true, 1234},
		.endpoints = e,
		.n_endpoints = n_endpoints};

	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < REQUEST_MAX_CORRUPTED_ROWS; i++)
		rows[i] = "policy: set 3 identity 300 port 8080/TCP was missing";
	for (size_t i = 0; i < n_endpoints; i++) {
		e[i] = (struct sidestep_request_endpoint){.id = (int64_t)i + 2,
							  .namespace = "payments",
							  .pod = "checkout-6d5f7c9b4-x2x7k",
							  .uid = "0b8d2b0c-6f0e-4a57-9d1f-"
								 "3c7f1f3f9a11",
							  .generation_before = 4,
							  .generation_after = 5,
							  .duration_ms = {true, 3}};
		if (!failed)
			continue;
		e[i].error = arena_strdup(&arena, long_text);
		e[i].corrupted = 9;
		e[i].corrupted_rows = (struct strings){rows, REQUEST_MAX_CORRUPTED_ROWS};
	}
	return bind_encode(&arena, &sidestep_request_node_table, &n);
}

static size_t json_bytes(const struct doc *d)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n;

	doc_write_json(d, DOC_COMPACT, &sb);
	n = sb.len;
	strbuf_release(&sb);
	return n;
}

/* What etcd takes of one object, less the names of as many nodes and the server's own fields. */
#define MOST_BYTES ((1536u - 280u) << 10)

/* The largest cluster there is, with everything well and with everything failing. */
TEST(five_thousand_nodes_fit_into_one_object)
{
	for (int failed = 0; failed < 2; failed++) {
		size_t bytes = 0, named = 0, node = 0;
		struct doc *item;

		/* From the first node on that names nobody, all are alike but for longer names. */
		do {
			item = answer_of(node++, 110, failed);
			regenerate_trim(&arena, item, bytes);
			bytes += json_bytes(item) + 1;
			named += doc_len(doc_get(item, "endpoints"));
			assert_int_equal(doc_len(doc_get(item, "endpoints")) +
						 (size_t)doc_find_int(item, "omitted", 0),
					 110);
			if (node == 1)
				assert_int_equal(named, failed ? REQUEST_MAX_SOME : 110);
		} while (doc_get(item, "endpoints") && node < REQUEST_MAX_NODES);
		assert_true(node < REQUEST_MAX_NODES / 10);
		bytes += (REQUEST_MAX_NODES - node) * (json_bytes(item) + 4);
		if (bytes > MOST_BYTES)
			fail_msg("%zu bytes", bytes);
		arena_release(&arena);
	}
}

/* Of an audit all are alike: it is said how many there are, and the first are named. */
TEST(an_audit_that_is_cut_says_so)
{
	struct doc *item = answer_of(1, 40, false);

	doc_del(item, "regenerated");
	regenerate_trim(&arena, item, REQUEST_NAME_ALL_BYTES);
	assert_int_equal(doc_len(doc_get(item, "endpoints")), REQUEST_MAX_SOME);
	assert_int_equal(doc_find_int(item, "omitted", 0), 40 - REQUEST_MAX_SOME);
	regenerate_trim(&arena, item, REQUEST_NAME_SOME_BYTES);
	assert_null(doc_get(item, "endpoints"));
	assert_int_equal(doc_find_int(item, "omitted", 0), 40);
	assert_int_equal(doc_find_int(item, "selected", 0), 110);
	arena_release(&arena);
}

TEST(who_failed_is_named_longer_than_who_did_not)
{
	struct doc *item = answer_of(1, 3, false);
	struct doc *endpoints = doc_get(item, "endpoints");

	doc_set_string(&arena, doc_at(endpoints, 1), "error", "refused");
	regenerate_trim(&arena, item, REQUEST_NAME_ALL_BYTES);
	assert_int_equal(doc_len(doc_get(item, "endpoints")), 1);
	assert_string_equal(doc_find_str(doc_at(doc_get(item, "endpoints"), 0), "error"),
			    "refused");
	assert_int_equal(doc_find_int(item, "omitted", 0), 2);
	regenerate_trim(&arena, item, REQUEST_NAME_SOME_BYTES);
	assert_null(doc_get(item, "endpoints"));
	assert_int_equal(doc_find_int(item, "omitted", 0), 3);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_taken_in_order),
		cmocka_unit_test(counts_are_added_up),
		cmocka_unit_test(five_thousand_nodes_fit_into_one_object),
		cmocka_unit_test(who_is_selected_is_told_by_uid),
		cmocka_unit_test(an_audit_that_is_cut_says_so),
		cmocka_unit_test(who_failed_is_named_longer_than_who_did_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
