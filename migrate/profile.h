/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/profile.h - how patient and how strict a migration is: a file given with --profile.
 * `sidestep migrate help profile` (profile_help) describes it, from the tables here.
 */
#pragma once

#include <stdio.h>

#include "lib/report/waiver.h"

/* X(member, key, default in seconds, what for) */
#define PROFILE_DURATIONS(X)                                                                       \
	X(audit_window_ns, "auditWindow", 24 * 3600,                                               \
	  "how long the new policies only watch before they refuse anything")                      \
	X(settle_ns, "settle", 300,                                                                \
	  "how long everything must be quiet after a workload's restart")                          \
	X(soak_ns, "soak", 48 * 3600, "how long everything must be quiet before the run is done")  \
	X(sample_every_ns, "sampleEvery", 10, "how often a gate looks")                            \
	X(gate_timeout_ns, "gateTimeout", 1800, "how long a gate may take on top of its window")

struct profile {
#define PROFILE_MEMBER(member, key, seconds, what) uint64_t member;
	PROFILE_DURATIONS(PROFILE_MEMBER)
#undef PROFILE_MEMBER
	struct waivers waivers;
	const char *name; /* the file, or "defaults" */
	const char *probe_image;
};

void profile_init(struct profile *p);
/* path NULL: the defaults. Unknown members are an error. */
int profile_read(struct arena *a, const char *path, struct profile *p, struct error *err);
/* The same from a document, as a plan keeps it. */
int profile_decode(struct arena *a, const struct doc *d, struct profile *p, struct error *err);
struct doc *profile_doc(struct arena *a, const struct profile *p);
/* The file's format for its writer, with an example that a test carries out. */
void profile_help(FILE *out);
