/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/images.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

#define MAX_BYTES (1u << 20)

/* Of "host:5000/path/name:tag" what comes before the tag; without a tag all of it. */
static size_t repository_length(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *tag = strrchr(slash ? slash : image, ':');

	return tag ? (size_t)(tag - image) : strlen(image);
}

int images_read(struct arena *a, const char *file, struct doc **ret_map, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *d = NULL;
	int r = io_exists(file) ? io_read_file(file, MAX_BYTES, &text, err) : -ENOENT;

	if (r == -ENOENT) {
		*ret_map = doc_map(a);
		return 0;
	}
	if (!r)
		r = doc_read_json(a, strbuf_cstr(&text), text.len, file, &d, err);
	if (!r && d->kind != DOC_MAP)
		r = error_set(err, -EBADMSG, "%s: want a map of images to folders", file);
	if (!r)
		*ret_map = d;
	return r;
}

static int check(const char *name, const char *dir, char real[PATH_MAX], struct error *err)
{
	struct stat st;

	if (!name[repository_length(name)] || str_ends(name, ":"))
		return error_set(err, -EINVAL, "image \"%s\": want NAME:TAG", name);
	if (!realpath(dir, real) || stat(real, &st) < 0)
		return error_errno(err, -errno, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "%s is no folder", dir);
	return 0;
}

int images_add(const char *file, const char *name, const char *dir, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	auto_release(arena) struct arena a = ARENA_INIT;
	char real[PATH_MAX];
	struct doc *map;
	int r = check(name, dir, real, err);

	if (!r)
		r = images_read(&a, file, &map, err);
	if (r)
		return r;
	doc_set_string(&a, map, name, arena_strdup(&a, real));
	doc_write_json(map, DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(file, text.buf, text.len, 0644, err);
}

int images_find(struct arena *a, const char *file, const char *image, const char **ret_dir,
		struct error *err)
{
	const size_t n = repository_length(image);
	bool known = false;
	struct doc *map;
	int r = images_read(a, file, &map, err);

	*ret_dir = NULL;
	if (r)
		return r;
	doc_foreach_entry (map, e) {
		if (str_eq(e->key, image))
			*ret_dir = doc_str(e->value);
		known = known || (repository_length(e->key) == n && !strncmp(e->key, image, n));
	}
	if (*ret_dir || !known)
		return 0;
	return error_set(err, -ENOMEDIUM,
			 "image %s: the lab pulls no images, and of this one it has other tags; "
			 "sidestep lab image add %s DIR names the folder of its programs",
			 image, image);
}
