/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/frames.h - the bytes of a watch to events: one JSON object per line
 * ({"type": "ADDED", "object": {...}}), cut anywhere by the network.
 */
#pragma once

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/doc/doc.h"

/* One event's bytes. 8 MiB (etcd's own limit for an object is 1.5 MiB). */
#define KUBE_FRAME_MAX (8u << 20)

enum kube_frame_type {
	KUBE_FRAME_ADDED,
	KUBE_FRAME_MODIFIED,
	KUBE_FRAME_DELETED,
	KUBE_FRAME_BOOKMARK,
	KUBE_FRAME_ERROR, /* object is a Status */
};

struct kube_frames {
	struct strbuf pending;
	size_t start; /* of what was not taken yet */
};
void kube_frames_release(struct kube_frames *f);
/* Appends what came. -E2BIG when a line grows beyond KUBE_FRAME_MAX. */
int kube_frames_feed(struct kube_frames *f, const char *data, size_t n, struct error *err);
/*
 * Takes the next whole event: 1 with *ret_type and *ret_object (in a), 0 when more bytes are
 * needed, -EBADMSG for what is no event (the stream cannot go on).
 */
int kube_frames_next(struct kube_frames *f, struct arena *a, enum kube_frame_type *ret_type,
		     struct doc **ret_object, struct error *err);
