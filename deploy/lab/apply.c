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

struct application {
	struct kube_client *client;
	bool (*edit)(void *arg, struct arena *a, struct doc *object);
	void *arg;
	size_t n;
};

static int apply_file(struct application *ap, const char *path, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc_stream docs;
	int r = doc_read_file(&a, path, &docs, err);

	for (size_t i = 0; !r && i < docs.n; i++) {
		if (docs.docs[i]->kind == DOC_NULL ||
		    (ap->edit && !ap->edit(ap->arg, &a, docs.docs[i])))
			continue;
		r = apply_object(ap->client, &a, docs.docs[i], err);
		ap->n++;
	}
	arena_release(&a);
	return r;
}

static int is_yaml(const struct dirent *d)
{
	return str_ends(d->d_name, ".yaml") || str_ends(d->d_name, ".yml");
}

static int apply_folder(struct application *ap, const char *path, struct error *err)
{
	struct dirent **list = NULL;
	int count = scandir(path, &list, is_yaml, alphasort);
	int r = count < 0 ? error_errno(err, -errno, "read folder %s", path) : 0;

	for (int i = 0; i < count; i++) {
		auto_free char *file = xasprintf("%s/%s", path, list[i]->d_name);

		if (!r)
			r = apply_file(ap, file, err);
		free(list[i]);
	}
	free(list);
	return r;
}

int lab_apply_edited(struct kube_client *client, const char *path,
		     bool (*edit)(void *arg, struct arena *a, struct doc *object), void *arg,
		     size_t *ret_n, struct error *err)
{
	struct application ap = {.client = client, .edit = edit, .arg = arg};
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return error_errno(err, -errno, "%s", path);
	r = S_ISDIR(st.st_mode) ? apply_folder(&ap, path, err) : apply_file(&ap, path, err);
	if (!r && ret_n)
		*ret_n = ap.n;
	return r;
}

int lab_apply_path(struct kube_client *client, const char *path, size_t *ret_n, struct error *err)
{
	return lab_apply_edited(client, path, NULL, NULL, ret_n, err);
}
