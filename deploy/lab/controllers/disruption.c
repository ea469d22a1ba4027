/* SPDX-License-Identifier: Apache-2.0 */
/* PodDisruptionBudget status: how many pods may be evicted now (the server refuses the rest). */
#include <stdlib.h>
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "deploy/lab/controllers/rollout.h"
#include "lib/base/str.h"
#include "lib/object/workload.h"

/* An eviction that was granted but after this long has deleted nothing counts no more. */
#define DISRUPTED_NS (120LL * 1000000000LL)

static bool covers(struct arena *a, const struct doc *budget, const struct doc *pod)
{
	struct disruption_budget b;
	struct plain_object o;

	return str_eq(kube_namespace(budget), kube_namespace(pod)) &&
	       disruption_budget_decode(a, budget, &b, NULL) == 0 &&
	       object_decode(a, &plain_object_table, pod, &o, NULL) == 0 && b.selector &&
	       label_selector_matches(b.selector, &o.meta.labels);
}

static void queue_covering(struct controllers *c, size_t row, const struct doc *pod)
{
	if (!pod)
		return;
	watched_foreach(c, WATCHED_POD_DISRUPTION_BUDGET, o)
	{
		struct arena a = ARENA_INIT;

		if (covers(&a, o->doc, pod))
			queue_object(c, row, o->doc);
		arena_release(&a);
	}
}

void disruption_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now)
{
	const struct doc *object = now ? now : old;

	if (kind == WATCHED_POD_DISRUPTION_BUDGET)
		queue_object(c, row, object);
	if (kind == WATCHED_POD) {
		queue_covering(c, row, old);
		queue_covering(c, row, now);
	}
	if (kind == WATCHED_DEPLOYMENT || kind == WATCHED_REPLICA_SET)
		watched_foreach(c, WATCHED_POD_DISRUPTION_BUDGET,
				o) if (str_eq(o->namespace_, kube_namespace(object)))
			queue_object(c, row, o->doc);
}

/* The top of a pod's owners and how many pods it wants. */
static int64_t scale_of(const struct controllers *c, const struct doc *pod, const char **ret_uid)
{
	const struct doc *owner = kube_controller(pod), *set, *deployment;

	*ret_uid = kube_uid(pod);
	if (!str_eq(doc_str(doc_get(owner, "kind")), "ReplicaSet"))
		return 1;
	set = watched_get(c, WATCHED_REPLICA_SET, kube_namespace(pod),
			  doc_str(doc_get(owner, "name")));
	if (!set)
		return 1;
	*ret_uid = kube_uid(set);
	owner = kube_controller(set);
	if (str_eq(doc_str(doc_get(owner, "kind")), "Deployment")) {
		deployment = watched_get(c, WATCHED_DEPLOYMENT, kube_namespace(set),
					 doc_str(doc_get(owner, "name")));
		if (deployment) {
			*ret_uid = kube_uid(deployment);
			return doc_find_int(deployment, "spec.replicas", 1);
		}
	}
	return doc_find_int(set, "spec.replicas", 1);
}

struct tally {
	int64_t expected, healthy, pods;
};

static bool recently_disrupted(struct reconcile *r, const struct doc *disrupted,
			       const struct doc *pod)
{
	const char *when = doc_str(doc_get(disrupted, kube_name(pod)));
	int64_t at;

	return when && clock_parse_rfc3339(when, &at) == 0 &&
	       controllers_wall_ns(r->c) - at < DISRUPTED_NS;
}

/* keep collects the granted evictions that still count. */
static struct tally count(struct reconcile *r, const struct doc *budget, struct doc *keep)
{
	const struct doc *disrupted = doc_find(budget, "status.disruptedPods");
	struct map owners = MAP_INIT;
	struct tally t = {0};

	watched_foreach(r->c, WATCHED_POD, o)
	{
		const char *owner;
		int64_t scale;

		if (!covers(&r->arena, budget, o->doc) || pod_finished(o->doc))
			continue;
		scale = scale_of(r->c, o->doc, &owner);
		if (!map_has(&owners, owner))
			t.expected += scale;
		map_set(&owners, owner, r);
		t.pods++;
		if (kube_deleting(o->doc))
			continue;
		if (recently_disrupted(r, disrupted, o->doc)) {
			doc_set_string(&r->arena, keep, o->name,
				       doc_str(doc_get(disrupted, o->name)));
			reconcile_again(r, DISRUPTED_NS);
			continue;
		}
		t.healthy += pod_ready(o->doc);
	}
	map_release(&owners);
	return t;
}

static int64_t amount(const struct int_or_string *v, int64_t total)
{
	if (v->kind == IOS_STRING)
		return rollout_portion(true, atoll(v->string), total, true);
	return v->number;
}

int disruption_work(struct reconcile *r)
{
	const struct doc *budget = watched_self(r, WATCHED_POD_DISRUPTION_BUDGET);
	struct arena *a = &r->arena;
	struct doc *object, *status, *keep = doc_map(a);
	struct disruption_budget b;
	struct tally t;
	int64_t desired, allowed;

	if (!budget || disruption_budget_decode(a, budget, &b, NULL))
		return 0;
	t = count(r, budget, keep);
	if (b.max_unavailable.kind != IOS_ABSENT)
		desired = MAX(t.expected - amount(&b.max_unavailable, t.expected), 0);
	else
		desired = amount(&b.min_available, t.expected);
	allowed = t.pods ? MAX(t.healthy - desired, 0) : 0;
	object = doc_clone(a, budget);
	status = doc_set_map(a, object, "status");
	doc_set_int(a, status, "observedGeneration", b.meta.generation);
	doc_set_int(a, status, "disruptionsAllowed", allowed);
	doc_set_int(a, status, "currentHealthy", t.healthy);
	doc_set_int(a, status, "desiredHealthy", desired);
	doc_set_int(a, status, "expectedPods", t.expected);
	doc_del(status, "disruptedPods");
	if (doc_len(keep))
		doc_set(a, status, "disruptedPods", keep);
	kube_set_condition(a, object, "DisruptionAllowed", allowed ? "True" : "False",
			   allowed ? "SufficientPods" : "InsufficientPods", "",
			   controllers_wall_ns(r->c));
	if (!doc_equal(status, doc_get(budget, "status")))
		reconcile_put_status(r, object_kind(KIND_POD_DISRUPTION_BUDGET), object);
	return 0;
}
