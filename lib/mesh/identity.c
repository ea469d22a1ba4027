/* SPDX-License-Identifier: Apache-2.0 */
/* Label sets and their numbers. */
#include "lib/mesh/identity.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

static const struct {
	uint32_t id;
	const char *name, *label;
} reserved[] = {
#define X(number, symbol, name) {number, name, "reserved:" name},
	FOREACH_RESERVED_IDENTITY(X)
#undef X
};

const char *mesh_reserved_name(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (reserved[i].id == id)
			return reserved[i].name;
	}
	return NULL;
}

uint32_t mesh_reserved_id(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (str_eq(reserved[i].name, name))
			return reserved[i].id;
	}
	return 0;
}

/* Whole keys that never take part. */
static const char *const irrelevant_keys[] = {"pod-template-hash",
					      "pod-template-generation",
					      "controller-revision-hash",
					      "statefulset.kubernetes.io/pod-name",
					      "apps.kubernetes.io/pod-index",
					      "job-name",
					      "controller-uid",
					      "batch.kubernetes.io/job-name",
					      "batch.kubernetes.io/controller-uid",
					      "batch.kubernetes.io/job-completion-index",
					      "istio-injection"};

bool mesh_label_is_relevant(const char *key)
{
	const char *slash = strchr(key, '/');
	size_t n = slash ? (size_t)(slash - key) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(irrelevant_keys); i++) {
		if (str_eq(irrelevant_keys[i], key))
			return false;
	}
	/* Ours say how far a migration is. */
	if (n == 12 && strncmp(key, "sidestep.dev", n) == 0)
		return false;
	/* istio.io/rev, sidecar.istio.io/inject, security.istio.io/tlsMode ... */
	if (n >= 8 && strncmp(key + n - 8, "istio.io", 8) == 0 && (n == 8 || key[n - 9] == '.'))
		return false;
	return true;
}

static int cmp_pair(const void *a, const void *b)
{
	return strcmp(((const struct strmap_pair *)a)->key, ((const struct strmap_pair *)b)->key);
}

static void add_label(struct strmap *m, const char *key, const char *value)
{
	m->items[m->n++] = (struct strmap_pair){key, str_or_empty(value)};
}

static void add_all(struct arena *a, struct strmap *m, const char *prefix,
		    const struct strmap *from, bool every)
{
	for (size_t i = 0; from && i < from->n; i++) {
		if (every || mesh_label_is_relevant(from->items[i].key))
			add_label(m, arena_printf(a, "%s%s", prefix, from->items[i].key),
				  from->items[i].value);
	}
}

static struct strmap collect(struct arena *a, const struct strmap *pod_labels,
			     const char *namespace, const struct strmap *namespace_labels,
			     const char *service_account, bool every)
{
	size_t room =
		3 + (pod_labels ? pod_labels->n : 0) + (namespace_labels ? namespace_labels->n : 0);
	struct strmap m = {arena_array(a, room, struct strmap_pair), 0};

	add_all(a, &m, "k8s:", pod_labels, every);
	add_all(a, &m, MESH_LABEL_NAMESPACE_LABELS, namespace_labels, every);
	add_label(&m, MESH_LABEL_NAMESPACE, namespace);
	add_label(&m, MESH_LABEL_SERVICE_ACCOUNT, service_account);
	add_label(&m, MESH_LABEL_CLUSTER, "default");
	qsort(m.items, m.n, sizeof(*m.items), cmp_pair);
	return m;
}

struct strmap mesh_workload_labels(struct arena *a, const struct strmap *pod_labels,
				   const char *namespace, const struct strmap *namespace_labels,
				   const char *service_account)
{
	return collect(a, pod_labels, namespace, namespace_labels, service_account, false);
}

struct strmap mesh_pod_all_labels(struct arena *a, const struct pod *pod,
				  const struct namespace_object *ns)
{
	return collect(a, &pod->meta.labels, pod->meta.namespace, ns ? &ns->meta.labels : NULL,
		       pod_service_account(pod), true);
}

struct strmap mesh_pod_labels(struct arena *a, const struct pod *pod,
			      const struct namespace_object *ns)
{
	return mesh_workload_labels(a, &pod->meta.labels, pod->meta.namespace,
				    ns ? &ns->meta.labels : NULL, pod_service_account(pod));
}

bool mesh_labels_equal(const struct strmap *a, const struct strmap *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!str_eq(a->items[i].key, b->items[i].key) ||
		    !str_eq(str_or_empty(a->items[i].value), str_or_empty(b->items[i].value)))
			return false;
	}
	return true;
}

const char *mesh_labels_key(struct arena *a, const struct strmap *labels)
{
	struct strbuf sb = STRBUF_INIT;
	const char *key;

	for (size_t i = 0; i < labels->n; i++)
		strbuf_addf(&sb, "%s%s=%s", i ? ";" : "", labels->items[i].key,
			    str_or_empty(labels->items[i].value));
	key = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return key;
}

uint32_t mesh_identity_candidate(const struct strmap *labels, unsigned attempt)
{
	const uint32_t room = IDENTITY_LAST_POD - IDENTITY_FIRST_POD + 1;
	uint64_t h = STR_HASH_SEED;

	for (size_t i = 0; i < labels->n; i++) {
		const char *value = str_or_empty(labels->items[i].value);

		/* The NUL bytes separate, so that no two sets run together. */
		h = str_hash(labels->items[i].key, strlen(labels->items[i].key) + 1, h);
		h = str_hash(value, strlen(value) + 1, h);
	}
	h ^= h >> 32;
	return IDENTITY_FIRST_POD + (uint32_t)(((h & 0xffffffff) + attempt) % room);
}

static int cmp_identity(const void *a, const void *b)
{
	uint32_t x = ((const struct mesh_identity *)a)->id;
	uint32_t y = ((const struct mesh_identity *)b)->id;

	return (x > y) - (x < y);
}

void mesh_identities_build(struct arena *a, const struct cilium_identity *objects, size_t n,
			   struct mesh_identities *ret)
{
	ret->items = arena_array(a, ARRAY_SIZE(reserved) + n, struct mesh_identity);
	ret->n = 0;
	for (size_t i = 1; i < ARRAY_SIZE(reserved); i++) {
		struct mesh_identity *id = &ret->items[ret->n++];

		id->id = reserved[i].id;
		id->labels.items = arena_array(a, 1, struct strmap_pair);
		add_label(&id->labels, reserved[i].label, "");
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t number;

		if (str_to_u64(str_or_empty(objects[i].meta.name), IDENTITY_FIRST_POD,
			       IDENTITY_LAST_POD, &number, "identity", NULL) < 0)
			continue;
		ret->items[ret->n++] =
			(struct mesh_identity){(uint32_t)number, objects[i].security_labels};
	}
	qsort(ret->items, ret->n, sizeof(*ret->items), cmp_identity);
}

const struct mesh_identity *mesh_identity_get(const struct mesh_identities *t, uint32_t id)
{
	struct mesh_identity key = {.id = id};

	return bsearch(&key, t->items, t->n, sizeof(*t->items), cmp_identity);
}

uint32_t mesh_identity_of(const struct mesh_identities *t, const struct strmap *labels)
{
	for (size_t i = 0; i < t->n; i++) {
		if (mesh_is_cluster_identity(t->items[i].id) &&
		    mesh_labels_equal(&t->items[i].labels, labels))
			return t->items[i].id;
	}
	return 0;
}
