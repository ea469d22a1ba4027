/* SPDX-License-Identifier: Apache-2.0 */
/* Which kinds of workloads a plan moves, which it refuses and why, which are not its business. */
#include <string.h>

#include "lib/base/str.h"
#include "migrate/machine.h"
#include "migrate/plan.h"
#include "tests/unit/istio/world.h"

#define SPEC(more)                                                                                 \
	"spec: {replicas: 2, selector: {matchLabels: {app: x}}, " more                             \
	"template: {metadata: {labels: {app: x}}, spec: {containers: [{name: a}]}}}\n"
#define OF(kind, api, more)                                                                        \
	"apiVersion: " api "\nkind: " kind "\nmetadata: {name: x, namespace: ns}\n" SPEC(more)
#define POD(owner, phase, sidecar)                                                                 \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: x-1, namespace: ns, labels: {app: "      \
	"x}" owner "}\nspec: {containers: [{name: a}" sidecar "]}\nstatus: {phase: " phase "}\n"
#define OWNED(kind)                                                                                \
	", ownerReferences: [{kind: " kind                                                         \
	", name: x, apiVersion: apps/v1, uid: u, controller: true}]"
#define SIDECAR ", {name: istio-proxy}"

static const struct {
	const char *name, *objects;
	int moved;       /* workloads in the plan */
	const char *why; /* what MIG-005 says against it; NULL: nothing */
} rows[] = {
	{"Deployment", OF("Deployment", "apps/v1", ""), 1, NULL},
	{"paused", OF("Deployment", "apps/v1", "paused: true, "), 1, "rollouts are paused"},
	{"StatefulSet", OF("StatefulSet", "apps/v1", ""), 1, NULL},
	{"OnDelete", OF("StatefulSet", "apps/v1", "updateStrategy: {type: OnDelete}, "), 1,
	 "OnDelete"},
	{"partition",
	 OF("StatefulSet", "apps/v1", "updateStrategy: {rollingUpdate: {partition: 1}}, "), 1,
	 "partition"},
	{"DaemonSet", OF("DaemonSet", "apps/v1", ""), 1, "not restarted by this release"},
	{"running Job", OF("Job", "batch/v1", "") POD(OWNED("Job"), "Running", SIDECAR), 1,
	 "half way"},
	{"ended Job", OF("Job", "batch/v1", "") POD(OWNED("Job"), "Succeeded", SIDECAR), 0, NULL},
	{"CronJob",
	 "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x, namespace: ns}\n"
	 "spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: x}}, spec: {}}}}}\n",
	 1, "suspend it"},
	{"suspended CronJob",
	 "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x, namespace: ns}\n"
	 "spec: {suspend: true, jobTemplate: {spec: {template: {spec: {}}}}}\n",
	 0, NULL},
	{"bare pod", POD("", "Running", SIDECAR), 1, "nobody would make it anew"},
	{"ended bare pod", POD("", "Failed", SIDECAR), 0, NULL},
	{"StatefulSet of one behind a Service",
	 "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: ns}\n"
	 "spec: {selector: {app: x}, ports: [{port: 80}]}\n---\n"
	 "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x, namespace: ns}\n"
	 "spec: {replicas: 1, selector: {matchLabels: {app: x}}, template: {metadata: {labels: "
	 "{app: x}}, spec: {}}}\n",
	 1, "takes all 1 pods away at once"},
};

static const char *said_against(const struct plan *p, const char *id)
{
	for (size_t i = 0; i < p->report.n; i++)
		if (str_eq(p->report.findings[i].id, id) &&
		    p->report.findings[i].result == FINDING_FAIL)
			return p->report.findings[i].message;
	return NULL;
}

static void judge(size_t i, const struct plan *p)
{
	const char *kinds = said_against(p, "MIG-005"), *budgets = said_against(p, "MIG-006");
	const char *said = kinds ? kinds : budgets;
	size_t n = doc_len(doc_get(p->doc, "workloads"));

	if ((int)n != rows[i].moved)
		fail_msg("%s: %zu workloads in the plan", rows[i].name, n);
	if (!rows[i].why && said)
		fail_msg("%s: refused: %s", rows[i].name, said);
	if (rows[i].why && (!said || !strstr(said, rows[i].why)))
		fail_msg("%s: wanted '%s', said: %s", rows[i].name, rows[i].why,
			 str_or_empty(said));
	if (rows[i].why && !doc_len(doc_get(p->doc, "blocked")))
		fail_msg("%s: not among what blocks the plan", rows[i].name);
}

/* The plan of a namespace "ns" in which new pods get sidecars, and of what else there is. */
static void plan_of(struct world *w, const char *objects, struct plan *p)
{
	struct inventory inv;
	struct profile profile;
	struct error err = ERROR_INIT;

	world_init(w);
	world_add(w,
		  "apiVersion: v1\nkind: Namespace\n"
		  "metadata: {name: ns, labels: {istio-injection: enabled}}\n",
		  NULL);
	world_add(w, objects, NULL);
	world_ready(w);
	inventory_make(&inv, &w->arena, &w->snapshot, &w->mesh);
	profile_init(&profile);
	if (plan_make(p, &w->arena,
		      &(struct plan_input){&w->snapshot, &w->mesh, &inv, &profile, "ns",
					   clock_system()},
		      &err))
		fail_msg("%s", err.msg);
}

static void plan_end(struct world *w, struct plan *p)
{
	plan_release(p);
	world_release(w);
}

TEST(every_kind_of_workload_is_moved_or_refused_with_the_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;
		struct plan p;

		plan_of(&w, rows[i].objects, &p);
		judge(i, &p);
		plan_end(&w, &p);
	}
}

#define MESH(text)                                                                                 \
	"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n" \
	"data: {mesh: \"" text "\"}\n"

#define HEADLESS(target)                                                                           \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: ns}\n"                 \
	"spec: {clusterIP: None, selector: {app: x}, ports: [{port: 80, targetPort: " target       \
	"}]}\n"
#define PERMISSIVE_BUT(mtls)                                                                       \
	"---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"                        \
	"metadata: {name: x, namespace: ns}\nspec: {selector: {matchLabels: {app: x}}, "           \
	"mtls: {mode: PERMISSIVE}, portLevelMtls: {" mtls "}}\n"
#define NAMED                                                                                      \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, namespace: ns}\n"              \
	"spec: {replicas: 2, selector: {matchLabels: {app: x}}, template: {metadata: {labels: "    \
	"{app: x}}, spec: {containers: [{name: a, ports: [{name: web, containerPort: "             \
	"8080}]}]}}}\n" POD(OWNED("ReplicaSet"), "Running", SIDECAR)

#define DEPLOYED(name)                                                                             \
	"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " name                       \
	", namespace: ns}\nspec: {replicas: 2, selector: {matchLabels: {app: " name                \
	"}}, template: {metadata: {labels: {app: " name "}}, spec: {serviceAccountName: " name     \
	", containers: [{name: a}]}}}\n"                                                           \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: " name                                   \
	"-1, namespace: ns, labels: {app: " name                                                   \
	"}, ownerReferences: [{kind: Deployment, name: " name                                      \
	", apiVersion: apps/v1, uid: u, controller: true}]}\n"                                     \
	"spec: {containers: [{name: a}, {name: istio-proxy}]}\nstatus: {phase: Running}\n"
#define KNOWN(id, name)                                                                            \
	"{id: " id ", labels: ['k8s:app=" name "', 'k8s:io.kubernetes.pod.namespace=ns', "         \
	"'k8s:io.cilium.k8s.policy.serviceaccount=" name "']}"
#define CALLS                                                                                      \
	DEPLOYED("web")                                                                            \
	DEPLOYED("caller")                                                                         \
	"---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n"                                   \
	"---\napiVersion: sidestep.dev/v1alpha1\nkind: SidestepNode\nmetadata: {name: a}\n"        \
	"status: {ready: true, identities: [" KNOWN("300", "web") ", " KNOWN(                      \
		"301", "caller") "], "                                                             \
				 "counters: [{source: 301, destination: 300, port: 80, protocol: " \
				 "TCP, verdict: forwarded, count: 5}]}\n"
#define MTLS(mode)                                                                                 \
	"---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"                        \
	"metadata: {name: d, namespace: ns}\nspec: {mtls: {mode: " mode "}}\n"

/* What Istio is told, and what a plan for it must say or must not say. */
TEST(what_the_mesh_is_told_decides_what_a_plan_forbids)
{
	static const struct {
		const char *name, *objects, *id;
		const char *why; /* NULL: nothing against it */
	} told[] = {
		{"auto mTLS by default", OF("Deployment", "apps/v1", ""), "MIG-011", NULL},
		{"auto mTLS on", OF("Deployment", "apps/v1", "") MESH("enableAutoMtls: true"),
		 "MIG-011", NULL},
		{"auto mTLS off", OF("Deployment", "apps/v1", "") MESH("enableAutoMtls: false"),
		 "MIG-011", "enableAutoMtls is false"},
		{"a caller of a server under STRICT", CALLS MTLS("STRICT"), "MIG-012",
		 "between N8 and N10"},
		{"a caller of a server that takes plain text", CALLS MTLS("PERMISSIVE"), "MIG-012",
		 NULL},
		{"headless, PERMISSIVE", NAMED HEADLESS("8080") PERMISSIVE_BUT(""), "MIG-008",
		 NULL},
		{"headless, STRICT on its port",
		 NAMED HEADLESS("8080") PERMISSIVE_BUT("8080: {mode: STRICT}"), "MIG-008",
		 "headless Service x"},
		{"headless, STRICT on its port by name",
		 NAMED HEADLESS("web") PERMISSIVE_BUT("8080: {mode: STRICT}"), "MIG-008",
		 "headless Service x"},
		{"headless, STRICT on another port",
		 NAMED HEADLESS("8080") PERMISSIVE_BUT("8081: {mode: STRICT}"), "MIG-008", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		struct world w;
		struct plan p;
		const char *said;

		plan_of(&w, told[i].objects, &p);
		said = said_against(&p, told[i].id);
		if (!told[i].why != !said || (said && !strstr(said, told[i].why)))
			fail_msg("%s: %s", told[i].name, said ? said : "nothing said");
		plan_end(&w, &p);
	}
}

/* Other namespaces' rules are theirs, but one that forces TLS on calls into this one must go too.
 */
TEST(a_rule_is_relaxed_when_it_may_match_a_service_here)
{
	static const struct {
		const char *host, *namespace;
		bool relaxed;
	} rules[] = {
		{"x", "ns", true},
		{"x", "other", false},
		{"x.ns.svc.cluster.local", "other", true},
		{"*", "ns", true},
		{"*.local", "istio-system", true},
		{"*.ns.svc.cluster.local", "other", true},
		{"*.other.svc.cluster.local", "other", false},
		{"*.example.org", "ns", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		struct world w;
		struct plan p;
		struct page page;
		bool shown;

		plan_of(&w,
			arena_printf(
				&a,
				NAMED HEADLESS(
					"8080") "---\napiVersion: networking.istio.io/v1\n"
						"kind: DestinationRule\n"
						"metadata: {name: r, namespace: %s}\nspec: {host: "
						"\"%s\", "
						"trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n",
				rules[i].namespace, rules[i].host),
			&p);
		plan_page(&p, &page);
		page_render_markdown(&page, &text);
		shown = strstr(
			strbuf_cstr(&text),
			arena_printf(&a, "patch DestinationRule %s/r with", rules[i].namespace));
		if (doc_len(doc_get(p.doc, "relaxes")) != rules[i].relaxed ||
		    shown != rules[i].relaxed)
			fail_msg("%s in %s: %zu relaxed: %s", rules[i].host, rules[i].namespace,
				 doc_len(doc_get(p.doc, "relaxes")), strbuf_cstr(&text));
		page_release(&page);
		plan_end(&w, &p);
	}
}

/* A plan without its inputs or steps is damaged: it neither fits nor is it done at once. */
TEST(an_empty_plan_is_no_plan)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	static struct machine m;
	struct snapshot none;
	struct profile profile;
	struct doc *plan = doc_map(&a);
	struct error err = ERROR_INIT;
	struct step *steps;
	size_t n;

	profile_init(&profile);
	machine_init(&m, &profile);
	snapshot_init(&none, &a);
	doc_set_string(&a, plan, "schema", PLAN_SCHEMA);
	doc_set_list(&a, plan, "inputs");
	doc_set_list(&a, plan, "steps");
	assert_int_equal(doc_len(plan_stale(&a, plan, &none, NULL)), 1);
	assert_int_equal(plan_steps(&a, plan, &m, &steps, &n, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no step"));
	snapshot_release(&none);
}

#define RULE(kind, name, ns)                                                                       \
	"apiVersion: security.istio.io/v1\nkind: " kind "\n"                                       \
	"metadata: {name: " name ", namespace: " ns "}\nspec: {action: DENY}\n"

/* Of what a plan reads: an object more, one changed, one gone; and of another namespace nothing. */
TEST(a_plan_notices_what_is_new_changed_or_gone)
{
	static const struct {
		const char *comes, *says, *of_rules; /* NULL: the plan still fits */
	} cases[] = {
		{RULE("AuthorizationPolicy", "p", "ns"), "AuthorizationPolicy ns/p is new",
		 "AuthorizationPolicy ns/p is new"},
		{RULE("PeerAuthentication", "p", "istio-system"),
		 "PeerAuthentication istio-system/p is new",
		 "PeerAuthentication istio-system/p is new"},
		{RULE("AuthorizationPolicy", "p", "elsewhere"), NULL, NULL},
		{OF("StatefulSet", "apps/v1", ""), "StatefulSet ns/x is new", NULL},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: "
		 "istio-system}\n"
		 "data: {mesh: ''}\n",
		 "ConfigMap istio-system/istio is new", NULL},
		{NULL, "AuthorizationPolicy ns/old was changed",
		 "AuthorizationPolicy ns/old was changed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doc *all, *rules;
		struct world w;
		struct plan p;

		plan_of(&w, RULE("AuthorizationPolicy", "old", "ns"), &p);
		assert_int_equal(doc_len(plan_stale(&w.arena, p.doc, &w.snapshot, NULL)), 0);
		if (cases[i].comes)
			world_add(&w, cases[i].comes, NULL);
		else
			doc_del(doc_get(w.snapshot.items[w.snapshot.n - 1], "spec"), "action");
		all = plan_stale(&w.arena, p.doc, &w.snapshot, NULL);
		rules = plan_stale(&w.arena, p.doc, &w.snapshot, "security.istio.io/");
		assert_string_equal(str_or_empty(doc_str(doc_at(all, 0))),
				    str_or_empty(cases[i].says));
		assert_string_equal(str_or_empty(doc_str(doc_at(rules, 0))),
				    str_or_empty(cases[i].of_rules));
		w.snapshot.n = 1;
		all = plan_stale(&w.arena, p.doc, &w.snapshot, NULL);
		assert_string_equal(doc_str(doc_at(all, 0)), "AuthorizationPolicy ns/old is gone");
		plan_end(&w, &p);
	}
}

/* In the document as on the page; "only looks" is said of none that changes something. */
TEST(a_plan_says_of_every_step_what_it_changes)
{
	static struct machine m;
	struct profile profile;
	struct world w;
	struct plan p;
	int changing = 0;

	profile_init(&profile);
	machine_init(&m, &profile);
	plan_of(&w, OF("Deployment", "apps/v1", ""), &p);
	doc_foreach_item (doc_get(p.doc, "steps"), s) {
		const struct step_kind *kind = machine_kind(&m, doc_find_str(s, "state"));
		const char *does = doc_find_str(s, "does");
		bool patches = doc_len(doc_find(s, "args.patches"));

		if (doc_find(s, "args.skip"))
			continue;
		if ((kind->changes != NULL) != (does || patches))
			fail_msg("%s: %s", doc_find_str(s, "id"), does ? does : "says nothing");
		if (does && !strstr(does, "inverse: "))
			fail_msg("%s: %s", doc_find_str(s, "id"), does);
		changing += kind->changes != NULL;
	}
	assert_int_equal(changing, 7); /* N2, N3-audit, N3-policies, N4, N8, N9/x, N14 */
	plan_end(&w, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_plan_is_no_plan),
		cmocka_unit_test(a_plan_says_of_every_step_what_it_changes),
		cmocka_unit_test(a_plan_notices_what_is_new_changed_or_gone),
		cmocka_unit_test(every_kind_of_workload_is_moved_or_refused_with_the_reason),
		cmocka_unit_test(what_the_mesh_is_told_decides_what_a_plan_forbids),
		cmocka_unit_test(a_rule_is_relaxed_when_it_may_match_a_service_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
