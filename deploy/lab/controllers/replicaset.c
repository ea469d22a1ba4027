/* SPDX-License-Identifier: Apache-2.0 */
/* ReplicaSet -> Pods, and its status. */
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/object/workload.h"

/* Creations and deletions in one round; the next round goes on. */
#define BATCH 50

struct plan {
	struct reconcile *r;
	const struct doc *doc;
	struct workload w;
	VEC(const struct doc *) pods; /* alive, ours */
	int64_t ready, available, wanted;
	uint64_t look_again_ns;
};

void replicaset_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now)
{
	const struct doc *object = now ? now : old, *owner;

	if (kind == WATCHED_REPLICA_SET)
		queue_object(c, row, object);
	if (kind != WATCHED_POD)
		return;
	owner = kube_controller(object);
	if (str_eq(doc_str(doc_get(owner, "kind")), "ReplicaSet"))
		queue_key(c, row, kube_namespace(object), doc_str(doc_get(owner, "name")));
}

static void collect_pods(struct plan *p)
{
	watched_foreach(p->r->c, WATCHED_POD, o)
	{
		uint64_t wait;

		if (!is_controlled_by(o->doc, p->w.meta.uid) || kube_deleting(o->doc) ||
		    pod_finished(o->doc) || expect_is_deleted(p->r->c, o->doc))
			continue;
		vec_push(&p->pods, o->doc);
		p->ready += pod_ready(o->doc);
		p->available += pod_available(p->r->c, o->doc, p->w.min_ready_seconds, &wait);
		if (wait && (!p->look_again_ns || wait < p->look_again_ns))
			p->look_again_ns = wait;
	}
}

static void pod_created(struct reconcile *r, struct kube_result *result, UNUSED void *arg)
{
	if (result->code == 0)
		expect_created(r->c, WATCHED_POD, result->object);
}

static void create_pod(struct plan *p)
{
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = p->r->namespace_,
				 .body = pod_of_template(p->r, object_kind(KIND_REPLICA_SET),
							 p->doc, p->w.template)};

	reconcile_send(p->r, &q, pod_created, NULL);
}

/* Which of two pods is missed least: not placed, not running, not ready, then the younger. */
static int by_worth(const void *a, const void *b)
{
	const struct doc *x = *(const struct doc *const *)a, *y = *(const struct doc *const *)b;
	int placed = !str_empty(doc_find_str(x, "spec.nodeName")) -
		     !str_empty(doc_find_str(y, "spec.nodeName"));
	int running = str_eq(doc_find_str(x, "status.phase"), "Running") -
		      str_eq(doc_find_str(y, "status.phase"), "Running");
	int ready = pod_ready(x) - pod_ready(y), age;

	if (placed)
		return placed;
	if (running)
		return running;
	if (ready)
		return ready;
	age = str_cmp(doc_find_str(y, "metadata.creationTimestamp"),
		      doc_find_str(x, "metadata.creationTimestamp"));
	return age ? age : str_cmp(kube_name(x), kube_name(y));
}

static void delete_pod(struct plan *p, const struct doc *pod)
{
	struct kube_request q = {.verb = KUBE_DELETE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = p->r->namespace_,
				 .name = kube_name(pod),
				 .uid = kube_uid(pod)};

	expect_deleted(p->r->c, WATCHED_POD, pod);
	reconcile_send(p->r, &q, NULL, NULL);
}

static void adjust(struct plan *p)
{
	int64_t have = (int64_t)(p->pods.n + expect_count_created(p->r->c, p->w.meta.uid));
	int64_t missing = p->wanted - have;

	for (int64_t i = 0; i < MIN(missing, BATCH); i++)
		create_pod(p);
	if (missing >= 0)
		return;
	vec_sort(&p->pods, by_worth);
	/* Pods not seen yet count, but cannot be chosen: the ones we see might be the better. */
	for (size_t i = 0; i < p->pods.n && (int64_t)i < MIN(-missing, BATCH); i++)
		delete_pod(p, p->pods.items[i]);
}

static void put_status(struct plan *p)
{
	struct arena *a = &p->r->arena;
	struct doc *object = doc_clone(a, p->doc), *status = doc_set_map(a, object, "status");

	doc_set_int(a, status, "replicas", (int64_t)p->pods.n);
	doc_set_int(a, status, "fullyLabeledReplicas", (int64_t)p->pods.n);
	doc_set_int(a, status, "readyReplicas", p->ready);
	doc_set_int(a, status, "availableReplicas", p->available);
	doc_set_int(a, status, "observedGeneration", p->w.meta.generation);
	if (!doc_equal(status, doc_get(p->doc, "status")))
		reconcile_put_status(p->r, object_kind(KIND_REPLICA_SET), object);
}

int replicaset_work(struct reconcile *r)
{
	struct plan p = {.r = r, .doc = watched_self(r, WATCHED_REPLICA_SET)};

	if (!p.doc || kube_deleting(p.doc) || workload_decode(&r->arena, p.doc, &p.w, NULL) ||
	    !p.w.template)
		return 0;
	p.wanted = p.w.replicas.set ? p.w.replicas.value : 1;
	collect_pods(&p);
	adjust(&p);
	put_status(&p);
	if (p.look_again_ns)
		reconcile_again(r, p.look_again_ns);
	vec_release(&p.pods);
	return 0;
}
