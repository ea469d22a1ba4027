/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a profile, or as a file of waivers: refused with a reason, or a plan keeps it as it is.
 */
#include "lib/base/clock.h"
#include "migrate/profile.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_waivers(struct arena *a, const struct doc *list)
{
	struct error err = ERROR_INIT;
	struct waivers w;

	if (waivers_decode(a, list, &w, &err) < 0)
		fuzz_check(err.msg[0]);
	else
		for (size_t i = 0; i < w.n; i++)
			fuzz_check(waivers_find(&w, w.items[i].id, "", 0) || w.items[i].scope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream stream = {0};
	struct profile p, again;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &stream, NULL) == 0)
		for (size_t i = 0; i < stream.n; i++) {
			fuzz_waivers(&a, stream.docs[i]);
			if (profile_decode(&a, stream.docs[i], &p, &err) < 0) {
				fuzz_check(err.msg[0]);
				continue;
			}
			fuzz_check(profile_decode(&a, profile_doc(&a, &p), &again, NULL) == 0);
			fuzz_check(again.waivers.n == p.waivers.n);
#define SAME_MS(member, key, seconds, what)                                                        \
	fuzz_check(again.member / NS_PER_MS == p.member / NS_PER_MS);
			PROFILE_DURATIONS(SAME_MS)
#undef SAME_MS
		}
	arena_release(&a);
	return 0;
}
