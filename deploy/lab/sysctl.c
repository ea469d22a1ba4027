/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the machine: raised, remembered in DIR/sysctl.json, restored. */
#include "deploy/lab/sysctl.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/doc/doc.h"

static const struct {
	const char *name;
	uint64_t at_least;
} needs[] = {
	{"fs/inotify/max_user_instances", 4096},
	{"fs/inotify/max_user_watches", 262144},
};

static int read_value(const char *name, uint64_t *ret, struct error *err)
{
	auto_free char *path = xasprintf("/proc/sys/%s", name);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r = io_read_file(path, 4096, &text, err);

	if (r < 0)
		return r;
	if (text.len && text.buf[text.len - 1] == '\n')
		text.buf[text.len - 1] = '\0';
	return str_to_u64(strbuf_cstr(&text), 0, UINT64_MAX, ret, name, err);
}

static int write_value(const char *name, uint64_t value, struct error *err)
{
	auto_free char *path = xasprintf("/proc/sys/%s", name);
	auto_free char *text = xasprintf("%llu", (unsigned long long)value);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, -errno, "open %s", path);
	return io_write_all(fd, text, strlen(text), err);
}

static char *memory_path(const struct lab *lab)
{
	return xasprintf("%s/sysctl.json", lab->dir);
}

/* Remembered before the first is changed, so that a kill in between loses nothing. */
int lab_sysctl_raise(const struct lab *lab, struct error *err)
{
	auto_free char *path = memory_path(lab);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct doc *before = doc_map(&a);
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(needs); i++) {
		uint64_t now;

		r = read_value(needs[i].name, &now, err);
		if (!r && now < needs[i].at_least)
			doc_set_int(&a, before, needs[i].name, (int64_t)now);
	}
	doc_write_json(before, DOC_COMPACT, &text);
	if (!r && doc_len(before) && !io_exists(path))
		r = io_write_file_atomic(path, text.buf, text.len, 0644, err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(needs); i++)
		if (doc_get(before, needs[i].name))
			r = write_value(needs[i].name, needs[i].at_least, err);
	arena_release(&a);
	return r;
}

/* Another lab of this machine that is up, or NULL; the caller frees. */
static char *another_lab(const struct lab *lab)
{
	glob_t found = {0};
	char *other = NULL;

	if (glob(LAB_ROOT "/*/lab.json", GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !other; i++) {
			size_t n = strlen(found.gl_pathv[i]) - strlen("/lab.json");

			if (strlen(lab->dir) != n || strncmp(lab->dir, found.gl_pathv[i], n) != 0)
				other = xstrndup(found.gl_pathv[i], n);
		}
	globfree(&found);
	return other;
}

int lab_sysctl_restore(const struct lab *lab, struct error *err)
{
	auto_free char *other = another_lab(lab);
	auto_free char *path = memory_path(lab);
	struct arena a = ARENA_INIT;
	struct doc_stream docs;
	int r = 0;

	if (!io_exists(path))
		return 0;
	/* Who goes last gives back: another lab still needs the room, so it inherits the memory. */
	if (other) {
		auto_free char *heir = xasprintf("%s/sysctl.json", other);

		if (io_exists(heir) || rename(path, heir) == 0)
			return 0;
	}
	r = doc_read_file(&a, path, &docs, err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(needs); i++) {
		int64_t was = doc_int_or(doc_get(docs.docs[0], needs[i].name), -1);

		if (was >= 0)
			r = write_value(needs[i].name, (uint64_t)was, err);
	}
	arena_release(&a);
	return r;
}
