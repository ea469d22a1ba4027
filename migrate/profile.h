/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/profile.h - how patient and how strict a migration is: a file given with --profile.
 *
 *   auditWindow: 24h       # how long the policies only watch
 *   settle: 5m             # how long everything must be quiet after a workload's restart
 *   soak: 48h              # how long before the run calls itself done
 *   sampleEvery: 10s       # how often a gate looks
 *   gateTimeout: 30m       # how long a gate may take on top of its window
 *   waivers:               # see lib/report/waiver.h
 *   - {id: encryption-lost, reason: ..., owner: ..., expires: "2027-01-31"}
 *
 *   probeImage: registry/x # what probe pods run; has sidestep-migrate in its PATH
 *
 * What is not given is as above. Durations are shortened here only, never by changing defaults.
 */
#pragma once

#include "lib/report/waiver.h"

/* X(member, key, default in seconds, what for) */
#define PROFILE_DURATIONS(X)                                                                       \
	X(audit_window_ns, "auditWindow", 24 * 3600, "policies only watch")                        \
	X(settle_ns, "settle", 300, "quiet after a workload's restart")                            \
	X(soak_ns, "soak", 48 * 3600, "quiet before the run is done")                              \
	X(sample_every_ns, "sampleEvery", 10, "how often a gate looks")                            \
	X(gate_timeout_ns, "gateTimeout", 1800, "patience of a gate beyond its window")

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
