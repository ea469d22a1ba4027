/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/istiod/publish.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

#define BOOTSTRAP "bootstrap.json"

struct publication *publication_new(const char *dir)
{
	struct publication *p = xcalloc(1, sizeof(*p));

	p->dir = xstrdup(dir);
	return p;
}

void publication_free(struct publication *p)
{
	if (!p)
		return;
	map_foreach (&p->digests, e)
		free(map_value(e));
	map_release(&p->digests);
	free(p->dir);
	free(p);
}

static uint64_t digest_of(const struct strbuf *text)
{
	return str_hash(strbuf_cstr(text), text->len, STR_HASH_SEED);
}

static void remember(struct publication *p, const char *path, uint64_t digest)
{
	uint64_t *value = map_get(&p->digests, path);

	if (!value) {
		value = xmalloc(sizeof(*value));
		map_set(&p->digests, path, value);
	}
	*value = digest;
}

/* Whether the file has these bytes already. */
static bool is_there(struct publication *p, const char *path, const char *full,
		     const struct strbuf *text)
{
	const uint64_t *known = map_get(&p->digests, path);
	auto_release(strbuf) struct strbuf old = STRBUF_INIT;

	if (known)
		return *known == digest_of(text);
	return io_read_file(full, LIMIT_FILE_BYTES, &old, NULL) == 0 && old.len == text->len &&
	       memcmp(strbuf_cstr(&old), strbuf_cstr(text), text->len) == 0;
}

static int write_one(struct publication *p, const struct istio_sidecar_file *f, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	auto_free char *full = xasprintf("%s/%s", p->dir, f->path);
	auto_free char *folder = xstrdup(full);
	int r;

	doc_write_json(f->doc, DOC_COMPACT, &text);
	if (is_there(p, f->path, full, &text)) {
		remember(p, f->path, digest_of(&text));
		return 0;
	}
	*strrchr(folder, '/') = '\0';
	r = io_mkdirs(folder, 0755, err);
	if (r == 0)
		r = io_replace_file(full, text.buf, text.len, 0644, err);
	if (r)
		return r;
	remember(p, f->path, digest_of(&text));
	return 1;
}

static bool is_listed(const struct istio_sidecar_files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++)
		if (str_eq(files->items[i].path, path))
			return true;
	return false;
}

static void drop_unlisted(struct publication *p, const struct istio_sidecar_files *files)
{
	map_foreach (&p->digests, e) {
		auto_free char *path = xstrdup(map_key(e));
		auto_free char *full = xasprintf("%s/%s", p->dir, path);

		if (is_listed(files, path) || str_eq(path, BOOTSTRAP))
			continue;
		unlink(full);
		*strrchr(full, '/') = '\0';
		rmdir(full);
		free(map_del(&p->digests, path));
	}
}

int publication_write(struct publication *p, const struct istio_sidecar_files *files,
		      struct error *err)
{
	const struct istio_sidecar_file *bootstrap = NULL;
	int changed = 0, r = 0;

	for (size_t i = 0; i < files->n; i++) {
		if (str_eq(files->items[i].path, BOOTSTRAP)) {
			bootstrap = &files->items[i];
			continue;
		}
		r = write_one(p, &files->items[i], err);
		if (r < 0)
			return r;
		changed += r;
	}
	drop_unlisted(p, files);
	if (bootstrap && !p->bootstrapped) {
		auto_free char *full = xasprintf("%s/" BOOTSTRAP, p->dir);

		r = io_exists(full) ? 0 : write_one(p, bootstrap, err);
		if (r < 0)
			return r;
		changed += r;
		p->bootstrapped = true;
	}
	return changed;
}
