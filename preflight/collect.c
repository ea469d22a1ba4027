/* SPDX-License-Identifier: Apache-2.0 */
#include "preflight/collect.h"

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

/* Answers that mean "there is no such kind", not "you may not see it". */
static bool kind_is_absent(int r)
{
	return r == -ENOENT || r == -ENOSYS;
}

/* Answers of a server that is there and says no to this one kind. */
static bool kind_is_refused(int r)
{
	return r == -EACCES || r == -EPERM || r == -EINVAL;
}

static int list_kind(struct preflight_env *env, struct kube_client *client, struct snapshot *s,
		     const struct object_kind *kind, struct error *err)
{
	struct error why = ERROR_INIT;
	struct doc *list;
	int r = kube_list(client, env->arena, kind, NULL, NULL, &list, &why);

	if (kind_is_absent(r))
		return 0;
	if (kind_is_refused(r)) {
		map_set(&env->unreadable, kind->plural, arena_strdup(env->arena, why.msg));
		return 0;
	}
	if (r)
		return error_set(err, r, "%s", why.msg);
	doc_foreach_item (list, item) {
		r = snapshot_add(s, item, err);
		if (r)
			return r;
	}
	return 0;
}

static int list_all(struct preflight_env *env, struct kube_client *client, struct snapshot *s,
		    struct error *err)
{
	for (int id = 0; id < OBJECT_KIND_COUNT; id++) {
		int r;

		/* Events are many and say nothing about a configuration. */
		if (id == KIND_EVENT)
			continue;
		r = list_kind(env, client, s, object_kind((enum object_kind_id)id), err);
		if (r)
			return r;
	}
	return 0;
}

static int from_api(struct preflight_env *env, const struct collect_options *options,
		    struct snapshot *s, struct error *err)
{
	struct kube_config_options where = {options->kubeconfig, options->context};
	struct kube_config config;
	struct kube_client *client;
	struct loop *loop;
	int r = kube_config_load(env->arena, &where, &config, err);

	if (r)
		return r;
	loop = loop_new(clock_system());
	client = kube_client_new(loop, &config, NULL);
	r = list_all(env, client, s, err);
	kube_client_free(client);
	loop_free(loop);
	return r;
}

int collect_cluster(struct preflight_env *env, const struct collect_options *options,
		    struct error *err)
{
	struct snapshot *s = arena_new(env->arena, struct snapshot);
	int r;

	snapshot_init(s, env->arena);
	if (!str_empty(options->snapshot))
		r = snapshot_read(s, options->snapshot, err);
	else
		r = from_api(env, options, s, err);
	if (!r)
		env->cluster = s;
	return r;
}
