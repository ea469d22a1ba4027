/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of objects: paired by name, sorted, told apart. */
#include <string.h>

#include "lib/diff/diff.h"
#include "tests/support/test.h"

static void read_set(struct snapshot *s, struct arena *a, const char *text)
{
	struct doc_stream docs;
	struct error err = ERROR_INIT;

	snapshot_init(s, a);
	if (doc_read_yaml(a, text, strlen(text), "set", &docs, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < docs.n; i++)
		assert_int_equal(snapshot_add(s, docs.docs[i], NULL), 0);
}

/* The refs of changed objects with their classes; or the error. */
static const char *run(struct arena *a, const char *applied, const char *live, const char *desired,
		       bool annotations)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct snapshot b, l, d;
	struct diff_input in = {.desired = &d, .live = &l, .annotations = annotations};
	struct error err = ERROR_INIT;
	struct diff diff;

	read_set(&b, a, applied ? applied : "");
	read_set(&l, a, live);
	read_set(&d, a, desired);
	in.applied = applied ? &b : NULL;
	if (diff_make(&diff, a, &in, &err) < 0)
		strbuf_adds(&out, err.msg);
	else
		for (size_t i = 0; i < diff.n; i++)
			for (size_t j = 0; j < diff.objects[i].n; j++)
				strbuf_addf(&out, "%s %s %s\n",
					    diff_object_ref(a, &diff.objects[i]),
					    diff_class_name(diff.objects[i].changes[j].class),
					    diff_path_text(a, diff.objects[i].changes[j].path));
	snapshot_release(&b);
	snapshot_release(&l);
	snapshot_release(&d);
	return arena_strdup(a, strbuf_cstr(&out));
}

#define MAP(name, value)                                                                           \
	"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\ndata: {a: " value "}\n"

TEST(objects_are_paired_and_sorted)
{
	struct arena a = ARENA_INIT;

	assert_string_equal(run(&a, MAP("b", "1") MAP("c", "1") MAP("d", "1"),
				MAP("b", "1") MAP("c", "1") MAP("other", "1") MAP("d", "1"),
				MAP("z", "1") MAP("c", "2") MAP("d", "1"), false),
			    "ConfigMap/default/b change \n"
			    "ConfigMap/default/c change data.a\n"
			    "ConfigMap/default/z change \n");
	arena_release(&a);
}

TEST(kinds_of_one_name_in_two_groups_are_two)
{
	struct arena a = ARENA_INIT;

	assert_string_equal(
		run(&a, NULL, "",
		    "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: "
		    "g}}\n---\n"
		    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: "
		    "g}}\n",
		    false),
		"Gateway/g change \nGateway/default/g change \n");
	arena_release(&a);
}

/* Names end in a request's path, in a history's tree and on a terminal. */
TEST(what_is_called_so_as_to_be_something_else_is_an_error)
{
	static const char *const rows[][2] = {
		{"{apiVersion: v1, kind: Pod, metadata: {name: ..}}",
		 "set:1:46: metadata.name is a place in a path, not a name"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: ../../nodes/a}}",
		 "set:1:46: metadata.name may have no / and no %"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: a%2fb}}",
		 "set:1:46: metadata.name may have no / and no %"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: .}}",
		 "set:1:60: metadata.namespace is a place in a path, not a name"},
		{"{apiVersion: v1, kind: Pod/x, metadata: {name: a}}",
		 "set:1:24: kind may have no / and no %"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: \"a\\e[2Jb\"}}",
		 "set:1:46: metadata.name may have no control characters"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: \"a\\x9b2Jb\"}}", /* CSI in two bytes
										  */
		 "set:1:46: metadata.name may have no control characters"},
		{"{apiVersion: v1, kind: \"Pod\\u0080\", metadata: {name: a}}",
		 "set:1:24: kind may have no control characters"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: 5}}",
		 "set:1:46: metadata.name: want a string, got integer"},
		{"{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: [b]}}",
		 "set:1:60: metadata.namespace: want a string, got list"},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(run(&a, NULL, "", rows[i][0], false), rows[i][1]);
	/* What comes after them is a letter. */
	assert_null(
		strstr(run(&a, NULL, "",
			   "{apiVersion: v1, kind: Pod, metadata: {name: \"\\xa0\\xe9\"}}", false),
		       "may have no"));
	arena_release(&a);
}

TEST(an_object_twice_or_without_a_name_is_an_error)
{
	struct arena a = ARENA_INIT;

	assert_string_equal(run(&a, NULL, "", MAP("b", "1") MAP("b", "2"), false),
			    "ConfigMap/default/b occurs twice: set:2:1 and set:7:1");
	assert_non_null(strstr(run(&a, NULL, "", "{apiVersion: v1, kind: Pod}", false),
			       "without metadata.name"));
	arena_release(&a);
}

TEST(kubectls_note_says_what_was_applied)
{
	static const char live[] =
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: b, annotations: {"
		"kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"a\":\"1\"}}'}},"
		"data: {a: '2'}}";
	struct arena a = ARENA_INIT;

	assert_string_equal(run(&a, NULL, live, MAP("b", "'1'"), true),
			    "ConfigMap/default/b drift data.a\n");
	assert_string_equal(run(&a, NULL, live, MAP("b", "'1'"), false),
			    "ConfigMap/default/b adopt data.a\n");
	arena_release(&a);
}

TEST(an_autoscaler_keeps_the_replicas)
{
	static const char hpa[] =
		"---\n{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: "
		"x},"
		" spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: till}}}\n";
#define TILL(n)                                                                                    \
	"---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: till}, spec: {replicas: " n \
	"}}\n"
	struct arena a = ARENA_INIT;

	assert_string_equal(
		run(&a, TILL("1"), arena_printf(&a, "%s%s", TILL("4"), hpa), TILL("1"), false),
		"Deployment/default/till theirs spec.replicas\n");
	assert_string_equal(run(&a, TILL("1"), TILL("4"), TILL("1"), false),
			    "Deployment/default/till drift spec.replicas\n");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_paired_and_sorted),
		cmocka_unit_test(kinds_of_one_name_in_two_groups_are_two),
		cmocka_unit_test(an_object_twice_or_without_a_name_is_an_error),
		cmocka_unit_test(what_is_called_so_as_to_be_something_else_is_an_error),
		cmocka_unit_test(kubectls_note_says_what_was_applied),
		cmocka_unit_test(an_autoscaler_keeps_the_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
