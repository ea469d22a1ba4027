/* SPDX-License-Identifier: Apache-2.0 */
/* What the Kubernetes API says: nodes, our kinds, disruption budgets. */
#include "lib/object/cluster.h"
#include "lib/base/str.h"
#include "lib/object/workload.h"
#include "preflight/checks.h"

static const char *scope_of(struct arena *a, const char *kind, const struct object_meta *m)
{
	return m->namespace ? arena_printf(a, "%s/%s/%s", kind, m->namespace, m->name)
			    : arena_printf(a, "%s/%s", kind, m->name);
}

static void judge_node(const struct check *c, struct preflight_env *env, const struct node *n,
		       struct report *r)
{
	const char *scope = scope_of(env->arena, "node", &n->meta);
	const struct condition *ready = condition_find(n->conditions, n->n_conditions, "Ready");

	if (!ready || str_eq(ready->status, "Unknown"))
		report_add(r, c, FINDING_UNKNOWN, scope, "nothing was heard of its kubelet");
	else if (!str_eq(ready->status, "True"))
		report_add(r, c, FINDING_FAIL, scope, "not ready: %s",
			   str_or_empty(ready->message));
	else if (str_empty(n->pod_cidr))
		report_add(r, c, FINDING_FAIL, scope, "has no podCIDR to give addresses from");
	else
		report_add(r, c, FINDING_PASS, scope, "ready, %s", n->pod_cidr);
}

static int check_nodes(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	size_t seen = 0;
	int ret = env_need_kind(env, object_kind(KIND_NODE), err);

	if (ret)
		return ret;
	snapshot_foreach (env->cluster, object_kind(KIND_NODE), d) {
		struct node n;

		ret = node_decode(env->arena, d, &n, err);
		if (ret)
			return ret;
		judge_node(c, env, &n, r);
		seen++;
	}
	return seen ? 0 : error_set(err, -ENOENT, "the cluster shows no node");
}

static int check_kinds(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const enum object_kind_id needed[] = {
		KIND_CILIUM_NETWORK_POLICY, KIND_CILIUM_IDENTITY, KIND_SIDESTEP_NODE,
		KIND_SIDESTEP_REQUEST,      KIND_SIDESTEP_RUN,
	};
	struct preflight_env *env = arg;
	auto_release(strbuf) struct strbuf missing = STRBUF_INIT;
	int ret = env_need_kind(env, object_kind(KIND_CUSTOM_RESOURCE_DEFINITION), err);

	if (ret)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		const struct object_kind *k = object_kind(needed[i]);
		const char *name = arena_printf(env->arena, "%s.%s", k->plural, k->group);

		if (!snapshot_find(env->cluster, object_kind(KIND_CUSTOM_RESOURCE_DEFINITION), NULL,
				   name))
			strbuf_addf(&missing, "%s%s", missing.len ? ", " : "", name);
	}
	if (missing.len)
		report_add(r, c, FINDING_FAIL, "", "not served: %s", strbuf_cstr(&missing));
	else
		report_add(r, c, FINDING_PASS, "", "all %zu are served", ARRAY_SIZE(needed));
	return 0;
}

static void judge_budget(const struct check *c, struct preflight_env *env,
			 const struct disruption_budget *b, struct report *r, size_t *fine)
{
	const char *scope = scope_of(env->arena, "PodDisruptionBudget", &b->meta);

	if (b->observed_generation < b->meta.generation)
		report_add(r, c, FINDING_UNKNOWN, scope, "its controller has not looked at it yet");
	else if (b->expected_pods > 0 && b->desired_healthy >= b->expected_pods)
		report_add(r, c, FINDING_FAIL, scope, "never allows to restart one of its %d pods",
			   b->expected_pods);
	else
		++*fine;
}

static int check_budgets(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	size_t fine = 0, before = r->n;
	int ret = env_need_kind(env, object_kind(KIND_POD_DISRUPTION_BUDGET), err);

	if (ret)
		return ret;
	snapshot_foreach (env->cluster, object_kind(KIND_POD_DISRUPTION_BUDGET), d) {
		struct disruption_budget b;

		ret = disruption_budget_decode(env->arena, d, &b, err);
		if (ret)
			return ret;
		judge_budget(c, env, &b, r, &fine);
	}
	if (r->n == before)
		report_add(r, c, FINDING_PASS, "", "%zu, and each lets a pod restart", fine);
	return 0;
}

static const struct check checks[] = {
	{
		.id = "K8S-003",
		.title = "nodes",
		.category = "kubernetes",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_CLUSTER,
		.remedy = "Bring the node back, or drain and remove it; give it a podCIDR.",
		.source = "Node status and spec.podCIDR",
		.explain = "The agent hands out addresses from its node's podCIDR.",
		.run = check_nodes,
	},
	{
		.id = "K8S-004",
		.title = "our kinds of objects",
		.category = "kubernetes",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_CLUSTER,
		.remedy = "Apply the CustomResourceDefinitions that come with Sidestep.",
		.source = "CustomResourceDefinitions",
		.explain = "Agents and tools talk through objects of cilium.io and sidestep.dev.",
		.run = check_kinds,
	},
	{
		.id = "K8S-008",
		.title = "disruption budgets",
		.category = "kubernetes",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_CLUSTER,
		.remedy = "Add a replica, or lower minAvailable.",
		.source = "PodDisruptionBudget status",
		.explain =
			"A migration restarts pods one by one and never against a budget; one that "
			"allows nothing stops it.",
		.run = check_budgets,
	},
};
const struct check_table cluster_checks = {checks, ARRAY_SIZE(checks)};
