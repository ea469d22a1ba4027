/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/canonical.h - an object without what the cluster adds, so that two can be compared.
 *
 * Removed: status, and of metadata everything the server writes (uid, resourceVersion, generation,
 * creationTimestamp, deletionTimestamp and grace, managedFields, selfLink) and the annotation of
 * kubectl apply. Keys are sorted; empty metadata maps disappear.
 */
#pragma once

#include <stdint.h>

#include "lib/doc/doc.h"

struct doc *object_canonical(struct arena *a, const struct doc *object);
/* A digest of the canonical form, 16 hexadecimal digits and NUL; for comparison, not security. */
#define OBJECT_DIGEST_SIZE 17
char *object_digest(const struct doc *object, char buf[OBJECT_DIGEST_SIZE]);
/* A digest of a document as it is, with keys sorted. */
char *object_digest_exact(const struct doc *d, char buf[OBJECT_DIGEST_SIZE]);
