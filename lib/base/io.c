/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/io.h"

#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"

static int read_all(int fd, const char *path, size_t limit, struct strbuf *out, struct error *err)
{
	const size_t before = out->len;

	for (;;) {
		ssize_t n;

		strbuf_grow(out, 65536);
		n = read(fd, out->buf + out->len, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, -errno, "read %s", path);
		out->len += (size_t)n;
		out->buf[out->len] = '\0';
		if (n == 0)
			return 0;
		if (out->len - before > limit)
			return error_set(err, -EFBIG, "%s: larger than %zu bytes", path, limit);
	}
}

int io_read_file(const char *path, size_t limit, struct strbuf *out, struct error *err)
{
	auto_close int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, "standard input", limit, out, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, -errno, "open %s", path);
	return read_all(fd, path, limit, out, err);
}

int io_write_all(int fd, const void *data, size_t n, struct error *err)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_errno(err, -errno, "write");
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* A rename is durable only when the folder that holds the name is. */
static int sync_parent(const char *path, struct error *err)
{
	auto_free char *copy = xstrdup(path);
	auto_close int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, -errno, "sync folder of %s", path);
	return 0;
}

static int replace_file(const char *path, const void *data, size_t n, mode_t mode, bool sync,
			struct error *err)
{
	auto_free char *tmp = xasprintf("%s.XXXXXX", path);
	auto_close int fd = mkostemp(tmp, O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_errno(err, -errno, "create %s", tmp);
	r = io_write_all(fd, data, n, err);
	if (!r && (fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0)))
		r = error_errno(err, -errno, "sync %s", tmp);
	if (!r && rename(tmp, path) < 0)
		r = error_errno(err, -errno, "rename %s to %s", tmp, path);
	if (r) {
		unlink(tmp);
		return r;
	}
	return sync ? sync_parent(path, err) : 0;
}

int io_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode,
			 struct error *err)
{
	return replace_file(path, data, n, mode, true, err);
}

int io_replace_file(const char *path, const void *data, size_t n, mode_t mode, struct error *err)
{
	return replace_file(path, data, n, mode, false, err);
}

int io_mkdirs(const char *path, mode_t mode, struct error *err)
{
	auto_free char *copy = xstrdup(path);

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_errno(err, -errno, "mkdir %s", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "mkdir %s", copy);
	return 0;
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int kind,
		      UNUSED struct FTW *ftw)
{
	return remove(path);
}

int io_remove_tree(const char *path, struct error *err)
{
	if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "remove %s", path);
	return 0;
}

bool io_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
