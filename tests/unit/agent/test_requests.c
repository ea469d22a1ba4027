/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepare and Finalize as an agent answers them: tried again when they fail, done as long as it is
 * so, and of two that contradict each other the newer. The kernel side and the API server are
 * played, time is a fake clock.
 */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

enum { MOST = 4 };
#define A_WHILE (10 * 60 * NS_PER_S)

static struct kernel {
	unsigned older, steps; /* steps: of a copy, that are left */
	int code;              /* that prepare and finalize end with */
	unsigned prepared, finalized;
} kernel;

static struct arena arena;
static struct doc *objects[MOST]; /* the cluster's requests */
static struct sidestep_request decoded[MOST];
static struct fake_clock fake;
static struct agent agent;

/* --- the kernel side --- */

void __wrap_datapath_conntrack(const struct datapath *dp, struct datapath_conntrack *ret);
void __wrap_datapath_conntrack(UNUSED const struct datapath *dp, struct datapath_conntrack *ret)
{
	*ret = (struct datapath_conntrack){.layout = 2,
					   .older = kernel.older,
					   .remaining = kernel.steps,
					   .copying = kernel.steps > 0};
}

void __wrap_datapath_conntrack_count(struct datapath *dp);
void __wrap_datapath_conntrack_count(UNUSED struct datapath *dp)
{
}

int __wrap_datapath_conntrack_step(struct datapath *dp, bool *ret_more, struct error *err);
int __wrap_datapath_conntrack_step(UNUSED struct datapath *dp, bool *ret_more,
				   UNUSED struct error *err)
{
	kernel.steps -= kernel.steps > 0;
	*ret_more = kernel.steps > 0;
	return 0;
}

int __wrap_datapath_prepare(struct datapath *dp, unsigned layout, struct error *err);
int __wrap_datapath_prepare(UNUSED struct datapath *dp, unsigned layout, struct error *err)
{
	if (layout == 2)
		return 0;
	if (layout > 2)
		return error_set(err, -EOPNOTSUPP, "no such layout");
	kernel.prepared++;
	if (kernel.code)
		return error_set(err, kernel.code, "no room");
	kernel.older = 1;
	kernel.steps = 3;
	return 0;
}

int __wrap_datapath_finalize(struct datapath *dp, struct error *err);
int __wrap_datapath_finalize(UNUSED struct datapath *dp, struct error *err)
{
	kernel.finalized++;
	if (kernel.code)
		return error_set(err, kernel.code, "no room");
	kernel.older = kernel.steps = 0;
	return 0;
}

/* --- the cluster --- */

static int index_of(const char *name)
{
	for (int i = 0; i < MOST; i++)
		if (objects[i] && str_eq(kube_name(objects[i]), name))
			return i;
	return -1;
}

/* As the agent's informers have it. */
static void look(void)
{
	struct mesh_input *in = &agent.applied->input;
	struct error err = ERROR_INIT;

	in->requests = decoded;
	in->n_requests = 0;
	memset(decoded, 0, sizeof(decoded));
	for (int i = 0; i < MOST; i++)
		if (objects[i] && object_decode(&arena, &sidestep_request_table, objects[i],
						&decoded[in->n_requests++], &err))
			fail_msg("%s", err.msg);
	jobs_soon(&agent);
}

void __wrap_writer_write(struct writer *w, const struct writer_target *t);
void __wrap_writer_write(UNUSED struct writer *w, const struct writer_target *t)
{
	int i = index_of(t->name);
	struct doc *changed = i < 0 ? NULL : doc_clone(&arena, objects[i]);

	if (!changed || !t->change(t->arg, &arena, changed))
		return;
	objects[i] = changed;
	jobs_soon(&agent);
}

struct kube_object *__wrap_kube_informer_get(const struct kube_informer *informer, const char *ns,
					     const char *name);
struct kube_object *__wrap_kube_informer_get(UNUSED const struct kube_informer *informer,
					     UNUSED const char *ns, const char *name)
{
	static struct kube_object some;

	return index_of(name) < 0 ? NULL : &some;
}

/* made: second of its creation. */
static void put(const char *name, const char *kind, int made, int layout)
{
	static int uid;
	const char *text = arena_printf(
		&arena,
		"{\"apiVersion\": \"sidestep.dev/v1alpha1\", \"kind\": \"SidestepRequest\", "
		"\"metadata\": {\"name\": \"%s\", \"uid\": \"u%d\", \"generation\": 1, "
		"\"creationTimestamp\": "
		"\"2026-11-23T10:00:%02dZ\"}, \"spec\": {\"kind\": \"%s\", \"layout\": %d}}",
		name, ++uid, made, kind, layout);
	struct error err = ERROR_INIT;

	for (int i = 0; i < MOST; i++) {
		if (objects[i])
			continue;
		if (doc_read_json(&arena, text, strlen(text), NULL, &objects[i], &err))
			fail_msg("%s", err.msg);
		look();
		return;
	}
	fail_msg("too many requests");
}

static void take(const char *name)
{
	objects[index_of(name)] = NULL;
	look();
}

static const struct doc *answer_to(const char *name)
{
	const struct doc *nodes = doc_find(objects[index_of(name)], "status.nodes");

	assert_int_equal(doc_len(nodes), 1);
	return doc_at(nodes, 0);
}

static void expect(const char *name, const char *state, const char *says)
{
	const struct doc *d = answer_to(name);
	const char *message = str_or_empty(doc_find_str(d, "message"));

	if (!str_eq(doc_find_str(d, "state"), state) || !strstr(message, says))
		fail_msg("%s: wanted %s, '%s', and it is %s, '%s'", name, state, says,
			 str_or_empty(doc_find_str(d, "state")), message);
}

/* --- the agent --- */

static void on_jobs(void *arg)
{
	look();
	loop_timer_stop(agent.jobs_timer);
	publish_requests(arg);
}

static void nothing(UNUSED void *arg)
{
}

static void agent_begins(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.clock = &fake.clock;
	agent.log = (struct log){stderr, LOG_LEVEL_ERROR, false, "test", agent.clock};
	agent.loop = loop_new(agent.clock);
	agent.options.node = "n1";
	agent.options.resync_delay = NS_PER_MS;
	agent.applied = xcalloc(1, sizeof(*agent.applied));
	map_init(&agent.answers);
	agent.jobs_timer = loop_timer_new(agent.loop, on_jobs, &agent);
	agent.publish_timer = loop_timer_new(agent.loop, nothing, &agent);
	connections_start(&agent);
	look();
}

static void agent_ends(void)
{
	publish_stop(&agent);
	connections_stop(&agent);
	loop_timer_free(agent.jobs_timer);
	loop_timer_free(agent.publish_timer);
	loop_free(agent.loop);
	free(agent.applied);
}

static void agent_starts_anew(void)
{
	agent_ends();
	agent_begins();
}

static void wait_for(uint64_t ns)
{
	loop_advance(agent.loop, &fake, ns);
}

static int begin(UNUSED void **state)
{
	kernel = (struct kernel){0};
	memset(objects, 0, sizeof(objects));
	agent_begins();
	return 0;
}

static int end(UNUSED void **state)
{
	agent_ends();
	arena_release(&arena);
	return 0;
}

TEST(a_prepare_is_begun_once_and_done_when_everything_is_copied)
{
	put("p", "Prepare", 1, 1);
	wait_for(2 * NS_PER_MS);
	expect("p", "active", "rows copied");
	wait_for(A_WHILE);
	expect("p", "done", "");
	assert_int_equal(kernel.prepared, 1);
	agent_starts_anew();
	wait_for(A_WHILE);
	assert_int_equal(kernel.prepared, 1);
	/* For another one what there is is copied again: the older map forgets by its own use. */
	put("again", "Prepare", 2, 0);
	wait_for(2 * NS_PER_MS);
	expect("again", "active", "rows copied");
	wait_for(A_WHILE);
	expect("again", "done", "");
	expect("p", "done", "");
	assert_int_equal(kernel.prepared, 2);
}

TEST(two_that_ask_the_same_do_not_begin_each_others_copy_anew)
{
	put("p", "Prepare", 1, 1);
	put("again", "Prepare", 1, 1);
	wait_for(A_WHILE);
	expect("p", "done", "");
	expect("again", "done", "");
	assert_true(kernel.prepared <= 2);
}

TEST(what_failed_is_tried_again)
{
	static const char *const kinds[] = {"Prepare", "Finalize"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned *tried = i ? &kernel.finalized : &kernel.prepared;

		put("x", kinds[i], 1, 1);
		kernel.code = -ENOMEM;
		wait_for(NS_PER_S);
		expect("x", "failed", "no room; it is tried again");
		wait_for(A_WHILE);
		expect("x", "failed", "no room; it is tried again");
		assert_true(*tried > 5 && *tried < 20);
		assert_string_equal(agent.connections.failure.error, "no room");
		assert_int_equal(agent.connections.failure.times, *tried);
		agent_starts_anew();
		wait_for(NS_PER_S);
		expect("x", "failed", "no room; it is tried again");
		kernel.code = 0;
		wait_for(A_WHILE);
		expect("x", "done", "");
		assert_null(agent.connections.failure.error);
		take("x");
	}
}

/* Gates look at what is failing: nothing is, when the request has gone or a newer one is done. */
TEST(what_nobody_wants_any_more_does_not_fail)
{
	kernel.code = -ENOMEM;
	put("p", "Prepare", 1, 1);
	put("f", "Finalize", 1, 1); /* as old: it is overtaken */
	wait_for(NS_PER_S);
	assert_non_null(agent.connections.failure.error);
	take("p");
	put("odd", "Prepare", 2, 7);
	wait_for(NS_PER_S);
	assert_null(agent.connections.failure.error);
	take("odd");
	wait_for(NS_PER_S);
	expect("f", "failed", "no room; it is tried again");
	assert_non_null(agent.connections.failure.error);
	kernel.older = 1;
	put("kept", "Prepare", 2, 2);
	wait_for(NS_PER_S);
	expect("kept", "done", "");
	assert_null(agent.connections.failure.error);
}

TEST(two_that_fail_wait_together)
{
	kernel.code = -ENOMEM;
	put("p", "Prepare", 1, 1);
	put("p2", "Prepare", 1, 0);
	put("odd", "Prepare", 1, 7);
	wait_for(A_WHILE);
	expect("p", "failed", "no room; it is tried again");
	expect("p2", "failed", "no room; it is tried again");
	assert_true(kernel.prepared > 5 && kernel.prepared < 20);
	take("odd");
	kernel.code = 0;
	wait_for(A_WHILE);
	expect("p", "done", "");
	expect("p2", "done", "");
}

TEST(what_a_version_cannot_do_is_left_to_the_next)
{
	put("p", "Prepare", 1, 1);
	kernel.code = -EOPNOTSUPP;
	wait_for(A_WHILE);
	expect("p", "failed", "no room");
	assert_null(strstr(doc_find_str(answer_to("p"), "message"), "again"));
	kernel.code = 0;
	agent_starts_anew();
	wait_for(A_WHILE);
	expect("p", "done", "");
}

TEST(a_finalize_waits_for_a_copy)
{
	put("f", "Finalize", 1, 0);
	kernel.older = 1;
	kernel.steps = 5;
	kernel.code = -EBUSY;
	wait_for(4 * NS_PER_MS);
	expect("f", "active", "no room");
	kernel.code = 0;
	wait_for(NS_PER_S); /* the end of the copy is what it waits for */
	expect("f", "done", "");
}

TEST(another_one_of_the_same_name_is_another_one)
{
	for (int i = 1; i < 4; i++) {
		kernel.older = 1;
		put("f", "Finalize", 1, 0);
		wait_for(A_WHILE);
		expect("f", "done", "");
		assert_int_equal(kernel.finalized, i);
		take("f");
	}
}

TEST(another_prepare_of_the_same_name_is_another_one)
{
	put("p", "Prepare", 1, 7);
	wait_for(A_WHILE);
	expect("p", "failed", "no such layout");
	for (unsigned i = 1; i < 3; i++) {
		take("p");
		put("p", "Prepare", 1, 1);
		wait_for(2 * NS_PER_MS);
		expect("p", "active", "rows copied");
		wait_for(A_WHILE);
		expect("p", "done", "");
		assert_int_equal(kernel.prepared, i);
	}
}

TEST(a_prepare_is_done_as_long_as_it_is_so)
{
	put("p", "Prepare", 1, 1);
	wait_for(A_WHILE);
	expect("p", "done", "");
	kernel.older = 0; /* the machine was started anew */
	agent_starts_anew();
	wait_for(2 * NS_PER_MS);
	expect("p", "active", "rows copied");
	wait_for(A_WHILE);
	expect("p", "done", "");
	assert_int_equal(kernel.prepared, 2);
	/* Of our own layout there is always everything. */
	kernel.older = 0;
	take("p");
	put("own", "Prepare", 2, 2);
	wait_for(A_WHILE);
	expect("own", "done", "");
	assert_int_equal(kernel.prepared, 2);
}

TEST(of_two_that_contradict_each_other_the_newer_is_done)
{
	put("p", "Prepare", 1, 1);
	wait_for(A_WHILE);
	put("f", "Finalize", 2, 0);
	wait_for(A_WHILE);
	expect("f", "done", "");
	expect("p", "failed", "not done: the Finalize of request f is newer");
	agent_starts_anew();
	wait_for(A_WHILE);
	assert_int_equal(kernel.older, 0);
	assert_int_equal(kernel.prepared, 1);
	assert_int_equal(kernel.finalized, 1);
	/* Asked anew, after all: what was finalised is not so again when that goes. */
	put("p2", "Prepare", 3, 1);
	wait_for(A_WHILE);
	expect("p2", "done", "");
	expect("f", "done", "");
	assert_int_equal(kernel.older, 1);
	assert_int_equal(kernel.finalized, 1);
	take("p2");
	wait_for(A_WHILE);
	assert_int_equal(kernel.older, 1);
	assert_int_equal(kernel.finalized, 1);
}

TEST(in_the_same_second_the_one_that_can_be_taken_back_is_done)
{
	kernel.older = 1;
	put("f", "Finalize", 1, 0);
	put("p", "Prepare", 1, 1);
	wait_for(A_WHILE);
	expect("p", "done", "");
	expect("f", "failed", "not done: the Prepare of request p is newer");
	assert_int_equal(kernel.finalized, 0);
	take("p");
	wait_for(A_WHILE);
	expect("f", "done", "");
	assert_int_equal(kernel.older, 0);
}

TEST(one_that_names_too_many_nodes_is_not_done)
{
	for (size_t most = REQUEST_MAX_NODES; most <= REQUEST_MAX_NODES + 1; most++) {
		struct doc *nodes;

		kernel = (struct kernel){0};
		put("p", "Prepare", 1, 1);
		nodes = doc_set_list(&arena, doc_set_map(&arena, objects[index_of("p")], "spec"),
				     "nodes");
		while (doc_len(nodes) < most)
			doc_append(&arena, nodes, doc_string(&arena, "n1"));
		wait_for(NS_PER_S);
		assert_int_equal(kernel.prepared, most == REQUEST_MAX_NODES);
		take("p");
	}
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		ROW(a_prepare_is_begun_once_and_done_when_everything_is_copied),
		ROW(two_that_ask_the_same_do_not_begin_each_others_copy_anew),
		ROW(what_failed_is_tried_again),
		ROW(what_nobody_wants_any_more_does_not_fail),
		ROW(two_that_fail_wait_together),
		ROW(what_a_version_cannot_do_is_left_to_the_next),
		ROW(a_finalize_waits_for_a_copy),
		ROW(another_one_of_the_same_name_is_another_one),
		ROW(another_prepare_of_the_same_name_is_another_one),
		ROW(a_prepare_is_done_as_long_as_it_is_so),
		ROW(one_that_names_too_many_nodes_is_not_done),
		ROW(of_two_that_contradict_each_other_the_newer_is_done),
		ROW(in_the_same_second_the_one_that_can_be_taken_back_is_done),
	};

	fake_clock_init(&fake, 1795428000LL * (int64_t)NS_PER_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
