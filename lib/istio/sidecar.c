/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/sidecar.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/sidecar_internal.h"

struct doc *sidecar_yaml(struct arena *a, const char *yaml)
{
	struct doc_stream stream = {0};
	struct error err = ERROR_INIT;

	/* Only our own literals come here: the unit tests read every one of them. */
	if (doc_read_yaml(a, yaml, strlen(yaml), "template", &stream, &err) < 0 || stream.n != 1)
		return doc_map(a);
	return stream.docs[0];
}

const char *sidecar_namespace_of(const struct object_meta *meta)
{
	return meta->namespace ? meta->namespace : "default";
}

const char *sidecar_folder(struct arena *a, const char *name)
{
	char *out = arena_strdup(a, name);

	for (char *p = out; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-' && *p != '_')
			*p = '_';
	return out;
}

struct doc *sidecar_path_source(struct sidecar *s, const char *folder, const char *name)
{
	struct arena *a = s->arena;
	struct doc *source = doc_map(a);
	struct doc *path = doc_set_map(a, source, "path_config_source");

	doc_setf(a, path, "path", "%s/%s/%s.json", s->options->dir, folder, name);
	doc_setf(a, doc_set_map(a, path, "watched_directory"), "path", "%s/%s", s->options->dir,
		 folder);
	doc_set_string(a, source, "resource_api_version", "V3");
	/* Files are there before Envoy is: what is missing is not worth waiting for long. */
	doc_set_string(a, source, "initial_fetch_timeout", "2s");
	return source;
}

int istio_sidecar_parts(struct arena *a, const struct istio_mesh *m,
			const struct istio_workload *pod, const struct istio_sidecar_options *o,
			struct istio_sidecar_parts *ret, struct error *err)
{
	struct sidecar s = {
		.arena = a,
		.mesh = m,
		.pod = pod,
		.options = o,
		.parts = {doc_list(a), doc_list(a), doc_list(a), doc_list(a)},
	};

	if (!pod->pod || str_empty(pod->pod->pod_ip))
		return error_set(err, -EINVAL, "%s/%s has no address yet", pod->namespace,
				 pod->name);
	sidecar_outbound(&s);
	sidecar_fixed_clusters(&s);
	sidecar_inbound(&s);
	*ret = s.parts;
	return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

struct publishing {
	struct arena *arena;
	const struct istio_sidecar_options *options;
	struct istio_sidecar_files *files;
};

static void add_file(struct publishing *p, const char *path, struct doc *doc)
{
	struct istio_sidecar_files *f = p->files;

	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 32;
		struct istio_sidecar_file *items =
			arena_array(p->arena, cap, struct istio_sidecar_file);

		if (f->n)
			memcpy(items, f->items, f->n * sizeof(*items));
		f->items = items;
		f->cap = cap;
	}
	f->items[f->n].path = path;
	f->items[f->n++].doc = doc;
}

/* A DiscoveryResponse of these resources, each told its type. */
static void add_response(struct publishing *p, const char *path, const char *type,
			 struct doc *const *resources, size_t n)
{
	struct arena *a = p->arena;
	struct doc *response = doc_map(a), *list = doc_list(a);

	doc_set_string(a, response, "version_info", str_or_empty(p->options->version));
	for (size_t i = 0; i < n; i++) {
		struct doc *typed = doc_map(a);

		doc_set_string(a, typed, "@type", type);
		doc_foreach_entry (resources[i], e)
			doc_set(a, typed, e->key, e->value);
		doc_append(a, list, typed);
	}
	doc_set(a, response, "resources", list);
	add_file(p, path, response);
}

static void add_single(struct publishing *p, const char *folder, struct doc *resource,
		       const char *name_key, const char *type)
{
	const char *name = doc_str(doc_get(resource, name_key));

	add_response(p,
		     arena_printf(p->arena, "%s/%s/%s.json", folder,
				  sidecar_folder(p->arena, str_or_empty(name)), folder),
		     type, &resource, 1);
}

int istio_sidecar_render(struct arena *a, const struct istio_mesh *m,
			 const struct istio_workload *pod, const struct istio_sidecar_options *o,
			 struct istio_sidecar_files *ret, struct error *err)
{
	struct publishing p = {.arena = a, .options = o, .files = ret};
	struct istio_sidecar_parts parts;
	int r = istio_sidecar_parts(a, m, pod, o, &parts, err);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	doc_foreach_item (parts.endpoints, e)
		add_single(&p, "eds", e, "cluster_name",
			   ENVOY_TYPE "config.endpoint.v3.ClusterLoadAssignment");
	add_response(&p, "cds/cds.json", ENVOY_TYPE "config.cluster.v3.Cluster",
		     parts.clusters->list.items, parts.clusters->list.n);
	doc_foreach_item (parts.routes, rt)
		add_single(&p, "rds", rt, "name", ENVOY_TYPE "config.route.v3.RouteConfiguration");
	add_response(&p, "lds/lds.json", ENVOY_TYPE "config.listener.v3.Listener",
		     parts.listeners->list.items, parts.listeners->list.n);
	add_file(&p, "bootstrap.json", istio_sidecar_bootstrap(a, pod, o));
	return 0;
}

size_t istio_sidecar_watches(const struct istio_sidecar_files *f)
{
	return f->n > 0 ? f->n - 1 : 0; /* every file but the bootstrap is a subscription */
}
