/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any YAML as policies: read, numbered, compiled for one endpoint, and asked. Whatever it says,
 * rows decide as the rules do, and what is not understood never opens anything.
 */
#include "lib/mesh/policy.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_POLICIES = 8 };

struct fuzz_world {
	struct arena a;
	struct mesh_identities identities;
	struct mesh_universe universe;
	struct mesh_policy policies[MAX_POLICIES];
	size_t n;
	struct mesh_subject subject;
};

static void ask(struct fuzz_world *w, enum mesh_direction d)
{
	static const uint32_t peers[] = {256, 257, IDENTITY_HOST, IDENTITY_REMOTE_NODE,
					 IDENTITY_UNMANAGED};
	static const uint16_t ports[] = {0, 8, 80, 443, 8080, 65535};
	static const uint8_t protos[] = {MESH_TCP, MESH_UDP, MESH_ICMP};
	struct mesh_set set;

	mesh_policy_compile(&w->a, &w->universe, w->policies, w->n, &w->subject, d, &set);
	for (size_t i = 0; i < ARRAY_SIZE(peers) * ARRAY_SIZE(ports) * ARRAY_SIZE(protos); i++) {
		struct mesh_other other = {.identity = peers[i % ARRAY_SIZE(peers)]};
		uint16_t port = ports[i / ARRAY_SIZE(peers) % ARRAY_SIZE(ports)];
		uint8_t proto = protos[i / ARRAY_SIZE(peers) / ARRAY_SIZE(ports)];
		struct mesh_decision rows = mesh_set_decide(&set, other.identity, proto, port);
		struct mesh_decision rules = mesh_rules_decide(&w->universe, w->policies, w->n,
							       &w->subject, d, &other, proto, port);

		if (rows.allowed != rules.allowed)
			abort();
	}
}

static void make_world(struct fuzz_world *w)
{
	static const struct mesh_port_name port = {"http", MESH_TCP, 8080};
	static struct strmap_pair app[] = {{"app", "a"}}, other[] = {{"app", "b"}};
	struct strmap mine = {app, 1}, theirs = {other, 1};
	struct cilium_identity objects[2] = {{.meta = {.name = "256"}}, {.meta = {.name = "257"}}};

	objects[0].security_labels = mesh_workload_labels(&w->a, &mine, "shop", NULL, "default");
	objects[1].security_labels = mesh_workload_labels(&w->a, &theirs, "shop", NULL, "default");
	mesh_identities_build(&w->a, objects, 2, &w->identities);
	w->subject.labels = objects[0].security_labels;
	w->subject.ports = &port;
	w->subject.n_ports = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_world w = {.n = 0};
	struct doc_stream s = {0};

	make_world(&w);
	if (doc_read_yaml(&w.a, (const char *)data, n, "fuzz", &s, NULL) == 0) {
		for (size_t i = 0; i < s.n && w.n < MAX_POLICIES; i++) {
			if (mesh_policy_from_doc(&w.a, s.docs[i], &w.policies[w.n], NULL) == 0)
				w.n++;
		}
	}
	mesh_policies_number(w.policies, w.n);
	mesh_universe_build(&w.a, &w.identities, w.policies, w.n, &w.universe);
	ask(&w, MESH_INGRESS);
	ask(&w, MESH_EGRESS);
	arena_release(&w.a);
	return 0;
}
