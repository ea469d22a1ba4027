/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/unit/istio/world.h"

TEST(a_bad_object_is_a_problem_not_an_end)
{
	struct world w;

	world_init(&w);
	world_add(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: PeerAuthentication\n"
		  "metadata: {name: a, namespace: ns}\n"
		  "spec: {mtls: {mode: SOMETIMES}}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: PeerAuthentication\n"
		  "metadata: {name: b, namespace: ns}\n"
		  "spec: {mtls: {mode: STRICT}, portLevelMtls: {99999: {mode: STRICT}}}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: c, namespace: ns}\n"
		  "spec: {rules: [{from: [{source: {principalz: [x]}}]}]}\n"
		  "---\n"
		  "apiVersion: networking.istio.io/v1\n"
		  "kind: EnvoyFilter\n"
		  "metadata: {name: d, namespace: ns}\n"
		  "spec: {workloadSelector: {labels: {app: x}}}\n",
		  NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.n_peer_authentications, 0);
	assert_int_equal(w.mesh.n_authorization_policies, 1);
	assert_int_equal(w.mesh.n_problems, 3);
	assert_string_equal(w.mesh.problems[2].path, "spec.rules[0].from[0].source.principalz");
	assert_int_equal(w.mesh.n_others, 1);
	assert_true(w.mesh.others[0].selects);
	assert_string_equal(strmap_get(&w.mesh.others[0].selector.match_labels, "app"), "x");
	world_release(&w);
}

/* No cluster holds these, a file may. The path, or NULL where Istio has nothing against it. */
TEST(what_istio_refuses)
{
	static const struct {
		const char *kind, *spec, *path;
	} rows[] = {
#define AUTHZ "AuthorizationPolicy"
#define FROM  "spec.rules[0].from[0].source"
#define TO    "spec.rules[0].to[0].operation"
#define WHEN  "spec.rules[0].when[0]"
		{AUTHZ, "{}", NULL},
		{AUTHZ, "{rules: [{}]}", NULL},
		{AUTHZ, "{rules: [{from: [{source: {serviceAccounts: [a, n/a]}}]}]}", NULL},
		{AUTHZ, "{rules: [{from: [{source: {ipBlocks: [1.2.3.4, '2001:db8::/32']}}]}]}",
		 NULL},
		{AUTHZ, "{rules: [null]}", ""}, /* not even read */
		{AUTHZ, "{rules: [{from: []}]}", "spec.rules[0].from"},
		{AUTHZ, "{rules: [{from: [{}]}]}", FROM},
		{AUTHZ, "{rules: [{from: [{source: {principals: []}}]}]}", FROM},
		{AUTHZ, "{rules: [{from: [{source: {principals: ['']}}]}]}", FROM ".principals[0]"},
		{AUTHZ, "{rules: [{from: [{source: {serviceAccounts: [a], notNamespaces: [b]}}]}]}",
		 FROM ".notNamespaces"},
		{AUTHZ, "{rules: [{from: [{source: {notServiceAccounts: [a/b/c]}}]}]}",
		 FROM ".notServiceAccounts[0]"},
		{AUTHZ, "{rules: [{from: [{source: {ipBlocks: [1.2.3.4/33]}}]}]}",
		 FROM ".ipBlocks[0]"},
		{AUTHZ, "{rules: [{to: []}]}", "spec.rules[0].to"},
		{AUTHZ, "{rules: [{to: [{operation: {}}]}]}", TO},
		{AUTHZ, "{rules: [{to: [{operation: {ports: ['80', http]}}]}]}", TO ".ports[1]"},
		{AUTHZ, "{rules: [{to: [{operation: {notPorts: ['0']}}]}]}", TO ".notPorts[0]"},
		{AUTHZ, "{rules: [{when: [{key: source.ip}]}]}", WHEN},
		{AUTHZ, "{rules: [{when: [{key: '', values: [a]}]}]}", WHEN ".key"},
		{AUTHZ, "{rules: [{when: [{key: source.ip, values: [here]}]}]}", WHEN ".values[0]"},
		{AUTHZ, "{action: CUSTOM, rules: [{}]}", "spec.provider"},
		{AUTHZ, "{action: CUSTOM, provider: {name: x}}", "spec.rules"},
		{AUTHZ, "{provider: {name: x}}", "spec.provider"},
		{AUTHZ, "{selector: {matchLabels: {app: 'a*'}}}", "spec.selector.matchLabels"},
		{AUTHZ, "{selector: {}, targetRef: {kind: Gateway, name: g}}", "spec.selector"},
		{"PeerAuthentication", "{portLevelMtls: {80: {mode: STRICT}}}",
		 "spec.portLevelMtls"},
		{"PeerAuthentication",
		 "{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: STRICT}}}", NULL},
#undef AUTHZ
#undef FROM
#undef TO
#undef WHEN
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;
		const char *path;

		world_init(&w);
		world_add(&w,
			  arena_printf(&w.arena,
				       "apiVersion: security.istio.io/v1\nkind: %s\n"
				       "metadata: {name: a, namespace: ns}\nspec: %s\n",
				       rows[i].kind, rows[i].spec),
			  NULL);
		world_ready(&w);
		path = w.mesh.n_problems ? w.mesh.problems[0].path : NULL;
		if (str_cmp(path, rows[i].path) != 0)
			fail_msg("%s: %s", rows[i].spec, path ? path : "nothing");
		world_release(&w);
	}
}

TEST(ports_and_protocols)
{
	static const struct {
		const char *name, *app;
		enum istio_protocol protocol;
	} rows[] = {
		{"http", NULL, PROTO_HTTP},
		{"http-web", NULL, PROTO_HTTP},
		{"HTTP2-x", NULL, PROTO_HTTP2},
		{"httpx", NULL, PROTO_UNKNOWN},
		{"grpc-web", NULL, PROTO_HTTP},
		{"grpc", NULL, PROTO_GRPC},
		{"https", NULL, PROTO_TLS},
		{"mysql", NULL, PROTO_TCP},
		{"web", "http", PROTO_HTTP},
		{"http", "tcp", PROTO_TCP}, /* appProtocol wins */
		{"web", "kubernetes.io/h2c", PROTO_HTTP2},
		{NULL, NULL, PROTO_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct service_port p = {.name = rows[i].name, .app_protocol = rows[i].app};

		assert_int_equal(istio_port_protocol(&p), rows[i].protocol);
	}
}

TEST(workloads)
{
	struct world w;
	const struct istio_workload *d;

	world_init(&w);
	world_add(&w,
		  "apiVersion: apps/v1\n"
		  "kind: Deployment\n"
		  "metadata: {name: web, namespace: ns}\n"
		  "spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels:"
		  " {app: web}}, spec: {serviceAccountName: sa, containers: [{name: a, ports:"
		  " [{name: main, containerPort: 8081}]}, {name: istio-proxy}]}}}\n"
		  "---\n"
		  "apiVersion: apps/v1\n"
		  "kind: ReplicaSet\n"
		  "metadata: {name: web-1, namespace: ns, ownerReferences: [{apiVersion: apps/v1,"
		  " kind: Deployment, name: web, uid: u, controller: true}]}\n"
		  "spec: {selector: {matchLabels: {app: web}}}\n"
		  "---\n"
		  "apiVersion: batch/v1\n"
		  "kind: CronJob\n"
		  "metadata: {name: tick, namespace: ns}\n"
		  "spec: {jobTemplate: {spec: {template: {metadata: {labels: {job: tick}},"
		  " spec: {hostNetwork: true, containers: [{name: c}]}}}}}\n",
		  NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.n_problems, 0);
	assert_int_equal(w.mesh.n_templates, 2);
	d = istio_mesh_template(&w.mesh, "ns", "Deployment", "web");
	assert_string_equal(d->service_account, "sa");
	assert_int_equal(d->form, SIDECAR_CLASSIC);
	assert_int_equal(
		istio_target_port(
			&(struct service_port){
				.port = 80, .target_port = {.kind = IOS_STRING, .string = "main"}},
			d->spec),
		8081);
	assert_true(istio_mesh_template(&w.mesh, "ns", "CronJob", "tick")->host_network);
	world_release(&w);
}

/* Whatever Istio's own fixtures hold: nothing is fatal, and what is valid has no problem. */
TEST(the_corpus_loads)
{
	static const char *const clean[] = {"decisions", "ambient-golden", "cluster", "networking"};
	struct arena a = ARENA_INIT;

	if (!corpus_path(&a, "decisions")) {
		arena_release(&a);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(clean); i++) {
		struct world w;

		world_init(&w);
		if (snapshot_read(&w.snapshot, corpus_path(&a, clean[i]), NULL) == 0) {
			world_ready(&w);
			for (size_t j = 0; j < w.mesh.n_problems; j++)
				print_message(
					"%s: %s: %s %s\n", clean[i],
					doc_find_str(w.mesh.problems[j].object, "metadata.name"),
					w.mesh.problems[j].path, w.mesh.problems[j].message);
		}
		world_release(&w);
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_object_is_a_problem_not_an_end),
		cmocka_unit_test(what_istio_refuses),
		cmocka_unit_test(ports_and_protocols),
		cmocka_unit_test(workloads),
		cmocka_unit_test(the_corpus_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
