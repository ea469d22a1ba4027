/* SPDX-License-Identifier: Apache-2.0 */
/* Every family of objects, decoded from YAML as users write it. */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/object/cilium.h"
#include "lib/object/cnp.h"
#include "lib/object/netpol.h"
#include "lib/object/pod.h"
#include "lib/object/service.h"
#include "lib/object/sidestep.h"
#include "lib/object/workload.h"

static struct arena arena;

static const struct doc *yaml(const char *text)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&arena, text, strlen(text), "test.yaml", &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s.docs[0];
}

TEST(a_pod_with_a_native_sidecar)
{
	struct pod p;
	struct error err = ERROR_INIT;
	const struct doc *d =
		yaml("apiVersion: v1\n"
		     "kind: Pod\n"
		     "metadata: {name: a, namespace: b, labels: {app: x}, ownerReferences: "
		     "[{apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: u, "
		     "controller: true}]}\n"
		     "spec:\n"
		     "  nodeName: n1\n"
		     "  serviceAccountName: sa\n"
		     "  initContainers:\n"
		     "  - {name: istio-proxy, image: i, restartPolicy: Always, ports: "
		     "[{name: envoy, containerPort: 15090}]}\n"
		     "  containers:\n"
		     "  - {name: app, image: i, ports: [{name: http, containerPort: 80}]}\n"
		     "status:\n"
		     "  podIP: 10.0.0.1\n"
		     "  podIPs: [{ip: 10.0.0.1}, {ip: fd00::1}]\n"
		     "  conditions: [{type: Ready, status: 'True'}]\n");

	if (pod_decode(&arena, d, &p, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(object_key(&arena, &p.meta), "b/a");
	assert_string_equal(object_controller(&p.meta)->name, "rs");
	assert_true(pod_has_sidecar(&p));
	assert_true(pod_is_ready(&p));
	assert_false(pod_is_finished(&p));
	assert_string_equal(pod_service_account(&p), "sa");
	assert_int_equal(pod_port(&p, "http")->port, 80);
	assert_int_equal(pod_port(&p, "envoy")->port, 15090);
	assert_null(pod_port(&p, "none"));
	assert_int_equal(p.pod_ips.n, 2);
	assert_ptr_equal(p.meta.raw, d);
}

TEST(a_service_and_its_slice)
{
	struct service s;
	struct endpoint_slice e;

	assert_int_equal(
		service_decode(&arena,
			       yaml("{apiVersion: v1, kind: Service, metadata: {name: s}, "
				    "spec: {clusterIP: 10.96.0.9, ports: [{name: http, port: "
				    "80, targetPort: web}]}}"),
			       &s, NULL),
		0);
	assert_int_equal(s.ports[0].target_port.kind, IOS_STRING);
	assert_false(service_is_headless(&s));
	assert_int_equal(
		endpoint_slice_decode(
			&arena,
			yaml("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, "
			     "metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}, "
			     "addressType: IPv4, ports: [{name: http, port: 8080}], "
			     "endpoints: [{addresses: [10.0.0.1], conditions: {ready: false, "
			     "serving: true, terminating: true}, targetRef: {kind: Pod, name: "
			     "p}}]}"),
			&e, NULL),
		0);
	assert_string_equal(endpoint_slice_service(&e), "s");
	assert_true(e.endpoints[0].terminating.value);
	assert_string_equal(e.endpoints[0].target_name, "p");
	assert_int_equal(e.ports[0].port.value, 8080);
}

TEST(a_policy_keeps_what_is_written_and_what_is_not_known)
{
	struct cilium_policy p;
	struct bind_unknown unknown = {.arena = &arena};
	const struct doc *d = yaml("apiVersion: cilium.io/v2\n"
				   "kind: CiliumNetworkPolicy\n"
				   "metadata: {name: p, namespace: ns}\n"
				   "spec:\n"
				   "  endpointSelector: {matchLabels: {app: a}}\n"
				   "  ingress:\n"
				   "  - fromEndpoints: []\n"
				   "    toPorts:\n"
				   "    - ports: [{port: '80', protocol: TCP, endPort: 90}]\n"
				   "      rules: {http: [{method: GET}]}\n"
				   "      portz: 1\n"
				   "  egress: []\n");

	assert_int_equal(cilium_policy_decode(&arena, d, &p, &unknown, NULL), 0);
	assert_non_null(p.spec->ingress[0].endpoints_doc);
	assert_int_equal(p.spec->ingress[0].n_endpoints, 0);
	assert_non_null(p.spec->ingress[0].ports[0].rules);
	assert_int_equal(p.spec->ingress[0].ports[0].ports[0].end_port.value, 90);
	assert_non_null(p.spec->egress_doc);
	assert_null(p.spec->egress_deny_doc);
	assert_int_equal(unknown.n, 1);
	assert_string_equal(unknown.items[0].path, "spec.ingress[0].toPorts[0].portz");
}

TEST(a_policy_with_a_wrong_type_names_the_place)
{
	struct cilium_policy p;
	struct error err = ERROR_INIT;

	assert_int_equal(
		cilium_policy_decode(&arena,
				     yaml("kind: CiliumNetworkPolicy\nmetadata: {name: p}\n"
					  "spec:\n  ingress: 7\n"),
				     &p, NULL, &err),
		-EINVAL);
	assert_non_null(strstr(err.msg, "test.yaml:4:"));
	assert_non_null(strstr(err.msg, "spec.ingress"));
}

TEST(a_kubernetes_policy)
{
	struct network_policy p;

	assert_int_equal(network_policy_decode(&arena,
					       yaml("{apiVersion: networking.k8s.io/v1, kind: "
						    "NetworkPolicy, metadata: {name: "
						    "p, namespace: ns}, spec: {podSelector: {}, "
						    "policyTypes: [Ingress], ingress: "
						    "[{from: [{namespaceSelector: {}}, {ipBlock: "
						    "{cidr: 10.0.0.0/8, except: "
						    "[10.1.0.0/16]}}], ports: [{port: http}, "
						    "{port: 80, endPort: 90}]}]}}"),
					       &p, NULL),
			 0);
	assert_true(label_selector_is_empty(&p.pod_selector));
	assert_non_null(p.ingress[0].peers[0].namespace_selector);
	assert_null(p.ingress[0].peers[0].pod_selector);
	assert_string_equal(p.ingress[0].peers[1].ip_block->except.items[0], "10.1.0.0/16");
	assert_null(p.egress_doc);
}

TEST(our_own_objects_go_out_and_come_back)
{
	struct sidestep_counter counter = {256, 257, 80, "TCP", "audit", 0, 5};
	struct sidestep_conntrack conntrack = {.layout = 2, .entries = 4};
	struct sidestep_sent sent = {0};
	struct sidestep_node n = {.meta = {.name = "n1"},
				  .ready = true,
				  .counters = &counter,
				  .n_counters = 1,
				  .conntrack = &conntrack,
				  .sent = &sent,
				  .version = "1"};
	struct sidestep_node back;
	struct sidestep_request request;

	assert_int_equal(sidestep_node_decode(&arena, bind_encode(&arena, &sidestep_node_table, &n),
					      &back, NULL),
			 0);
	assert_true(back.ready);
	assert_int_equal(back.counters[0].count, 5);
	assert_string_equal(back.counters[0].verdict, "audit");
	assert_int_equal(back.conntrack->layout, 2);
	assert_non_null(back.sent); /* none is told, too */
	assert_int_equal(back.conntrack->remaining, 0);
	assert_int_equal(
		sidestep_request_decode(&arena,
					yaml("{kind: SidestepRequest, metadata: {name: r}, "
					     "spec: {kind: Audit, namespace: x}}"),
					&request, NULL),
		0);
	assert_int_equal(request.kind, REQUEST_AUDIT);
	assert_int_equal(sidestep_request_decode(&arena, yaml("{spec: {kind: Prepare, layout: 1}}"),
						 &request, NULL),
			 0);
	assert_int_equal(request.kind, REQUEST_PREPARE);
	assert_int_equal(request.layout, 1);
	assert_int_equal(
		sidestep_request_decode(&arena, yaml("{spec: {kind: Nonsense}}"), &request, NULL),
		-EINVAL);
}

/* The limit is the agent's own: the server's may be that of another release. */
TEST(a_request_names_no_more_nodes_than_there_may_be)
{
	struct doc *d = doc_clone(&arena, yaml("{spec: {kind: Regenerate}}"));
	struct doc *nodes = doc_set_list(&arena, doc_get(d, "spec"), "nodes");
	struct sidestep_request request;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < REQUEST_MAX_NODES; i++)
		doc_append(&arena, nodes, doc_string(&arena, "n"));
	assert_int_equal(sidestep_request_decode(&arena, d, &request, NULL), 0);
	doc_append(&arena, nodes, doc_string(&arena, "n"));
	assert_int_equal(sidestep_request_decode(&arena, d, &request, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "5001"));
}

TEST(what_an_agent_does_not_tell_is_not_zero)
{
	struct sidestep_drop drop = {133, "POLICY_DENIED", "ingress", 7, 420};
	struct sidestep_health health = {.metrics_epoch = "e",
					 .drops = &drop,
					 .n_drops = 1,
					 .endpoints.expected = {true, 0}};
	struct sidestep_node n = {.meta = {.name = "n1"}, .health = &health}, back;

	assert_int_equal(sidestep_node_decode(&arena, bind_encode(&arena, &sidestep_node_table, &n),
					      &back, NULL),
			 0);
	assert_true(back.health->endpoints.expected.set);
	assert_int_equal(back.health->endpoints.expected.value, 0);
	assert_false(back.health->endpoints.ready.set);
	assert_false(back.health->process.rss_bytes.set);
	assert_int_equal(back.health->drops[0].packets, 7);
	n.health = NULL;
	assert_int_equal(sidestep_node_decode(&arena, bind_encode(&arena, &sidestep_node_table, &n),
					      &back, NULL),
			 0);
	assert_null(back.health);
}

TEST(a_regeneration_says_how_it_goes_on)
{
	struct sidestep_request r;

	assert_int_equal(sidestep_request_decode(
				 &arena,
				 yaml("{spec: {kind: Regenerate, maxFailed: 2, level: policy}}"),
				 &r, NULL),
			 0);
	assert_int_equal(r.max_failed.value, 2);
	assert_false(r.max_parallel.set);
	assert_int_equal(r.level, REGENERATE_POLICY);
	assert_int_equal(sidestep_request_decode(&arena,
						 yaml("{spec: {kind: Regenerate, maxParallel: 0}}"),
						 &r, NULL),
			 -ERANGE);
	assert_int_equal(sidestep_request_decode(
				 &arena, yaml("{spec: {kind: Regenerate, level: deep}}"), &r, NULL),
			 -EINVAL);
}

TEST(identities_workloads_and_budgets)
{
	struct cilium_identity id;
	struct workload w;
	struct disruption_budget b;

	assert_int_equal(cilium_identity_decode(&arena,
						yaml("{metadata: {name: '300'}, security-labels: "
						     "{'k8s:app': a}}"),
						&id, NULL),
			 0);
	assert_string_equal(strmap_get(&id.security_labels, "k8s:app"), "a");
	assert_int_equal(
		workload_decode(&arena,
				yaml("{metadata: {name: d}, spec: {replicas: 2, selector: "
				     "{matchLabels: {app: a}}, template: {metadata: {labels: "
				     "{app: a}}}}}"),
				&w, NULL),
		0);
	assert_int_equal(w.replicas.value, 2);
	assert_true(label_selector_matches(w.selector, &w.template_labels));
	assert_int_equal(
		disruption_budget_decode(
			&arena, yaml("{metadata: {name: d}, spec: {minAvailable: 50%}}"), &b, NULL),
		0);
	assert_string_equal(b.min_available.string, "50%");
}

static int release(UNUSED void **state)
{
	arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_pod_with_a_native_sidecar, release),
		cmocka_unit_test_teardown(a_service_and_its_slice, release),
		cmocka_unit_test_teardown(a_policy_keeps_what_is_written_and_what_is_not_known,
					  release),
		cmocka_unit_test_teardown(a_policy_with_a_wrong_type_names_the_place, release),
		cmocka_unit_test_teardown(a_kubernetes_policy, release),
		cmocka_unit_test_teardown(our_own_objects_go_out_and_come_back, release),
		cmocka_unit_test_teardown(a_request_names_no_more_nodes_than_there_may_be, release),
		cmocka_unit_test_teardown(what_an_agent_does_not_tell_is_not_zero, release),
		cmocka_unit_test_teardown(a_regeneration_says_how_it_goes_on, release),
		cmocka_unit_test_teardown(identities_workloads_and_budgets, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
