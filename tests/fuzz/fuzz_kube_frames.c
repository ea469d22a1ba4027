/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a watch, fed in pieces. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "lib/kube/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_frames f = {0};
	size_t step, at = 1;
	int r = 0;

	if (size < 2)
		return 0;
	step = (size_t)data[0] + 1;
	while (r >= 0 && at < size) {
		size_t piece = MIN(step, size - at);

		r = kube_frames_feed(&f, (const char *)data + at, piece, NULL);
		at += piece;
		while (r >= 0) {
			struct arena a = ARENA_INIT;
			enum kube_frame_type type;
			struct doc *object = NULL;

			r = kube_frames_next(&f, &a, &type, &object, NULL);
			if (r == 1 && (!object || object->kind != DOC_MAP))
				abort();
			arena_release(&a);
			if (r == 0)
				break;
		}
	}
	kube_frames_release(&f);
	return 0;
}
