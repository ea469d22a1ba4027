/* SPDX-License-Identifier: Apache-2.0 */
/* Rolling updates played to their end with pods that become available in any order. */
#include "tests/support/test.h"

#include <string.h>

#include "deploy/lab/controllers/rollout.h"

static uint32_t seed;
static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* What the ReplicaSets and kubelets do between two looks: follow want, some pods become
 * available.*/
static void follow(struct rollout *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct rollout_set *s = &r->sets[i];

		s->replicas = s->want;
		s->existing = s->want;
		s->available = MIN(s->available, s->existing);
		if (s->available < s->existing && below(2))
			s->available++;
	}
}

static void check(const struct rollout *r, int64_t floor)
{
	int64_t total = 0, available = 0;

	for (size_t i = 0; i < r->n; i++) {
		assert_true(r->sets[i].want >= 0);
		total += r->sets[i].want;
		available += MIN(r->sets[i].available, r->sets[i].want);
	}
	assert_true(total <= r->replicas + r->surge);
	assert_true(available >= floor);
}

static void play(int64_t replicas, int64_t surge, int64_t unavailable)
{
	struct rollout_set sets[3] = {
		{.replicas = replicas, .existing = replicas, .available = replicas},
		{0},
		{.is_new = true},
	};
	struct rollout r = {replicas, surge, unavailable, false, false, sets, 3};
	int rounds = 0;

	while (sets[2].available < replicas || sets[0].replicas || sets[1].replicas) {
		rollout_plan(&r);
		check(&r, replicas - unavailable);
		follow(&r);
		if (++rounds > 10000)
			fail_msg("%d+%d-%d never ends", (int)replicas, (int)surge,
				 (int)unavailable);
		if (rounds == 3 && replicas > 1) { /* a second change in the middle */
			sets[1].replicas = sets[2].replicas;
			sets[1].existing = sets[2].existing;
			sets[1].available = sets[2].available;
			memset(&sets[2], 0, sizeof(sets[2]));
			sets[2].is_new = true;
		}
	}
}

TEST(never_too_many_never_too_few_and_it_ends)
{
	for (seed = 1; seed < 50; seed += 7)
		for (int64_t n = 1; n < 12; n++)
			for (int64_t surge = 0; surge < 4; surge++)
				for (int64_t unavailable = 0; unavailable < 4; unavailable++)
					if (surge + unavailable > 0 && unavailable <= n)
						play(n, surge, unavailable);
}

TEST(pods_that_never_start_stop_the_rollout)
{
	struct rollout_set sets[2] = {{.replicas = 2, .existing = 2, .available = 2},
				      {.is_new = true}};
	struct rollout r = {2, 1, 0, false, false, sets, 2};

	for (int i = 0; i < 100; i++) {
		rollout_plan(&r);
		for (size_t j = 0; j < 2; j++)
			sets[j].replicas = sets[j].existing = sets[j].want;
	}
	assert_int_equal(sets[0].want, 2);
	assert_int_equal(sets[1].want, 1);
}

TEST(old_pods_that_do_not_serve_go_first)
{
	struct rollout_set sets[3] = {{.replicas = 2, .existing = 2, .available = 2},
				      {.replicas = 1, .existing = 1, .available = 0},
				      {.is_new = true, .replicas = 0}};
	struct rollout r = {2, 1, 0, false, false, sets, 3};

	rollout_plan(&r);
	assert_int_equal(sets[0].want, 2);
	assert_int_equal(sets[1].want, 0);
}

TEST(recreate_waits_for_the_old_ones)
{
	struct rollout_set sets[2] = {{.replicas = 2, .existing = 2, .available = 2},
				      {.is_new = true}};
	struct rollout r = {2, 0, 1, true, false, sets, 2};

	rollout_plan(&r);
	assert_int_equal(sets[0].want, 0);
	assert_int_equal(sets[1].want, 0);
	sets[0].replicas = sets[0].existing = 0;
	rollout_plan(&r);
	assert_int_equal(sets[1].want, 2);
}

TEST(scaling_without_a_new_template)
{
	struct rollout_set sets[1] = {
		{.is_new = true, .replicas = 2, .existing = 2, .available = 2}};
	struct rollout r = {5, 1, 0, false, false, sets, 1};

	rollout_plan(&r);
	assert_true(sets[0].want > 2);
	for (int i = 0; i < 9; i++) {
		sets[0].replicas = sets[0].existing = sets[0].available = sets[0].want;
		rollout_plan(&r);
	}
	assert_int_equal(sets[0].want, 5);
	r.replicas = 1;
	rollout_plan(&r);
	assert_int_equal(sets[0].want, 1);
}

TEST(portions)
{
	assert_int_equal(rollout_portion(true, 25, 2, true), 1);
	assert_int_equal(rollout_portion(true, 25, 2, false), 0);
	assert_int_equal(rollout_portion(true, 25, 8, true), 2);
	assert_int_equal(rollout_portion(false, 3, 8, true), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_too_many_never_too_few_and_it_ends),
		cmocka_unit_test(pods_that_never_start_stop_the_rollout),
		cmocka_unit_test(old_pods_that_do_not_serve_go_first),
		cmocka_unit_test(recreate_waits_for_the_old_ones),
		cmocka_unit_test(scaling_without_a_new_template),
		cmocka_unit_test(portions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
