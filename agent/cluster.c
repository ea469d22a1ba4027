/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cluster.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/object/cilium.h"

/* A node that hears late sends to pods that have gone: seldom asked again is no kindness. */
#define MAX_BACKOFF_NS (5 * NS_PER_S)

static const struct {
	enum object_kind_id kind;
	const struct bind_table *table; /* NULL: a policy */
	bool optional;
} rows[CLUSTER_KIND_COUNT] = {
#define X(symbol, kind_, table_, optional_) [CLUSTER_##symbol] = {kind_, table_, optional_},
	CLUSTER_KINDS(X)
#undef X
};

const struct object_kind *cluster_object_kind(enum cluster_kind k)
{
	return object_kind(rows[k].kind);
}

static bool same_request(const struct kube_object *old, const struct kube_object *now)
{
	const struct sidestep_request *x = old ? old->decoded : NULL,
				      *y = now ? now->decoded : NULL;

	return x && y && x->meta.generation && x->meta.generation == y->meta.generation &&
	       str_eq(x->meta.uid, y->meta.uid) &&
	       !x->meta.deletion_timestamp == !y->meta.deletion_timestamp;
}

static void on_change(void *arg, UNUSED enum kube_change change, const struct kube_object *old,
		      const struct kube_object *now)
{
	const struct cluster_source *s = arg;
	struct cluster *c = s->cluster;

	if (s->kind == CLUSTER_REQUESTS && same_request(old, now))
		c->answered(c->arg);
	else
		c->changed(c->arg);
}

static void on_synced(void *arg)
{
	const struct cluster_source *s = arg;

	s->cluster->changed(s->cluster->arg);
}

void cluster_start(struct cluster *c, struct kube_client *client, const struct log *log,
		   void (*changed)(void *arg), void (*answered)(void *arg), void *arg)
{
	const struct kube_informer_handlers handlers = {on_change, on_synced};

	c->changed = changed;
	c->answered = answered;
	c->arg = arg;
	for (int i = 0; i < CLUSTER_KIND_COUNT; i++) {
		struct kube_informer_options o = {.kind = object_kind(rows[i].kind),
						  .log = log,
						  .max_backoff_ns = MAX_BACKOFF_NS,
						  .table = rows[i].table,
						  .optional = rows[i].optional};

		c->sources[i] = (struct cluster_source){c, (enum cluster_kind)i};
		c->informers[i] = kube_informer_new(client, &o, &handlers, &c->sources[i]);
	}
}

void cluster_stop(struct cluster *c)
{
	for (int i = 0; i < CLUSTER_KIND_COUNT; i++) {
		if (c->informers[i])
			kube_informer_free(c->informers[i]);
		c->informers[i] = NULL;
	}
}

bool cluster_synced(const struct cluster *c)
{
	for (int i = 0; i < CLUSTER_KIND_COUNT; i++) {
		if (!c->informers[i] || !kube_informer_synced(c->informers[i]))
			return false;
	}
	return true;
}

/* The decoded objects of one kind side by side; *ret_n is how many. */
static void *take_all(const struct cluster *c, enum cluster_kind k, struct arena *a,
		      struct cluster_held *held, size_t *ret_n)
{
	size_t size = rows[k].table->size, n = 0;
	char *items = arena_alloc_array(a, kube_informer_count(c->informers[k]) + 1, size);

	kube_informer_foreach (c->informers[k], o) {
		if (!o->decoded)
			continue;
		memcpy(items + n++ * size, o->decoded, size);
		vec_push(&held->objects, kube_object_hold(o));
	}
	*ret_n = n;
	return items;
}

/* Policies are few, and the compiler writes its numbers into their rules: each round has its own.
 */
static void decode_policies(const struct cluster *c, struct arena *a, struct cluster_held *held,
			    struct mesh_input *ret)
{
	static const enum cluster_kind kinds[] = {CLUSTER_KNP, CLUSTER_CNP, CLUSTER_CCNP};
	size_t room = 1;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		room += kube_informer_count(c->informers[kinds[i]]);
	ret->policies = arena_array(a, room, struct mesh_policy);
	ret->n_policies = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		kube_informer_foreach (c->informers[kinds[i]], o) {
			if (mesh_policy_from_doc(a, o->doc, &ret->policies[ret->n_policies],
						 NULL) == 0) {
				ret->n_policies++;
				vec_push(&held->objects, kube_object_hold(o));
			}
		}
	}
}

void cluster_snapshot(const struct cluster *c, struct arena *a, struct cluster_held *held,
		      struct mesh_input *ret)
{
	struct mesh_identities *identities = arena_new(a, struct mesh_identities);
	struct cilium_identity *objects;
	size_t n;

	objects = take_all(c, CLUSTER_IDENTITIES, a, held, &n);
	mesh_identities_build(a, objects, n, identities);
	ret->identities = identities;
	ret->pods = take_all(c, CLUSTER_PODS, a, held, &ret->n_pods);
	ret->namespaces = take_all(c, CLUSTER_NAMESPACES, a, held, &ret->n_namespaces);
	ret->nodes = take_all(c, CLUSTER_NODES, a, held, &ret->n_nodes);
	ret->services = take_all(c, CLUSTER_SERVICES, a, held, &ret->n_services);
	ret->slices = take_all(c, CLUSTER_SLICES, a, held, &ret->n_slices);
	ret->requests = take_all(c, CLUSTER_REQUESTS, a, held, &ret->n_requests);
	decode_policies(c, a, held, ret);
}

void cluster_drop(struct cluster_held *held)
{
	vec_foreach (&held->objects, o)
		kube_object_drop(*o);
	vec_release(&held->objects);
}
