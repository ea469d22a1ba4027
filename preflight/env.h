/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight/env.h - what a check may look at: files below a root, kernel features, objects.
 *
 * A check never opens /proc itself and never calls bpf(2): it asks the environment. So the same
 * check runs on this machine, on another one's root below /host, on a snapshot, and in tests on a
 * folder. What cannot be read is an error of the check, which the runner turns into `unknown`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "lib/istio/mesh.h"
#include "lib/object/snapshot.h"
#include "lib/report/report.h"
#include "preflight/probe.h"

struct preflight_env {
	struct arena *arena;
	const char *root; /* "/" or the folder that stands for it */
	bool passive;     /* active probes are skipped */
	/* Kernel features; probe_kernel() on a live machine. */
	probe_fn probe;
	void *probe_arg;
	const struct snapshot *cluster; /* NULL: no cluster was given */
	struct map unreadable;          /* plural of a kind -> why it could not be listed */
	struct istio_mesh *mesh;        /* made from cluster on first use by env_mesh() */
};

void preflight_env_init(struct preflight_env *env, struct arena *a);
void preflight_env_release(struct preflight_env *env);

/* A file below the root, whole. -ENOENT when absent. path has no leading slash. */
int env_read(const struct preflight_env *env, const char *path, struct strbuf *out,
	     struct error *err);
/* The same, trimmed, in the arena. */
int env_read_word(const struct preflight_env *env, const char *path, const char **ret_word,
		  struct error *err);
/* A file that holds one integer. -EINVAL when it does not. */
int env_read_int(const struct preflight_env *env, const char *path, int64_t *ret_n,
		 struct error *err);
bool env_exists(const struct preflight_env *env, const char *path);
/* Names in a folder that end with one of endings (NULL-terminated list), sorted. -ENOENT. */
int env_list(const struct preflight_env *env, const char *path, const char *const *endings,
	     const char ***ret_names, size_t *ret_n, struct error *err);

/* A mount of mountinfo(5), the host's when the root shows it (proc/1/mountinfo). */
struct env_mount {
	const char *point, *type;
};
int env_mounts(const struct preflight_env *env, struct env_mount **ret_mounts, size_t *ret_n,
	       struct error *err);

/* -EACCES with the reason when objects of the kind could not be listed. */
int env_need_kind(const struct preflight_env *env, const struct object_kind *kind,
		  struct error *err);
/* The cluster as Istio sees it. Only when env->cluster is set. */
const struct istio_mesh *env_mesh(struct preflight_env *env);
