/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/istio/world.h - a mesh from manifests written in a test, and the shared corpus. */
#pragma once

#include "tests/support/test.h"

#include "lib/istio/mesh.h"
#include "lib/istio/objects.h"

struct world {
	struct arena arena;
	struct snapshot snapshot;
	struct istio_mesh mesh;
};

/* YAML text, or a file or folder, into the snapshot. Objects without a namespace get ns when given.
 */
void world_init(struct world *w);
void world_add(struct world *w, const char *yaml, const char *ns);
void world_add_path(struct world *w, const char *path, const char *ns);
/* Builds the mesh from what was added. */
void world_ready(struct world *w);
void world_release(struct world *w);

/* <shared>/corpus/istio/<name>, or NULL when the machine has no shared folder. */
const char *corpus_path(struct arena *a, const char *name);
/* {"key": "value", ...} written as "key=value,key=value". */
struct strmap labels_of(struct arena *a, const char *text);
