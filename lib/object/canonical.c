/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form of an object, and digests. */
#include "lib/object/canonical.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

static const char *const server_fields[] = {
	"uid",
	"resourceVersion",
	"generation",
	"creationTimestamp",
	"deletionTimestamp",
	"deletionGracePeriodSeconds",
	"managedFields",
	"selfLink",
};

struct doc *object_canonical(struct arena *a, const struct doc *object)
{
	struct doc *d = doc_clone(a, object);
	struct doc *meta = doc_get(d, "metadata");

	doc_del(d, "status");
	if (meta) {
		for (size_t i = 0; i < ARRAY_SIZE(server_fields); i++)
			doc_del(meta, server_fields[i]);
		doc_del(doc_get(meta, "annotations"),
			"kubectl.kubernetes.io/last-applied-configuration");
		if (doc_len(doc_get(meta, "annotations")) == 0)
			doc_del(meta, "annotations");
		if (doc_len(doc_get(meta, "labels")) == 0)
			doc_del(meta, "labels");
	}
	doc_sort_keys(d);
	return d;
}

static char *digest(const struct doc *sorted, char buf[OBJECT_DIGEST_SIZE])
{
	struct strbuf sb = STRBUF_INIT;

	doc_write_json(sorted, DOC_COMPACT, &sb);
	snprintf(buf, OBJECT_DIGEST_SIZE, "%016" PRIx64,
		 str_hash(strbuf_cstr(&sb), sb.len, STR_HASH_SEED));
	strbuf_release(&sb);
	return buf;
}

char *object_digest(const struct doc *object, char buf[OBJECT_DIGEST_SIZE])
{
	struct arena a = ARENA_INIT;

	digest(object_canonical(&a, object), buf);
	arena_release(&a);
	return buf;
}

char *object_digest_exact(const struct doc *d, char buf[OBJECT_DIGEST_SIZE])
{
	struct arena a = ARENA_INIT;
	struct doc *copy = doc_clone(&a, d);

	doc_sort_keys(copy);
	digest(copy, buf);
	arena_release(&a);
	return buf;
}
