/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "tests/unit/istio/world.h"

TEST(truth_table)
{
	static const struct {
		const char *ns, *ns_labels, *labels, *annotations;
		bool host, inject;
		enum istio_injection_rule rule;
	} rows[] = {
		{"a", "istio-injection=enabled", "", "", false, true, INJECT_NAMESPACE},
		{"a", "istio-injection=enabled", "", "", true, false, INJECT_HOST_NETWORK},
		{"kube-system", "istio-injection=enabled", "", "", false, false,
		 INJECT_IGNORED_NAMESPACE},
		{"a", "istio-injection=disabled", "sidecar.istio.io/inject=true", "", false, false,
		 INJECT_NAMESPACE_OFF},
		{"a", "istio-injection=enabled,istio.io/rev=nope", "", "", false, true,
		 INJECT_NAMESPACE}, /* beats the revision */
		{"a", "istio-injection=enabled", "sidecar.istio.io/inject=false", "", false, false,
		 INJECT_POD_LABEL_OFF},
		{"a", "istio-injection=enabled", "", "sidecar.istio.io/inject=false", false, false,
		 INJECT_POD_ANNOTATION_OFF},
		{"a", "istio-injection=enabled", "sidecar.istio.io/inject=true",
		 "sidecar.istio.io/inject=false", false, true, INJECT_NAMESPACE}, /* label wins */
		{"a", "istio.io/rev=canary", "", "", false, true, INJECT_NAMESPACE_REVISION},
		{"a", "istio.io/rev=nope", "", "", false, false, INJECT_NO_INJECTOR},
		{"a", "istio.io/rev=nope", "sidecar.istio.io/inject=true", "", false, false,
		 INJECT_NO_INJECTOR},
		{"a", "", "istio.io/rev=canary", "", false, true, INJECT_POD_REVISION},
		{"a", "", "sidecar.istio.io/inject=true", "", false, true, INJECT_POD_LABEL},
		{"a", "", "", "sidecar.istio.io/inject=true", false, false, INJECT_NOTHING_ASKS},
		{"a", "", "", "", false, false, INJECT_NOTHING_ASKS},
		{"a", "istio-injection=enabled", "never=x", "", false, false,
		 INJECT_NEVER_SELECTOR},
		{"a", "istio-injection=enabled", "never=x,sidecar.istio.io/inject=true", "", false,
		 true, INJECT_NAMESPACE},
	};
	struct arena a = ARENA_INIT;
	const char *revisions[] = {"default", "canary"};
	struct label_requirement never_expr = {.key = "never", .op = LABEL_EXISTS};
	struct label_selector never = {.match_expressions = &never_expr, .n_match_expressions = 1};
	struct istio_injector injector = {
		.revisions = revisions, .n_revisions = 2, .never = &never, .n_never = 1};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strmap ns = labels_of(&a, rows[i].ns_labels);
		struct strmap labels = labels_of(&a, rows[i].labels);
		struct strmap annotations = labels_of(&a, rows[i].annotations);
		struct istio_injection r = istio_injection_decide(
			&injector, rows[i].ns, &ns, &labels, &annotations, rows[i].host);

		if (r.inject != rows[i].inject || r.rule != rows[i].rule)
			fail_msg("row %zu: %s", i, istio_injection_words(r.rule));
	}
	arena_release(&a);
}

TEST(injectors_of_a_cluster)
{
	struct world w;

	world_init(&w);
	world_add(&w,
		  "apiVersion: admissionregistration.k8s.io/v1\n"
		  "kind: MutatingWebhookConfiguration\n"
		  "metadata: {name: istio-sidecar-injector-canary,"
		  " labels: {app: sidecar-injector, istio.io/rev: canary}}\n"
		  "webhooks: [{name: auto.sidecar-injector.istio.io}]\n"
		  "---\n"
		  "apiVersion: v1\n"
		  "kind: ConfigMap\n"
		  "metadata: {name: istio-sidecar-injector-canary, namespace: istio-system}\n"
		  "data: {config: 'policy: disabled'}\n",
		  NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.injector.n_revisions, 1);
	assert_true(w.mesh.injector.by_default);
	assert_true(w.mesh.injector.policy_disabled);
	world_release(&w);
}

static const struct istio_inject_options options = {
	.revision = "default", .proxy_image = "proxy:1", .trust_domain = "cluster.local"};

static const char pod_yaml[] =
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: web, version: v2},"
	" annotations: {own: x}}\n"
	"spec:\n"
	"  initContainers: [{name: first, image: i}]\n"
	"  containers:\n"
	"  - name: app\n"
	"    image: web:1\n"
	"    ports: [{name: http, containerPort: 8080}]\n"
	"    readinessProbe: {httpGet: {path: /ok, port: http, scheme: HTTP}, periodSeconds: 3}\n"
	"    livenessProbe: {exec: {command: [x]}}\n"
	"  volumes: [{name: data, emptyDir: {}}]\n";

static struct doc *read_pod(struct arena *a)
{
	struct doc_stream s;

	assert_int_equal(doc_read_yaml(a, pod_yaml, strlen(pod_yaml), "pod", &s, NULL), 0);
	return s.docs[0];
}

TEST(the_native_form)
{
	struct arena a = ARENA_INIT;
	struct doc *pod = read_pod(&a), *before = doc_clone(&a, pod);
	struct doc *out = istio_inject_pod(&a, pod, "ns", "web", &options);

	assert_true(doc_equal(pod, before));
	assert_int_equal(istio_sidecar_form_of(doc_get(out, "spec")), SIDECAR_NATIVE);
	assert_string_equal(doc_find_str(out, "spec.initContainers[0].name"), "istio-init");
	assert_string_equal(doc_find_str(out, "spec.initContainers[1].name"), "istio-proxy");
	assert_string_equal(doc_find_str(out, "spec.initContainers[1].restartPolicy"), "Always");
	assert_string_equal(doc_find_str(out, "spec.initContainers[2].name"), "first");
	assert_string_equal(doc_find_str(out, "metadata.labels['security.istio.io/tlsMode']"),
			    "istio");
	assert_string_equal(doc_find_str(out, "spec.containers[0].readinessProbe.httpGet.path"),
			    "/app-health/app/readyz");
	assert_int_equal(doc_find_int(out, "spec.containers[0].readinessProbe.httpGet.port", 0),
			 15020);
	assert_non_null(doc_find(out, "spec.containers[0].livenessProbe.exec"));
	assert_string_equal(doc_find_str(out, "metadata.annotations.own"), "x");
	/* A pod that has one keeps it. */
	assert_true(doc_equal(istio_inject_pod(&a, out, "ns", "web", &options), out));
	assert_null(istio_inject_patch(&a, out, "ns", "web", &options));
	arena_release(&a);
}

TEST(the_patch_makes_the_pod)
{
	struct arena a = ARENA_INIT;
	struct doc *pod = read_pod(&a), *patched;
	struct doc *patch = istio_inject_patch(&a, pod, "ns", "web", &options);

	assert_int_equal(doc_json_patch(&a, pod, patch, &patched, NULL), 0);
	assert_true(doc_equal(patched, istio_inject_pod(&a, pod, "ns", "web", &options)));
	arena_release(&a);
}

TEST(stripped_is_the_original)
{
	struct arena a = ARENA_INIT;
	struct istio_inject_options classic = options;
	struct doc *pod = read_pod(&a), *back;

	/* Scheme is left to its default, and a port by name becomes its number, as in Istio. */
	doc_set_int(&a, doc_find(pod, "spec.containers[0].readinessProbe.httpGet"), "port", 8080);
	back = istio_strip_pod(&a, istio_inject_pod(&a, pod, "ns", "web", &options));
	assert_true(doc_equal(back, pod));
	classic.classic = true;
	back = istio_inject_pod(&a, pod, "ns", "web", &classic);
	assert_int_equal(istio_sidecar_form_of(doc_get(back, "spec")), SIDECAR_CLASSIC);
	assert_true(doc_equal(istio_strip_pod(&a, back), pod));
	assert_true(doc_equal(istio_strip_pod(&a, pod), pod));
	arena_release(&a);
}

/* --- Istio's own injected manifests --------------------------------------------------------- */

/* Empty members that a round trip through Kubernetes' types leaves behind. */
static void drop_empty(struct doc *d)
{
	static const char *const keys[] = {"resources", "strategy", "status", "updateStrategy",
					   "creationTimestamp"};

	if (!d)
		return;
	if (d->kind == DOC_LIST)
		for (size_t i = 0; i < d->list.n; i++)
			drop_empty(d->list.items[i]);
	if (d->kind != DOC_MAP)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct doc *v = doc_get(d, keys[i]);

		if (v && (v->kind == DOC_NULL || (v->kind == DOC_MAP && v->map.n == 0)))
			doc_del(d, keys[i]);
	}
	doc_foreach_entry (d, e)
		drop_empty(e->value);
}

static struct doc *pod_of(struct doc *object)
{
	struct doc *template = doc_find(object, "spec.template");

	if (!template)
		template = doc_find(object, "spec.jobTemplate.spec.template");
	return template ? template : object;
}

static struct doc *read_one(struct arena *a, const char *path)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	if (doc_read_file(a, path, &s, &err) < 0)
		fail_msg("%s", err.msg);
	drop_empty(s.docs[0]);
	return s.docs[0];
}

/* What the real injector made, side by side with ours: the parts that decide behaviour. */
static void same_behaviour(const struct doc *real, const struct doc *ours)
{
	static const char *const paths[] = {
		"spec.initContainers[0].args",
		"spec.initContainers[0].securityContext",
		"spec.initContainers[1].restartPolicy",
		"spec.initContainers[1].securityContext",
		"spec.initContainers[1].readinessProbe",
		"spec.initContainers[1].startupProbe",
		"spec.containers[0].readinessProbe",
		"spec.containers[0].livenessProbe",
		"metadata.labels",
		"metadata.annotations",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!doc_equal(doc_find(real, paths[i]), doc_find(ours, paths[i])))
			fail_msg("%s differs", paths[i]);
}

/* Probes by the number of their port, as Istio's rewritten ones come back. */
static void number_ports(struct arena *a, struct doc *container)
{
	static const char *const where[] = {"readinessProbe", "livenessProbe", "startupProbe",
					    "lifecycle.preStop", "lifecycle.postStart"};

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct doc *handler = doc_find(container, where[i]);
		struct doc *action = doc_get(handler, "httpGet") ? doc_get(handler, "httpGet")
								 : doc_get(handler, "tcpSocket");
		const char *name = doc_str(doc_get(action, "port"));

		doc_foreach_item (doc_get(container, "ports"), p)
			if (name && strcmp(doc_str(doc_get(p, "name")), name) == 0)
				doc_set_int(a, action, "port", doc_find_int(p, "containerPort", 0));
	}
}

static void number_all_ports(struct arena *a, struct doc *pod)
{
	doc_foreach_item (doc_find(pod, "spec.containers"), c)
		number_ports(a, c);
	doc_foreach_item (doc_find(pod, "spec.initContainers"), c)
		number_ports(a, c);
}

/* One of Istio's pairs: NAME.yaml and what its injector made of it in an enabled namespace. */
static void check_pair(const char *dir, const char *injected)
{
	struct strmap_pair enabled = {"istio-injection", "enabled"};
	const struct strmap ns = {.items = &enabled, .n = 1};
	const struct istio_injector injector = {0};
	struct arena a = ARENA_INIT;
	const char *end = strstr(injected, ".yaml") + strlen(".yaml");
	struct doc *before =
		read_one(&a, arena_printf(&a, "%s/%.*s", dir, (int)(end - injected), injected));
	struct doc *after = read_one(&a, arena_printf(&a, "%s/%s", dir, injected));
	struct doc *in = pod_of(before), *real = pod_of(after);
	struct plain_object meta;
	bool injects;

	assert_int_equal(object_decode(&a, &plain_object_table, in, &meta, NULL), 0);
	injects = istio_injection_decide(&injector, "default", &ns, &meta.meta.labels,
					 &meta.meta.annotations,
					 doc_bool_or(doc_find(in, "spec.hostNetwork"), false))
			  .inject;
	if (injects != (istio_sidecar_form_of(doc_get(real, "spec")) != SIDECAR_NONE))
		fail_msg("%s: we say that a sidecar is%s injected", injected,
			 injects ? "" : " not");
	if (injects && strcmp(end, ".injected") == 0) /* else: of other settings of the injector */
		same_behaviour(real,
			       istio_inject_pod(&a, in, "default",
						doc_find_str(before, "metadata.name"), &options));
	number_all_ports(&a, in);
	if (!doc_equal(istio_strip_pod(&a, real), in))
		fail_msg("%s: stripped differs from the original", injected);
	arena_release(&a);
}

TEST(real_injection)
{
	struct arena a = ARENA_INIT;
	const char *dir = corpus_path(&a, "inject-golden");
	struct dirent **names;
	int n, pairs = 0;

	if (!dir) {
		arena_release(&a);
		skip();
	}
	n = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (strstr(names[i]->d_name, ".injected")) {
			check_pair(dir, names[i]->d_name);
			pairs++;
		}
		free(names[i]);
	}
	free(names);
	print_message("%d pairs\n", pairs);
	assert_true(pairs >= 8);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_table),
		cmocka_unit_test(injectors_of_a_cluster),
		cmocka_unit_test(the_native_form),
		cmocka_unit_test(the_patch_makes_the_pod),
		cmocka_unit_test(stripped_is_the_original),
		cmocka_unit_test(real_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
