/* SPDX-License-Identifier: Apache-2.0 */
#include "preflight/env.h"

#include <dirent.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"

void preflight_env_init(struct preflight_env *env, struct arena *a)
{
	*env = (struct preflight_env){.arena = a, .root = "/", .probe = probe_kernel};
	map_init(&env->unreadable);
}

void preflight_env_release(struct preflight_env *env)
{
	map_release(&env->unreadable);
}

static const char *below(const struct preflight_env *env, const char *path)
{
	return arena_printf(env->arena, "%s%s%s", env->root, str_ends(env->root, "/") ? "" : "/",
			    path);
}

int env_read(const struct preflight_env *env, const char *path, struct strbuf *out,
	     struct error *err)
{
	return io_read_file(below(env, path), LIMIT_SYSTEM_FILE_BYTES, out, err);
}

bool env_exists(const struct preflight_env *env, const char *path)
{
	return io_exists(below(env, path));
}

int env_read_word(const struct preflight_env *env, const char *path, const char **ret_word,
		  struct error *err)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	int r = env_read(env, path, &sb, err);
	size_t n;

	if (r)
		return r;
	for (n = sb.len; n && strchr(" \t\n", sb.buf[n - 1]);)
		n--;
	*ret_word = arena_strndup(env->arena, strbuf_cstr(&sb), n);
	return 0;
}

int env_read_int(const struct preflight_env *env, const char *path, int64_t *ret_n,
		 struct error *err)
{
	const char *word;
	int r = env_read_word(env, path, &word, err);

	return r ? r : str_to_i64(word, INT64_MIN, INT64_MAX, ret_n, path, err);
}

static bool ends_with_one(const char *name, const char *const *endings)
{
	for (; endings && *endings; endings++)
		if (str_ends(name, *endings))
			return true;
	return !endings;
}

int env_list(const struct preflight_env *env, const char *path, const char *const *endings,
	     const char ***ret_names, size_t *ret_n, struct error *err)
{
	VEC(const char *) names = VEC_INIT;
	DIR *dir = opendir(below(env, path));
	struct dirent *e;

	if (!dir)
		return error_errno(err, -errno, "%s", below(env, path));
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && ends_with_one(e->d_name, endings))
			vec_push(&names, arena_strdup(env->arena, e->d_name));
	closedir(dir);
	vec_sort(&names, str_cmp_ptr);
	*ret_names = arena_memdup(env->arena, names.items, names.n * sizeof(*names.items));
	*ret_n = names.n;
	vec_release(&names);
	return 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": fields 5 and the one after -.
 */
static bool parse_mount(struct arena *a, char *line, struct env_mount *m)
{
	char *save = NULL, *point = NULL, *type = NULL;
	int field = 0;
	bool behind_dash = false;

	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (++field == 5)
			point = w;
		if (behind_dash) {
			type = w;
			break;
		}
		behind_dash = field > 6 && !strcmp(w, "-");
	}
	*m = (struct env_mount){arena_strdup(a, point), arena_strdup(a, type)};
	return point && type;
}

int env_mounts(const struct preflight_env *env, struct env_mount **ret_mounts, size_t *ret_n,
	       struct error *err)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	VEC(struct env_mount) mounts = VEC_INIT;
	char *save = NULL;
	int r = env_read(env,
			 env_exists(env, "proc/1/mountinfo") ? "proc/1/mountinfo"
							     : "proc/self/mountinfo",
			 &sb, err);

	if (r)
		return r;
	for (char *l = strtok_r(sb.buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		struct env_mount m;

		if (parse_mount(env->arena, l, &m))
			vec_push(&mounts, m);
	}
	if (!mounts.n)
		return error_set(err, -EINVAL, "mountinfo names no mount");
	*ret_mounts = arena_memdup(env->arena, mounts.items, mounts.n * sizeof(*mounts.items));
	*ret_n = mounts.n;
	vec_release(&mounts);
	return 0;
}

int env_need_kind(const struct preflight_env *env, const struct object_kind *kind,
		  struct error *err)
{
	const char *why = map_get(&env->unreadable, kind->plural);

	return why ? error_set(err, -EACCES, "%s could not be listed: %s", kind->plural, why) : 0;
}

const struct istio_mesh *env_mesh(struct preflight_env *env)
{
	if (!env->mesh) {
		env->mesh = arena_new(env->arena, struct istio_mesh);
		istio_mesh_load(env->mesh, env->arena, env->cluster);
	}
	return env->mesh;
}
