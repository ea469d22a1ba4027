/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/publish.h - one sidecar's files, kept equal to what was rendered.
 *
 * A file is replaced by rename(2), which is what Envoy watches for, and only when its bytes differ;
 * what was published is known from memory, and after a restart from the disk.
 */
#pragma once

#include "lib/base/map.h"
#include "lib/istio/sidecar.h"

struct publication {
	char *dir;
	struct map digests; /* path -> digest of its bytes */
	bool bootstrapped;
};

struct publication *publication_new(const char *dir);
/* The folder stays. */
void publication_free(struct publication *p);
/*
 * Writes what changed, in order, the bootstrap last of all and never again (a running Envoy does
 * not read it twice); removes files that are listed no more. Returns how many files changed.
 */
int publication_write(struct publication *p, const struct istio_sidecar_files *files,
		      struct error *err);
