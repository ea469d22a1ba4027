/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DaemonSet -> one pod on every node that takes it, its updates and its status. The rules are those
 * of Kubernetes' controller (pkg/controller/daemon): a node's pod is made when none is there, an
 * ending one included; with OnDelete only who deletes a pod brings the new template to its node.
 * Not here: maxSurge, and node affinity beyond names.
 */
#include <stdlib.h>
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "deploy/lab/controllers/revision.h"
#include "deploy/lab/controllers/rollout.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/object/workload.h"

#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"
#define NODE_TERM                                                                                  \
	"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."               \
	"nodeSelectorTerms[0].matchFields[0].values[0]"

struct place {
	const struct doc *node;
	bool should, may_stay;
	VEC(const struct doc *) pods; /* oldest first; those that end, too */
};

struct plan {
	struct reconcile *r;
	const struct doc *doc;
	struct workload w;
	const char *hash;
	struct doc *template; /* with the tolerations that every DaemonSet has */
	VEC(struct place) places;
	uint64_t look_again_ns;
};

void daemonset_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now)
{
	const struct doc *object = now ? now : old, *owner;

	if (kind == WATCHED_DAEMON_SET)
		queue_object(c, row, object);
	if (kind == WATCHED_NODE)
		watched_foreach(c, WATCHED_DAEMON_SET, o) queue_object(c, row, o->doc);
	if (kind != WATCHED_POD && kind != WATCHED_CONTROLLER_REVISION)
		return;
	owner = kube_controller(object);
	if (str_eq(doc_str(doc_get(owner, "kind")), "DaemonSet"))
		queue_key(c, row, kube_namespace(object), doc_str(doc_get(owner, "name")));
}

/* What a node's own troubles do not drive away. */
static const struct {
	const char *key, *effect;
	bool host_network;
} tolerated[] = {
	{"node.kubernetes.io/not-ready", "NoExecute", false},
	{"node.kubernetes.io/unreachable", "NoExecute", false},
	{"node.kubernetes.io/disk-pressure", "NoSchedule", false},
	{"node.kubernetes.io/memory-pressure", "NoSchedule", false},
	{"node.kubernetes.io/pid-pressure", "NoSchedule", false},
	{"node.kubernetes.io/unschedulable", "NoSchedule", false},
	{"node.kubernetes.io/network-unavailable", "NoSchedule", true},
};

static void make_template(struct plan *p)
{
	struct arena *a = &p->r->arena;
	struct doc *spec, *list;
	bool host;

	p->template = doc_clone(a, p->w.template);
	spec = doc_set_map(a, p->template, "spec");
	list = doc_set_list(a, spec, "tolerations");
	host = doc_bool_or(doc_get(spec, "hostNetwork"), false);
	for (size_t i = 0; i < ARRAY_SIZE(tolerated); i++) {
		struct doc *t;

		if (tolerated[i].host_network && !host)
			continue;
		t = doc_append(a, list, doc_map(a));
		doc_set_string(a, t, "key", tolerated[i].key);
		doc_set_string(a, t, "operator", "Exists");
		doc_set_string(a, t, "effect", tolerated[i].effect);
	}
}

static const char *node_of(const struct doc *pod)
{
	const char *node = doc_find_str(pod, "spec.nodeName");

	return str_empty(node) ? doc_find_str(pod, NODE_TERM) : node;
}

static int by_age(const void *a, const void *b)
{
	const struct doc *x = *(const struct doc *const *)a, *y = *(const struct doc *const *)b;
	int r = str_cmp(doc_find_str(x, "metadata.creationTimestamp"),
			doc_find_str(y, "metadata.creationTimestamp"));

	return r ? r : str_cmp(kube_name(x), kube_name(y));
}

static int by_name(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return str_cmp(kube_name(x->node), kube_name(y->node));
}

static struct place *place_of(struct plan *p, const char *node)
{
	vec_foreach (&p->places, it)
		if (str_eq(kube_name(it->node), node))
			return it;
	return NULL;
}

static void delete_pod(struct plan *p, const struct doc *pod)
{
	struct kube_request q = {.verb = KUBE_DELETE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = p->r->namespace_,
				 .name = kube_name(pod),
				 .uid = kube_uid(pod)};

	if (kube_deleting(pod) || expect_is_deleted(p->r->c, pod))
		return;
	expect_deleted(p->r->c, WATCHED_POD, pod);
	reconcile_send(p->r, &q, NULL, NULL);
}

static void collect(struct plan *p)
{
	const struct doc *spec = doc_get(p->template, "spec");

	watched_foreach(p->r->c, WATCHED_NODE, o)
	{
		bool selected = node_selected(o->doc, spec) && !kube_deleting(o->doc);

		vec_push(&p->places,
			 ((struct place){.node = o->doc,
					 .should = selected && node_tolerated(o->doc, spec, false),
					 .may_stay =
						 selected && node_tolerated(o->doc, spec, true)}));
	}
	vec_sort(&p->places, by_name);
	watched_foreach(p->r->c, WATCHED_POD, o)
	{
		struct place *at = is_controlled_by(o->doc, p->w.meta.uid)
					   ? place_of(p, node_of(o->doc))
					   : NULL;

		if (at)
			vec_push(&at->pods, o->doc);
		else if (is_controlled_by(o->doc, p->w.meta.uid))
			delete_pod(p, o->doc); /* its node is gone */
	}
	vec_foreach (&p->places, it)
		vec_sort(&it->pods, by_age);
}

/* Making and taking away. */

static void pod_created(struct reconcile *r, struct kube_result *result, UNUSED void *arg)
{
	if (result->code == 0)
		expect_created(r->c, WATCHED_POD, result->object);
}

/* The node is named by affinity: the scheduler puts it there, and nowhere else. */
static void name_node(struct arena *a, struct doc *pod, const char *node)
{
	static const char *const way[] = {"spec", "affinity", "nodeAffinity",
					  "requiredDuringSchedulingIgnoredDuringExecution"};
	struct doc *at = pod, *term = doc_map(a), *field = doc_map(a), *terms = doc_list(a);

	for (size_t i = 0; i < ARRAY_SIZE(way); i++)
		at = doc_set_map(a, at, way[i]);
	doc_set_string(a, field, "key", "metadata.name");
	doc_set_string(a, field, "operator", "In");
	doc_append(a, doc_set_list(a, field, "values"), doc_string(a, node));
	doc_append(a, doc_set_list(a, term, "matchFields"), field);
	doc_append(a, terms, term);
	doc_set(a, at, "nodeSelectorTerms", terms);
}

static void create_pod(struct plan *p, const char *node)
{
	struct arena *a = &p->r->arena;
	struct doc *pod = pod_of_template(p->r, object_kind(KIND_DAEMON_SET), p->doc, p->template);
	struct doc *labels = doc_set_map(a, doc_set_map(a, pod, "metadata"), "labels");
	const char *generation = kube_annotation(p->doc, TEMPLATE_GENERATION);
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = p->r->namespace_,
				 .body = pod};

	doc_set_string(a, labels, REVISION_HASH_LABEL, p->hash);
	if (generation)
		doc_set_string(a, labels, "pod-template-generation", generation);
	name_node(a, pod, node);
	reconcile_send(p->r, &q, pod_created, NULL);
}

/* Of several on one node the oldest stays; one that has failed makes room for another. */
static void keep_one(struct plan *p, struct place *at)
{
	bool have = false;

	vec_foreach (&at->pods, pod) {
		if (kube_deleting(*pod) || expect_is_deleted(p->r->c, *pod))
			continue;
		if (pod_finished(*pod) || have)
			delete_pod(p, *pod);
		else
			have = true;
	}
}

static void manage(struct plan *p)
{
	vec_foreach (&p->places, at) {
		if (at->may_stay && at->pods.n)
			keep_one(p, at);
		else if (at->should && !at->pods.n)
			create_pod(p, kube_name(at->node));
		else if (!at->may_stay)
			vec_foreach (&at->pods, pod)
				delete_pod(p, *pod);
	}
}

/* Updating. */

static bool available(struct plan *p, const struct doc *pod)
{
	uint64_t wait;
	bool yes = pod_available(p->r->c, pod, p->w.min_ready_seconds, &wait);

	if (wait && (!p->look_again_ns || wait < p->look_again_ns))
		p->look_again_ns = wait;
	return yes;
}

static bool is_fresh(const struct plan *p, const struct doc *pod)
{
	return str_eq(kube_label(pod, REVISION_HASH_LABEL), p->hash);
}

/* The only pod of a node that does not end; NULL when there is none, or more than one. */
static const struct doc *only_pod(const struct plan *p, const struct place *at)
{
	const struct doc *only = NULL;

	vec_foreach (&at->pods, pod) {
		if (kube_deleting(*pod) || expect_is_deleted(p->r->c, *pod))
			continue;
		if (only)
			return NULL;
		only = *pod;
	}
	return only;
}

static int64_t most_unavailable(const struct plan *p, int64_t desired)
{
	const struct doc *v = doc_find(p->doc, "spec.updateStrategy.rollingUpdate.maxUnavailable");
	int64_t n = doc_str(v) ? rollout_portion(true, atoll(doc_str(v)), desired, true)
			       : doc_int_or(v, 1);

	return MAX(n, 1);
}

/* Old pods that serve nobody go at once; of the others as many as may be away. */
static void roll(struct plan *p)
{
	int64_t away = 0, desired = 0, may;

	vec_foreach (&p->places, at) {
		const struct doc *pod = only_pod(p, at);

		if (!at->should && !at->pods.n)
			continue;
		desired += at->should;
		if (pod && !is_fresh(p, pod) && !available(p, pod)) {
			delete_pod(p, pod);
			away++;
		} else {
			away += !pod || !available(p, pod);
		}
	}
	may = most_unavailable(p, desired) - away;
	vec_foreach (&p->places, at) {
		const struct doc *pod = only_pod(p, at);

		if (may <= 0)
			return;
		if (!pod || is_fresh(p, pod) || !available(p, pod))
			continue;
		delete_pod(p, pod);
		may--;
	}
}

/* Status. */

struct totals {
	int64_t desired, current, misscheduled, ready, available, updated;
};

static struct totals count(struct plan *p)
{
	struct totals t = {0};

	vec_foreach (&p->places, at) {
		const struct doc *pod = at->pods.n ? at->pods.items[0] : NULL;

		t.desired += at->should;
		if (pod && !at->should)
			t.misscheduled++;
		if (!pod || !at->should)
			continue;
		t.current++;
		t.ready += pod_ready(pod);
		t.available += available(p, pod);
		t.updated += is_fresh(p, pod);
	}
	return t;
}

static void put_status(struct plan *p)
{
	struct arena *a = &p->r->arena;
	struct doc *object = doc_clone(a, p->doc), *status = doc_set_map(a, object, "status");
	const struct totals t = count(p);

	doc_set_int(a, status, "currentNumberScheduled", t.current);
	doc_set_int(a, status, "numberMisscheduled", t.misscheduled);
	doc_set_int(a, status, "desiredNumberScheduled", t.desired);
	doc_set_int(a, status, "numberReady", t.ready);
	doc_set_int(a, status, "updatedNumberScheduled", t.updated);
	doc_set_int(a, status, "numberAvailable", t.available);
	doc_set_int(a, status, "numberUnavailable", t.desired - t.available);
	doc_set_int(a, status, "observedGeneration", p->w.meta.generation);
	if (!doc_equal(status, doc_get(p->doc, "status")))
		reconcile_put_status(p->r, object_kind(KIND_DAEMON_SET), object);
}

static void release(struct plan *p)
{
	vec_foreach (&p->places, at)
		vec_release(&at->pods);
	vec_release(&p->places);
}

int daemonset_work(struct reconcile *r)
{
	struct plan p = {.r = r, .doc = watched_self(r, WATCHED_DAEMON_SET)};

	if (!p.doc || kube_deleting(p.doc) || workload_decode(&r->arena, p.doc, &p.w, NULL) ||
	    !p.w.template)
		return 0;
	make_template(&p);
	if (!revision_settled(r, p.doc, p.w.template, &p.hash))
		return 0;
	collect(&p);
	/* Until the copy shows every pod that was made, nobody knows which nodes lack one. */
	if (expect_count_created(r->c, p.w.meta.uid) == 0) {
		manage(&p);
		if (str_eq(p.w.update_strategy, "RollingUpdate"))
			roll(&p);
	}
	revision_trim(r, p.doc, p.hash);
	put_status(&p);
	if (p.look_again_ns)
		reconcile_again(r, p.look_again_ns);
	release(&p);
	return 0;
}
