/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/report/waiver.h - "we know, this person answers for it, until that day".
 *
 * A waiver turns a fail into an accepted fail; it stays visible in every output. After its expiry
 * it covers nothing, and the run ends with 6 so that nobody forgets. File form:
 *
 *   waivers:
 *   - id: SYS-001            # check or finding id
 *     scope: node/a          # optional; absent or "*" = everywhere
 *     reason: the vendor's image sets it back at boot
 *     owner: net-team@example.org
 *     expires: 2027-01-31    # a day (its end, UTC) or an RFC 3339 time
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/doc/doc.h"

struct waiver {
	const char *id, *scope, *reason, *owner, *expires;
	int64_t expires_ns; /* wall clock, 1970 */
	bool used;          /* covered something in this run */
};
struct waivers {
	struct waiver *items;
	size_t n;
};

/*
 * From the list at `list` (NULL = none) into a; every member but scope is required. -EINVAL with
 * the place.
 */
int waivers_decode(struct arena *a, const struct doc *list, struct waivers *ret_waivers,
		   struct error *err);
/* The "waivers" list of a YAML or JSON file. */
int waivers_read_file(struct arena *a, const char *path, struct waivers *ret_waivers,
		      struct error *err);
/* The waiver for id in scope, expired or not; NULL = none. An unexpired one is preferred. */
struct waiver *waivers_find(const struct waivers *w, const char *id, const char *scope,
			    int64_t now_wall_ns);
static inline bool waiver_expired(const struct waiver *w, int64_t now_wall_ns)
{
	return w->expires_ns <= now_wall_ns;
}
struct doc *waiver_doc(struct arena *a, const struct waiver *w);

#define WAIVERS_MAX 1000u
