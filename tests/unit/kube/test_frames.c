/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/kube/frames.h"

static const char stream[] = "{\"type\":\"ADDED\",\"object\":{\"n\":1}}\r\n\n"
			     "{\"type\":\"BOOKMARK\",\"object\":{\"n\":2}}\n"
			     "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n{\"type\"";

TEST(cut_anywhere)
{
	for (size_t step = 1; step <= sizeof(stream); step++) {
		struct kube_frames f = {0};
		enum kube_frame_type types[8], type;
		size_t n = 0;

		for (size_t at = 0; at < strlen(stream); at += step) {
			struct arena a = ARENA_INIT;
			struct doc *object;

			assert_int_equal(kube_frames_feed(&f, stream + at,
							  MIN(step, strlen(stream) - at), NULL),
					 0);
			while (kube_frames_next(&f, &a, &type, &object, NULL) == 1) {
				assert_int_equal(object->kind, DOC_MAP);
				types[n++] = type;
			}
			arena_release(&a);
		}
		assert_int_equal(n, 3);
		assert_int_equal(types[0], KUBE_FRAME_ADDED);
		assert_int_equal(types[1], KUBE_FRAME_BOOKMARK);
		assert_int_equal(types[2], KUBE_FRAME_ERROR);
		kube_frames_release(&f);
	}
}

TEST(what_is_no_event)
{
	static const char *const rows[] = {"x\n",
					   "{}\n",
					   "[]\n",
					   "{\"type\":\"ADDED\"}\n",
					   "{\"type\":\"NEW\",\"object\":{}}\n",
					   "{\"type\":\"ADDED\",\"object\":3}\n"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kube_frames f = {0};
		struct arena a = ARENA_INIT;
		enum kube_frame_type type;
		struct doc *object;

		assert_int_equal(kube_frames_feed(&f, rows[i], strlen(rows[i]), NULL), 0);
		assert_int_equal(kube_frames_next(&f, &a, &type, &object, NULL), -EBADMSG);
		arena_release(&a);
		kube_frames_release(&f);
	}
}

TEST(a_line_without_end_is_refused)
{
	struct kube_frames f = {0};
	char *piece = calloc(1, 1 << 20);
	int r = 0;

	memset(piece, 'a', 1 << 20);
	for (int i = 0; i < 9 && r == 0; i++)
		r = kube_frames_feed(&f, piece, 1 << 20, NULL);
	assert_int_equal(r, -E2BIG);
	free(piece);
	kube_frames_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(what_is_no_event),
		cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
