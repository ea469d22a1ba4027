/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/io.h - files, whole and safely. Nothing here blocks on a network. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"

/* Appends the whole file ("-" is standard input) to out. -EFBIG past limit bytes; errors name the
 * path. */
int io_read_file(const char *path, size_t limit, struct strbuf *out, struct error *err);

/*
 * Replaces path with data so that a reader sees the old or the new bytes, never a part, and a crash
 * leaves one of them: temporary file beside it, fsync, rename, fsync of the folder.
 */
int io_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode,
			 struct error *err);

/*
 * The same without the fsync: readers see old or new bytes, never a part, but a power cut may lose
 * them. For what is made again anyway after one.
 */
int io_replace_file(const char *path, const void *data, size_t n, mode_t mode, struct error *err);

/* Writes all n bytes to fd, through EINTR and short writes. */
int io_write_all(int fd, const void *data, size_t n, struct error *err);

/* mkdir -p with mode for what is made. */
int io_mkdirs(const char *path, mode_t mode, struct error *err);

/* rm -r of path; absent is success. Does not follow symlinks and does not cross mount points. */
int io_remove_tree(const char *path, struct error *err);

bool io_exists(const char *path);
