/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "lib/base/str.h"
#include "lib/mesh/identity.h"

static struct strmap_pair pod_pairs[] = {
	{"app", "web"},
	{"pod-template-hash", "x1"},
	{"security.istio.io/tlsMode", "istio"},
	{"sidecar.istio.io/inject", "true"},
};
static struct strmap_pair ns_pairs[] = {{"istio-injection", "enabled"}, {"team", "a"}};
static const struct strmap pod_labels = {pod_pairs, ARRAY_SIZE(pod_pairs)};
static const struct strmap ns_labels = {ns_pairs, ARRAY_SIZE(ns_pairs)};

TEST(an_identity_does_not_change_when_the_sidecar_goes)
{
	struct arena a = ARENA_INIT;
	struct strmap bare = {pod_pairs, 1}, team = {ns_pairs + 1, 1};
	struct strmap before = mesh_workload_labels(&a, &pod_labels, "ns", &ns_labels, "sa");
	struct strmap after = mesh_workload_labels(&a, &bare, "ns", &team, "sa");

	assert_string_equal(mesh_labels_key(&a, &before), mesh_labels_key(&a, &after));
	assert_string_equal(
		mesh_labels_key(&a, &after),
		"k8s:app=web;k8s:io.cilium.k8s.namespace.labels.team=a;"
		"k8s:io.cilium.k8s.policy.cluster=default;"
		"k8s:io.cilium.k8s.policy.serviceaccount=sa;k8s:io.kubernetes.pod.namespace=ns");
	arena_release(&a);
}

TEST(relevant_labels)
{
	static const struct {
		const char *key;
		bool relevant;
	} rows[] = {
		{"app", true},
		{"app.kubernetes.io/name", true},
		{"kubernetes.io/metadata.name", true},
		{"pod-template-hash", false},
		{"controller-revision-hash", false},
		{"istio.io/rev", false},
		{"topology.istio.io/subzone", false},
		{"notistio.io/x", true},
		{"sidestep.dev/migrated", false},
		{"istio-injection", false},
		{"istio", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (mesh_label_is_relevant(rows[i].key) != rows[i].relevant)
			fail_msg("%s", rows[i].key);
	}
}

TEST(all_agents_try_the_same_numbers)
{
	struct arena a = ARENA_INIT;
	struct strmap labels = mesh_workload_labels(&a, &pod_labels, "ns", NULL, "sa");
	struct strmap other = mesh_workload_labels(&a, &pod_labels, "ns", NULL, "sb");

	for (unsigned i = 0; i < MESH_ID_ATTEMPTS; i++) {
		uint32_t id = mesh_identity_candidate(&labels, i);

		assert_in_range(id, IDENTITY_FIRST_POD, IDENTITY_LAST_POD);
		assert_int_equal(id, mesh_identity_candidate(&labels, i));
	}
	assert_int_not_equal(mesh_identity_candidate(&labels, 0),
			     mesh_identity_candidate(&labels, 1));
	assert_int_not_equal(mesh_identity_candidate(&labels, 0),
			     mesh_identity_candidate(&other, 0));
	arena_release(&a);
}

TEST(the_table_takes_objects_and_the_lowest_number)
{
	struct arena a = ARENA_INIT;
	struct strmap labels = mesh_workload_labels(&a, &pod_labels, "ns", NULL, "sa");
	struct cilium_identity objects[] = {
		{.meta = {.name = "900"}, .security_labels = labels},
		{.meta = {.name = "300"}, .security_labels = labels},
		{.meta = {.name = "7"}, .security_labels = labels},
		{.meta = {.name = "x"}, .security_labels = labels},
	};
	struct mesh_identities t;

	mesh_identities_build(&a, objects, ARRAY_SIZE(objects), &t);
	assert_int_equal(mesh_identity_of(&t, &labels), 300);
	assert_non_null(mesh_identity_get(&t, 900));
	assert_null(mesh_identity_get(&t, 301));
	assert_string_equal(mesh_identity_get(&t, IDENTITY_HOST)->labels.items[0].key,
			    "reserved:host");
	assert_string_equal(mesh_reserved_name(2), "world");
	assert_int_equal(mesh_reserved_id("cluster"), 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_does_not_change_when_the_sidecar_goes),
		cmocka_unit_test(relevant_labels),
		cmocka_unit_test(all_agents_try_the_same_numbers),
		cmocka_unit_test(the_table_takes_objects_and_the_lowest_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
