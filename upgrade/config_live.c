/* SPDX-License-Identifier: Apache-2.0 */
/* What is there, of what the manifests name: one GET each, for which the right to get suffices. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"
#include "upgrade/config.h"

struct reader {
	struct config_scene *scene;
	struct kube_client *client;
	struct doc *known; /* the server's kinds; asked for when one is not in our table */
	struct map seen;   /* what was asked for */
};

/* The server's name for a kind, as its discovery has it. */
static const struct object_kind *kind_of_row(struct arena *a, const struct doc *row)
{
	struct object_kind *k = arena_new(a, struct object_kind);

	k->group = str_or_empty(doc_str(doc_get(row, "group")));
	k->version = str_or_empty(doc_str(doc_get(row, "version")));
	k->kind = str_or_empty(doc_str(doc_get(row, "kind")));
	k->plural = str_or_empty(doc_str(doc_get(row, "name")));
	k->namespaced = doc_bool_or(doc_get(row, "namespaced"), false);
	return k;
}

static int discovered(struct reader *r, const struct doc *object,
		      const struct object_kind **ret_kind, struct error *err)
{
	const char *api = doc_find_str(object, "apiVersion"), *slash = strchr(api, '/');
	const size_t n = slash ? (size_t)(slash - api) : 0;
	struct arena *a = &r->scene->arena;
	int code = r->known ? 0 : kube_discover(r->client, a, &r->known, err);

	if (code)
		return code;
	*ret_kind = NULL;
	doc_foreach_item (r->known, row) {
		const char *group = str_or_empty(doc_str(doc_get(row, "group")));

		if (str_eq(doc_str(doc_get(row, "kind")), doc_find_str(object, "kind")) &&
		    strlen(group) == n && strncmp(group, api, n) == 0 &&
		    !strchr(str_or_empty(doc_str(doc_get(row, "name"))), '/'))
			*ret_kind = kind_of_row(a, row);
	}
	return 0;
}

static int read_one(struct reader *r, struct doc *object, struct error *err)
{
	const struct object_kind *k = object_kind_of(object);
	struct arena *a = &r->scene->arena;
	struct doc *meta = doc_get(object, "metadata"), *found;
	const char *name = doc_str(doc_get(meta, "name"));
	int code = 0;

	if (!k)
		code = discovered(r, object, &k, err);
	/* No such kind there, so no such object: a CRD that is yet to be applied, maybe. */
	if (code || !k || !name)
		return code;
	if (!k->namespaced)
		doc_del(meta, "namespace");
	else if (!doc_get(meta, "namespace"))
		doc_set_string(a, meta, "namespace",
			       r->scene->desired.default_namespace
				       ? r->scene->desired.default_namespace
				       : "default");
	if (map_set(&r->seen,
		    arena_printf(a, "%s/%s/%s/%s", k->group, k->kind,
				 str_or_empty(doc_str(doc_get(meta, "namespace"))), name),
		    object))
		return 0;
	code = kube_get(r->client, a, k, k->namespaced ? doc_str(doc_get(meta, "namespace")) : NULL,
			name, &found, err);
	if (code == -ENOENT)
		return 0;
	return code ? code : snapshot_add(&r->scene->live, found, err);
}

static int read_all(struct reader *r, const struct snapshot *set, struct error *err)
{
	int code = 0;

	for (size_t i = 0; !code && i < set->n; i++)
		code = read_one(r, set->items[i], err);
	return code;
}

int config_live_read(struct config_scene *s, struct kube_client *client, struct error *err)
{
	struct reader r = {.scene = s, .client = client};
	int code = read_all(&r, &s->desired, err);

	if (!code)
		code = read_all(&r, &s->applied, err);
	map_release(&r.seen);
	return code;
}

int config_live_open(struct config_scene *s, const char *kubeconfig, const char *context,
		     struct error *err)
{
	struct kube_config_options where = {kubeconfig, context};
	struct kube_client_options options = {.field_manager = "sidestep-config"};
	struct kube_client *client;
	struct kube_config config;
	struct loop *loop;
	int code = kube_config_load(&s->arena, &where, &config, err);

	if (code)
		return code;
	loop = loop_new(NULL);
	client = kube_client_new(loop, &config, &options);
	code = config_live_read(s, client, err);
	kube_client_free(client);
	loop_free(loop);
	return code;
}
