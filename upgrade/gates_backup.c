/* SPDX-License-Identifier: Apache-2.0 */
/* U3: what is saved of a mesh before it is changed, and that it reads back. */
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "lib/object/snapshot.h"
#include "upgrade/gates_internal.h"

static bool is_saved(const struct upgrade *u, const struct doc *d)
{
	const char *ns = doc_find_str(d, "metadata.namespace");
	const char *name = str_or_empty(doc_find_str(d, "metadata.name"));

	if (object_is(d, object_kind(KIND_CUSTOM_RESOURCE_DEFINITION)))
		return str_ends(name, ".sidestep.dev") || str_ends(name, ".cilium.io");
	if (object_is(d, object_kind(KIND_DAEMON_SET)))
		return str_eq(ns, u->namespace) && str_eq(name, u->daemonset);
	if (object_is(d, object_kind(KIND_CONTROLLER_REVISION)))
		return str_eq(ns, u->namespace) &&
		       str_eq(doc_find_str(kube_controller(d), "name"), u->daemonset);
	if (object_is(d, object_kind(KIND_CONFIG_MAP)))
		return str_eq(ns, u->namespace) && str_starts(name, u->daemonset);
	return true;
}

static int list_saved(struct upgrade *u, struct snapshot *s, struct error *err)
{
	static const enum object_kind_id kinds[] = {
		KIND_DAEMON_SET,
		KIND_CONTROLLER_REVISION,
		KIND_CONFIG_MAP,
		KIND_CUSTOM_RESOURCE_DEFINITION,
		KIND_CILIUM_NETWORK_POLICY,
		KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY,
		KIND_CILIUM_IDENTITY,
		KIND_CILIUM_ENVOY_CONFIG,
		KIND_CILIUM_CLUSTERWIDE_ENVOY_CONFIG,
		KIND_SIDESTEP_REQUEST,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;
		int r = cluster_list(u->cluster, s->arena, object_kind(kinds[i]), NULL, &list, err);

		if (r)
			return r;
		doc_foreach_item (list, d) {
			r = is_saved(u, d) ? snapshot_add(s, d, err) : 0;
			if (r)
				return r;
		}
	}
	return 0;
}

/* The first object of x that y has not, or has otherwise; NULL: all are equal. */
static const char *difference(struct arena *a, const struct snapshot *x, const struct snapshot *y)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct doc *d = x->items[i], *other;
		const struct object_kind *k = object_kind_of(d);
		char mine[OBJECT_DIGEST_SIZE], its[OBJECT_DIGEST_SIZE];

		other = k ? snapshot_find(y, k, kube_namespace(d), kube_name(d)) : NULL;
		if (!other || !str_eq(object_digest(d, mine), object_digest(other, its)))
			return arena_printf(a, "%s %s", str_or_empty(doc_find_str(d, "kind")),
					    kube_name(d));
	}
	return NULL;
}

static void note_backup(struct asking *q, const char *path, const struct snapshot *s)
{
	struct arena *a = q->out->arena;
	struct doc *list = doc_list(a);
	char digest[OBJECT_DIGEST_SIZE];

	for (size_t i = 0; i < s->n; i++)
		doc_append(a, list, doc_string(a, object_digest(s->items[i], digest)));
	q->out->evidence = doc_map(a);
	doc_set_string(a, q->out->evidence, "file", path);
	doc_set_int(a, q->out->evidence, "objects", (int64_t)s->n);
	doc_set_string(a, q->out->evidence, "digest", object_digest_exact(list, digest));
}

/* Written, on the disk, read back, equal; and the cluster still looks so. */
static int save(struct asking *q, struct snapshot *live, struct snapshot *read,
		struct snapshot *again, struct error *err)
{
	struct arena *a = q->out->arena;
	const char *path = arena_printf(a, "%s/backup.json", q->u->folder), *wrong;
	int r = list_saved(q->u, live, err);

	if (!r)
		r = snapshot_write(live, path, err);
	if (!r)
		r = snapshot_read(read, path, err);
	if (!r)
		r = list_saved(q->u, again, err);
	if (r)
		return r;
	wrong = difference(a, live, read);
	asking_say(q, ASK_DISK,
		   wrong ? arena_printf(a, "%s does not read back as it was written", wrong) : NULL,
		   arena_printf(a, "%s: %zu objects, read back and parsed", path, read->n));
	wrong = difference(a, again, read);
	asking_say(q, ASK_KUBERNETES,
		   wrong ? arena_printf(a, "%s has changed meanwhile", wrong) : NULL,
		   "the objects are those of the backup");
	note_backup(q, path, read);
	return 0;
}

GATE_SAMPLE(backup)
{
	struct snapshot live, read, again;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_backup, err);

	if (r)
		return r;
	snapshot_init(&live, out->arena);
	snapshot_init(&read, out->arena);
	snapshot_init(&again, out->arena);
	r = save(&q, &live, &read, &again, err);
	snapshot_release(&live);
	snapshot_release(&read);
	snapshot_release(&again);
	return r;
}
