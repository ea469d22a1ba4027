/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says: read from YAML, asked about connections. One table row is one question. */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/mesh/policy.h"

/* Everybody in the tests. a, b: pods of namespace n; c: pod of namespace m (label team=x). */
enum { ID_A = 256, ID_B = 257, ID_C = 258 };

struct world {
	struct arena arena;
	struct mesh_identities identities;
	struct mesh_universe universe;
	struct mesh_policy policies[4];
	size_t n;
	struct mesh_subject subject;
};

static struct strmap labels_of(struct arena *a, const char *app, const char *ns, const char *sa)
{
	struct strmap_pair *pod = arena_array(a, 1, struct strmap_pair);
	struct strmap_pair *team = arena_array(a, 1, struct strmap_pair);
	struct strmap labels = {pod, 1}, ns_labels = {team, 1};

	*pod = (struct strmap_pair){"app", app};
	*team = (struct strmap_pair){"team", str_eq(ns, "m") ? "x" : "y"};
	return mesh_workload_labels(a, &labels, ns, &ns_labels, sa);
}

static void world_init(struct world *w, const char *yaml)
{
	static const struct mesh_port_name named = {"web", MESH_TCP, 8080};
	static struct mesh_peer_port peer_port = {ID_C, {"web", MESH_TCP, 9090}};
	struct cilium_identity objects[] = {
		{.meta = {.name = "256"}}, {.meta = {.name = "257"}}, {.meta = {.name = "258"}}};
	struct doc_stream docs;
	struct error err = ERROR_INIT;

	memset(w, 0, sizeof(*w));
	objects[0].security_labels = labels_of(&w->arena, "a", "n", "sa");
	objects[1].security_labels = labels_of(&w->arena, "b", "n", "sb");
	objects[2].security_labels = labels_of(&w->arena, "c", "m", "sc");
	mesh_identities_build(&w->arena, objects, 3, &w->identities);
	if (doc_read_yaml(&w->arena, yaml, strlen(yaml), "p.yaml", &docs, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < docs.n; i++) {
		if (mesh_policy_from_doc(&w->arena, docs.docs[i], &w->policies[w->n++], &err) < 0)
			fail_msg("%s", err.msg);
	}
	mesh_policies_number(w->policies, w->n);
	mesh_universe_build(&w->arena, &w->identities, w->policies, w->n, &w->universe);
	w->universe.ports = &peer_port;
	w->universe.n_ports = 1;
	w->subject.labels = objects[0].security_labels;
	w->subject.ports = &named;
	w->subject.n_ports = 1;
}

/* Asks both ways and insists that they agree. */
static bool ask(struct world *w, enum mesh_direction d, uint32_t peer, const char *addr,
		uint8_t proto, uint16_t port)
{
	static const struct mesh_port_name c_port = {"web", MESH_TCP, 9090};
	struct mesh_other other = {.identity = peer};
	struct net_addr parsed;
	struct mesh_set set;
	struct mesh_decision kernel, rules;

	if (addr) {
		assert_int_equal(net_addr_parse(addr, &parsed, NULL), 0);
		other.addr = &parsed;
		other.identity = mesh_universe_address(&w->universe, &parsed);
	}
	if (peer == ID_C) {
		other.ports = &c_port;
		other.n_ports = 1;
	}
	mesh_policy_compile(&w->arena, &w->universe, w->policies, w->n, &w->subject, d, &set);
	kernel = mesh_set_decide(&set, other.identity, proto, port);
	rules = mesh_rules_decide(&w->universe, w->policies, w->n, &w->subject, d, &other, proto,
				  port);
	assert_int_equal(kernel.allowed, rules.allowed);
	return kernel.allowed;
}

#define CNP(body)                                                                                  \
	"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: "     \
	"'n'}\nspec: {endpointSelector: {matchLabels: {app: a}}, " body "}\n"
#define CCNP(body)                                                                                 \
	"apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\n"    \
	"spec: {endpointSelector: {matchLabels: {app: a}}, " body "}\n"
#define KNP(body)                                                                                  \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: "   \
	"'n'}\nspec: {podSelector: {matchLabels: {app: a}}, " body "}\n"
#define IN       MESH_INGRESS
#define OUT      MESH_EGRESS
#define HTTP_AND "toPorts: [{ports: [{port: '80', protocol: TCP}]}]"

static const struct {
	const char *policy;
	enum mesh_direction d;
	uint32_t peer;
	const char *addr;
	uint8_t proto;
	uint16_t port;
	bool allowed;
} rows[] = {
	/* Nobody selects: everything passes. Somebody selects: only what is named. */
	{CNP("ingress: []"), IN, ID_B, NULL, MESH_TCP, 80, true},
	{CNP("ingress: [{}]"), IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{}]"), OUT, ID_B, NULL, MESH_TCP, 80, true},
	{CNP("ingress: [{}]"), IN, IDENTITY_HOST, NULL, MESH_TCP, 80, true},
	{CNP("ingress: [{fromEndpoints: []}]"), IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}]}]"), IN, ID_B, NULL, MESH_TCP, 80, true},
	{CNP("ingress: [{fromEndpoints: [{}]}]"), IN, ID_C, NULL, MESH_TCP, 80, false},
	{CCNP("ingress: [{fromEndpoints: [{}]}]"), IN, ID_C, NULL, MESH_TCP, 80, true},
	{CCNP("ingress: [{fromEndpoints: [{}]}]"), IN, IDENTITY_WORLD, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {app: b}}], " HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, true},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {app: b}}], " HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 81, false},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {app: b}}], " HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_UDP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {'any:app': b}}]}]"), IN, ID_B, NULL,
	 MESH_TCP, 1, true},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': m}}]}]"),
	 IN, ID_C, NULL, MESH_TCP, 1, true},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': m}}]}]"),
	 IN, ID_B, NULL, MESH_TCP, 1, false},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: "
	     "x}}]}]"),
	 IN, ID_C, NULL, MESH_TCP, 1, true},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: "
	     "sb}}]}]"),
	 IN, ID_B, NULL, MESH_TCP, 1, true},
	{CNP("ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: "
	     "[b]}]}]}]"),
	 IN, ID_B, NULL, MESH_TCP, 1, false},
	/* Ports alone, ranges, protocols. */
	{CNP("ingress: [{" HTTP_AND "}]"), IN, IDENTITY_WORLD, NULL, MESH_TCP, 80, true},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80', endPort: 90, protocol: TCP}]}]}]"), IN,
	 ID_B, NULL, MESH_TCP, 90, true},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80', endPort: 90, protocol: TCP}]}]}]"), IN,
	 ID_B, NULL, MESH_TCP, 91, false},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80'}]}]}]"), IN, ID_B, NULL, MESH_UDP, 80,
	 true},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80'}]}]}]"), IN, ID_B, NULL, MESH_ICMP, 80,
	 false},
	{CNP("ingress: [{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}]"), IN, ID_B, NULL,
	 MESH_UDP, 4, true},
	{CNP("ingress: [{toPorts: [{ports: [{port: web}]}]}]"), IN, ID_B, NULL, MESH_TCP, 8080,
	 true},
	{CNP("ingress: [{toPorts: [{ports: [{port: web}]}]}]"), IN, ID_B, NULL, MESH_TCP, 9090,
	 false},
	{CNP("egress: [{toPorts: [{ports: [{port: web}]}]}]"), OUT, ID_C, NULL, MESH_TCP, 9090,
	 true},
	{CNP("egress: [{toPorts: [{ports: [{port: web}]}]}]"), OUT, ID_B, NULL, MESH_TCP, 9090,
	 false},
	{CNP("ingress: [{icmps: [{fields: [{type: EchoRequest}]}]}]"), IN, ID_B, NULL, MESH_ICMP, 8,
	 true},
	{CNP("ingress: [{icmps: [{fields: [{type: 8}]}]}]"), IN, ID_B, NULL, MESH_ICMP, 0, false},
	/* Entities and blocks. */
	{CNP("ingress: [{fromEntities: [cluster]}]"), IN, ID_C, NULL, MESH_TCP, 1, true},
	{CNP("ingress: [{fromEntities: [cluster]}]"), IN, IDENTITY_WORLD, NULL, MESH_TCP, 1, false},
	{CNP("ingress: [{fromEntities: [cluster]}]"), IN, IDENTITY_REMOTE_NODE, NULL, MESH_TCP, 1,
	 true},
	{CNP("ingress: [{fromEntities: [world]}]"), IN, 0, "1.2.3.4", MESH_TCP, 1, true},
	{CNP("ingress: [{fromEntities: [world]}]"), IN, ID_B, NULL, MESH_TCP, 1, false},
	{CNP("ingress: [{fromEntities: [all]}]"), IN, IDENTITY_UNMANAGED, NULL, MESH_TCP, 1, true},
	{CNP("egress: [{toEntities: [kube-apiserver]}]"), OUT, IDENTITY_KUBE_APISERVER, NULL,
	 MESH_TCP, 1, true},
	{CNP("egress: [{toCIDR: [10.0.0.0/8]}]"), OUT, 0, "10.9.9.9", MESH_TCP, 1, true},
	{CNP("egress: [{toCIDR: [10.0.0.0/8]}]"), OUT, 0, "11.9.9.9", MESH_TCP, 1, false},
	{CNP("egress: [{toCIDR: [10.0.0.0/8]}]"), OUT, ID_B, NULL, MESH_TCP, 1, false},
	{CNP("egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]"), OUT, 0,
	 "10.1.2.3", MESH_TCP, 1, false},
	{CNP("egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.1.0.0/16]}]}]"), OUT, 0,
	 "9.9.9.9", MESH_TCP, 1, true},
	{CNP("egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.1.0.0/16]}]}]"), OUT, 0,
	 "10.1.9.9", MESH_TCP, 1, false},
	/* Deny wins, wherever it is narrower or wider. */
	{CNP("ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{matchLabels: {app: "
	     "b}}]}]"),
	 IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}], " HTTP_AND
	     "}], ingressDeny: [{fromEntities: [all]}]"),
	 IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}]}], ingressDeny: [{" HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}]}], ingressDeny: [{" HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 81, true},
	{CNP("ingress: [{" HTTP_AND
	     "}], ingressDeny: [{toPorts: [{ports: [{port: '64', endPort: 127, "
	     "protocol: TCP}]}]}]"),
	 IN, ID_B, NULL, MESH_TCP, 80, false},
	/* Default deny can be turned off; the rules still hold. */
	{CNP("enableDefaultDeny: {ingress: false}, ingress: [{" HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 81, true},
	{CNP("enableDefaultDeny: {ingress: false}, ingressDeny: [{" HTTP_AND "}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, false},
	/* Kubernetes' own dialect. */
	{KNP("policyTypes: [Ingress]"), IN, ID_B, NULL, MESH_TCP, 80, false},
	{KNP("policyTypes: [Ingress]"), OUT, ID_B, NULL, MESH_TCP, 80, true},
	{KNP("ingress: [{}]"), IN, IDENTITY_WORLD, NULL, MESH_ICMP, 8, true},
	{KNP("ingress: [{from: [{podSelector: {}}]}]"), IN, ID_B, NULL, MESH_TCP, 80, true},
	{KNP("ingress: [{from: [{podSelector: {}}]}]"), IN, ID_C, NULL, MESH_TCP, 80, false},
	{KNP("ingress: [{from: [{namespaceSelector: {}}]}]"), IN, ID_C, NULL, MESH_TCP, 80, true},
	{KNP("ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: "
	     "{matchLabels: {app: b}}}]}]"),
	 IN, ID_C, NULL, MESH_TCP, 80, false},
	{KNP("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: web}]}]"), IN, 0,
	 "10.0.0.1", MESH_TCP, 8080, true},
	{KNP("ingress: [{ports: [{port: 80, endPort: 90}]}]"), IN, ID_C, NULL, MESH_TCP, 85, true},
	{KNP("egress: [{to: [{podSelector: {}}]}]"), OUT, ID_C, NULL, MESH_TCP, 80, false},
	{KNP("policyTypes: [Egress], egress: []"), IN, ID_C, NULL, MESH_TCP, 80, true},
	/* What nobody enforces yet allows nothing; what denies it denies everything. */
	{CNP("ingress: [{fromEndpoints: [{}]}, {" HTTP_AND ", authentication: {mode: required}}]"),
	 IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, true},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{method: GET}]}}]}]"), IN,
	 ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{method: GET}]}}]}]"),
	 OUT, ID_B, NULL, MESH_TCP, 80, true},
	{CNP("egress: [{toFQDNs: [{matchName: a.b}]}, {toEntities: [all]}]"), OUT, IDENTITY_WORLD,
	 NULL, MESH_TCP, 80, false},
	{CNP("ingress: [{fromEntities: [all]}], ingressDeny: [{fromGroups: [{}]}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{}], typo: 1}]"), IN, ID_B, NULL, MESH_TCP, 80, false},
	{CNP("ingres: [{fromEndpoints: [{}]}], ingress: [{fromEndpoints: [{}]}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, false},
	{CNP("ingress: [{fromEndpoints: [{matchLabels: {istio.io/rev: x}}]}]"), IN, ID_B, NULL,
	 MESH_TCP, 80, false},
	{CNP("ingress: 7"), IN, ID_B, NULL, MESH_TCP, 80, false},
};

TEST(every_question_has_its_answer)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;

		world_init(&w, rows[i].policy);
		if (ask(&w, rows[i].d, rows[i].peer, rows[i].addr, rows[i].proto, rows[i].port) !=
		    rows[i].allowed)
			fail_msg("row %zu: want %s\n%s", i, rows[i].allowed ? "allowed" : "denied",
				 rows[i].policy);
		arena_release(&w.arena);
	}
}

static const struct {
	const char *policy, *path, *reason;
} unsupported[] = {
	{CNP("ingress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{}]}}]}]"),
	 "spec.ingress[0].toPorts[0].rules.http", "layer 7"},
	{CNP("egress: [{}, {toFQDNs: [{matchName: a}]}]"), "spec.egress[1].toFQDNs", "names"},
	{CNP("ingress: [{authentication: {mode: required}}]"),
	 "spec.ingress[0].authentication.mode", "authentication"},
	{CNP("ingress: [{fromEntities: [nobody]}]"), "spec.ingress[0].fromEntities[0]", "no such"},
	{CNP("egress: [{toServices: [{}]}]"), "spec.egress[0].toServices", "services"},
	{CNP("ingress: [{fromCIDR: [300.1.1.1/8]}]"), "spec.ingress[0].fromCIDR[0]", ""},
	{CNP("ingress: [{x: 1}]"), "spec.ingress[0].x", "nobody knows"},
	{CNP("foo: 1"), "spec.foo", "nobody knows"},
	{CCNP("foo: 1"), "spec.foo", "nobody knows"},
	{KNP("ingress: [{ports: [{port: 80, endPort: 70}]}]"), "spec.ingress[0].ports[0]", "range"},
	{CNP("ingress: [{toPorts: [{ports: [{port: '80', protocol: XYZ}]}]}]"),
	 "spec.ingress[0].toPorts[0].ports[0]", "protocol"},
};

TEST(what_is_not_enforced_is_named)
{
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		struct world w;

		world_init(&w, unsupported[i].policy);
		if (w.policies[0].n_unsupported != 1)
			fail_msg("row %zu: %zu findings", i, w.policies[0].n_unsupported);
		assert_string_equal(w.policies[0].unsupported[0].path, unsupported[i].path);
		if (!strstr(w.policies[0].unsupported[0].reason, unsupported[i].reason))
			fail_msg("%s", w.policies[0].unsupported[0].reason);
		arena_release(&w.arena);
	}
}

TEST(a_host_policy_selects_no_pod)
{
	struct world w;

	world_init(&w, "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
		       "metadata: {name: p}\nspec: {nodeSelector: {}, ingress: [{}]}\n");
	assert_int_equal(w.policies[0].n_unsupported, 1);
	assert_true(ask(&w, IN, ID_B, NULL, MESH_TCP, 80));
	arena_release(&w.arena);
}

TEST(the_deciding_rule_has_a_name)
{
	struct world w;
	struct mesh_set set;
	struct mesh_decision d;

	world_init(&w, CNP("ingress: [{fromEntities: [world]}, {" HTTP_AND "}]"));
	mesh_policy_compile(&w.arena, &w.universe, w.policies, w.n, &w.subject, IN, &set);
	d = mesh_set_decide(&set, ID_B, MESH_TCP, 80);
	assert_string_equal(mesh_rule_describe(&w.arena, w.policies, w.n, d.rule),
			    "CiliumNetworkPolicy n/p spec.ingress[1]");
	assert_string_equal(mesh_rule_describe(&w.arena, w.policies, w.n, 5), "");
	arena_release(&w.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_question_has_its_answer),
		cmocka_unit_test(what_is_not_enforced_is_named),
		cmocka_unit_test(a_host_policy_selects_no_pod),
		cmocka_unit_test(the_deciding_rule_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
