/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a comparison of 5 000 objects costs: read one by one from the lab's API server on the same
 * loop (so the server's share is in it), redacted and compared; then with one in ten changed, made
 * into a plan and printed. JSON on standard output, between the test's own lines.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/test.h"
#include "tests/unit/upgrade/api.h"
#include "upgrade/config_plan.h"

enum { OBJECTS = 5000, KINDS = 4 };

static const char *object(struct arena *a, int i, int version)
{
	switch (i % KINDS) {
	case 0:
		return arena_printf(
			a,
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d%d, "
			"namespace: bench}\nspec: {replicas: %d, selector: "
			"{matchLabels: {app: d%d}}, template: {metadata: {labels: {app: "
			"d%d}}, spec: {containers: [{name: app, image: 'i:1', env: "
			"[{name: A, value: b}, {name: DB_PASSWORD, value: x%d}], ports: "
			"[{containerPort: 80}]}]}}}\n",
			i, version, i, i, i);
	case 1:
		return arena_printf(
			a,
			"apiVersion: v1\nkind: Secret\nmetadata: {name: s%d, namespace: "
			"bench}\nstringData: {pin: pin-%d-%d, user: jo}\n",
			i, i, version);
	case 2:
		return arena_printf(
			a,
			"apiVersion: v1\nkind: Service\nmetadata: {name: v%d, "
			"namespace: bench}\nspec: {selector: {app: d%d}, ports: [{port: "
			"%d}]}\n",
			i, i, 79 + version);
	default:
		return arena_printf(
			a,
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m%d, "
			"namespace: bench}\ndata: {a: 'v%d', file: \"a: 1\\nb: %d\\n\"}\n",
			i, version, i);
	}
}

static void wanted(struct config_scene *s, bool changed)
{
	struct doc_stream docs;

	for (int i = 0; i < OBJECTS; i++) {
		const char *text = object(&s->arena, i, changed && i % 10 == 0 ? 2 : 1);

		assert_int_equal(doc_read_yaml(&s->arena, text, strlen(text), "bench", &docs, NULL),
				 0);
		assert_int_equal(snapshot_add(&s->desired, docs.docs[0], NULL), 0);
	}
}

static double ms_since(uint64_t *at)
{
	const uint64_t now = clock_now_ns(clock_system()), was = *at;

	*at = now;
	return (double)(now - was) / NS_PER_MS;
}

static void tell(struct arena *a, struct doc *out, const char *what, double ms)
{
	struct doc *d = doc_set_map(a, out, what);

	doc_set(a, d, "ms", doc_real(a, ms));
	doc_set(a, d, "msEach", doc_real(a, ms / OBJECTS));
}

static void compare(struct api *w, struct arena *a, struct doc *ret, bool changed)
{
	static const struct secret_key key = {{1}};
	const struct config_diff_opts opts = {.applied = "bench"};
	const struct config_plan_about about = {.key = &key, .valid_s = 1};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	uint64_t at = clock_now_ns(clock_system());
	double read, parse, diff, plan;
	struct error err = ERROR_INIT;
	struct config_scene s;
	struct rusage used;

	config_scene_init(&s);
	s.live_name = "live";
	wanted(&s, changed);
	parse = ms_since(&at);
	if (config_live_read(&s, &w->cluster, &err))
		fail_msg("%s", err.msg);
	read = ms_since(&at);
	for (size_t i = 0; i < s.desired.n; i++)
		assert_int_equal(snapshot_add(&s.applied, s.desired.items[i], NULL), 0);
	if (config_scene_compare(&s, &opts, &key, &err))
		fail_msg("%s", err.msg);
	diff = ms_since(&at);
	assert_int_equal(diff_pending(&s.diff), changed);
	doc_write_json(config_plan_make(&s.arena, &s, &about), DOC_PRETTY, &out);
	config_print(&s, CONFIG_DIFF, 3, &out);
	plan = ms_since(&at);
	getrusage(RUSAGE_SELF, &used);
	tell(a, ret, "manifests", parse);
	tell(a, ret, "read", read);
	tell(a, ret, "compared", diff);
	tell(a, ret, "plannedAndPrinted", plan);
	doc_set_int(a, ret, "mostResidentBytes", used.ru_maxrss * 1024);
	config_scene_release(&s);
}

TEST(five_thousand_objects)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	auto_release(arena) struct arena results = ARENA_INIT;
	struct doc *out = doc_map(&results);
	struct api w;

	api_new(&w);
	w.cluster.clock = clock_system();
	w.cluster.fake = NULL;
	api_apply(&w, "apiVersion: v1\nkind: Namespace\nmetadata: {name: bench}\n");
	for (int i = 0; i < OBJECTS; i++) {
		auto_release(arena) struct arena a = ARENA_INIT;

		api_apply(&w, object(&a, i, 1));
	}
	doc_set_int(&results, out, "objects", OBJECTS);
	compare(&w, &results, doc_set_map(&results, out, "noneChanged"), false);
	compare(&w, &results, doc_set_map(&results, out, "oneInTenChanged"), true);
	doc_write_json(out, DOC_PRETTY, &text);
	puts(strbuf_cstr(&text));
	api_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(five_thousand_objects)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
