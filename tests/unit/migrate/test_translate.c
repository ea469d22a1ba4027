/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "migrate/translate.h"
#include "tests/unit/istio/world.h"

static const struct field_verdict *field(const struct translation *t, const char *path)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (str_eq(t->fields[i].path, path))
			return &t->fields[i];
	return NULL;
}

static enum field_class class_of(const struct translation *t, const char *path)
{
	const struct field_verdict *f = field(t, path);

	if (!f)
		fail_msg("%s is not accounted for", path);
	return f->class;
}

static void translate(struct world *w, const char *yaml, struct translation *t)
{
	struct error err = ERROR_INIT;

	world_init(w);
	world_add(w,
		  "apiVersion: v1\nkind: Namespace\n"
		  "metadata: {name: ns, labels: {istio-injection: enabled}}\n",
		  NULL);
	world_add(w, yaml, "ns");
	world_ready(w);
	if (translate_namespace(t, &w->arena, &w->mesh, "ns", &err) < 0)
		fail_msg("%s", err.msg);
}

TEST(every_field_has_a_word)
{
	struct world w;
	struct translation t;

	translate(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: a}\n"
		  "spec:\n"
		  "  selector: {matchLabels: {app: x}}\n"
		  "  rules:\n"
		  "  - from:\n"
		  "    - source:\n"
		  "        principals: [cluster.local/ns/a/sa/b]\n"
		  "        requestPrincipals: ['*']\n"
		  "    - source: {namespaces: ['pre*']}\n"
		  "    - source: {principals: [elsewhere/ns/a/sa/b]}\n"
		  "    to:\n"
		  "    - operation: {ports: ['80'], paths: [/x], invented: [v]}\n"
		  "    when:\n"
		  "    - {key: 'request.headers[x]', values: [v]}\n"
		  "    - {key: source.ip, notValues: [192.0.2.0/24]}\n",
		  &t);
#define R "spec.rules[0]."
	assert_int_equal(class_of(&t, "spec.selector.matchLabels.app"), FIELD_EXACT);
	assert_int_equal(class_of(&t, R "from[0].source.principals"), FIELD_APPROXIMATED);
	assert_string_equal(field(&t, R "from[0].source.principals")->waiver,
			    WAIVER_IDENTITY_BY_ADDRESS);
	assert_int_equal(class_of(&t, R "from[0].source.requestPrincipals"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "from[1].source.namespaces"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "from[2].source.principals"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "to[0].operation.ports"), FIELD_EXACT);
	assert_int_equal(class_of(&t, R "to[0].operation.paths"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "to[0].operation.invented"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "when[0].key"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "when[0].values"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, R "when[1].key"), FIELD_EXACT);
	assert_non_null(field(&t, R "to[0].operation.paths")->where);
	world_release(&w);
}

TEST(what_only_a_proxy_can_do)
{
	struct world w;
	struct translation t;

	translate(
		&w,
		"apiVersion: networking.istio.io/v1alpha3\n"
		"kind: EnvoyFilter\n"
		"metadata: {name: f}\n"
		"spec: {configPatches: [{applyTo: CLUSTER}]}\n"
		"---\n"
		"apiVersion: networking.istio.io/v1\n"
		"kind: Sidecar\n"
		"metadata: {name: s}\n"
		"spec: {egress: [{hosts: ['./*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n"
		"---\n"
		"apiVersion: telemetry.istio.io/v1\n"
		"kind: Telemetry\n"
		"metadata: {name: t}\n"
		"spec: {accessLogging: [{disabled: true}]}\n"
		"---\n"
		"apiVersion: networking.istio.io/v1\n"
		"kind: DestinationRule\n"
		"metadata: {name: d}\n"
		"spec: {host: x, trafficPolicy: {tls: {mode: SIMPLE}, connectionPool: {tcp:"
		" {maxConnections: 1}}}}\n",
		&t);
	assert_int_equal(class_of(&t, "spec.configPatches[0].applyTo"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, "spec.egress[0].hosts"), FIELD_IMPLICIT);
	assert_int_equal(class_of(&t, "spec.outboundTrafficPolicy.mode"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, "spec.accessLogging[0].disabled"), FIELD_APPROXIMATED);
	assert_int_equal(class_of(&t, "spec.trafficPolicy.tls.mode"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, "spec.trafficPolicy.connectionPool.tcp.maxConnections"),
			 FIELD_BLOCKED);
	assert_int_equal(t.n_policies, 0); /* permissive, and no policy selects anybody */
	world_release(&w);
}

TEST(an_object_that_cannot_be_read_blocks)
{
	struct world w;
	struct translation t;

	translate(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: PeerAuthentication\n"
		  "metadata: {name: broken}\n"
		  "spec: {mtls: {mode: NEVER}}\n",
		  &t);
	assert_int_equal(t.n_blocked, 1);
	assert_int_equal(class_of(&t, ""), FIELD_BLOCKED);
	world_release(&w);
}

/* A word beside spec is a mistake that somebody relies on; AUDIT decides nothing, so blocks
 * nothing. */
TEST(beside_spec_and_beside_the_matter)
{
	struct world w;
	struct translation t;

	translate(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: misplaced, generation: 3, uid: u}\n"
		  "action: DENY\n"
		  "spec: {rules: [{}]}\n"
		  "status: {}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: logs}\n"
		  "spec: {action: AUDIT, rules: [{to: [{operation: {methods: [GET]}}]}]}\n",
		  &t);
	assert_int_equal(t.n_blocked, 1);
	assert_int_equal(class_of(&t, "action"), FIELD_BLOCKED);
	assert_int_equal(class_of(&t, "spec.rules[0].to[0].operation.methods"), FIELD_APPROXIMATED);
	world_release(&w);
}

/* As kubectl takes manifests: without a namespace they are of "default", selectors included. */
TEST(a_manifest_without_a_namespace_is_of_default)
{
	struct world w;
	struct translation t;
	struct error err = ERROR_INIT;

	world_init(&w);
	world_add(&w,
		  "apiVersion: v1\nkind: Namespace\n"
		  "metadata: {name: default, labels: {istio-injection: enabled}}\n"
		  "---\napiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\n"
		  "metadata: {name: p}\n"
		  "spec: {selector: {matchLabels: {app: a}}}\n",
		  NULL);
	world_ready(&w);
	assert_int_equal(translate_namespace(&t, &w.arena, &w.mesh, "default", &err), 0);
	assert_int_equal(t.n_policies, 1);
	assert_string_equal(doc_find_str(t.policies[0], "spec.endpointSelector.matchLabels.app"),
			    "a");
	world_release(&w);
	world_init(&w);
	world_add(&w,
		  "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
		  "metadata: {name: p}\nspec: {}\n",
		  NULL);
	world_ready(&w);
	assert_int_equal(translate_namespace(&t, &w.arena, &w.mesh, "default", &err), 0);
	world_release(&w);
}

TEST(nothing_comes_of_nowhere)
{
	struct world w;
	struct translation t;
	struct error err = ERROR_INIT;

	world_init(&w);
	world_ready(&w);
	assert_int_equal(translate_namespace(&t, &w.arena, &w.mesh, "gone", &err), -ENOENT);
	assert_string_equal(err.msg, "there is no namespace gone");
	world_release(&w);
}

/* Classes never overlap: of two pods with other labels each is under one policy. */
TEST(classes_divide)
{
	struct world w;
	struct translation t;
	size_t with_alternatives = 0;

	translate(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: PeerAuthentication\n"
		  "metadata: {name: d}\n"
		  "spec: {mtls: {mode: STRICT}}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: a}\n"
		  "spec: {selector: {matchLabels: {app: x}}}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: b}\n"
		  "spec: {selector: {matchLabels: {app: x, tier: t}}, rules: [{}]}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: c}\n"
		  "spec: {selector: {matchLabels: {tier: u, zone: z}}, rules: [{}]}\n",
		  &t);
	for (size_t i = 0; i < t.n_policies; i++)
		with_alternatives +=
			strstr(doc_find_str(t.policies[i], "metadata.name"), "-2") != NULL;
	/* {x,t}: one; {x,u,z}: one; x but neither: tier not t, and not (u and z); the rest. */
	assert_true(t.n_policies >= 5);
	assert_true(with_alternatives > 0);
	assert_int_equal(t.n_blocked, 0);
	world_release(&w);
}

static int yaml_only(const struct dirent *e)
{
	return str_ends(e->d_name, ".yaml");
}

/* One fixture, for every namespace that it may speak of. Files that do not parse are no error here.
 */
static size_t fields_of(const char *path)
{
	static const char *const common[] = {"default", "foo", "ns1", "bookinfo"};
	struct world w;
	struct error err = ERROR_INIT;
	size_t fields = 0;

	world_init(&w);
	(void)snapshot_read(&w.snapshot, path, &err);
	world_ready(&w);
	for (size_t k = 0; k < w.mesh.n_namespaces + ARRAY_SIZE(common); k++) {
		const char *ns = k < ARRAY_SIZE(common)
					 ? common[k]
					 : w.mesh.namespaces[k - ARRAY_SIZE(common)].name;
		struct translation t;

		if (translate_namespace(&t, &w.arena, &w.mesh, ns, &err) == -ENOENT)
			continue;
		fields += t.n_fields;
		(void)translation_doc(&w.arena, &t);
	}
	world_release(&w);
	return fields;
}

/* Whatever Istio's own fixtures hold, every field gets a word, and nothing breaks. */
TEST(the_corpus_is_accounted_for)
{
	static const char *const folders[] = {
		"decisions",  "ambient-golden", "authz-golden/http", "networking",
		"validation", "analyzers",      "authz-golden/tcp"};
	struct arena a = ARENA_INIT;
	size_t fields = 0;

	if (!corpus_path(&a, "decisions")) {
		arena_release(&a);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct dirent **files;
		const char *folder = corpus_path(&a, folders[i]);
		int n = scandir(folder, &files, yaml_only, alphasort);

		for (int k = 0; k < n; k++) {
			fields += fields_of(arena_printf(&a, "%s/%s", folder, files[k]->d_name));
			free(files[k]);
		}
		free(files);
	}
	print_message("%zu fields\n", fields);
	assert_true(fields > 300);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_has_a_word),
		cmocka_unit_test(what_only_a_proxy_can_do),
		cmocka_unit_test(an_object_that_cannot_be_read_blocks),
		cmocka_unit_test(beside_spec_and_beside_the_matter),
		cmocka_unit_test(a_manifest_without_a_namespace_is_of_default),
		cmocka_unit_test(nothing_comes_of_nowhere),
		cmocka_unit_test(classes_divide),
		cmocka_unit_test(the_corpus_is_accounted_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
