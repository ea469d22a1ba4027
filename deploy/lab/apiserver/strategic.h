/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strategic.h - strategic merge patch for the built-in kinds: lists whose items have a key are
 * merged item by item, and $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList mean
 * what they mean to kubectl.
 */
#pragma once

#include "lib/doc/doc.h"

/* The result is a new tree. kind chooses the merge keys. -EINVAL for a malformed patch. */
int strategic_merge(struct arena *a, const char *kind, const struct doc *target,
		    const struct doc *patch, struct doc **ret_result, struct error *err);
