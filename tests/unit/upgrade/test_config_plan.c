/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: in what order, bound to what, and what they must not hold. */
#include "upgrade/config_plan.h"

#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"

#define NAMESPACE "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
#define SECRET(v)                                                                                  \
	"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: " v "}\n"
#define MAP(v) "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: " v "}\n"
#define POD    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: x}\n"

static const struct secret_key key = {{1}}, other = {{2}};
static const struct config_diff_opts opts = {.against = "b", .key = &key};

static void read_set(struct config_scene *s, struct snapshot *set, const char *text)
{
	struct doc_stream docs;

	snapshot_init(set, &s->arena);
	assert_int_equal(doc_read_yaml(&s->arena, text, strlen(text), "x", &docs, NULL), 0);
	for (size_t i = 0; i < docs.n; i++)
		assert_int_equal(snapshot_add(set, docs.docs[i], NULL), 0);
}

static void scene(struct config_scene *s, const char *live, const char *desired)
{
	memset(s, 0, sizeof(*s));
	read_set(s, &s->live, live);
	read_set(s, &s->desired, desired);
	snapshot_init(&s->applied, &s->arena);
	assert_int_equal(config_scene_compare(s, &opts, &key, NULL), 0);
}

static const struct config_plan_about *about(const struct secret_key *with, int64_t now_s)
{
	static struct config_plan_about a;

	a = (struct config_plan_about){.key = with, .now_s = now_s, .valid_s = 10};
	return &a;
}

static const char *order(struct arena *a, const struct doc *plan)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_get(plan, "operations"), d)
		strbuf_addf(&sb, "%s%s %s", sb.len ? ", " : "", doc_find_str(d, "op"),
			    doc_find_str(d, "object.kind"));
	return arena_strdup(a, strbuf_cstr(&sb));
}

TEST(what_others_need_is_made_first_and_goes_last)
{
	struct config_scene s;
	struct doc *plan;

	scene(&s, "", POD SECRET("a") NAMESPACE MAP("b"));
	plan = config_plan_make(&s.arena, &s, about(&key, 0));
	assert_string_equal(order(&s.arena, plan),
			    "create Namespace, create Secret, create ConfigMap, create Pod");
	config_scene_release(&s);
	scene(&s, POD SECRET("a") NAMESPACE, MAP("b"));
	plan = config_plan_make(&s.arena, &s, about(&key, 0));
	assert_string_equal(order(&s.arena, plan),
			    "create ConfigMap, delete Pod, delete Secret, delete Namespace");
	config_scene_release(&s);
}

/* The plan as it was, against a comparison made later. */
static const char *check(const char *live, const char *desired, const struct secret_key *with,
			 int64_t now, struct arena *a)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct config_scene before, after;
	struct error err = ERROR_INIT;
	struct doc *plan, *moved = NULL;

	scene(&before, MAP("b") SECRET("x"), MAP("c") SECRET("x"));
	plan = config_plan_make(&before.arena, &before, about(&key, 100));
	scene(&after, live, desired);
	if (config_plan_check(&after.arena, plan, &after, about(with, now), &moved, &err) < 0)
		strbuf_adds(&sb, err.msg);
	doc_foreach_item (moved, d)
		strbuf_addf(&sb, "%s\n", doc_str(d));
	config_scene_release(&before);
	config_scene_release(&after);
	return arena_strdup(a, strbuf_cstr(&sb));
}

TEST(a_plan_fits_only_the_state_it_saw)
{
	const char *live = MAP("b") SECRET("x"), *desired = MAP("c") SECRET("x");
	struct arena a = ARENA_INIT;

	assert_string_equal(check(live, desired, &key, 109, &a), "");
	assert_string_equal(check(live, desired, &key, 110, &a), "the plan has expired\n");
	assert_non_null(strstr(check(live, desired, &other, 109, &a), "another key"));
	assert_string_equal(
		check(MAP("z") SECRET("x"), desired, &key, 109, &a),
		"v1 ConfigMap default/m: what is there is not what the plan saw (data.a "
		"is \"z\" now, the plan saw \"b\")\n");
	assert_string_equal(check(live, MAP("d") SECRET("x"), &key, 109, &a),
			    "v1 ConfigMap default/m: what is wanted is not what was planned\n");
	/* A secret that moved is seen, too. */
	assert_non_null(strstr(check(MAP("b") SECRET("y"), desired, &key, 109, &a),
			       "v1 Secret default/s: what is there is not what the plan saw "
			       "(data.pin is \"hmac-sha256:"));
	assert_string_equal(check(live, MAP("c") SECRET("x") POD, &key, 109, &a),
			    "v1 Pod default/p: is not in the plan\n");
	assert_string_equal(check(MAP("b"), MAP("c"), &key, 109, &a),
			    "v1 Secret default/s: was in the plan, and is not any more\n");
	arena_release(&a);
}

TEST(no_secret_stands_in_a_plan_and_nonsense_is_none)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct config_scene s;
	struct doc *moved;

	scene(&s, SECRET("planted-one"), SECRET("planted-two"));
	doc_write_json(config_plan_make(&s.arena, &s, about(&key, 0)), DOC_PRETTY, &text);
	assert_null(strstr(text.buf, "planted"));
	assert_non_null(strstr(text.buf, "\"path\": \"data.pin\""));
	assert_int_equal(config_plan_check(&s.arena, NULL, &s, about(&key, 0), &moved, NULL),
			 -EINVAL);
	assert_int_equal(
		config_plan_check(&s.arena, doc_list(&s.arena), &s, about(&key, 0), &moved, NULL),
		-EINVAL);
	config_scene_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_need_is_made_first_and_goes_last),
		cmocka_unit_test(a_plan_fits_only_the_state_it_saw),
		cmocka_unit_test(no_secret_stands_in_a_plan_and_nonsense_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
