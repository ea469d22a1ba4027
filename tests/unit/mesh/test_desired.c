/* SPDX-License-Identifier: Apache-2.0 */
/* A small cluster, compiled for one of its nodes. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/mesh/desired.h"
#include "lib/object/snapshot.h"

static const char cluster[] =
	"{apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {podCIDR: 10.244.1.0/24}, "
	"status: {addresses: [{type: InternalIP, address: 172.30.0.11}]}}\n---\n"
	"{apiVersion: v1, kind: Node, metadata: {name: n2}, spec: {podCIDR: 10.244.2.0/24}, "
	"status: {addresses: [{type: InternalIP, address: 172.30.0.12}]}}\n---\n"
	"{apiVersion: v1, kind: Namespace, metadata: {name: ns, labels: {istio-injection: "
	"enabled}}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: a1, namespace: ns, labels: {app: a}}, spec: "
	"{nodeName: n1, initContainers: [{name: istio-proxy, restartPolicy: Always}]}, status: "
	"{podIP: 10.244.1.5}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: a2, namespace: ns, labels: {app: a}}, spec: "
	"{nodeName: n1}, status: {podIP: 10.244.1.6}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: ns, labels: {app: b}}, spec: "
	"{nodeName: n2}, status: {podIP: 10.244.2.7}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: ns}, spec: {nodeName: n2}, "
	"status: {podIP: 10.244.2.7, phase: Succeeded}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: b, namespace: ns}, spec: {clusterIP: "
	"10.96.0.9, ports: [{name: http, port: 80}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: h, namespace: ns}, spec: {clusterIP: "
	"None, "
	"ports: [{port: 80}]}}\n---\n"
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: b-1, namespace: "
	"ns, "
	"labels: {kubernetes.io/service-name: b}}, addressType: IPv4, ports: [{name: http, port: "
	"8080}], endpoints: [{addresses: [10.244.2.7]}, {addresses: [10.244.2.8], conditions: "
	"{ready: "
	"false, serving: true, terminating: true}}, {addresses: [10.244.2.9], conditions: {ready: "
	"false}}]}\n---\n"
	"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: kubernetes, "
	"namespace: default, labels: {kubernetes.io/service-name: kubernetes}}, addressType: IPv4, "
	"endpoints: [{addresses: [172.30.0.1]}]}\n---\n"
	"{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: ns}, "
	"spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromCIDR: "
	"[192.168.0.0/16]}]}}\n";

struct fixture {
	struct arena a;
	struct mesh_input in;
	struct mesh_identities identities;
	struct mesh_local locals[2];
	struct mesh_desired d;
};

static struct net_addr addr(const char *text)
{
	struct net_addr ret;

	assert_int_equal(net_addr_parse(text, &ret, NULL), 0);
	return ret;
}

/* Decodes every object of a kind into a fresh array. */
#define LOAD(f, snap, kind, type, decode, member)                                                  \
	do {                                                                                       \
		struct type *list = arena_array(&(f)->a, (snap)->n + 1, struct type);              \
		size_t count = 0;                                                                  \
		snapshot_foreach (snap, object_kind(kind), doc)                                    \
			assert_int_equal(decode(&(f)->a, doc, &list[count++], NULL), 0);           \
		(f)->in.member = list;                                                             \
		(f)->in.n_##member = count;                                                        \
	} while (0)

static void load(struct fixture *f, bool backwards)
{
	struct doc_stream docs;
	struct snapshot s;
	struct error err = ERROR_INIT;

	snapshot_init(&s, &f->a);
	if (doc_read_yaml(&f->a, cluster, strlen(cluster), "cluster", &docs, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < docs.n; i++)
		assert_int_equal(snapshot_add(&s, docs.docs[backwards ? docs.n - 1 - i : i], NULL),
				 0);
	LOAD(f, &s, KIND_POD, pod, pod_decode, pods);
	LOAD(f, &s, KIND_NODE, node, node_decode, nodes);
	LOAD(f, &s, KIND_NAMESPACE, namespace_object, namespace_decode, namespaces);
	LOAD(f, &s, KIND_SERVICE, service, service_decode, services);
	LOAD(f, &s, KIND_ENDPOINT_SLICE, endpoint_slice, endpoint_slice_decode, slices);
	LOAD(f, &s, KIND_CILIUM_NETWORK_POLICY, mesh_policy, mesh_policy_from_doc, policies);
	snapshot_release(&s);
}

static void compile(struct fixture *f, bool backwards)
{
	struct cilium_identity objects[2] = {{.meta = {.name = "1000"}},
					     {.meta = {.name = "2000"}}};
	size_t n = 0;

	memset(f, 0, sizeof(*f));
	load(f, backwards);
	f->in.node_name = "n1";
	f->in.options.tunnel = true;
	for (size_t i = 0; i < f->in.n_pods; i++) {
		const struct pod *p = &f->in.pods[i];

		if (str_eq(p->meta.name, "a1"))
			objects[0].security_labels =
				mesh_pod_labels(&f->a, p, &f->in.namespaces[0]);
		if (str_eq(p->meta.name, "b"))
			objects[1].security_labels =
				mesh_pod_labels(&f->a, p, &f->in.namespaces[0]);
		if (str_starts(p->meta.name, "a"))
			f->locals[n++] =
				(struct mesh_local){.id = p->meta.name[1] == '1' ? 11 : 12,
						    .pod = p,
						    .namespace = &f->in.namespaces[0],
						    .identity = 1000,
						    .ifindex = p->meta.name[1] == '1' ? 21 : 22,
						    .addr = addr(p->pod_ip)};
	}
	mesh_identities_build(&f->a, objects, 2, &f->identities);
	f->in.identities = &f->identities;
	f->in.locals = f->locals;
	f->in.n_locals = n;
	mesh_compile(&f->a, &f->in, &f->d);
}

static const struct mesh_address *at(const struct fixture *f, const char *text, unsigned bits)
{
	struct net_addr want = addr(text);

	for (size_t i = 0; i < f->d.n_addresses; i++) {
		if (f->d.addresses[i].key.prefixlen == bits &&
		    f->d.addresses[i].key.addr == htonl(net_addr_to_v4(&want)))
			return &f->d.addresses[i];
	}
	return NULL;
}

TEST(endpoints_share_the_policy_they_share)
{
	struct fixture f;
	const struct mesh_endpoint *one, *two;

	compile(&f, false);
	one = mesh_desired_endpoint(&f.d, 11);
	two = mesh_desired_endpoint(&f.d, 12);
	assert_int_equal(f.d.n_sets, 1);
	assert_int_equal(one->set[MESH_INGRESS], two->set[MESH_INGRESS]);
	assert_int_equal(one->set[MESH_EGRESS], 0);
	assert_int_equal(one->row.flags, ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS |
						 ENDPOINT_REFUSE | ENDPOINT_SIDECAR);
	assert_int_equal(two->row.flags,
			 ENDPOINT_READY | ENDPOINT_ENFORCE_INGRESS | ENDPOINT_REFUSE);
	assert_true(one->sock_optout);
	assert_false(two->sock_optout);
	arena_release(&f.a);
}

TEST(services_have_ready_and_terminating_backends)
{
	struct fixture f;
	const struct mesh_service *s;

	compile(&f, false);
	assert_int_equal(f.d.n_services, 1);
	s = &f.d.services[0];
	assert_int_equal(ntohs(s->key.port), 80);
	assert_int_equal(s->n_backends, 2);
	assert_int_equal(s->n_active, 1);
	assert_int_equal(ntohs(s->backends[0].address.port), 8080);
	assert_int_equal(s->backends[1].state, BACKEND_TERMINATING);
	arena_release(&f.a);
}

TEST(addresses_know_who_and_where)
{
	struct fixture f;

	compile(&f, false);
	assert_int_equal(at(&f, "10.244.2.7", 32)->entry.identity, 2000);
	assert_int_equal(ntohl(at(&f, "10.244.2.7", 32)->entry.tunnel_endpoint), 0xac1e000c);
	assert_int_equal(at(&f, "10.244.1.5", 32)->entry.identity, 1000);
	assert_int_equal(at(&f, "10.244.1.5", 32)->entry.tunnel_endpoint, 0);
	assert_int_equal(at(&f, "172.30.0.11", 32)->entry.identity, IDENTITY_HOST);
	assert_int_equal(at(&f, "172.30.0.12", 32)->entry.identity, IDENTITY_REMOTE_NODE);
	assert_int_equal(at(&f, "172.30.0.1", 32)->entry.identity, IDENTITY_KUBE_APISERVER);
	assert_true(mesh_is_cidr_identity(at(&f, "192.168.0.0", 16)->entry.identity));
	arena_release(&f.a);
}

TEST(a_pod_without_a_number_is_not_the_world)
{
	struct fixture f;

	compile(&f, false);
	f.identities.n = 10; /* the reserved ones */
	f.locals[0].identity = 0;
	f.locals[1].pod = NULL;
	mesh_compile(&f.a, &f.in, &f.d);
	assert_int_equal(at(&f, "10.244.2.7", 32)->entry.identity, IDENTITY_UNMANAGED);
	for (uint32_t id = 11; id <= 12; id++) {
		const struct mesh_endpoint *e = mesh_desired_endpoint(&f.d, id);

		assert_true(e->row.flags & ENDPOINT_ENFORCE_INGRESS);
		assert_true(e->row.flags & ENDPOINT_ENFORCE_EGRESS);
		assert_int_equal(mesh_desired_set(&f.d, e->set[MESH_EGRESS])->n, 0);
	}
	arena_release(&f.a);
}

TEST(an_audit_is_a_flag_of_its_endpoints)
{
	struct fixture f;
	struct strmap_pair app = {"app", "a"};
	struct label_selector selector = {{&app, 1}, NULL, 0};
	struct sidestep_request r = {.kind = REQUEST_AUDIT, .namespace = "ns"};
	const char *nodes[] = {"n2"};

	compile(&f, false);
	f.in.requests = &r;
	f.in.n_requests = 1;
	r.pod_selector = &selector;
	mesh_compile(&f.a, &f.in, &f.d);
	assert_true(mesh_desired_endpoint(&f.d, 11)->row.flags & ENDPOINT_AUDIT_INGRESS);
	r.nodes.items = nodes;
	r.nodes.n = 1;
	mesh_compile(&f.a, &f.in, &f.d);
	assert_false(mesh_desired_endpoint(&f.d, 11)->row.flags & ENDPOINT_AUDIT_INGRESS);
	arena_release(&f.a);
}

TEST(the_order_of_objects_does_not_matter)
{
	struct fixture one, two;

	compile(&one, false);
	compile(&two, true);
	assert_int_equal(one.d.n_addresses, two.d.n_addresses);
	assert_memory_equal(one.d.addresses, two.d.addresses,
			    one.d.n_addresses * sizeof(*one.d.addresses));
	assert_int_equal(one.d.n_endpoints, two.d.n_endpoints);
	assert_memory_equal(one.d.endpoints, two.d.endpoints,
			    one.d.n_endpoints * sizeof(*one.d.endpoints));
	assert_int_equal(one.d.sets[0].digest, two.d.sets[0].digest);
	assert_int_equal(mesh_desired_digest(&one.d), mesh_desired_digest(&two.d));
	two.d.services[0].n_active = 0;
	assert_int_not_equal(mesh_desired_digest(&one.d), mesh_desired_digest(&two.d));
	arena_release(&one.a);
	arena_release(&two.a);
}

TEST(what_does_not_fit_is_named)
{
	struct fixture f;
	struct mesh_overflow out[8];

	compile(&f, false);
	assert_int_equal(mesh_fit(&f.d, 80, out), 0);
	f.d.n_addresses = 200000;
	assert_int_equal(mesh_fit(&f.d, 80, out), 1);
	assert_string_equal(out[0].map, "ipcache");
	arena_release(&f.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_share_the_policy_they_share),
		cmocka_unit_test(services_have_ready_and_terminating_backends),
		cmocka_unit_test(addresses_know_who_and_where),
		cmocka_unit_test(a_pod_without_a_number_is_not_the_world),
		cmocka_unit_test(an_audit_is_a_flag_of_its_endpoints),
		cmocka_unit_test(the_order_of_objects_does_not_matter),
		cmocka_unit_test(what_does_not_fit_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
