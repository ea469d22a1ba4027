/* SPDX-License-Identifier: Apache-2.0 */
/* The proof on the story's manifests, and every fault of a translator found with a counterexample.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "migrate/verify.h"
#include "tests/support/translator_faults.h"
#include "tests/unit/istio/world.h"

#define MANIFESTS "deploy/lab/manifests/"

static void load(struct world *w)
{
	static const char *const folders[] = {"production", "storefront", "ring", "intruder"};

	world_init(w);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		world_add_path(w, arena_printf(&w->arena, MANIFESTS "%s", folders[i]), NULL);
	world_ready(w);
	assert_int_equal(w->mesh.n_problems, 0);
}

static void translated(struct world *w, const char *ns, struct translation *t)
{
	struct error err = ERROR_INIT;

	if (translate_namespace(t, &w->arena, &w->mesh, ns, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct equivalence verified(struct world *w, const char *ns, struct doc **policies, size_t n)
{
	struct equivalence e;
	struct error err = ERROR_INIT;

	if (verify_namespace(&e, &w->arena, &w->mesh, &w->snapshot, policies, n, ns, &err) < 0)
		fail_msg("%s", err.msg);
	return e;
}

TEST(the_story_is_equal)
{
	struct world w;
	struct translation t;
	struct equivalence e;
	struct doc *d;

	load(&w);
	translated(&w, "production", &t);
	assert_int_equal(t.n_blocked, 0);
	assert_int_equal(t.n_policies, 7);
	e = verified(&w, "production", t.policies, t.n_policies);
	assert_true(e.exhaustive);
	assert_int_equal(e.compared, e.product);
	d = equivalence_doc(&w.arena, &e);
	assert_int_equal(doc_find_int(d, "factors[0].classes", 0) *
				 doc_find_int(d, "factors[1].classes", 0) *
				 doc_find_int(d, "factors[2].classes", 0),
			 e.product);
	assert_int_equal(e.differences, 0);
	assert_int_equal(e.widening, 0);
	assert_true(e.approximated > 0);
	/* STRICT, six rules by identity, the node, the protocols. */
	assert_int_equal(e.n_approximations, 9);
	world_release(&w);
}

TEST(without_policies_everything_differs)
{
	struct world w;
	struct equivalence e;

	load(&w);
	e = verified(&w, "production", NULL, 0);
	assert_true(e.exhaustive);
	assert_true(e.widening > 0);
	assert_int_equal(e.widening, e.differences);
	assert_true(e.n_examples > 0);
	world_release(&w);
}

TEST(every_fault_is_found)
{
	assert_true(n_translator_faults >= 10);
	for (size_t i = 0; i < n_translator_faults; i++) {
		struct world w;
		struct translation t;
		struct equivalence e;
		bool example = false;

		load(&w);
		translated(&w, "production", &t);
		if (!translator_faults[i].spoil(&w.arena, t.policies, &t.n_policies))
			fail_msg("%s: nothing to spoil", translator_faults[i].name);
		e = verified(&w, "production", t.policies, t.n_policies);
		for (size_t k = 0; k < e.n_examples; k++)
			example |= e.examples[k].mesh_allows == translator_faults[i].widens &&
				   e.examples[k].istio_allows != e.examples[k].mesh_allows;
		if (e.differences == 0 || !example ||
		    (e.widening > 0) < translator_faults[i].widens)
			fail_msg("%s: %llu differences, %llu wider", translator_faults[i].name,
				 (unsigned long long)e.differences, (unsigned long long)e.widening);
		world_release(&w);
	}
}

TEST(blocked_is_never_wider)
{
	struct world w;
	struct translation t;
	struct equivalence e;

	load(&w);
	translated(&w, "storefront", &t);
	assert_true(t.n_blocked >= 8);
	e = verified(&w, "storefront", t.policies, t.n_policies);
	assert_true(e.differences > 0);
	assert_int_equal(e.widening, 0);
	world_release(&w);
}

/* A policy that the cluster has already forbids on both sides; added to, it must not open. */
TEST(policies_that_are_there_count)
{
	struct world w;
	struct translation t;
	struct equivalence e;

	load(&w);
	world_add(&w,
		  "apiVersion: cilium.io/v2\n"
		  "kind: CiliumNetworkPolicy\n"
		  "metadata: {name: own, namespace: production}\n"
		  "spec:\n"
		  "  endpointSelector: {matchLabels: {app: cache}}\n"
		  "  ingress:\n"
		  "  - fromEndpoints: [{matchLabels: {app: frontend}}]\n"
		  "    toPorts: [{ports: [{port: '6379', protocol: TCP}]}]\n",
		  NULL);
	world_ready(&w);
	translated(&w, "production", &t);
	e = verified(&w, "production", t.policies, t.n_policies);
	/* Before: only frontend; together: every account of the namespace. */
	assert_true(e.widening > 0);
	world_release(&w);
}

TEST(too_much_is_said_to_be_too_much)
{
	struct world w;
	struct equivalence e;
	struct error err = ERROR_INIT;

	load(&w);
	for (unsigned i = 0; i < 400; i++)
		world_add(
			&w,
			arena_printf(&w.arena,
				     "apiVersion: v1\nkind: Namespace\nmetadata: {name: n%u}\n---\n"
				     "apiVersion: v1\nkind: Pod\nmetadata: {name: p%u, namespace: "
				     "n%u}\nspec: {serviceAccountName: s%u}\n",
				     i, i, i, i),
			NULL);
	world_ready(&w);
	assert_int_equal(
		verify_namespace(&e, &w.arena, &w.mesh, &w.snapshot, NULL, 0, "production", &err),
		-E2BIG);
	assert_true(err.msg[0]);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_story_is_equal),
		cmocka_unit_test(without_policies_everything_differs),
		cmocka_unit_test(every_fault_is_found),
		cmocka_unit_test(blocked_is_never_wider),
		cmocka_unit_test(policies_that_are_there_count),
		cmocka_unit_test(too_much_is_said_to_be_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
