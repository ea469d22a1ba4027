/* SPDX-License-Identifier: Apache-2.0 */
/* The language of conditions: what each text means, what is refused and where, and two promises
 * for any tree: printed and parsed it is the same, and evaluating it ends. */
#include <string.h>
#include <unistd.h>

#include "runbooks/expr.h"
#include "runbooks/template.h"
#include "tests/support/test.h"

static const char data_text[] = "drops: {count: 3, rows: [{src: 7, verdict: DROPPED}, {src: 9}], "
				"share: \"12.5%\", rate: 0.25}\n"
				"agents: {oom: 0, limit: 536870912, ready: true, silent: null, "
				"names: [n1, n2, null], ages: [5, 3, 9]}\n"
				"params: {namespace: web, since: 15m, 'odd-key': x}\n"
				"empty: []\n"
				"big: 9223372036854775807\n";

static const struct doc *data(struct arena *a)
{
	struct doc_stream s = {0};

	assert_int_equal(doc_read_yaml(a, data_text, strlen(data_text), "data", &s, NULL), 0);
	return s.docs[0];
}

static const struct {
	const char *text, *means;
} truths[] = {
	{"true", "true"},
	{"false", "false"},
	{"drops.count == 3", "true"},
	{"drops.count != 3", "false"},
	{"drops.count >= 3 and drops.count < 4", "true"},
	{"not drops.count > 2", "false"},
	{"agents.ready", "true"},
	{"agents.ready == false", "false"},
	/* missing, null and of another type is unknown, never false */
	{"agents.gone == 0", "unknown"},
	{"agents.gone != 0", "unknown"},
	{"not agents.gone", "unknown"},
	{"agents.silent == 0", "unknown"},
	{"nothing.at.all", "unknown"},
	{"drops.count.deeper == 1", "unknown"},
	{"drops.rows[1].verdict == \"DROPPED\"", "unknown"},
	{"drops.rows[7].src == 7", "unknown"},
	{"drops.count == \"3\"", "unknown"},
	{"drops.count", "unknown"},
	{"params == params", "unknown"},
	{"true < false", "unknown"},
	/* Kleene's tables */
	{"false and nothing", "false"},
	{"nothing and false", "false"},
	{"true and nothing", "unknown"},
	{"nothing and true", "unknown"},
	{"true or nothing", "true"},
	{"nothing or true", "true"},
	{"false or nothing", "unknown"},
	{"nothing or false", "unknown"},
	{"nothing and nothing", "unknown"},
	{"nothing or nothing", "unknown"},
	{"3 and true", "unknown"},
	{"known(nothing)", "false"},
	{"known(drops.count)", "true"},
	{"known(agents.silent)", "false"},
	{"known(1 / 0)", "false"},
	/* lists */
	{"\"n1\" in agents.names", "true"},
	{"\"n9\" in agents.names", "unknown"},
	{"\"n9\" not in [\"n1\", \"n2\"]", "true"},
	{"2 in [1, nothing, 2]", "true"},
	{"3 in [1, nothing]", "unknown"},
	{"3 in []", "false"},
	{"3 in drops.count", "unknown"},
	{"nothing in []", "unknown"},
	{"length(drops.rows) == 2", "true"},
	{"length(empty) == 0", "true"},
	{"length(params.namespace) == 3", "true"},
	{"length(params) == 3", "true"},
	{"length(nothing) == 0", "unknown"},
	{"length(3) == 1", "unknown"},
	{"min(agents.ages) == 3 and max(agents.ages) == 9", "true"},
	{"min(empty) == 0", "unknown"},
	{"max([1m, 90s]) == 90s", "true"},
	{"max([1, 1m]) == 1", "unknown"},
	{"max(agents.names) == 1", "unknown"},
	/* globs */
	{"params.namespace matches \"w*\"", "true"},
	{"params.namespace matches \"w\"", "false"},
	{"params.namespace matches \"?e?\"", "true"},
	{"\"a*b\" matches \"a\\\\*b\"", "true"},
	{"\"axb\" matches \"a\\\\*b\"", "false"},
	{"\"aXbXc\" matches \"*X*c\"", "true"},
	{"\"\" matches \"*\"", "true"},
	{"\"\" matches \"?\"", "false"},
	{"drops.count matches \"3\"", "unknown"},
	/* numbers */
	{"1 + 2 * 3 == 7", "true"},
	{"(1 + 2) * 3 == 9", "true"},
	{"10 - 3 - 2 == 5", "true"},
	{"1 / 4 == 0.25", "true"},
	{"drops.rate == 25%", "true"},
	{"drops.share > 12% and drops.share < 13%", "true"},
	{"drops.count / 100 > 5%", "false"},
	{"-drops.count == 0 - 3", "true"},
	{"--3 == 3", "true"},
	{"512Mi == agents.limit", "true"},
	{"agents.limit < 512Mi", "false"},
	{"1 / 0 == 1", "unknown"},
	{"big + 1 > 0", "unknown"},
	{"big * 2 > 0", "unknown"},
	{"-\"x\" == 1", "unknown"},
	{"1 + \"x\" == 1", "unknown"},
	/* durations */
	{"params.since == 15m", "true"},
	{"params.since < 1h", "true"},
	{"params.since + 30m == 45m", "true"},
	{"2 * 90s == 3m", "true"},
	{"1h / 4 == 15m", "true"},
	{"1h / 15m == 4", "true"},
	{"1h * 1h == 1h", "unknown"},
	{"1h - 90m < 0s", "true"},
	{"params.since == 15", "unknown"},
	{"params.namespace == 15m", "unknown"},
	{"1.5s == 1500ms", "true"},
	/* paths and strings */
	{"params[\"odd-key\"] == 'x'", "true"},
	{"drops.rows[0].src == 7", "true"},
	{"\"a\" < \"b\"", "true"},
	{"'it\\'s' == \"it's\"", "true"},
	{"drops.count\n  == 3", "true"},
};

TEST(every_text_means_what_the_table_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(truths); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		const struct expr *e = NULL;
		const char *why = NULL, *got;

		if (expr_parse(&a, truths[i].text, &e, &err) < 0)
			fail_msg("%s: %s", truths[i].text, err.msg);
		got = expr_truth_name(expr_decide(&a, e, data(&a), &why));
		if (strcmp(got, truths[i].means) != 0)
			fail_msg("%s is %s, want %s (%s)", truths[i].text, got, truths[i].means,
				 why ? why : "");
		if (strcmp(got, "unknown") == 0 && (!why || !*why))
			fail_msg("%s is unknown without a reason", truths[i].text);
		arena_release(&a);
	}
}

TEST(without_data_everything_named_is_unknown)
{
	struct arena a = ARENA_INIT;
	const struct expr *e = NULL;
	const char *why = NULL;

	assert_int_equal(expr_parse(&a, "spire.agents[0].oom == 0", &e, NULL), 0);
	assert_int_equal(expr_decide(&a, e, NULL, &why), EXPR_UNKNOWN);
	assert_string_equal(why, "spire.agents[0].oom is not known");
	{
		static const char json[] = "{\"maps\": {\"unseen\": {\"full\": \"not counted\"}}}";
		struct doc *data;

		assert_int_equal(doc_read_json(&a, json, strlen(json), NULL, &data, NULL), 0);
		assert_int_equal(expr_parse(&a, "maps.full == 0", &e, NULL), 0);
		assert_int_equal(expr_decide(&a, e, data, &why), EXPR_UNKNOWN);
		assert_string_equal(why, "maps.full is not known: not counted");
	}
	arena_release(&a);
}

static const struct {
	const char *text, *says;
} refused[] = {
	{"", "1:1: want a value, but it ends here"},
	{"a ==", "1:5: want a value, but it ends here"},
	{"a = 1", "1:3: a single = (equality is ==)"},
	{"a && b", "1:3: a sign of another language (here: and, or, not)"},
	{"a\n  == )", "2:6: want a value, got )"},
	{"a == b == c", "1:8: comparisons do not chain (join two with and)"},
	{"(a", "1:3: want a closing ), but it ends here"},
	{"[1 2]", "1:4: want a comma or a closing ], got a literal"},
	{"a b", "1:3: want an operator or the end, got b"},
	{"a[b]", "1:3: want an integer or a string as the key, got b"},
	{"a.3", "1:3: want a name behind the point, got a literal"},
	{"system(\"x\")", "1:1: there is no function system (length, known, min, max)"},
	{"'open", "1:1: a string without its closing quote on the same line"},
	{"'\\q'", "1:1: a string with a \\ that stands for nothing"},
	{"99999999999999999999", "1:1: a number that does not fit 64 bits and 9 places"},
	{"9000000Ti", "1:1: a number that does not fit 64 bits"},
	{"5parsecs", "1:1: a number with a unit that is none"},
	{"0x10s", "1:1: a number with a unit that is none"},
	{"a not b", "1:7: want in behind this not"},
	{"and", "1:1: want a value, got and"},
	{"`id`", "1:1: a character that means nothing here"},
	{"$(id)", "1:1: a character that means nothing here"},
};

TEST(what_is_wrong_is_named_with_its_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		const struct expr *e = NULL;

		if (expr_parse(&a, refused[i].text, &e, &err) >= 0)
			fail_msg("%s was taken", refused[i].text);
		if (strncmp(err.msg, refused[i].says, strlen(refused[i].says)) != 0)
			fail_msg("%s: says \"%s\", want \"%s\"", refused[i].text, err.msg,
				 refused[i].says);
		assert_null(e);
		arena_release(&a);
	}
}

static int parse_repeated(const char *part, size_t times, const char *tail, char *ret_msg)
{
	struct arena a = ARENA_INIT;
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	const struct expr *e = NULL;
	int rc;

	for (size_t i = 0; i < times; i++)
		strbuf_adds(&sb, part);
	strbuf_adds(&sb, tail);
	rc = expr_parse(&a, strbuf_cstr(&sb), &e, &err);
	if (ret_msg)
		strcpy(ret_msg, err.msg);
	strbuf_release(&sb);
	arena_release(&a);
	return rc;
}

TEST(depth_parts_and_length_are_bounded)
{
	char msg[sizeof(((struct error *)0)->msg)];

	assert_int_equal(parse_repeated("not ", EXPR_MAX_DEPTH, "a", NULL), 0);
	assert_int_equal(parse_repeated("not ", EXPR_MAX_DEPTH + 1, "a", msg), -E2BIG);
	assert_non_null(strstr(msg, "levels deep"));
	assert_int_equal(parse_repeated("(", 4000, "a", NULL), -E2BIG);
	assert_int_equal(parse_repeated("[", 4000, "]", NULL), -E2BIG);
	assert_int_equal(parse_repeated("a or ", EXPR_MAX_NODES / 2 - 1, "a", NULL), 0);
	assert_int_equal(parse_repeated("a or ", EXPR_MAX_NODES / 2 + 1, "a", msg), -E2BIG);
	assert_non_null(strstr(msg, "parts"));
	assert_int_equal(parse_repeated(" ", EXPR_MAX_BYTES, "a", NULL), -E2BIG);
}

/* --- any tree ----------------------------------------------------------------------------------
 */

static uint32_t roll(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

static const char *any_word(uint32_t *seed)
{
	static const char *const words[] = {
		"drops",   "count", "agents", "params",         "since", "oom",
		"odd-key", "a b",   "",       "q\"u\\o'te\n\t", "in"};

	return words[roll(seed, ARRAY_SIZE(words))];
}

static const struct expr *any_tree(struct arena *a, uint32_t *seed, int depth);

static const struct expr *any_leaf(struct arena *a, uint32_t *seed)
{
	static const char *const names[] = {"drops", "agents", "params", "empty", "big", "gone"};
	static const enum expr_op leaves[] = {EXPR_NAME,     EXPR_NAME,    EXPR_BOOL,
					      EXPR_INT,      EXPR_DECIMAL, EXPR_PERCENT,
					      EXPR_DURATION, EXPR_STRING};
	struct expr *e = arena_new(a, struct expr);

	e->op = leaves[roll(seed, ARRAY_SIZE(leaves))];
	if (e->op == EXPR_NAME)
		e->text = names[roll(seed, ARRAY_SIZE(names))];
	else if (e->op == EXPR_STRING)
		e->text = any_word(seed);
	else if (e->op == EXPR_BOOL)
		e->number = roll(seed, 2);
	else
		e->number = roll(seed, 2) ? roll(seed, 1000)
					  : (int64_t)roll(seed, 1u << 24) << roll(seed, 39);
	if (e->op == EXPR_DECIMAL)
		e->places = 1 + roll(seed, 9);
	if (e->op == EXPR_PERCENT)
		e->places = roll(seed, 10);
	return e;
}

/* A path goes on only from a path. */
static const struct expr *any_part(struct arena *a, uint32_t *seed, struct expr *e)
{
	struct expr *name = arena_new(a, struct expr);

	name->op = EXPR_NAME;
	name->text = roll(seed, 2) ? "drops" : "agents";
	e->n = 1;
	e->items[0] = name;
	if (e->op == EXPR_INDEX)
		e->number = roll(seed, 4);
	else
		e->text = any_word(seed);
	return e;
}

static const struct expr *any_tree(struct arena *a, uint32_t *seed, int depth)
{
	struct expr *e;

	if (depth == 0 || roll(seed, 6) == 0)
		return any_leaf(a, seed);
	e = arena_new(a, struct expr);
	e->op = (enum expr_op)roll(seed, EXPR_INDEX + 1);
	e->items = arena_array(a, 4, const struct expr *);
	if (e->op == EXPR_NAME)
		return any_leaf(a, seed);
	if (e->op == EXPR_FIELD || e->op == EXPR_INDEX)
		return any_part(a, seed, e);
	if (e->op == EXPR_LIST)
		e->n = roll(seed, 4);
	else
		e->n = e->op == EXPR_NOT || e->op == EXPR_NEG || e->op == EXPR_CALL ? 1 : 2;
	if (e->op == EXPR_CALL)
		e->number = roll(seed, EXPR_N_FUNCTIONS);
	for (size_t i = 0; i < e->n; i++)
		e->items[i] = any_tree(a, seed, depth - 1);
	return e;
}

static void print_parse_evaluate(uint32_t first)
{
	struct arena a = ARENA_INIT;
	struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
	struct error err = ERROR_INIT;
	const struct expr *parsed = NULL, *e;
	struct expr_value v;
	uint32_t seed = first;

	e = any_tree(&a, &seed, 7);
	expr_print(e, &text);
	if (text.len <= EXPR_MAX_BYTES) {
		if (expr_parse(&a, strbuf_cstr(&text), &parsed, &err) < 0)
			fail_msg("seed %u: %s: %s", first, strbuf_cstr(&text), err.msg);
		expr_print(parsed, &again);
		if (!expr_equal(e, parsed))
			fail_msg("seed %u: %s became %s", first, strbuf_cstr(&text),
				 strbuf_cstr(&again));
	}
	v = expr_eval(&a, e, data(&a));
	if (v.type == EXPR_T_UNKNOWN && (!v.text || !*v.text))
		fail_msg("seed %u: %s is unknown without a reason", first, strbuf_cstr(&text));
	strbuf_release(&text);
	strbuf_release(&again);
	arena_release(&a);
}

TEST(printed_and_parsed_a_tree_is_the_same_and_evaluating_ends)
{
	const uint32_t fresh = (uint32_t)getpid() * 2654435761u;

	printf("seeds 1 to 3000, and %u on\n", fresh);
	for (uint32_t i = 1; i <= 3000; i++)
		print_parse_evaluate(i);
	for (uint32_t i = 0; i < 1000; i++)
		print_parse_evaluate(fresh + i);
}

/* What more data can change is only an unknown: no answer given without it turns around. */
TEST(learning_more_never_turns_an_answer_around)
{
	for (uint32_t first = 1; first <= 2000; first++) {
		struct arena a = ARENA_INIT;
		uint32_t seed = first;
		const struct expr *e = any_tree(&a, &seed, 5);
		struct strbuf text = STRBUF_INIT;
		enum expr_truth with, without;

		expr_print(e, &text);
		with = expr_decide(&a, e, data(&a), NULL);
		without = expr_decide(&a, e, NULL, NULL);
		if (!strstr(strbuf_cstr(&text), "known(") && without != EXPR_UNKNOWN &&
		    with != without)
			fail_msg("seed %u: %s is %s, with data %s", first, strbuf_cstr(&text),
				 expr_truth_name(without), expr_truth_name(with));
		strbuf_release(&text);
		arena_release(&a);
	}
}

/* --- templates ---------------------------------------------------------------------------------
 */

static const struct {
	const char *text, *becomes; /* NULL: unknown */
} templates[] = {
	{"plain", "plain"},
	{"", ""},
	{"in ${params.namespace} since ${params.since}", "in web since 15m"},
	{"${drops.count}${drops.rate} ${agents.ready}", "30.25 true"},
	{"costs $$5", "costs $5"},
	{"${\"}\"}", "}"},
	{"${2 * 45s}", "1m30s"},
	{"${0s - 1m}", "-1m"},
	{"${gone}", NULL},
	{"${agents.names}", NULL},
	{"${params.namespace + 1}", NULL},
};

TEST(a_template_makes_one_string_or_is_unknown)
{
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct template t = {0};
		struct expr_value v;

		if (template_parse(&a, templates[i].text, &t, &err) < 0)
			fail_msg("%s: %s", templates[i].text, err.msg);
		v = template_render(&a, &t, data(&a));
		if ((v.type == EXPR_T_STRING) != (templates[i].becomes != NULL))
			fail_msg("%s is %s", templates[i].text, expr_type_name(v.type));
		if (templates[i].becomes)
			assert_string_equal(v.text, templates[i].becomes);
		arena_release(&a);
	}
}

TEST(a_template_that_is_none_is_refused)
{
	static const char *const texts[] = {"$HOME", "$(id)", "${", "${a", "${a b}", "a $", "${}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct template t = {0};

		if (template_parse(&a, texts[i], &t, &err) >= 0)
			fail_msg("%s was taken", texts[i]);
		assert_non_null(strstr(err.msg, "column"));
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_means_what_the_table_says),
		cmocka_unit_test(without_data_everything_named_is_unknown),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(depth_parts_and_length_are_bounded),
		cmocka_unit_test(printed_and_parsed_a_tree_is_the_same_and_evaluating_ends),
		cmocka_unit_test(learning_more_never_turns_an_answer_around),
		cmocka_unit_test(a_template_makes_one_string_or_is_unknown),
		cmocka_unit_test(a_template_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
