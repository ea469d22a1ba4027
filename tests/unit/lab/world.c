/* SPDX-License-Identifier: Apache-2.0 */
/* A control plane for tests. */
#include "tests/unit/lab/world.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

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

int world_ready_endpoints(const struct world *w)
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
		w->least_ready = MIN(w->least_ready, world_ready_endpoints(w));
}

void world_apply(struct world *w, const char *yaml)
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

static bool has_range(UNUSED void *arg, const struct doc *d)
{
	return d && !str_empty(doc_find_str(d, "spec.podCIDR"));
}

void world_node(struct world *w, const char *name)
{
	auto_free char *yaml =
		xasprintf("{apiVersion: v1, kind: Node, metadata: {name: %s, labels: "
			  "{kubernetes.io/hostname: %s}}}",
			  name, name);
	struct doc *patch = doc_map(&w->arena), *row;

	world_apply(w, yaml);
	row = doc_append(
		&w->arena,
		doc_set_list(&w->arena, doc_set_map(&w->arena, patch, "status"), "conditions"),
		doc_map(&w->arena));
	doc_set_string(&w->arena, row, "type", "Ready");
	doc_set_string(&w->arena, row, "status", "True");
	assert_int_equal(kube_patch(w->client, &w->arena, object_kind(KIND_NODE), NULL, name,
				    "status", KUBE_PATCH_MERGE, patch, NULL, NULL),
			 0);
	/* Without a range of addresses it takes no pods. */
	assert_int_equal(kube_wait_for(w->client, object_kind(KIND_NODE), NULL, name, has_range,
				       NULL, 30 * NS_PER_S, NULL),
			 0);
}

void world_start_controllers(struct world *w)
{
	struct controllers_options o = {0};

	w->controllers = controllers_new(w->controllers_client, &o);
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
	/* Its requests end with the controllers that are killed. */
	w->controllers_client = kube_client_new(w->loop, &config, NULL);
	w->pods = kube_informer_new(w->client, &pods, &on_pods, w);
	w->slices = kube_informer_new(w->client, &slices, &on_slices, w);
	w->least_ready = 1000;
	world_start_controllers(w);
	*state = w;
	return 0;
}

int world_setup(void **state)
{
	return setup_server(state, false);
}

int world_setup_collecting(void **state)
{
	return setup_server(state, true);
}

int world_teardown(void **state)
{
	struct world *w = *state;

	controllers_free(w->controllers);
	kube_informer_free(w->pods);
	kube_informer_free(w->slices);
	kube_client_free(w->controllers_client);
	kube_client_free(w->kubelet_client);
	kube_client_free(w->client);
	apiserver_free(w->server);
	loop_free(w->loop);
	arena_release(&w->arena);
	free(w);
	return 0;
}

void world_until(struct world *w, bool (*met)(struct world *w), const char *what)
{
	uint64_t end = loop_now_ns(w->loop) + 30 * NS_PER_S;

	while (!met(w)) {
		if (loop_now_ns(w->loop) > end)
			fail_msg("never: %s", what);
		loop_turn(w->loop, true, NULL);
	}
}

struct doc *world_get(struct world *w, enum object_kind_id kind, const char *name)
{
	const struct object_kind *k = object_kind(kind);
	struct doc *d = NULL;
	struct error err = ERROR_INIT;

	if (kube_get(w->client, &w->arena, k, k->namespaced ? "team" : NULL, name, &d, &err))
		fail_msg("%s", err.msg);
	return d;
}
