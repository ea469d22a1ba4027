/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/kube/lease.h"
#include "tests/unit/kube/scripted.h"

#define LEASE(holder, version)                                                                     \
	"{\"metadata\":{\"name\":\"l\",\"resourceVersion\":\"" version                             \
	"\"},\"spec\":{\"holderIdentity\":\"" holder "\",\"leaseTransitions\":1}}"
#define CONFLICT "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"code\":409}"

struct bench {
	struct fake_clock clock;
	struct scripted s;
	struct kube_lease *lease;
	char log[256];
};

static void on_change(void *arg, bool held, const char *holder)
{
	struct bench *b = arg;
	size_t n = strlen(b->log);

	snprintf(b->log + n, sizeof(b->log) - n, "%c%s ", held ? '+' : '-', holder);
}

static void begin(struct bench *b, const struct scripted_answer *answers, size_t n)
{
	struct kube_lease_options o = {.namespace_ = "n", .name = "l", .holder = "me"};

	memset(b, 0, sizeof(*b));
	fake_clock_init(&b->clock, 0);
	scripted_start(&b->s, &b->clock.clock, NULL, answers, n);
	b->lease = kube_lease_new(b->s.client, &o, on_change, b);
}

/* Answers travel in real time, waits in fake time: a step of it whenever nothing moves. */
static void until_requests(struct bench *b, size_t n)
{
	for (int i = 0; i < 20000 && b->s.next < n; i++)
		loop_advance(b->s.loop, &b->clock, 10 * NS_PER_MS);
	assert_int_equal(b->s.next, n);
	for (int i = 0; i < 50; i++)
		loop_turn(b->s.loop, false, NULL);
}

static void end(struct bench *b)
{
	kube_lease_free(b->lease, false);
	scripted_stop(&b->s);
}

TEST(made_held_and_renewed)
{
	static const struct scripted_answer answers[] = {
		{.expect = "/leases/l", .status = 404, .body = "{}"},
		{.status = 201, .body = LEASE("me", "1")},
		{.expect = "/leases/l", .status = 200, .body = LEASE("me", "1")},
		{.expect = "/leases/l", .status = 200, .body = LEASE("me", "2")},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers));
	until_requests(&b, 4);
	assert_string_equal(b.log, "+me ");
	assert_true(kube_lease_held(b.lease));
	/* Who slept knows by the clock, before the loop has had a turn. */
	fake_clock_advance(&b.clock, 11 * NS_PER_S);
	assert_string_equal(b.log, "+me ");
	assert_false(kube_lease_held(b.lease));
	/* No answer any more: it is given up before anybody else could take it. */
	loop_advance(b.s.loop, &b.clock, 11 * NS_PER_S);
	assert_string_equal(b.log, "+me -me ");
	end(&b);
}

TEST(another_holder_is_waited_for_on_our_own_clock)
{
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LEASE("other", "1")},
		{.status = 200, .body = LEASE("other", "2")}, /* it lives */
		{.status = 200, .body = LEASE("other", "2")},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers));
	until_requests(&b, 3);
	assert_string_equal(b.log, "-other ");
	assert_false(kube_lease_held(b.lease));
	assert_null(strstr(b.s.targets, "PUT"));
	assert_true(kube_lease_rival_lives(b.lease));
	end(&b);
}

TEST(an_abandoned_lease_is_taken_over_and_a_lost_race_accepted)
{
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LEASE("", "1")},
		{.status = 409, .body = CONFLICT},
		{.status = 200, .body = LEASE("", "2")},
		{.status = 200, .body = LEASE("me", "3")},
	};
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers));
	until_requests(&b, 4);
	assert_string_equal(b.log, "+me ");
	end(&b);
}

TEST(who_had_it_meanwhile_is_known_and_so_is_a_refusal)
{
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = LEASE("", "1")},
		{.status = 200, .body = LEASE("me", "2")},
		{.status = 403,
		 .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403}"},
		{.status = 200, .body = LEASE("", "4")}, /* of another, who has handed it back */
		{.status = 200, .body = LEASE("me", "5")},
	};
	struct error why = ERROR_INIT;
	struct bench b;

	begin(&b, answers, ARRAY_SIZE(answers));
	until_requests(&b, 2);
	assert_true(kube_lease_held(b.lease));
	assert_false(kube_lease_taken(b.lease));
	until_requests(&b, 3);
	assert_int_equal(kube_lease_why(b.lease, &why), -EACCES);
	until_requests(&b, 5);
	assert_true(kube_lease_held(b.lease));
	assert_true(kube_lease_taken(b.lease));
	assert_string_equal(b.log, "+me - +me ");
	assert_int_equal(kube_lease_why(b.lease, &why), 0);
	end(&b);
}

TEST(until_when_it_is_held)
{
	static const struct {
		const char *spec;
		int64_t want;
	} rows[] = {
		{"{}", 0},
		{"{\"holderIdentity\":\"\",\"renewTime\":\"1970-01-01T00:00:05Z\"}", 0},
		{"{\"holderIdentity\":\"me\",\"renewTime\":\"1970-01-01T00:00:05.5Z\","
		 "\"leaseDurationSeconds\":15}",
		 20 * (int64_t)NS_PER_S + 500 * (int64_t)NS_PER_MS},
		{"{\"holderIdentity\":\"me\",\"renewTime\":\"soon\",\"leaseDurationSeconds\":15}",
		 0},
		{"{\"holderIdentity\":\"me\",\"renewTime\":\"1970-01-01T00:00:05Z\","
		 "\"leaseDurationSeconds\":-1}",
		 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct doc *spec, *lease = doc_map(&a);

		assert_int_equal(
			doc_read_json(&a, rows[i].spec, strlen(rows[i].spec), "row", &spec, NULL),
			0);
		doc_set(&a, lease, "spec", spec);
		assert_int_equal(kube_lease_until_ns(lease), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_held_and_renewed),
		cmocka_unit_test(another_holder_is_waited_for_on_our_own_clock),
		cmocka_unit_test(an_abandoned_lease_is_taken_over_and_a_lost_race_accepted),
		cmocka_unit_test(who_had_it_meanwhile_is_known_and_so_is_a_refusal),
		cmocka_unit_test(until_when_it_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
