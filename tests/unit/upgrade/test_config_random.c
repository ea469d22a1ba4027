/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws on random sets of objects, applied for real: killed anywhere and gone on with, an apply ends
 * where it should; the revision before it brings back what was there, all of it; and what somebody
 * else writes meanwhile is never overwritten. A failure prints its seed; SEED=n runs that one.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/apply.h"

#define SEEDS 25
#define NAMES 5

struct random {
	unsigned seed;
	struct strbuf out;
};

static int pick(struct random *r, int n)
{
	return rand_r(&r->seed) % n;
}

/* Texts that YAML, JSON and redaction may trip over; some look like credentials. */
static const char *random_text(struct random *r)
{
	static const char *const words[] = {"''",
					    "a",
					    "'1'",
					    "'yes'",
					    "'null'",
					    "\"x\\ny\\n\"",
					    "'{\"a\": 1}'",
					    "'https://jo:planted@x'",
					    "'#'",
					    "\"tab\\there\"",
					    "b",
					    "'~'"};

	return words[pick(r, (int)ARRAY_SIZE(words))];
}

static void random_map(struct random *r, bool secret)
{
	static const char *const keys[] = {"a", "b", "c", "db-password", "file.yaml"};
	bool first = true;

	strbuf_adds(&r->out, "{");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (pick(r, 2))
			continue;
		strbuf_addf(&r->out, "%s%s: %s", first ? "" : ", ", keys[i],
			    secret ? "'planted-one'" : random_text(r));
		first = false;
	}
	strbuf_adds(&r->out, "}");
}

static void random_set(struct random *r)
{
	strbuf_clear(&r->out);
	strbuf_adds(&r->out, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
	for (int i = 0; i < NAMES; i++) {
		if (pick(r, 4) == 0)
			continue;
		strbuf_addf(&r->out,
			    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m%d, labels: "
			    "{x: y%d}}\ndata: ",
			    i, pick(r, 2));
		random_map(r, false);
		strbuf_addc(&r->out, '\n');
	}
	for (int i = 0; i < 2; i++) {
		if (pick(r, 4) == 0)
			continue;
		strbuf_addf(
			&r->out,
			"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s%d}\nstringData: ",
			i);
		random_map(r, true);
		strbuf_addc(&r->out, '\n');
	}
	/* One port: the order of several means nothing, and is not kept when one comes back. */
	for (int i = 0; i < 2; i++)
		if (pick(r, 3))
			strbuf_addf(&r->out,
				    "---\napiVersion: v1\nkind: Service\nmetadata: {name: v%d}\n"
				    "spec: {selector: {app: a%d}, ports: [{name: a, port: %d}]}\n",
				    i, pick(r, 2), 80 + pick(r, 3));
}

/* A Service's address is its server's: another one when it is made again. */
static const char *state(struct api *w)
{
	char *text = arena_strdup(&w->arena, apply_state(w)), *at = text;

	while ((at = strstr(at, "10.96.")))
		for (; *at && *at != '"'; at++)
			*at = '.';
	return text;
}

/* What is left to do for that. */
static size_t left(struct api *w, const struct apply_options *o)
{
	static struct apply t;
	size_t n;

	apply_open(&t, w, "mine", -1);
	apply_must_propose(&t, o);
	n = t.proposal.n_operations;
	apply_close(&t);
	return n;
}

/* Killed at that boundary; somebody may write before it goes on. The exit code at the end. */
static int killed_once(struct api *w, const struct apply_options *o, int at, const char *foreign)
{
	static struct apply t;
	int code = 0;

	t.meanwhile = NULL;
	apply_open(&t, w, "mine", at);
	apply_must_propose(&t, o);
	if (t.proposal.n_operations + t.proposal.records == 0) {
		apply_close(&t);
		return 0;
	}
	if (!apply_go(&t, &code)) {
		apply_close(&t);
		if (foreign && api_get(w, "v1", "ConfigMap", "shop", "m0"))
			api_patch(w, KIND_CONFIG_MAP, "shop", "m0", NULL, foreign);
		apply_open(&t, w, at % 2 ? "colleague" : "mine", -1);
		assert_true(apply_again(&t, false, &code));
	}
	apply_close(&t);
	fake_clock_advance(&w->clock, 2 * NS_PER_S);
	return code;
}

static void say(unsigned seed, int code, const char *was, const char *is)
{
	printf("was\n%s\nis\n%s\n", was, is);
	fail_msg("seed %u: exit %d", seed, code);
}

static void there_and_back(unsigned seed)
{
	struct random r = {seed, STRBUF_INIT};
	struct apply_options first = {.prune = true, .unasked = seed % 2}, second = first;
	const struct apply_options back = {.back = "1"};
	const char *before;
	struct api w;
	int code;

	api_new(&w);
	random_set(&r);
	first.manifests = arena_strdup(&w.arena, strbuf_cstr(&r.out));
	random_set(&r);
	second.manifests = arena_strdup(&w.arena, strbuf_cstr(&r.out));
	assert_int_equal(killed_once(&w, &first, pick(&r, 40), NULL), 0);
	before = state(&w);
	code = killed_once(&w, &second, pick(&r, 40), NULL);
	if (code || left(&w, &second))
		fail_msg("seed %u: exit %d, %zu left", seed, code, left(&w, &second));
	code = killed_once(&w, &back, pick(&r, 40), NULL);
	if (code || left(&w, &back) || strcmp(state(&w), before) != 0)
		say(seed, code, before, state(&w));
	if (apply_leaks(&w, "planted"))
		fail_msg("seed %u: a secret is somewhere", seed);
	strbuf_release(&r.out);
	api_free(&w);
}

/* Whatever the run has done, or not, with the object: theirs stays, on the way back too. */
static void never_overwritten(unsigned seed)
{
	static struct apply t;
	struct random r = {seed + 1000, STRBUF_INIT};
#define M0(a) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m0}\ndata: {a: " a ", b: one}\n"
	const struct apply_options first = {
		.manifests =
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" M0("one")};
	const struct apply_options second = {
		.unasked = true,
		.manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n---\n" M0(
			"two")};
	const char *text, *subject;
	struct api w;
	int code;

	api_new(&w);
	assert_int_equal(killed_once(&w, &first, -1, NULL), 0);
	code = killed_once(&w, &second, pick(&r, 14), "{\"data\": {\"a\": \"theirs\"}}");
	text = doc_find_str(api_get(&w, "v1", "ConfigMap", "shop", "m0"), "data.a");
	if ((code != CLI_OK && code != CLI_BLOCKED) ||
	    !(str_eq(text, "theirs") || str_eq(text, "two")))
		fail_msg("seed %u: exit %d, %s", seed, code, text);
	apply_open(&t, &w, "mine", -1);
	if (!session_subject(&t.session, CONFIG_NAME_DEFAULT, false, &subject, NULL)) {
		assert_true(apply_again(&t, true, &code));
		text = doc_find_str(api_get(&w, "v1", "ConfigMap", "shop", "m0"), "data.a");
		if (!str_eq(text, "theirs"))
			fail_msg("seed %u: back, exit %d, %s", seed, code, text);
	}
	apply_close(&t);
	api_free(&w);
}

static void each_seed(void (*fn)(unsigned))
{
	const char *one = getenv("SEED");

	for (unsigned seed = 0; seed < SEEDS; seed++)
		fn(one ? (unsigned)atoi(one) : seed);
}

TEST(killed_anywhere_it_ends_where_it_should_and_goes_back)
{
	each_seed(there_and_back);
}

TEST(what_somebody_else_writes_is_never_overwritten)
{
	each_seed(never_overwritten);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_anywhere_it_ends_where_it_should_and_goes_back),
		cmocka_unit_test(what_somebody_else_writes_is_never_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
