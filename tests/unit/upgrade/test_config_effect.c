/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/config_effect.h"

#include <string.h>

#include "tests/support/test.h"

static const struct {
	const char *before, *after; /* NULL = absent */
	enum config_effect effect;  /* of the first change */
} rows[] = {
#define DEPLOYMENT "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
	{DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 2}", EFFECT_NONE},
	{DEPLOYMENT "spec: {template: {spec: {hostNetwork: true}}}",
	 DEPLOYMENT "spec: {template: {spec: {hostPID: true}}}", EFFECT_ROLLOUT},
	{DEPLOYMENT "spec: {selector: {matchLabels: {a: b}}}",
	 DEPLOYMENT "spec: {selector: {matchLabels: {a: c}}}", EFFECT_REFUSED},
	{NULL, DEPLOYMENT, EFFECT_NONE},
	{DEPLOYMENT, NULL, EFFECT_END},
	{DEPLOYMENT "spec: {templateless: 1}", DEPLOYMENT "spec: {templateless: 2}", EFFECT_NONE},
	{"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: sidestepd}\nspec: {template: {a: "
	 "1}}",
	 "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: sidestepd}\nspec: {template: {a: "
	 "2}}",
	 EFFECT_AGENT},
	{"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {a: 1}",
	 NULL, EFFECT_POLICY},
	{"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: b}}",
	 "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: c}}", EFFECT_POLICY},
	{"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}", NULL, EFFECT_LOST},
	{"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}", NULL, EFFECT_LOST},
	{NULL, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}", EFFECT_NONE},
	{"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {a: b}}",
	 "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {a: c}}",
	 EFFECT_SERVICE},
	/* another group's kind of that name */
	{"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {a: b}",
	 "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {a: c}",
	 EFFECT_NONE},
	{"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, labels: {a: b}}",
	 "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, labels: {a: c}}",
	 EFFECT_NONE},
};

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream s;

	if (!text)
		return NULL;
	assert_int_equal(doc_read_yaml(a, text, strlen(text), NULL, &s, NULL), 0);
	return s.docs[0];
}

TEST(a_change_has_this_effect)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct diff_object o;
		struct doc *before = yaml(&a, rows[i].before);
		enum config_effect got;

		diff_object_make(&o, &a, before, before, yaml(&a, rows[i].after), false, NULL);
		assert_int_not_equal(o.n, 0);
		got = config_effect_of(&o, &o.changes[0]);
		if (got != rows[i].effect)
			fail_msg("row %zu: %s", i, config_effect_name(got));
		arena_release(&a);
	}
}

TEST(what_is_not_pending_has_none)
{
	struct arena a = ARENA_INIT;
	const char *one = "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {a: 1}}";
	const char *two = "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {a: 2}}";
	struct diff_object o;

	diff_object_make(&o, &a, yaml(&a, one), yaml(&a, two), yaml(&a, two), false, NULL);
	assert_int_equal(o.changes[0].class, DIFF_APPLIED);
	assert_int_equal(config_effect_of(&o, &o.changes[0]), EFFECT_NONE);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_has_this_effect),
		cmocka_unit_test(what_is_not_pending_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
