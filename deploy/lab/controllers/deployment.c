/* SPDX-License-Identifier: Apache-2.0 */
/* Deployment -> ReplicaSets: one for each template, sizes by rollout.h, revisions, status. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "deploy/lab/controllers/rollout.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/object/workload.h"

#define HASH_LABEL "pod-template-hash"
#define REVISION   "deployment.kubernetes.io/revision"

struct set {
	const struct doc *doc;
	struct workload w;
	int64_t revision;
};

struct plan {
	struct reconcile *r;
	const struct doc *doc;
	struct workload w;
	const char *hash;
	VEC(struct set) sets; /* oldest first */
	struct set *fresh;    /* of the template wanted now */
	struct rollout rollout;
};

void deployment_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now)
{
	const struct doc *object = now ? now : old, *owner;

	if (kind == WATCHED_DEPLOYMENT)
		queue_object(c, row, object);
	if (kind != WATCHED_REPLICA_SET)
		return;
	owner = kube_controller(object);
	if (str_eq(doc_str(doc_get(owner, "kind")), "Deployment"))
		queue_key(c, row, kube_namespace(object), doc_str(doc_get(owner, "name")));
}

static int by_age(const void *a, const void *b)
{
	const struct set *x = a, *y = b;
	int r = str_cmp(x->w.meta.creation_timestamp, y->w.meta.creation_timestamp);

	if (r == 0 && x->revision != y->revision)
		r = x->revision < y->revision ? -1 : 1;
	return r ? r : str_cmp(x->w.meta.name, y->w.meta.name);
}

static int collect_sets(struct plan *p)
{
	struct reconcile *r = p->r;

	watched_foreach(r->c, WATCHED_REPLICA_SET, o)
	{
		struct set *s;
		uint64_t revision = 0;

		if (!is_controlled_by(o->doc, p->w.meta.uid) || kube_deleting(o->doc))
			continue;
		s = vec_add(&p->sets);
		s->doc = o->doc;
		if (workload_decode(&r->arena, o->doc, &s->w, NULL))
			return -EINVAL;
		str_to_u64(str_or_empty(kube_annotation(o->doc, REVISION)), 0, INT32_MAX, &revision,
			   "revision", NULL);
		s->revision = (int64_t)revision;
	}
	vec_sort(&p->sets, by_age);
	vec_foreach (&p->sets, s)
		if (str_eq(kube_label(s->doc, HASH_LABEL), p->hash))
			p->fresh = s;
	return 0;
}

static int64_t replicas_of(const struct workload *w)
{
	return w->replicas.set ? w->replicas.value : 1;
}

static int64_t portion(const struct int_or_string *v, int64_t fallback_percent, int64_t total,
		       bool up)
{
	if (v->kind == IOS_INT)
		return rollout_portion(false, v->number, total, up);
	if (v->kind == IOS_STRING)
		return rollout_portion(true, atoll(v->string), total, up);
	return rollout_portion(true, fallback_percent, total, up);
}

static void make_rollout(struct plan *p)
{
	struct rollout *o = &p->rollout;

	o->replicas = replicas_of(&p->w);
	o->surge = portion(&p->w.max_surge, 25, o->replicas, true);
	o->unavailable = portion(&p->w.max_unavailable, 25, o->replicas, false);
	if (o->surge == 0 && o->unavailable == 0)
		o->unavailable = 1;
	o->recreate = str_eq(p->w.strategy, "Recreate");
	o->paused = p->w.paused;
	o->n = p->sets.n;
	o->sets = arena_array(&p->r->arena, o->n + 1, struct rollout_set);
	for (size_t i = 0; i < o->n; i++) {
		const struct set *s = &p->sets.items[i];

		o->sets[i] = (struct rollout_set){.is_new = s == p->fresh,
						  .replicas = replicas_of(&s->w),
						  .existing = s->w.status_replicas,
						  .available = s->w.available_replicas};
	}
}

static int64_t next_revision(const struct plan *p)
{
	int64_t n = 0;

	vec_foreach (&p->sets, s)
		n = MAX(n, s->revision);
	return n + 1;
}

static void set_created(struct reconcile *r, UNUSED struct kube_result *result, UNUSED void *arg)
{
	/* It exists already when the copy lags: then the next round finds it. */
	if (result->code == -EEXIST)
		r->failed = true;
}

static void add_label(struct arena *a, struct doc *map, const char *hash)
{
	doc_set_string(a, map, HASH_LABEL, hash);
}

static void create_set(struct plan *p)
{
	struct arena *a = &p->r->arena;
	const char *name = arena_printf(a, "%s-%s", p->w.meta.name, p->hash);
	struct doc *set = kube_object_new(a, object_kind(KIND_REPLICA_SET), p->r->namespace_, name);
	struct doc *template = doc_clone(a, p->w.template), *spec = doc_set_map(a, set, "spec");
	struct doc *meta = doc_set_map(a, set, "metadata"), *labels, *selector;
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_REPLICA_SET),
				 .namespace_ = p->r->namespace_,
				 .body = set};
	int64_t total = 0, replicas = p->rollout.replicas;

	for (size_t i = 0; i < p->rollout.n; i++)
		total += p->rollout.sets[i].replicas;
	if (p->rollout.recreate && total)
		replicas = 0;
	else if (!p->rollout.recreate)
		replicas = MAX(0, MIN(replicas, replicas + p->rollout.surge - total));
	labels = doc_set_map(a, doc_set_map(a, template, "metadata"), "labels");
	add_label(a, labels, p->hash);
	doc_set(a, meta, "labels", doc_clone(a, labels));
	doc_setf(a, doc_set_map(a, meta, "annotations"), REVISION, "%" PRId64, next_revision(p));
	kube_set_controller(a, set, object_kind(KIND_DEPLOYMENT), p->doc);
	doc_set_int(a, spec, "replicas", replicas);
	doc_set_int(a, spec, "minReadySeconds", p->w.min_ready_seconds);
	selector = doc_clone(a, doc_find(p->doc, "spec.selector"));
	add_label(a, doc_set_map(a, selector, "matchLabels"), p->hash);
	doc_set(a, spec, "selector", selector);
	doc_set(a, spec, "template", template);
	reconcile_send(p->r, &q, set_created, NULL);
}

static void resize(struct plan *p)
{
	struct arena *a = &p->r->arena;

	for (size_t i = 0; i < p->rollout.n; i++) {
		const struct rollout_set *s = &p->rollout.sets[i];
		struct doc *patch;

		if (s->want == s->replicas)
			continue;
		patch = doc_map(a);
		doc_set_int(a, doc_set_map(a, patch, "spec"), "replicas", s->want);
		reconcile_patch(p->r, KIND_REPLICA_SET, p->sets.items[i].doc, patch);
	}
}

/* A template that was there before gets a new revision when it is wanted again (undo). */
static bool renumber(struct plan *p)
{
	struct arena *a = &p->r->arena;
	struct doc *patch;
	int64_t newest = next_revision(p) - 1;

	if (p->fresh->revision < newest || p->fresh->revision == 0) {
		patch = doc_map(a);
		doc_setf(a, doc_set_map(a, doc_set_map(a, patch, "metadata"), "annotations"),
			 REVISION, "%" PRId64, newest + 1);
		reconcile_patch(p->r, KIND_REPLICA_SET, p->fresh->doc, patch);
		return true;
	}
	if (!str_eq(kube_annotation(p->doc, REVISION), kube_annotation(p->fresh->doc, REVISION))) {
		patch = doc_map(a);
		doc_set_string(a, doc_set_map(a, doc_set_map(a, patch, "metadata"), "annotations"),
			       REVISION, kube_annotation(p->fresh->doc, REVISION));
		reconcile_patch(p->r, KIND_DEPLOYMENT, p->doc, patch);
		return true; /* the version moves: status in the next round */
	}
	return false;
}

static void drop_history(struct plan *p)
{
	int64_t keep = doc_find_int(p->doc, "spec.revisionHistoryLimit", 10);
	int64_t old = (int64_t)p->sets.n - (p->fresh ? 1 : 0);

	vec_foreach (&p->sets, s) {
		struct kube_request q = {.verb = KUBE_DELETE,
					 .kind = object_kind(KIND_REPLICA_SET),
					 .namespace_ = p->r->namespace_,
					 .name = s->w.meta.name,
					 .uid = s->w.meta.uid};

		if (old <= keep)
			return;
		if (s == p->fresh || replicas_of(&s->w) || s->w.status_replicas)
			continue;
		reconcile_send(p->r, &q, NULL, NULL);
		old--;
	}
}

struct totals {
	int64_t replicas, ready, available, updated;
};

static void set_conditions(struct plan *p, struct doc *object, const struct totals *t)
{
	struct arena *a = &p->r->arena;
	int64_t now = controllers_wall_ns(p->r->c), want = p->rollout.replicas;
	bool enough = t->available >= want - p->rollout.unavailable;
	bool complete = t->updated == want && t->replicas == want && t->available == want;
	const char *fresh = p->fresh ? p->fresh->w.meta.name : "";

	kube_set_condition(a, object, "Available", enough ? "True" : "False",
			   enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
			   enough ? "Deployment has minimum availability."
				  : "Deployment does not have minimum availability.",
			   now);
	kube_set_condition(
		a, object, "Progressing", "True",
		complete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
		arena_printf(a, "ReplicaSet \"%s\" %s.", fresh,
			     complete ? "has successfully progressed" : "is progressing"),
		now);
}

/* The last time anything moved: of the Progressing condition's update. */
static bool past_deadline(const struct plan *p, const struct doc *object, uint64_t *ret_wait_ns)
{
	int64_t limit = doc_find_int(p->doc, "spec.progressDeadlineSeconds", 600), since = 0, until;
	const struct doc *conditions = doc_find(object, "status.conditions");

	*ret_wait_ns = 0;
	for (size_t i = 0; i < doc_len(conditions); i++) {
		const struct doc *it = doc_at(conditions, i);

		if (str_eq(doc_str(doc_get(it, "type")), "Progressing"))
			clock_parse_rfc3339(str_or_empty(doc_str(doc_get(it, "lastUpdateTime"))),
					    &since);
	}
	if (!since || limit <= 0)
		return false;
	until = since + limit * (int64_t)NS_PER_S;
	if (controllers_wall_ns(p->r->c) >= until)
		return true;
	*ret_wait_ns = (uint64_t)(until - controllers_wall_ns(p->r->c));
	return false;
}

static struct doc *progressing(struct doc *object)
{
	const struct doc *conditions = doc_find(object, "status.conditions");

	for (size_t i = 0; i < doc_len(conditions); i++)
		if (str_eq(doc_str(doc_get(doc_at(conditions, i), "type")), "Progressing"))
			return doc_at(conditions, i);
	return NULL;
}

static void check_progress(struct plan *p, struct doc *object, bool moved, bool complete)
{
	struct arena *a = &p->r->arena;
	char now[CLOCK_RFC3339_SIZE];
	uint64_t wait;

	clock_rfc3339(controllers_wall_ns(p->r->c), 0, now);
	if (moved) {
		doc_set_string(a, progressing(object), "lastUpdateTime", now);
		return;
	}
	if (complete || p->w.paused)
		return;
	if (past_deadline(p, object, &wait))
		kube_set_condition(a, object, "Progressing", "False", "ProgressDeadlineExceeded",
				   arena_printf(a, "ReplicaSet \"%s\" has timed out progressing.",
						p->fresh ? p->fresh->w.meta.name : ""),
				   controllers_wall_ns(p->r->c));
	else if (wait)
		reconcile_again(p->r, wait);
}

static struct totals count(const struct plan *p)
{
	struct totals t = {0};

	vec_foreach (&p->sets, s) {
		t.replicas += s->w.status_replicas;
		t.ready += s->w.ready_replicas;
		t.available += s->w.available_replicas;
	}
	t.updated = p->fresh ? p->fresh->w.status_replicas : 0;
	return t;
}

static void put_status(struct plan *p)
{
	struct arena *a = &p->r->arena;
	struct doc *object = doc_clone(a, p->doc), *status = doc_set_map(a, object, "status");
	const struct doc *before = doc_get(p->doc, "status");
	struct totals t = count(p);
	bool moved = t.replicas != doc_find_int(before, "replicas", 0) ||
		     t.available != doc_find_int(before, "availableReplicas", 0) ||
		     t.updated != doc_find_int(before, "updatedReplicas", 0) ||
		     p->w.observed_generation != p->w.meta.generation;
	bool complete = t.updated == p->rollout.replicas && t.replicas == t.updated &&
			t.available == t.updated;

	doc_set_int(a, status, "observedGeneration", p->w.meta.generation);
	doc_set_int(a, status, "replicas", t.replicas);
	doc_set_int(a, status, "updatedReplicas", t.updated);
	doc_set_int(a, status, "readyReplicas", t.ready);
	doc_set_int(a, status, "availableReplicas", t.available);
	doc_set_int(a, status, "unavailableReplicas", MAX(p->rollout.replicas - t.available, 0));
	set_conditions(p, object, &t);
	check_progress(p, object, moved, complete);
	if (!doc_equal(status, before))
		reconcile_put_status(p->r, object_kind(KIND_DEPLOYMENT), object);
}

int deployment_work(struct reconcile *r)
{
	struct plan p = {.r = r, .doc = watched_self(r, WATCHED_DEPLOYMENT)};
	int code;

	if (!p.doc || kube_deleting(p.doc))
		return 0;
	code = workload_decode(&r->arena, p.doc, &p.w, NULL);
	if (code || !p.w.template)
		return 0; /* not ours to judge; a change brings it back */
	p.hash = template_hash(&r->arena, p.w.template);
	code = collect_sets(&p);
	if (code == 0) {
		make_rollout(&p);
		if (!p.fresh && !p.w.paused) {
			create_set(&p);
		} else if (!p.fresh || !renumber(&p)) {
			rollout_plan(&p.rollout);
			resize(&p);
			drop_history(&p);
			put_status(&p);
		}
	}
	vec_release(&p.sets);
	return code;
}
