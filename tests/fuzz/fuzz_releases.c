/* SPDX-License-Identifier: Apache-2.0 */
/* The releases file and the profile of an upgrade: any bytes, then every way between what they
 * name. */
#include "lib/base/str.h"
#include "upgrade/hops.h"
#include "upgrade/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct arena *a, const struct releases *r)
{
	for (size_t f = 0; f < r->n && f < 8; f++)
		for (size_t t = 0; t < r->n && t < 8; t++) {
			const struct release **stops;
			size_t n;

			hops_path(a, r, &r->items[f], &r->items[t], f & 1, &stops, &n, NULL);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct releases r;
	struct profile p;
	struct doc_stream s;

	if (doc_read_yaml(&a, (const char *)data, size, NULL, &s, NULL))
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (!releases_decode(&a, s.docs[i], &r, NULL))
			walk(&a, &r);
		profile_decode(&a, s.docs[i], &p, NULL);
	}
	return 0;
}
