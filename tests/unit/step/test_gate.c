/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/step/gate.h"

#include <string.h>

#include "lib/base/clock.h"
#include "tests/support/test.h"

/* Two sources play their letters, one a sample: p f u s, k: unknown that keeps the row, 'E' an
 * error of the gate itself. */
struct script {
	const char *a, *b;
	size_t at;
	bool final;
	uint64_t costs_ns; /* to look */
	struct fake_clock clock;
	bool interrupted;
};

static enum finding_result letter(char c)
{
	switch (c) {
	case 'p':
		return FINDING_PASS;
	case 'f':
		return FINDING_FAIL;
	case 's':
		return FINDING_SKIP;
	default:
		return FINDING_UNKNOWN;
	}
}

static int play(void *env, UNUSED const struct doc *args, struct gate_sample *out,
		struct error *err)
{
	struct script *s = env;
	size_t i = s->at;

	if (s->a[s->at + 1])
		s->at++;
	fake_clock_advance(&s->clock, s->costs_ns);
	if (s->a[i] == 'E')
		return error_set(err, -EIO, "no answer");
	out->final = s->final;
	out->keeps = s->a[i] == 'k';
	gate_answer(out, "counters", letter(s->a[i]), "letter %c", s->a[i]);
	gate_answer(out, "probe", letter(s->b[i]), "letter %c", s->b[i]);
	return 0;
}

static uint64_t now(void *ctx)
{
	return clock_now_ns(&((struct script *)ctx)->clock.clock);
}

static int wait_fake(void *ctx, uint64_t ns, struct error *err)
{
	struct script *s = ctx;

	if (s->interrupted)
		return error_set(err, -EINTR, "interrupted");
	fake_clock_advance(&s->clock, ns);
	return 0;
}

static const struct gate gate = {.id = "G-1",
				 .title = "is it quiet",
				 .sample = play,
				 .every_ns = NS_PER_S,
				 .within_ns = 4 * NS_PER_S,
				 .stable = 2};

TEST(letters_to_results)
{
	static const struct {
		const char *name, *a, *b;
		bool final;
		enum finding_result want;
		int samples;
	} rows[] = {
		{"two good samples", "pp", "pp", false, FINDING_PASS, 2},
		{"a bad one starts over", "pfpp", "pppp", false, FINDING_PASS, 4},
		{"an unknown one, too", "pupup", "ppppp", false, FINDING_UNKNOWN, 5},
		{"one that keeps the row does not count", "pkkkp", "ppppp", false, FINDING_PASS, 5},
		{"but a fail beside it does", "pkpfp", "pfppp", false, FINDING_UNKNOWN, 5},
		{"and never passes itself", "kkkkk", "ppppp", false, FINDING_UNKNOWN, 5},
		{"one source is not enough", "ppppp", "sssss", false, FINDING_UNKNOWN, 5},
		{"unknown is never pass", "ppppp", "uuuuu", false, FINDING_UNKNOWN, 5},
		{"fails until the end", "fffff", "ppppp", false, FINDING_FAIL, 5},
		{"fail beats unknown", "fffff", "uuuuu", false, FINDING_FAIL, 5},
		{"final ends at once", "fpppp", "ppppp", true, FINDING_FAIL, 1},
		{"good only at the very end is not stable", "ffffp", "ppppp", false,
		 FINDING_UNKNOWN, 5},
		{"an error is unknown", "EEEEE", "ppppp", false, FINDING_UNKNOWN, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = {.a = rows[i].a, .b = rows[i].b, .final = rows[i].final};
		struct gate_host host = {now, wait_fake, NULL, &s};
		struct arena a = ARENA_INIT;
		enum finding_result got;
		struct doc *record;

		fake_clock_init(&s.clock, 0);
		assert_int_equal(gate_run(&gate, &s, NULL, &host, &a, &got, &record, NULL), 0);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].name, finding_result_name(got));
		if (doc_int_or(doc_get(record, "samples"), 0) != rows[i].samples)
			fail_msg("%s: %lld samples", rows[i].name,
				 (long long)doc_int_or(doc_get(record, "samples"), 0));
		arena_release(&a);
	}
}

/* Two days well are two days by the clock, not so many looks. */
TEST(a_window_is_of_time)
{
	static const struct {
		const char *name, *a;
		uint64_t costs_ms;
		enum finding_result want;
		uint64_t took_s; /* 0: not looked at */
	} rows[] = {
		{"looks that cost nothing", "p", 0, FINDING_PASS, 48 * 3600},
		{"looks that cost", "p", 50, FINDING_PASS, 0},
		{"looks that cost more than they are apart", "p", 15000, FINDING_PASS, 0},
		{"one that is bad begins it anew", "ppfp", 50, FINDING_PASS, 0},
		{"bad to the end", "ppf", 50, FINDING_FAIL, 0},
		{"good too late", "pppuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuup",
		 12000, FINDING_UNKNOWN, 0},
	};
	struct gate soak = gate;

	soak.every_ns = 10 * NS_PER_S;
	soak.lasts_ns = 48 * 3600 * NS_PER_S;
	soak.within_ns = soak.lasts_ns + 600 * NS_PER_S;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char b[80];
		struct script s = {
			.a = rows[i].a, .b = b, .costs_ns = rows[i].costs_ms * NS_PER_MS};
		struct gate_host host = {now, wait_fake, NULL, &s};
		struct arena a = ARENA_INIT;
		enum finding_result got;
		struct doc *record;

		memset(b, 'p', sizeof(b));
		fake_clock_init(&s.clock, 0);
		assert_int_equal(gate_run(&soak, &s, NULL, &host, &a, &got, &record, NULL), 0);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].name, finding_result_name(got));
		if (rows[i].took_s && now(&s) != rows[i].took_s * NS_PER_S)
			fail_msg("%s: %llu s", rows[i].name,
				 (unsigned long long)(now(&s) / NS_PER_S));
		if (got == FINDING_PASS)
			assert_true(now(&s) >= soak.lasts_ns);
		arena_release(&a);
	}
}

/* Inconclusive is never without words: also when every source of the last sample was content. */
TEST(what_passes_by_is_borne)
{
	static const struct {
		const char *name, *a;
		enum finding_result want;
		int samples;
	} rows[] = {
		{"a row goes on behind a blip", "ppfppp", FINDING_PASS, 6},
		{"also when nobody answered", "ppuupppp", FINDING_PASS, 7},
		{"a fail that stands ends it", "pppfff", FINDING_FAIL, 6},
		{"what is not known is no fail that stands", "puuufp", FINDING_UNKNOWN, 9},
		{"a blip at the end decides nothing", "ufufufuff", FINDING_UNKNOWN, 9},
		{"final needs no time", "pf!", FINDING_FAIL, 2},
	};
	struct gate bears = gate;

	bears.bears_ns = 2 * NS_PER_S;
	bears.within_ns = 8 * NS_PER_S;
	bears.stable = 5;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = {.a = rows[i].a, .b = "ppppppppp"};
		struct gate_host host = {now, wait_fake, NULL, &s};
		struct arena a = ARENA_INIT;
		enum finding_result got;
		struct doc *record;

		s.final = strchr(s.a, '!') != NULL;
		fake_clock_init(&s.clock, 0);
		assert_int_equal(gate_run(&bears, &s, NULL, &host, &a, &got, &record, NULL), 0);
		if (got != rows[i].want ||
		    doc_int_or(doc_get(record, "samples"), 0) != rows[i].samples)
			fail_msg("%s: %s, %lld samples", rows[i].name, finding_result_name(got),
				 (long long)doc_int_or(doc_get(record, "samples"), 0));
		arena_release(&a);
	}
}

TEST(inconclusive_says_why)
{
	static const struct {
		const char *a, *b, *says;
	} rows[] = {
		{"ffffp", "ppppp",
		 "only 1 good looks of the 2 it wants had been taken; "
		 "before that counters: letter f"},
		{"ppppp", "sssss", "fewer sources answered"},
		{"ppppp", "uuuuu", "letter u"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = {.a = rows[i].a, .b = rows[i].b};
		struct gate_host host = {now, wait_fake, NULL, &s};
		auto_release(arena) struct arena a = ARENA_INIT;
		enum finding_result got;
		struct doc *record;
		bool said = false;

		fake_clock_init(&s.clock, 0);
		assert_int_equal(gate_run(&gate, &s, NULL, &host, &a, &got, &record, NULL), 0);
		assert_int_equal(got, FINDING_UNKNOWN);
		doc_foreach_item (doc_get(record, "sources"), one)
			said |= !strcmp(doc_find_str(one, "result"), "unknown") &&
				strstr(doc_find_str(one, "saw"), rows[i].says);
		if (!said)
			fail_msg("nobody says '%s'", rows[i].says);
	}
}

TEST(waiting_can_be_interrupted)
{
	struct script s = {.a = "f", .b = "f", .interrupted = true};
	struct gate_host host = {now, wait_fake, NULL, &s};
	struct arena a = ARENA_INIT;
	enum finding_result got;
	struct doc *record;

	fake_clock_init(&s.clock, 0);
	assert_int_equal(gate_run(&gate, &s, NULL, &host, &a, &got, &record, NULL), -EINTR);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_to_results),
		cmocka_unit_test(a_window_is_of_time),
		cmocka_unit_test(what_passes_by_is_borne),
		cmocka_unit_test(inconclusive_says_why),
		cmocka_unit_test(waiting_can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
