/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers on the lab's API server, with a stand-in for kubelets: pods that are placed
 * become Running and Ready, pods that are deleted go. Everything else is the real thing.
 */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "deploy/lab/controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/kube/informer.h"
#include "lib/kube/sync.h"

struct world {
	struct loop *loop;
	struct apiserver *server;
	struct kube_client *client, *kubelet_client;
	struct controllers *controllers;
	struct kube_informer *pods, *slices;
	struct arena arena;
	unsigned ips;
	int least_ready; /* endpoints of the Service, ever since watching */
	int most_pods;
	bool watch_floor;
};

static void ignore(UNUSED void *arg, UNUSED struct kube_result *r)
{
}

/* The stand-in kubelet. */
static void run_pod(struct world *w, const struct doc *pod)
{
	struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a), *status = doc_set_map(&a, patch, "status"), *row;
	struct kube_request q = {.verb = KUBE_PATCH,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = kube_namespace(pod),
				 .name = kube_name(pod),
				 .subresource = "status",
				 .body = patch};

	doc_set_string(&a, status, "phase", "Running");
	doc_setf(&a, status, "podIP", "10.244.0.%u", ++w->ips);
	row = doc_append(&a, doc_set_list(&a, status, "conditions"), doc_map(&a));
	doc_set_string(&a, row, "type", "Ready");
	doc_set_string(&a, row, "status", "True");
	doc_set_string(&a, row, "lastTransitionTime", "2026-01-01T00:00:00Z");
	kube_start(w->kubelet_client, &q, ignore, NULL);
	arena_release(&a);
}

static void end_pod(struct world *w, const struct doc *pod)
{
	struct kube_request q = {.verb = KUBE_DELETE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = kube_namespace(pod),
				 .name = kube_name(pod),
				 .uid = kube_uid(pod),
				 .with_grace = true};

	kube_start(w->kubelet_client, &q, ignore, NULL);
}

static void pod_changed(void *arg, enum kube_change change, const struct kube_object *old,
			const struct kube_object *now)
{
	struct world *w = arg;

	(void)old;
	w->most_pods = MAX(w->most_pods, (int)kube_informer_count(w->pods));
	if (change == KUBE_DELETED)
		return;
	if (kube_deleting(now->doc)) {
		if (!old || !kube_deleting(old->doc))
			end_pod(w, now->doc);
	} else if (doc_find_str(now->doc, "spec.nodeName") && !doc_find(now->doc, "status.podIP")) {
		run_pod(w, now->doc);
	}
}

static int ready_endpoints(const struct world *w)
{
	int n = 0;

	kube_informer_foreach (w->slices, o) {
		const struct doc *list = doc_get(o->doc, "endpoints");

		for (size_t i = 0; i < doc_len(list); i++)
			n += doc_bool_or(doc_find(doc_at(list, i), "conditions.ready"), false);
	}
	return n;
}

static void slice_changed(void *arg, UNUSED enum kube_change change,
			  UNUSED const struct kube_object *old,
			  UNUSED const struct kube_object *now)
{
	struct world *w = arg;

	if (w->watch_floor)
		w->least_ready = MIN(w->least_ready, ready_endpoints(w));
}

static void apply(struct world *w, const char *yaml)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	assert_int_equal(doc_read_yaml(&w->arena, yaml, strlen(yaml), "test", &s, &err), 0);
	for (size_t i = 0; i < s.n; i++) {
		const struct object_kind *k = object_kind_find(
			doc_find_str(s.docs[i], "apiVersion"), doc_find_str(s.docs[i], "kind"));

		if (kube_put(w->client, &w->arena, k, s.docs[i], NULL, &err))
			fail_msg("%s", err.msg);
	}
}

static void node(struct world *w, const char *name)
{
	auto_free char *yaml =
		xasprintf("{apiVersion: v1, kind: Node, metadata: {name: %s, labels: "
			  "{kubernetes.io/hostname: %s}}}",
			  name, name);
	struct doc *patch = doc_map(&w->arena), *row;

	apply(w, yaml);
	row = doc_append(
		&w->arena,
		doc_set_list(&w->arena, doc_set_map(&w->arena, patch, "status"), "conditions"),
		doc_map(&w->arena));
	doc_set_string(&w->arena, row, "type", "Ready");
	doc_set_string(&w->arena, row, "status", "True");
	assert_int_equal(kube_patch(w->client, &w->arena, object_kind(KIND_NODE), NULL, name,
				    "status", KUBE_PATCH_MERGE, patch, NULL, NULL),
			 0);
}

static void start_controllers(struct world *w)
{
	struct controllers_options o = {0};

	w->controllers = controllers_new(w->kubelet_client, &o);
}

static int setup_server(void **state, bool collects_garbage)
{
	static const struct kube_informer_handlers on_pods = {.on_change = pod_changed};
	static const struct kube_informer_handlers on_slices = {.on_change = slice_changed};
	struct world *w = xcalloc(1, sizeof(*w));
	struct apiserver_options options = {.no_garbage_collection = !collects_garbage};
	struct kube_informer_options pods = {.kind = object_kind(KIND_POD)};
	struct kube_informer_options slices = {.kind = object_kind(KIND_ENDPOINT_SLICE),
					       .namespace_ = "team"};
	struct kube_config_options where = {0};
	struct kube_config config;
	char url[64], path[64];
	uint16_t port = 0;
	struct error err = ERROR_INIT;

	w->loop = loop_new(NULL);
	if (apiserver_new(w->loop, &options, &w->server, &err) ||
	    apiserver_listen(w->server, "127.0.0.1", 0, &port, &err))
		fail_msg("%s", err.msg);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
	snprintf(path, sizeof(path), "/tmp/test-controllers-%d.conf", (int)getpid());
	assert_int_equal(
		apiserver_write_kubeconfig(w->server, "t", "system:masters", url, path, &err), 0);
	where.kubeconfig = path;
	assert_int_equal(kube_config_load(&w->arena, &where, &config, &err), 0);
	unlink(path);
	w->client = kube_client_new(w->loop, &config, NULL);
	w->kubelet_client = kube_client_new(w->loop, &config, NULL);
	w->pods = kube_informer_new(w->client, &pods, &on_pods, w);
	w->slices = kube_informer_new(w->client, &slices, &on_slices, w);
	w->least_ready = 1000;
	start_controllers(w);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_server(state, false);
}

/* The lab's server ends namespaces itself and takes no word for it. */
static int setup_collecting(void **state)
{
	return setup_server(state, true);
}

static int teardown(void **state)
{
	struct world *w = *state;

	controllers_free(w->controllers);
	kube_informer_free(w->pods);
	kube_informer_free(w->slices);
	kube_client_free(w->kubelet_client);
	kube_client_free(w->client);
	apiserver_free(w->server);
	loop_free(w->loop);
	arena_release(&w->arena);
	free(w);
	return 0;
}

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

static void until(struct world *w, bool (*met)(struct world *w), const char *what)
{
	uint64_t end = loop_now_ns(w->loop) + 30 * NS_PER_S;

	while (!met(w)) {
		if (loop_now_ns(w->loop) > end)
			fail_msg("never: %s", what);
		loop_turn(w->loop, true, NULL);
	}
}

static bool two_ready(struct world *w)
{
	return ready_endpoints(w) == 2;
}

static void bring_up(struct world *w)
{
	struct error err = ERROR_INIT;

	node(w, "node-a");
	node(w, "node-b");
	apply(w, story);
	if (kube_wait_for(w->client, object_kind(KIND_DEPLOYMENT), "team", "d", rolled_out, NULL,
			  30 * NS_PER_S, &err))
		fail_msg("%s", err.msg);
	until(w, two_ready, "two endpoints");
}

static struct doc *get(struct world *w, enum object_kind_id kind, const char *name)
{
	const struct object_kind *k = object_kind(kind);
	struct doc *d = NULL;
	struct error err = ERROR_INIT;

	if (kube_get(w->client, &w->arena, k, k->namespaced ? "team" : NULL, name, &d, &err))
		fail_msg("%s", err.msg);
	return d;
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
	assert_non_null(get(w, KIND_SERVICE_ACCOUNT, "default"));
	assert_string_not_equal(doc_find_str(get(w, KIND_NODE, "node-a"), "spec.podCIDR"),
				doc_find_str(get(w, KIND_NODE, "node-b"), "spec.podCIDR"));
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
	assert_true(kube_condition_true(get(w, KIND_DEPLOYMENT, "d"), "Available"));
	assert_string_equal(
		kube_annotation(get(w, KIND_DEPLOYMENT, "d"), "deployment.kubernetes.io/revision"),
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
	until(w, two_ready, "two endpoints");
	assert_true(w->least_ready >= 2);
	assert_true(w->most_pods <= 4); /* 3, and one that is going */
	assert_string_equal(
		kube_annotation(get(w, KIND_DEPLOYMENT, "d"), "deployment.kubernetes.io/revision"),
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
		start_controllers(w);
	}
	wait_rolled_out(w);
	until(w, two_ready, "two endpoints");
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
	until(w, no_pods, "no pods");
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

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(a_deployment_becomes_pods_endpoints_and_a_budget),
		ROW(a_restart_never_has_fewer_than_asked_nor_more_than_the_surge),
		ROW(controllers_killed_in_the_middle_go_on),
		ROW(what_lost_its_owner_goes),
		cmocka_unit_test_setup_teardown(a_namespace_ends_with_all_it_holds,
						setup_collecting, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
