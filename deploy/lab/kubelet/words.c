/* SPDX-License-Identifier: Apache-2.0 */
/* A container's last words: the file its terminationMessagePath names, shown in the pod's status.
 */
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static const char *message_path(const struct container *c)
{
	const char *path = doc_str(doc_get(c->spec, "terminationMessagePath"));

	return str_empty(path) ? "/dev/termination-log" : path;
}

static const char *layer(struct arena *a, const struct container *c, const char *part)
{
	return arena_printf(a, "%s/%s.words/%s", pod_dir(a, c->pod), c->name, part);
}

static const char *file_of(struct arena *a, const struct container *c)
{
	return arena_printf(a, "%s/%s", layer(a, c, "upper"),
			    basename(arena_strdup(a, message_path(c))));
}

/* Whoever the container runs as may write it. */
static bool make_file(const char *path)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd >= 0 && fchmod(fd, 0666) == 0;
}

bool words_prepare(struct arena *a, const struct container *c, const char **ret_dir,
		   const char **ret_mount)
{
	const char *path = message_path(c), *dir = dirname(arena_strdup(a, path));
	const char *upper = layer(a, c, "upper"), *work = layer(a, c, "work");

	/* Of the machine's own folders one that can be a layer's ground, by a name without tricks.
	 */
	if (path[0] != '/' || strpbrk(path, ",:\\") || strstr(path, "..") || str_eq(dir, "/"))
		return false;
	io_remove_tree(layer(a, c, ""), NULL);
	if (io_mkdirs(upper, 0755, NULL) < 0 || io_mkdirs(work, 0755, NULL) < 0 ||
	    !make_file(file_of(a, c)))
		return false;
	*ret_dir = dir;
	*ret_mount = arena_printf(a, "lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work);
	return true;
}

/* Foreign bytes become text: what is not ASCII, or a control character, is a question mark. */
static void clean(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x7f ||
		    ((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t'))
			text[i] = '?';
}

const char *words_read(const struct container *c)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_close int fd = open(file_of(&a, c), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[WORDS_MAX_BYTES + 1];
	ssize_t n = fd < 0 ? 0 : read(fd, text, WORDS_MAX_BYTES);

	if (n <= 0)
		return NULL;
	clean(text, (size_t)n);
	text[n] = '\0';
	return arena_strdup(&c->pod->arena, text);
}
