/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/agent grants the agent's account what the agent asks of the cluster. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "agent/cluster.h"
#include "lib/base/str.h"

struct manifest {
	struct arena arena;
	struct doc *role;
};

static int setup(void **state)
{
	struct manifest *m = calloc(1, sizeof(*m));
	const char *path = arena_printf(&m->arena, "%s/deploy/agent/sidestep.yaml",
					getenv("SIDESTEP_SOURCE_DIR"));
	struct error err = ERROR_INIT;
	struct doc_stream s;

	if (doc_read_file(&m->arena, path, &s, &err))
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < s.n; i++)
		if (str_eq(doc_find_str(s.docs[i], "kind"), "ClusterRole"))
			m->role = s.docs[i];
	assert_non_null(m->role);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct manifest *m = *state;

	arena_release(&m->arena);
	free(m);
	return 0;
}

static bool has(const struct doc *list, const char *word)
{
	doc_foreach_item (list, item)
		if (str_eq(doc_str(item), word))
			return true;
	return false;
}

static void needs(struct manifest *m, const struct object_kind *kind, const char *part,
		  const char *verb)
{
	const char *resource = arena_printf(&m->arena, "%s%s", kind->plural, part);

	doc_foreach_item (doc_get(m->role, "rules"), rule)
		if (has(doc_get(rule, "apiGroups"), kind->group) &&
		    has(doc_get(rule, "resources"), resource) && has(doc_get(rule, "verbs"), verb))
			return;
	fail_msg("the role does not allow to %s %s", verb, resource);
}

TEST(what_is_followed_may_be_read)
{
	static const char *const verbs[] = {"get", "list", "watch"};

	for (int i = 0; i < CLUSTER_KIND_COUNT; i++)
		for (size_t k = 0; k < ARRAY_SIZE(verbs); k++)
			needs(*state, cluster_object_kind((enum cluster_kind)i), "", verbs[k]);
}

TEST(what_is_written_may_be_written)
{
	static const struct {
		enum object_kind_id kind;
		const char *part, *verb;
	} rows[] = {
		{KIND_CILIUM_IDENTITY, "", "create"},
		{KIND_SIDESTEP_NODE, "", "get"},
		{KIND_SIDESTEP_NODE, "", "create"},
		{KIND_SIDESTEP_NODE, "/status", "update"},
		{KIND_SIDESTEP_REQUEST, "/status", "update"},
		{KIND_CILIUM_NETWORK_POLICY, "/status", "update"},
		{KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY, "/status", "update"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		needs(*state, object_kind(rows[i].kind), rows[i].part, rows[i].verb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_followed_may_be_read),
		cmocka_unit_test(what_is_written_may_be_written),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
