/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a watch to events. */
#include "lib/kube/frames.h"

#include <string.h>

#include "lib/base/str.h"

static const char *const names[] = {
	[KUBE_FRAME_ADDED] = "ADDED",     [KUBE_FRAME_MODIFIED] = "MODIFIED",
	[KUBE_FRAME_DELETED] = "DELETED", [KUBE_FRAME_BOOKMARK] = "BOOKMARK",
	[KUBE_FRAME_ERROR] = "ERROR",
};

void kube_frames_release(struct kube_frames *f)
{
	strbuf_release(&f->pending);
	f->start = 0;
}

int kube_frames_feed(struct kube_frames *f, const char *data, size_t n, struct error *err)
{
	/* What was taken is dropped only here, so that a burst of small events is not moved again
	 * for each of them. */
	if (f->start) {
		strbuf_consume(&f->pending, f->start);
		f->start = 0;
	}
	strbuf_add(&f->pending, data, n);
	if (f->pending.len > KUBE_FRAME_MAX && !memchr(f->pending.buf, '\n', f->pending.len))
		return error_set(err, -E2BIG, "a watch event is larger than %u bytes",
				 KUBE_FRAME_MAX);
	return 0;
}

static int decode(struct arena *a, const char *line, size_t n, enum kube_frame_type *ret_type,
		  struct doc **ret_object, struct error *err)
{
	const char *type;
	struct doc *d, *object;
	int r = doc_read_json(a, line, n, NULL, &d, err);

	if (r)
		return error_wrap(err, -EBADMSG, "watch event");
	type = doc_str(doc_get(d, "type"));
	object = doc_get(d, "object");
	if (!object || object->kind != DOC_MAP)
		return error_set(err, -EBADMSG, "watch event without an object");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!str_eq(type, names[i]))
			continue;
		*ret_type = (enum kube_frame_type)i;
		*ret_object = object;
		return 1;
	}
	return error_set(err, -EBADMSG, "watch event of unknown type %.40s", str_or_empty(type));
}

int kube_frames_next(struct kube_frames *f, struct arena *a, enum kube_frame_type *ret_type,
		     struct doc **ret_object, struct error *err)
{
	while (f->start < f->pending.len) {
		const char *line = f->pending.buf + f->start;
		const char *end = memchr(line, '\n', f->pending.len - f->start);
		size_t n;

		if (!end)
			return 0;
		n = (size_t)(end - line);
		f->start += n + 1;
		if (n && line[n - 1] == '\r')
			n--;
		if (n > KUBE_FRAME_MAX)
			return error_set(err, -EBADMSG, "a watch event is larger than %u bytes",
					 KUBE_FRAME_MAX);
		if (n)
			return decode(a, line, n, ret_type, ret_object, err);
	}
	return 0;
}
