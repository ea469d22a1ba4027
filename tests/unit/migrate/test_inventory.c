/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "migrate/inventory.h"
#include "tests/unit/istio/world.h"

static const char cluster[] =
	"apiVersion: v1\n"
	"kind: Namespace\n"
	"metadata: {name: ns, labels: {istio-injection: enabled}}\n"
	"---\n"
	"apiVersion: security.istio.io/v1\n"
	"kind: AuthorizationPolicy\n"
	"metadata: {name: web, namespace: ns}\n"
	"spec: {selector: {matchLabels: {app: web}}, rules: [{from: [{source: {principals:"
	" [cluster.local/ns/ns/sa/caller]}}], to: [{operation: {methods: [GET]}}]}]}\n"
	"---\n"
	"apiVersion: apps/v1\n"
	"kind: Deployment\n"
	"metadata: {name: web, namespace: ns}\n"
	"spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels:"
	" {app: web}}, spec: {serviceAccountName: web}}}\n"
	"---\n"
	"apiVersion: apps/v1\n"
	"kind: Deployment\n"
	"metadata: {name: caller, namespace: ns}\n"
	"spec: {selector: {matchLabels: {app: caller}}, template: {metadata: {labels:"
	" {app: caller}}, spec: {serviceAccountName: caller}}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: web-1, namespace: ns, labels: {app: web}, ownerReferences: [{kind:"
	" ReplicaSet, name: web, apiVersion: apps/v1, uid: u, controller: true}]}\n"
	"spec: {containers: [{name: a}, {name: istio-proxy}]}\n"
	"status: {podIP: 10.0.0.1, phase: Running, conditions: [{type: Ready, status: 'True'}]}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: web-2, namespace: ns, labels: {app: web}, ownerReferences: [{kind:"
	" ReplicaSet, name: web, apiVersion: apps/v1, uid: u, controller: true}]}\n"
	"spec: {containers: [{name: a}], initContainers: [{name: istio-proxy}]}\n"
	"---\n"
	"apiVersion: policy/v1\n"
	"kind: PodDisruptionBudget\n"
	"metadata: {name: b, namespace: ns}\n"
	"spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Node\n"
	"metadata: {name: a}\n";

static const char counters[] =
	"apiVersion: sidestep.dev/v1alpha1\n"
	"kind: SidestepNode\n"
	"metadata: {name: a}\n"
	"status:\n"
	"  ready: true\n"
	"  identities:\n"
	"  - {id: 300, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=ns',"
	" 'k8s:io.cilium.k8s.policy.serviceaccount=web']}\n"
	"  - {id: 301, labels: ['k8s:app=caller', 'k8s:io.kubernetes.pod.namespace=ns',"
	" 'k8s:io.cilium.k8s.policy.serviceaccount=caller']}\n"
	"  counters:\n"
	"  - {source: 301, destination: 300, port: 80, protocol: TCP, verdict: forwarded, count: "
	"5}\n"
	"  - {source: 301, destination: 300, port: 80, protocol: TCP, verdict: audit, count: 2}\n"
	"  - {source: 300, destination: 301, port: 80, protocol: TCP, verdict: forwarded, count: "
	"1}\n"
	"  - {source: 2, destination: 300, port: 80, protocol: TCP, verdict: dropped, count: 9}\n";

TEST(workloads_and_their_pods)
{
	struct world w;
	struct inventory inv;
	const struct inventory_workload *web;

	world_init(&w);
	world_add(&w, cluster, NULL);
	world_ready(&w);
	inventory_make(&inv, &w.arena, &w.snapshot, &w.mesh);
	assert_int_equal(inv.n_workloads, 2);
	web = &inv.workloads[inventory_find(&inv, "ns", NULL, "web")];
	assert_int_equal(web->replicas, 2);
	assert_int_equal(web->pods, 2);
	assert_int_equal(web->ready, 1);
	assert_int_equal(web->sidecars, 2);
	assert_int_equal(web->classic, 1);
	assert_true(web->injected);
	assert_string_equal(web->budget, "b");
	assert_int_equal(inventory_find(&inv, "ns", "StatefulSet", "web"), -1);
	assert_false(inv.graph_known); /* nobody counts */
	world_release(&w);
}

static const struct inventory_edge *edge(const struct inventory *inv, const char *from,
					 const char *to)
{
	for (size_t i = 0; i < inv->n_edges; i++)
		if (str_eq(inv->edges[i].from_name, from) && str_eq(inv->edges[i].to_name, to))
			return &inv->edges[i];
	fail_msg("no edge %s -> %s", from, to);
	return NULL;
}

TEST(calls_are_judged_by_istios_rules)
{
	struct world w;
	struct inventory inv;
	const struct inventory_edge *e;

	world_init(&w);
	world_add(&w, cluster, NULL);
	world_add(&w, counters, NULL);
	world_ready(&w);
	inventory_make(&inv, &w.arena, &w.snapshot, &w.mesh);
	assert_true(inv.graph_known);
	assert_int_equal(inv.n_edges, 3);
	e = edge(&inv, "ns/caller", "ns/web");
	assert_int_equal(e->forwarded, 5);
	assert_int_equal(e->audited, 2);
	assert_true(e->allowed); /* for some requests: the rule is about methods, too */
	e = edge(&inv, "ns/web", "ns/caller");
	assert_true(e->allowed);
	e = edge(&inv, "world", "ns/web");
	assert_int_equal(e->from, -1);
	assert_false(e->allowed);
	assert_int_equal(e->dropped, 9);
	(void)inventory_doc(&w.arena, &inv, "ns");
	world_release(&w);
}

/* Calls to very many ports are told as one sum: no edge of a port, and not the whole graph. */
TEST(a_sum_of_many_ports_is_no_edge)
{
	struct world w;
	struct inventory inv;
	struct doc *rows;

	world_init(&w);
	world_add(&w, cluster, NULL);
	world_add(&w, counters, NULL);
	rows = doc_find(w.snapshot.items[w.snapshot.n - 1], "status.counters");
	doc_set_int(&w.arena, doc_at(rows, 3), "port", COUNTER_PORT_MANY);
	world_ready(&w);
	inventory_make(&inv, &w.arena, &w.snapshot, &w.mesh);
	assert_int_equal(inv.n_edges, 2);
	assert_true(inv.graph_known);
	doc_set_int(&w.arena, doc_at(rows, 0), "port", COUNTER_PORT_MANY);
	inventory_make(&inv, &w.arena, &w.snapshot, &w.mesh);
	assert_false(inv.graph_known);
	assert_non_null(strstr(inv.graph_why, "only their sum"));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sum_of_many_ports_is_no_edge),
		cmocka_unit_test(workloads_and_their_pods),
		cmocka_unit_test(calls_are_judged_by_istios_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
