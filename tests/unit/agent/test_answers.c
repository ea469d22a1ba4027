/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to requests: each once, and to the very object that asked. The cluster is what would be
 * written into it, here.
 */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/str.h"
#include "lib/kube/informer.h"

static struct agent agent;
static struct applied applied;
static struct arena arena;
static struct writer_target written;
static unsigned writes, begun;
static const char *how;

/* --- the cluster, and what is done --- */

void writer_write(UNUSED struct writer *w, const struct writer_target *target)
{
	written = *target;
	writes++;
}

struct kube_object *kube_informer_get(UNUSED const struct kube_informer *inf,
				      UNUSED const char *namespace_, UNUSED const char *name)
{
	static struct kube_object there;

	return &there;
}

const char *agent_wall_text(UNUSED const struct agent *which, UNUSED struct arena *a)
{
	return "2026-11-23T12:00:00Z";
}

void connections_answer(UNUSED struct agent *which, UNUSED struct arena *a,
			UNUSED const struct sidestep_request *r, struct sidestep_request_node *node)
{
	begun++;
	node->state = how;
}

bool connections_failed(UNUSED const struct agent *a, UNUSED const struct sidestep_request *r)
{
	return false;
}

/* As it was asked. */
bool connections_kept(UNUSED const struct agent *which, UNUSED const struct sidestep_request *r)
{
	return true;
}

/* --- */

static void ask(enum sidestep_request_kind kind, const char *uid, int64_t generation)
{
	static struct sidestep_request r;

	r = (struct sidestep_request){.meta = {.name = "down", .generation = generation},
				      .kind = kind};
	r.meta.uid = uid;
	applied.input.requests = &r;
	applied.input.n_requests = 1;
	writes = begun = 0;
	publish_requests(&agent);
}

static struct doc *object(const char *uid)
{
	struct doc *d = doc_map(&arena), *meta = doc_set_map(&arena, d, "metadata");

	doc_set_string(&arena, meta, "name", "down");
	doc_set_string(&arena, meta, "uid", uid);
	return d;
}

static const struct doc *said(const struct doc *d)
{
	return doc_at(doc_find(d, "status.nodes"), 0);
}

static void begin(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.options.node = "n1";
	agent.applied = &applied;
	map_init(&agent.answers);
}

static void end(void)
{
	publish_stop(&agent);
	arena_release(&arena);
}

TEST(a_request_made_again_is_answered_again)
{
	struct doc *d;

	begin();
	how = "done";
	ask(REQUEST_PREPARE, "u1", 1);
	assert_int_equal(begun, 1);
	assert_int_equal(writes, 1);
	d = object("u1");
	assert_true(written.change(written.arg, &arena, d));
	assert_string_equal(doc_find_str(said(d), "state"), "done");
	assert_false(written.change(written.arg, &arena, d)); /* it stands there */
	ask(REQUEST_PREPARE, "u1", 1);
	assert_int_equal(begun, 0);
	assert_int_equal(writes, 0);
	/* Deleted and made again, before anybody looked in between. What was said to the first is
	 * no answer to the second. */
	d = object("u2");
	assert_false(written.change(written.arg, &arena, d));
	assert_null(said(d));
	ask(REQUEST_PREPARE, "u2", 1);
	assert_int_equal(begun, 1);
	assert_int_equal(writes, 1);
	assert_true(written.change(written.arg, &arena, d));
	assert_string_equal(doc_find_str(said(d), "state"), "done");
	end();
}

TEST(what_is_under_way_is_asked_again_and_told_when_it_differs)
{
	begin();
	how = "active";
	ask(REQUEST_FINALIZE, "u1", 1);
	assert_int_equal(writes, 1);
	ask(REQUEST_FINALIZE, "u1", 1);
	assert_int_equal(begun, 1);
	assert_int_equal(writes, 0);
	how = "done";
	ask(REQUEST_FINALIZE, "u1", 1);
	assert_int_equal(writes, 1);
	end();
}

/* More than one answer may name: how many there are is said all the same. */
TEST(an_audit_says_how_many_it_is_about)
{
	enum { PODS = 600 };
	static char namespace[] = "shop", pod[] = "checkout-6d5f7c9b4-x2x7k-0123456789-0123456789",
		    uid[] = "0b8d2b0c-6f0e-4a57-9d1f-3c7f1f3f9a11";
	struct agent_ep *eps = calloc(PODS, sizeof(*eps));
	struct doc *d = object("u1");

	begin();
	for (uint32_t i = 0; i < PODS; i++) {
		eps[i] = (struct agent_ep){
			.id = i + 2, .namespace = namespace, .pod = pod, .uid = uid};
		vec_push(&agent.endpoints.list, &eps[i]);
	}
	ask(REQUEST_AUDIT, "u1", 1);
	assert_true(written.change(written.arg, &arena, d));
	assert_int_equal(doc_find_int(said(d), "selected", 0), PODS);
	assert_int_equal(doc_find_int(said(d), "omitted", 0), PODS - REQUEST_MAX_SOME);
	assert_string_equal(doc_find_str(doc_at(doc_get(said(d), "endpoints"), 0), "uid"), uid);
	vec_release(&agent.endpoints.list);
	free(eps);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_made_again_is_answered_again),
		cmocka_unit_test(what_is_under_way_is_asked_again_and_told_when_it_differs),
		cmocka_unit_test(an_audit_says_how_many_it_is_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
