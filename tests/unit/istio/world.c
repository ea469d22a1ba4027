/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/istio/world.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	snapshot_init(&w->snapshot, &w->arena);
}

static void add_stream(struct world *w, const struct doc_stream *stream, const char *ns)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < stream->n; i++) {
		struct doc *d = stream->docs[i];

		if (d->kind == DOC_NULL)
			continue;
		if (ns && doc_get(d, "metadata") && !doc_find(d, "metadata.namespace"))
			doc_set_string(&w->arena, doc_get(d, "metadata"), "namespace", ns);
		if (snapshot_add(&w->snapshot, d, &err) < 0)
			fail_msg("%s", err.msg);
	}
}

void world_add(struct world *w, const char *yaml, const char *ns)
{
	struct doc_stream stream;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&w->arena, yaml, strlen(yaml), "test", &stream, &err) < 0)
		fail_msg("%s", err.msg);
	add_stream(w, &stream, ns);
}

void world_add_path(struct world *w, const char *path, const char *ns)
{
	struct doc_stream stream;
	struct error err = ERROR_INIT;

	if (!str_ends(path, ".yaml") && !str_ends(path, ".json")) {
		if (snapshot_read(&w->snapshot, path, &err) < 0)
			fail_msg("%s", err.msg);
		return;
	}
	if (doc_read_file(&w->arena, path, &stream, &err) < 0)
		fail_msg("%s", err.msg);
	add_stream(w, &stream, ns);
}

void world_ready(struct world *w)
{
	istio_mesh_load(&w->mesh, &w->arena, &w->snapshot);
}

void world_release(struct world *w)
{
	snapshot_release(&w->snapshot);
	arena_release(&w->arena);
}

const char *corpus_path(struct arena *a, const char *name)
{
	const char *shared = getenv("SIDESTEP_SHARED"), *source = getenv("SIDESTEP_SOURCE_DIR");
	const char *path;

	if (shared)
		path = arena_printf(a, "%s/corpus/istio/%s", shared, name);
	else
		path = arena_printf(a, "%s/../shared/corpus/istio/%s", source ? source : ".", name);
	return io_exists(path) ? path : NULL;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct strmap_pair *)a)->key, ((const struct strmap_pair *)b)->key);
}

struct strmap labels_of(struct arena *a, const char *text)
{
	struct strmap m = {.items = arena_array(a, strlen(text) + 1, struct strmap_pair)};
	char *copy = arena_strdup(a, text), *save = NULL;

	for (char *pair = strtok_r(copy, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(pair, '=');

		*eq = '\0';
		m.items[m.n].key = pair;
		m.items[m.n++].value = eq + 1;
	}
	qsort(m.items, m.n, sizeof(m.items[0]), by_key);
	return m;
}
