/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests into the cluster, as an ordinary client. */
#include "deploy/lab/apply.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

static int apply_object(struct kube_client *client, struct arena *a, const struct doc *object,
			struct error *err)
{
	const char *api = doc_str(doc_get(object, "apiVersion"));
	const char *kind_name = doc_str(doc_get(object, "kind"));
	const struct object_kind *kind;
	int r;

	kind = object_kind_find(str_or_empty(api), str_or_empty(kind_name));
	if (!kind)
		return error_set(err, -EINVAL, "%s: unknown kind %s of %s", doc_where(a, object),
				 str_or_empty(kind_name), str_or_empty(api));
	r = kube_put(client, a, kind, object, NULL, err);
	return r < 0 ? error_wrap(err, r, "%s", doc_where(a, object)) : 0;
}

static int apply_file(struct kube_client *client, const char *path, size_t *n, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc_stream docs;
	int r = doc_read_file(&a, path, &docs, err);

	for (size_t i = 0; !r && i < docs.n; i++) {
		if (docs.docs[i]->kind == DOC_NULL)
			continue;
		r = apply_object(client, &a, docs.docs[i], err);
		++*n;
	}
	arena_release(&a);
	return r;
}

static int is_yaml(const struct dirent *d)
{
	return str_ends(d->d_name, ".yaml") || str_ends(d->d_name, ".yml");
}

static int apply_folder(struct kube_client *client, const char *path, size_t *n, struct error *err)
{
	struct dirent **list = NULL;
	int count = scandir(path, &list, is_yaml, alphasort);
	int r = count < 0 ? error_errno(err, -errno, "read folder %s", path) : 0;

	for (int i = 0; i < count; i++) {
		auto_free char *file = xasprintf("%s/%s", path, list[i]->d_name);

		if (!r)
			r = apply_file(client, file, n, err);
		free(list[i]);
	}
	free(list);
	return r;
}

int lab_apply_path(struct kube_client *client, const char *path, size_t *ret_n, struct error *err)
{
	struct stat st;
	size_t n = 0;
	int r;

	if (stat(path, &st) < 0)
		return error_errno(err, -errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		r = apply_folder(client, path, &n, err);
	else
		r = apply_file(client, path, &n, err);
	if (!r && ret_n)
		*ret_n = n;
	return r;
}
