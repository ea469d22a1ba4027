/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storelog.h - the store's bytes on disk: frames that say what was put or deleted.
 *
 * A frame is a magic number, a length, a 64-bit digest and a payload. What a crash tore off at the
 * end of a log fails its digest and is cut away; it was never answered to anyone. Snapshots are
 * frames too, between an opening one that carries the version and a closing one.
 */
#pragma once

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"

#define STORELOG_MAX_PAYLOAD (8u << 20)

enum storelog_op {
	STORELOG_PUT = 'P',
	STORELOG_DELETE = 'D',
	STORELOG_SNAPSHOT = 'S', /* opens a snapshot; rv is the store's version */
	STORELOG_END = 'E',      /* closes it */
};

/* Strings are NUL-terminated inside the payload; json is not. */
struct storelog_entry {
	enum storelog_op op;
	uint64_t rv;
	const char *shelf, *ns, *name, *uid;
	const char *json;
	size_t json_len;
};

void storelog_write(struct strbuf *out, const struct storelog_entry *e);

/*
 * Reads the frame at data. Returns its whole length, 0 when the bytes end before or in a frame (or
 * are torn), -EBADMSG when a digest that holds covers a payload that is malformed.
 */
int64_t storelog_read(const char *data, size_t n, struct storelog_entry *ret, struct error *err);
