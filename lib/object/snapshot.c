/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's objects in one file, and found again. */
#include "lib/object/snapshot.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"

void snapshot_init(struct snapshot *s, struct arena *a)
{
	memset(s, 0, sizeof(*s));
	s->arena = a;
}

void snapshot_release(struct snapshot *s)
{
	vec_release(s);
}

/* A manifest may leave its namespace out; where nothing else is said that is kubectl's "default".
 */
static void give_namespace(struct snapshot *s, struct doc *object)
{
	const struct object_kind *k = object_kind_of(object);
	struct doc *meta = doc_get(object, "metadata"), *said = doc_get(meta, "namespace");

	if (k && k->namespaced && meta && meta->kind == DOC_MAP &&
	    (!said || said->kind == DOC_NULL))
		doc_set_string(s->arena, meta, "namespace",
			       s->default_namespace ? s->default_namespace : "default");
}

int snapshot_add(struct snapshot *s, struct doc *object, struct error *err)
{
	const char *kind = doc_find_str(object, "kind");
	const struct doc *items = doc_get(object, "items");
	int r;

	if (!object || object->kind == DOC_NULL)
		return 0;
	if (!kind || !doc_find_str(object, "apiVersion"))
		return error_set(err, -EINVAL, "%s: not an object: apiVersion or kind is missing",
				 doc_where(s->arena, object));
	if (items && (str_ends(kind, "List") || str_eq(kind, "SidestepSnapshot"))) {
		if (items->kind != DOC_LIST && items->kind != DOC_NULL)
			return error_set(err, -EINVAL, "%s: items: want a list, got %s",
					 doc_where(s->arena, items), doc_kind_name(items->kind));
		doc_foreach_item (items, it) {
			r = snapshot_add(s, it, err);
			if (r < 0)
				return r;
		}
		return 0;
	}
	if (s->n >= SNAPSHOT_MAX_OBJECTS)
		return error_set(err, -E2BIG, "more than %u objects", SNAPSHOT_MAX_OBJECTS);
	give_namespace(s, object);
	vec_push(s, object);
	return 0;
}

static int read_one(struct snapshot *s, const char *path, struct error *err)
{
	struct doc_stream stream;
	int r = doc_read_file(s->arena, path, &stream, err);

	for (size_t i = 0; r >= 0 && i < stream.n; i++)
		r = snapshot_add(s, stream.docs[i], err);
	return r < 0 ? r : 0;
}

static int is_manifest(const struct dirent *e)
{
	return e->d_name[0] != '.' && (str_ends(e->d_name, ".yaml") ||
				       str_ends(e->d_name, ".yml") || str_ends(e->d_name, ".json"));
}

int snapshot_read(struct snapshot *s, const char *path, struct error *err)
{
	struct dirent **names;
	struct stat st;
	int n, r = 0;

	if (str_eq(path, "-") || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return read_one(s, path, err);
	n = scandir(path, &names, is_manifest, alphasort);
	if (n < 0)
		return error_errno(err, -errno, "%s", path);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = read_one(s, arena_printf(s->arena, "%s/%s", path, names[i]->d_name),
				     err);
		free(names[i]);
	}
	free(names);
	return r;
}

static void add_namespace(struct snapshot *s, const char *name)
{
	struct doc *d = doc_map(s->arena), *meta;

	doc_set_string(s->arena, d, "apiVersion", "v1");
	doc_set_string(s->arena, d, "kind", "Namespace");
	meta = doc_set_map(s->arena, d, "metadata");
	doc_set_string(s->arena, meta, "name", name);
	doc_set_string(s->arena, doc_set_map(s->arena, meta, "labels"), SNAPSHOT_ASSUMED, "true");
	vec_push(s, d);
}

void snapshot_complete(struct snapshot *s)
{
	const struct object_kind *namespaces = object_kind(KIND_NAMESPACE);
	const char *last = NULL;

	for (size_t i = 0, n = s->n; i < n; i++) {
		const struct object_kind *k = object_kind_of(s->items[i]);
		const char *ns = doc_find_str(s->items[i], "metadata.namespace");

		if (k && k->namespaced && ns && !str_eq(ns, last) &&
		    !snapshot_find(s, namespaces, NULL, ns))
			add_namespace(s, ns);
		last = ns;
	}
}

static int cmp_objects(const void *pa, const void *pb)
{
	static const char *const keys[] = {"apiVersion", "kind", "metadata.namespace",
					   "metadata.name"};
	const struct doc *a = *(struct doc *const *)pa, *b = *(struct doc *const *)pb;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int c = str_cmp(doc_find_str(a, keys[i]), doc_find_str(b, keys[i]));

		if (c)
			return c;
	}
	return 0;
}

/* A Secret without its values, anything else as it is; never with managedFields. */
static struct doc *redact(struct arena *a, const struct doc *object)
{
	static const char *const parts[] = {"data", "stringData"};
	struct doc *d = doc_clone(a, object);

	doc_del(doc_get(d, "metadata"), "managedFields");
	if (!str_eq(doc_find_str(d, "kind"), "Secret"))
		return d;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		doc_foreach_entry (doc_get(d, parts[i]), e)
			e->value = doc_string(a, "");
	}
	if (doc_find(d, "metadata.annotations"))
		doc_del(doc_find(d, "metadata.annotations"),
			"kubectl.kubernetes.io/last-applied-configuration");
	return d;
}

int snapshot_write(const struct snapshot *s, const char *path, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *top = doc_map(&a), *items;
	struct strbuf sb = STRBUF_INIT;
	struct doc **sorted = arena_array(&a, s->n + 1, struct doc *);
	int r;

	for (size_t i = 0; i < s->n; i++)
		sorted[i] = s->items[i];
	qsort(sorted, s->n, sizeof(*sorted), cmp_objects);
	doc_set_string(&a, top, "apiVersion", "sidestep.dev/v1alpha1");
	doc_set_string(&a, top, "kind", "SidestepSnapshot");
	items = doc_set_list(&a, top, "items");
	for (size_t i = 0; i < s->n; i++)
		doc_append(&a, items, redact(&a, sorted[i]));
	doc_write_json(top, DOC_PRETTY, &sb);
	strbuf_addf(&sb, "\n");
	r = io_write_file_atomic(path, sb.buf, sb.len, 0600, err);
	strbuf_release(&sb);
	arena_release(&a);
	return r;
}

const struct object_kind *object_kind_of(const struct doc *d)
{
	return object_kind_find(doc_str(doc_get(d, "apiVersion")), doc_str(doc_get(d, "kind")));
}

bool object_is(const struct doc *d, const struct object_kind *k)
{
	const char *api = doc_str(doc_get(d, "apiVersion"));
	const char *slash = api ? strchr(api, '/') : NULL;
	size_t n = slash ? (size_t)(slash - api) : 0;

	return api && str_eq(doc_str(doc_get(d, "kind")), k->kind) && strlen(k->group) == n &&
	       strncmp(api, k->group, n) == 0;
}

struct doc *snapshot_find(const struct snapshot *s, const struct object_kind *k,
			  const char *namespace, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		struct doc *d = s->items[i];
		const char *ns = doc_find_str(d, "metadata.namespace");

		if (!object_is(d, k) || !str_eq(doc_find_str(d, "metadata.name"), name))
			continue;
		if (!k->namespaced ||
		    str_eq(ns ? ns : "default", namespace ? namespace : "default"))
			return d;
	}
	return NULL;
}
