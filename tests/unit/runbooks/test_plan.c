/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation would do, before anything is done: every word of it counts. */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/account.h"
#include "runbooks/run_internal.h"
#include "tests/support/test.h"
#include "tests/unit/runbooks/stage.h"

static const char endpoints[] =
	"{\"status\": {\"endpoints\": ["
	"{\"id\": 1, \"namespace\": \"web\", \"pod\": \"%s-web\", \"uid\": \"u1\", \"state\": "
	"\"not-ready\"}, "
	"{\"id\": 2, \"namespace\": \"shop\", \"pod\": \"%s-shop\", \"uid\": \"u2\", \"state\": "
	"\"not-ready\"}, "
	"{\"id\": 3, \"namespace\": \"web\", \"pod\": \"%s-well\", \"uid\": \"u3\", \"state\": "
	"\"ready\"}]}}";

static void publish(struct stage *s, const char *node)
{
	struct error err = ERROR_INIT;
	const char *json = arena_printf(&s->arena, endpoints, node, node, node);
	struct doc *d;

	if (!str_eq(node, "node-a"))
		stage_put(s, arena_printf(&s->arena,
					  "apiVersion: sidestep.dev/v1alpha1\nkind: SidestepNode\n"
					  "metadata: {name: %s}\n",
					  node));
	if (doc_read_json(&s->arena, json, strlen(json), NULL, &d, &err) ||
	    kube_patch(s->cluster.client, &s->arena, object_kind(KIND_SIDESTEP_NODE), NULL, node,
		       "status", KUBE_PATCH_MERGE, d, NULL, &err))
		fail_msg("%s", err.msg);
}

/* The plan of `op`, as the runbook has it: names of the pods it is about, or why it is refused. */
static const char *plan_of(struct stage *s, const char *op)
{
	struct arena *a = &s->arena;
	struct attempt t = {.kill_at = -1};
	struct runbook_step step = {.id = "it", .kind = STEP_MUTATE};
	struct doc_stream docs;
	struct error err = ERROR_INIT;
	const char *said = "";
	struct doc *args;

	attempt_open(&t, s, "alice", "alice");
	t.r.run = "run-1";
	t.r.plan = doc_map(a);
	if (doc_read_yaml(a, op, strlen(op), "op", &docs, &err))
		fail_msg("%s", err.msg);
	args = docs.docs[0];
	step.op = args;
	{
		const struct scope scope = {.r = &t.r, .mode = MODE_EXECUTE, .prefix = ""};
		struct change_plan p = {
			.s = &scope, .step = &step, .data = doc_map(a), .key = "it"};

		if (change_plan_it(&p, &err) < 0)
			said = arena_printf(a, "refused: %s", err.msg);
		else
			said = arena_strdup(a, str_or_empty(doc_find_str(p.record, "deed.op")));
		if (!str_starts(said, "refused"))
			doc_foreach_item (doc_find(p.record, "deed.pods"), pod)
				said = arena_printf(a, "%s %s", said, doc_find_str(pod, "name"));
		doc_foreach_item (doc_find(p.record, "changes[0].forward.spec.nodes"), node)
			said = arena_printf(a, "%s %s", said, doc_str(node));
		doc_foreach_item (doc_find(p.record, "changes[0].forward.spec.template.spec."
						     "containers"),
				  c)
			said = arena_printf(a, "%s %s:%s:%zu", said, doc_find_str(c, "name"),
					    str_or_empty(doc_find_str(c, "image")),
					    doc_len(doc_get(c, "ports")));
		if (doc_get(p.record, "suspends"))
			said = arena_printf(a, "%s suspends", said);
	}
	t.r.plan = NULL;
	t.r.run = NULL;
	attempt_close(&t);
	return said;
}

TEST(an_eviction_is_bounded_by_what_it_names)
{
	struct stage s;

	stage_new(&s);
	publish(&s, "node-a");
	publish(&s, "node-b");
	assert_string_equal(plan_of(&s, "k8s.evict: {selector: endpoints-not-ready}"),
			    "evict node-a-web node-a-shop node-b-web node-b-shop");
	assert_string_equal(
		plan_of(&s, "k8s.evict: {selector: endpoints-not-ready, namespace: shop}"),
		"evict node-a-shop node-b-shop");
	assert_string_equal(
		plan_of(&s, "k8s.evict: {selector: endpoints-not-ready, nodes: node-b}"),
		"evict node-b-web node-b-shop");
	assert_string_equal(plan_of(&s, "k8s.evict: {selector: endpoints-not-ready, namespace: "
					"shop, nodes: node-a}"),
			    "evict node-a-shop");
	assert_non_null(strstr(plan_of(&s, "k8s.evict: {selector: endpoints-not-ready, "
					   "namespace: \"\"}"),
			       "refused"));
	stage_free(&s);
}

/* What was left out means every node; what says nothing does not. */
TEST(nodes_are_those_that_are_named)
{
	static const struct {
		const char *op, *want;
	} rows[] = {
		{"endpoint.regenerate: {selector: all}", ""},
		{"endpoint.regenerate: {selector: all, nodes: [node-a, \"node-b node-c\"]}",
		 " node-a node-b node-c"},
		{"endpoint.regenerate: {selector: stale-or-not-ready}", " node-a node-b"},
		{"endpoint.regenerate: {selector: stale-or-not-ready, nodes: \"node-b, node-c\"}",
		 " node-b"},
		{"k8s.evict: {selector: endpoints-not-ready, nodes: [node-b]}",
		 "evict node-b-web node-b-shop"},
	};
	static const char *const refused[] = {
		"endpoint.regenerate: {selector: stale-or-not-ready, nodes: node-c}",
		"endpoint.regenerate: {selector: all, nodes: \"\"}",
		"endpoint.regenerate: {selector: all, nodes: []}",
		"endpoint.regenerate: {selector: all, nodes: [7]}",
		"endpoint.regenerate: {selector: all, nodes: {a: b}}",
		"endpoint.regenerate: {selector: all, nodes: ../x}",
		"endpoint.regenerate: {nodes: node-a}",
		"k8s.restart: {ref: apps/v1 Deployment web/till, nodes: []}",
		"k8s.restart: {ref: apps/v1 Deployment web/till, nodes: true}",
		"k8s.evict: {selector: endpoints-not-ready, nodes: [\"\"]}",
	};
	struct stage s;

	stage_new(&s);
	publish(&s, "node-a");
	publish(&s, "node-b");
	stage_put(&s, "{apiVersion: sidestep.dev/v1alpha1, kind: SidestepNode, metadata: {name: "
		      "node-c}}");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *said = plan_of(&s, rows[i].op);

		if (!str_eq(said, rows[i].want))
			fail_msg("%s: \"%s\"", rows[i].op, said);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (!str_starts(plan_of(&s, refused[i]), "refused"))
			fail_msg("%s is not refused", refused[i]);
	}
	stage_free(&s);
}

/* An object that names a part of a workload changes that part: neither ports nor sidecars go. */
TEST(an_apply_leaves_what_it_does_not_name)
{
	struct stage s;

	stage_new(&s);
	stage_put(&s, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: part, namespace: "
		      "web}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: "
		      "{a: b}}, spec: {containers: [{name: side, image: s}, {name: web, image: "
		      "'x:1', ports: [{containerPort: 80}]}]}}}\n");
	assert_string_equal(plan_of(&s, "k8s.apply: {object: {apiVersion: apps/v1, kind: "
					"Deployment, metadata: {name: part, namespace: web}, spec: "
					"{template: {spec: {containers: [{name: web, image: "
					"'x:2'}]}}}}}"),
			    " side:s:0 web:x:2:1");
	stage_free(&s);
}

TEST(words_that_would_do_nothing_are_refused)
{
	static const char *const ops[] = {
		"endpoint.regenerate: {selector: app=till}",
		"k8s.patch: {ref: v1 ConfigMap web/limits, patch: {data: {a: b}}, preserve: no}",
		"policy.suspend: {ref: v1 ConfigMap web/limits, until: 1h}",
	};
	struct stage s;

	stage_new(&s);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (!str_starts(plan_of(&s, ops[i]), "refused"))
			fail_msg("%s is not refused", ops[i]);
	assert_string_equal(plan_of(&s, "endpoint.regenerate: {selector: all}"), "");
	stage_free(&s);
}

/* Whoever asks for the status is told, until it is back. */
TEST(what_is_out_of_force_is_known_until_it_is_back)
{
	static const char *const lines[] = {
		"{step: b, type: change, changes: [{op: delete, ref: {kind: ConfigMap, name: x}}]}",
		"{step: a, type: change, suspends: true, changes: [{op: delete, ref: {apiVersion: "
		"v1, "
		"kind: ConfigMap, namespace: web, name: limits}}]}",
		"{step: a, type: intent, time: '2026-11-23T01:00:00Z', ref: {kind: ConfigMap}}",
		"{step: a, type: done, time: '2026-11-23T01:00:01Z'}",
		"{step: a, type: undone}",
	};
	static const size_t lasts[] = {1, 2, 3, 4, 5};
	static const size_t known[] = {0, 0, 1, 1, 0};
	struct arena a = ARENA_INIT;
	struct doc_stream d;
	struct error err = ERROR_INIT;
	const char *words;

	for (size_t i = 0; i < ARRAY_SIZE(lasts); i++) {
		struct doc *records = doc_list(&a), *found;

		for (size_t k = 0; k < lasts[i]; k++) {
			assert_int_equal(
				doc_read_yaml(&a, lines[k], strlen(lines[k]), "t", &d, &err), 0);
			doc_append(&a, records, d.docs[0]);
		}
		found = records_suspended(&a, records);
		if (doc_len(found) != known[i])
			fail_msg("after %zu records: %zu", lasts[i], doc_len(found));
		words = suspended_words(&a, "r-1", found, 1795402800 * (int64_t)NS_PER_S);
		assert_int_equal(words != NULL, known[i]);
		if (words && (!strstr(words, "ConfigMap/web/limits") ||
			      !strstr(words, "2026-11-23T01:00:00Z (") ||
			      !strstr(words, "sidestep runbook rollback r-1")))
			fail_msg("%s", words);
	}
	arena_release(&a);
}

TEST(a_suspension_is_noted_as_one)
{
	struct stage s;

	stage_new(&s);
	assert_true(str_ends(plan_of(&s, "policy.suspend: {ref: v1 ConfigMap web/limits}"),
			     " suspends"));
	assert_false(
		str_ends(plan_of(&s, "k8s.delete: {ref: v1 ConfigMap web/limits}"), " suspends"));
	stage_free(&s);
}

static void workload(struct stage *s, const char *kind, const char *name)
{
	stage_put(s, arena_printf(&s->arena,
				  "apiVersion: apps/v1\nkind: %s\nmetadata: {name: %s, namespace: "
				  "web}\nspec:\n  selector: {matchLabels: {app: %s}}\n  template:\n"
				  "    metadata: {labels: {app: %s}}\n    spec: {containers: "
				  "[{name: c, image: \"c:1\"}]}\n",
				  kind, name, name, name));
}

static void pod_on(struct stage *s, const char *kind, enum object_kind_id id, const char *owner,
		   const char *node)
{
	stage_put(s,
		  arena_printf(&s->arena,
			       "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s-%s\n  namespace: "
			       "web\n  ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, "
			       "uid: \"%s\", controller: true}]\nspec: {nodeName: %s, containers: "
			       "[{name: c, image: \"c:1\"}]}\n",
			       owner, node, kind, owner, kube_uid(stage_get(s, id, "web", owner)),
			       node));
}

TEST(a_restart_takes_one_node_at_a_time)
{
	struct stage s;

	stage_new(&s);
	workload(&s, "DaemonSet", "agent");
	workload(&s, "StatefulSet", "store");
	pod_on(&s, "DaemonSet", KIND_DAEMON_SET, "agent", "node-a");
	pod_on(&s, "DaemonSet", KIND_DAEMON_SET, "agent", "node-b");
	pod_on(&s, "StatefulSet", KIND_STATEFUL_SET, "store", "node-a");
	assert_string_equal(
		plan_of(&s, "k8s.restart: {ref: apps/v1 DaemonSet web/agent, nodes: node-a}"),
		"delete agent-node-a");
	assert_string_equal(
		plan_of(&s, "k8s.restart: {ref: apps/v1 StatefulSet web/store, nodes: node-a}"),
		"evict store-node-a");
	assert_non_null(strstr(plan_of(&s, "k8s.restart: {ref: apps/v1 DaemonSet web/agent, nodes: "
					   "\"node-a node-b\"}"),
			       "refused: agent has pods on node-a and node-b"));
	stage_free(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_eviction_is_bounded_by_what_it_names),
		cmocka_unit_test(nodes_are_those_that_are_named),
		cmocka_unit_test(a_restart_takes_one_node_at_a_time),
		cmocka_unit_test(an_apply_leaves_what_it_does_not_name),
		cmocka_unit_test(words_that_would_do_nothing_are_refused),
		cmocka_unit_test(what_is_out_of_force_is_known_until_it_is_back),
		cmocka_unit_test(a_suspension_is_noted_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
