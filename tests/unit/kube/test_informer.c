/* SPDX-License-Identifier: Apache-2.0 */
/* The informer against a scripted server; back-offs run on a fake clock. */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "lib/kube/informer.h"
#include "lib/object/pod.h"
#include "tests/unit/kube/scripted.h"

#define POD(name, version)                                                                         \
	"{\"metadata\":{\"namespace\":\"n\",\"name\":\"" name "\",\"uid\":\"u" name                \
	"\",\"resourceVersion\":\"" version "\",\"managedFields\":[1]}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(version, items)                                                                       \
	"{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define END_MARK(version)                                                                          \
	EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version                          \
			  "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}")
#define GONE EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}")

struct bench {
	struct fake_clock clock;
	struct scripted s;
	struct kube_informer *inf;
	char log[512];
	int synced;
};

static void on_change(void *arg, enum kube_change change, const struct kube_object *old,
		      const struct kube_object *now)
{
	struct bench *b = arg;
	size_t n = strlen(b->log);
	const struct kube_object *o = now ? now : old;

	assert_true((change == KUBE_ADDED) == !old);
	assert_true((change == KUBE_DELETED) == !now);
	assert_null(doc_find(o->doc, "metadata.managedFields"));
	assert_string_equal(doc_find_str(o->doc, "kind"), "Pod");
	snprintf(b->log + n, sizeof(b->log) - n, "%c%s@%s ", "+~-"[change], o -> name,
		 o -> resource_version);
}

static void on_synced(void *arg)
{
	((struct bench *)arg)->synced++;
}

static void begin(struct bench *b, const struct scripted_answer *answers, size_t n,
		  const struct kube_informer_options *extra)
{
	static const struct kube_informer_handlers handlers = {on_change, on_synced};
	struct kube_informer_options o = extra ? *extra : (struct kube_informer_options){0};

	memset(b, 0, sizeof(*b));
	fake_clock_init(&b->clock, 0);
	scripted_start(&b->s, &b->clock.clock, NULL, answers, n);
	o.kind = object_kind(KIND_POD);
	o.seed = 1;
	b->inf = kube_informer_new(b->s.client, &o, &handlers, b);
}

/* Turns the loop until the log is want; time moves by steps when nothing happens by itself. */
static void until(struct bench *b, const char *want, uint64_t step_ns)
{
	for (int i = 0; i < 20000 && strcmp(b->log, want) != 0; i++) {
		loop_turn(b->s.loop, false, NULL);
		if (step_ns)
			loop_advance(b->s.loop, &b->clock, step_ns);
	}
	assert_string_equal(b->log, want);
}

static void until_requests(struct bench *b, size_t n, uint64_t step_ns)
{
	for (int i = 0; i < 20000 && b->s.next < n; i++) {
		loop_turn(b->s.loop, false, NULL);
		if (step_ns)
			loop_advance(b->s.loop, &b->clock, step_ns);
	}
	assert_int_equal(b->s.next, n);
}

static void end(struct bench *b)
{
	kube_informer_free(b->inf);
	scripted_stop(&b->s);
}

TEST(watch_list_then_changes)
{
	static const struct scripted_answer answers[] = {
		{.expect = "sendInitialEvents=true",
		 .stream = true,
		 .body = EVENT("ADDED", POD("a", "1")) EVENT("ADDED", POD("b", "2")) END_MARK("5")
			 EVENT("MODIFIED", POD("a", "6")) EVENT("DELETED", POD("b", "7"))},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), NULL);
	until(&b, "+a@1 +b@2 ~a@6 -b@7 ", 0);
	assert_int_equal(b.synced, 1);
	assert_int_equal(kube_informer_count(b.inf), 1);
	assert_string_equal(kube_informer_get(b.inf, "n", "a")->key, "n/a");
	end(&b);
}

TEST(a_server_without_watch_list_is_listed)
{
	static const struct scripted_answer answers[] = {
		{.expect = "sendInitialEvents", .status = 422, .body = "{}"},
		{.expect = "limit=500", .status = 200, .body = LIST("9", POD("a", "1"))},
		{.expect = "resourceVersion=9",
		 .stream = true,
		 .body = EVENT("ADDED", POD("b", "10"))},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), NULL);
	until(&b, "+a@1 +b@10 ", 0);
	assert_int_equal(b.synced, 1);
	end(&b);
}

/* As an API server on an old etcd does. */
TEST(a_watch_list_refused_inside_the_stream_is_listed)
{
	static const struct scripted_answer answers[] = {
		{.stream = true,
		 .end = true,
		 .body = EVENT("ERROR", "{\"code\":500,\"message\":\"RequestWatchProgress\"}")},
		{.expect = "limit=500", .status = 200, .body = LIST("9", POD("a", "1"))},
		{.expect = "resourceVersion=9", .stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), NULL);
	until(&b, "+a@1 ", 0);
	end(&b);
}

TEST(a_server_that_ignores_watch_list_is_listed_after_a_while)
{
	static const struct scripted_answer answers[] = {
		{.expect = "sendInitialEvents",
		 .stream = true,
		 .body = EVENT("ADDED", POD("x", "1"))},
		{.expect = "limit=500", .status = 200, .body = LIST("9", POD("a", "1"))},
		{.expect = "resourceVersion=9", .stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), NULL);
	until(&b, "+x@1 +a@1 -x@1 ", NS_PER_S);
	assert_int_equal(b.synced, 1);
	end(&b);
}

TEST(after_410_the_difference_is_told)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 200,
		 .body = LIST("5", POD("a", "1") "," POD("b", "2") "," POD("c", "3"))},
		{.expect = "resourceVersion=5", .stream = true, .body = GONE},
		{.expect = "limit=500",
		 .status = 200,
		 .body = LIST("20", POD("a", "1") "," POD("b", "12") "," POD("d", "13"))},
		{.expect = "resourceVersion=20", .stream = true, .body = ""},
		{0},
	};
	struct bench b;

	begin(&b, answers, 4, &plain);
	until(&b, "+a@1 +b@2 +c@3 ~b@12 +d@13 -c@3 ", 100 * NS_PER_MS);
	assert_int_equal(b.synced, 1);
	end(&b);
}

TEST(a_cut_watch_goes_on_from_the_last_version)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true,
		 .body = EVENT("MODIFIED", POD("a", "6"))
			 EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"8\"}}")},
		{.abort = true},
		{.status = 500, .body = ""},
		{.expect = "resourceVersion=8",
		 .stream = true,
		 .body = EVENT("ADDED", POD("b", "9"))},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until(&b, "+a@1 ~a@6 ", 0);
	http_exchange_abort(b.s.open);
	until(&b, "+a@1 ~a@6 +b@9 ", 50 * NS_PER_MS);
	end(&b);
}

/* A server that is restarted now and then is no worse each time, however little happens in between.
 */
TEST(a_quiet_watch_ends_a_row_of_failures)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true, .body = ""},
		{.stream = true, .body = ""},
		{.stream = true, .body = ""},
		{.stream = true, .body = ""},
		{.stream = true, .body = ""},
		{.stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until_requests(&b, 2, 0);
	for (size_t n = 3; n <= ARRAY_SIZE(answers); n++) {
		uint64_t cut;

		loop_advance(b.s.loop, &b.clock, 10 * NS_PER_S);
		for (int i = 0; i < 200; i++)
			loop_turn(b.s.loop, false, NULL);
		http_exchange_abort(b.s.open);
		for (int i = 0; i < 200; i++)
			loop_turn(b.s.loop, false, NULL);
		cut = loop_now_ns(b.s.loop);
		until_requests(&b, n, 10 * NS_PER_MS);
		assert_true(loop_now_ns(b.s.loop) - cut < 300 * NS_PER_MS);
	}
	end(&b);
}

static void on_asked(void *arg, UNUSED struct kube_result *r)
{
	*(bool *)arg = true;
}

TEST(a_server_that_answers_anybody_is_asked_at_once)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.abort = true},
		{.abort = true},
		{.abort = true},
		{.abort = true},
		{.status = 200, .body = "{}"},
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true, .body = ""},
	};
	const struct kube_request other = {.verb = KUBE_GET, .path = "/version"};
	bool asked = false;
	uint64_t failed;
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until_requests(&b, 4, 10 * NS_PER_MS);
	for (int i = 0; i < 200; i++)
		loop_turn(b.s.loop, false, NULL);
	failed = loop_now_ns(b.s.loop);
	kube_start(b.s.client, &other, on_asked, &asked);
	until(&b, "+a@1 ", 0);
	assert_true(asked);
	assert_true(loop_now_ns(b.s.loop) == failed); /* its own back-off is past a second */
	end(&b);
}

TEST(a_silent_watch_is_cut)
{
	static const struct kube_informer_options plain = {.no_watch_list = true,
							   .silence_ns = 60 * NS_PER_S};
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.expect = "resourceVersion=5", .stream = true, .body = ""},
		{.expect = "resourceVersion=5",
		 .stream = true,
		 .body = EVENT("ADDED", POD("b", "9"))},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until_requests(&b, 2, 0);
	loop_advance(b.s.loop, &b.clock, 59 * NS_PER_S);
	assert_int_equal(b.s.next, 2);
	until(&b, "+a@1 +b@9 ", NS_PER_S);
	end(&b);
}

TEST(retry_after_is_obeyed)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 429, .body = "{}", .retry_after = "100"},
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until_requests(&b, 1, 0);
	for (int i = 0; i < 1000 && !loop_now_ns(b.s.loop); i++)
		loop_turn(b.s.loop, false, NULL);
	for (int i = 0; i < 200; i++)
		loop_turn(b.s.loop, false, NULL);
	loop_advance(b.s.loop, &b.clock, 99 * NS_PER_S);
	assert_int_equal(b.s.next, 1);
	until(&b, "+a@1 ", NS_PER_S);
	end(&b);
}

TEST(a_stream_of_garbage_is_listed_again)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true, .body = "<html>\n"},
		{.expect = "limit=500", .status = 200, .body = LIST("6", POD("b", "6"))},
		{.stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until(&b, "+a@1 +b@6 -a@1 ", 100 * NS_PER_MS);
	end(&b);
}

TEST(an_optional_kind_may_be_missing_and_appear)
{
	static const struct kube_informer_options optional = {.no_watch_list = true,
							      .optional = true};
	static const struct scripted_answer answers[] = {
		{.status = 404, .body = "{}"},
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true, .body = ""},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &optional);
	until_requests(&b, 1, 0);
	for (int i = 0; i < 1000 && !b.synced; i++)
		loop_turn(b.s.loop, false, NULL);
	assert_int_equal(b.synced, 1);
	until(&b, "+a@1 ", 100 * NS_PER_MS);
	end(&b);
}

/* The same name, another object: the first one's end was missed. */
TEST(a_replaced_object_is_deleted_and_added)
{
	static const struct kube_informer_options plain = {.no_watch_list = true};
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LIST("5", POD("a", "1"))},
		{.stream = true,
		 .body = EVENT("ADDED", "{\"metadata\":{\"namespace\":\"n\",\"name\":\"a\","
					"\"uid\":\"other\",\"resourceVersion\":\"7\"}}")},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &plain);
	until(&b, "+a@1 -a@1 +a@7 ", 0);
	end(&b);
}

/* Held, an object outlives the informer's copy with all that was decoded of it. */
TEST(objects_are_decoded_once_as_they_arrive)
{
	static const struct scripted_answer answers[] = {
		{.stream = true,
		 .body = EVENT("ADDED", POD("a", "1"))
			 EVENT("ADDED", "{\"metadata\":{\"namespace\":\"n\",\"name\":\"b\",\"uid\":"
					"\"ub\",\"resourceVersion\":\"2\"},\"spec\":[]}")
				 END_MARK("5") EVENT("MODIFIED", POD("a", "6"))},
	};
	const struct kube_informer_options o = {.table = &pod_table};
	struct kube_object *held;
	const struct pod *pod;
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers), &o);
	until(&b, "+a@1 +b@2 ~a@6 ", 0);
	assert_null(kube_informer_get(b.inf, "n", "b")->decoded);
	held = kube_object_hold(kube_informer_get(b.inf, "n", "a"));
	end(&b);
	pod = held->decoded;
	assert_string_equal(pod->meta.name, "a");
	assert_string_equal(pod->meta.resource_version, "6");
	kube_object_drop(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watch_list_then_changes),
		cmocka_unit_test(a_server_without_watch_list_is_listed),
		cmocka_unit_test(a_watch_list_refused_inside_the_stream_is_listed),
		cmocka_unit_test(a_server_that_ignores_watch_list_is_listed_after_a_while),
		cmocka_unit_test(after_410_the_difference_is_told),
		cmocka_unit_test(a_cut_watch_goes_on_from_the_last_version),
		cmocka_unit_test(a_quiet_watch_ends_a_row_of_failures),
		cmocka_unit_test(a_server_that_answers_anybody_is_asked_at_once),
		cmocka_unit_test(a_silent_watch_is_cut),
		cmocka_unit_test(retry_after_is_obeyed),
		cmocka_unit_test(a_stream_of_garbage_is_listed_again),
		cmocka_unit_test(an_optional_kind_may_be_missing_and_appear),
		cmocka_unit_test(a_replaced_object_is_deleted_and_added),
		cmocka_unit_test(objects_are_decoded_once_as_they_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
