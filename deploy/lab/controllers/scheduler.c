/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods to nodes: ready and not cordoned, taints, nodeSelector, nodes named by affinity, required
 * anti-affinity by host; among those the one with the fewest pods of the same controller, then the
 * fewest pods.
 */
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/object/meta.h"

static bool wants_node(const struct doc *pod)
{
	return str_empty(doc_find_str(pod, "spec.nodeName")) && !kube_deleting(pod) &&
	       !pod_finished(pod) &&
	       str_eq(doc_find_str(pod, "spec.schedulerName")
			      ? doc_find_str(pod, "spec.schedulerName")
			      : "default-scheduler",
		      "default-scheduler");
}

void scheduler_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now)
{
	if (kind == WATCHED_POD && now && wants_node(now))
		queue_object(c, row, now);
	/* A node that came, or a pod that left, may make room for those who wait. */
	if (kind == WATCHED_NODE || (kind == WATCHED_POD && !now && old))
		watched_foreach(c, WATCHED_POD, o) if (wants_node(o->doc))
			queue_object(c, row, o->doc);
}

static bool is_tolerated(const struct doc *spec, const char *key, const char *value,
			 const char *effect)
{
	doc_foreach_item (doc_get(spec, "tolerations"), t) {
		const char *its_key = doc_str(doc_get(t, "key"));
		const char *its_effect = doc_str(doc_get(t, "effect"));
		bool any = str_eq(doc_str(doc_get(t, "operator")), "Exists");

		if (!str_empty(its_effect) && !str_eq(its_effect, effect))
			continue;
		if (str_empty(its_key) ? any : str_eq(its_key, key)) {
			if (any || str_eq(str_or_empty(doc_str(doc_get(t, "value"))), value))
				return true;
		}
	}
	return false;
}

/* What the node controller would make a taint of is looked at itself: it may be late, or nobody. */
bool node_tolerated(const struct doc *node, const struct doc *spec, bool running)
{
	static const char no_schedule[] = "NoSchedule", no_execute[] = "NoExecute";

	doc_foreach_item (doc_find(node, "spec.taints"), taint) {
		const char *effect = doc_str(doc_get(taint, "effect"));

		if (!str_eq(effect, no_execute) && (running || !str_eq(effect, no_schedule)))
			continue;
		if (!is_tolerated(spec, str_or_empty(doc_str(doc_get(taint, "key"))),
				  str_or_empty(doc_str(doc_get(taint, "value"))), effect))
			return false;
	}
	if (running)
		return true;
	if (!kube_condition_true(node, "Ready") &&
	    !is_tolerated(spec, "node.kubernetes.io/not-ready", "", no_schedule))
		return false;
	return !doc_bool_or(doc_find(node, "spec.unschedulable"), false) ||
	       is_tolerated(spec, "node.kubernetes.io/unschedulable", "", no_schedule);
}

static bool has_value(const struct doc *values, const char *wanted)
{
	doc_foreach_item (values, v)
		if (str_eq(doc_str(v), wanted))
			return true;
	return false;
}

static bool term_names(const struct doc *term, const char *node)
{
	doc_foreach_item (doc_get(term, "matchFields"), f) {
		bool in = str_eq(doc_str(doc_get(f, "operator")), "In");

		if (str_eq(doc_str(doc_get(f, "key")), "metadata.name") &&
		    in != has_value(doc_get(f, "values"), node))
			return false;
	}
	return true;
}

bool node_selected(const struct doc *node, const struct doc *spec)
{
	const struct doc *wanted = doc_get(spec, "nodeSelector");
	const struct doc *terms = doc_find(spec, "affinity.nodeAffinity."
						 "requiredDuringSchedulingIgnoredDuringExecution."
						 "nodeSelectorTerms");
	bool named = doc_len(terms) == 0;

	for (size_t i = 0; i < doc_len(wanted); i++)
		if (!str_eq(kube_label(node, wanted->map.entries[i].key),
			    doc_str(wanted->map.entries[i].value)))
			return false;
	doc_foreach_item (terms, term)
		named = named || term_names(term, kube_name(node));
	return named;
}

/* What is on the node's own network needs no address there. */
static bool node_fits(const struct doc *node, const struct doc *pod)
{
	const struct doc *spec = doc_get(pod, "spec");

	return !kube_deleting(node) && node_tolerated(node, spec, false) &&
	       node_selected(node, spec) &&
	       (doc_bool_or(doc_get(spec, "hostNetwork"), false) ||
		!str_empty(doc_find_str(node, "spec.podCIDR")));
}

/* The node a pod stands on: as the copy says, or as we decided and it does not say yet. */
static const char *node_of(const struct controllers *c, const struct doc *pod)
{
	const char *node = doc_find_str(pod, "spec.nodeName");

	return str_empty(node) ? map_get(&c->placed, kube_uid(pod)) : node;
}

static bool selected(struct arena *a, const struct doc *term, const struct doc *pod)
{
	struct label_selector s;
	struct plain_object o;

	if (bind_decode(a, &label_selector_table, doc_get(term, "labelSelector"), "", &s, NULL,
			NULL) ||
	    object_decode(a, &plain_object_table, pod, &o, NULL))
		return false;
	return label_selector_matches(&s, &o.meta.labels);
}

/* requiredDuringScheduling pod anti-affinity with the topology of a host. */
static bool repelled(struct reconcile *r, const struct doc *node, const struct doc *pod)
{
	const struct doc *terms = doc_find(
		pod,
		"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution");

	for (size_t i = 0; i < doc_len(terms); i++) {
		const struct doc *term = doc_at(terms, i);

		if (!str_eq(doc_str(doc_get(term, "topologyKey")), "kubernetes.io/hostname"))
			continue;
		watched_foreach(r->c, WATCHED_POD,
				o) if (!pod_finished(o->doc) &&
				       str_eq(o->namespace_, kube_namespace(pod)) &&
				       str_eq(node_of(r->c, o->doc), kube_name(node)) &&
				       selected(&r->arena, term, o->doc)) return true;
	}
	return false;
}

static size_t crowd(const struct reconcile *r, const struct doc *node, const struct doc *pod)
{
	const char *owner = doc_str(doc_get(kube_controller(pod), "uid"));
	size_t all = 0, siblings = 0;

	watched_foreach(r->c, WATCHED_POD, o)
	{
		if (pod_finished(o->doc) || kube_deleting(o->doc) ||
		    !str_eq(node_of(r->c, o->doc), kube_name(node)))
			continue;
		all++;
		siblings += owner && is_controlled_by(o->doc, owner);
	}
	return siblings * 100000 + all;
}

static const struct doc *choose(struct reconcile *r, const struct doc *pod)
{
	const struct doc *best = NULL;
	size_t best_crowd = 0;

	watched_foreach(r->c, WATCHED_NODE, o)
	{
		size_t n;

		if (!node_fits(o->doc, pod) || repelled(r, o->doc, pod))
			continue;
		n = crowd(r, o->doc, pod);
		if (!best || n < best_crowd ||
		    (n == best_crowd && str_cmp(o->name, kube_name(best)) < 0)) {
			best = o->doc;
			best_crowd = n;
		}
	}
	return best;
}

static void bound(struct reconcile *r, struct kube_result *result, void *arg)
{
	if (result->code)
		free(map_del(&r->c->placed, arg));
}

static void bind(struct reconcile *r, const struct doc *pod, const char *node)
{
	struct arena *a = &r->arena;
	struct doc *body = kube_object_new(a, object_kind(KIND_POD), r->namespace_, r->name);
	struct doc *target = doc_set_map(a, body, "target");
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = r->namespace_,
				 .name = r->name,
				 .subresource = "binding",
				 .body = body};
	char *uid = arena_strdup(a, kube_uid(pod));

	doc_set_string(a, body, "kind", "Binding");
	doc_set_string(a, doc_get(body, "metadata"), "uid", uid);
	doc_set_string(a, target, "apiVersion", "v1");
	doc_set_string(a, target, "kind", "Node");
	doc_set_string(a, target, "name", node);
	free(map_set(&r->c->placed, uid, xstrdup(node)));
	reconcile_send(r, &q, bound, uid);
}

static void say_unschedulable(struct reconcile *r, const struct doc *pod)
{
	struct doc *object = doc_clone(&r->arena, pod);

	if (kube_set_condition(&r->arena, object, "PodScheduled", "False", "Unschedulable",
			       "no node is ready, fits its nodeSelector and is free of what it "
			       "must not stand beside",
			       controllers_wall_ns(r->c)))
		reconcile_put_status(r, object_kind(KIND_POD), object);
}

int scheduler_work(struct reconcile *r)
{
	const struct doc *pod = watched_self(r, WATCHED_POD), *node;

	if (!pod || !wants_node(pod) || map_has(&r->c->placed, kube_uid(pod)))
		return 0;
	node = choose(r, pod);
	if (node)
		bind(r, pod, kube_name(node));
	else
		say_unschedulable(r, pod);
	return 0;
}
