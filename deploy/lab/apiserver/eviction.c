/* SPDX-License-Identifier: Apache-2.0 */
/* pods/eviction: a deletion that asks the pod's PodDisruptionBudget first. */
#include "deploy/lab/apiserver/remove.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/subresource.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write.h"
#include "lib/base/str.h"

enum { DISRUPTED_PODS_MAX = 2000 };

static int too_many(struct request *r, const char *message, const char *cause)
{
	struct doc *c;

	refuse(&r->refusal, 429, "TooManyRequests", "%s", message);
	r->refusal.causes = doc_list(&r->arena);
	c = doc_append(&r->arena, r->refusal.causes, doc_map(&r->arena));
	doc_set_string(&r->arena, c, "reason", "DisruptionBudget");
	doc_set_string(&r->arena, c, "message", cause);
	return REFUSED;
}

/* A budget selects pods of its namespace; an empty selector selects all, an absent one none. */
static bool selects(struct request *r, const struct doc *budget, const struct doc *pod)
{
	const struct doc *sel = doc_find(budget, "spec.selector");
	struct selector parsed;

	return sel && !selector_from_doc(&r->arena, sel, &parsed, NULL) &&
	       selector_matches(&parsed, doc_find(pod, "metadata.labels"));
}

static int find_budget(struct request *r, const struct doc *pod, struct revision **ret)
{
	struct shelf *sh =
		registry_find(r->server->registry, "policy", "v1", "poddisruptionbudgets")->shelf;
	size_t n = 0;

	*ret = NULL;
	for (size_t i = shelf_lower_bound(sh, r->target.ns, "");
	     i < shelf_count(sh) && str_eq(shelf_at(sh, i)->ns, r->target.ns); i++) {
		if (!selects(r, revision_doc(shelf_at(sh, i)), pod))
			continue;
		*ret = shelf_at(sh, i);
		n++;
	}
	if (n > 1)
		return refuse(&r->refusal, 500, "InternalError",
			      "This pod has more than one PodDisruptionBudget, which the eviction "
			      "subresource "
			      "does not support.");
	return 0;
}

static bool pod_ready(const struct doc *pod)
{
	doc_foreach_item (doc_find(pod, "status.conditions"), c)
		if (str_eq(doc_str(doc_get(c, "type")), "Ready"))
			return str_eq(doc_str(doc_get(c, "status")), "True");
	return false;
}

/* Pods that do not count for any budget. */
static bool no_budget_needed(const struct doc *pod)
{
	const char *phase = doc_find_str(pod, "status.phase");

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed") || str_eq(phase, "Pending") ||
	       doc_find(pod, "metadata.deletionTimestamp");
}

/* A pod that is not ready may go without using the budget up, while enough others are healthy. */
static bool goes_unhealthy(const struct doc *budget, const struct doc *pod)
{
	const struct doc *st = doc_get(budget, "status");
	int64_t current = doc_int_or(doc_get(st, "currentHealthy"), 0);
	int64_t desired = doc_int_or(doc_get(st, "desiredHealthy"), 0);

	if (pod_ready(pod))
		return false;
	return str_eq(doc_find_str(budget, "spec.unhealthyPodEvictionPolicy"), "AlwaysAllow") ||
	       (current >= desired && desired > 0);
}

static int check_budget(struct request *r, const struct doc *budget, const char *name)
{
	const struct doc *st = doc_get(budget, "status");
	int64_t allowed = doc_int_or(doc_get(st, "disruptionsAllowed"), 0);

	if (doc_int_or(doc_get(st, "observedGeneration"), 0) <
	    doc_find_int(budget, "metadata.generation", 0))
		return too_many(
			r, "Cannot evict pod as it would violate the pod's disruption budget.",
			arena_printf(
				&r->arena,
				"The disruption budget %s is still being processed by the server.",
				name));
	if (allowed < 0)
		return refuse_forbidden(
			&r->refusal, (struct subject){"policy", "poddisruptionbudgets", NULL, name},
			"pdb disruptions allowed is negative");
	if (doc_len(doc_get(st, "disruptedPods")) > DISRUPTED_PODS_MAX)
		return refuse_forbidden(
			&r->refusal, (struct subject){"policy", "poddisruptionbudgets", NULL, name},
			"DisruptedPods map too big - too many evictions not confirmed by PDB "
			"controller");
	if (!allowed)
		return too_many(
			r, "Cannot evict pod as it would violate the pod's disruption budget.",
			arena_printf(
				&r->arena,
				"The disruption budget %s needs %lld healthy pods and has %lld "
				"currently",
				name, (long long)doc_int_or(doc_get(st, "desiredHealthy"), 0),
				(long long)doc_int_or(doc_get(st, "currentHealthy"), 0)));
	return 0;
}

/* Takes one disruption out of the budget before the pod goes, so that two never share one. */
static int use_up(struct request *r, struct revision *rev, const char *pod)
{
	const struct resource *res =
		registry_find(r->server->registry, "policy", "v1", "poddisruptionbudgets");
	struct arena *a = &r->arena;
	struct doc *budget = doc_clone(a, revision_doc(rev)),
		   *st = doc_set_map(a, budget, "status");
	struct revision *now;

	doc_set_int(a, st, "disruptionsAllowed",
		    doc_int_or(doc_get(st, "disruptionsAllowed"), 0) - 1);
	doc_set_string(a, doc_set_map(a, st, "disruptedPods"), pod,
		       when_format(a, server_now_s(r->server)));
	return r->dry_run ? 0 : write_store(r->server, res, a, budget, &now, &r->refusal);
}

static int evict(struct request *r)
{
	struct revision *rev = shelf_get(r->res->shelf, r->target.ns, r->target.name), *budget;
	struct remove_options o = {.grace_s = -1};
	const struct doc *pod, *options, *left;
	struct doc *body = NULL;

	if (!rev)
		return refuse_not_found(&r->refusal, request_subject(r));
	if (request_body(r, &body))
		return REFUSED;
	pod = revision_doc(rev);
	options = doc_get(body, "deleteOptions");
	o.grace_s = doc_int_or(doc_get(options, "gracePeriodSeconds"), -1);
	o.uid = doc_find_str(options, "preconditions.uid");
	o.version = doc_find_str(options, "preconditions.resourceVersion");
	r->dry_run = r->dry_run || doc_len(doc_get(options, "dryRun"));
	o.dry_run = r->dry_run;
	if (!no_budget_needed(pod)) {
		if (find_budget(r, pod, &budget))
			return REFUSED;
		if (budget && !goes_unhealthy(revision_doc(budget), pod) &&
		    (check_budget(r, revision_doc(budget), budget->name) ||
		     use_up(r, budget, rev->name)))
			return REFUSED;
	}
	return remove_object(r->server, r->res, rev, &o, &r->arena, &left, &r->refusal);
}

void eviction_create(struct request *r)
{
	if (evict(r)) {
		request_reply_refusal(r);
		return;
	}
	request_reply_created(r);
}
