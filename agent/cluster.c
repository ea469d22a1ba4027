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

static void on_change(void *arg, UNUSED enum kube_change change,
		      UNUSED const struct kube_object *old, UNUSED const struct kube_object *now)
{
	struct cluster *c = arg;

	c->changed(c->arg);
}

static void on_synced(void *arg)
{
	struct cluster *c = arg;

	c->changed(c->arg);
}

void cluster_start(struct cluster *c, struct kube_client *client, const struct log *log,
		   void (*changed)(void *arg), void *arg)
{
	const struct kube_informer_handlers handlers = {on_change, on_synced};

	c->changed = changed;
	c->arg = arg;
	for (int i = 0; i < CLUSTER_KIND_COUNT; i++) {
		struct kube_informer_options o = {.kind = object_kind(rows[i].kind),
						  .log = log,
						  .max_backoff_ns = MAX_BACKOFF_NS,
						  .optional = rows[i].optional};

		c->informers[i] = kube_informer_new(client, &o, &handlers, c);
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

/* Decodes all of one kind; *ret_n is what could be. */
static void *decode_all(const struct cluster *c, enum cluster_kind k, struct arena *a,
			const struct log *log, size_t *ret_n)
{
	const struct bind_table *t = rows[k].table;
	size_t room = kube_informer_count(c->informers[k]) + 1, n = 0;
	char *items = arena_alloc_array(a, room, t->size);

	kube_informer_foreach (c->informers[k], o) {
		struct error err = ERROR_INIT;

		if (object_decode(a, t, doc_clone(a, o->doc), items + n * t->size, &err) < 0)
			log_warn(log, "object left out: %s", err.msg);
		else
			n++;
	}
	*ret_n = n;
	return items;
}

static void decode_policies(const struct cluster *c, struct arena *a, struct mesh_input *ret)
{
	static const enum cluster_kind kinds[] = {CLUSTER_KNP, CLUSTER_CNP, CLUSTER_CCNP};
	size_t room = 1;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		room += kube_informer_count(c->informers[kinds[i]]);
	ret->policies = arena_array(a, room, struct mesh_policy);
	ret->n_policies = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		kube_informer_foreach (c->informers[kinds[i]], o) {
			if (mesh_policy_from_doc(a, doc_clone(a, o->doc),
						 &ret->policies[ret->n_policies], NULL) == 0)
				ret->n_policies++;
		}
	}
}

void cluster_snapshot(const struct cluster *c, struct arena *a, const struct log *log,
		      struct mesh_input *ret)
{
	struct mesh_identities *identities = arena_new(a, struct mesh_identities);
	struct cilium_identity *objects;
	size_t n;

	objects = decode_all(c, CLUSTER_IDENTITIES, a, log, &n);
	mesh_identities_build(a, objects, n, identities);
	ret->identities = identities;
	ret->pods = decode_all(c, CLUSTER_PODS, a, log, &ret->n_pods);
	ret->namespaces = decode_all(c, CLUSTER_NAMESPACES, a, log, &ret->n_namespaces);
	ret->nodes = decode_all(c, CLUSTER_NODES, a, log, &ret->n_nodes);
	ret->services = decode_all(c, CLUSTER_SERVICES, a, log, &ret->n_services);
	ret->slices = decode_all(c, CLUSTER_SLICES, a, log, &ret->n_slices);
	ret->requests = decode_all(c, CLUSTER_REQUESTS, a, log, &ret->n_requests);
	decode_policies(c, a, ret);
}
