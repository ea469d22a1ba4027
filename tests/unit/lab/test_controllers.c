/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments, Services, budgets and namespaces on a control plane of its own. */
#include "tests/unit/lab/world.h"

static const char story[] =
	"{apiVersion: v1, kind: Namespace, metadata: {name: team}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: s, namespace: team}, spec: {selector: "
	"{app: "
	"a}, "
	"ports: [{name: http, port: 80, targetPort: web}]}}\n---\n"
	"{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: team}, "
	"spec: "
	"{minAvailable: 1, selector: {matchLabels: {app: a}}}}\n---\n"
	"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: team}, spec: "
	"{replicas: 2, "
	"strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}, "
	"selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: "
	"{containers: "
	"[{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}}}}\n";

static bool rolled_out(UNUSED void *arg, const struct doc *d)
{
	return doc_find_int(d, "status.observedGeneration", 0) >=
		       doc_find_int(d, "metadata.generation", 1) &&
	       doc_find_int(d, "status.updatedReplicas", 0) == 2 &&
	       doc_find_int(d, "status.replicas", 0) == 2 &&
	       doc_find_int(d, "status.availableReplicas", 0) == 2;
}

static bool two_ready(struct world *w)
{
	return world_ready_endpoints(w) == 2;
}

static void bring_up(struct world *w)
{
	struct error err = ERROR_INIT;

	world_node(w, "node-a");
	world_node(w, "node-b");
	world_apply(w, story);
	if (kube_wait_for(w->client, object_kind(KIND_DEPLOYMENT), "team", "d", rolled_out, NULL,
			  30 * NS_PER_S, &err))
		fail_msg("%s", err.msg);
	world_until(w, two_ready, "two endpoints");
}

static bool budget_allows_one(UNUSED void *arg, const struct doc *d)
{
	return doc_find_int(d, "status.disruptionsAllowed", -1) == 1;
}

TEST(a_deployment_becomes_pods_endpoints_and_a_budget)
{
	struct world *w = *state;
	struct doc *list, *slice;

	bring_up(w);
	assert_non_null(world_get(w, KIND_SERVICE_ACCOUNT, "default"));
	assert_string_not_equal(doc_find_str(world_get(w, KIND_NODE, "node-a"), "spec.podCIDR"),
				doc_find_str(world_get(w, KIND_NODE, "node-b"), "spec.podCIDR"));
	assert_int_equal(
		kube_list(w->client, &w->arena, object_kind(KIND_POD), "team", NULL, &list, NULL),
		0);
	assert_int_equal(doc_len(list), 2);
	assert_string_not_equal(doc_find_str(doc_at(list, 0), "spec.nodeName"),
				doc_find_str(doc_at(list, 1), "spec.nodeName"));
	slice = kube_informer_first(w->slices)->doc;
	assert_int_equal(doc_find_int(slice, "ports[0].port", 0), 8080);
	assert_string_equal(doc_find_str(slice, "ports[0].name"), "http");
	assert_string_equal(kube_label(slice, "kubernetes.io/service-name"), "s");
	assert_int_equal(kube_wait_for(w->client, object_kind(KIND_POD_DISRUPTION_BUDGET), "team",
				       "b", budget_allows_one, NULL, 30 * NS_PER_S, NULL),
			 0);
	assert_true(kube_condition_true(world_get(w, KIND_DEPLOYMENT, "d"), "Available"));
	assert_string_equal(kube_annotation(world_get(w, KIND_DEPLOYMENT, "d"),
					    "deployment.kubernetes.io/revision"),
			    "1");
}

static void restart(struct world *w, const char *when)
{
	struct doc *patch = doc_map(&w->arena), *at = patch;
	static const char *const path[] = {"spec", "template", "metadata", "annotations"};

	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		at = doc_set_map(&w->arena, at, path[i]);
	doc_set_string(&w->arena, at, "kubectl.kubernetes.io/restartedAt", when);
	assert_int_equal(kube_patch(w->client, &w->arena, object_kind(KIND_DEPLOYMENT), "team", "d",
				    NULL, KUBE_PATCH_MERGE, patch, NULL, NULL),
			 0);
}

static void wait_rolled_out(struct world *w)
{
	struct error err = ERROR_INIT;

	if (kube_wait_for(w->client, object_kind(KIND_DEPLOYMENT), "team", "d", rolled_out, NULL,
			  30 * NS_PER_S, &err))
		fail_msg("%s", err.msg);
}

TEST(a_restart_never_has_fewer_than_asked_nor_more_than_the_surge)
{
	struct world *w = *state;

	bring_up(w);
	w->watch_floor = true;
	w->most_pods = 0;
	restart(w, "2026-01-01T00:00:00Z");
	wait_rolled_out(w);
	world_until(w, two_ready, "two endpoints");
	assert_true(w->least_ready >= 2);
	assert_true(w->most_pods <= 4); /* 3, and one that is going */
	assert_string_equal(kube_annotation(world_get(w, KIND_DEPLOYMENT, "d"),
					    "deployment.kubernetes.io/revision"),
			    "2");
}

TEST(controllers_killed_in_the_middle_go_on)
{
	struct world *w = *state;

	bring_up(w);
	w->watch_floor = true;
	w->most_pods = 0;
	restart(w, "2026-01-02T00:00:00Z");
	for (int i = 0; i < 12; i++) {
		for (int turns = 0; turns < 7 + i; turns++)
			loop_turn(w->loop, true, NULL);
		controllers_free(w->controllers);
		world_start_controllers(w);
	}
	wait_rolled_out(w);
	world_until(w, two_ready, "two endpoints");
	assert_true(w->least_ready >= 2);
	assert_true(w->most_pods <= 4);
}

static bool no_pods(struct world *w)
{
	return kube_informer_count(w->pods) == 0;
}

static bool is_gone(UNUSED void *arg, const struct doc *d)
{
	return d == NULL;
}

TEST(what_lost_its_owner_goes)
{
	struct world *w = *state;

	bring_up(w);
	assert_int_equal(kube_delete(w->client, object_kind(KIND_DEPLOYMENT), "team", "d", NULL),
			 0);
	world_until(w, no_pods, "no pods");
}

TEST(a_namespace_ends_with_all_it_holds)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;

	bring_up(w);
	assert_int_equal(kube_delete(w->client, object_kind(KIND_NAMESPACE), NULL, "team", NULL),
			 0);
	if (kube_wait_for(w->client, object_kind(KIND_NAMESPACE), NULL, "team", is_gone, NULL,
			  30 * NS_PER_S, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(kube_informer_count(w->pods), 0);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(a_deployment_becomes_pods_endpoints_and_a_budget),
		ROW(a_restart_never_has_fewer_than_asked_nor_more_than_the_surge),
		ROW(controllers_killed_in_the_middle_go_on),
		ROW(what_lost_its_owner_goes),
		cmocka_unit_test_setup_teardown(a_namespace_ends_with_all_it_holds,
						world_setup_collecting, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
