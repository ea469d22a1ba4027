/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/profile.h - how patient and how strict an upgrade is: a file given with --profile.
 * `sidestep upgrade help profile` (profile_help) describes it, from the tables here.
 */
#pragma once

#include <stdio.h>

#include "lib/report/waiver.h"

/* X(member, key, default in seconds, what for) */
#define PROFILE_DURATIONS(X)                                                                       \
	X(canary_soak_ns, "canarySoak", 1800,                                                      \
	  "how long the first node must stay well before another is touched")                      \
	X(settle_ns, "settle", 120,                                                                \
	  "how long a node must be well before the next one has its turn")                         \
	X(wave_soak_ns, "waveSoak", 600, "how long everything must stay well after a wave")        \
	X(soak_ns, "soak", 48 * 3600, "how long everything must stay well in the end")             \
	X(prepare_ns, "prepare", 120,                                                              \
	  "how long an agent may take to keep connections for an older one")                       \
	X(sample_every_ns, "sampleEvery", 10, "how often a gate looks")                            \
	X(gate_timeout_ns, "gateTimeout", 600, "how long a gate may take on top of its window")

#define PROFILE_MAX_WAVES 16

struct profile {
#define PROFILE_MEMBER(member, key, seconds, what) uint64_t member;
	PROFILE_DURATIONS(PROFILE_MEMBER)
#undef PROFILE_MEMBER
	/* Per cent of the nodes behind the canary that have had their turn after each wave; ends
	 * with 100. */
	int64_t waves[PROFILE_MAX_WAVES];
	size_t n_waves;
	struct waivers waivers;
	const char *name; /* the file, or "defaults" */
};

void profile_init(struct profile *p);
/* path NULL: the defaults. Unknown members are an error. */
int profile_read(struct arena *a, const char *path, struct profile *p, struct error *err);
/* The same from a document, as a plan keeps it. */
int profile_decode(struct arena *a, const struct doc *d, struct profile *p, struct error *err);
struct doc *profile_doc(struct arena *a, const struct profile *p);
/* What it makes shorter than the defaults: "soak 2s instead of 48h"; a list of sentences. */
struct doc *profile_shortened(struct arena *a, const struct profile *p);
/* The file's format for its writer, with an example that a test carries out. */
void profile_help(FILE *out);
