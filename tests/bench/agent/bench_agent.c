/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a round of the agent costs in a cluster of 5 000 pods before the kernel is touched: the
 * snapshot of the informers and the compile, beside what decoding every pod again would add. The
 * cluster is the lab's API server on the same loop.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/cluster.h"
#include "deploy/lab/apiserver/apiserver.h"
#include "lib/base/io.h"
#include "lib/base/strbuf.h"
#include "lib/kube/sync.h"

enum { NAMESPACES = 20, APPS = 25, PODS = 5000, SETS = NAMESPACES * APPS, ROUNDS = 5 };

struct world {
	struct loop *loop;
	struct apiserver *server;
	struct kube_client *client;
	struct cluster cluster;
	struct arena arena;
};

static void must(int r, const struct error *err)
{
	if (r < 0) {
		fprintf(stderr, "bench_agent: %s\n", err->msg);
		exit(1);
	}
}

static void create(struct world *w, const char *yaml)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc_stream s;

	must(doc_read_yaml(&a, yaml, strlen(yaml), "bench", &s, &err), &err);
	for (size_t i = 0; i < s.n; i++) {
		const struct object_kind *k = object_kind_find(
			doc_find_str(s.docs[i], "apiVersion"), doc_find_str(s.docs[i], "kind"));

		must(kube_create(w->client, &a, k, s.docs[i], NULL, &err), &err);
	}
	arena_release(&a);
}

#define CREATE(w, ...)                                                                             \
	do {                                                                                       \
		char *create_text = xasprintf(__VA_ARGS__);                                        \
                                                                                                   \
		create(w, create_text);                                                            \
		free(create_text);                                                                 \
	} while (0)

static void create_set(struct world *w, int i)
{
	int ns = i % NAMESPACES, app = i / NAMESPACES;

	CREATE(w,
	       "{apiVersion: cilium.io/v2, kind: CiliumIdentity, metadata: {name: '%d'}, "
	       "security-labels: {'k8s:app': app%d, 'k8s:io.kubernetes.pod.namespace': ns%d, "
	       "'k8s:io.cilium.k8s.policy.serviceaccount': default, "
	       "'k8s:io.cilium.k8s.policy.cluster': default, "
	       "'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': ns%d}}",
	       300 + i, app, ns, ns);
	CREATE(w,
	       "{apiVersion: v1, kind: Service, metadata: {name: app%d, namespace: ns%d}, "
	       "spec: {selector: {app: app%d}, ports: [{port: 80}]}}",
	       app, ns, app);
}

/* A server takes no status from a create. */
static void create_pod(struct world *w, int i)
{
	int set = i % SETS, ns = set % NAMESPACES, app = set / NAMESPACES;
	auto_free char *namespace = xasprintf("ns%d", ns), *name = xasprintf("p%d", i);
	struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a), *status = doc_set_map(&a, patch, "status");
	struct error err = ERROR_INIT;

	CREATE(w,
	       "{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, labels: {app: "
	       "app%d, pod-template-hash: abc}}, spec: {nodeName: n%d, containers: "
	       "[{name: c, image: i, ports: [{name: web, containerPort: 8080}], env: [{name: A, "
	       "value: b}], readinessProbe: {httpGet: {path: /, port: 8080}}}]}}",
	       name, namespace, app, i % 2);
	doc_set_string(&a, status, "phase", "Running");
	doc_setf(&a, status, "podIP", "10.100.%d.%d", i / 256, i % 256);
	must(kube_patch(w->client, &a, object_kind(KIND_POD), namespace, name, "status",
			KUBE_PATCH_MERGE, patch, NULL, &err),
	     &err);
	arena_release(&a);
}

static void fill(struct world *w)
{
	struct error err = ERROR_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	auto_free char *path =
		xasprintf("%s/deploy/crds/cilium.yaml", getenv("SIDESTEP_SOURCE_DIR"));

	must(io_read_file(path, 1 << 20, &sb, &err), &err);
	create(w, strbuf_cstr(&sb));
	for (int i = 0; i < NAMESPACES; i++)
		CREATE(w, "{apiVersion: v1, kind: Namespace, metadata: {name: ns%d}}", i);
	for (int i = 0; i < 2; i++)
		CREATE(w,
		       "{apiVersion: v1, kind: Node, metadata: {name: n%d}, spec: {podCIDR: "
		       "10.9%d.0.0/16}}",
		       i, i);
	for (int i = 0; i < SETS; i++)
		create_set(w, i);
	for (int i = 0; i < PODS; i++)
		create_pod(w, i);
}

static void ignore(UNUSED void *arg)
{
}

static void begin(struct world *w)
{
	const struct apiserver_options options = {.no_garbage_collection = true};
	char url[64], path[64];
	struct kube_config_options where = {.kubeconfig = path};
	struct kube_config config;
	struct error err = ERROR_INIT;
	uint16_t port;

	w->loop = loop_new(NULL);
	must(apiserver_new(w->loop, &options, &w->server, &err), &err);
	must(apiserver_listen(w->server, "127.0.0.1", 0, &port, &err), &err);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
	snprintf(path, sizeof(path), "/tmp/bench-agent-%d.conf", (int)getpid());
	must(apiserver_write_kubeconfig(w->server, "b", "system:masters", url, path, &err), &err);
	must(kube_config_load(&w->arena, &where, &config, &err), &err);
	unlink(path);
	w->client = kube_client_new(w->loop, &config, NULL);
	fill(w);
	cluster_start(&w->cluster, w->client, NULL, ignore, ignore, NULL);
	while (!cluster_synced(&w->cluster) ||
	       kube_informer_count(w->cluster.informers[CLUSTER_IDENTITIES]) < SETS)
		must(loop_turn(w->loop, true, &err), &err);
}

static void end(struct world *w)
{
	cluster_stop(&w->cluster);
	kube_client_free(w->client);
	apiserver_free(w->server);
	loop_free(w->loop);
	arena_release(&w->arena);
}

/* What a round would do for pods alone if it kept nothing of the round before. */
static void decode_again(const struct world *w, struct arena *a)
{
	kube_informer_foreach (w->cluster.informers[CLUSTER_PODS], o) {
		struct pod pod;
		struct error err = ERROR_INIT;

		must(object_decode(a, &pod_table, doc_clone(a, o->doc), &pod, &err), &err);
	}
}

struct times {
	double decode, snapshot, compile;
};

static double ms_since(uint64_t *at)
{
	uint64_t now = clock_now_ns(clock_system()), was = *at;

	*at = now;
	return (double)(now - was) / 1e6;
}

static struct times one_round(const struct world *w)
{
	struct arena again = ARENA_INIT, a = ARENA_INIT;
	struct cluster_held held = {VEC_INIT};
	struct mesh_input in = {.node_name = "n0", .options.tunnel = true};
	struct mesh_desired desired;
	struct times t;
	uint64_t at = clock_now_ns(clock_system());

	decode_again(w, &again);
	arena_release(&again);
	t.decode = ms_since(&at);
	cluster_snapshot(&w->cluster, &a, &held, &in);
	t.snapshot = ms_since(&at);
	mesh_compile(&a, &in, &desired);
	t.compile = ms_since(&at);
	if (in.n_pods != PODS || desired.n_services < SETS || desired.n_addresses < PODS) {
		fprintf(stderr, "bench_agent: %zu pods, %zu services, %zu addresses\n", in.n_pods,
			desired.n_services, desired.n_addresses);
		exit(1);
	}
	cluster_drop(&held);
	arena_release(&a);
	return t;
}

int main(void)
{
	struct times best = {1e9, 1e9, 1e9};
	struct world w = {0};

	begin(&w);
	for (int i = 0; i < ROUNDS; i++) {
		struct times t = one_round(&w);

		best.decode = MIN(best.decode, t.decode);
		best.snapshot = MIN(best.snapshot, t.snapshot);
		best.compile = MIN(best.compile, t.compile);
	}
	printf("%d pods, %d services and identities: decoding the pods again %.1f ms, snapshot "
	       "%.1f "
	       "ms, compile %.1f ms\n",
	       PODS, SETS, best.decode, best.snapshot, best.compile);
	end(&w);
	return 0;
}
