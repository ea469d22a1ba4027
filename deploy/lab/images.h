/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/images.h - which folder of programs an image name means on this machine.
 *
 * A lab pulls nothing. DIR/images.json maps an image to the folder that its programs lie in; what
 * a kubelet would find in a registry it finds there, and who builds another release says so with
 * `sidestep lab image add`. It is read at every start of a container.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"

#define IMAGES_FILE "images.json"

/* Adds or replaces one. dir must be a folder. -EINVAL: name is no image with a tag. */
int images_add(const char *file, const char *name, const char *dir, struct error *err);
/* The map as it stands; an empty one when there is no file. */
int images_read(struct arena *a, const char *file, struct doc **ret_map, struct error *err);
/*
 * The folder of an image; NULL when the file knows nothing of its repository (what the part before
 * the tag is called). -ENOMEDIUM: it knows the repository, and not this tag.
 */
int images_find(struct arena *a, const char *file, const char *image, const char **ret_dir,
		struct error *err);
