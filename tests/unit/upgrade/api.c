/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/api.h"

#include <string.h>

#include "lib/base/io.h"
#include "tests/support/test.h"

#define must(call, err)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, (err).msg);                                      \
	} while (0)

static void start_server(struct api *w)
{
	const struct apiserver_options options = {.no_garbage_collection = true,
						  .allow_faults = true};
	struct error err = ERROR_INIT;
	uint16_t port;

	must(apiserver_new(w->loop, &options, &w->server, &err), err);
	must(apiserver_listen(w->server, "127.0.0.1", 0, &port, &err), err);
	w->url = arena_printf(&w->arena, "https://127.0.0.1:%u", port);
}

struct cluster api_cluster(struct api *w, const char *manager)
{
	const char *path = arena_printf(&w->arena, "%s/kubeconfig", w->dir);
	struct kube_config_options where = {.kubeconfig = path};
	struct kube_client_options options = {.field_manager = manager};
	struct kube_config config;
	struct error err = ERROR_INIT;

	must(apiserver_write_kubeconfig(w->server, manager, "system:masters", w->url, path, &err),
	     err);
	must(kube_config_load(&w->arena, &where, &config, &err), err);
	return (struct cluster){.loop = w->loop,
				.client = kube_client_new(w->loop, &config, &options),
				.clock = &w->clock.clock,
				.fake = &w->clock};
}

void api_new(struct api *w)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");
	auto_release(strbuf) struct strbuf crds = STRBUF_INIT;
	struct error err = ERROR_INIT;

	*w = (struct api){.dir = "/tmp/sidestep-config-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	fake_clock_init(&w->clock, clock_wall_ns(clock_system()));
	w->loop = loop_new(&w->clock.clock);
	start_server(w);
	w->cluster = api_cluster(w, "somebody");
	must(io_read_file(
		     arena_printf(&w->arena, "%s/deploy/crds/sidestep.yaml", source ? source : "."),
		     1 << 20, &crds, &err),
	     err);
	api_apply(w, strbuf_cstr(&crds));
}

void api_free(struct api *w)
{
	kube_client_free(w->cluster.client);
	apiserver_free(w->server);
	loop_free(w->loop);
	io_remove_tree(w->dir, NULL);
	arena_release(&w->arena);
}

struct doc *api_yaml(struct api *w, const char *yaml)
{
	struct error err = ERROR_INIT;
	struct doc_stream docs;

	must(doc_read_yaml(&w->arena, yaml, strlen(yaml), "test", &docs, &err), err);
	return docs.n ? docs.docs[0] : NULL;
}

void api_apply(struct api *w, const char *yaml)
{
	struct error err = ERROR_INIT;
	struct doc_stream docs;

	must(doc_read_yaml(&w->arena, yaml, strlen(yaml), "test", &docs, &err), err);
	for (size_t i = 0; i < docs.n; i++)
		if (object_kind_of(docs.docs[i]))
			must(kube_put(w->cluster.client, &w->arena, object_kind_of(docs.docs[i]),
				      docs.docs[i], NULL, &err),
			     err);
}

struct doc *api_get(struct api *w, const char *api_version, const char *kind, const char *ns,
		    const char *name)
{
	const struct object_kind *k = object_kind_find(api_version, kind);
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	assert_non_null(k);
	must(cluster_get(&w->cluster, &w->arena, k, ns, name, &d, &err), err);
	return d;
}

void api_patch(struct api *w, enum object_kind_id kind, const char *ns, const char *name,
	       const char *subresource, const char *json)
{
	struct error err = ERROR_INIT;
	struct doc *patch;

	must(doc_read_json(&w->arena, json, strlen(json), NULL, &patch, &err), err);
	must(kube_patch(w->cluster.client, &w->arena, object_kind(kind), ns, name, subresource,
			KUBE_PATCH_MERGE, patch, NULL, &err),
	     err);
}

void api_remove(struct api *w, enum object_kind_id kind, const char *ns, const char *name)
{
	struct error err = ERROR_INIT;

	must(kube_delete(w->cluster.client, object_kind(kind), ns, name, &err), err);
}

void api_faults(struct api *w, const char *yaml)
{
	struct error err = ERROR_INIT;

	must(apiserver_set_faults(w->server, yaml ? api_yaml(w, yaml) : NULL, &err), err);
}
