/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's volumes, as far as the lab's pods need them: hostPath, configMap, emptyDir. They are bind
 * mounts in the container's own mount namespace. A host path means the node's: what a machine has
 * for itself, a node of the lab has in the lab's folder; other paths are this machine's.
 *
 * Not here: single files (subPath, items), and changes of a ConfigMap while the pod lives.
 */
#include <string.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

#define RETRY_NS   NS_PER_S
#define LAB_IMAGES "sidestep.dev/lab/"

static const char *folder_of(struct arena *a, const struct pod *p, const char *name)
{
	return arena_printf(a, "%s/volumes/%s", pod_dir(a, p), name);
}

/* --- what has to be fetched --- */

static bool is_plain(const char *key)
{
	return *key && !strchr(key, '/') && !str_eq(key, ".") && !str_eq(key, "..");
}

static int write_map(const struct pod *p, const char *volume, const struct doc *map,
		     struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *dir = folder_of(&a, p, volume);
	int r = io_mkdirs(dir, 0755, err);

	doc_foreach_entry (doc_get(map, "data"), e) {
		const char *text = str_or_empty(doc_str(e->value));

		if (!r && is_plain(e->key))
			r = io_write_file_atomic(arena_printf(&a, "%s/%s", dir, e->key), text,
						 strlen(text), 0644, err);
	}
	return r;
}

static void try_again(struct pod *p, const char *why)
{
	p->message = arena_strdup(&p->arena, why);
	log_warn(p->k->log, "volume not there pod=%s/%s error=%s", p->ns, p->name, why);
	loop_timer_set(p->timer, RETRY_NS);
}

static void on_map(void *arg, struct kube_result *result)
{
	struct pod *p = arg;
	const struct doc *volume = doc_at(doc_get(p->spec, "volumes"), p->n_volumes);
	const bool may_lack = doc_bool_or(doc_find(volume, "configMap.optional"), false);
	struct error err = ERROR_INIT;
	int r = 0;

	p->volume_call = NULL;
	if (result->code && !(may_lack && result->code == -ENOENT))
		r = kube_result_error(result, &err);
	else
		r = write_map(p, str_or_empty(doc_find_str(volume, "name")), result->object, &err);
	if (r) {
		try_again(p, err.msg);
		return;
	}
	p->n_volumes++;
	p->message = NULL;
	pod_touch(p);
}

static void fetch(struct pod *p, const char *name)
{
	const struct kube_request request = {.verb = KUBE_GET,
					     .kind = object_kind(KIND_CONFIG_MAP),
					     .namespace_ = p->ns,
					     .name = name};

	p->volume_call = kube_start(p->k->client, &request, on_map, p);
}

bool volumes_ready(struct pod *p)
{
	const struct doc *list = doc_get(p->spec, "volumes");

	for (; p->n_volumes < doc_len(list); p->n_volumes++) {
		const struct doc *d = doc_at(list, p->n_volumes);
		const char *map = doc_find_str(d, "configMap.name");
		struct error err = ERROR_INIT;

		if (map) {
			if (!p->volume_call && !loop_timer_running(p->timer))
				fetch(p, map);
			return false;
		}
		if (doc_get(d, "emptyDir") && write_map(p, doc_find_str(d, "name"), NULL, &err)) {
			try_again(p, err.msg);
			return false;
		}
	}
	return true;
}

/* --- where it is seen --- */

/* What a node has for itself. */
static const char *of_node(struct arena *a, const struct kubelet *k, const char *path)
{
	const struct {
		const char *host, *here;
	} rows[] = {
		{"/run/sidestep", k->o.run},
		{"/sys/fs/bpf", k->o.bpf},
		{"/sys/fs/cgroup", k->o.cgroup},
		{"/run/netns", arena_printf(a, "%s/pods", k->o.lab)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const size_t n = strlen(rows[i].host);

		if (rows[i].here && str_starts(path, rows[i].host) &&
		    (path[n] == '/' || path[n] == '\0'))
			return arena_printf(a, "%s%s", rows[i].here, path + n);
	}
	return path;
}

static int host_path(struct arena *a, const struct container *c, const struct doc *volume,
		     const char **ret_from, struct error *err)
{
	const char *path = doc_find_str(volume, "hostPath.path");
	const char *from = of_node(a, c->pod->k, path);
	int r = 0;

	if (str_eq(doc_find_str(volume, "hostPath.type"), "DirectoryOrCreate"))
		r = io_mkdirs(from, 0755, err);
	if (!r && !io_exists(from))
		r = error_set(err, -EINVAL, "hostPath %s: there is no %s", path, from);
	*ret_from = from;
	return r;
}

static const struct doc *find_volume(const struct pod *p, const char *name)
{
	doc_foreach_item (doc_get(p->spec, "volumes"), d)
		if (str_eq(doc_find_str(d, "name"), name))
			return d;
	return NULL;
}

/* Kinds that the lab does not have (a token of the account's) are not mounted. */
static int one_mount(struct arena *a, const struct container *c, const struct doc *mount,
		     struct volume_mount *out, struct error *err)
{
	const char *name = doc_find_str(mount, "name"), *to = doc_find_str(mount, "mountPath");
	const struct doc *volume = find_volume(c->pod, name);

	*out = (struct volume_mount){.to = to,
				     .read_only = doc_bool_or(doc_get(mount, "readOnly"), false)};
	if (!volume || str_empty(to) || *to != '/')
		return error_set(err, -EINVAL, "volumeMount %s: no such volume, or no path",
				 str_or_empty(name));
	if (doc_get(volume, "hostPath"))
		return host_path(a, c, volume, &out->from, err);
	if (doc_get(volume, "configMap") || doc_get(volume, "emptyDir"))
		out->from = folder_of(a, c->pod, name);
	return 0;
}

/* A folder before what lies in it. */
static int by_path(const void *a, const void *b)
{
	const struct volume_mount *x = a, *y = b;

	return strcmp(x->to, y->to);
}

int volumes_mounts(struct arena *a, const struct container *c, struct volume_mount **ret_mounts,
		   size_t *ret_n, struct error *err)
{
	/* The lab's own images read nothing there, and this machine lacks the places of sidecars.
	 */
	const bool own = str_starts(str_or_empty(doc_find_str(c->spec, "image")), LAB_IMAGES);
	const struct doc *list = own ? NULL : doc_get(c->spec, "volumeMounts");
	struct volume_mount *out = arena_array(a, doc_len(list) + 1, struct volume_mount);
	size_t n = 0;

	doc_foreach_item (list, mount) {
		int r = one_mount(a, c, mount, &out[n], err);

		if (r)
			return r;
		n += out[n].from != NULL;
	}
	qsort(out, n, sizeof(*out), by_path);
	*ret_mounts = out;
	*ret_n = n;
	return 0;
}
