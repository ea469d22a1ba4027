/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/writer.h - writing status into the cluster: read, change, write back, again when somebody
 * else was faster. One key is one object; keys that fail come back with a back-off.
 */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct writer;

/* What is to be written where. */
struct writer_target {
	const struct object_kind *kind;
	const char *namespace, *name;
	/*
	 * Changes the object (its arena is a) to what it should say and returns whether it did.
	 * object is a fresh one (apiVersion, kind and metadata only) when there is none and create
	 * is set.
	 */
	bool (*change)(void *arg, struct arena *a, struct doc *object);
	void *arg;
	bool create; /* make the object when it is absent; else absent means nothing to do */
};

struct writer *writer_new(struct kube_client *client, const struct log *log);
void writer_free(struct writer *w);
/* Soon; the target's strings are copied. A later call for the same object replaces an earlier. */
void writer_write(struct writer *w, const struct writer_target *target);
