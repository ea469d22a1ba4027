/* SPDX-License-Identifier: Apache-2.0 */
/* DaemonSets: a pod a node, updates by deletion and in turn, revisions there and back. */
#include "tests/unit/lab/world.h"

#include <string.h>

#include "lib/base/str.h"

static const char set_of[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: team}}\n---\n"
	"{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: team}, spec: "
	"{updateStrategy: {type: %s}, revisionHistoryLimit: 2, selector: {matchLabels: {app: a}}, "
	"template: {metadata: {labels: {app: a}}, spec: {hostNetwork: true, containers: "
	"[{name: c, image: 'i:1'}]}}}}\n";

static struct doc *the_set(struct world *w)
{
	return world_get(w, KIND_DAEMON_SET, "d");
}

static struct doc *list(struct world *w, enum object_kind_id kind)
{
	struct doc *items = NULL;

	assert_int_equal(
		kube_list(w->client, &w->arena, object_kind(kind), "team", NULL, &items, NULL), 0);
	return items;
}

static struct doc *pod_on(struct world *w, const char *node)
{
	doc_foreach_item (list(w, KIND_POD), pod)
		if (str_eq(doc_find_str(pod, "spec.nodeName"), node) && !kube_deleting(pod))
			return pod;
	return NULL;
}

static const char *image_on(struct world *w, const char *node)
{
	return str_or_empty(doc_find_str(pod_on(w, node), "spec.containers[0].image"));
}

/* "desired/current/updated/ready/available/unavailable" of a generation that was looked at. */
static const char *numbers(struct arena *a, const struct doc *d)
{
	static const char *const keys[] = {"desiredNumberScheduled", "currentNumberScheduled",
					   "updatedNumberScheduled", "numberReady",
					   "numberAvailable",        "numberUnavailable"};
	const char *out = "";

	if (doc_find_int(d, "status.observedGeneration", 0) <
	    doc_find_int(d, "metadata.generation", 1))
		return "old";
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		out = arena_printf(
			a, "%s%s%lld", out, i ? "/" : "",
			(long long)doc_int_or(doc_get(doc_get(d, "status"), keys[i]), -1));
	return out;
}

struct wanted {
	struct arena *a;
	const char *numbers;
};

static bool has_numbers(void *arg, const struct doc *d)
{
	const struct wanted *want = arg;

	return str_eq(numbers(want->a, d), want->numbers);
}

static void wait_numbers(struct world *w, const char *want)
{
	struct wanted arg = {&w->arena, want};

	if (kube_wait_for(w->client, object_kind(KIND_DAEMON_SET), "team", "d", has_numbers, &arg,
			  30 * NS_PER_S, NULL))
		fail_msg("want %s, have %s", want, numbers(&w->arena, the_set(w)));
}

static void bring_up(struct world *w, const char *strategy)
{
	world_node(w, "node-a");
	world_node(w, "node-b");
	world_apply(w, arena_printf(&w->arena, set_of, strategy));
	wait_numbers(w, "2/2/2/2/2/0");
}

static void patch(struct world *w, enum object_kind_id kind, const char *ns, const char *name,
		  const char *yaml)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	assert_int_equal(doc_read_yaml(&w->arena, yaml, strlen(yaml), "patch", &s, &err), 0);
	if (kube_patch(w->client, &w->arena, object_kind(kind), ns, name, NULL,
		       KUBE_PATCH_STRATEGIC, s.docs[0], NULL, &err))
		fail_msg("%s", err.msg);
}

static void set_image(struct world *w, const char *image)
{
	patch(w, KIND_DAEMON_SET, "team", "d",
	      arena_printf(&w->arena,
			   "spec: {template: {spec: {containers: [{name: c, image: '%s'}]}}}",
			   image));
}

/* "i:1=1 i:2=2": what the revisions bring back, and their numbers, by number. */
static const char *history(struct world *w)
{
	struct doc *items = list(w, KIND_CONTROLLER_REVISION);
	const char *out = "";

	for (int64_t n = 1; n < 20; n++)
		doc_foreach_item (items, r)
			if (doc_find_int(r, "revision", 0) == n)
				out = arena_printf(
					&w->arena, "%s%s%s=%lld", out, *out ? " " : "",
					doc_find_str(r,
						     "data.spec.template.spec.containers[0].image"),
					(long long)n);
	return out;
}

TEST(every_node_has_one_also_a_cordoned_and_a_new_one)
{
	struct world *w = *state;
	const struct doc *pod;

	bring_up(w, "OnDelete");
	pod = pod_on(w, "node-a");
	assert_non_null(pod);
	assert_non_null(kube_label(pod, "controller-revision-hash"));
	assert_string_equal(doc_find_str(kube_controller(pod), "kind"), "DaemonSet");
	assert_string_equal(history(w), "i:1=1");
	patch(w, KIND_NODE, NULL, "node-b", "{spec: {unschedulable: true}}");
	assert_int_equal(kube_delete(w->client, object_kind(KIND_POD), "team",
				     kube_name(pod_on(w, "node-b")), NULL),
			 0);
	world_node(w, "node-c");
	wait_numbers(w, "3/3/3/3/3/0");
	assert_non_null(pod_on(w, "node-b"));
	/* A taint that it does not tolerate: it goes from there, and only from there. */
	patch(w, KIND_NODE, NULL, "node-c", "{spec: {taints: [{key: own, effect: NoExecute}]}}");
	wait_numbers(w, "2/2/2/2/2/0");
	assert_int_equal(doc_find_int(the_set(w), "status.numberMisscheduled", -1), 0);
	assert_null(pod_on(w, "node-c"));
}

TEST(with_on_delete_only_who_deletes_a_pod_updates_its_node)
{
	struct world *w = *state;
	const char *uid;

	bring_up(w, "OnDelete");
	uid = kube_uid(pod_on(w, "node-a"));
	set_image(w, "i:2");
	wait_numbers(w, "2/2/0/2/2/0");
	assert_string_equal(kube_uid(pod_on(w, "node-a")), uid);
	assert_int_equal(kube_delete(w->client, object_kind(KIND_POD), "team",
				     kube_name(pod_on(w, "node-b")), NULL),
			 0);
	wait_numbers(w, "2/2/1/2/2/0");
	assert_string_equal(image_on(w, "node-a"), "i:1");
	assert_string_equal(image_on(w, "node-b"), "i:2");
	assert_string_equal(history(w), "i:1=1 i:2=2");
	/* Back: the same revision under a new number; node-a is updated as it stands. */
	set_image(w, "i:1");
	wait_numbers(w, "2/2/1/2/2/0");
	assert_string_equal(history(w), "i:2=2 i:1=3");
	assert_string_equal(kube_uid(pod_on(w, "node-a")), uid);
	assert_int_equal(kube_delete(w->client, object_kind(KIND_POD), "team",
				     kube_name(pod_on(w, "node-b")), NULL),
			 0);
	wait_numbers(w, "2/2/2/2/2/0");
	assert_string_equal(image_on(w, "node-b"), "i:1");
}

TEST(old_revisions_go_but_those_that_pods_have)
{
	struct world *w = *state;

	bring_up(w, "OnDelete");
	for (int i = 2; i < 7; i++) {
		set_image(w, arena_printf(&w->arena, "i:%d", i));
		wait_numbers(w, "2/2/0/2/2/0");
	}
	assert_string_equal(history(w), "i:1=1 i:4=4 i:5=5 i:6=6");
}

TEST(a_revision_brings_its_template_back_as_kubectl_sends_it)
{
	struct world *w = *state;

	bring_up(w, "OnDelete");
	patch(w, KIND_DAEMON_SET, "team", "d",
	      "spec: {template: {metadata: {annotations: {more: words}}, spec: {containers: "
	      "[{name: c, image: 'i:2', env: [{name: A, value: b}]}]}}}");
	wait_numbers(w, "2/2/0/2/2/0");
	doc_foreach_item (list(w, KIND_CONTROLLER_REVISION), r)
		if (doc_find_int(r, "revision", 0) == 1)
			assert_int_equal(kube_patch(w->client, &w->arena,
						    object_kind(KIND_DAEMON_SET), "team", "d", NULL,
						    KUBE_PATCH_STRATEGIC, doc_get(r, "data"), NULL,
						    NULL),
					 0);
	wait_numbers(w, "2/2/2/2/2/0");
	assert_string_equal(history(w), "i:2=2 i:1=3");
}

TEST(in_turn_never_more_than_one_is_away)
{
	struct world *w = *state;

	bring_up(w, "RollingUpdate");
	world_apply(w, "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: team}, "
		       "spec: {selector: {app: a}, ports: [{port: 80}]}}");
	while (world_ready_endpoints(w) < 2)
		loop_turn(w->loop, true, NULL);
	w->least_ready = 2;
	w->watch_floor = true;
	set_image(w, "i:2");
	wait_numbers(w, "2/2/2/2/2/0");
	assert_string_equal(image_on(w, "node-a"), "i:2");
	assert_string_equal(image_on(w, "node-b"), "i:2");
	assert_true(w->least_ready >= 1);
}

static bool one_a_node(struct world *w)
{
	return doc_len(list(w, KIND_POD)) == 2 && pod_on(w, "node-a") && pod_on(w, "node-b");
}

TEST(controllers_killed_in_the_middle_leave_one_a_node)
{
	struct world *w = *state;

	bring_up(w, "RollingUpdate");
	set_image(w, "i:2");
	for (int i = 0; i < 12; i++) {
		for (int turns = 0; turns < 5 + i; turns++)
			loop_turn(w->loop, true, NULL);
		controllers_free(w->controllers);
		world_start_controllers(w);
	}
	wait_numbers(w, "2/2/2/2/2/0");
	world_until(w, one_a_node, "one pod a node");
	assert_string_equal(image_on(w, "node-a"), "i:2");
	assert_string_equal(history(w), "i:1=1 i:2=2");
}

static bool nothing_left(struct world *w)
{
	return doc_len(list(w, KIND_POD)) == 0 && doc_len(list(w, KIND_CONTROLLER_REVISION)) == 0;
}

TEST(what_it_made_goes_with_it)
{
	struct world *w = *state;

	bring_up(w, "OnDelete");
	assert_int_equal(kube_delete(w->client, object_kind(KIND_DAEMON_SET), "team", "d", NULL),
			 0);
	world_until(w, nothing_left, "pods and revisions to go");
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(every_node_has_one_also_a_cordoned_and_a_new_one),
		ROW(with_on_delete_only_who_deletes_a_pod_updates_its_node),
		ROW(old_revisions_go_but_those_that_pods_have),
		ROW(a_revision_brings_its_template_back_as_kubectl_sends_it),
		ROW(in_turn_never_more_than_one_is_away),
		ROW(controllers_killed_in_the_middle_leave_one_a_node),
		ROW(what_it_made_goes_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
