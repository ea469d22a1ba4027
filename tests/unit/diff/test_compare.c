/* SPDX-License-Identifier: Apache-2.0 */
/* One object, three ways, as a table: the words of diff.h. */
#include <string.h>

#include "lib/diff/diff.h"
#include "tests/support/test.h"

#define DEPLOYMENT                                                                                 \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: till, namespace: shop}\n"
#define SERVICE "apiVersion: v1\nkind: Service\nmetadata: {name: till, namespace: shop}\n"
#define CONFIG  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: till, namespace: shop}\n"
#define CUSTOM  "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: till}\n"
#define HOOK                                                                                       \
	"apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n"        \
	"metadata: {name: injector}\n"
#define CRD(schema)                                                                                \
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: "   \
	"c}\n"                                                                                     \
	"spec: {versions: [{name: v1, schema: {openAPIV3Schema: " schema "}}]}\n"
#define POD(spec) DEPLOYMENT "spec: {template: {spec: " spec "}}\n"
#define HPA(down)                                                                                  \
	"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nspec: {behavior: "             \
	"{scaleDown: " down "}}\n"
#define ROLE "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
#define GATHERED(rules)                                                                            \
	ROLE "aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}\n" rules "\n"
#define JOB(spec)    "apiVersion: batch/v1\nkind: Job\nspec: " spec "\n"
#define DRIVER       "apiVersion: storage.k8s.io/v1\nkind: CSIDriver\n"
#define MANAGED(who) "managedFields: [{manager: " who ", operation: Update, fieldsV1: {'f:spec': "

static const struct row {
	const char *about, *applied, *live, *desired, *want;
} rows[] = {
	/* the table at the top of diff.h */
	{"change", DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 1}",
	 DEPLOYMENT "spec: {replicas: 2}", "change replace spec.replicas\n"},
	{"drift", DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 2}",
	 DEPLOYMENT "spec: {replicas: 1}", "drift replace spec.replicas\n"},
	{"applied", DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 2}",
	 DEPLOYMENT "spec: {replicas: 2}", "applied keep spec.replicas\n"},
	{"conflict", DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 2}",
	 DEPLOYMENT "spec: {replicas: 3}", "conflict replace spec.replicas\n"},
	{"adopt", NULL, DEPLOYMENT "spec: {replicas: 1}", DEPLOYMENT "spec: {replicas: 2}",
	 "adopt replace spec.replicas\n"},

	/* whole objects */
	{"new", NULL, NULL, CONFIG "data: {a: b}", "change add \n"},
	{"new and empty", NULL, NULL, CONFIG, "change add \n"},
	{"deleted by somebody", CONFIG, NULL, CONFIG, "drift add \n"},
	{"deleted by somebody, wanted otherwise", CONFIG "data: {a: b}", NULL,
	 CONFIG "data: {a: c}", "conflict add \n"},
	{"not wanted any more", CONFIG "data: {a: b}", CONFIG "data: {a: b, more: x}", NULL,
	 "change remove \n"},
	{"not wanted any more, but changed", CONFIG "data: {a: b}", CONFIG "data: {a: c}", NULL,
	 "conflict remove \n"},
	{"gone already", CONFIG, NULL, NULL, "applied keep \n"},
	{"nobody's", NULL, CONFIG, NULL, ""},

	/* what is not ours */
	{"defaults and status", DEPLOYMENT "spec: {replicas: 1}",
	 "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: till, namespace: shop, uid: u, "
	 "generation: 4, resourceVersion: '7', creationTimestamp: t, annotations: {"
	 "deployment.kubernetes.io/revision: '3'}, managedFields: []}\n"
	 "spec: {replicas: 1, revisionHistoryLimit: 10, strategy: {type: RollingUpdate}}\n"
	 "status: {replicas: 1}",
	 DEPLOYMENT "spec: {replicas: 1}", ""},
	{"the version asked for", "apiVersion: networking.istio.io/v1beta1\nkind: Gateway",
	 "apiVersion: networking.istio.io/v1\nkind: Gateway",
	 "apiVersion: networking.istio.io/v1beta1\nkind: Gateway", ""},
	{"an injected sidecar and its volume", POD("{containers: [{name: app, image: a}]}"),
	 POD("{containers: [{name: istio-proxy, image: p}, {name: app, image: a, imagePullPolicy: "
	     "Always, volumeMounts: [{mountPath: /t, name: t}]}], volumes: [{name: t}], "
	     "initContainers: [{name: istio-init}]}"),
	 POD("{containers: [{name: app, image: a}]}"), ""},
	{"labels of others stay", "kind: A\nmetadata: {labels: {a: x}}",
	 "kind: A\nmetadata: {labels: {a: x, theirs: y}}", "kind: A\nmetadata: {}",
	 "change remove metadata.labels.a\n"},
	{"a caBundle somebody filled in",
	 HOOK "webhooks: [{name: i, clientConfig: {caBundle: ''}}]",
	 HOOK "webhooks: [{name: i, clientConfig: {caBundle: Q0E=}, timeoutSeconds: 10}]",
	 HOOK "webhooks: [{name: i, clientConfig: {caBundle: ''}}]",
	 "theirs keep webhooks[name=i].clientConfig.caBundle\n"},
	{"a caBundle that we change", HOOK "webhooks: [{name: i, clientConfig: {caBundle: Q0E=}}]",
	 HOOK "webhooks: [{name: i, clientConfig: {caBundle: Q0E=}}]",
	 HOOK "webhooks: [{name: i, clientConfig: {caBundle: Q0I=}}]",
	 "change replace webhooks[name=i].clientConfig.caBundle\n"},
	{"rules that a controller gathers", GATHERED("rules: []"),
	 GATHERED("rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]"),
	 GATHERED("rules: []"), "theirs keep rules\n"},
	{"rules that a controller gathers, as many", GATHERED("rules: [{verbs: [list]}]"),
	 GATHERED("rules: [{verbs: [get]}]"), GATHERED("rules: [{verbs: [list]}]"),
	 "theirs keep rules\n"},
	{"rules of one's own", ROLE "rules: []", ROLE "rules: [{verbs: [get]}]", ROLE "rules: []",
	 "drift replace rules\n"},
	{"gathered no more", GATHERED("rules: []"), GATHERED("rules: [{verbs: [get]}]"),
	 ROLE "rules: []", "drift replace rules\nchange remove aggregationRule\n"},
	{"an address the server chose", SERVICE "spec: {clusterIP: ''}",
	 SERVICE "spec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7]}",
	 SERVICE "spec: {clusterIP: ''}", "theirs keep spec.clusterIP\n"},
	{"replicas through /scale", DEPLOYMENT "spec: {replicas: 1}",
	 "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: till, namespace: shop, "
	 "managedFields: [{manager: kube-controller-manager, subresource: scale, fieldsV1: "
	 "{'f:spec': {'f:replicas': {}}}}]}\nspec: {replicas: 4}",
	 DEPLOYMENT "spec: {replicas: 1}", "theirs keep spec.replicas\n"},
	{"replicas by a person's scale", DEPLOYMENT "spec: {replicas: 1}",
	 "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: till, namespace: shop, "
	 "managedFields: [{manager: kubectl, subresource: scale, fieldsV1: "
	 "{'f:spec': {'f:replicas': {}}}}]}\nspec: {replicas: 4}",
	 DEPLOYMENT "spec: {replicas: 1}", "drift replace spec.replicas by kubectl\n"},

	/* a value that nobody applied: a default, or somebody's */
	{"over a default of the table", DEPLOYMENT "spec: {}",
	 DEPLOYMENT "spec: {revisionHistoryLimit: 10}",
	 DEPLOYMENT "spec: {revisionHistoryLimit: 3}",
	 "change replace spec.revisionHistoryLimit\n"},
	{"over somebody's", DEPLOYMENT "spec: {}", DEPLOYMENT "spec: {revisionHistoryLimit: 5}",
	 DEPLOYMENT "spec: {revisionHistoryLimit: 3}",
	 "conflict replace spec.revisionHistoryLimit\n"},
	{"over what nobody owns", CUSTOM "spec: {}",
	 "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: till, " MANAGED(
		 "kubectl-edit") "{'f:b': {}}}}]}\nspec: {a: 1}",
	 CUSTOM "spec: {a: 2}", "change replace spec.a\n"},
	{"over what somebody owns", CUSTOM "spec: {}",
	 "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: till, " MANAGED(
		 "kubectl-edit") "{'f:a': {}}}}]}\nspec: {a: 1}",
	 CUSTOM "spec: {a: 2}", "conflict replace spec.a by kubectl-edit\n"},
	{"over what we own", CUSTOM "spec: {}",
	 "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: till, " MANAGED(
		 "helm") "{'f:a': {}}}}]}\nspec: {a: 1}",
	 CUSTOM "spec: {a: 2}", "change replace spec.a by helm\n"},

	/* lists */
	{"an item in another place",
	 POD("{containers: [{name: a, image: 1}, {name: b, image: 1}]}"),
	 POD("{containers: [{name: a, image: 1}, {name: b, image: 1}]}"),
	 POD("{containers: [{name: a, image: 1}, {name: b, image: 2}]}"),
	 "change replace spec.template.spec.containers[name=b].image\n"},
	{"an item more, one less", POD("{volumes: [{name: a}, {name: b}]}"),
	 POD("{volumes: [{name: b}, {name: a}]}"), POD("{volumes: [{name: b}, {name: c}]}"),
	 "change add spec.template.spec.volumes[name=c]\n"
	 "change remove spec.template.spec.volumes[name=a]\n"},
	{"a protocol that is meant", SERVICE "spec: {ports: [{port: 80}]}",
	 SERVICE "spec: {ports: [{port: 53, protocol: UDP}, {port: 80, protocol: TCP, "
		 "targetPort: 80}]}",
	 SERVICE "spec: {ports: [{port: 80}, {port: 53, protocol: UDP}]}",
	 "applied keep spec.ports[port=53,protocol=UDP]\n"},
	{"the order of init containers", POD("{initContainers: [{name: a}, {name: b}]}"),
	 POD("{initContainers: [{name: a}, {name: x}, {name: b}]}"),
	 POD("{initContainers: [{name: b}, {name: a}]}"),
	 "change order spec.template.spec.initContainers\n"},
	{"the order of volumes", POD("{volumes: [{name: a}, {name: b}]}"),
	 POD("{volumes: [{name: a}, {name: b}]}"), POD("{volumes: [{name: b}, {name: a}]}"), ""},
	{"the order of arguments", POD("{containers: [{name: a, args: [x, y]}]}"),
	 POD("{containers: [{name: a, args: [x, y]}]}"),
	 POD("{containers: [{name: a, args: [y, x]}]}"),
	 "change replace spec.template.spec.containers[name=a].args[0]\n"
	 "change replace spec.template.spec.containers[name=a].args[1]\n"},
	{"an argument more", POD("{containers: [{name: a, args: [x]}]}"),
	 POD("{containers: [{name: a, args: [x]}]}"),
	 POD("{containers: [{name: a, args: [x, y]}]}"),
	 "change replace spec.template.spec.containers[name=a].args\n"},
	{"a default inside a list without keys", POD("{tolerations: [{key: a}]}"),
	 POD("{tolerations: [{key: a, operator: Equal}]}"),
	 POD("{tolerations: [{key: a}, {key: b}]}"),
	 "change replace spec.template.spec.tolerations\n"},
	{"two items of one name",
	 POD("{containers: [{name: a, env: [{name: X, value: '1'}, "
	     "{name: X, value: '2'}]}]}"),
	 POD("{containers: [{name: a, env: [{name: X, value: '1'}, {name: X, value: '2'}]}]}"),
	 POD("{containers: [{name: a, env: [{name: X, value: '1'}, {name: X, value: '3'}]}]}"),
	 "change replace spec.template.spec.containers[name=a].env\n"},
	{"finalizers in any order", "kind: A\nmetadata: {finalizers: [a, b]}",
	 "kind: A\nmetadata: {finalizers: [b, theirs, a]}", "kind: A\nmetadata: {finalizers: [b]}",
	 "change remove metadata.finalizers[=a]\n"},
	{"a union's member goes whole",
	 POD("{containers: [{name: a, livenessProbe: {httpGet: {port: 1}}}]}"),
	 POD("{containers: [{name: a, livenessProbe: {httpGet: {port: 1, scheme: HTTP}}}]}"),
	 POD("{containers: [{name: a, livenessProbe: {tcpSocket: {port: 1}}}]}"),
	 "change add spec.template.spec.containers[name=a].livenessProbe.tcpSocket\n"
	 "change remove spec.template.spec.containers[name=a].livenessProbe.httpGet\n"},

	{"a pod's tolerations", "kind: Pod\nspec: {tolerations: [{key: a, operator: Exists}]}",
	 "kind: Pod\nspec: {tolerations: [{key: a, operator: Exists}, {key: not-ready, operator: "
	 "Exists, effect: NoExecute, tolerationSeconds: 300}]}",
	 "kind: Pod\nspec: {tolerations: [{key: a, operator: Exists}]}", ""},

	/* other spellings */
	{"a quantity", POD("{containers: [{name: a, resources: {limits: {cpu: 0.5}}}]}"),
	 POD("{containers: [{name: a, resources: {limits: {cpu: 500m}}}]}"),
	 POD("{containers: [{name: a, resources: {limits: {cpu: 0.5}}}]}"), ""},
	{"a duration",
	 "apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {http: "
	 "[{timeout: 60s}]}",
	 "apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {http: [{timeout: 60s}]}",
	 "apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {http: [{timeout: 1m}]}",
	 ""},
	{"unquoted data", CONFIG "data: {on: true, n: 5}", CONFIG "data: {on: 'true', n: '5'}",
	 CONFIG "data: {on: true, n: 5}", ""},
	{"zeroes that are not stored", POD("{hostNetwork: false, nodeName: '', volumes: []}"),
	 POD("{}"), POD("{hostNetwork: false, nodeName: '', volumes: []}"), ""},
	{"a zero that says something", POD("{automountServiceAccountToken: false}"), POD("{}"),
	 POD("{automountServiceAccountToken: false}"),
	 "drift add spec.template.spec.automountServiceAccountToken\n"},
	{"no window to stabilize in", HPA("{policies: []}"), HPA("{}"),
	 HPA("{stabilizationWindowSeconds: 0}"),
	 "change add spec.behavior.scaleDown.stabilizationWindowSeconds\n"},
	{"gone at once", POD("{tolerations: [{key: a}]}"), POD("{tolerations: [{key: a}]}"),
	 POD("{tolerations: [{key: a, tolerationSeconds: 0}]}"),
	 "change add spec.template.spec.tolerations[0].tolerationSeconds\n"},
	{"no seconds to be done in", JOB("{backoffLimit: 1}"), JOB("{backoffLimit: 1}"),
	 JOB("{backoffLimit: 1, activeDeadlineSeconds: 0, completions: 0}"),
	 "change add spec.activeDeadlineSeconds\nchange add spec.completions\n"},
	{"readable by nobody", POD("{volumes: [{name: v, secret: {secretName: s}}]}"),
	 POD("{volumes: [{name: v, secret: {secretName: s}}]}"),
	 POD("{volumes: [{name: v, secret: {secretName: s, defaultMode: 0}}]}"),
	 "change add spec.template.spec.volumes[name=v].secret.defaultMode\n"},
	{"a driver that attaches nothing", DRIVER "spec: {podInfoOnMount: true}",
	 DRIVER "spec: {podInfoOnMount: true}",
	 DRIVER "spec: {podInfoOnMount: true, attachRequired: false}",
	 "change add spec.attachRequired\n"},
	{"zeroes of plain fields",
	 POD("{containers: [{name: a, ports: [{containerPort: 1, hostPort: 0}], stdin: false, "
	     "readinessProbe: {initialDelaySeconds: 0}, volumeMounts: [{mountPath: /a, readOnly: "
	     "false}]}]}"),
	 POD("{containers: [{name: a, ports: [{containerPort: 1}], readinessProbe: {}, "
	     "volumeMounts: [{mountPath: /a}]}]}"),
	 POD("{containers: [{name: a, ports: [{containerPort: 1, hostPort: 0}], stdin: false, "
	     "readinessProbe: {initialDelaySeconds: 0}, volumeMounts: [{mountPath: /a, readOnly: "
	     "false}]}]}"),
	 ""},
	{"a zero in a schema", CRD("{default: false}"), CRD("{default: false}"), CRD("{}"),
	 "change remove spec.versions[name=v1].schema.openAPIV3Schema.default\n"},
	{"a label without a value", "kind: A\nmetadata: {labels: {a: ''}}",
	 "kind: A\nmetadata: {labels: {}}", "kind: A\nmetadata: {labels: {a: ''}}",
	 "drift add metadata.labels\n"},
	{"a zero of a custom resource is kept", CUSTOM "spec: {size: 0}", CUSTOM "spec: {}",
	 CUSTOM "spec: {size: 0}", "drift add spec.size\n"},
	{"null is nothing", CUSTOM "spec: {size: null}", CUSTOM "spec: {}", CUSTOM "spec: {}", ""},
	{"another kind of value", CUSTOM "spec: {size: 1}", CUSTOM "spec: {size: 1}",
	 CUSTOM "spec: {size: {a: 1}}", "change replace spec.size\n"},
	{"not an object", "[]", "7", "a", ""},
};

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	if (!text)
		return NULL;
	if (doc_read_yaml(a, text, strlen(text), NULL, &s, &err) < 0)
		fail_msg("%s in:\n%s", err.msg, text);
	return s.docs[0];
}

static void make(struct diff_object *o, struct arena *a, const struct row *r)
{
	diff_object_make(o, a, yaml(a, r->applied), yaml(a, r->live), yaml(a, r->desired), false,
			 NULL);
}

TEST(three_documents_give_these_changes)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf got = STRBUF_INIT;
		struct arena a = ARENA_INIT;
		struct diff_object o;

		make(&o, &a, &rows[i]);
		for (size_t j = 0; j < o.n; j++) {
			const struct diff_change *c = &o.changes[j];

			strbuf_addf(&got, "%s %s %s%s%s\n", diff_class_name(c->class),
				    diff_op_name(c->op), diff_path_text(&a, c->path),
				    c->owner.manager && diff_class_pending(c->class) ? " by " : "",
				    c->owner.manager && diff_class_pending(c->class)
					    ? c->owner.manager
					    : "");
		}
		if (strcmp(strbuf_cstr(&got), rows[i].want) != 0)
			fail_msg("%s: got\n%swant\n%s", rows[i].about, strbuf_cstr(&got),
				 rows[i].want);
		arena_release(&a);
	}
}

/* Once applied and recorded, nothing is left to do. */
TEST(what_was_applied_differs_no_more)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct diff_object o, again;
		struct doc *after, *owners;

		make(&o, &a, &rows[i]);
		after = diff_apply(&a, &o);
		owners = doc_find(o.live, "metadata.managedFields");
		if (after && owners)
			doc_set(&a, doc_get(after, "metadata"), "managedFields", owners);
		diff_object_make(&again, &a, o.desired, after, o.desired, false, NULL);
		if (diff_object_pending(&again))
			fail_msg("%s: %s is left", rows[i].about,
				 diff_path_text(&a, again.changes[0].path));
		arena_release(&a);
	}
}

/* Without a cluster nothing is somebody else's. */
TEST(two_manifests_are_compared_in_every_field)
{
	struct arena a = ARENA_INIT;
	struct doc *one = yaml(&a, SERVICE "spec: {clusterIP: 10.96.0.7}");
	struct doc *two = yaml(&a, DEPLOYMENT "spec: {replicas: 2}");
	struct diff_object o;

	diff_object_make(&o, &a, one, one, yaml(&a, SERVICE "spec: {clusterIP: ''}"), false, NULL);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.changes[0].class, DIFF_CHANGE);
	diff_object_make(&o, &a, two, two, yaml(&a, DEPLOYMENT "spec: {replicas: 3}"), true, NULL);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.changes[0].class, DIFF_CHANGE);
	arena_release(&a);
}

/* By hand where no manifest says anything; what controllers and carriers write is no such thing. */
TEST(what_a_person_added_is_found)
{
	static const char live[] =
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: till, namespace: shop, "
		"labels: "
		"{a: b, hand: c}, managedFields: [{manager: %s, operation: Update, %s fieldsV1: "
		"{'f:metadata': {'f:labels': {'f:hand': {}, 'f:a': {}}}, 'f:spec': {'f:gone': {}, "
		"'f:template': {'f:spec': {'f:hostPID': {}, 'f:containers': "
		"{'k:{\"name\":\"app\"}': "
		"{.: {}, 'f:image': {}, 'f:command': {}}, 'k:{\"name\":\"more\"}': {.: "
		"{}}}}}}}}]}\n"
		"spec: {template: {spec: {hostPID: true, containers: [{name: app, image: a, "
		"command: "
		"[sh]}, {name: more}]}}}\n";
	static const struct {
		const char *manager, *more;
		size_t n;
	} clients[] = {{"kubectl-edit", "", 4},
		       {"helm", "", 0},
		       {"kube-controller-manager", "", 0},
		       {"kubectl-edit", "subresource: status,", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		struct arena a = ARENA_INIT;
		struct doc *want = yaml(&a,
					"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "
					"till, namespace: shop, labels: {a: b}}\nspec: {template: "
					"{spec: {containers: [{name: app, image: a}]}}}\n"),
			   *is = yaml(&a,
				      arena_printf(&a, live, clients[i].manager, clients[i].more));
		struct diff_extra *found;
		struct diff_object o;

		diff_object_make(&o, &a, want, is, want, false, NULL);
		assert_false(diff_object_pending(&o));
		assert_int_equal(diff_extras(&a, &o, &found), clients[i].n);
		if (clients[i].n)
			assert_string_equal(diff_path_text(&a, found[0].path),
					    "metadata.labels.hand");
		if (clients[i].n)
			assert_string_equal(diff_path_text(&a, found[3].path),
					    "spec.template.spec.containers[name=more]");
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_person_added_is_found),
		cmocka_unit_test(three_documents_give_these_changes),
		cmocka_unit_test(what_was_applied_differs_no_more),
		cmocka_unit_test(two_manifests_are_compared_in_every_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
