/* SPDX-License-Identifier: Apache-2.0 */
/* Every case: what lib/istio renders for a pod equals what a real istiod pushes to it. */
#include <dirent.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/sidecar.h"
#include "tests/golden/istio/reduce.h"
#include "tests/support/test.h"

#define CASES "tests/golden/istio/cases"

static const struct istio_sidecar_options options = {
	.dir = "/etc/envoy", .cert_file = "/c.pem", .key_file = "/k.pem", .root_file = "/r.pem"};

static const char *text(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d)
		return "(absent)";
	doc_write_json(d, DOC_COMPACT, &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* Prints where two trees differ first, deepest path that still names both. */
static void explain(struct arena *a, const char *path, const struct doc *want,
		    const struct doc *have)
{
	if (want && have && want->kind == DOC_MAP && have->kind == DOC_MAP) {
		doc_foreach_entry (want, e)
			if (!doc_equal(e->value, doc_get(have, e->key)))
				explain(a, arena_printf(a, "%s > %s", path, e->key), e->value,
					doc_get(have, e->key));
		doc_foreach_entry (have, e)
			if (!doc_get(want, e->key))
				explain(a, arena_printf(a, "%s > %s", path, e->key), NULL,
					e->value);
		return;
	}
	if (want && have && want->kind == DOC_LIST && have->kind == DOC_LIST &&
	    doc_len(want) == doc_len(have)) {
		for (size_t i = 0; i < doc_len(want); i++)
			if (!doc_equal(doc_at(want, i), doc_at(have, i)))
				explain(a, arena_printf(a, "%s[%zu]", path, i), doc_at(want, i),
					doc_at(have, i));
		return;
	}
	print_message("%s\n   istiod: %s\n   ours:   %s\n", path, text(a, want), text(a, have));
}

/* Only the pods that the golden has; their number comes back through n. */
static size_t check_case(struct arena *a, const char *name, size_t *n)
{
	struct snapshot snapshot;
	struct istio_mesh mesh;
	struct doc_stream expected;
	struct error err = ERROR_INIT;
	size_t wrong = 0;

	snapshot_init(&snapshot, a);
	if (snapshot_read(&snapshot, arena_printf(a, CASES "/%s/objects.yaml", name), &err) < 0 ||
	    doc_read_file(a, arena_printf(a, CASES "/%s/expected.json", name), &expected, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	istio_mesh_load(&mesh, a, &snapshot);
	assert_int_equal(mesh.n_problems, 0);
	doc_foreach_entry (expected.docs[0], want) {
		const char *slash = strchr(want->key, '/');
		const struct istio_workload *pod = istio_mesh_pod(
			&mesh, arena_strndup(a, want->key, (size_t)(slash - want->key)), slash + 1);
		struct istio_sidecar_parts parts;
		struct doc *config = doc_map(a), *have;

		assert_non_null(pod);
		if (istio_sidecar_parts(a, &mesh, pod, &options, &parts, &err) < 0)
			fail_msg("%s: %s", want->key, err.msg);
		doc_set(a, config, "listeners", parts.listeners);
		doc_set(a, config, "routes", parts.routes);
		doc_set(a, config, "clusters", parts.clusters);
		doc_set(a, config, "endpoints", parts.endpoints);
		have = envoy_reduce(a, config);
		(*n)++;
		if (doc_equal(want->value, have))
			continue;
		wrong++;
		explain(a, arena_printf(a, "%s: %s", name, want->key), want->value, have);
	}
	snapshot_release(&snapshot);
	return wrong;
}

static int cases_only(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

TEST(rendered_is_what_istiod_pushes)
{
	struct dirent **names;
	int n = scandir(CASES, &names, cases_only, alphasort);
	size_t pods = 0, wrong = 0;

	assert_true(n > 20);
	for (int i = 0; i < n; i++) {
		struct arena a = ARENA_INIT;

		wrong += check_case(&a, names[i]->d_name, &pods);
		arena_release(&a);
		free(names[i]);
	}
	free(names);
	print_message("%zu sidecars compared, %zu differ\n", pods, wrong);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rendered_is_what_istiod_pushes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
