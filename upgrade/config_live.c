/* SPDX-License-Identifier: Apache-2.0 */
/* What is there, of what the manifests name: one GET each, for which the right to get suffices. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "upgrade/config.h"
#include "upgrade/config_kind.h"

struct reader {
	struct config_scene *scene;
	struct config_kinds kinds;
	struct map seen; /* what was asked for */
};

/* Where a server would put it. */
static void place(struct config_scene *s, struct doc *object, const struct object_kind *k)
{
	struct doc *meta = doc_get(object, "metadata");
	const char *ns = s->desired.default_namespace;

	if (!k->namespaced)
		doc_del(meta, "namespace");
	else if (!doc_get(meta, "namespace"))
		doc_set_string(&s->arena, meta, "namespace", ns ? ns : "default");
}

int config_live_place(struct config_scene *s, struct cluster *c, struct error *err)
{
	struct config_kinds kinds = {.arena = &s->arena, .cluster = c, .coming = &s->desired};
	int code = 0;

	for (size_t i = 0; !code && i < s->desired.n; i++) {
		const struct object_kind *k = NULL;

		code = config_kind_find(&kinds, s->desired.items[i], &k, err);
		if (!code && k)
			place(s, s->desired.items[i], k);
	}
	return code;
}

static int read_one(struct reader *r, struct doc *object, struct error *err)
{
	const struct object_kind *k;
	struct arena *a = &r->scene->arena;
	struct doc *meta = doc_get(object, "metadata"), *found;
	const char *name = doc_str(doc_get(meta, "name"));
	int code = config_kind_find(&r->kinds, object, &k, err);

	/* No such kind there, so no such object: a CRD that is yet to be applied, maybe. */
	if (code || !k || !name)
		return code;
	place(r->scene, object, k);
	if (map_set(&r->seen,
		    arena_printf(a, "%s/%s/%s/%s", k->group, k->kind,
				 str_or_empty(doc_str(doc_get(meta, "namespace"))), name),
		    object))
		return 0;
	code = cluster_get(r->kinds.cluster, a, k, doc_str(doc_get(meta, "namespace")), name,
			   &found, err);
	return code || !found ? code : snapshot_add(&r->scene->live, found, err);
}

static int read_all(struct reader *r, const struct snapshot *set, struct error *err)
{
	int code = 0;

	for (size_t i = 0; !code && i < set->n; i++)
		code = read_one(r, set->items[i], err);
	return code;
}

int config_live_read(struct config_scene *s, struct cluster *c, struct error *err)
{
	struct reader r = {.scene = s,
			   .kinds = {.arena = &s->arena, .cluster = c, .coming = &s->desired}};
	int code = read_all(&r, &s->desired, err);

	if (!code)
		code = read_all(&r, &s->applied, err);
	map_release(&r.seen);
	return code;
}
