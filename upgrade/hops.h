/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/hops.h - which release may follow which: versions, the releases there are, and the graph
 * of hops between them. Pure.
 *
 * The rule (reference/operations.md 4.1), which nothing forces:
 *   within a minor    any patch to any other, up or down;
 *   one minor up      from the latest patch of the current minor;
 *   one minor down    to the latest patch of that minor;
 *   nothing else      two minors at once, another major.
 * A pre-release is only a target when somebody allows it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/doc/doc.h"

struct version {
	uint32_t major, minor, patch;
	const char *pre; /* "rc.1"; NULL: a release */
	const char *text;
};

/* "0.3.0", "v0.3.1-rc.1" (build metadata behind "+" is not kept). */
int version_parse(struct arena *a, const char *text, struct version *ret, struct error *err);
/* By semver: a pre-release stands before its release. */
int version_cmp(const struct version *a, const struct version *b);

struct release {
	struct version version;
	const char *image;
	int64_t conntrack_layout; /* 0: not told */
	struct doc
		*blocks_downgrade; /* sentences: what stands against going below; NULL: nothing */
	/* Its agents publish no health: what only that would tell is not asked of them. */
	bool tells_no_health;
};
struct releases {
	struct release *items; /* ascending */
	size_t n;
	const char *source; /* the file, or what they are built from */
};

#define RELEASES_MAX 1000u

/* path NULL: those this tool was built with. */
int releases_read(struct arena *a, const char *path, struct releases *ret, struct error *err);
int releases_decode(struct arena *a, const struct doc *d, struct releases *ret, struct error *err);
/* Which layout of connections this tool knows of a version; 0: it does not know that version. */
int64_t releases_built_layout(const char *version);
/* The file's format for its writer. */
void releases_help(FILE *out);
/* NULL when there is none. */
const struct release *releases_find(const struct releases *r, const char *version);
const struct release *releases_of_image(const struct releases *r, const char *image);

enum hop {
	HOP_PATCH,
	HOP_UP,
	HOP_DOWN,
	/* and why not: */
	HOP_NONE,        /* the same version */
	HOP_SKIPS,       /* more than one minor, or another major */
	HOP_NOT_LATEST,  /* the current minor has a later patch, or (down) that one has */
	HOP_PRE_RELEASE, /* nobody allowed it */
};
static inline bool hop_is_legal(enum hop hop)
{
	return hop <= HOP_DOWN;
}
enum hop hop_between(const struct releases *r, const struct release *from, const struct release *to,
		     bool allow_prerelease);
/*
 * The fewest legal hops from one to the other: their stops without the first, in order, in a.
 * -ENOENT when there is no way.
 */
int hops_path(struct arena *a, const struct releases *r, const struct release *from,
	      const struct release *to, bool allow_prerelease, const struct release ***ret_stops,
	      size_t *ret_n, struct error *err);
